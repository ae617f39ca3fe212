//! Git under the board: a switch, a stash and a clean are shown, and start and stop nothing.

use std::fs;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, Daemon, TestProject, processes, wait_for};

use crate::common::{WORK, wait_signal};

const AGENT: &str = "echo begun >> \"$HOME/begun-$STORKIT_STORY\"\nexec sleep 1000";

fn paused(daemon: &Daemon<'_>) {
    daemon.wait_for("the pause", |status| {
        status.paused.as_deref().filter(|why| why.contains("the board changed with git")).map(|_| ())
    });
}

fn runs(project: &TestProject) -> usize {
    let mut runs: Vec<_> =
        processes::of_test(project.top()).into_iter().filter_map(|process| process.run).collect();
    runs.sort();
    runs.dedup();
    runs.len()
}

#[test]
fn a_switch_that_changes_the_board_starts_and_stops_nothing_until_resume() {
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", AGENT).with("instances", 9))
        .story(Stage::Current, "1_story_old", "a\n")
        .story(Stage::Backlog, "2_story_b", "b\n")
        .board_tracked()
        .build();
    let git = project.git();
    git.run(&["branch", "old"]);
    project.mv("1_story_old", Stage::Current, Stage::Archived);
    git.commit_all("Put it away");
    let daemon = project.up();
    project.mv("2_story_b", Stage::Backlog, Stage::Current);
    wait_signal(&project, "begun-2_story_b");
    git.commit_all("A person's commit of moves that storkit has seen");
    git.run(&["switch", "--quiet", "old"]);
    paused(&daemon);
    // The old board is shown: story 1 is in current again, and nothing starts for it, nor ends for 2.
    daemon.wait_stage("1_story_old", "current");
    daemon.wait_stage("2_story_b", "backlog");
    daemon.wait_why("1_story_old", "paused", "git");
    assert_eq!((runs(&project), project.signalled("begun-1_story_old")), (1, false));
    git.run(&["switch", "--quiet", "main"]);
    daemon.wait_stage("2_story_b", "current");
    project.storkit(&["resume"]).ok();
    daemon.wait_for("no pause", |status| status.paused.is_none().then_some(()));
    daemon.wait_state("2_story_b", State::Running);
    assert_eq!((runs(&project), project.signalled("begun-1_story_old")), (1, false));
    let begun = fs::read_to_string(project.surroundings().home.join("begun-2_story_b")).expect("begun");
    assert_eq!(begun.lines().count(), 1, "it has run all the time");
    daemon.stop();
}

#[test]
fn a_stashed_or_cleaned_board_pauses_and_comes_back() {
    for take_away in [&["stash", "--quiet", "--include-untracked"][..], &["clean", "-fdxq"][..]] {
        let project = TestProject::builder()
            .agent(&AgentSpec::shell("coder-1", AGENT).with("instances", 9))
            .story(Stage::Backlog, "1_story_a", "a\n")
            .story(Stage::Backlog, "2_story_b", "---\nname: B\n---\nbody of b\n")
            .build();
        let (git, bodies, from) = (project.git(), check::bodies(&project), project.base());
        let daemon = project.up();
        project.mv("1_story_a", Stage::Backlog, Stage::Current);
        wait_signal(&project, "begun-1_story_a");
        // The history has the board by now, at the latest a second after the last move.
        wait_for(CEILING, "the board's history to have the move", || {
            git.try_run(&["cat-file", "-e", "refs/storkit/board:.storkit/work/2_current/1_story_a.md"])
                .status
                .success()
                .then_some(())
        });
        git.try_run(take_away);
        assert_eq!(project.stages_of("2_story_b"), [], "git took the board away");
        paused(&daemon);
        daemon.wait_for("the missing board", |status| (!status.problems.is_empty()).then_some(()));
        assert!(git.commit_of("refs/heads/feature/story-1_story_a").is_some());
        if take_away[0] == "stash" {
            git.run(&["stash", "pop", "--quiet"]);
        } else {
            for id in ["1_story_a", "2_story_b"] {
                project.storkit(&["restore", id]).ok();
            }
        }
        daemon.wait_stage("1_story_a", "current");
        daemon.wait_stage("2_story_b", "backlog");
        project.storkit(&["resume"]).ok();
        daemon.wait_state("1_story_a", State::Running);
        assert_eq!(project.read_story("2_story_b"), "---\nname: B\n---\nbody of b\n");
        daemon.stop();
        assert_none(&check::always(&project, &bodies, &from));
        assert_none(&check::no_survivors(&project));
    }
}

#[test]
fn a_worktree_that_is_deleted_or_moved_ends_the_run_without_a_failure_and_is_rebuilt() {
    let agent = format!(
        "{WORK}git add --all\ngit commit --quiet --message one\necho begun >> \"$HOME/begun-$STORKIT_STORY\"\n\
         [ \"$(wc -l < \"$HOME/begun-$STORKIT_STORY\")\" -gt 1 ] || exec sleep 1000"
    );
    let project = TestProject::builder()
        .file("mine.txt", "1\n")
        .agent(&AgentSpec::shell("coder-1", &agent).with("instances", 3))
        .story(Stage::Current, "1_story_deleted", "a\n")
        .story(Stage::Current, "2_story_moved", "a\n")
        .story(Stage::Current, "3_story_gitless", "a\n")
        .build();
    project.git().write("mine.txt", "mine\n");
    let from = project.base();
    let daemon = project.up();
    for id in ["1_story_deleted", "2_story_moved", "3_story_gitless"] {
        wait_signal(&project, &format!("begun-{id}"));
    }
    fs::remove_dir_all(project.worktree("1_story_deleted")).expect("deleted");
    fs::rename(project.worktree("2_story_moved"), project.top().join("elsewhere")).expect("moved");
    fs::remove_file(project.worktree("3_story_gitless").join(".git")).expect("deleted");
    for id in ["1_story_deleted", "2_story_moved", "3_story_gitless"] {
        let done = daemon.wait_stage(id, "done");
        assert_eq!(done.attempt, 1, "a lost worktree is no failure: {done:?}");
    }
    assert!(project.top().join("elsewhere").exists());
    assert_eq!(fs::read_to_string(project.root().join("mine.txt")).expect("mine"), "mine\n");
    daemon.stop();
    assert_none(&check::history(&project, &from));
    assert_none(&check::objects(&project));
}
