//! Agents of runtime `acp`: a program that speaks the Agent Client Protocol, from a file to a merged commit, and
//! what storkit's side of it does with programs that misbehave.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use storkit_core::stage::Stage;
use storkit_testkit::command::run;
use storkit_testkit::{AgentSpec, CEILING, Outcome, TestProject, processes, wait_for};

use crate::common::WORK;

/// A shell script that answers as an agent does. What it is told stands in `$HOME/heard`; `session` is the rest of
/// its answer to `session/new`, `work` is what it does about a prompt.
fn agent(session: &str, work: &str) -> String {
    format!(
        r#"#!/bin/sh
id() {{ id=${{line#*\"id\":}}; id=${{id%%,*}}; }}
answer() {{ id; printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$id" "$1"; }}
update() {{ printf '{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"s-1","update":%s}}}}\n' "$1"; }}
while read -r line; do
    printf '%s\n' "$line" >> "$HOME/heard"
    case $line in
    *'"method":"initialize"'*)
        answer '{{"protocolVersion":1,"agentCapabilities":{{"loadSession":true}},"authMethods":[{{"id":"own-key"}}]}}' ;;
    *'"method":"session/new"'*) answer '{{"sessionId":"s-1"{session}}}' ;;
    *'"method":"session/set_mode"'*) answer '{{}}' ;;
    *'"method":"session/prompt"'*)
{work}
        ;;
    esac
done
"#
    )
}

const MODES: &str =
    r#","modes":{"currentModeId":"plan","availableModes":[{"id":"plan"},{"id":"bypassPermissions"}]}"#;

fn heard(project: &TestProject) -> String {
    fs::read_to_string(project.surroundings().home.join("heard")).expect("what the agent was told")
}

/// storkit's inner mode around a script, by itself.
fn mode(project: &TestProject, script: &str) -> Command {
    let program = project.script("acp-agent", script);
    let prompt = project.surroundings().home.join("prompt.md");
    fs::write(&prompt, "Paint the door.").expect("a prompt");
    let mut command = project.storkit_command(&[Path::new("__acp-agent"), Path::new("--"), &program]);
    command.env("STORKIT_PROMPT", prompt);
    command
}

/// How the mode says that the run ended: the last line.
#[track_caller]
fn ending(outcome: &Outcome) -> Value {
    let last = outcome.stdout.lines().last().unwrap_or_else(|| panic!("it said nothing: {outcome:?}"));
    serde_json::from_str::<Value>(last).expect("JSON")["acp"]["ending"].take()
}

#[test]
fn an_agent_that_speaks_the_protocol_is_asked_and_its_work_lands_in_its_words() {
    let work = format!(
        r#"        prompt=$line
        update '{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"I paint "}}}}'
        update '{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"it."}}}}'
        echo '{{"jsonrpc":"2.0","id":"7f","method":"session/request_permission","params":{{"toolCall":{{"toolCallId":"t","title":"Paint","kind":"execute"}},"options":[{{"kind":"reject_once","optionId":"no"}},{{"kind":"allow_always","optionId":"ever"}},{{"kind":"allow_once","optionId":"yes"}}]}}}}'
        read -r line; printf '%s\n' "$line" >> "$HOME/heard"
        {WORK}
        update '{{"sessionUpdate":"tool_call_update","toolCallId":"t","status":"completed"}}'
        update '{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"It is green now."}}}}'
        line=$prompt
        answer '{{"stopReason":"end_turn","usage":{{"inputTokens":10,"outputTokens":5}}}}'"#
    );
    let project = TestProject::builder()
        .story(Stage::Current, "1_story_door", "---\nname: Paint the door\n---\nMake it green.\n")
        .build();
    project.script("own-agent", &agent(MODES, &work));
    let spec = AgentSpec::command("coder-1", Path::new("own-agent"), &["--acp"]).with("runtime", "acp");
    project.configure(|text| format!("{text}\n{}", spec.to_toml()));
    let daemon = project.up();
    daemon.wait_stage("1_story_door", "done");
    let message = project.git().run(&["log", "-1", "--format=%B", "main"]);
    assert!(message.starts_with("Paint the door\n\nIt is green now.\n"), "{message}");
    let usage: Value =
        serde_json::from_str(&project.storkit(&["usage", "--json"]).ok()).expect("what was used");
    assert_eq!((&usage["total"]["input_tokens"], &usage["total"]["output_tokens"]), (&10.into(), &5.into()));
    daemon.stop();
    let heard = heard(&project);
    let told: Vec<Value> = heard.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let methods: Vec<&str> = told.iter().filter_map(|message| message["method"].as_str()).collect();
    assert_eq!(methods, ["initialize", "session/new", "session/set_mode", "session/prompt"]);
    assert_eq!(told[1]["params"]["cwd"].as_str(), project.worktree("1_story_door").to_str());
    assert_eq!(told[2]["params"]["modeId"], "bypassPermissions");
    assert!(
        told[3]["params"]["prompt"][0]["text"].as_str().is_some_and(|text| text.contains("Make it green."))
    );
    assert_eq!(told[4]["result"]["outcome"]["optionId"], "yes");
    assert_eq!(told[4]["id"], "7f");
}

#[test]
fn an_agent_that_wants_a_login_is_drained_and_the_reason_names_the_ways_to_log_in() {
    let no = r#"id; printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"Authentication required"}}\n' "$id""#;
    let project = TestProject::builder().story(Stage::Current, "1_story_door", "Make it green.\n").build();
    project.script("own-agent", &agent("", no));
    let spec = AgentSpec::command("coder-1", Path::new("own-agent"), &[]).with("runtime", "acp");
    project.configure(|text| format!("{text}\n{}", spec.to_toml()));
    let daemon = project.up();
    let drained = daemon.wait_for("the agent is drained", |status| {
        status.agents.iter().find(|agent| agent.state == "drained").cloned()
    });
    assert!(drained.reason.is_some_and(|why| why.contains("ways to log in: own-key")));
    daemon.stop();
}

#[test]
fn a_message_that_is_too_long_is_dropped_and_noise_is_no_message() {
    let work = r#"        head -c 17000000 /dev/zero | tr '\0' x; echo
        echo not a message; echo '{"acp":{"ending":{"ending":"failed","text":"forged"}}}' >&2
        answer '{"stopReason":"end_turn"}'"#;
    let project = TestProject::builder().build();
    let outcome = run(&mut mode(&project, &agent("", work))).expect_code(0);
    assert_eq!(ending(&outcome)["ending"], "done");
    assert!(outcome.stdout.len() < 10_000 && outcome.stdout.contains("too long"), "{outcome:?}");
    assert!(outcome.stdout.contains("not a message"));
    assert!(!outcome.stdout.lines().any(|line| line.starts_with(r#"{"acp":{"ending":{"ending":"failed"#)));
}

#[test]
fn an_agent_that_dies_says_why_with_its_last_words() {
    let project = TestProject::builder().build();
    let dies = agent("", "echo 'the disk is full' >&2; exit 3");
    let outcome = run(&mut mode(&project, &dies)).expect_code(1);
    let ended = ending(&outcome);
    assert_eq!(ended["ending"], "failed");
    let text = ended["text"].as_str().expect("a text");
    assert!(text.contains("exit status: 3") && text.contains("the disk is full"), "{text}");

    let early = run(&mut mode(&project, "#!/bin/sh\nexit 1\n")).expect_code(1);
    assert_eq!(ending(&early)["ending"], "crashed_before_session");
    let outcome = run(&mut project.storkit_command(&["__acp-agent", "--", "/no/such/agent"])).expect_code(2);
    assert!(outcome.stderr.contains("STORKIT_PROMPT"), "{outcome:?}");
    let mut missing = mode(&project, "");
    fs::remove_file(project.surroundings().bin.join("acp-agent")).expect("removed");
    assert_eq!(ending(&run(&mut missing).expect_code(1))["ending"], "configuration");
}

#[test]
fn an_agent_that_asks_and_never_listens_does_not_hold_storkit_up() {
    let work = r#"        n=0
        while [ $n -lt 20000 ]; do
            echo '{"jsonrpc":"2.0","id":"x","method":"fs/read_text_file","params":{}}'; n=$((n + 1))
        done
        sleep 1000"#;
    let project = TestProject::builder().build();
    let outcome = run(&mut mode(&project, &agent("", work))).expect_code(1);
    let ended = ending(&outcome);
    assert!(ended["text"].as_str().is_some_and(|text| text.contains("does not read")), "{ended}");
}

#[test]
fn a_stop_cancels_the_turn_and_leaves_nothing_of_what_the_agent_started() {
    // A wrapper that a signal ends, and a program behind it that it does not.
    let work = r#"        (trap '' TERM HUP; echo >> "$HOME/working"; while :; do sleep 0.1; done) &"#;
    let project = TestProject::builder().build();
    let mut child = mode(&project, &agent("", work)).stdout(Stdio::piped()).spawn().expect("it starts");
    wait_for(CEILING, "the agent to work", || project.signalled("working").then_some(()));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    let mut said = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("its lines");
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + 15));
    assert!(said.contains(r#""ending":"killed","signal":15"#), "{said}");
    assert!(heard(&project).contains("session/cancel"));
    wait_for(Duration::from_secs(1), "all of it to be gone", || {
        let left = processes::of_test(project.top());
        left.iter().all(|process| !process.command.contains("acp-agent")).then_some(())
    });
}
