//! One daemon for a repository, and how it comes and goes.

use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, Daemon, TestProject, processes, wait_for};

#[test]
fn a_second_daemon_is_refused_and_names_the_first_which_goes_on() {
    let project = TestProject::builder().build();
    let daemon = project.up();
    let second = project.storkit(&["up", "--trust"]).expect_code(1);
    assert!(second.stderr.contains(&daemon.pid().to_string()), "{second:?}");
    assert_eq!(project.status().daemon.map(|view| view.pid), Some(daemon.pid()));
    daemon.stop();
}

#[test]
fn down_without_a_daemon_is_done() {
    let project = TestProject::builder().build();
    project.storkit(&["down"]).ok();
}

#[test]
fn a_daemon_behind_the_terminal_answers_when_up_returns() {
    let project = TestProject::builder().build();
    project.storkit(&["up", "--detach", "--trust"]).ok();
    assert!(project.status().daemon.is_some());
    project.storkit(&["down"]).ok();
    assert_none(&check::no_survivors(&project));
}

#[test]
fn once_ends_when_nothing_is_left_to_do() {
    let project = TestProject::builder()
        .agent(&AgentSpec::diligent("coder-1"))
        .story(Stage::Current, "1_story_a", "a")
        .build();
    assert!(Daemon::spawn(&project, &["--once"]).wait_ended().success());
    assert_eq!(project.stages_of("1_story_a"), [Stage::Done]);
    assert_none(&check::no_survivors(&project));
}

#[test]
fn status_works_without_a_daemon_and_has_every_key() {
    let project = TestProject::builder().story(Stage::Backlog, "1_story_a", "a").build();
    let status = project.status_json();
    for key in
        ["project", "root", "base_branch", "paused", "sandbox", "daemon", "stories", "agents", "problems"]
    {
        assert!(status.get(key).is_some(), "{key} is missing");
    }
    assert!(status["daemon"].is_null());
    let keys = [
        "id",
        "number",
        "name",
        "kind",
        "epic",
        "stage",
        "path",
        "priority",
        "depends_on",
        "labels",
        "qa",
        "state",
        "reason",
        "agent",
        "run",
        "attempt",
        "since",
        "branch",
        "worktree",
        "cost_usd",
    ];
    for key in keys {
        assert!(status["stories"][0].get(key).is_some(), "{key} is missing");
    }
    project.storkit(&["why", "nothing-of-the-sort"]).expect_code(3);
    project.storkit(&["move", "1", "nowhere"]).expect_code(2);
}

#[test]
fn a_deleted_ledger_changes_nothing_on_the_board() {
    let project = TestProject::builder()
        .agent(&AgentSpec::diligent("coder-1"))
        .story(Stage::Current, "1_story_a", "a")
        .story(Stage::Backlog, "2_story_b", "b")
        .build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    daemon.wait_story("1_story_a", "is done", |story| story.stage == "done");
    daemon.stop();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(project.root().join(".storkit/run").join(name));
    }
    let daemon = project.up();
    project.mv("2_story_b", Stage::Backlog, Stage::Current);
    daemon.wait_story("2_story_b", "is done", |story| story.stage == "done");
    daemon.stop();
    assert_eq!(project.stages_of("1_story_a"), [Stage::Done]);
    assert_none(&check::always(&project, &bodies, &from));
}

#[test]
fn agents_that_ignore_signals_and_hide_end_with_the_daemon() {
    let text = "trap '' TERM HUP INT\n(setsid sh -c 'trap \"\" TERM HUP; cd /; exec sleep 1000' &)\necho x > begun\n\
                while :; do sleep 1000; done";
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", text))
        .story(Stage::Current, "1_story_a", "a")
        .build();
    let daemon = project.up();
    wait_for(CEILING, "the agent at work", || {
        let begun = project.root().join(".storkit/worktrees/1_story_a/begun").exists();
        (begun && processes::of_test(project.top()).len() > 3).then_some(())
    });
    daemon.stop();
    assert_none(&check::no_survivors(&project));
}
