//! `kill -9` at any moment: the next start needs no person.

use std::time::Duration;

use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::checkout::Checkout;
use storkit_testkit::{AgentSpec, CEILING, TestProject, poll_until, wait_for};

fn project(stories: u32) -> TestProject {
    let mut builder = TestProject::builder()
        .agent(&AgentSpec::diligent("coder-1").with("instances", 2))
        .gate("test -n \"$(git ls-files '*_story_*.txt')\"")
        .file("mine.txt", "1\n");
    for number in 1..=stories {
        builder = builder.story(Stage::Current, &format!("{number}_story_s"), "s\n");
    }
    builder.build()
}

#[test]
fn a_crash_ends_the_agents_and_the_next_start_goes_on() {
    let text = "test -f again && exit 0\necho x > again\nsetsid sleep 1000 &\nexec sleep 1000";
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", text))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    wait_for(CEILING, "the agent at work", || {
        project.root().join(".storkit/worktrees/1_story_a/again").exists().then_some(())
    });
    daemon.kill9();
    assert_none(&check::no_survivors(&project));
    let daemon = project.up();
    daemon.wait_story("1_story_a", "is done", |story| story.stage == "done");
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
}

/// Kills the daemon again and again, each time a little later, until all stories have landed.
#[test]
fn a_crash_at_any_moment_loses_nothing_and_lands_nothing_twice() {
    const STORIES: u32 = 4;
    const STEP: Duration = Duration::from_millis(37);
    let project = project(STORIES);
    project.git().write("mine.txt", "mine\n");
    let (before, from, bodies) = (Checkout::take(&project), project.base(), check::bodies(&project));
    let landed = || project.git().lines(&["rev-list", &format!("{from}..main")]).len();
    for crash in 1..40 {
        let daemon = project.up();
        let done = poll_until(STEP * crash, || (landed() == STORIES as usize).then_some(())).is_some();
        daemon.kill9();
        assert_none(&check::always(&project, &bodies, &from));
        if done {
            break;
        }
    }
    let daemon = project.up();
    daemon.wait_for("all stories are done", |status| {
        status.stories.iter().all(|story| story.stage == "done").then_some(())
    });
    daemon.stop();
    assert_eq!(landed(), STORIES as usize);
    assert_none(&check::always(&project, &bodies, &from));
    assert_none(&before.violations(&project));
    assert_none(&check::no_survivors(&project));
}
