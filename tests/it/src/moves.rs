//! Moving the file is the command, whatever runs.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, Daemon, TestProject, processes, wait_for};

fn working(project: &TestProject) -> Daemon<'_> {
    let daemon = project.up();
    project.mv("1_story_a", Stage::Backlog, Stage::Current);
    wait_for(CEILING, "the agent at work", || {
        project.root().join(".storkit/worktrees/1_story_a/begun").exists().then_some(())
    });
    daemon
}

fn busy_project() -> TestProject {
    TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", "echo begun > begun\nsetsid sleep 1000 &\nexec sleep 1000"))
        .story(Stage::Backlog, "1_story_a", "a\n")
        .build()
}

fn agents_gone(project: &TestProject) {
    wait_for(check::SURVIVES_AT_MOST, "everything of the run to end", || {
        processes::of_test(project.top()).iter().all(|process| process.run.is_none()).then_some(())
    });
}

#[test]
fn a_move_back_ends_the_run_and_keeps_its_work() {
    let project = busy_project();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = working(&project);
    project.mv("1_story_a", Stage::Current, Stage::Backlog);
    daemon.wait_story("1_story_a", "is idle", |story| story.stage == "backlog" && story.state == State::Idle);
    agents_gone(&project);
    assert!(project.root().join(".storkit/worktrees/1_story_a/begun").is_file());
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
    assert_none(&check::no_survivors(&project));
}

#[test]
fn stop_ends_the_run_and_holds_the_story_until_it_is_started() {
    let project = busy_project();
    let daemon = working(&project);
    let stop = project.storkit(&["stop", "1"]);
    assert!(stop.took.as_secs() <= 5, "{stop:?}");
    stop.expect_code(0);
    daemon.wait_story("1_story_a", "is held", |story| story.state == State::Held);
    agents_gone(&project);
    assert!(project.read_story("1_story_a").contains("hold: stopped by hand"));
    project.storkit(&["start", "1"]).ok();
    daemon.wait_story("1_story_a", "runs again", |story| story.state == State::Running);
    assert!(!project.read_story("1_story_a").contains("hold:"));
    daemon.stop();
}

#[test]
fn a_deleted_story_ends_what_runs_and_its_branch_stays() {
    let project = busy_project();
    let daemon = working(&project);
    std::fs::remove_file(project.story_path(Stage::Current, "1_story_a")).expect("deleted");
    daemon.wait_for("the story is gone", |status| status.stories.is_empty().then_some(()));
    agents_gone(&project);
    assert!(project.git().commit_of("refs/heads/feature/story-1_story_a").is_some());
    daemon.stop();
}

#[test]
fn a_story_in_two_stages_is_a_problem_and_nothing_runs() {
    let project = TestProject::builder()
        .agent(&AgentSpec::diligent("coder-1"))
        .story(Stage::Backlog, "1_story_a", "one\n")
        .story(Stage::Current, "1_story_a", "two\n")
        .build();
    let from = project.base();
    let daemon = project.up();
    daemon.wait_for("a problem that names both", |status| {
        let both = |message: &str| message.contains("1_backlog") && message.contains("2_current");
        status
            .problems
            .iter()
            .any(|problem| both(&format!("{} {}", problem.path, problem.message)))
            .then_some(())
    });
    daemon.stop();
    assert_eq!(project.stages_of("1_story_a"), [Stage::Backlog, Stage::Current]);
    assert_eq!(project.base(), from);
}

#[test]
fn a_story_that_cannot_be_read_is_named_with_its_place_and_disturbs_no_other() {
    let project = TestProject::builder()
        .agent(&AgentSpec::diligent("coder-1"))
        .story(Stage::Current, "1_story_bad", "---\nname: [\n---\n")
        .story(Stage::Current, "2_story_good", "a\n")
        .build();
    let daemon = project.up();
    daemon.wait_story("2_story_good", "is done", |story| story.stage == "done");
    let bad = daemon.wait_story("1_story_bad", "is a problem", |story| story.state == State::Problem);
    assert_eq!(bad.stage, "current");
    assert!(
        daemon
            .status()
            .problems
            .iter()
            .any(|problem| problem.line.is_some() && problem.path.ends_with("bad.md"))
    );
    assert_eq!(project.read_story("1_story_bad"), "---\nname: [\n---\n");
    daemon.stop();
}
