//! Landing: whose fault a red gate is, how often it is tried, and what a restart makes of one under way.

use super::{Desk, agent, config, gate, id, oid, ready, result, story};
use crate::event::{Event, Outcome, Start};
use crate::facts::{AdvanceEnd, GatesEnd, Intent, Overlap, SquashEnd};
use crate::request::Request;
use crate::snapshot::State;
use crate::stage::Stage;

const A: &str = "1_a";

fn one() -> Desk {
    Desk::new(config(), vec![story(A, Stage::Merge)])
}

fn with_mergemaster() -> Desk {
    let mut config = config();
    config.agents.push(agent("mergemaster"));
    Desk::new(config, vec![story(A, Stage::Merge)])
}

#[test]
fn green_lands_and_goes_to_done() {
    let mut desk = one();
    desk.squashed(ready('d', 'b'));
    desk.gates(true);
    desk.advanced(AdvanceEnd::Advanced);
    assert_eq!((desk.stage(A), desk.state(A)), (Stage::Done, State::Done));
    assert_eq!(desk.kinds(), ["landed"]);
}

#[test]
fn stories_land_one_at_a_time() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Merge), story("2_b", Stage::Merge)]);
    assert_eq!(desk.kinds(), ["squash"]);
    assert!(desk.pipe.conditions(&id("2_b"))[0].detail.contains("1_a lands first"));
    desk.squashed(ready('d', 'b'));
    assert_eq!(desk.kinds(), ["gates"]);
}

#[test]
fn base_that_moved_means_again_and_counts_nothing() {
    let mut desk = one();
    desk.squashed(ready('d', 'b'));
    desk.gates(true);
    desk.advanced(AdvanceEnd::BaseMoved);
    assert_eq!((desk.kinds(), desk.memory(A).landings_failed), (vec!["squash"], 0));
}

#[test]
fn the_first_conflict_goes_back_to_the_coder_the_second_blocks() {
    let mut desk = one();
    let conflict = || SquashEnd::Conflict(vec!["a.txt".to_owned()]);
    desk.squashed(conflict());
    assert_eq!(desk.stage(A), Stage::Current);
    let (op, order) = desk.run_starts();
    assert!(order.notes[0].what.contains("conflict with main in a.txt"));
    desk.run_ends(op, 0, 1);
    desk.gates(true);
    desk.squashed(conflict());
    assert!(desk.blocked(A).is_some_and(|why| why.starts_with("does not land: conflict")));
}

#[test]
fn a_mergemaster_has_three_runs_and_one_that_is_ended_costs_none() {
    let mut desk = with_mergemaster();
    let conflict = || SquashEnd::Conflict(vec!["a.txt".to_owned()]);
    desk.squashed(conflict());
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 1);
    desk.gates(true);
    desk.squashed(conflict());
    let (op, order) = desk.run_starts();
    assert_eq!((order.agent.name.as_str(), order.stage), ("mergemaster", Stage::Merge));
    desk.run_ends_with(op, |facts| facts.cancelled = true);
    for _ in 0..3 {
        assert_eq!(desk.blocked(A), None);
        let (op, _) = desk.run_starts();
        desk.run_ends_with(op, |facts| facts.merge_failed = Some("too hard".to_owned()));
        desk.wait(1_500);
    }
    assert!(desk.blocked(A).is_some_and(|why| why.contains("3 runs of the mergemaster")));
}

#[test]
fn a_red_base_blames_nobody_and_landing_goes_on_when_it_is_mended() {
    let mut desk = one();
    desk.squashed(ready('d', 'b'));
    desk.gates(false);
    desk.gates(false);
    assert_eq!((desk.state(A), desk.memory(A).landings_failed), (State::Waiting, 0));
    assert_eq!(desk.pipe.conditions(&id(A))[0].detail, "base is red: tests (exit 1)");
    desk.wait(5_500);
    desk.squashed(ready('d', 'b'));
    assert_eq!(desk.kinds().len(), 0, "the same base is not judged again");
    desk.wait(5_500);
    desk.squashed(ready('e', 'f'));
    desk.gates(true);
    assert_eq!(desk.kinds(), ["advance"]);
}

#[test]
fn a_base_red_under_gates_of_yesterday_is_judged_again() {
    let mut desk = one();
    desk.squashed(ready('d', 'b'));
    desk.gates(false);
    desk.gates(false);
    let mut mended = config();
    mended.gates = vec![gate("other")];
    desk.tell(Event::Configured(std::sync::Arc::new(mended), Vec::new()));
    desk.wait(5_500);
    desk.squashed(ready('d', 'b'));
    assert_eq!(desk.kinds(), ["gates"]);
}

#[test]
fn a_red_story_on_a_green_base_is_to_blame() {
    let mut desk = one();
    desk.squashed(ready('d', 'b'));
    desk.gates(false);
    desk.gates(true);
    assert_eq!((desk.stage(A), desk.memory(A).landings_failed), (Stage::Current, 1));
}

#[test]
fn gates_that_change_during_a_round_put_nothing_else_on_record() {
    let mut desk = one();
    desk.squashed(ready('d', 'b'));
    let op = desk.gates_start();
    let mut more = config();
    more.gates.push(gate("lint"));
    desk.tell(Event::Configured(std::sync::Arc::new(more), Vec::new()));
    desk.end(op, Outcome::Gates(GatesEnd::Ran(vec![result(true)])));
    desk.squashed(ready('d', 'b'));
    let gates = desk.take(|effect| match effect {
        crate::effect::Effect::Gates(_, order) => Some(order.gates.len()),
        _ => None,
    });
    assert_eq!(gates, 2, "the new gates judge before it lands");
}

#[test]
fn a_hold_that_comes_during_merge_gates_keeps_base_where_it_is() {
    let mut desk = one();
    desk.squashed(ready('d', 'b'));
    desk.ask(Request::Hold { story: A.to_owned(), why: None });
    desk.gates(true);
    assert_eq!((desk.kinds().len(), desk.state(A)), (0, State::Held));
    desk.ask(Request::Unhold { story: A.to_owned() });
    desk.squashed(ready('d', 'b'));
    assert_eq!(desk.kinds(), ["advance"], "its green record holds");
}

#[test]
fn a_persons_edits_in_the_checkout_are_waited_for_and_others_land() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Merge), story("2_b", Stage::Merge)]);
    let files = vec!["a.txt".to_owned()];
    let overlap = Overlap { folder: "/p".to_owned(), files, why: "uncommitted edits".to_owned() };
    desk.squashed(SquashEnd::Overlap(overlap));
    assert!(desk.pipe.conditions(&id(A))[0].detail.contains("a.txt"));
    assert_eq!(desk.kinds(), ["squash"]);
    desk.squashed(ready('d', 'b'));
    assert_eq!(desk.state("2_b"), State::Merging);
}

#[test]
fn a_landing_that_a_crash_cut_off_is_finished_unless_a_person_moved_it() {
    let intent = |stage| Intent { story: id(A), commit: oid('d'), landed: true, stage: Some(stage) };
    let start = |stage| Start { intents: vec![intent(stage)], ..Start::default() };
    let desk = Desk::again(config(), vec![story(A, Stage::Merge)], start(Stage::Merge));
    assert_eq!(desk.stage(A), Stage::Done);
    for memory in [None, Some(Stage::Merge)] {
        let mut start = start(Stage::Backlog);
        if let Some(stage) = memory {
            let memory = crate::memory::Memory { stage: Some(stage), ..crate::memory::Memory::default() };
            start.memory.insert(id(A), memory);
        }
        let desk = Desk::again(config(), vec![story(A, Stage::Backlog)], start);
        assert_eq!((desk.stage(A), desk.blocked(A)), (Stage::Backlog, Some("landed as dddddddddd")));
        assert_eq!(desk.kinds(), ["landed"]);
    }
}

#[test]
fn protected_work_goes_to_a_person_whatever_qa_says_also_after_a_restart() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.branch.protected = vec![".storkit/project.toml".to_owned()]);
    let start = Start { memory: desk.remembered.clone(), ..Start::default() };
    let mut desk = Desk::again(config(), vec![story(A, Stage::Current)], start);
    desk.gates(true);
    assert_eq!(desk.stage(A), Stage::Qa);
}

#[test]
fn a_persons_move_to_merge_lets_protected_work_through() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Qa)]);
    let op = desk.take(|effect| match effect {
        crate::effect::Effect::Inspect(op, ..) => Some(*op),
        _ => None,
    });
    let protected = vec![".storkit/project.toml".to_owned()];
    let facts = crate::facts::BranchFacts { ahead: 1, protected, ..crate::facts::BranchFacts::default() };
    desk.end(op, Outcome::Inspect(facts));
    assert_eq!((desk.state(A), desk.story(A).review_hold.is_some()), (State::Review, true));
    assert!(desk.reason(A).contains(".storkit/project.toml, which merge.protect guards"));
    desk.person_moves(A, Stage::Merge);
    desk.squashed(ready('d', 'b'));
    assert_eq!(desk.kinds(), ["gates"]);
}

#[test]
fn why_says_from_the_fourth_time_on_how_often_base_moved() {
    let mut desk = one();
    for base in ['b', 'e', 'f', '1'] {
        assert!(!desk.pipe.conditions(&id(A)).iter().any(|condition| condition.what == "base"));
        desk.squashed(ready('d', base));
        while desk.kinds() == ["gates"] {
            desk.gates(true);
        }
        desk.advanced(AdvanceEnd::BaseMoved);
    }
    assert_eq!(desk.reason(A), "main moved 4 times while it was landing");
    assert_eq!((desk.kinds(), desk.memory(A).landings_failed), (vec!["squash"], 0));
}

#[test]
fn a_base_that_others_moved_is_judged_before_the_next_landing() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Merge), story("2_b", Stage::Merge)]);
    desk.squashed(ready('d', 'b'));
    desk.gates(true);
    desk.advanced(AdvanceEnd::Advanced);
    desk.open.retain(|effect| matches!(effect, crate::effect::Effect::Squash(..)));
    desk.squashed(ready('e', 'f'));
    let place = desk.take(|effect| match effect {
        crate::effect::Effect::Gates(_, order) => Some(order.place.clone()),
        _ => None,
    });
    assert_eq!(place, crate::effect::GatesPlace::Commit(oid('f')), "base itself");
}

#[test]
fn git_that_refuses_three_times_blocks_and_a_missing_base_waits() {
    let mut desk = one();
    for _ in 0..3 {
        assert_eq!(desk.blocked(A), None);
        desk.squashed(ready('d', 'b'));
        if desk.kinds() == ["gates"] {
            desk.gates(true);
        }
        desk.advanced(AdvanceEnd::Failed("permission denied".to_owned()));
        desk.wait(5_500);
    }
    assert_eq!(desk.blocked(A), Some("git does not move main: permission denied"));
    let mut desk = one();
    for _ in 0..10 {
        desk.squashed(SquashEnd::Waits("base branch main does not exist".to_owned()));
        assert_eq!(
            (desk.state(A), desk.reason(A).as_str()),
            (State::Waiting, "base branch main does not exist")
        );
        desk.wait(5_500);
    }
}

#[test]
fn what_only_a_person_can_mend_blocks_and_anothers_commits_are_waited_for() {
    let mut desk = one();
    desk.squashed(SquashEnd::Blocked("it has no common ancestor with main".to_owned()));
    assert_eq!(desk.blocked(A), Some("it has no common ancestor with main"));
    let mut desk = one();
    desk.squashed(SquashEnd::Foreign(id("2_b")));
    assert_eq!(desk.reason(A), "its branch holds commits of 2_b, which has not landed");
    desk.wait(5_500);
    assert_eq!(desk.kinds(), ["squash"]);
}

#[test]
fn a_landing_is_pushed_where_a_remote_is_named() {
    let config = super::config_with(|config| config.merge.push = "origin".to_owned());
    let mut desk = Desk::new(config, vec![story(A, Stage::Merge)]);
    desk.squashed(ready('d', 'b'));
    desk.gates(true);
    desk.advanced(AdvanceEnd::Advanced);
    let remote = desk.take(|effect| match effect {
        crate::effect::Effect::Landed(_, remote) => Some(remote.clone()),
        _ => None,
    });
    assert_eq!(remote.as_deref(), Some("origin"));
}
