//! Agents of a runtime: a program that speaks like Claude Code, Codex or Gemini, from a file to a merged commit.

use std::fs;
use std::path::Path;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, TestProject};

use crate::common::WORK;

/// A project with a story, and with one agent of that runtime; a program of that name is this shell script.
fn project(runtime: &str, program: &str, script: &str) -> TestProject {
    let project = TestProject::builder()
        .story(Stage::Current, "1_story_door", "---\nname: Paint the door\n---\nMake it green.\n")
        .build();
    project.script(program, &format!("#!/bin/sh\n{script}\n"));
    let command = if program == "own-agent" { program } else { "" };
    let agent = AgentSpec::command("coder-1", Path::new(command), &["--extra"]).with("runtime", runtime);
    project.configure(|text| format!("{text}\n{}", agent.to_toml()));
    project
}

/// For each runtime: its program, an argument that it is started with, what it says of a run that did its work.
const SPOKEN: [(&str, &str, &str, &str, &str); 3] = [
    (
        "claude-code",
        "claude",
        "--dangerously-skip-permissions",
        r#"{"type":"system","subtype":"init","session_id":"s-1","model":"m"}"#,
        r#"{"type":"result","subtype":"success","is_error":false,"result":"It is green now.","modelUsage":{"m":{"inputTokens":10,"outputTokens":5,"costUSD":0.25}}}"#,
    ),
    (
        "codex",
        "codex",
        "--json",
        r#"{"type":"thread.started","thread_id":"s-1"}"#,
        r#"{"type":"item.completed","item":{"type":"agent_message","text":"It is green now."}}
{"type":"turn.completed","usage":{"input_tokens":10,"output_tokens":5}}"#,
    ),
    (
        "gemini",
        "gemini",
        "--yolo",
        r#"{"type":"init","session_id":"s-1","model":"m"}"#,
        r#"{"type":"message","role":"assistant","content":"It is green now.","delta":true}
{"type":"result","status":"success","stats":{"models":{"m":{"input_tokens":10,"output_tokens":5}}}}"#,
    ),
];

#[test]
fn an_agent_of_each_runtime_is_started_its_way_and_its_work_lands_in_its_words() {
    for (runtime, program, argument, first, last) in SPOKEN {
        let script = format!("printf '%s\\n' \"$@\" > \"$HOME/args\"\necho '{first}'\n{WORK}echo '{last}'\n");
        let project = project(runtime, program, &script);
        let daemon = project.up();
        let done = daemon.wait_stage("1_story_door", "done");
        assert_eq!(done.cost_usd, (runtime == "claude-code").then_some(0.25), "{runtime}");
        let args = fs::read_to_string(project.surroundings().home.join("args")).expect("the arguments");
        let args: Vec<&str> = args.lines().collect();
        assert!(args.contains(&argument) && args.contains(&"--extra"), "{runtime}: {args:?}");
        assert!(args.iter().any(|arg| arg.contains("Make it green.")), "{runtime}: {args:?}");
        let message = project.git().run(&["log", "-1", "--format=%B", "main"]);
        assert!(message.starts_with("Paint the door\n\nIt is green now.\n"), "{runtime}: {message}");
        daemon.stop();
    }
}

#[test]
fn an_agent_without_a_key_is_drained_and_its_story_waits_and_loses_nothing() {
    let script = r#"echo '{"type":"system","subtype":"init","session_id":"s-1"}'
echo '{"type":"assistant","error":"authentication_failed","message":{"content":[]}}'
echo '{"type":"result","subtype":"success","is_error":true,"result":"Not logged in · Please run /login"}'
exit 1"#;
    let project = project("claude-code", "own-agent", script);
    let daemon = project.up();
    let agent = daemon.wait_for("the agent is drained", |status| {
        status.agents.iter().find(|agent| agent.state == "drained").cloned()
    });
    let reason = agent.reason.unwrap_or_default();
    assert!(reason.contains("cannot log in: Not logged in"), "{reason}");
    let story = daemon.wait_state("1_story_door", State::Waiting);
    assert_eq!(story.attempt, 1, "it is no failure");
    assert!(!project.read_story("1_story_door").contains("blocked"));
    daemon.stop();
}
