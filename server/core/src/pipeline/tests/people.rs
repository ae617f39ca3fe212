//! Questions, requests, promotion, epics, git under the board, and the daemon's end.

use super::{Desk, config, id, story};
use crate::effect::Effect;
use crate::event::{Event, Outcome};
use crate::facts::{Edit, MoveEnd};
use crate::request::Request;
use crate::snapshot::State;
use crate::stage::Stage;
use crate::story::{Keyed, Kind, Place, Story, StoryRef};

const A: &str = "1_a";

fn on(numbers: &[u64]) -> Vec<Keyed<StoryRef>> {
    let keyed = |number: &u64| Keyed { value: StoryRef::Number(*number), place: Place::default() };
    numbers.iter().map(keyed).collect()
}

fn needs(name: &str, stage: Stage, numbers: &[u64]) -> Story {
    Story { depends_on: on(numbers), ..story(name, stage) }
}

#[test]
fn what_looks_other_is_told_once_and_the_first_look_is_no_change() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Backlog), story("2_b", Stage::Backlog)]);
    assert!(desk.pipe.take_changed().is_empty());
    desk.person_edits(A, |story| story.name = "another".to_owned());
    assert_eq!(desk.pipe.take_changed().into_iter().collect::<Vec<_>>(), [id(A)]);
    assert!(desk.pipe.take_changed().is_empty());
    desk.look();
    assert!(desk.pipe.take_changed().is_empty(), "nothing is another");
    desk.person_moves("2_b", Stage::Done);
    assert_eq!(desk.pipe.take_changed().into_iter().collect::<Vec<_>>(), [id("2_b")]);
    desk.person_deletes(A);
    assert!(desk.pipe.take_changed().contains(&id(A)));
}

#[test]
fn an_answer_is_taken_when_it_was_left_alone_for_ten_seconds() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    desk.run_ends_with(op, |facts| facts.question = Some("which?".to_owned()));
    assert!(matches!(desk.written[..], [Edit::AppendQuestion { number: 1, .. }, Edit::Question(Some(1))]));
    desk.person_edits(A, |story| story.answered = true);
    desk.wait(9_000);
    assert_eq!(desk.state(A), State::Question);
    assert!(!desk.pipe.is_quiet(), "the answer is still to be taken");
    desk.wait(1_100);
    assert!(desk.story(A).question.is_none());
    let (_, order) = desk.run_starts();
    assert_eq!((order.answer, order.attempt), (Some(1), 1));
}

#[test]
fn an_answer_is_taken_also_when_nobody_remembers_who_asked() {
    let mut asked = story(A, Stage::Current);
    asked.question = Some(Keyed { value: 4, place: Place::default() });
    asked.answered = true;
    let mut desk = Desk::new(config(), vec![asked]);
    assert_eq!(desk.state(A), State::Question);
    desk.wait(11_000);
    assert_eq!(desk.kinds(), ["prepare"]);
}

#[test]
fn a_story_is_promoted_when_its_last_dependency_is_done_and_not_again() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Backlog), needs("2_b", Stage::Backlog, &[1])]);
    assert_eq!(desk.stage("2_b"), Stage::Backlog);
    desk.person_moves(A, Stage::Done);
    assert_eq!(desk.stage("2_b"), Stage::Current);
    desk.person_moves("2_b", Stage::Backlog);
    desk.cancelled();
    assert_eq!((desk.stage("2_b"), desk.hold("2_b")), (Stage::Backlog, Some("moved back by hand")));
    desk.person_edits("2_b", |story| story.hold = None);
    desk.wait(60_000);
    assert_eq!(desk.stage("2_b"), Stage::Backlog, "the machine does not fight the person");
}

#[test]
fn promotion_leaves_room_for_what_is_in_current() {
    let mut config = config();
    config.board.wip_current = 1;
    let stories =
        vec![story(A, Stage::Done), story("3_c", Stage::Current), needs("2_b", Stage::Backlog, &[1])];
    let mut desk = Desk::new(config, stories);
    assert_eq!(desk.stage("2_b"), Stage::Backlog);
    desk.person_moves("3_c", Stage::Done);
    desk.cancelled();
    assert_eq!(desk.stage("2_b"), Stage::Current);
}

#[test]
fn a_cycle_is_a_problem_of_all_its_stories() {
    let desk = Desk::new(config(), vec![needs(A, Stage::Current, &[2]), needs("2_b", Stage::Current, &[1])]);
    assert_eq!((desk.state(A), desk.state("2_b")), (State::Problem, State::Problem));
    assert!(desk.pipe.conditions(&id(A))[0].detail.contains("1_a → 2_b → 1_a"));
    assert_eq!(desk.kinds().len(), 0);
}

#[test]
fn an_epic_is_done_when_its_stories_are_however_the_last_one_goes() {
    let epic = || Story { kind: Kind::Epic, ..story("9_e", Stage::Current) };
    let child = |name, stage| Story { epic: on(&[9]).pop(), ..story(name, stage) };
    let stories = || vec![epic(), child(A, Stage::Done), child("2_b", Stage::Backlog)];
    let mut desk = Desk::new(config(), stories());
    assert_eq!((desk.stage("9_e"), desk.state("9_e")), (Stage::Current, State::Idle));
    desk.person_moves("2_b", Stage::Done);
    assert_eq!(desk.stage("9_e"), Stage::Done);
    let mut desk = Desk::new(config(), stories());
    desk.person_deletes("2_b");
    assert_eq!(desk.stage("9_e"), Stage::Done);
    let mut desk = Desk::new(config(), stories());
    desk.person_edits("2_b", |story| story.epic = None);
    assert_eq!(desk.stage("9_e"), Stage::Done);
    let mut desk = Desk::new(config(), stories());
    desk.ask(Request::Pause { why: None });
    desk.person_moves("2_b", Stage::Done);
    desk.ask(Request::Resume { agent: None });
    assert_eq!(desk.stage("9_e"), Stage::Done);
}

#[test]
fn what_git_does_to_the_board_starts_and_stops_nothing_until_resume() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current), story("2_b", Stage::Backlog)]);
    desk.run_starts();
    for (name, to) in [(A, Stage::Backlog), ("2_b", Stage::Current)] {
        let key = Desk::key(&id(name), desk.stage(name));
        let what = desk.files.remove(&key).expect("there").expect("readable");
        desk.files.insert(Desk::key(&id(name), to), Ok(Story { stage: to, ..what }));
    }
    let scan = crate::sighting::Scan { by_git: true, ..desk.scan() };
    desk.tell(Event::Scanned(scan));
    desk.wait(10_000);
    assert_eq!(desk.kinds().len(), 0);
    desk.ask(Request::Pause { why: None });
    desk.look();
    assert_eq!(desk.kinds().len(), 0, "a pause on top changes nothing");
    desk.ask(Request::Resume { agent: None });
    assert_eq!(desk.kinds(), ["cancel"]);
    desk.cancelled();
    assert_eq!(desk.kinds(), ["prepare"]);
}

#[test]
fn a_folder_that_vanishes_pauses() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    desk.files.clear();
    let scan = crate::sighting::Scan { missing_folders: vec![Stage::Current], ..desk.scan() };
    desk.tell(Event::Scanned(scan));
    desk.wait(10_000);
    assert_eq!(desk.kinds(), ["prepare"], "what runs goes on");
    assert!(desk.pipe.track(&id(A)).is_some());
}

#[test]
fn stop_holds_and_start_lets_go_but_for_a_persons_own_hold() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    desk.run_starts();
    desk.ask(Request::Stop { story: A.to_owned() });
    desk.cancelled();
    assert_eq!((desk.hold(A), desk.state(A)), (Some("stopped by hand"), State::Held));
    assert!(
        desk.ask(Request::Start { story: A.to_owned(), agent: None }).is_some_and(|answer| answer.is_ok())
    );
    assert_eq!(desk.kinds(), ["prepare"]);
    desk.ask(Request::Hold { story: A.to_owned(), why: Some("legal".to_owned()) });
    desk.ask(Request::Stop { story: A.to_owned() });
    assert_eq!(desk.hold(A), Some("legal"));
    assert!(
        desk.ask(Request::Start { story: A.to_owned(), agent: None }).is_some_and(|answer| answer.is_err())
    );
}

#[test]
fn a_request_that_somebody_else_was_faster_than_is_refused() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Qa)]);
    desk.fault = Some(MoveEnd::SourceGone);
    let answer = desk.ask(Request::Approve { story: A.to_owned() }).expect("answered");
    assert!(answer.is_err_and(|refusal| refusal.code == 1 && refusal.error.contains("somebody else")));
}

#[test]
fn a_requests_answer_brings_no_deleted_story_back() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Backlog)]);
    desk.person_deletes(A);
    desk.wait(3_000);
    assert!(desk.pipe.track(&id(A)).is_none());
    let what = story(A, Stage::Current);
    desk.files.insert(Desk::key(&id(A), Stage::Current), Ok(what));
    desk.look();
    assert_eq!(desk.kinds(), ["prepare"]);
}

#[test]
fn a_move_that_failed_is_not_tried_again_before_a_look() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Done), needs("2_b", Stage::Backlog, &[1])]);
    assert_eq!(desk.stage("2_b"), Stage::Current);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 0, 1);
    desk.fault = Some(MoveEnd::Failed("no space left".to_owned()));
    desk.gates(true);
    assert_eq!((desk.stage("2_b"), desk.kinds().len()), (Stage::Current, 0));
    assert!(desk.pipe.conditions(&id("2_b"))[0].detail.contains("no space left"));
    desk.wait(6_000);
    desk.gates(true);
    assert_eq!(desk.stage("2_b"), Stage::Merge);
}

#[test]
fn paused_with_stories_in_done_it_asks_for_no_wake_up_in_the_past() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Done)]);
    desk.ask(Request::Pause { why: None });
    desk.now += 3_600_000;
    desk.look();
    assert!(desk.pipe.next_wake().is_none_or(|at| at > desk.now));
}

#[test]
fn the_daemon_ends_when_all_has_ended_and_also_before_it_has_looked() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    desk.run_starts();
    desk.tell(Event::ShutDown { now: false });
    assert_eq!(desk.kinds(), ["cancel"]);
    desk.cancelled();
    assert_eq!(desk.kinds(), ["stop"]);
    let mut pipe = crate::pipeline::Pipeline::new(1, std::sync::Arc::new(config()));
    let effects = pipe.handle(crate::time::Now::default(), Event::ShutDown { now: false });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Stop)));
}

#[test]
fn what_storkit_itself_fails_at_three_times_blocks() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    for _ in 0..3 {
        let op = desk.take(|effect| if let Effect::Prepare(op, _) = effect { Some(*op) } else { None });
        desk.end(op, Outcome::Crashed("a panic".to_owned()));
        desk.wait(5_000);
    }
    assert!(desk.blocked(A).is_some_and(|why| why.contains("failed 3 times: a panic")));
}

#[test]
fn quiet_means_that_only_a_person_can_bring_it_further() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    assert!(!desk.pipe.is_quiet());
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 1, 0);
    assert!(!desk.pipe.is_quiet(), "another attempt comes");
    desk.ask(Request::Hold { story: A.to_owned(), why: None });
    desk.wait(2_000);
    assert!(desk.pipe.is_quiet());
}
