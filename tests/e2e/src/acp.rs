//! Agents behind the Agent Client Protocol, by themselves.

use storkit_testkit::model::{ModelServer, Script, Turn};
use storkit_testkit::real::{AcpClient, Session};
use storkit_testkit::{RealAgent, TestProject};

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
