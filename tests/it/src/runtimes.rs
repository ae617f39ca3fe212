//! Agents of a runtime: a program that speaks like Claude Code, Codex or Gemini, from a file to a merged commit.

use std::fs;
use std::path::Path;

use serde_json::json;
use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::model::{DUMMY_KEY, ModelServer, Script, Turn, Usage};
use storkit_testkit::{AgentSpec, TestProject};

use crate::common::{WORK, on_branch};

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

/// A project with a story and one agent of storkit's own loop, which the scripted model drives.
fn with_model(runtime: &str, turns: Vec<Turn>, key: bool) -> (ModelServer, TestProject) {
    let script = turns.into_iter().fold(Script::when("cobalt-1"), Script::turn);
    let model = ModelServer::start(vec![script]);
    let project = TestProject::builder()
        .story(Stage::Current, "1_story_door", "---\nname: Paint the door\n---\nDo what cobalt-1 says.\n")
        .build();
    let (prefix, base) = match runtime {
        "openai" => ("OPENAI", format!("{}/v1", model.url())),
        _ => ("GEMINI", model.url()),
    };
    let agent = AgentSpec::command("coder-1", Path::new(""), &[])
        .with("runtime", runtime)
        .with("model", "scripted-1");
    let agent = if key {
        agent.env(&format!("{prefix}_API_KEY"), DUMMY_KEY).env(&format!("{prefix}_BASE_URL"), &base)
    } else {
        agent
    };
    project.configure(|text| format!("{text}\n{}", agent.to_toml()));
    (model, project)
}

#[test]
fn a_model_behind_an_api_builds_a_story_and_usage_is_what_it_charged() {
    for runtime in ["openai", "gemini-api"] {
        let cached = Usage { input: 300, output: 40, cache_read: 700, cache_write: 0 };
        let turns = vec![
            Turn::write("door.txt", "green\n").saying("I paint it.").costs(cached),
            Turn::rate_limited(1),
            Turn::shell("env > \"$HOME/env\"; git add door.txt && git commit -qm 'Paint the door'"),
            Turn::default().call("finish", json!({"summary": "It is green now."})).costs(Usage::of(123, 45)),
        ];
        let (model, project) = with_model(runtime, turns, true);
        let daemon = project.up();
        daemon.wait_stage("1_story_door", "done");
        let message = project.git().run(&["log", "-1", "--format=%B", "main"]);
        assert!(message.starts_with("Paint the door\n\nIt is green now.\n"), "{runtime}: {message}");
        assert_eq!(on_branch(&project, "main", "door.txt").as_deref(), Some("green\n"), "{runtime}");
        let text = project.storkit(&["usage", "--json"]).ok();
        let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let served = &model.served_for("cobalt-1")["scripted-1"];
        let told =
            ["input_tokens", "output_tokens", "cache_read_tokens"].map(|name| report["total"][name].as_u64());
        assert_eq!(told, [served.input, served.output, served.cache_read].map(Some), "{runtime}: {text}");
        let env = fs::read_to_string(project.surroundings().home.join("env")).expect("the environment");
        assert!(!env.contains(DUMMY_KEY), "commands of the model do not see the key");
        daemon.stop();
        assert_none(&check::no_survivors(&project));
        assert_eq!((model.unused().len(), model.foreign_keys()), (0, 0), "{runtime}");
    }
}

#[test]
fn an_api_agent_without_a_key_is_drained_with_the_variables_name() {
    for (runtime, name) in [("openai", "OPENAI_API_KEY"), ("gemini-api", "GEMINI_API_KEY")] {
        let (_model, project) = with_model(runtime, vec![], false);
        let daemon = project.up();
        let agent = daemon.wait_for("the agent is drained", |status| {
            status.agents.iter().find(|agent| agent.state == "drained").cloned()
        });
        let reason = agent.reason.unwrap_or_default();
        assert!(reason.contains(&format!("cannot log in: {name} is not set")), "{reason}");
        daemon.stop();
    }
}

#[test]
fn an_api_agent_asks_before_its_first_command_and_a_persons_word_decides() {
    let commit = "echo green > door.txt; git add door.txt && git commit -qm 'Paint the door'";
    for (said, lands) in [("allow", true), ("no, write the file", false)] {
        let after = if lands { Turn::shell(commit) } else { Turn::write("door.txt", "green\n") };
        let turns = vec![Turn::shell(commit), after, Turn::says("Done.")];
        let (model, project) = with_model("openai", turns, true);
        project.configure(|text| {
            text.replace("runtime = \"openai\"", "runtime = \"openai\"\npermissions = \"ask\"")
        });
        let daemon = project.up();
        daemon.wait_state("1_story_door", storkit_core::snapshot::State::Question);
        let text = daemon.wait_text("1_story_door", "## Question 1");
        assert!(text.contains("it may not use shell") && text.contains("`allow`"), "{text}");
        assert_eq!(on_branch(&project, "feature/story-1_story_door", "door.txt"), None);
        project.storkit(&["answer", "1", "-m", said]).ok();
        daemon.wait_stage("1_story_door", "done");
        assert_eq!(on_branch(&project, "main", "door.txt").as_deref(), Some("green\n"));
        daemon.stop();
        let last = model.turns_of("cobalt-1").pop().expect("asked");
        assert!(last.says(said) && model.unused().is_empty(), "the session goes on with the answer");
    }
}

#[test]
fn a_session_that_goes_on_is_told_what_is_new_in_the_shared_context_and_no_more() {
    let (_, _, _, first, last) = SPOKEN[1];
    let script = format!(
        "for prompt in \"$@\"; do :; done\nprintf '%s' \"$prompt\" > \"$HOME/prompt-$STORKIT_ATTEMPT\"\necho '{first}'\n\
         [ \"$STORKIT_ATTEMPT\" = 1 ] || touch again\n{WORK}echo '{last}'\n"
    );
    let project = project("codex", "codex", &script);
    let context = project.root().join(".storkit/context.md");
    fs::write(&context, "## api\n\nIt speaks REST.\n").expect("a context");
    let shared = context.display();
    // What gates run is told in prompts: the words stand in a script of their own.
    let taste =
        format!("[ -e again ] || {{ printf '## store\\n\\nIt is Postgres.\\n' >> '{shared}'; exit 1; }}");
    project.script("taste", &format!("#!/bin/sh\n{taste}\n"));
    project.configure(|text| format!("{text}\n[[gate]]\nrun = \"taste\"\nstages = [\"current\"]\n"));
    let daemon = project.up();
    daemon.wait_stage("1_story_door", "done");
    daemon.stop();
    let prompt = |attempt: u32| {
        fs::read_to_string(project.surroundings().home.join(format!("prompt-{attempt}"))).expect("a prompt")
    };
    assert!(prompt(1).contains("It speaks REST.") && !prompt(1).contains("Postgres"), "{}", prompt(1));
    assert!(prompt(2).contains("It is Postgres.") && !prompt(2).contains("REST"), "{}", prompt(2));
}

#[test]
fn a_classifier_chooses_the_model_and_its_failure_only_costs_its_choice() {
    let (_, _, _, first, last) = SPOKEN[1];
    for (command, model) in [
        ("echo \"{\\\"model\\\":\\\"big-$(grep -c green \"$STORKIT_STORY_FILE\")\\\"}\"", Some("big-1")),
        ("echo big; exit 3", None),
        ("sleep 1000", None),
    ] {
        let script = format!("printf '%s\\n' \"$@\" > \"$HOME/args\"\necho '{first}'\n{WORK}echo '{last}'\n");
        let project = project("codex", "codex", &script);
        project
            .configure(|text| format!("{text}\n[classifier]\ncommand = '''{command}'''\ntimeout = \"1s\"\n"));
        let daemon = project.up();
        daemon.wait_stage("1_story_door", "done");
        daemon.stop();
        let args = fs::read_to_string(project.surroundings().home.join("args")).expect("the arguments");
        let mut words = args.lines().skip_while(|word| *word != "-m").skip(1);
        assert_eq!(words.next(), model, "{command}");
    }
}
