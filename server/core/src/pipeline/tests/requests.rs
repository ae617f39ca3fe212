//! Requests: what each does, and when it is refused.

use super::cells::{landing, merging, review, running};
use super::{Desk, agent, config, config_with, story};
use crate::effect::Effect;
use crate::event::{AskId, Event, Outcome};
use crate::facts::{Edit, EditEnd};
use crate::front_matter::SAID_BYTES_MAX;
use crate::request::{Refusal, Reply, Request};
use crate::snapshot::State;
use crate::stage::Stage;
use crate::story::{Keyed, Place, Story, StoryRef};
use crate::time::{Now, Wall};

const A: &str = "1_a";

pub(super) fn said(answer: Option<Result<Reply, Refusal>>) -> String {
    match answer.expect("answered").expect("not refused") {
        Reply::Done { message, .. } => message,
        other => panic!("another answer: {other:?}"),
    }
}

pub(super) fn refused(answer: Option<Result<Reply, Refusal>>) -> Refusal {
    answer.expect("answered").expect_err("refused")
}

fn start(agent: Option<&str>) -> Request {
    Request::Start { story: A.to_owned(), agent: agent.map(str::to_owned) }
}

fn reject() -> Request {
    Request::Reject { story: A.to_owned(), text: "no tests".to_owned() }
}

fn approve() -> Request {
    Request::Approve { story: A.to_owned() }
}

#[test]
fn approve_moves_on_from_qa_and_says_so_further_on() {
    let mut desk = review();
    assert_eq!(said(desk.ask(approve())), "1_a: qa → merge, approved");
    assert_eq!(desk.kinds(), ["squash"]);
    assert_eq!(said(desk.ask(approve())), "1_a: is in merge already");
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    assert_eq!(refused(desk.ask(approve())).code, 1);
}

#[test]
fn reject_writes_its_notes_and_is_refused_once_base_moves() {
    let mut desk = review();
    said(desk.ask(reject()));
    let note = Edit::AppendRejection { number: 1, text: "no tests".to_owned() };
    assert!(desk.written.contains(&note), "{:?}", desk.written);
    assert_eq!((desk.stage(A), desk.memory(A).rejections), (Stage::Current, 1));
    let mut desk = merging();
    said(desk.ask(reject()));
    desk.open.retain(|effect| matches!(effect, Effect::Cancel { .. }));
    desk.cancelled();
    assert_eq!((desk.stage(A), desk.kinds()), (Stage::Current, vec!["prepare"]));
    let mut desk = landing();
    assert_eq!(refused(desk.ask(reject())).code, 1);
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    assert_eq!(refused(desk.ask(reject())).code, 1);
    for (text, code) in [(String::new(), 2), ("\n".to_owned(), 2), ("x".repeat(SAID_BYTES_MAX + 1), 1)] {
        let mut desk = review();
        assert_eq!(refused(desk.ask(Request::Reject { story: A.to_owned(), text })).code, code);
        assert_eq!(desk.stage(A), Stage::Qa);
    }
}

#[test]
fn start_with_an_agent_that_may_not_take_it_moves_nothing() {
    let config = config_with(|config| config.agents.push(agent("qa-1")));
    let mut desk = Desk::new(config, vec![story(A, Stage::Backlog), story("2_b", Stage::Current)]);
    for (name, words) in [
        ("coder-9", "agent `coder-9` is not configured"),
        ("qa-1", "agent `qa-1` works in stage qa, not here"),
        ("coder-1", "waits until agent coder-1 is free"),
    ] {
        let refusal = refused(desk.ask(start(Some(name))));
        assert_eq!((refusal.code, refusal.error.as_str()), (1, words));
        assert_eq!(desk.stage(A), Stage::Backlog);
    }
    assert_eq!(said(desk.ask(start(None))), "1_a: backlog → current");
    assert_eq!(desk.state(A), State::Waiting, "queued");
    let mut desk = running();
    assert_eq!(said(desk.ask(start(None))), "1_a: is running already");
    assert_eq!(desk.kinds().len(), 0);
}

#[test]
fn retry_clears_the_counts_and_starts_at_once() {
    let mut desk = Desk::new(config_with(|config| config.max_retries = 2), vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 1, 0);
    desk.ask(Request::Retry { story: A.to_owned() });
    let (op, order) = desk.run_starts();
    assert_eq!(order.attempt, 1, "without the wait");
    desk.run_ends(op, 1, 0);
    desk.wait(2_000);
    let (op, _) = desk.run_starts();
    desk.run_ends(op, 1, 0);
    assert!(desk.blocked(A).is_some());
    desk.ask(Request::Retry { story: A.to_owned() });
    assert_eq!((desk.blocked(A), desk.kinds()), (None, vec!["prepare"]));
}

#[test]
fn stories_are_named_by_id_or_number_and_a_number_of_several_lists_them() {
    let login = "1_story_login";
    let mut desk = Desk::new(config(), vec![story(login, Stage::Backlog), story("1_z", Stage::Backlog)]);
    let to = |story: &str| Request::Move { story: story.to_owned(), to: Stage::Qa };
    assert!(refused(desk.ask(to("1"))).error.contains("1_story_login, 1_z"));
    let unknown = refused(desk.ask(to("1_story_logim")));
    assert_eq!((unknown.code, unknown.hint.as_deref()), (3, Some("did you mean `1_story_login`?")));
    assert_eq!(said(desk.ask(to(login))), "1_story_login: backlog → qa");
    assert_eq!(said(desk.ask(to(login))), "1_story_login: is in qa already");
}

#[test]
fn a_move_onto_a_file_that_is_there_replaces_nothing() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Backlog)]);
    desk.fault = Some(crate::facts::MoveEnd::TargetTaken);
    let refusal = refused(desk.ask(Request::Move { story: A.to_owned(), to: Stage::Current }));
    assert_eq!((refusal.code, desk.stage(A)), (1, Stage::Backlog));
    assert!(refusal.error.contains("nothing was replaced"));
}

#[test]
fn a_pause_starts_nothing_lets_what_runs_end_and_resume_goes_on() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Current)]);
    let (op, _) = desk.run_starts();
    desk.ask(Request::Pause { why: Some("lunch".to_owned()) });
    desk.run_ends(op, 0, 1);
    assert_eq!((desk.kinds().len(), desk.reason(A)), (0, "paused: lunch".to_owned()));
    desk.ask(Request::Resume { agent: None });
    assert_eq!(desk.kinds(), ["gates"]);
}

#[test]
fn what_could_not_be_written_and_is_no_longer_wanted_keeps_nothing() {
    let mut desk = Desk::new(config(), vec![story(A, Stage::Qa)]);
    desk.edit_fault = Some(EditEnd::Failed("no space left".to_owned()));
    desk.inspected(0);
    let unwritten = |desk: &Desk| {
        let conditions = desk.pipe.conditions(&super::id(A));
        conditions.into_iter().find(|condition| condition.what == "unwritten").map(|one| one.detail)
    };
    assert_eq!(unwritten(&desk).as_deref(), Some("a key waits to be written: no space left"));
    said(desk.ask(Request::Unblock { story: A.to_owned() }));
    assert_eq!((unwritten(&desk), desk.blocked(A)), (None, None));
    desk.wait(6_000);
    assert_eq!(desk.kinds(), ["inspect"], "it is tried afresh");
}

#[test]
fn nothing_goes_on_for_a_story_before_what_was_asked_for_is_written() {
    let dependency = Keyed { value: StoryRef::Number(2), place: Place::default() };
    let waits = Story { depends_on: vec![dependency], ..story(A, Stage::Backlog) };
    let mut desk = Desk::new(config(), vec![waits, story("2_b", Stage::Backlog)]);
    desk.ask(Request::Hold { story: A.to_owned(), why: None });
    desk.person_moves("2_b", Stage::Done);
    assert_eq!((desk.stage(A), desk.state(A)), (Stage::Backlog, State::Held));
    let ask = Event::Asked(AskId(99), Request::Unhold { story: A.to_owned() });
    let effects = desk.pipe.handle(Now { mono_ms: desk.now, wall: Wall(0) }, ask);
    let op = effects.iter().find_map(|effect| match effect {
        Effect::Edit(op, _) => Some(*op),
        Effect::Move(..) => panic!("its file would be gone when the edit comes"),
        _ => None,
    });
    desk.person_edits(A, |story| story.hold = None);
    desk.end(op.expect("an edit"), Outcome::Edit(EditEnd::Written { content: 0 }));
    assert_eq!(desk.stage(A), Stage::Current);
}
