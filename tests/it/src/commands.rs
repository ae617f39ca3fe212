//! The commands' exit statuses, and that saying the same thing twice is harmless; with and without a daemon.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, TestProject};

use crate::common::wait_signal;

const HANG: &str = "echo > \"$HOME/begun-$STORKIT_STORY\"\nexec sleep 1000";

#[track_caller]
fn codes(project: &TestProject, rows: &[(&[&str], i32)]) {
    for (args, code) in rows {
        let outcome = project.storkit(args);
        assert_eq!(outcome.code(), *code, "{outcome:?}");
        assert!(*code == 0 || !outcome.stderr.trim().is_empty(), "a refusal says why: {outcome:?}");
        if *code != 0 && *code != 2 {
            let json = [args, &["--json"][..]].concat();
            let outcome = project.storkit(&json);
            let said: serde_json::Value =
                serde_json::from_str(&outcome.stderr).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
            assert_eq!(said["code"], *code, "{outcome:?}");
            assert!(said["error"].is_string() && said.get("hint").is_some(), "{outcome:?}");
        }
    }
}

fn board() -> TestProject {
    TestProject::builder()
        .setting("qa = \"human\"")
        .agent(&AgentSpec::shell("coder-1", HANG))
        .agent(&AgentSpec::shell("qa-1", HANG))
        .story(Stage::Backlog, "1_story_a", "a\n")
        .story(Stage::Backlog, "2_story_b", "---\nblocked: x\nhold: mine\n---\nb\n")
        .story(Stage::Qa, "3_story_c", "---\nreview_hold: true\n---\nc\n")
        .story(Stage::Done, "4_story_d", "d\n")
        .story(Stage::Backlog, "5_story_taken", "one\n")
        .story(Stage::Backlog, "6_story_x", "x\n")
        .story(Stage::Backlog, "6_story_y", "y\n")
        .build()
}

/// What is the same whether a daemon runs or not.
const EVERYWHERE: &[(&[&str], i32)] = &[
    (&["show", "99"], 3),
    (&["why", "nobody"], 3),
    (&["move", "99", "current"], 3),
    (&["move", "1", "5_nowhere"], 2),
    (&["show", "6"], 1),
    (&["frobnicate"], 2),
    (&["move", "1"], 2),
    (&["move", "1", "backlog"], 0),
    (&["hold", "1", "a while"], 0),
    (&["hold", "1", "a while"], 0),
    (&["start", "1"], 1),
    (&["unhold", "1"], 0),
    (&["unhold", "1"], 0),
    (&["start", "2"], 1),
    (&["unblock", "2"], 0),
    (&["unblock", "2"], 0),
    (&["unhold", "2"], 0),
    (&["approve", "1"], 1),
    (&["approve", "4"], 0),
    (&["reject", "1", "-m", "no"], 1),
    (&["reject", "4", "-m", "no"], 1),
    (&["approve", "4_story_d"], 0),
    (&["start", "1", "--agent", "nobody"], 1),
    (&["start", "1", "--agent", "qa-1"], 1),
];

#[test]
fn without_a_daemon_the_board_is_changed_by_its_files_and_the_statuses_are_the_same() {
    let project = board();
    codes(&project, EVERYWHERE);
    codes(&project, &[(&["pause"], 4), (&["down"], 0), (&["stop", "99"], 3)]);
    let id = project.storkit(&["new", "Another thing", "--kind", "bug"]).ok();
    assert_eq!(id.trim(), "7_bug_another_thing");
    codes(&project, &[(&["move", "7", "2_current"], 0), (&["move", "7", "current"], 0), (&["rm", "7"], 0)]);
    assert_eq!(project.stages_of("7_bug_another_thing"), []);
    assert_eq!(project.storkit(&["new", "Next"]).ok().trim(), "8_story_next", "a number is never used again");
    assert_eq!(project.stages_of("1_story_a"), [Stage::Backlog]);
    assert_eq!(project.read_story("1_story_a"), "a\n", "hold and unhold leave every other byte");
    codes(&project, &[(&["reject", "3", "-m", "Not yet"], 0)]);
    assert_eq!(project.stages_of("3_story_c"), [Stage::Current]);
    let text = project.read_story("3_story_c");
    assert!(text.contains("### Rejection 1") && text.contains("Not yet"), "{text}");
    let deep = project.root().join("some/where");
    std::fs::create_dir_all(&deep).expect("a folder");
    let mut status = project.storkit_command(&["-C", "some/where", "status", "--json"]);
    assert!(storkit_testkit::command::run(&mut status).ok().contains("1_story_a"), "-C looks upward");
    let mut outside = project.storkit_command(&["status"]);
    outside.current_dir(project.top());
    storkit_testkit::command::run(&mut outside).expect_code(1);
}

#[test]
fn with_a_daemon_each_answer_says_what_happened_and_twice_is_as_good_as_once() {
    let project = board();
    let daemon = project.up();
    codes(&project, EVERYWHERE);
    codes(
        &project,
        &[(&["start", "1", "--agent", "coder-1"], 0), (&["start", "1"], 0), (&["stop", "99"], 3)],
    );
    wait_signal(&project, "begun-1_story_a");
    codes(
        &project,
        &[(&["start", "1"], 0), (&["start", "2", "--agent", "coder-1"], 1), (&["start", "5"], 0)],
    );
    assert_eq!(project.stages_of("2_story_b"), [Stage::Backlog], "a refused start moves nothing");
    daemon.wait_why("5_story_taken", "agent", "coder-1");
    codes(&project, &[(&["stop", "5"], 0), (&["stop", "5"], 0), (&["stop", "1"], 0), (&["stop", "1"], 0)]);
    daemon.wait_state("1_story_a", State::Held);
    assert!(project.read_story("1_story_a").contains("hold: stopped by hand"));
    codes(&project, &[(&["retry", "5"], 0), (&["retry", "5"], 0)]);
    // A target that is taken is refused, and neither file is touched.
    project.write_story(Stage::Archived, "5_story_taken", "two\n");
    let refused = project.storkit(&["move", "5", "archived"]);
    assert_eq!(refused.code(), 1, "{refused:?}");
    std::fs::remove_file(project.story_path(Stage::Archived, "5_story_taken")).expect("removed");
    assert!(project.read_story("5_story_taken").ends_with("one\n"));
    codes(&project, &[(&["approve", "3"], 0), (&["approve", "3"], 0)]);
    daemon.wait_stage("3_story_c", "merge");
    codes(
        &project,
        &[(&["pause"], 0), (&["pause"], 0), (&["resume"], 0), (&["resume"], 0), (&["resume", "x"], 3)],
    );
    daemon.stop();
    codes(&project, &[(&["down"], 0), (&["down", "--now"], 0)]);
}
