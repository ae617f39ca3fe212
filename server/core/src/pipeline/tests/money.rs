//! Budgets while a run goes on, prices, and what becomes of a run that was ended for its money.

use super::{Desk, agent, config_with, id, story};
use crate::config::Config;
use crate::effect::{Effect, RunOver};
use crate::event::{Event, Outcome};
use crate::facts::{ProcessEnd, RunFacts, Usage};
use crate::ids::OpId;
use crate::price::Price;
use crate::request::Request;
use crate::runtime::Ending;
use crate::snapshot::State;
use crate::stage::Stage;

const A: &str = "1_a";
const B: &str = "2_b";

fn spends(cost_usd: f64) -> Vec<Usage> {
    vec![Usage { cost_usd: Some(cost_usd), ..Usage::default() }]
}

/// The run is ended by storkit, and has cost that much.
fn is_ended(desk: &mut Desk, op: OpId, usage: Vec<Usage>) {
    desk.take(|effect| matches!(effect, Effect::Cancel { op: other, .. } if *other == op).then_some(()));
    let facts =
        RunFacts { process: Some(ProcessEnd::Signalled(15)), cancelled: true, usage, ..RunFacts::default() };
    desk.end(op, Outcome::Run(Box::new(facts)));
}

fn one(change: impl FnOnce(&mut Config)) -> (Desk, OpId) {
    let mut desk = Desk::new(config_with(change), vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    (desk, op)
}

#[test]
fn a_run_that_costs_more_than_it_may_is_ended_and_its_story_is_blocked_without_an_attempt() {
    let (mut desk, op) = one(|config| config.agents[0].max_budget_usd = 1.0);
    desk.tell(Event::RunSpent(op, 0.9));
    assert_eq!(desk.kinds().len(), 0);
    desk.tell(Event::RunSpent(op, 1.25));
    desk.tell(Event::RunSpent(op, 1.5));
    assert_eq!(desk.kinds(), ["cancel"], "once");
    is_ended(&mut desk, op, spends(1.5));
    let why = "the run has cost $1.25 of $1.00 (`max_budget_usd`)";
    assert_eq!((desk.blocked(A), desk.memory(A).failures), (Some(why), 0));
    assert_eq!((desk.reason(A).as_str(), desk.memory(A).cost_usd), (why, Some(1.5)));
    desk.ask(Request::Unblock { story: A.to_owned() });
    let (_, order) = desk.run_starts();
    assert_eq!(order.attempt, 1);
}

#[test]
fn a_storys_budget_ends_its_run_and_keeps_it_waiting_until_it_is_raised() {
    let (mut desk, op) = one(|config| config.limits.story_budget_usd = 2.0);
    desk.tell(Event::RunSpent(op, 2.5));
    // The count of what was used was lost with the run: what was seen is booked.
    is_ended(&mut desk, op, Vec::new());
    assert_eq!((desk.state(A), desk.blocked(A), desk.memory(A).failures), (State::Waiting, None, 0));
    assert_eq!(desk.reason(A), "the story's budget is spent: $2.50 of $2.00");
    let raised = config_with(|config| config.limits.story_budget_usd = 5.0);
    desk.tell(Event::Configured(std::sync::Arc::new(raised), Vec::new()));
    assert_eq!(desk.kinds(), ["prepare"]);
}

#[test]
fn a_days_budget_is_shared_by_all_that_run() {
    let daily = config_with(|config| {
        config.agents = vec![agent("coder-1"), agent("coder-2")];
        config.limits.budget_usd = 3.0;
    });
    let mut desk = Desk::new(daily, vec![story(A, Stage::Current), story(B, Stage::Current)]);
    let (first, _) = desk.run_starts();
    let (second, order) = desk.run_starts();
    assert_eq!(order.story, id(B));
    desk.tell(Event::RunSpent(first, 1.6));
    desk.tell(Event::RunSpent(second, 1.5));
    is_ended(&mut desk, second, spends(1.5));
    assert_eq!((desk.state(A), desk.state(B)), (State::Running, State::Waiting));
    assert_eq!(desk.reason(B), "today's budget is spent: $3.10 of $3.00");
    desk.run_ends_with(first, |facts| facts.usage = spends(1.7));
    assert_eq!(desk.reason(B), "today's budget is spent: $3.20 of $3.00");
}

#[test]
fn a_run_that_had_finished_before_it_could_be_ended_has_finished() {
    let (mut desk, op) = one(|config| config.limits.story_budget_usd = 2.0);
    desk.tell(Event::RunSpent(op, 2.5));
    desk.open.clear();
    desk.run_ends_with(op, |facts| facts.usage = spends(2.5));
    assert_eq!(desk.kinds(), ["gates"], "gates cost nothing");
}

#[test]
fn a_persons_stop_comes_before_a_budget() {
    let (mut desk, op) = one(|config| config.agents[0].max_budget_usd = 1.0);
    desk.tell(Event::RunSpent(op, 1.25));
    desk.ask(Request::Stop { story: A.to_owned() });
    is_ended(&mut desk, op, spends(1.25));
    assert_eq!((desk.blocked(A), desk.hold(A)), (None, Some("stopped by hand")));
}

#[test]
fn an_agent_that_ends_itself_for_its_budget_costs_no_attempt_either() {
    let (mut desk, op) = one(|_| {});
    desk.run_ends_with(op, |facts| facts.ending = Some(Ending::OutOfBudget));
    assert_eq!(desk.blocked(A), Some("it used all of its budget (`max_budget_usd`)"));
    assert_eq!(desk.memory(A).failures, 0);
}

#[test]
fn hostile_costs_change_nothing() {
    let (mut desk, op) = one(|config| config.agents[0].max_budget_usd = 1.0);
    for usd in [f64::NAN, f64::INFINITY, -5.0] {
        desk.tell(Event::RunSpent(op, usd));
    }
    desk.tell(Event::RunSpent(OpId(4711), 9.0));
    assert_eq!(desk.kinds().len(), 0);
}

#[test]
fn tokens_are_booked_at_their_price_where_no_cost_is_told() {
    let price =
        Price { model: "m-*".to_owned(), input: 2.0, output: 10.0, cache_read: Some(0.5), cache_write: None };
    let mut config = config_with(|config| config.prices = vec![price]);
    config.agents[0].model = "m-1".to_owned();
    let mut desk = Desk::new(config, vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    let tokens = |model: Option<&str>| Usage {
        input_tokens: 500_000,
        output_tokens: 100_000,
        model: model.map(str::to_owned),
        ..Usage::default()
    };
    let branch = crate::facts::BranchFacts { ahead: 1, ..Default::default() };
    let facts = RunFacts {
        process: Some(ProcessEnd::Exited(0)),
        usage: vec![tokens(None), tokens(Some("other"))],
        branch,
        ..RunFacts::default()
    };
    let now = crate::time::Now { mono_ms: desk.now, ..Default::default() };
    let effects = desk.pipe.handle(now, Event::Ended(op, Outcome::Run(Box::new(facts))));
    let over: Vec<RunOver> = effects
        .into_iter()
        .filter_map(|effect| if let Effect::RunOver(over) = effect { Some(*over) } else { None })
        .collect();
    let used: Vec<_> = over[0].usage.iter().map(|used| (used.model.as_deref(), used.cost_usd)).collect();
    assert_eq!(used, [(Some("m-1"), Some(2.0)), (Some("other"), None)], "the unknown stays unknown");
    assert_eq!(desk.memory(A).cost_usd, Some(2.0));
}
