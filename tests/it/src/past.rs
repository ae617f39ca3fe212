//! The board's past: the sweep to archived, deletion, `log`, `undo`, `restore`, and cleaning up.

use std::fs;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, TestProject, processes, wait_for};

use crate::common::wait_no_run;

#[test]
fn done_stories_are_swept_into_archived_and_counted_as_closed() {
    let project = TestProject::builder()
        .table("[board]\narchive_after = \"1s\"")
        .agent(&AgentSpec::diligent("coder-1"))
        .story(Stage::Current, "1_story_a", "a\n")
        .story(Stage::Done, "2_story_b", "b\n")
        .build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    daemon.wait_stage("1_story_a", "archived");
    daemon.wait_stage("2_story_b", "archived");
    let shown = project.storkit(&["status", "--json"]).ok();
    assert!(!shown.contains("1_story_a"), "archived stories are shown with --all only");
    project.write_story(Stage::Current, "3_story_c", "---\ndepends_on: [1, 2]\n---\nc\n");
    daemon.wait_story("3_story_c", "is done", |story| matches!(story.stage.as_str(), "done" | "archived"));
    daemon.stop();
    let mut bodies = bodies;
    bodies.extend(check::bodies(&project));
    assert_none(&check::always(&project, &bodies, &from));
}

#[test]
fn the_history_brings_back_what_was_moved_changed_or_deleted() {
    let project = TestProject::builder()
        .story(Stage::Backlog, "1_story_a", "---\nname: A\n---\nfirst\n")
        .story(Stage::Backlog, "2_story_b", "b\n")
        .build();
    let daemon = project.up();
    let history = |path: &str| {
        wait_for(CEILING, &format!("the history to have {path}"), || {
            let found = project.git().try_run(&["show", &format!("refs/storkit/board:.storkit/work/{path}")]);
            (found.code() == 0).then_some(found.stdout)
        })
    };
    assert_eq!(history("1_backlog/1_story_a.md"), "---\nname: A\n---\nfirst\n");
    project.storkit(&["move", "2", "archived"]).ok();
    daemon.wait_stage("2_story_b", "archived");
    history("6_archived/2_story_b.md");
    project.storkit(&["undo", "2"]).ok();
    daemon.wait_stage("2_story_b", "backlog");
    fs::remove_file(project.story_path(Stage::Backlog, "1_story_a")).expect("deleted");
    daemon.wait_for("1 is gone", |status| (status.stories.len() == 1).then_some(()));
    project.storkit(&["restore", "1_story_a"]).ok();
    daemon.wait_stage("1_story_a", "backlog");
    assert_eq!(project.read_story("1_story_a"), "---\nname: A\n---\nfirst\n");
    let log = project.storkit(&["log"]).ok();
    assert!(log.contains("1_story_a") && log.contains("2_story_b"), "{log}");
    let log = project.storkit(&["log", "2"]).ok();
    assert!(log.contains("2_story_b") && !log.contains("1_story_a"), "{log}");
    project.storkit(&["restore", "77_story_never"]).expect_code(3);
    assert_eq!(project.storkit(&["undo", "1", "--json"]).code(), 1, "there is no move of it to take back");
    daemon.stop();
    // Without a daemon as well.
    project.storkit(&["rm", "2"]).ok();
    assert_eq!(project.stages_of("2_story_b"), []);
    project.storkit(&["restore", "2_story_b"]).ok();
    assert_eq!(project.stages_of("2_story_b"), [Stage::Backlog]);
    project.storkit(&["rm", "2"]).ok();
    project.storkit(&["restore", "2"]).ok();
    assert_eq!(project.stages_of("2_story_b"), [Stage::Backlog], "by its number");
    project.storkit(&["restore", "77"]).expect_code(3);
}

#[test]
fn prune_says_first_what_would_go_and_never_takes_work_that_has_not_landed() {
    let agent = "echo \"$STORKIT_STORY\" > \"$STORKIT_STORY.txt\"";
    let project = TestProject::builder()
        .setting("qa = \"human\"")
        .agent(&AgentSpec::shell("coder-1", agent).with("instances", 3))
        .story(Stage::Current, "1_story_landed", "---\nqa: server\n---\na\n")
        .story(Stage::Current, "2_story_closed", "a\n")
        .story(Stage::Current, "3_story_deleted", "a\n")
        .build();
    let daemon = project.up();
    daemon.wait_stage("1_story_landed", "done");
    for id in ["2_story_closed", "3_story_deleted"] {
        daemon.wait_text(id, "review_hold: true");
    }
    project.mv("2_story_closed", Stage::Qa, Stage::Done);
    fs::remove_file(project.story_path(Stage::Qa, "3_story_deleted")).expect("deleted");
    daemon.wait_for("3 is gone", |status| (status.stories.len() == 2).then_some(()));
    wait_no_run(&project);
    let work = || {
        let refs = ["2_story_closed", "3_story_deleted"]
            .map(|id| project.git().commit_of(&format!("feature/story-{id}")));
        let files = ["2_story_closed", "3_story_deleted"]
            .map(|id| project.worktree(id).join(format!("{id}.txt")).is_file());
        (refs.map(|tip| tip.is_some()), files)
    };
    let dry = project.storkit(&["prune", "--dry-run"]).ok();
    assert_eq!(work(), ([true; 2], [true; 2]), "{dry}");
    let wet = project.storkit(&["prune"]).ok();
    assert_eq!(work(), ([true; 2], [true; 2]), "{wet}");
    for id in ["2_story_closed", "3_story_deleted"] {
        assert!(wet.contains(&format!("kept: {id}")), "{wet}");
    }
    // A deleted story that comes back goes on from its branch.
    project.storkit(&["restore", "3_story_deleted"]).ok();
    daemon.wait_story("3_story_deleted", "is back", |story| story.stage == "qa");
    project.storkit(&["approve", "3"]).ok();
    daemon.wait_stage("3_story_deleted", "done");
    assert_eq!(project.git().run(&["show", "main:3_story_deleted.txt"]), "3_story_deleted");
    daemon.stop();
}

#[test]
fn what_a_teardown_leaves_running_ends_with_prune() {
    let project = TestProject::builder()
        .table("[worktrees]\nteardown = [\"setsid sleep 1000 > /dev/null 2>&1 & echo $STORKIT_STORY > ../../../torn\"]")
        .agent(&AgentSpec::shell("coder-1", "exec sleep 1000"))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let daemon = project.up();
    daemon.wait_state("1_story_a", State::Running);
    fs::remove_file(project.story_path(Stage::Current, "1_story_a")).expect("deleted");
    wait_no_run(&project);
    daemon.stop();
    assert!(project.worktree("1_story_a").is_dir());
    let said = project.storkit(&["prune"]).ok();
    assert!(!project.worktree("1_story_a").exists(), "{said}");
    let torn = fs::read_to_string(project.root().join("torn")).expect("the teardown ran");
    assert_eq!(torn.trim(), "1_story_a");
    assert_eq!(processes::of_test(project.top()), [], "the teardown's process lives on");
}

#[test]
fn from_inside_a_worktree_the_commands_talk_to_its_owner() {
    let agent = "git -C \"$PWD\" log -1 > /dev/null\ncp -r .storkit .storkit-copy 2>/dev/null || true\nrm -rf .storkit-copy\necho > \"$HOME/begun\"\nexec sleep 1000";
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", agent))
        .story(Stage::Current, "1_story_a", "a\n")
        .board_tracked()
        .build();
    let daemon = project.up();
    crate::common::wait_signal(&project, "begun");
    let mut status = project.storkit_command(&["status", "--json"]);
    status.current_dir(project.worktree("1_story_a"));
    let text = storkit_testkit::command::run(&mut status).ok();
    let status: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(status["root"], project.root().to_string_lossy().as_ref());
    assert_eq!(status["daemon"]["pid"], daemon.pid());
    let mut stop = project.storkit_command(&["stop", "1"]);
    stop.current_dir(project.worktree("1_story_a"));
    storkit_testkit::command::run(&mut stop).ok();
    assert!(project.read_story("1_story_a").contains("hold: stopped by hand"));
    daemon.stop();
}
