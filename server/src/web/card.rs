//! A story as a card: its chip, its reason, and the one action that helps next.

use std::hash::{DefaultHasher, Hash, Hasher};

use askama::Template;
use storkit_core::snapshot::{State, StoryView};
use storkit_core::stage::Stage;

/// How much a state asks for attention, and in which colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chip {
    /// The class: `plain run land ask bad good`.
    pub(super) tone: &'static str,
    /// The icon's name in the shell.
    pub(super) icon: &'static str,
    /// The word.
    pub(super) word: &'static str,
}

/// The one thing to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Action {
    /// The word on the button.
    pub(super) word: &'static str,
    /// What the script does: a request's name, or the page that it opens.
    pub(super) act: &'static str,
}

/// The chip of a story.
pub(super) const fn chip(state: State, archived: bool) -> Chip {
    let (tone, icon, word) = match state {
        State::Idle => ("plain", "idle", "Idle"),
        State::Waiting => ("plain", "waiting", "Waiting"),
        State::Preparing => ("run", "preparing", "Preparing"),
        State::Running => ("run", "running", "Running"),
        State::Gating => ("run", "gating", "Gates"),
        State::Review => ("ask", "review", "Review"),
        State::Question => ("ask", "question", "Question"),
        State::Merging => ("land", "merging", "Landing"),
        State::Held => ("plain", "held", "Held"),
        State::Blocked => ("bad", "blocked", "Blocked"),
        State::Done if archived => ("plain", "archived", "Archived"),
        State::Done => ("good", "done", "Done"),
        State::Problem => ("bad", "problem", "Problem"),
    };
    Chip { tone, icon, word }
}

/// The action of a state. Names beginning with `/` are tabs of the story's page; others are requests.
pub(super) const fn action(state: State) -> Action {
    let (word, act) = match state {
        State::Idle => ("Start", "start"),
        State::Waiting => ("Why", "why"),
        State::Preparing | State::Running | State::Gating => ("Watch", "/live"),
        State::Review => ("Review", "/diff"),
        State::Question => ("Answer", "answer"),
        State::Merging => ("Queue", "queue"),
        State::Held => ("Release", "unhold"),
        State::Blocked => ("Retry", "retry"),
        State::Done => ("Diff", "/diff"),
        State::Problem => ("Fix", "/edit"),
    };
    Action { word, act }
}

/// Whether a person must act.
pub(super) const fn needs_you(state: State) -> bool {
    matches!(state, State::Review | State::Question | State::Blocked | State::Problem)
}

/// A number to call a story by: its own, else its id.
pub(super) fn label(story: &StoryView) -> String {
    story.number.map_or_else(|| story.id.clone(), |number| number.to_string())
}

/// Money as it is written on the board.
pub(super) fn money(usd: f64) -> String {
    format!("${usd:.2}")
}

#[derive(Template)]
#[template(path = "card.html")]
struct Card<'a> {
    story: &'a StoryView,
    label: &'a str,
    chip: Chip,
    action: Action,
    needs: bool,
    full: bool,
    cost: Option<String>,
}

/// A card as it stands in its column, and what tells one version of it from another.
pub(super) fn card(story: &StoryView) -> (String, String) {
    let stage = Stage::parse(&story.stage);
    let card = Card {
        story,
        label: &label(story),
        chip: chip(story.state, stage == Some(Stage::Archived)),
        action: action(story.state),
        needs: needs_you(story.state),
        full: matches!(stage, Some(Stage::Current | Stage::Qa | Stage::Merge)),
        cost: story.cost_usd.map(money),
    };
    let html = card.render().expect("writing to a string does not fail");
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    (format!("{:x}", hasher.finish()), html)
}
