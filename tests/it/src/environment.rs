//! What an agent sees of the machine, and what people see of an agent.

use std::collections::BTreeMap;
use std::fs;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, CEILING, Daemon, TestProject, wait_for};

use crate::common::{until, wait_signal};

const SECRET: &str = "s3cr3t-of-the-key-4711";

#[test]
fn an_agent_gets_the_chosen_environment_and_secrets_are_masked_in_its_log() {
    let agent = "env > \"$HOME/env\"\necho \"prefix-$GIVEN_KEY-suffix\"\nprintf '%s' \"$GIVEN_KEY\" | cut -c1-10 | tr -d '\\n'\n\
                 printf '%s\\n' \"$GIVEN_KEY\" | cut -c11-\ntest -t 0\ntest -t 1\npwd > \"$HOME/pwd\"\n\
                 cp \"$STORKIT_PROMPT\" \"$HOME/prompt\"\nprintf '%s' \"$1\" > \"$HOME/argument\"\nstty size > \"$HOME/size\" || true\necho x > x";
    let gate = "env > \"$HOME/gate-env\"; ! read line; true";
    let args = vec!["-euc", agent, "agent", "{{prompt}}"];
    let project = TestProject::builder()
        .setting("qa = \"human\"\ngate_env_pass = [\"GATE_KEY\"]")
        .gate(gate)
        .agent(
            &AgentSpec::command("coder-1", std::path::Path::new("/bin/sh"), &args)
                .env("OWN", "of the config")
                .with("env_pass", vec!["GIVEN_KEY"]),
        )
        .story(Stage::Current, "1_story_a", "---\nname: Look\n---\nLook around you.\n")
        .build();
    // The daemon's own environment holds a canary that nobody named, and two keys that somebody did.
    let mut up = project.storkit_command(&["up", "--detach", "--trust"]);
    up.env("CANARY", "canary-1234")
        .env("GIVEN_KEY", SECRET)
        .env("GATE_KEY", "gate-only")
        .env("GIT_DIR", "/nowhere");
    up.env_remove("GIT_DIR");
    storkit_testkit::command::run(&mut up).ok();
    wait_for(CEILING, "the story in review", || {
        project.status().stories.iter().any(|story| story.state == State::Review).then_some(())
    });
    let read = |name: &str| fs::read_to_string(project.surroundings().home.join(name)).expect("a file");
    let env = |name: &str| -> BTreeMap<String, String> {
        let text = read(name);
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    };
    let seen = env("env");
    let text = |name: &str| seen.get(name).map(String::as_str);
    assert_eq!((text("CANARY"), text("GATE_KEY"), text("GIVEN_KEY")), (None, None, Some(SECRET)));
    assert_eq!((text("OWN"), text("GIT_TERMINAL_PROMPT")), (Some("of the config"), Some("0")));
    assert_eq!(
        (text("STORKIT_STORY"), text("STORKIT_STAGE"), text("STORKIT_AGENT")),
        (Some("1_story_a"), Some("current"), Some("coder-1"))
    );
    assert_eq!((text("STORKIT_ATTEMPT"), text("STORKIT_BASE")), (Some("1"), Some("main")));
    assert_eq!(text("STORKIT_BASE_COMMIT"), Some(project.base().as_str()));
    assert_eq!(
        text("STORKIT_STORY_FILE").map(std::path::Path::new),
        Some(project.story_path(Stage::Current, "1_story_a").as_path())
    );
    assert!(text("GIT_CEILING_DIRECTORIES").is_some_and(|dirs| dirs.contains("worktrees")), "{seen:?}");
    assert!(text("STORKIT_RUN").is_some() && text("STORKIT_PROMPT").is_some());
    nothing_else_got_through(&seen);
    let gate = env("gate-env");
    assert_eq!((gate.get("CANARY"), gate.get("GIVEN_KEY")), (None, None));
    assert_eq!(gate.get("GATE_KEY").map(String::as_str), Some("gate-only"));
    assert_eq!(gate.get("STORKIT_TOKEN"), None);
    assert_eq!(read("argument"), read("prompt"), "{{prompt}} is replaced by the prompt");
    assert!(read("prompt").contains("Look around you."));
    assert_eq!(read("pwd").trim(), project.worktree("1_story_a").to_string_lossy());
    assert_eq!(read("size").trim(), "40 120");

    logs_are_masked(&project);
    project.storkit(&["down"]).ok();
}

fn nothing_else_got_through(seen: &BTreeMap<String, String>) {
    let known = [
        "OWN",
        "GIVEN_KEY",
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "TERM",
        "SHELL",
        "TMPDIR",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    for name in seen.keys() {
        assert!(
            known.contains(&name.as_str()) || name.starts_with("STORKIT_") || name.starts_with("GIT_"),
            "{name} got through"
        );
    }
}

/// The secret is in no log, and what stands around it is.
fn logs_are_masked(project: &TestProject) {
    let logs = project.storkit(&["logs", "1"]).ok();
    assert!(logs.contains("prefix-***-suffix"), "{logs}");
    let folder = fs::read_dir(project.root().join(".storkit/logs/1_story_a")).expect("logs").flatten();
    for entry in folder {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&bytes).contains(SECRET),
            "{} holds the secret",
            entry.path().display()
        );
    }
    project.storkit(&["logs", "1", "--gate"]).ok();
    project.storkit(&["logs", "1", "--run", "9"]).expect_code(3);
}

#[test]
fn logs_are_followed_until_the_run_ends() {
    let agent = format!("echo first-line\necho > \"$HOME/begun\"\n{}echo last-line\necho x > x", until("go"));
    let project = TestProject::builder()
        .setting("qa = \"human\"")
        .agent(&AgentSpec::shell("coder-1", &agent))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let daemon: Daemon<'_> = project.up();
    wait_signal(&project, "begun");
    let out = project.top().join("followed");
    let file = fs::File::create(&out).expect("a file");
    let mut follow = project.storkit_command(&["logs", "1", "-f"]).stdout(file).spawn().expect("storkit");
    let read = || fs::read_to_string(&out).unwrap_or_default();
    wait_for(CEILING, "what was there already", || read().contains("first-line").then_some(()));
    assert!(!read().contains("last-line"));
    project.signal_file("go");
    let status = storkit_testkit::command::ended(CEILING, &mut follow).expect("it ends with the run");
    assert!(status.success() && read().contains("last-line"), "{status}: {}", read());
    daemon.stop();
}

#[test]
fn status_has_every_key_with_a_daemon() {
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", "echo > \"$HOME/begun\"; exec sleep 1000"))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let daemon = project.up();
    wait_signal(&project, "begun");
    daemon.wait_state("1_story_a", State::Running);
    let status = project.status_json();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    for (value, wanted) in [
        (&status, "project root base_branch paused sandbox daemon stories agents problems"),
        (&status["daemon"], "pid url socket version"),
        (
            &status["stories"][0],
            "id number name kind epic stage path priority depends_on labels qa state reason agent run attempt since branch worktree cost_usd",
        ),
        (&status["agents"][0], "name stage runtime state reason stories until"),
    ] {
        let there = keys(value);
        for key in wanted.split(' ') {
            assert!(there.iter().any(|name| name == key), "{key} is missing in {value}");
        }
    }
    let story = &status["stories"][0];
    assert_eq!((&story["agent"], &story["attempt"]), (&"coder-1".into(), &1.into()));
    assert_eq!(story["branch"], "feature/story-1_story_a");
    assert_eq!(story["worktree"], project.worktree("1_story_a").to_string_lossy().as_ref());
    assert_eq!(status["agents"][0]["state"], "busy");
    assert_eq!(status["agents"][0]["stories"][0], "1_story_a");
    let why = project.storkit(&["why", "1", "--json"]).ok();
    let why: serde_json::Value = serde_json::from_str(&why).expect("JSON");
    assert_eq!(keys(&why).len(), 3);
    daemon.stop();
}
