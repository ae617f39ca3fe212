//! Which model a story is coded with: the story's own, the classifier's, a rule's.

use super::{Desk, config_with, oid, story};
use crate::config::{Classifier, Config, Route};
use crate::effect::{Effect, PrepareOrder};
use crate::event::{Event, Outcome};
use crate::facts::PrepareEnd;
use crate::ids::{AgentName, OpId};
use crate::stage::Stage;
use crate::story::{Size, Story};

const A: &str = "1_a";

fn classified() -> Config {
    config_with(|config| {
        config.classifier = Some(Classifier { command: "choose".to_owned(), timeout_ms: 1_000 });
        config.routes = vec![Route { model: Some("routed".to_owned()), ..Route::default() }];
    })
}

fn preparing(desk: &mut Desk) -> (OpId, PrepareOrder) {
    desk.take(
        |effect| if let Effect::Prepare(op, order) = effect { Some((*op, order.clone())) } else { None },
    )
}

/// The worktree is ready: the model that the agent starts with.
fn started(desk: &mut Desk, op: OpId) -> (OpId, String) {
    desk.end(op, Outcome::Prepare(PrepareEnd::Ready { worktree: "/w".to_owned(), base: oid('b') }));
    desk.take(|effect| match effect {
        Effect::Run(op, order) => Some((*op, order.agent.model.clone())),
        _ => None,
    })
}

#[test]
fn the_classifiers_choice_stands_over_rules_for_the_whole_stay() {
    let mut desk = Desk::new(classified(), vec![story(A, Stage::Current)]);
    let (op, order) = preparing(&mut desk);
    assert_eq!(order.classify.as_ref().map(AgentName::as_str), Some("coder-1"));
    desk.tell(Event::Classified(op, "big".to_owned()));
    let (run, model) = started(&mut desk, op);
    assert_eq!(model, "big");
    desk.tell(Event::Classified(op, "late".to_owned()));
    desk.run_ends(run, 1, 0);
    desk.wait(1_100);
    let (op, order) = preparing(&mut desk);
    assert_eq!(order.classify, None, "it is asked once");
    assert_eq!(started(&mut desk, op).1, "big");
}

#[test]
fn without_a_choice_the_rules_decide_and_what_is_no_name_is_none() {
    let mut desk = Desk::new(classified(), vec![story(A, Stage::Current)]);
    let (op, _) = preparing(&mut desk);
    for word in ["", "--yolo", "a\nb", &"x".repeat(300)] {
        desk.tell(Event::Classified(op, word.to_owned()));
    }
    assert_eq!(started(&mut desk, op).1, "routed");
}

#[test]
fn a_story_that_names_its_model_is_not_classified() {
    let mut own = story(A, Stage::Current);
    own.overrides.model = Some("own".to_owned());
    let mut desk = Desk::new(classified(), vec![own]);
    let (op, order) = preparing(&mut desk);
    assert_eq!((order.classify, started(&mut desk, op).1.as_str()), (None, "own"));
}

#[test]
fn a_rule_by_size_fits_larger_stories_too() {
    let config = config_with(|config| {
        let rule = Route { size: Some(Size::L), model: Some("big".to_owned()), ..Route::default() };
        config.routes = vec![rule];
    });
    for (size, model) in [(Size::S, ""), (Size::M, ""), (Size::L, "big"), (Size::XL, "big")] {
        let sized = Story { size, ..story(A, Stage::Current) };
        let mut desk = Desk::new(config.clone(), vec![sized]);
        let (op, _) = preparing(&mut desk);
        assert_eq!(started(&mut desk, op).1, model, "{size:?}");
    }
}
