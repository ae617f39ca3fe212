//! How runs end, what that costs, and when it is tried again.

use super::{Desk, agent, config, id, oid, story};
use crate::config::Config;
use crate::event::{Event, Outcome, Start};
use crate::facts::PrepareEnd;
use crate::request::Request;
use crate::snapshot::State;
use crate::stage::Stage;
use crate::story::Qa;

const A: &str = "1_a";

fn one(config: Config, stage: Stage) -> Desk {
    Desk::new(config, vec![story(A, stage)])
}

#[test]
fn green_work_goes_to_merge_or_to_qa() {
    for (qa, to) in [(Qa::Server, Stage::Merge), (Qa::Agent, Stage::Qa), (Qa::Human, Stage::Qa)] {
        let mut config = config();
        config.qa = qa;
        let mut desk = one(config, Stage::Current);
        let (op, order) = desk.run_starts();
        assert_eq!((order.attempt, order.number), (1, 1));
        desk.run_ends(op, 0, 1);
        desk.gates(true);
        assert_eq!(desk.stage(A), to);
    }
}

#[test]
fn without_gates_done_work_goes_on_at_once() {
    let mut config = config();
    config.gates.clear();
    let mut desk = one(config, Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 1);
    assert_eq!(desk.stage(A), Stage::Merge);
}

#[test]
fn three_failures_block_after_one_and_ten_seconds() {
    let mut desk = one(config(), Stage::Current);
    for (attempt, wait_ms) in [(1, 1_000), (2, 10_000)] {
        let (op, order) = desk.run_starts();
        assert_eq!(order.attempt, attempt);
        desk.run_ends(op, 1, 0);
        desk.wait(wait_ms - 100);
        assert_eq!(desk.kinds().len(), 0, "too early");
        desk.wait(200);
    }
    let (op, order) = desk.run_starts();
    assert_eq!((order.attempt, order.notes.len()), (3, 2));
    desk.run_ends(op, 1, 0);
    assert_eq!(desk.blocked(A), Some("failed 3 times in current, the last time: the agent exited with 1"));
    desk.wait(600_000);
    assert_eq!(desk.kinds().len(), 0);
}

#[test]
fn a_red_gate_costs_an_attempt_and_the_next_comes_at_once() {
    let mut desk = one(config(), Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 1);
    desk.gates(false);
    let (_, order) = desk.run_starts();
    assert_eq!((order.attempt, order.notes[0].what.as_str()), (2, "gate tests failed: exit 1"));
}

#[test]
fn nothing_done_is_a_failure() {
    let mut desk = one(config(), Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 0);
    assert_eq!(desk.memory(A).failures, 1);
}

#[test]
fn blocked_taken_away_starts_afresh_and_is_not_written_for_the_same_cause() {
    let mut config = config();
    config.max_retries = 1;
    let mut desk = one(config, Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 1, 0);
    assert!(desk.blocked(A).is_some());
    desk.person_edits(A, |story| story.blocked = None);
    let (op, order) = desk.run_starts();
    assert_eq!(order.attempt, 1);
    // It was tried again: that is a new cause.
    desk.run_ends(op, 1, 0);
    assert!(desk.blocked(A).is_some());

    let mut desk = one(super::config(), Stage::Qa);
    desk.inspected(0);
    desk.person_edits(A, |story| story.blocked = None);
    desk.inspected(0);
    assert_eq!((desk.blocked(A), desk.state(A)), (None, State::Waiting));
    assert_eq!(desk.pipe.conditions(&id(A))[0].what, "declined");
}

#[test]
fn later_costs_nothing_and_ten_in_a_row_block() {
    let mut desk = one(config(), Stage::Current);
    for wait_ms in [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000, 600_000, 600_000] {
        let (op, order) = desk.run_starts();
        assert_eq!(order.attempt, 1);
        desk.run_ends(op, 75, 0);
        desk.wait(wait_ms - 1_000);
        assert_eq!(desk.kinds().len(), 0, "{wait_ms}");
        desk.wait(1_000);
    }
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 75, 0);
    assert!(desk.blocked(A).is_some_and(|why| why.contains("10 times")));
}

#[test]
fn an_agent_that_cannot_start_is_drained_until_a_person_says_so() {
    let mut desk = one(config(), Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.not_startable = Some("no such command".to_owned()));
    assert_eq!((desk.state(A), desk.memory(A).failures), (State::Waiting, 0));
    assert!(desk.pipe.conditions(&id(A))[0].detail.contains("drained: no such command"));
    desk.ask(Request::Resume { agent: Some("coder-1".to_owned()) });
    assert_eq!(desk.kinds(), ["prepare"]);
}

#[test]
fn a_failed_setup_counts_and_waiting_git_does_not() {
    let mut desk = one(config(), Stage::Current);
    let prepare = |effect: &crate::effect::Effect| match effect {
        crate::effect::Effect::Prepare(op, _) => Some(*op),
        _ => None,
    };
    let op = desk.take(prepare);
    desk.end(op, Outcome::Prepare(PrepareEnd::Waits("git is busy".to_owned())));
    assert_eq!(desk.memory(A).failures, 0);
    desk.wait(6_000);
    let op = desk.take(prepare);
    desk.end(op, Outcome::Prepare(PrepareEnd::SetupFailed("npm: no".to_owned())));
    assert_eq!(desk.memory(A).failures, 1);
}

#[test]
fn what_comes_up_while_the_worktree_is_made_keeps_the_agent_from_starting() {
    let mut desk = one(config(), Stage::Current);
    let op = desk.take(|effect| match effect {
        crate::effect::Effect::Prepare(op, _) => Some(*op),
        _ => None,
    });
    desk.ask(Request::Hold { story: A.to_owned(), why: None });
    let ready = PrepareEnd::Ready { worktree: "/w".to_owned(), base: oid('b') };
    desk.end(op, Outcome::Prepare(ready));
    assert_eq!((desk.kinds().len(), desk.state(A)), (0, State::Held));
}

#[test]
fn one_agent_takes_one_story_and_the_first_by_priority() {
    let mut second = story("2_b", Stage::Current);
    second.priority = 1;
    let desk = Desk::new(config(), vec![story(A, Stage::Current), second]);
    assert_eq!(desk.kinds(), ["prepare"]);
    assert_eq!((desk.state("2_b"), desk.state(A)), (State::Preparing, State::Waiting));
    assert!(desk.pipe.conditions(&id(A))[0].detail.contains("busy"));
}

#[test]
fn a_qa_agents_no_takes_the_story_back_with_its_notes_and_the_third_blocks() {
    let mut config = config();
    config.qa = Qa::Agent;
    config.agents.push(agent("qa-1"));
    config.max_rejections = 2;
    let mut desk = one(config, Stage::Qa);
    desk.inspected(1);
    let (op, order) = desk.run_starts();
    assert_eq!(order.stage, Stage::Qa);
    desk.run_ends_with(op, |facts| facts.reject = Some("no tests".to_owned()));
    assert_eq!((desk.stage(A), desk.memory(A).rejections), (Stage::Current, 1));
    assert!(
        matches!(&desk.written[0], crate::facts::Edit::AppendRejection { number: 1, text } if text == "no tests")
    );
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 1);
    desk.gates(true);
    desk.inspected(1);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.reject = Some("still none".to_owned()));
    assert!(desk.blocked(A).is_some_and(|why| why.starts_with("rejected 2 times")));
}

#[test]
fn a_run_whose_agent_left_the_configuration_is_judged_by_its_role() {
    let mut with_qa = config();
    with_qa.qa = Qa::Agent;
    with_qa.agents.push(agent("qa-1"));
    let mut desk = one(with_qa.clone(), Stage::Qa);
    desk.inspected(1);
    let (op, _) = desk.run_starts();
    with_qa.agents.pop();
    desk.tell(Event::Configured(std::sync::Arc::new(with_qa), Vec::new()));
    desk.run_ends(op, 0, 1);
    assert_eq!(desk.stage(A), Stage::Merge);
}

#[test]
fn what_was_to_be_written_is_written_by_the_next_daemon() {
    let mut config = config();
    config.max_retries = 1;
    let mut desk = one(config.clone(), Stage::Current);
    let (op, _) = desk.run_starts();
    let key = Desk::key(&id(A), Stage::Current);
    let broken = crate::story::Problem::of_file("x", "broken", "mend it");
    desk.files.insert(key, Err(broken));
    desk.run_ends(op, 1, 0);
    let start = Start { memory: desk.remembered.clone(), ..Start::default() };
    let desk = Desk::again(config, vec![story(A, Stage::Current)], start);
    assert_eq!(desk.blocked(A), Some("failed once in current, the last time: the agent exited with 1"));
    assert_eq!(desk.kinds().len(), 0);
}

#[test]
fn a_move_that_a_crash_hid_is_no_persons() {
    let mut config = config();
    config.qa = Qa::Agent;
    config.agents.push(agent("qa-1"));
    let mut desk = one(config.clone(), Stage::Qa);
    desk.inspected(1);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.reject = Some("no tests".to_owned()));
    let mut memory = desk.remembered.clone();
    let of = memory.get_mut(&id(A)).expect("remembered");
    // As it was before the answer of the move.
    (of.stage, of.rejecting, of.moving) = (Some(Stage::Qa), true, Some(Stage::Current));
    let start = Start { memory, ..Start::default() };
    let desk = Desk::again(config, vec![story(A, Stage::Current)], start);
    assert_eq!((desk.memory(A).rejections, desk.memory(A).by_person), (1, false));
}

#[test]
fn a_lost_worktree_costs_nothing_and_the_tenth_in_a_row_blocks() {
    let mut desk = one(config(), Stage::Current);
    for lost in 1..=10_u32 {
        assert_eq!((desk.blocked(A), desk.memory(A).failures), (None, 0));
        let (op, order) = desk.run_starts();
        assert_eq!(order.attempt, 1);
        desk.run_ends_with(op, |facts| facts.worktree_lost = true);
        // It doubles from a second: an agent that removes its worktree each time starts no storm.
        let wait_ms = 1_000 << (lost - 1);
        desk.wait(wait_ms - 100);
        assert_eq!(desk.kinds().len(), 0, "{lost}");
        desk.wait(100);
    }
    assert_eq!(desk.blocked(A), Some("its worktree was lost or replaced 10 times in a row"));
    desk.ask(Request::Unblock { story: A.to_owned() });
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.worktree_lost = true);
    assert_eq!(desk.blocked(A), None, "counted from the start");
}

#[test]
fn a_run_between_breaks_the_row_of_lost_worktrees() {
    let mut desk = one(super::config_with(|config| config.max_retries = 5), Stage::Current);
    for lost in [true, true, true, true, true, true, true, true, true, false, true] {
        let (op, _) = desk.run_starts();
        desk.run_ends_with(op, |facts| {
            facts.worktree_lost = lost;
            facts.process = Some(crate::facts::ProcessEnd::Exited(1));
        });
        desk.wait(600_000);
    }
    assert_eq!((desk.blocked(A), desk.memory(A).transients, desk.memory(A).failures), (None, 1, 1));
}

#[test]
fn an_agent_may_name_its_wait_up_to_eight_days() {
    let mut desk = one(config(), Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.rate_limited_s = Some(120));
    desk.wait(119_000);
    assert_eq!(desk.kinds().len(), 0);
    desk.wait(1_000);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.rate_limited_s = Some(u64::MAX));
    desk.wait(8 * 24 * 3_600_000);
    assert_eq!((desk.kinds(), desk.memory(A).failures), (vec!["prepare"], 0));
}
