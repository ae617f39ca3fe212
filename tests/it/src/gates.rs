//! Gates decide: what is red does not move on.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, TestProject};

fn blocked_by(gate_table: &str, attempts: u32) -> (String, String) {
    let project = TestProject::builder()
        .setting(&format!("max_retries = {attempts}"))
        .agent(&AgentSpec::diligent("coder-1"))
        .table(gate_table)
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let from = project.base();
    let daemon = project.up();
    let story = daemon.wait_story("1_story_a", "is blocked", |story| story.state == State::Blocked);
    assert_eq!((story.stage.as_str(), project.base()), ("current", from));
    let text = daemon.wait_text("1_story_a", "\nblocked: ");
    assert!(text.ends_with("a\n"), "{text}");
    let work = project.git().run(&["show", "feature/story-1_story_a:1_story_a.txt"]);
    daemon.stop();
    (story.reason.unwrap_or_default(), work)
}

#[test]
fn a_red_gate_is_tried_as_often_as_it_may_and_then_blocks() {
    let (reason, work) = blocked_by("[[gate]]\nname = \"shape\"\nrun = \"echo misshapen; exit 1\"", 2);
    assert!(reason.contains("shape"), "{reason}");
    assert_eq!(work, "1_story_a, attempt 1\n1_story_a, attempt 2");
}

#[test]
fn a_gate_that_changes_a_tracked_file_is_red() {
    blocked_by("[[gate]]\nrun = \"echo more >> 1_story_a.txt\"", 1);
}

#[test]
fn a_gate_whose_output_does_not_match_is_red() {
    blocked_by("[[gate]]\nrun = \"echo 0 passed\"\nexpect = \"[1-9][0-9]* passed\"", 1);
}

#[test]
fn a_gate_that_takes_too_long_is_red_and_ended() {
    blocked_by("[[gate]]\nrun = \"sleep 1000\"\ntimeout = \"1s\"", 1);
}

#[test]
fn a_gate_that_does_not_exist_is_red() {
    blocked_by("[[gate]]\nrun = \"no-such-program-anywhere\"", 1);
}
