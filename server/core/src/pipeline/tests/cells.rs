//! The table of cases.md, "was here, moves there", cell by cell.

use super::{Desk, config, ready, story};
use crate::facts::{AdvanceEnd, CloseEnd};
use crate::snapshot::State;
use crate::stage::Stage;
use crate::story::Qa;

const A: &str = "1_a";

pub(super) fn one(stage: Stage) -> Desk {
    Desk::new(config(), vec![story(A, stage)])
}

/// A coder works on it.
pub(super) fn running() -> Desk {
    let mut desk = one(Stage::Current);
    let (op, _) = desk.run_starts();
    assert_eq!(desk.state(A), State::Running);
    desk.tell(crate::event::Event::RunStarted(op));
    desk
}

/// Its current gates run.
pub(super) fn gating() -> Desk {
    let mut desk = one(Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 1);
    assert_eq!(desk.state(A), State::Gating);
    desk
}

/// A person is to look at it.
pub(super) fn review() -> Desk {
    let mut config = config();
    config.qa = Qa::Human;
    let mut desk = Desk::new(config, vec![story(A, Stage::Qa)]);
    desk.inspected(1);
    assert_eq!(desk.state(A), State::Review);
    assert!(desk.story(A).review_hold.is_some());
    desk
}

/// Its coder asked something.
pub(super) fn question() -> Desk {
    let mut desk = one(Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.question = Some("which?".to_owned()));
    assert_eq!(desk.state(A), State::Question);
    desk
}

/// Its merge gates run.
pub(super) fn merging() -> Desk {
    let mut desk = one(Stage::Merge);
    desk.squashed(ready('d', 'b'));
    assert_eq!(desk.state(A), State::Merging);
    desk
}

/// Base is about to move for it.
pub(super) fn landing() -> Desk {
    let mut desk = merging();
    desk.gates(true);
    assert_eq!(desk.kinds(), ["advance"]);
    desk
}

#[test]
fn a_waiting_story_goes_where_it_is_put() {
    let mut desk = one(Stage::Backlog);
    assert_eq!((desk.state(A), desk.kinds().len()), (State::Idle, 0));
    desk.person_moves(A, Stage::Current);
    assert_eq!((desk.state(A), desk.kinds()), (State::Preparing, vec!["prepare"]));

    let mut desk = one(Stage::Backlog);
    desk.person_moves(A, Stage::Qa);
    desk.inspected(0);
    assert_eq!(desk.blocked(A), Some("nothing to review"));

    let mut desk = one(Stage::Backlog);
    desk.person_moves(A, Stage::Merge);
    // A person may have moved it on with work in its worktree: that is looked at first.
    desk.inspected(0);
    desk.squashed(crate::facts::SquashEnd::Nothing);
    assert_eq!(desk.blocked(A), Some("nothing to merge"));

    for closed in [Stage::Done, Stage::Archived] {
        let mut desk = one(Stage::Backlog);
        desk.person_moves(A, closed);
        assert_eq!(desk.state(A), State::Done);
    }
}

#[test]
fn a_run_ends_wherever_the_story_is_put_and_its_late_result_counts_for_nothing() {
    for (to, then) in [
        (Stage::Backlog, vec![]),
        (Stage::Qa, vec!["inspect"]),
        (Stage::Merge, vec!["inspect"]),
        (Stage::Done, vec!["close"]),
        (Stage::Archived, vec![]),
    ] {
        let mut desk = running();
        desk.person_moves(A, to);
        assert_eq!(desk.kinds(), ["cancel"], "{to}");
        let op = desk.take(|effect| match effect {
            crate::effect::Effect::Cancel { op, .. } => Some(*op),
            _ => None,
        });
        // It was done just then: too late.
        desk.run_ends(op, 0, 1);
        assert_eq!(desk.stage(A), to);
        assert_eq!(desk.kinds(), then, "{to}");
        assert_eq!((desk.memory(A).failures, desk.memory(A).rejections), (0, 0));
    }
}

#[test]
fn a_story_taken_back_is_held_until_it_is_moved_again() {
    let mut desk = running();
    desk.person_moves(A, Stage::Backlog);
    desk.cancelled();
    assert_eq!(desk.hold(A), Some("moved back by hand"));
    assert_eq!(desk.state(A), State::Held);
    desk.person_moves(A, Stage::Current);
    assert_eq!(desk.hold(A), None);
    assert_eq!(desk.kinds(), ["prepare"]);
}

#[test]
fn a_persons_own_hold_stays_where_the_story_is_taken_back() {
    let mut desk = one(Stage::Qa);
    desk.person_edits(A, |story| {
        story.hold = Some(crate::story::Keyed {
            value: crate::story::Hold { why: Some("waiting for legal".to_owned()) },
            place: crate::story::Place::default(),
        });
    });
    desk.inspected(1);
    desk.person_moves(A, Stage::Backlog);
    desk.person_moves(A, Stage::Current);
    assert_eq!(desk.hold(A), Some("waiting for legal"));
    assert_eq!(desk.state(A), State::Held);
}

#[test]
fn gates_end_when_the_story_leaves() {
    let mut desk = gating();
    desk.person_moves(A, Stage::Backlog);
    assert_eq!(desk.kinds(), ["gates", "cancel"]);
    let op = desk.gates_start();
    desk.end(op, crate::event::Outcome::Gates(crate::facts::GatesEnd::Ran(vec![super::result(true)])));
    assert_eq!(desk.stage(A), Stage::Backlog, "a late green moves nothing");
}

#[test]
fn a_deleted_file_ends_the_run_after_two_seconds_and_not_before() {
    let mut desk = running();
    desk.person_deletes(A);
    desk.wait(1_900);
    assert_eq!(desk.kinds().len(), 0, "an editor may have renamed it away");
    desk.wait(200);
    assert_eq!(desk.kinds(), ["cancel"]);
    desk.cancelled();
    assert!(desk.pipe.track(&super::id(A)).is_none());
    assert!(!desk.remembered.contains_key(&super::id(A)));
}

#[test]
fn a_file_that_is_back_in_time_was_never_gone() {
    let mut desk = running();
    let key = Desk::key(&super::id(A), Stage::Current);
    let what = desk.files.remove(&key).expect("there");
    desk.look();
    desk.wait(1_000);
    desk.files.insert(key, what);
    desk.look();
    desk.wait(10_000);
    assert_eq!((desk.state(A), desk.kinds().len()), (State::Running, 0));
}

#[test]
fn a_story_in_two_places_stops_after_two_seconds_and_nothing_is_removed() {
    let mut desk = running();
    let copy = story(A, Stage::Backlog);
    desk.files.insert(Desk::key(&super::id(A), Stage::Backlog), Ok(copy));
    desk.look();
    desk.wait(1_900);
    assert_eq!(desk.kinds().len(), 0);
    desk.wait(200);
    assert_eq!(desk.kinds(), ["cancel"]);
    desk.cancelled();
    assert_eq!((desk.state(A), desk.files.len()), (State::Problem, 2));
}

#[test]
fn review_ends_by_approval_rejection_or_neither() {
    let mut desk = review();
    desk.person_moves(A, Stage::Merge);
    assert!(desk.story(A).review_hold.is_none());
    assert_eq!((desk.kinds(), desk.memory(A).rejections), (vec!["squash"], 0));

    let mut desk = review();
    desk.person_moves(A, Stage::Current);
    assert_eq!((desk.kinds(), desk.memory(A).rejections), (vec!["prepare"], 1));

    let mut desk = review();
    desk.person_moves(A, Stage::Backlog);
    assert_eq!((desk.kinds().len(), desk.memory(A).rejections), (0, 0));
}

#[test]
fn a_question_stays_in_the_file_and_waits_only_in_the_stage_that_asked() {
    let mut desk = question();
    desk.person_moves(A, Stage::Qa);
    assert_eq!(desk.story(A).question.as_ref().map(|question| question.value), Some(1));
    assert_ne!(desk.state(A), State::Question);
    desk.inspected(1);
    assert_eq!(desk.stage(A), Stage::Merge);
    let mut desk = question();
    desk.person_moves(A, Stage::Backlog);
    assert_eq!(desk.story(A).question.as_ref().map(|question| question.value), Some(1));
}

#[test]
fn merge_gates_end_and_base_stays_when_the_story_leaves() {
    for to in [Stage::Backlog, Stage::Current, Stage::Qa, Stage::Done] {
        let mut desk = merging();
        desk.person_moves(A, to);
        let op = desk.gates_start();
        desk.end(op, crate::event::Outcome::Gates(crate::facts::GatesEnd::Ran(vec![super::result(true)])));
        assert!(!desk.kinds().contains(&"advance"), "{to}");
        assert_eq!((desk.stage(A), desk.memory(A).rejections), (to, 0));
    }
}

#[test]
fn a_story_moved_while_base_moves_stays_where_it_is_put_and_says_so() {
    for to in [Stage::Backlog, Stage::Current, Stage::Qa] {
        let mut desk = landing();
        desk.person_moves(A, to);
        desk.advanced(AdvanceEnd::Advanced);
        assert_eq!(desk.blocked(A), Some("landed as dddddddddd"), "{to}");
        assert_eq!((desk.stage(A), desk.kinds()), (to, vec!["landed"]));
    }
    let mut desk = landing();
    desk.person_moves(A, Stage::Done);
    desk.advanced(AdvanceEnd::Advanced);
    assert_eq!((desk.stage(A), desk.blocked(A)), (Stage::Done, None));
}

#[test]
fn a_story_moved_before_its_landing_is_told_of_stays_too() {
    let mut desk = landing();
    let key = Desk::key(&super::id(A), Stage::Merge);
    let what = desk.files.remove(&key).expect("there").expect("readable");
    let there = crate::story::Story { stage: Stage::Backlog, ..what };
    desk.files.insert(Desk::key(&super::id(A), Stage::Backlog), Ok(there));
    // Nobody has looked: the move to done finds its source gone.
    desk.advanced(AdvanceEnd::Advanced);
    assert_eq!((desk.stage(A), desk.blocked(A)), (Stage::Backlog, Some("landed as dddddddddd")));
}

#[test]
fn a_deleted_story_whose_landing_is_under_way_is_forgotten_when_it_is_over() {
    let mut desk = landing();
    desk.person_deletes(A);
    desk.wait(3_000);
    desk.advanced(AdvanceEnd::Advanced);
    assert_eq!(desk.kinds(), ["landed", "close"], "its branch goes");
    desk.closed(CloseEnd::Closed);
    assert!(desk.pipe.track(&super::id(A)).is_none());
    assert!(!desk.remembered.contains_key(&super::id(A)));
}

#[test]
fn a_respelled_file_is_another_story() {
    let mut desk = running();
    let what =
        desk.files.remove(&Desk::key(&super::id(A), Stage::Current)).expect("there").expect("readable");
    let other = super::id("1_A");
    desk.files
        .insert(Desk::key(&other, Stage::Current), Ok(crate::story::Story { id: other.clone(), ..what }));
    desk.look();
    desk.wait(3_000);
    assert!(desk.kinds().contains(&"cancel"));
    desk.cancelled();
    assert!(desk.pipe.track(&super::id(A)).is_none());
    assert!(desk.pipe.track(&other).is_some());
}
