//! The person's checkout: every edit is byte for byte the same before and after a landing.

use std::time::{Duration, Instant};

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::checkout::Checkout;
use storkit_testkit::{AgentSpec, Daemon, TestProject};

/// How long a landing may wait after its overlap is gone.
const LANDS_WITHIN: Duration = Duration::from_secs(10);

/// Each story writes the file that is named after it.
fn project(story: &str, path: &str) -> TestProject {
    let agent = format!("mkdir -p \"$(dirname '{path}')\"\necho theirs > '{path}'\ngit add -f '{path}'");
    TestProject::builder()
        .setting("base_branch = \"main\"")
        .agent(&AgentSpec::shell("coder-1", &agent))
        .file(".gitignore", "*.log\n")
        .file("staged.txt", "1\n")
        .file("unstaged.txt", "1\n")
        .file("both.txt", "1\n")
        .file("deleted.txt", "1\n")
        .story(Stage::Backlog, story, "a\n")
        .build()
}

fn dirty(project: &TestProject) {
    let git = project.git();
    git.write("staged.txt", "staged\n");
    git.write("both.txt", "first\n");
    git.write("new.txt", "new and staged\n");
    git.run(&["add", "staged.txt", "both.txt", "new.txt"]);
    git.write("both.txt", "second\n");
    git.write("unstaged.txt", "unstaged\n");
    git.write("untracked.txt", "untracked\n");
    git.write("deep/er/untracked.txt", "untracked too\n");
    git.write("ignored.log", "ignored\n");
    std::fs::remove_file(project.root().join("deleted.txt")).expect("deleted");
}

fn waits(daemon: &Daemon<'_>, id: &str, path: &str) {
    daemon.wait_story(id, &format!("waits for {path}"), |story| {
        story.stage == "merge"
            && story.state == State::Waiting
            && story.reason.as_deref().is_some_and(|reason| reason.contains(path))
    });
}

#[test]
fn edits_that_overlap_wait_are_named_and_stay_and_it_lands_soon_after() {
    for path in
        ["staged.txt", "unstaged.txt", "both.txt", "new.txt", "untracked.txt", "ignored.log", "deleted.txt"]
    {
        let project = project("1_story_a", path);
        dirty(&project);
        let (before, from, bodies) = (Checkout::take(&project), project.base(), check::bodies(&project));
        let daemon = project.up();
        project.mv("1_story_a", Stage::Backlog, Stage::Current);
        waits(&daemon, "1_story_a", path);
        assert_eq!(project.base(), from, "{path}");
        assert_none(&before.violations(&project));
        // The overlap goes, everything else stays.
        let git = project.git();
        if ["staged.txt", "unstaged.txt", "both.txt", "deleted.txt"].contains(&path) {
            git.run(&["checkout", "--quiet", "HEAD", "--", path]);
        } else {
            git.try_run(&["rm", "--quiet", "--cached", "--ignore-unmatch", "--", path]).expect_code(0);
            std::fs::remove_file(project.root().join(path)).expect("removed");
        }
        let (gone, between) = (Instant::now(), Checkout::take(&project));
        daemon.wait_stage("1_story_a", "done");
        let took = gone.elapsed();
        assert!(took <= LANDS_WITHIN, "{path}: it landed {took:?} after the overlap had gone");
        assert_none(&between.violations(&project));
        daemon.stop();
        assert_none(&check::always(&project, &bodies, &from));
    }
}

#[test]
fn edits_beside_a_landing_do_not_hold_it_up_and_stay() {
    let project = project("1_story_a", "other.txt");
    dirty(&project);
    let (before, from) = (Checkout::take(&project), project.base());
    let daemon = project.up();
    project.mv("1_story_a", Stage::Backlog, Stage::Current);
    daemon.wait_stage("1_story_a", "done");
    assert_none(&before.violations(&project));
    assert!(project.root().join("other.txt").is_file(), "the checkout follows base");
    daemon.stop();
    assert_none(&check::history(&project, &from));
}

#[test]
fn a_checkout_on_another_branch_is_not_touched_at_all() {
    let project = project("1_story_a", "unstaged.txt");
    project.git().run(&["switch", "--quiet", "--create", "mine"]);
    dirty(&project);
    let before = Checkout::take(&project);
    let from = project.base();
    let daemon = project.up();
    project.mv("1_story_a", Stage::Backlog, Stage::Current);
    daemon.wait_stage("1_story_a", "done");
    assert_ne!(project.base(), from);
    assert_none(&before.violations(&project));
    daemon.stop();
}
