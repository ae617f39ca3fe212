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

/// What a story's work changes, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Lines that are new.
    pub added: usize,
    /// Lines that are gone.
    pub removed: usize,
    /// Files.
    pub files: usize,
}

/// What a card says beyond the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// What a running agent did last, or what a question asks.
    pub words: Option<String>,
    /// Which gate of a round runs, from 1, and how many there are.
    pub gate: Option<(usize, usize)>,
    /// What waits for a review.
    pub figures: Option<Figures>,
    /// What is done to it while it lands.
    pub phase: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "card.html")]
struct Card<'a> {
    story: &'a StoryView,
    label: &'a str,
    chip: Chip,
    gate: Option<(usize, usize)>,
    action: Action,
    needs: bool,
    full: bool,
    why: String,
    tries: Option<String>,
    cost: Option<String>,
}

/// Where a card stands, and what else is known of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    pub(super) told: Option<&'a Told>,
    /// Its place in the queue, from 1.
    pub(super) place: Option<usize>,
    /// How many tries a story has in a stage; 0 where that is not known.
    pub(super) tries_max: u32,
}

/// A card as it stands in its column, and what tells one version of it from another.
pub(super) fn card(story: &StoryView, beside: Beside<'_>) -> (String, String) {
    let stage = Stage::parse(&story.stage);
    let full = matches!(stage, Some(Stage::Current | Stage::Qa | Stage::Merge));
    let gate = beside.told.and_then(|told| told.gate);
    let card = Card {
        story,
        label: &label(story),
        chip: chip(story.state, stage == Some(Stage::Archived)),
        gate,
        action: action(story.state),
        needs: needs_you(story.state),
        full,
        why: why(story, beside),
        tries: (story.attempt > 0 && full).then(|| tries(story.attempt, beside.tries_max)),
        cost: story.cost_usd.map(money),
    };
    let html = card.render().expect("writing to a string does not fail");
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    (format!("{:x}", hasher.finish()), html)
}

/// `2/4`, or `2` where nobody knows of how many.
pub(super) fn tries(attempt: u32, of: u32) -> String {
    if of == 0 { attempt.to_string() } else { format!("{}/{of}", attempt.min(of)) }
}

/// The line that says why a card stands, or what moves it.
fn why(story: &StoryView, Beside { told, place, .. }: Beside<'_>) -> String {
    let place = place.map(|place| format!("Place {place}"));
    let phase = told.and_then(|told| told.phase).map(str::to_owned);
    let words = told.and_then(|told| told.words.clone()).or_else(|| story.reason.clone());
    let figures = told.and_then(|told| told.figures).map(|Figures { added, removed, files }| {
        if files == 0 {
            return "no file is changed".to_owned();
        }
        format!("+{added} −{removed} in {files} {}", if files == 1 { "file" } else { "files" })
    });
    let words = match (figures, story.state) {
        (Some(figures), State::Review) => Some(figures),
        _ => words,
    };
    [place, phase, words].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
