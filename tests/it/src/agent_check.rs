//! `storkit agent check`: what it says of agents that work, that wait for a person, that hang, and what it leaves: nothing.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, Outcome, TestProject, processes, wait_for};

/// What Claude Code shows where it does not trust a folder, as its cursor moves place it.
const TRUST: &str = "printf 'Quick safety check:\\033[2CIs this a project you created or one you trust?\\r\\n\
    Enter\\033[1Cto confirm'; sleep 1000";

fn check(agent: &AgentSpec, args: &[&str]) -> (TestProject, Outcome) {
    let project = TestProject::builder().agent(agent).build();
    let words = [&["agent", "check", "coder-1", "--trust"], args].concat();
    let outcome = project.storkit(&words);
    assert_nothing_is_left(&project);
    (project, outcome)
}

#[track_caller]
fn assert_nothing_is_left(project: &TestProject) {
    let git = project.git();
    assert_eq!(git.lines(&["worktree", "list"]).len(), 1);
    assert_eq!(git.lines(&["for-each-ref", "--format=%(refname)"]), ["refs/heads/main"]);
    assert_eq!(git.lines(&["log", "--format=%s", "main"]), ["Begin"]);
    assert_eq!(git.lines(&["status", "--porcelain"]), Vec::<String>::new());
    let folder = project.root().join(".storkit/run/checks");
    let left = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    assert_eq!(left.filter(|name| name != ".trash").collect::<Vec<_>>(), Vec::<std::ffi::OsString>::new());
    assert_none(&check::no_survivors(project));
}

/// The state, detail and fix of a step.
fn step(outcome: &Outcome, name: &str) -> [String; 3] {
    let report: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let steps = report["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("{report:#}"));
    ["state", "detail", "fix"].map(|key| step[key].as_str().unwrap_or_default().to_owned())
}

#[test]
fn an_agent_that_works_is_said_to() {
    let (_project, outcome) = check(&AgentSpec::diligent("coder-1"), &[]);
    let said = outcome.expect_code(0).stdout;
    let lines: Vec<&str> = said.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
    let expected = [
        "✓ found",
        "✓ starts",
        "– folder trusted",
        "– gets the prompt",
        "✓ answers",
        "✓ commits",
        "– resumes",
        "✓ can be stopped",
        "✓ leaves no process",
    ];
    assert_eq!(lines, expected, "{said}");
}

#[test]
fn an_agent_that_waits_at_a_trust_dialog_is_ended_and_told_how_to_get_past_it() {
    let (_project, outcome) = check(&AgentSpec::shell("coder-1", TRUST), &["--json"]);
    let outcome = outcome.expect_code(1);
    let [state, detail, _] = step(&outcome, "trusted");
    assert!(
        state == "bad" && detail.contains("Claude Code asks whether the folder is trusted"),
        "{outcome:?}"
    );
    assert!(detail.contains("run claude in the project once"), "{outcome:?}");
    assert_eq!(step(&outcome, "answers")[0], "not_reached");
    assert_eq!(step(&outcome, "leaves_nothing")[0], "good");
}

#[test]
fn an_agent_that_hangs_or_leaves_daemons_behind_is_ended_in_time() {
    let hangs = AgentSpec::fake("coder-1", "ignore-term\ndaemonize {home}/beat\nprint last words\nhang");
    let (_project, outcome) = check(&hangs, &["--json", "--timeout", "1s"]);
    let outcome = outcome.expect_code(1);
    let [state, detail, fix] = step(&outcome, "answers");
    assert!(state == "bad" && detail.contains("timeout 1s") && detail.contains("last words"), "{outcome:?}");
    assert!(fix.contains("--timeout"), "{outcome:?}");
    assert!(outcome.took < Duration::from_secs(20), "{outcome:?}");
}

#[test]
fn ctrl_c_ends_a_check_and_all_of_it() {
    let hangs = AgentSpec::shell("coder-1", "touch \"$HOME/started\"; sleep 1000");
    let project = TestProject::builder().agent(&hangs).build();
    let mut command = project.storkit_command(&["agent", "check", "coder-1", "--trust"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("storkit starts");
    wait_for(CEILING, "the agent to start", || project.signalled("started").then_some(()));
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process number")).expect("not 0");
    kill_process(pid, Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("ended by hand; nothing of it is left"), "{said}");
    assert_nothing_is_left(&project);
}

#[test]
fn what_a_killed_check_left_goes_with_the_next_one() {
    let hangs = AgentSpec::shell("coder-1", "touch \"$HOME/started\"; sleep 1000");
    let project = TestProject::builder().agent(&hangs).build();
    let mut command = project.storkit_command(&["agent", "check", "coder-1", "--trust"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("storkit starts");
    wait_for(CEILING, "the agent to start", || project.signalled("started").then_some(()));
    child.kill().expect("it runs");
    child.wait().expect("a child of this process");
    wait_for(check::SURVIVES_AT_MOST, "its processes to end", || {
        processes::of_test(project.top()).is_empty().then_some(())
    });
    assert_eq!(project.git().lines(&["worktree", "list"]).len(), 2, "it was killed");
    project.storkit(&["agent", "check", "coder-1", "--trust", "--timeout", "1s"]).expect_code(1);
    assert_nothing_is_left(&project);
}

#[test]
fn an_agent_that_is_not_there_is_not_checked() {
    let (project, outcome) =
        check(&AgentSpec::command("coder-1", "/nowhere/agent".as_ref(), &[]), &["--json"]);
    let outcome = outcome.expect_code(1);
    let [state, detail, fix] = step(&outcome, "found");
    assert!(state == "bad" && detail.contains("there is no program /nowhere/agent"), "{outcome:?}");
    assert!(fix.contains("set command of coder-1 in .storkit/project.toml"), "{outcome:?}");
    let unknown = project.storkit(&["agent", "check", "coder-2"]).expect_code(3);
    assert!(unknown.stderr.contains("there is no agent coder-2"), "{unknown:?}");
    assert!(unknown.stderr.contains("storkit agent check coder-1"), "{unknown:?}");
}

#[test]
fn agents_of_a_clone_that_is_not_trusted_do_not_run() {
    let agent = AgentSpec::shell("coder-1", "touch \"$HOME/started\"");
    let project = TestProject::builder().agent(&agent).build();
    let outcome = project.storkit(&["agent", "check", "coder-1"]).expect_code(1);
    assert!(outcome.stderr.contains("not trusted yet"), "{outcome:?}");
    assert!(!project.signalled("started"));
}
