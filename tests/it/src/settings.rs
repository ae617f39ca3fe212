//! project.toml: read again when it changes; what does not parse is refused, and the last good one stays.

use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, Daemon, TestProject};

use crate::common::WORK;

#[test]
fn a_change_counts_at_once_and_a_broken_one_leaves_the_last_good_in_force_over_a_restart() {
    let project = TestProject::builder()
        .setting("qa = \"human\"")
        .agent(&AgentSpec::shell("coder-1", WORK))
        .story(Stage::Backlog, "1_story_a", "a\n")
        .story(Stage::Backlog, "2_story_b", "a\n")
        .build();
    let daemon = project.up();
    project.configure(|text| text.replace("qa = \"human\"", "qa = \"server\"\n[[gate]]\nrun = \"true\""));
    daemon.wait_for("the new setting", |status| {
        status.stories.iter().all(|story| story.qa == "server").then_some(())
    });
    let good = std::fs::read_to_string(project.root().join(".storkit/project.toml")).expect("project.toml");
    project.configure(|text| text.replace("qa = \"server\"", "qa = \"human\"\nmax_retrys = 2"));
    let problem = |daemon: &Daemon<'_>| {
        daemon.wait_for("the refusal with its place", |status| {
            let ours = |path: &str| path.ends_with("project.toml");
            status.problems.iter().find(|problem| ours(&problem.path) && problem.line.is_some()).cloned()
        })
    };
    let found = problem(&daemon);
    let said = format!("{} {}", found.message, found.hint.unwrap_or_default());
    assert!(said.contains("max_retrys") && said.contains("max_retries"), "{said}");
    project.mv("1_story_a", Stage::Backlog, Stage::Current);
    daemon.wait_stage("1_story_a", "done");
    daemon.stop();

    project.configure(|_| "this = is = no TOML".to_owned());
    let daemon = project.up();
    problem(&daemon);
    project.mv("2_story_b", Stage::Backlog, Stage::Current);
    daemon.wait_stage("2_story_b", "done");
    // Mended, it counts again.
    project.configure(|_| good.replace("name = \"coder-1\"", "name = \"coder-7\""));
    daemon.wait_for("the mended settings", |status| {
        (status.agents.first().is_some_and(|agent| agent.name == "coder-7") && status.problems.is_empty())
            .then_some(())
    });
    daemon.stop();
}

#[test]
fn without_any_good_configuration_nothing_starts_and_the_place_is_shown() {
    for (text, words) in [
        ("max_retries = 0\n", "max_retries"),
        ("[limits]\nagnets = 3\n", "agents"),
        ("[[gate]]\nname = \"x\"\n", "run"),
        ("[sandbox]\nmode = \"required\"\n", "sandbox"),
    ] {
        let project = TestProject::builder().build();
        project.configure(|_| text.to_owned());
        let outcome = project.storkit(&["up", "--trust"]).expect_code(1);
        assert!(outcome.stderr.contains(words), "{outcome:?}");
    }
    let project = TestProject::builder().agent(&AgentSpec::shell("coder-1", WORK)).build();
    let outcome = project.storkit(&["up"]).expect_code(1);
    assert!(outcome.stderr.contains("--trust"), "a clone that is not trusted: {outcome:?}");
}
