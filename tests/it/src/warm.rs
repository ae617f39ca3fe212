//! Worktrees kept ready in advance: a story begins in one of them, and nothing of them is left where none is wanted.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, TestProject, wait_for};

use crate::common::{WORK, until};

/// Waits until a warm worktree is ready; its folder's inode.
fn ready(project: &TestProject) -> u64 {
    wait_for(CEILING, "a warm worktree", || {
        let records = std::fs::read_dir(project.root().join(".git/worktrees")).ok()?;
        let mut marked = records.flatten().filter(|record| record.path().join("storkit-warm").exists());
        let place = std::fs::read_to_string(marked.next()?.path().join("gitdir")).ok()?;
        Some(Path::new(&place).parent()?.metadata().ok()?.ino())
    })
}

#[test]
fn stories_begin_in_worktrees_that_were_kept_ready_also_after_a_crash_and_none_stays_unwanted() {
    let project = TestProject::builder()
        .table("[worktrees]\nwarm = 1")
        .agent(&AgentSpec::shell("coder-1", &(until("go") + WORK)))
        .gate("true")
        .story(Stage::Backlog, "1_story_a", "a\n")
        .story(Stage::Backlog, "2_story_b", "b\n")
        .build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    let slot = ready(&project);
    project.mv("1_story_a", Stage::Backlog, Stage::Current);
    daemon.wait_state("1_story_a", State::Running);
    assert_eq!(project.worktree("1_story_a").metadata().expect("the worktree").ino(), slot);
    ready(&project);
    daemon.kill9();

    let daemon = project.up();
    project.signal_file("go");
    daemon.wait_stage("1_story_a", "done");
    // Base has moved on: the worktree that is ready is brought up to it.
    project.mv("2_story_b", Stage::Backlog, Stage::Current);
    daemon.wait_stage("2_story_b", "done");
    ready(&project);
    project.configure(|text| text.replace("warm = 1", "warm = 0"));
    wait_for(CEILING, "no warm worktree to be left", || {
        let entries = std::fs::read_dir(project.root().join(".storkit/worktrees")).ok()?;
        let slots =
            entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(".slot-"));
        (slots.count() == 0).then_some(())
    });
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
    assert_eq!(project.git().run(&["show", "main:2_story_b.txt"]), "2_story_b");
    assert_eq!(project.git().run(&["show", "main:1_story_a.txt"]), "1_story_a");
}
