//! What keeps a story from starting, and what does not: holds, limits, budgets, dependencies, names.

use super::{Desk, agent, config, config_with, gate, id, result, story};
use crate::event::{Event, Outcome, Start};
use crate::facts::{GatesEnd, Usage};
use crate::request::Request;
use crate::snapshot::State;
use crate::stage::Stage;
use crate::story::{Keyed, Kind, Place, Qa, Story, StoryRef};

const A: &str = "1_a";
const B: &str = "2_b";

fn keyed<T>(value: T) -> Keyed<T> {
    Keyed { value, place: Place { line: 3, column: 1 } }
}

fn needs(name: &str, stage: Stage, number: u64) -> Story {
    Story { depends_on: vec![keyed(StoryRef::Number(number))], ..story(name, stage) }
}

#[test]
fn a_hold_lets_the_run_end_and_then_the_story_stands_gates_included() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    desk.ask(Request::Hold { story: A.to_owned(), why: Some("legal".to_owned()) });
    assert_eq!((desk.state(A), desk.kinds().len()), (State::Held, 0), "it is not ended");
    desk.run_ends(op, 0, 1);
    assert_eq!(desk.kinds().len(), 0);
    assert_eq!(desk.reason(A), "held: legal");
    desk.ask(Request::Unhold { story: A.to_owned() });
    assert_eq!(desk.kinds(), ["gates"]);
}

#[test]
fn taking_review_hold_away_approves_nothing() {
    let mut desk = Desk::new(config_with(|config| config.qa = Qa::Human), vec![story(A, Stage::Qa)]);
    desk.inspected(1);
    desk.person_edits(A, |story| story.review_hold = None);
    desk.wait(60_000);
    assert_eq!((desk.stage(A), desk.state(A)), (Stage::Qa, State::Review));
    assert!(desk.story(A).review_hold.is_none(), "a person's decision: it is not written again");
}

#[test]
fn at_most_so_many_agents_and_gate_rounds_at_a_time() {
    let config = config_with(|config| {
        config.limits.agents = 1;
        config.limits.gates = 1;
        config.agents[0].instances = 3;
    });
    let mut desk = Desk::new(config, vec![story(A, Stage::Current), story(B, Stage::Current)]);
    assert_eq!(desk.kinds(), ["prepare"]);
    assert_eq!(desk.reason(B), "1 agents run, which is the limit (limits.agents)");
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 1);
    let gates = desk.gates_start();
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 1);
    assert_eq!(desk.reason(B), "all gate rounds are taken (limits.gates)");
    desk.end(gates, Outcome::Gates(GatesEnd::Ran(vec![result(false)])));
    assert!(desk.kinds().contains(&"gates"), "{:?}", desk.kinds());
}

#[test]
fn ties_of_priority_go_by_number_then_id() {
    let config = config_with(|config| config.limits.agents = 1);
    let stories = ["10_a", "9_z", "9_b", "b"].map(|name| story(name, Stage::Current));
    let mut desk = Desk::new(config, stories.to_vec());
    for name in ["9_b", "9_z", "10_a", "b"] {
        assert_eq!(desk.state(name), State::Preparing, "{name}");
        desk.ask(Request::Stop { story: name.to_owned() });
        desk.open.retain(|effect| matches!(effect, crate::effect::Effect::Cancel { .. }));
        desk.cancelled();
    }
}

#[test]
fn a_spent_budget_starts_no_agent_and_judges_what_is_there() {
    let daily = config_with(|config| config.limits.budget_usd = 5.0);
    let start = Start { spent_today_usd: 5.0, ..Start::default() };
    let desk = Desk::again(daily, vec![story(A, Stage::Current)], start);
    assert_eq!(
        (desk.kinds().len(), desk.reason(A)),
        (0, "today's budget is spent: $5.00 of $5.00".to_owned())
    );
    let own = config_with(|config| config.limits.story_budget_usd = 10.0);
    let mut desk = Desk::new(own, vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| {
        facts.usage = vec![Usage { cost_usd: Some(10.5), ..Usage::default() }];
    });
    assert_eq!(desk.kinds(), ["gates"], "gates cost nothing");
    desk.gates(false);
    assert_eq!((desk.kinds().len(), desk.state(A)), (0, State::Waiting));
    assert_eq!(desk.reason(A), "the story's budget is spent: $10.50 of $10.00");
}

#[test]
fn on_a_full_disk_nothing_starts() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Backlog)]);
    desk.tell(Event::DiskFree(10));
    desk.person_moves(A, Stage::Current);
    assert_eq!(desk.kinds().len(), 0);
    assert!(desk.reason(A).contains("of the disk are free"));
    desk.tell(Event::DiskFree(1_000_000));
    assert_eq!(desk.kinds(), ["prepare"]);
}

#[test]
fn dependencies_are_looked_at_only_before_a_start() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Backlog), needs(B, Stage::Current, 1)]);
    assert_eq!((desk.state(B), desk.kinds().len()), (State::Waiting, 0));
    assert_eq!(desk.reason(B), "waits for 1_a, which is in backlog");
    desk.person_moves(A, Stage::Archived);
    let (op, _) = desk.run_starts();
    desk.person_moves(A, Stage::Backlog);
    assert_eq!((desk.state(B), desk.kinds().len()), (State::Running, 0));
    desk.run_ends(op, 0, 1);
    desk.gates(true);
    assert_eq!(desk.stage(B), Stage::Merge);
}

#[test]
fn nothing_is_promoted_where_the_board_says_so() {
    let config = config_with(|config| config.board.auto_promote = false);
    let mut desk = Desk::new(config, vec![story(A, Stage::Backlog), needs(B, Stage::Backlog, 1)]);
    desk.person_moves(A, Stage::Done);
    assert_eq!((desk.stage(B), desk.state(B)), (Stage::Backlog, State::Idle));
}

#[test]
fn names_that_name_nothing_or_too_much_are_problems_while_the_story_waits() {
    let wrong_agent = |name: &str| Story { agent: Some(keyed(name.to_owned())), ..story(B, Stage::Current) };
    let with_qa = || config_with(|config| config.agents.push(agent("qa-1")));
    let several = vec![story(A, Stage::Backlog), story("1_z", Stage::Backlog), needs(B, Stage::Current, 1)];
    for (stories, what, words) in [
        (vec![needs(B, Stage::Current, 7)], "unknown", "there is no story `7`"),
        (several, "ambiguous", "the number 1 fits several stories: 1_a, 1_z"),
        (vec![wrong_agent("coder-9")], "agent", "agent `coder-9` is not configured"),
        (vec![wrong_agent("qa-1")], "agent", "agent `qa-1` works in stage qa, not as a coder"),
    ] {
        let desk = Desk::new(with_qa(), stories);
        assert_eq!((desk.state(B), desk.kinds().len()), (State::Problem, 0), "{words}");
        let condition = &desk.pipe.conditions(&id(B))[0];
        assert_eq!(
            (condition.what.as_str(), condition.detail.as_str(), condition.line),
            (what, words, Some(3))
        );
    }
    let desk = Desk::new(config(), vec![wrong_agent("coder-2")]);
    assert_eq!(desk.pipe.conditions(&id(B))[0].hint.as_deref(), Some("did you mean `coder-1`?"));
    let mut desk = Desk::new(config(), vec![story(B, Stage::Current)]);
    desk.run_starts();
    desk.person_edits(B, |story| story.depends_on = vec![keyed(StoryRef::Number(7))]);
    assert_eq!((desk.state(B), desk.kinds().len()), (State::Running, 0), "what runs goes on");
}

#[test]
fn a_broken_file_is_a_problem_that_disturbs_nothing_else() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current), story(B, Stage::Backlog)]);
    desk.run_starts();
    let broken = crate::story::Problem::of_file(".storkit/work/1_backlog/2_b.md", "broken", "mend it");
    desk.files.insert(Desk::key(&id(B), Stage::Backlog), Err(broken));
    desk.look();
    assert_eq!((desk.state(B), desk.state(A)), (State::Problem, State::Running));
    desk.person_moves(B, Stage::Current);
    assert_eq!((desk.state(B), desk.kinds().len()), (State::Problem, 0), "its move is followed all the same");
    desk.files.insert(Desk::key(&id(B), Stage::Current), Ok(story(B, Stage::Current)));
    desk.look();
    assert_eq!(desk.state(B), State::Waiting);
}

#[test]
fn a_story_in_two_places_names_both_with_and_without_a_daemon() {
    let detail = "its id is in two places: .storkit/work/1_backlog/1_a.md and .storkit/work/2_current/1_a.md";
    let twice = || vec![story(A, Stage::Backlog), story(A, Stage::Current)];
    let around = crate::pipeline::view::Surroundings::default();
    let told = |pipe: &crate::pipeline::Pipeline| {
        let problems = pipe.status(&around, false).problems;
        problems.into_iter().map(|problem| (problem.message, problem.hint)).collect::<Vec<_>>()
    };
    let one = vec![(detail.to_owned(), Some("remove or rename one of them".to_owned()))];

    let mut desk = Desk::new(config(), twice());
    assert_eq!(
        (desk.state(A), told(&desk.pipe).len()),
        (State::Waiting, 0),
        "it may be a copy that is under way"
    );
    desk.wait(2_000);
    desk.tell(Event::Woken);
    assert_eq!((desk.state(A), desk.kinds().len()), (State::Problem, 0));
    assert_eq!((desk.reason(A).as_str(), told(&desk.pipe)), (detail, one.clone()));

    let mut pipe = crate::pipeline::Pipeline::new(1, std::sync::Arc::new(config()));
    pipe.look(crate::time::Now::default(), Start::default(), desk.scan());
    assert_eq!((pipe.state_of(&id(A)), told(&pipe)), (Some(State::Problem), one));
}

#[test]
fn an_epic_never_runs_and_without_stories_is_never_done() {
    for stage in [Stage::Backlog, Stage::Current, Stage::Qa, Stage::Merge] {
        let mut desk = Desk::new(config(), vec![Story { kind: Kind::Epic, ..story(A, stage) }]);
        desk.wait(60_000);
        assert_eq!((desk.stage(A), desk.state(A), desk.kinds().len()), (stage, State::Idle, 0));
    }
}

#[test]
fn a_changed_configuration_lets_a_drained_agent_work_again_only_where_it_changed() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.not_startable = Some("no such command".to_owned()));
    let gates = config_with(|config| config.gates.push(gate("lint")));
    desk.tell(Event::Configured(std::sync::Arc::new(gates), Vec::new()));
    assert_eq!(desk.kinds().len(), 0);
    let command = config_with(|config| config.agents[0].command = "other".to_owned());
    desk.tell(Event::Configured(std::sync::Arc::new(command), Vec::new()));
    assert_eq!(desk.kinds(), ["prepare"]);
}

#[test]
fn done_is_swept_to_archived_when_its_time_has_come() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Backlog)]);
    desk.person_moves(A, Stage::Done);
    desk.wait(4 * 3_600_000 - 120_000);
    assert_eq!(desk.stage(A), Stage::Done);
    desk.wait(240_000);
    assert_eq!(desk.stage(A), Stage::Archived);
}
