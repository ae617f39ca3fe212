//! `why` and `status` name everything that keeps a story: no standstill without its reason.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, TestProject, wait_for};

use crate::common::{WORK, until, wait_signal};

const HANG: &str = "echo > \"$HOME/begun-$STORKIT_STORY\"\nexec sleep 1000";

/// A board with a story for each reason to stand still.
fn full_of_reasons() -> TestProject {
    let front = |lines: &str| format!("---\nname: x\n{lines}\n---\ntext\n");
    TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", HANG))
        .agent(&AgentSpec::shell("coder-2", WORK).with("command", "/no/such/program"))
        .agent(&AgentSpec::shell("qa-1", "true"))
        .story(Stage::Current, "1_story_busy", front("agent: coder-1"))
        .story(Stage::Current, "2_story_blocked", front("blocked: the moon\nhold: true"))
        .story(Stage::Current, "3_story_held", front("hold: till spring"))
        .story(Stage::Backlog, "4_story_waits", front("depends_on: [2, 3]"))
        .story(Stage::Backlog, "5_story_one", front("depends_on: [6]"))
        .story(Stage::Backlog, "6_story_two", front("depends_on: [5]"))
        .story(Stage::Current, "7_story_unknown", front("depends_on: [1_story_bussy]\nepic: 99"))
        .story(Stage::Current, "8_story_agent", front("agent: coder-3"))
        .story(Stage::Current, "9_story_role", front("agent: qa-1"))
        .story(Stage::Current, "10_story_named", front("agent: coder-1"))
        .story(Stage::Current, "11_story_drained", front("agent: coder-2"))
        .story(Stage::Current, "12_story_bad", "---\nname: x\nqa: [\n---\n")
        .story(Stage::Current, "13_story_twice", front("hold: a"))
        .story(Stage::Qa, "13_story_twice", front("hold: a"))
        .story(Stage::Current, "14_story_all", front(""))
        .story(Stage::Current, "15_story_number", front("depends_on: [16]"))
        .story(Stage::Backlog, "16_story_a", front(""))
        .story(Stage::Backlog, "16_story_b", front(""))
        .story(Stage::Backlog, "17_epic_a", front(""))
        .build()
}

#[test]
fn every_key_name_and_agent_that_keeps_a_story_is_named_with_its_line() {
    let project = full_of_reasons();
    let daemon = project.up();
    wait_signal(&project, "begun-1_story_busy");
    for (story, kind, text, key, line, hint) in [
        ("2", "blocked", "the moon", Some("blocked"), Some(3), ""),
        ("2", "held", "", Some("hold"), Some(4), "unhold"),
        ("3", "held", "till spring", Some("hold"), Some(3), "unhold"),
        ("4", "dependency", "2_story_blocked, which is blocked in current", Some("depends_on"), Some(3), ""),
        ("4", "dependency", "3_story_held", Some("depends_on"), Some(3), ""),
        ("5", "cycle", "5_story_one → 6_story_two", Some("depends_on"), Some(3), ""),
        ("6", "cycle", "6_story_two", Some("depends_on"), Some(3), ""),
        ("7", "unknown", "1_story_bussy", Some("depends_on"), Some(3), "1_story_busy"),
        ("7", "unknown", "99", Some("epic"), Some(4), ""),
        ("8", "agent", "coder-3", Some("agent"), Some(3), "coder-"),
        ("9", "agent", "qa-1", Some("agent"), Some(3), ""),
        ("10", "agent", "coder-1", None, None, ""),
        ("11", "agent", "drained", None, None, "resume"),
        ("13", "twice", "3_qa", None, None, ""),
        ("14", "agent", "coder-2 is drained", None, None, "resume"),
        ("15", "ambiguous", "16_story_a, 16_story_b", Some("depends_on"), Some(3), ""),
        ("17", "epic", "", None, None, ""),
    ] {
        let id = project.why(story).id;
        let found = daemon.wait_why(&id, kind, text);
        assert_eq!((found.key.as_deref(), found.line), (key, line), "{id}: {found:?}");
        assert_eq!(found.path.is_some(), key.is_some(), "{id}: {found:?}");
        assert!(found.hint.as_deref().unwrap_or_default().contains(hint), "{id}: {found:?}");
    }
    assert_eq!(project.why("1").conditions, [], "what runs has no reason to stand");
    let bad = daemon.wait_state("12_story_bad", State::Problem);
    assert!(bad.reason.is_some());
    let status = daemon.status();
    let problem = status.problems.iter().find(|problem| problem.path.ends_with("12_story_bad.md"));
    let problem = problem.expect("the file that does not parse");
    assert!(problem.line.is_some() && problem.column.is_some(), "{problem:?}");
    for id in
        ["5_story_one", "6_story_two", "7_story_unknown", "8_story_agent", "9_story_role", "15_story_number"]
    {
        let story = status.stories.iter().find(|story| story.id == id).expect("a story");
        assert_eq!(story.state, State::Problem, "{id}");
        assert!(
            status.problems.iter().any(|problem| problem.path.contains(id)),
            "{id} is among the problems"
        );
    }
    // What stands still says why; what moves need not.
    for story in &status.stories {
        let stands = matches!(story.state, State::Waiting | State::Blocked | State::Held | State::Problem);
        assert!(!stands || story.reason.is_some(), "{story:?}");
    }
    let drained = status.agents.iter().find(|agent| agent.name == "coder-2").expect("an agent");
    assert_eq!(drained.state, "drained");
    assert!(drained.reason.as_deref().is_some_and(|why| why.contains("/no/such/program")), "{drained:?}");
    daemon.stop();
}

#[test]
fn limits_pauses_reviews_and_waits_between_attempts_are_named() {
    let agent =
        format!("case \"$STORKIT_STORY\" in 1_*) {} {WORK};; 3_*) exit 3;; *) {WORK};; esac", until("go"));
    let project = TestProject::builder()
        .setting("qa = \"human\"")
        .table("[limits]\nagents = 1\ngates = 1")
        .table(&format!("[[gate]]\nrun = '''{}'''\nstages = [\"current\"]", until("gate")))
        .agent(&AgentSpec::shell("coder-1", &agent).with("instances", 9))
        .story(Stage::Current, "1_story_first", "a\n")
        .story(Stage::Backlog, "2_story_next", "a\n")
        .story(Stage::Backlog, "3_story_fails", "a\n")
        .build();
    let before = project.why("1");
    assert!(
        before.conditions.iter().any(|one| one.what == "daemon" && one.detail.contains("storkit up")),
        "{before:?}"
    );
    let daemon = project.up();
    daemon.wait_state("1_story_first", State::Running);
    project.mv("2_story_next", Stage::Backlog, Stage::Current);
    daemon.wait_why("2_story_next", "limit", "limits.agents");
    project.signal_file("go");
    daemon.wait_state("1_story_first", State::Gating);
    daemon.wait_why("2_story_next", "gates", "limits.gates");
    project.signal_file("gate");
    daemon.wait_why("1_story_first", "review", "");
    daemon.wait_state("2_story_next", State::Review);

    project.mv("3_story_fails", Stage::Backlog, Stage::Current);
    daemon.wait_why("3_story_fails", "backoff", "exited with 3");
    project.storkit(&["pause", "for lunch"]).ok();
    daemon.wait_why("3_story_fails", "paused", "for lunch");
    assert_eq!(daemon.status().paused.as_deref(), Some("for lunch"));
    project.storkit(&["pause", "for lunch"]).ok();
    daemon.stop();
    let daemon = project.up();
    assert_eq!(daemon.status().paused.as_deref(), Some("for lunch"), "a pause outlives the daemon");
    project.storkit(&["resume"]).ok();
    project.storkit(&["resume"]).ok();
    assert_eq!(daemon.status().paused, None);
    daemon.wait_why("3_story_fails", "blocked", "failed 3 times");
    daemon.stop();
}

#[test]
fn a_spent_budget_is_named_and_raising_it_lets_work_go_on() {
    let usage = "echo '{\"storkit\":\"usage\",\"input_tokens\":1,\"output_tokens\":2,\"cost_usd\":5,\"model\":\"m\"}'\n";
    let waits = format!("case \"$STORKIT_STORY\" in 2_*) {};; esac\n", until("go"));
    let project = TestProject::builder()
        .setting("qa = \"human\"")
        .table("[limits]\nbudget_usd = 7\nstory_budget_usd = 100")
        .agent(&AgentSpec::shell("coder-1", &format!("{usage}{waits}{WORK}")))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let daemon = project.up();
    daemon.wait_state("1_story_a", State::Review);
    let id = project.storkit(&["new", "Another one", "--stage", "current"]).ok().trim().to_owned();
    daemon.wait_why(&id, "budget", "$10.00 of $7.00");
    let story = daemon.wait_story("1_story_a", "has its cost", |story| story.cost_usd == Some(5.0));
    assert_eq!(story.stage, "qa");
    project.signal_file("go");
    project.configure(|text| text.replace("budget_usd = 7\n", "budget_usd = 70\n"));
    daemon.wait_state(&id, State::Review);
    daemon.stop();
}

#[test]
fn the_queue_a_dirty_checkout_a_red_and_a_missing_base_are_named_and_end_by_themselves() {
    let project = TestProject::builder()
        .file("shared.txt", "1\n")
        .table("[[gate]]\nname = \"whole\"\nrun = \"test ! -e broken\"\nstages = [\"merge\"]")
        .agent(&AgentSpec::shell("coder-1", "echo x > \"$STORKIT_STORY.txt\"\n[ \"$STORKIT_STORY\" != 1_story_edit ] || echo 2 > shared.txt").with("instances", 3))
        .story(Stage::Current, "1_story_edit", "a\n")
        .build();
    project.git().write("shared.txt", "mine\n");
    let first = project.base();
    let daemon = project.up();
    daemon.wait_why("1_story_edit", "checkout", "shared.txt");
    let waiting = daemon.wait_stage("1_story_edit", "merge");
    assert_eq!(waiting.state, State::Waiting);
    // Others land past it.
    project.write_story(Stage::Current, "2_story_past", "a\n");
    daemon.wait_stage("2_story_past", "done");
    project.git().run(&["checkout", "--quiet", "--", "shared.txt"]);
    daemon.wait_stage("1_story_edit", "done");

    // Somebody breaks base: nobody else is blamed for it.
    let git = project.git();
    git.write("broken", "");
    git.run(&["add", "broken"]);
    git.run(&["commit", "--quiet", "--message", "Break it"]);
    project.write_story(Stage::Current, "3_story_red", "a\n");
    let found = daemon.wait_why("3_story_red", "base_red", "whole");
    assert!(found.detail.contains("base is red"), "{found:?}");
    assert_eq!(daemon.wait_stage("3_story_red", "merge").state, State::Waiting);
    let broken = project.base();
    git.run(&["rm", "--quiet", "broken"]);
    git.run(&["commit", "--quiet", "--message", "Mend it"]);
    daemon.wait_stage("3_story_red", "done");
    assert_ne!(project.base(), broken);

    // Base goes away, and nothing makes a new one.
    let tip = project.base();
    git.run(&["switch", "--quiet", "--detach"]);
    git.run(&["branch", "--quiet", "-D", "main"]);
    if daemon.status().paused.is_some() {
        project.storkit(&["resume"]).ok();
    }
    project.write_story(Stage::Current, "4_story_baseless", "a\n");
    wait_for(CEILING, "why to name the missing base", || {
        let why = project.why("4");
        why.conditions.iter().any(|one| one.detail.contains("base branch main does not exist")).then_some(())
    });
    assert_eq!(git.commit_of("refs/heads/main"), None);
    git.run(&["branch", "main", &tip]);
    git.run(&["switch", "--quiet", "main"]);
    if daemon.status().paused.is_some() {
        project.storkit(&["resume"]).ok();
    }
    daemon.wait_stage("4_story_baseless", "done");
    daemon.stop();
    assert_none(&check::history(&project, &first));
    assert_none(&check::objects(&project));
}
