//! Stories that storkit builds with models behind an API, by its own tool loop: as with the other agents.

use storkit_testkit::model::{QUOTED, Repeat, Turn};

use crate::check::works;
use crate::play::{ApiAgent, Play};
use crate::stories::red_gate;

#[test]
fn a_red_gate_openai() {
    red_gate(|turns, build| Play::with_api(ApiAgent::OpenAi, turns, build));
}

#[test]
fn a_red_gate_gemini_api() {
    red_gate(|turns, build| Play::with_api(ApiAgent::Gemini, turns, build));
}

/// `agent check` of an API: green, and red where the key is refused.
#[track_caller]
fn a_check(api: ApiAgent, key: &str) {
    let check =
        |play: &Play| play.project.storkit(&["agent", "check", "coder-1", "--trust", "--timeout", "40s"]);
    let play = Play::answering(api, works());
    let said = check(&play).expect_code(0).stdout;
    assert!(!said.contains('✗') && said.contains("✓ resumes") && !said.contains(QUOTED), "{said}");
    play.assert_quiet();
    let refused = Play::answering(api, vec![Turn::status(401).repeat(Repeat::Forever)]);
    let said = check(&refused).expect_code(1).stdout;
    assert!(said.contains("✗ answers") && said.contains(&format!("put a key into {key}")), "{said}");
    refused.assert_quiet();
}

#[test]
fn check_is_green_openai() {
    a_check(ApiAgent::OpenAi, "OPENAI_API_KEY");
}

#[test]
fn check_is_green_gemini_api() {
    a_check(ApiAgent::Gemini, "GEMINI_API_KEY");
}
