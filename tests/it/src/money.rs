//! Budgets: runs that cost more than they may are ended while they work.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, TestProject, processes};

const STORY: &str = "1_story_a";

/// Prints what it used, again and again as it would, and does not end.
fn spender(usage: &str) -> String {
    format!("echo begun > begun.txt; echo '{usage}'; echo '{usage}'; sleep 1000")
}

fn usage(project: &TestProject) -> serde_json::Value {
    serde_json::from_str(&project.storkit(&["usage", "--json"]).ok()).expect("JSON")
}

#[test]
fn a_run_over_its_budget_is_ended_and_its_story_blocked_without_an_attempt() {
    let line = r#"{"storkit":"usage","input_tokens":10,"output_tokens":1,"cost_usd":0.75}"#;
    let agent = AgentSpec::shell("coder-1", &spender(line)).with("max_budget_usd", 1);
    let project = TestProject::builder().agent(&agent).story(Stage::Current, STORY, "Do it.\n").build();
    let daemon = project.up();
    let story = daemon.wait_state(STORY, State::Blocked);
    let why = "the run has cost $1.50 of $1.00 (`max_budget_usd`)";
    assert_eq!((story.reason.as_deref(), story.attempt, story.cost_usd), (Some(why), 1, Some(1.5)));
    let runs = processes::of_test(project.top()).into_iter().filter(|process| process.run.is_some());
    assert_eq!(runs.count(), 0, "everything of the run has ended");
    let begun = project.worktree(STORY).join("begun.txt");
    assert!(begun.exists(), "its work stays");
    let told = project.storkit(&["why", "1"]).ok();
    assert!(told.contains(why), "{told}");
    let report = usage(&project);
    assert_eq!((&report["total"]["cost_usd"], &report["total"]["runs"]), (&1.5.into(), &1.into()));
    daemon.stop();
}

#[test]
fn tokens_at_their_price_spend_the_storys_budget_and_raising_it_goes_on() {
    let line = r#"{"storkit":"usage","input_tokens":500000,"output_tokens":0,"model":"m-1","turns":2}"#;
    let first = spender(line);
    let agent = AgentSpec::shell(
        "coder-1",
        &format!("[ -e begun.txt ] && {{ git add -A; git commit -qm x; exit 0; }}\n{first}"),
    );
    let prices = "[[price]]\nmodel = \"m-*\"\ninput = 2.0\noutput = 8.0\n[limits]\nstory_budget_usd = 2\n";
    let project =
        TestProject::builder().table(prices).agent(&agent).story(Stage::Current, STORY, "Do it.\n").build();
    let daemon = project.up();
    let story = daemon.wait_story(STORY, "waits for money", |story| {
        story.state == State::Waiting && story.cost_usd.is_some()
    });
    assert_eq!(story.reason.as_deref(), Some("the story's budget is spent: $2.00 of $2.00"));
    assert_eq!(story.attempt, 1, "it costs no attempt");
    let report = usage(&project);
    assert_eq!(report["groups"][0]["turns"]["maximum"], 4.0, "{report}");
    project.configure(|text| text.replace("story_budget_usd = 2", "story_budget_usd = 9"));
    daemon.wait_stage(STORY, "done");
    daemon.stop();
}
