//! Sessions that go on, limits of accounts, and agents that fail on everything.

use super::{Desk, agent, config, story};
use crate::config::{Config, Route, Runtime};
use crate::event::Outcome;
use crate::facts::{BranchFacts, ProcessEnd, RunFacts};
use crate::ids::OpId;
use crate::request::Request;
use crate::runtime::{Ending, Reset};
use crate::snapshot::State;
use crate::stage::Stage;
use crate::story::Story;

const A: &str = "1_a";

/// `coder-1` of Claude Code and `coder-2` of Codex.
fn two() -> Config {
    let mut config = config();
    config.agents = vec![agent("coder-1"), agent("coder-2")];
    config.agents[0].runtime = Runtime::ClaudeCode;
    config.agents[1].runtime = Runtime::Codex;
    config
}

fn ends(desk: &mut Desk, op: OpId, session: &str, ending: Ending) {
    let done = ending == Ending::Done;
    let facts = RunFacts {
        process: Some(ProcessEnd::Exited(i32::from(!done))),
        session: Some(session.to_owned()),
        ending: Some(ending),
        branch: BranchFacts { ahead: u32::from(done), ..BranchFacts::default() },
        ..RunFacts::default()
    };
    desk.end(op, Outcome::Run(Box::new(facts)));
}

#[test]
fn a_session_goes_on_with_what_is_new_and_another_model_begins_anew() {
    let mut config = two();
    config.agents.truncate(1);
    let mut desk = Desk::new(config, vec![story(A, Stage::Current)]);
    let (op, order) = desk.run_starts();
    assert_eq!(order.resume, None);
    ends(&mut desk, op, "s1", Ending::Done);
    desk.gates(false);
    let (op, order) = desk.run_starts();
    let warm = order.resume.expect("the session goes on");
    assert_eq!(warm.resume.session, "s1");
    assert!(order.notes.iter().all(|note| note.at >= warm.since), "the gate's failure is new to it");
    assert!(!warm.notes_are_new);
    ends(&mut desk, op, "s1", Ending::Done);
    desk.gates(false);
    desk.person_edits(A, |story| story.overrides.model = Some("larger".to_owned()));
    let (_, order) = desk.run_starts();
    assert_eq!((order.resume, order.agent.model.as_str()), (None, "larger"));
}

#[test]
fn a_full_context_begins_anew_and_a_crash_before_a_session_too() {
    let mut config = two();
    config.agents.truncate(1);
    let mut desk = Desk::new(config, vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    ends(&mut desk, op, "s1", Ending::ContextTooLong { text: "full".to_owned() });
    desk.wait(1_100);
    let (op, order) = desk.run_starts();
    assert_eq!((order.resume, order.attempt), (None, 2));
    ends(&mut desk, op, "s2", Ending::Failed { text: "no".to_owned() });
    desk.wait(10_100);
    let (op, order) = desk.run_starts();
    assert_eq!(order.resume.map(|warm| warm.resume.session).as_deref(), Some("s2"));
    ends(&mut desk, op, "s2", Ending::CrashedBeforeSession { text: "bang".to_owned() });
    desk.wait(1_100);
    let (_, order) = desk.run_starts();
    assert_eq!((order.resume, order.attempt), (None, 3), "it costs nothing");
}

#[test]
fn a_limit_rests_the_runtime_and_the_work_goes_to_others_until_it_is_over() {
    let mut desk = Desk::new(two(), vec![story(A, Stage::Current)]);
    let (op, order) = desk.run_starts();
    assert_eq!(order.agent.name.as_str(), "coder-1");
    ends(&mut desk, op, "s1", Ending::RateLimited { reset: Reset::after(600), text: "429".to_owned() });
    let (op, order) = desk.run_starts();
    assert_eq!((order.agent.name.as_str(), order.attempt), ("coder-2", 1));
    let limited = desk.pipe.status(&crate::pipeline::view::Surroundings::default(), false);
    assert_eq!(limited.agents[0].state, "rate_limited");
    assert!(limited.agents[0].until.is_some() && limited.agents[0].reason.is_some());
    ends(&mut desk, op, "t1", Ending::Quota { reset: Reset::default(), text: "none left".to_owned() });
    assert_eq!(desk.kinds().len(), 0);
    assert_eq!(desk.state(A), State::Waiting);
    desk.wait(599_000);
    assert_eq!(desk.kinds().len(), 0);
    desk.wait(1_100);
    let (_, order) = desk.run_starts();
    assert_eq!((order.agent.name.as_str(), order.attempt), ("coder-1", 1));
    assert_eq!(order.resume.map(|warm| warm.resume.session).as_deref(), Some("s1"));
}

#[test]
fn rules_choose_the_coder_and_from_the_second_attempt_a_larger_model() {
    let mut config = two();
    config.routes = vec![
        Route { attempt: Some(2), model: Some("larger".to_owned()), ..Route::default() },
        Route { label: Some("ui".to_owned()), agent: Some(agent("coder-2").name), ..Route::default() },
    ];
    let mut desk =
        Desk::new(config, vec![Story { labels: vec!["ui".to_owned()], ..story(A, Stage::Current) }]);
    let (op, order) = desk.run_starts();
    assert_eq!((order.agent.name.as_str(), order.agent.model.as_str()), ("coder-2", ""));
    ends(&mut desk, op, "s1", Ending::Done);
    desk.gates(false);
    let (op, order) = desk.run_starts();
    assert_eq!((order.agent.name.as_str(), order.agent.model.as_str()), ("coder-2", "larger"));
    ends(&mut desk, op, "s2", Ending::RateLimited { reset: Reset::after(600), text: "429".to_owned() });
    let (_, order) = desk.run_starts();
    assert_eq!(order.agent.name.as_str(), "coder-1", "the rule's agent cannot be used");
}

#[test]
fn a_person_ends_a_limit() {
    let mut config = two();
    config.agents.truncate(1);
    let mut desk = Desk::new(config, vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    ends(&mut desk, op, "s1", Ending::Quota { reset: Reset::default(), text: "none left".to_owned() });
    assert_eq!(desk.kinds().len(), 0);
    desk.ask(Request::Resume { agent: Some("coder-1".to_owned()) }).expect("answered").expect("done");
    let (_, order) = desk.run_starts();
    assert_eq!(order.attempt, 1);
}

#[test]
fn an_agent_that_fails_on_three_stories_is_drained_and_one_success_forgets() {
    let stories = ["1_a", "2_b", "3_c", "4_d"];
    let mut config = two();
    config.agents.truncate(1);
    let mut desk = Desk::new(config, stories.map(|name| story(name, Stage::Current)).to_vec());
    let fail = |desk: &mut Desk| {
        let (op, order) = desk.run_starts();
        ends(desk, op, "s", Ending::Failed { text: "no".to_owned() });
        order.story
    };
    let failed = [fail(&mut desk), fail(&mut desk)];
    assert_ne!(failed[0], failed[1], "the first waits before it is tried again");
    let (op, _) = desk.run_starts();
    ends(&mut desk, op, "s", Ending::Done);
    desk.gates(true);
    assert!(!desk.pipe.is_drained(&agent("coder-1").name));
    for _ in 0..3 {
        while !desk.kinds().contains(&"prepare") {
            desk.wait(1_000);
        }
        fail(&mut desk);
    }
    assert!(desk.pipe.is_drained(&agent("coder-1").name));
}

#[test]
fn agents_that_are_other_programs_have_accounts_of_their_own() {
    let mut config = two();
    for (agent, command) in config.agents.iter_mut().zip(["claude-agent-acp", "codex-acp"]) {
        (agent.runtime, agent.command) = (Runtime::Acp, command.to_owned());
    }
    let mut desk = Desk::new(config, vec![story(A, Stage::Current)]);
    let (op, order) = desk.run_starts();
    assert_eq!(order.agent.name.as_str(), "coder-1");
    ends(&mut desk, op, "s1", Ending::RateLimited { reset: Reset::after(600), text: "429".to_owned() });
    let (_, order) = desk.run_starts();
    assert_eq!(order.agent.name.as_str(), "coder-2");
}

#[test]
fn who_waits_for_nothing_but_a_limit_is_not_done() {
    let mut config = two();
    config.agents.truncate(1);
    let mut desk = Desk::new(config, vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    let limited = Ending::RateLimited { reset: Reset::after(120), text: "slow down".to_owned() };
    ends(&mut desk, op, "s1", limited);
    assert_eq!((desk.state(A), desk.pipe.is_quiet()), (State::Waiting, false), "`up --once` waits for it");
    desk.wait(121_000);
    let (op, _) = desk.run_starts();
    ends(&mut desk, op, "s1", Ending::Authentication { text: "no key".to_owned() });
    assert!(desk.pipe.is_quiet(), "a drained agent is a person's to mend");
}
