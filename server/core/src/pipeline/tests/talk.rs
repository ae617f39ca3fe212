//! Answers, messages and one more prompt.

use super::cells::{gating, merging, question, review, running};
use super::requests::{refused, said};
use super::{Desk, config, id, story};
use crate::facts::{Edit, EditEnd};
use crate::ids::RunId;
use crate::memory::Step;
use crate::message::{MESSAGE_BYTES_MAX, MESSAGES_MAX};
use crate::request::Request;
use crate::runtime::Ending;
use crate::snapshot::State;
use crate::stage::Stage;
use crate::story::{Hold, Keyed, Kind, Place, Story};

const A: &str = "1_a";

fn answer(text: &str) -> Request {
    Request::Answer { story: A.to_owned(), text: text.to_owned() }
}

fn send(text: &str) -> Request {
    Request::Send { story: A.to_owned(), from: None, text: text.to_owned() }
}

fn go_on(text: &str) -> Request {
    Request::Continue { story: A.to_owned(), text: text.to_owned() }
}

fn texts(messages: &[crate::message::Message]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

#[test]
fn an_answer_by_request_is_written_and_taken_at_once() {
    let mut desk = question();
    assert_eq!(said(desk.ask(answer("that"))), "1_a: question 1 answered");
    let written = Edit::Answer { number: 1, text: "that".to_owned() };
    assert!(desk.written.ends_with(&[written, Edit::Question(None)]), "{:?}", desk.written);
    let (op, order) = desk.run_starts();
    assert_eq!((order.answer, order.attempt), (Some(1), 1));
    assert_eq!(refused(desk.ask(answer("more"))).error, "1_a has no open question");
    desk.run_ends(op, 0, 1);
    assert_eq!(desk.memory(A).answered, None);
}

#[test]
fn an_answer_that_is_not_written_is_not_taken() {
    let mut desk = question();
    assert_eq!(refused(desk.ask(answer(" \n\u{1}"))).code, 2);
    assert_eq!(refused(desk.ask(answer(&"x".repeat(33 * 1024)))).code, 1);
    desk.edit_fault = Some(EditEnd::Failed("no space".to_owned()));
    let refusal = refused(desk.ask(answer("that")));
    assert!(refusal.error.contains("no space"), "{refusal:?}");
    assert_eq!((desk.memory(A).answered, desk.state(A)), (None, State::Question));
    said(desk.ask(answer("that")));
    assert_eq!(desk.run_starts().1.answer, Some(1));
}

#[test]
fn a_message_waits_for_the_next_prompt_and_is_there_once() {
    let mut desk = running();
    assert!(said(desk.ask(send("one"))).contains("waits for its next prompt"));
    desk.tell_run_failed();
    let (op, order) = desk.run_starts();
    assert_eq!(texts(&order.messages), ["one"]);
    desk.tell(crate::event::Event::RunStarted(op));
    said(desk.ask(send("two")));
    // A limit says nothing about the work: what that run was told, the next one is told again.
    desk.run_ends_with(op, |facts| facts.rate_limited_s = Some(1));
    desk.wait(2_000);
    let (op, order) = desk.run_starts();
    assert_eq!(texts(&order.messages), ["one", "two"]);
    desk.tell(crate::event::Event::RunStarted(op));
    desk.run_ends(op, 1, 0);
    desk.wait(11_000);
    assert_eq!(desk.run_starts().1.messages, []);
}

#[test]
fn a_message_is_told_again_after_a_run_that_ended_before_it_began() {
    let mut desk = running();
    said(desk.ask(send("one")));
    desk.tell_run_failed();
    for _ in 0..2 {
        let (op, order) = desk.run_starts();
        assert_eq!(texts(&order.messages), ["one"]);
        desk.tell(crate::event::Event::RunStarted(op));
        desk.run_ends_with(op, |facts| facts.ending = Some(Ending::SessionUnknown));
        desk.wait(20_000);
    }
}

#[test]
fn messages_are_refused_where_no_agent_would_read_them_and_when_there_are_too_many() {
    let done = story(A, Stage::Done);
    let epic = Story { kind: Kind::Epic, ..story(A, Stage::Current) };
    for what in [done, epic] {
        let mut desk = Desk::new(config(), vec![what]);
        assert_eq!(refused(desk.ask(send("x"))).code, 1);
    }
    let mut desk = running();
    assert_eq!(refused(desk.ask(send(""))).code, 2);
    assert_eq!(refused(desk.ask(send(&"x".repeat(MESSAGE_BYTES_MAX + 1)))).code, 1);
    let from =
        |from: &str| Request::Send { story: A.to_owned(), from: Some(from.to_owned()), text: "x".to_owned() };
    assert_eq!(refused(desk.ask(from("9_nobody"))).code, 3);
    for _ in 0..MESSAGES_MAX {
        said(desk.ask(from("1")));
    }
    let refusal = refused(desk.ask(send("x")));
    assert!(refusal.error.contains("20 messages wait"), "{refusal:?}");
    assert_eq!(desk.remembered[&id(A)].messages.waiting().next().and_then(|m| m.from.clone()), Some(id(A)));
}

#[test]
fn continue_starts_a_run_with_the_message_from_backlog_and_from_current() {
    let held = Keyed { value: Hold { why: Some("stopped by hand".to_owned()) }, place: Place::default() };
    let blocked = Keyed { value: "failed 3 times".to_owned(), place: Place::default() };
    for stage in [Stage::Backlog, Stage::Current] {
        let stuck = Story { hold: Some(held.clone()), blocked: Some(blocked.clone()), ..story(A, stage) };
        let mut desk = Desk::new(config(), vec![stuck]);
        said(desk.ask(go_on("once more")));
        assert_eq!((desk.stage(A), desk.hold(A), desk.blocked(A)), (Stage::Current, None, None));
        let (_, order) = desk.run_starts();
        assert_eq!((texts(&order.messages), order.attempt), (vec!["once more"], 1));
    }
}

#[test]
fn continue_ends_gates_that_would_judge_what_is_about_to_change() {
    let mut desk = gating();
    said(desk.ask(go_on("not yet")));
    assert_eq!(desk.memory(A).step, Step::Begin);
    desk.open.retain(|effect| matches!(effect, crate::effect::Effect::Cancel { .. }));
    desk.cancelled();
    assert_eq!(texts(&desk.run_starts().1.messages), ["not yet"]);
}

#[test]
fn continue_is_refused_with_the_way_that_fits() {
    let hint = |desk: &mut Desk| {
        let refusal = refused(desk.ask(go_on("x")));
        assert_eq!(refusal.code, 1);
        refusal.hint.unwrap_or_default()
    };
    assert!(hint(&mut running()).contains("storkit attach"));
    assert!(hint(&mut question()).contains("storkit answer"));
    assert!(hint(&mut review()).contains("storkit reject"));
    assert!(hint(&mut merging()).contains("storkit reject"));
    assert!(hint(&mut Desk::new(config(), vec![story(A, Stage::Done)])).contains("storkit move"));
    let own = Keyed { value: Hold { why: Some("mine".to_owned()) }, place: Place::default() };
    let mut desk = Desk::new(config(), vec![Story { hold: Some(own), ..story(A, Stage::Backlog) }]);
    assert!(hint(&mut desk).contains("storkit unhold"));
    assert_eq!((desk.stage(A), desk.memory(A).messages.waiting().count()), (Stage::Backlog, 0));
}

#[test]
fn the_next_order_is_known_without_being_given() {
    let mut desk = running();
    said(desk.ask(send("one")));
    let order = |desk: &Desk| desk.pipe.next_order(&id(A), RunId(uuid::Uuid::nil()), "/w".to_owned());
    desk.tell_run_failed();
    let preview = order(&desk).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(texts(&preview.messages), ["one"]);
    let (_, given) = desk.run_starts();
    assert_eq!((preview.attempt, preview.number, preview.notes), (given.attempt, given.number, given.notes));
    let done = Desk::new(config(), vec![story(A, Stage::Done)]);
    assert_eq!(order(&done).expect_err("refused").code, 1);
}
