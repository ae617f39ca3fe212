//! Attempts: how often an agent is tried, what the next one is told, and what costs nothing.

use std::fs;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, TestProject};

use crate::common::WORK;

fn lines(project: &TestProject, name: &str) -> Vec<String> {
    let text = fs::read_to_string(project.surroundings().home.join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn failures_block_after_exactly_max_retries_and_each_prompt_tells_of_those_before() {
    let agent = format!(
        "echo \"$STORKIT_ATTEMPT\" >> \"$HOME/attempts\"\ncp \"$STORKIT_PROMPT\" \"$HOME/prompt-$STORKIT_ATTEMPT\"\n\
         [ \"$STORKIT_ATTEMPT\" != 2 ] || exit 9\n{WORK}"
    );
    let project = TestProject::builder()
        .table("[[gate]]\nname = \"taste\"\nrun = \"echo THE-$((40 + 2))-COLOURS; exit 4\"")
        .agent(&AgentSpec::shell("coder-1", &agent))
        .story(Stage::Current, "1_story_a", "---\nname: Paint\n---\nMake it {{ blue }}.\n")
        .build();
    let daemon = project.up();
    let blocked = daemon.wait_state("1_story_a", State::Blocked);
    assert_eq!((blocked.attempt, lines(&project, "attempts").join(",").as_str()), (4, "1,2,3"));
    let text = daemon.wait_text("1_story_a", "\nblocked: ");
    assert!(text.contains("failed 3 times") && text.ends_with("Make it {{ blue }}.\n"), "{text}");

    let prompt = |attempt: u32| {
        fs::read_to_string(project.surroundings().home.join(format!("prompt-{attempt}"))).expect("a prompt")
    };
    assert!(prompt(1).contains("Make it {{ blue }}.") && !prompt(1).contains("THE-42"), "{}", prompt(1));
    assert!(prompt(2).contains("taste") && prompt(2).contains("THE-42-COLOURS"), "{}", prompt(2));
    assert!(prompt(2).contains("attempt 2 of 3"), "{}", prompt(2));
    assert!(prompt(3).contains("attempt 3 of 3") && prompt(3).contains("exited with 9"), "{}", prompt(3));
    assert!(prompt(3).contains("taste"), "earlier failures are listed: {}", prompt(3));
    // Each prompt is kept beside its run's log.
    let logs = fs::read_dir(project.root().join(".storkit/logs/1_story_a")).expect("logs").flatten();
    let kept = logs.filter(|entry| entry.file_name().to_string_lossy().ends_with(".prompt.md")).count();
    assert_eq!(kept, 3);

    // Taking `blocked` away starts afresh, by the command or by an editor.
    project.storkit(&["unblock", "1"]).ok();
    daemon.wait_story("1_story_a", "is blocked again", |story| {
        story.state == State::Blocked && lines(&project, "attempts").len() == 6
    });
    assert_eq!(lines(&project, "attempts").join(","), "1,2,3,1,2,3");
    daemon.wait_text("1_story_a", "\nblocked: ");
    project.save_story(Stage::Current, "1_story_a", "---\nname: Paint\n---\nMake it green.\n");
    daemon.wait_story("1_story_a", "is blocked a third time", |story| {
        story.state == State::Blocked && lines(&project, "attempts").len() == 9
    });
    assert!(prompt(1).contains("Make it green."));
    daemon.stop();
}

#[test]
fn what_ends_a_run_badly_is_a_failure_with_its_reason() {
    let agent = "case \"$STORKIT_STORY\" in\n1_*) exit 7;; 2_*) kill -9 $$;; 3_*) exit 0;; 4_*) git merge -q other || true;;\n\
                 5_*) git switch -q --detach other;; 6_*) echo '{\"storkit\":\"rate_limited\",\"retry_after_s\":60}'; exit 1;; 7_*) exit 75;;\n\
                 8_*) exec sleep 1000;; 9_*) sleep 1000 & wait;; esac";
    let project = TestProject::builder()
        .setting("max_retries = 1")
        .table("[limits]\nagents = 20")
        .file("f", "1\n")
        .agent(&AgentSpec::shell("coder-1", agent).with("instances", 20))
        .story(Stage::Backlog, "1_story_exit", "a\n")
        .story(Stage::Backlog, "2_story_signal", "a\n")
        .story(Stage::Backlog, "3_story_nothing", "a\n")
        .story(Stage::Backlog, "4_story_merge", "a\n")
        .story(Stage::Backlog, "5_story_elsewhere", "a\n")
        .story(Stage::Backlog, "6_story_limited", "a\n")
        .story(Stage::Backlog, "7_story_later", "a\n")
        .story(Stage::Backlog, "8_story_timeout", "---\ntimeout: 1s\n---\na\n")
        .build();
    let git = project.git();
    git.run(&["switch", "--quiet", "--orphan", "other"]);
    git.write("f", "2\n");
    git.run(&["add", "f"]);
    git.run(&["commit", "--quiet", "--message", "Other"]);
    git.run(&["switch", "--quiet", "main"]);
    let daemon = project.up();
    for id in project.status().stories {
        project.mv(&id.id, Stage::Backlog, Stage::Current);
    }
    for (id, why) in [
        ("1_story_exit", "exited with 7"),
        ("2_story_signal", "signal 9"),
        ("3_story_nothing", "nothing was done"),
        ("5_story_elsewhere", "does not descend from"),
        ("8_story_timeout", "timeout"),
    ] {
        let story = daemon.wait_state(id, State::Blocked);
        assert!(story.reason.as_deref().is_some_and(|reason| reason.contains(why)), "{id}: {story:?}");
    }
    // Later is not a failure, also with max_retries = 1.
    for id in ["6_story_limited", "7_story_later"] {
        daemon.wait_why(id, "backoff", "");
        let story = daemon.wait_state(id, State::Waiting);
        assert_eq!(story.attempt, 1, "{story:?}");
    }
    project.storkit(&["stop", "6"]).ok();
    daemon.wait_state("6_story_limited", State::Held);
    daemon.stop();
}

#[test]
fn an_agent_that_cannot_be_started_is_drained_costs_nothing_and_comes_back() {
    let project = TestProject::builder()
        .agent(&AgentSpec::command("coder-1", std::path::Path::new("mended-later"), &[]))
        .agent(&AgentSpec::shell("coder-2", WORK).with("command", ""))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let daemon = project.up();
    let drained = |name: &str| {
        daemon.wait_for(&format!("{name} is drained"), |status| {
            status.agents.iter().find(|agent| agent.name == name && agent.state == "drained").cloned()
        })
    };
    assert!(drained("coder-1").reason.is_some_and(|why| why.contains("mended-later")));
    assert!(drained("coder-2").reason.is_some_and(|why| why.contains("command")));
    let story = daemon.wait_state("1_story_a", State::Waiting);
    assert!(story.reason.is_some_and(|why| why.contains("drained")));
    assert_eq!(project.storkit(&["resume", "coder-9"]).code(), 3);
    project.script("mended-later", &format!("#!/bin/sh -eu\n{WORK}"));
    project.storkit(&["resume", "coder-1"]).ok();
    project.storkit(&["resume", "coder-1"]).ok();
    let done = daemon.wait_stage("1_story_a", "done");
    assert_eq!(done.attempt, 1, "what was not started is no failure");
    daemon.stop();
}
