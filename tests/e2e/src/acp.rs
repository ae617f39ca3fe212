//! Agents behind the Agent Client Protocol: by themselves, and stories that storkit builds with them.

use storkit_core::snapshot::State;
use storkit_testkit::model::{ModelServer, Repeat, Script, Turn};
use storkit_testkit::real::{AcpClient, Session};
use storkit_testkit::{AgentSpec, ProjectBuilder, RealAgent, TestProject};

use crate::play::{Play, STORY, commit};
use crate::stories::{a_red_gate, a_stop, a_story_is_merged, a_tool_that_is_asked_for};

/// Writes where leave is given and not where it is refused; in its freest mode commits without asking.
#[track_caller]
fn works_with_leave_alone(agent: RealAgent, free: &str) {
    let project = TestProject::builder().build();
    // Not named like the markers: agents are told the names of files.
    let file = |name: &str| project.root().join(name);
    let writes = |marker: &str, name: &str| {
        let write = Turn::write(&file(name).to_string_lossy(), "hello\n");
        Script::when(marker).turn(write).turn(Turn::says("All done."))
    };
    let commit = Turn::shell("git add -A && git commit -qm 'Add files'");
    let commits = Script::when("cobalt-3").turn(commit).turn(Turn::says("All done."));
    let model = ModelServer::start(vec![writes("cobalt-1", "one"), writes("cobalt-2", "two"), commits]);
    let mut client = AcpClient::start(&mut agent.prompted(&project, &model, Session::New, ""));
    assert_eq!(client.about["protocolVersion"], 1);

    let session = client.new_session(project.root());
    let done = client.prompt(&session, "Do what cobalt-1 says.", true);
    assert!(done.answer["stopReason"] == "end_turn" && done.text().contains("All done."), "{done:?}");
    assert!(done.asked.len() == 1 && file("one").is_file(), "{done:?}");

    let session = client.new_session(project.root());
    let refused = client.prompt(&session, "Do what cobalt-2 says.", false);
    assert!(refused.asked.len() == 1 && !refused.failed && !file("two").exists(), "{refused:?}");

    let session = client.new_session(project.root());
    client.set_mode(&session, free);
    let free = client.prompt(&session, "Do what cobalt-3 says.", false);
    assert_eq!(project.git().lines(&["log", "--format=%s"]), ["Add files", "Begin"], "{free:?}");
    assert!(free.asked.is_empty() && model.foreign_keys() == 0, "{free:?}");
}

#[test]
fn it_works_with_leave_alone_claude_acp() {
    works_with_leave_alone(RealAgent::ClaudeAcp, "bypassPermissions");
}

#[test]
fn it_works_with_leave_alone_codex_acp() {
    works_with_leave_alone(RealAgent::CodexAcp, "full-access");
}

#[test]
fn it_works_with_leave_alone_gemini_acp() {
    works_with_leave_alone(RealAgent::GeminiAcp, "yolo");
}

#[test]
fn a_story_is_merged_claude_acp() {
    a_story_is_merged(RealAgent::ClaudeAcp);
}

/// It does not tell what it has used, or not all of it.
#[track_caller]
fn a_story_is_merged_uncounted(agent: RealAgent) {
    let summary = "Said it.\n{\"storkit\":\"summary\",\"text\":\"It says hello now.\"}";
    let turns = vec![commit("hello.txt", "hello"), Turn::says(summary)];
    let play = Play::with(agent, turns, |builder| builder.gate("grep -q hello hello.txt"), |spec| spec);
    let daemon = play.project.up();
    play.wait_done(&daemon);
    assert_eq!(play.attempts(), [1]);
    daemon.stop();
    play.assert_landed("hello.txt", "hello\n");
    let body = play.project.git().run(&["log", "-1", "--format=%b", "main"]);
    assert!(body.starts_with("It says hello now."), "{body}");
}

#[test]
fn a_story_is_merged_codex_acp() {
    a_story_is_merged_uncounted(RealAgent::CodexAcp);
}

#[test]
fn a_story_is_merged_gemini_acp() {
    a_story_is_merged_uncounted(RealAgent::GeminiAcp);
}

#[test]
fn a_red_gate_claude_acp() {
    a_red_gate(RealAgent::ClaudeAcp);
}

#[test]
fn a_red_gate_codex_acp() {
    a_red_gate(RealAgent::CodexAcp);
}

#[test]
fn a_stop_claude_acp() {
    a_stop(RealAgent::ClaudeAcp);
}

#[test]
fn a_stop_codex_acp() {
    a_stop(RealAgent::CodexAcp);
}

/// It is told no when it asks leave, or its own sandbox says no: nothing lands, and the story says why it stands.
#[track_caller]
fn a_refused_tool(agent: RealAgent, mode: &str, word: &str) {
    let turns = vec![commit("hello.txt", "hello"), Turn::says("I could not.").repeat(Repeat::Forever)];
    let once = |builder: ProjectBuilder| builder.setting("max_retries = 1");
    let asks = |spec: AgentSpec| spec.env("STORKIT_ACP_MODE", mode).with("permissions", "deny");
    let play = Play::with(agent, turns, once, asks);
    let daemon = play.project.up();
    let story = daemon.wait_story(STORY, "stands", |story| story.state == State::Blocked);
    assert!(story.reason.as_ref().is_some_and(|why| why.contains(word)), "{story:?}");
    daemon.stop();
    play.assert_quiet();
    assert_eq!(play.on_base("hello.txt"), None);
}

#[test]
fn a_refused_tool_claude_acp() {
    a_refused_tool(RealAgent::ClaudeAcp, "default", "Bash");
}

#[test]
fn a_tool_that_is_asked_for_claude_acp() {
    a_tool_that_is_asked_for(RealAgent::ClaudeAcp, vec![commit("hello.txt", "no")]);
}

#[test]
fn a_refused_tool_codex_acp() {
    a_refused_tool(RealAgent::CodexAcp, "read-only", "nothing was done");
}

/// A limit of the account is no failure: the story waits.
#[track_caller]
fn a_rate_limit(agent: RealAgent) {
    let play = Play::new(agent, vec![Turn::rate_limited(1).repeat(Repeat::Forever)]);
    let daemon = play.project.up();
    let story = daemon.wait_story(STORY, "waits", |story| {
        story.state == State::Waiting && story.reason.is_some() && play.attempts().len() == 1
    });
    assert_eq!(story.attempt, 1, "{story:?}");
    daemon.stop();
    play.assert_quiet();
}

#[test]
fn a_rate_limit_is_waited_for_claude_acp() {
    a_rate_limit(RealAgent::ClaudeAcp);
}

#[test]
fn a_rate_limit_is_waited_for_codex_acp() {
    a_rate_limit(RealAgent::CodexAcp);
}
