//! That the harness itself can be trusted: it fails where it should, and leaves nothing behind.

use std::panic::{AssertUnwindSafe, catch_unwind};

use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, TestProject, processes, programs};

fn message_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<String>().map_or("", String::as_str)
}

#[test]
fn the_programs_are_built() {
    assert!(programs::storkit().is_file());
    assert!(programs::fake_agent().is_file());
}

#[test]
fn a_project_is_as_it_was_ordered() {
    let project = TestProject::builder()
        .setting("qa = \"human\"")
        .table("[limits]\nagents = 2")
        .agent(&AgentSpec::diligent("coder-1").with("instances", 2))
        .gate("test -f \"a b\"")
        .file("a b", "1")
        .story(Stage::Backlog, "1_story_a", "a")
        .build();
    let git = project.git();
    assert_eq!(
        git.lines(&["ls-files"]),
        [".storkit/.gitignore", ".storkit/AGENT.md", ".storkit/project.toml", "a b"]
    );
    assert_eq!(git.lines(&["status", "--porcelain"]), ["?? .storkit/work/"]);
    assert_eq!(project.stages_of("1_story_a"), [Stage::Backlog]);
    project.mv("1_story_a", Stage::Backlog, Stage::Current);
    assert_eq!(project.read_story("1_story_a"), "a");
    assert_eq!(project.stages_of("1_story_a"), [Stage::Current]);
}

#[test]
fn a_daemon_that_ends_instead_of_serving_fails_the_test_at_once() {
    let project = TestProject::builder().setting("this is no TOML").build();
    let failed = catch_unwind(AssertUnwindSafe(|| drop(project.up())));
    let panic = failed.expect_err("a daemon without a configuration cannot serve");
    assert!(message_of(&*panic).contains("the daemon ended"), "{}", message_of(&*panic));
    assert_eq!(processes::of_test(project.top()), []);
}
