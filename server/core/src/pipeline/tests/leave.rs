//! Tools that an agent was refused: who is asked, and what becomes of the answer.

use super::{Desk, agent, config, story};
use crate::config::{Permissions, Runtime};
use crate::event::Outcome;
use crate::facts::{BranchFacts, Edit, ProcessEnd, RunFacts};
use crate::leave::{Leave, Verdict};
use crate::request::Request;
use crate::runtime::Ending;
use crate::snapshot::State;
use crate::stage::Stage;

const A: &str = "1_a";

/// A desk with one agent, and how its run ends that was refused `Bash`.
fn refused(permissions: Permissions) -> (Desk, RunFacts) {
    let mut config = config();
    config.agents = vec![agent("coder-1")];
    config.agents[0].runtime = Runtime::ClaudeCode;
    config.agents[0].permissions = permissions;
    let facts = RunFacts {
        process: Some(ProcessEnd::Exited(0)),
        session: Some("s1".to_owned()),
        ending: Some(Ending::PermissionWanted { tool: "Bash".to_owned(), input: "git push".to_owned() }),
        ..RunFacts::default()
    };
    (Desk::new(config, vec![story(A, Stage::Current)]), facts)
}

fn answer(desk: &mut Desk, text: &str) {
    let request = Request::Answer { story: A.to_owned(), text: text.to_owned() };
    desk.ask(request).expect("answered").expect("done");
}

#[test]
fn a_refused_tool_is_a_question_and_the_answer_goes_on_in_the_session() {
    let (mut desk, facts) = refused(Permissions::Allow);
    let (op, order) = desk.run_starts();
    assert_eq!(order.leave, Leave::default());
    desk.end(op, Outcome::Run(Box::new(facts.clone())));
    assert_eq!(desk.state(A), State::Question);
    assert_eq!(desk.memory(A).failures, 0, "it costs no attempt");
    let asked = desk.written.iter().find_map(|edit| match edit {
        Edit::AppendQuestion { text, .. } => Some(text.clone()),
        _ => None,
    });
    let asked = asked.expect("a question");
    assert!(asked.contains("it may not use Bash: git push") && asked.contains("`allow`"), "{asked}");
    answer(&mut desk, "Allow, but do not force it");
    let (op, order) = desk.run_starts();
    assert_eq!((order.attempt, order.answer), (1, Some(1)));
    assert_eq!(order.resume.map(|warm| warm.resume.session).as_deref(), Some("s1"));
    assert_eq!(order.leave.allowed, ["Bash"]);
    desk.end(op, Outcome::Run(Box::new(facts)));
    assert_eq!(desk.memory(A).failures, 1, "refused though it is allowed: no question helps");
}

#[test]
fn a_no_is_kept_and_the_same_tool_is_not_asked_about_again() {
    let (mut desk, mut facts) = refused(Permissions::Ask);
    facts.branch = BranchFacts { ahead: 1, ..BranchFacts::default() };
    let (op, _) = desk.run_starts();
    desk.end(op, Outcome::Run(Box::new(facts.clone())));
    assert_eq!(desk.state(A), State::Question, "who is to be asked is asked, whatever else was done");
    answer(&mut desk, "no");
    let (op, order) = desk.run_starts();
    assert_eq!((order.leave.refused.as_slice(), order.answer), (["Bash".to_owned()].as_slice(), Some(1)));
    desk.end(op, Outcome::Run(Box::new(facts)));
    assert_eq!(desk.state(A), State::Gating, "what it did without is its work");
}

#[test]
fn an_answer_in_the_file_counts_as_one_by_command() {
    let (mut desk, facts) = refused(Permissions::Ask);
    let (op, _) = desk.run_starts();
    desk.end(op, Outcome::Run(Box::new(facts)));
    desk.person_edits(A, |story| {
        story.answered = true;
        story.verdict = Some(Verdict::Allow);
    });
    desk.wait(60_000);
    let (_, order) = desk.run_starts();
    assert_eq!(order.leave.allowed, ["Bash"]);
}

#[test]
fn where_nobody_is_to_be_asked_a_refused_tool_is_a_failure_if_nothing_was_done() {
    let (mut desk, facts) = refused(Permissions::Deny);
    let (op, _) = desk.run_starts();
    desk.end(op, Outcome::Run(Box::new(facts)));
    assert_eq!((desk.memory(A).failures, desk.memory(A).questions), (1, 0));
    assert_eq!(desk.memory(A).notes[0].what, "it may not use Bash: git push");
}
