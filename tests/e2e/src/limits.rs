//! Limits of accounts and lost daemons: what waits goes on by itself at the reset, or when a person says so.

use std::time::{Duration, SystemTime};

use storkit_core::snapshot::State;
use storkit_testkit::model::{DUMMY_KEY, Repeat, Turn};
use storkit_testkit::{AgentSpec, RealAgent};

use crate::play::{ApiAgent, Play, STORY, commit};

/// 429 and no word on when it ends: the runtime rests, the story waits and has failed at nothing; a person ends the rest.
#[track_caller]
fn waits_until_it_is_resumed(play: &Play) {
    let daemon = play.project.up();
    let rests = daemon.wait_for("the agent to rest", |status| {
        status.agents.iter().find(|agent| agent.state == "rate_limited").cloned()
    });
    assert!(rests.until.is_some() && rests.reason.is_some(), "{rests:?}");
    assert_eq!(daemon.wait_state(STORY, State::Waiting).attempt, 1, "it is no failure");
    play.model.release();
    play.project.storkit(&["resume", "coder-1"]).ok();
    play.wait_done(&daemon);
    assert_eq!(play.attempts(), [1, 1]);
    daemon.stop();
    play.assert_landed("hello.txt", "hello\n");
}

fn limited() -> Vec<Turn> {
    let limited = Turn::status(429).repeat(Repeat::UntilReleased);
    vec![limited, commit("hello.txt", "hello"), Turn::says("All done.")]
}

#[test]
fn a_limit_without_a_reset_claude329() {
    waits_until_it_is_resumed(&Play::new(RealAgent::Claude329, limited()));
}

#[test]
fn a_limit_without_a_reset_codex() {
    waits_until_it_is_resumed(&Play::new(RealAgent::Codex, limited()));
}

#[test]
fn a_limit_without_a_reset_gemini() {
    waits_until_it_is_resumed(&Play::new(RealAgent::Gemini, limited()));
}

#[test]
fn a_limit_without_a_reset_openai() {
    waits_until_it_is_resumed(&Play::with_api(ApiAgent::OpenAi, limited(), |builder| builder));
}

#[test]
fn a_limit_without_a_reset_gemini_api() {
    waits_until_it_is_resumed(&Play::with_api(ApiAgent::Gemini, limited(), |builder| builder));
}

/// The reset that was named holds for the next daemon as well: nobody asks before, and nobody has to be asked.
#[track_caller]
fn a_reset_outlives_the_daemon(agent: RealAgent) {
    const WAIT: Duration = Duration::from_secs(15);
    /// A reset is told in whole seconds.
    const SECOND: Duration = Duration::from_secs(1);
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
    let reset = now() + WAIT;
    let used_up = Turn::limit_used_up("five_hour", reset.as_secs()).repeat(Repeat::ForMs(1_000));
    let turns = vec![used_up, commit("hello.txt", "hello"), Turn::says("All done.")];
    let subscriber =
        |spec: AgentSpec| spec.without_env("ANTHROPIC_API_KEY").env("CLAUDE_CODE_OAUTH_TOKEN", DUMMY_KEY);
    let play = Play::with(agent, turns, |builder| builder, subscriber);
    let daemon = play.project.up();
    daemon.wait_for("the agent to rest", |status| {
        status.agents.iter().any(|agent| agent.state == "rate_limited").then_some(())
    });
    daemon.kill9();
    play.assert_quiet();
    let daemon = play.project.up();
    let rests = daemon.wait_for("the agent to rest on", |status| status.agents.first().cloned());
    assert!(rests.state == "rate_limited" || now() + SECOND >= reset, "{rests:?}");
    play.wait_done(&daemon);
    assert!(now() + SECOND >= reset, "it was tried again before the reset");
    assert_eq!(play.attempts(), [1, 1], "neither a limit nor a crash is a failure");
    daemon.stop();
    play.assert_landed("hello.txt", "hello\n");
}

#[test]
fn a_reset_outlives_the_daemon_claude197() {
    a_reset_outlives_the_daemon(RealAgent::Claude197);
}

#[test]
fn a_reset_outlives_the_daemon_claude329() {
    a_reset_outlives_the_daemon(RealAgent::Claude329);
}
