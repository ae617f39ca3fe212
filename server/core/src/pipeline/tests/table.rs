//! More of the table of cases.md: rows that have work in flight, against every column; spikes; the queue.

use super::cells::{gating, landing, merging, one, question, review, running};
use super::{Desk, agent, config, config_with, id, oid, ready, story};
use crate::effect::Effect;
use crate::event::Event;
use crate::facts::{AdvanceEnd, CloseEnd, SquashEnd};
use crate::ids::RunId;
use crate::snapshot::State;
use crate::stage::Stage;
use crate::story::{Kind, Qa, Story};

const A: &str = "1_a";
const B: &str = "2_b";

/// Its worktree is made ready.
fn preparing() -> Desk {
    let desk = one(Stage::Current);
    assert_eq!(desk.state(A), State::Preparing);
    desk
}

fn spike(stage: Stage) -> Desk {
    Desk::new(config(), vec![Story { kind: Kind::Spike, ..story(A, stage) }])
}

/// One lands, and one waits for that.
fn queued() -> Desk {
    let desk = Desk::new(config(), vec![story(A, Stage::Merge), story(B, Stage::Merge)]);
    assert_eq!((desk.state(B), desk.kinds()), (State::Waiting, vec!["squash"]));
    desk
}

/// The order of the look at a story's branch: whose leftovers are gathered first.
fn gathers(desk: &mut Desk) -> Option<RunId> {
    let found = desk.open.iter().find_map(|effect| match effect {
        Effect::Inspect(_, _, order) => Some(order.gather),
        _ => None,
    });
    found.expect("it is looked at")
}

#[test]
fn what_is_in_flight_ends_wherever_the_story_is_put() {
    for row in [preparing, running, gating] {
        for (to, then) in [
            (Stage::Backlog, vec![]),
            (Stage::Qa, vec!["inspect"]),
            (Stage::Merge, vec!["inspect"]),
            (Stage::Done, vec!["close"]),
            (Stage::Archived, vec![]),
        ] {
            let mut desk = row();
            desk.person_moves(A, to);
            desk.open.retain(|effect| matches!(effect, Effect::Cancel { .. }));
            assert_eq!(desk.kinds(), ["cancel"], "{to}");
            desk.cancelled();
            assert_eq!((desk.stage(A), desk.kinds()), (to, then), "{to}");
            assert_eq!((desk.memory(A).failures, desk.memory(A).rejections), (0, 0));
        }
        let mut desk = row();
        desk.person_deletes(A);
        desk.wait(2_100);
        desk.open.retain(|effect| matches!(effect, Effect::Cancel { .. }));
        desk.cancelled();
        assert!(desk.pipe.track(&id(A)).is_none());
        assert_eq!(desk.kinds().len(), 0, "its branch and worktree stay");
    }
}

#[test]
fn what_a_run_left_is_committed_where_a_person_moved_its_story_on_and_only_there() {
    for to in [Stage::Qa, Stage::Merge] {
        let mut desk = running();
        desk.person_moves(A, to);
        desk.cancelled();
        assert!(gathers(&mut desk).is_some(), "{to}");
        desk.inspected(1);
        assert!(desk.kinds().contains(&"squash"), "{to}: {:?}", desk.kinds());
    }
    // By itself it comes to qa with all committed.
    let mut desk = Desk::new(config_with(|config| config.qa = Qa::Human), vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 1);
    desk.gates(true);
    assert_eq!(gathers(&mut desk), None);
}

#[test]
fn a_story_put_into_qa_goes_by_qa_and_one_put_into_merge_is_queued() {
    for (qa, then) in [(Qa::Server, "squash"), (Qa::Agent, "prepare")] {
        let config = config_with(|config| {
            config.qa = qa;
            config.agents.push(agent("qa-1"));
        });
        let mut desk = Desk::new(config, vec![story(A, Stage::Backlog)]);
        desk.person_moves(A, Stage::Qa);
        desk.inspected(1);
        assert_eq!(desk.kinds(), [then]);
    }
    let mut desk = Desk::new(config_with(|config| config.qa = Qa::Human), vec![story(A, Stage::Backlog)]);
    desk.person_moves(A, Stage::Qa);
    desk.inspected(1);
    assert_eq!((desk.state(A), desk.kinds().len()), (State::Review, 0));
    let mut desk = Desk::new(config(), vec![story(A, Stage::Merge), story(B, Stage::Backlog)]);
    desk.person_moves(B, Stage::Merge);
    assert!(desk.reason(B).contains("1_a lands first") || desk.kinds().contains(&"inspect"));
    assert_eq!(desk.blocked(B), None);
}

#[test]
fn a_spike_goes_to_a_person_and_lands_nothing() {
    let mut desk = spike(Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 0);
    desk.gates(true);
    assert_eq!(desk.stage(A), Stage::Qa, "though qa is server, and it changed nothing");
    desk.inspected(0);
    assert_eq!((desk.state(A), desk.blocked(A)), (State::Review, None));
    desk.person_moves(A, Stage::Merge);
    desk.squashed(SquashEnd::Nothing);
    assert_eq!((desk.stage(A), desk.blocked(A)), (Stage::Done, None));
    let mut desk = spike(Stage::Backlog);
    desk.person_moves(A, Stage::Qa);
    desk.inspected(0);
    assert_eq!(desk.state(A), State::Review);
}

#[test]
fn leaving_the_queue_is_no_rejection_and_stops_nobody_else() {
    for (to, then) in [
        (Stage::Backlog, vec!["squash"]),
        (Stage::Current, vec!["squash", "prepare"]),
        (Stage::Qa, vec!["squash", "inspect"]),
        (Stage::Done, vec!["squash"]),
        (Stage::Archived, vec!["squash"]),
    ] {
        let mut desk = queued();
        desk.person_moves(B, to);
        assert_eq!((desk.stage(B), desk.kinds(), desk.memory(B).rejections), (to, then, 0), "{to}");
        desk.squashed(ready('d', 'b'));
        assert_eq!(desk.state(A), State::Merging);
    }
    let mut desk = queued();
    desk.person_deletes(B);
    desk.wait(2_100);
    assert!(desk.pipe.track(&id(B)).is_none());
}

#[test]
fn from_merge_a_story_goes_by_qa_again() {
    let mut desk = Desk::new(
        config_with(|config| config.qa = Qa::Human),
        vec![story(A, Stage::Merge), story(B, Stage::Merge)],
    );
    desk.person_moves(B, Stage::Qa);
    desk.inspected(1);
    assert_eq!(desk.state(B), State::Review);
}

#[test]
fn merge_gates_of_a_deleted_or_archived_story_end_and_base_stays() {
    let mut desk = merging();
    desk.person_deletes(A);
    desk.wait(2_100);
    desk.open.retain(|effect| matches!(effect, Effect::Cancel { .. }));
    desk.cancelled();
    assert_eq!(desk.kinds().len(), 0);
    assert!(desk.pipe.track(&id(A)).is_none());
    let mut desk = merging();
    desk.person_moves(A, Stage::Archived);
    desk.open.retain(|effect| matches!(effect, Effect::Cancel { .. }));
    desk.cancelled();
    assert_eq!((desk.state(A), desk.kinds().len()), (State::Done, 0));
}

#[test]
fn a_story_archived_while_base_moves_is_done() {
    let mut desk = landing();
    desk.person_moves(A, Stage::Archived);
    desk.advanced(AdvanceEnd::Advanced);
    assert_eq!((desk.stage(A), desk.blocked(A), desk.kinds()), (Stage::Archived, None, vec!["landed"]));
}

#[test]
fn closing_forgets_rejections_and_deleting_ends_a_review() {
    let mut desk = review();
    desk.person_moves(A, Stage::Current);
    assert_eq!(desk.memory(A).rejections, 1);
    desk.person_moves(A, Stage::Done);
    desk.cancelled();
    assert_eq!((desk.state(A), desk.memory(A).rejections), (State::Done, 0));
    let mut desk = review();
    desk.person_deletes(A);
    desk.wait(2_100);
    assert!(desk.pipe.track(&id(A)).is_none());
}

#[test]
fn a_persons_third_rejection_blocks_and_an_approval_clears_the_count() {
    let mut desk = review();
    for rejection in 1..=3 {
        assert_eq!((desk.memory(A).rejections, desk.blocked(A)), (rejection - 1, None));
        desk.person_moves(A, Stage::Current);
        if rejection < 3 {
            desk.person_moves(A, Stage::Qa);
            desk.cancelled();
            desk.inspected(1);
            desk.open.clear();
        }
    }
    assert_eq!(desk.blocked(A), Some("rejected 3 times: see `## Review notes`"));
    assert_eq!(desk.kinds().len(), 0);
    desk.person_moves(A, Stage::Qa);
    desk.inspected(1);
    desk.person_moves(A, Stage::Merge);
    assert_eq!((desk.memory(A).rejections, desk.blocked(A)), (0, None));
}

#[test]
fn an_open_question_is_asked_again_where_it_was_asked() {
    let mut desk = question();
    desk.person_moves(A, Stage::Backlog);
    assert_eq!(desk.state(A), State::Held, "the question waits only where it was asked");
    desk.person_moves(A, Stage::Current);
    assert_eq!((desk.state(A), desk.kinds().len()), (State::Question, 0));
    desk.person_edits(A, |story| story.answered = true);
    desk.wait(10_100);
    let (_, order) = desk.run_starts();
    assert_eq!(order.answer, Some(1));
    for to in [Stage::Merge, Stage::Done, Stage::Archived] {
        let mut desk = question();
        desk.person_moves(A, to);
        assert_ne!(desk.state(A), State::Question, "{to}");
        assert_eq!(desk.story(A).question.as_ref().map(|question| question.value), Some(1), "{to}");
    }
    let mut desk = question();
    desk.person_deletes(A);
    desk.wait(2_100);
    assert!(desk.pipe.track(&id(A)).is_none());
}

#[test]
fn unlanded_work_of_a_closed_story_is_kept_and_shown() {
    let mut desk = running();
    desk.person_moves(A, Stage::Done);
    desk.cancelled();
    desk.closed(CloseEnd::Kept("its work is not on main".to_owned()));
    assert_eq!(desk.state(A), State::Done);
    assert_eq!(desk.reason(A), "worktree and branch are kept: its work is not on main");
    desk.now += 5 * 3_600_000;
    desk.tell(Event::Woken);
    assert_eq!(desk.stage(A), Stage::Done, "it is not put away unseen");
    desk.closed(CloseEnd::Closed);
    desk.now += 3_600_000;
    desk.tell(Event::Woken);
    assert_eq!(desk.stage(A), Stage::Archived);
}

#[test]
fn a_move_clears_what_storkit_wrote_and_all_counts() {
    let mut desk = Desk::new(config_with(|config| config.max_retries = 1), vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 1, 0);
    assert!(desk.blocked(A).is_some());
    desk.person_moves(A, Stage::Backlog);
    assert_eq!((desk.blocked(A), desk.hold(A)), (None, Some("moved back by hand")));
    desk.person_moves(A, Stage::Current);
    let (_, order) = desk.run_starts();
    assert_eq!((order.attempt, order.notes.len(), order.base), (1, 0, oid('b')));
    let mut desk = review();
    desk.person_moves(A, Stage::Backlog);
    assert!(desk.story(A).review_hold.is_none());
}
