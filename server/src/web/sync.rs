//! The board for a page that has some of it already: the cards that it lacks, and the order of all that it shows.
//!
//! A page asks for a window of each column and says which versions of cards it has; the answer makes it whole,
//! whatever it missed. So an event need not say what changed, and nothing depends on none being lost.

use std::collections::BTreeMap;

use askama::Template;
use serde::{Deserialize, Serialize};
use storkit_core::snapshot::{State, Status, StoryView};
use storkit_core::stage::Stage;

use super::card::{Action, Beside, Chip, Told, action, card, chip, label, money, needs_you};

/// Cards of a column in one answer; a page shows fewer at a time.
const WINDOW_MAX: usize = 200;
/// Stories that the strip names; the others are counted.
const STRIP_MAX: usize = 12;
/// Longest filter, in bytes; what is longer matches nothing.
const FILTER_LEN_MAX: usize = 500;

/// What a page asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SyncAsk {
    /// The filter, as a person typed it.
    pub q: String,
    /// By stage: the first card of the window, and how many.
    pub windows: BTreeMap<String, (usize, usize)>,
    /// By id: the version of the card that the page has.
    pub known: BTreeMap<String, String>,
}

/// What the snapshot does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Around {
    /// US dollars spent today, where any run told.
    pub spent_usd: Option<f64>,
    /// The day's budget in US dollars; 0 is none.
    pub budget_usd: f64,
    /// How many tries a story has in a stage; 0 where that is not known.
    pub tries_max: u32,
    /// By id: what cards say besides.
    pub told: BTreeMap<String, Told>,
}

/// One column of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// `backlog current …`.
    pub stage: &'static str,
    /// Stories in it that the filter lets through.
    pub count: usize,
    /// How many of them need a person.
    pub needs: usize,
    /// The first card's place.
    pub at: usize,
    /// The window's cards, in order.
    pub ids: Vec<String>,
}

/// What makes a page whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sync {
    /// The project's name.
    pub project: String,
    /// Why nothing starts, board-wide.
    pub paused: Option<String>,
    /// How many stories need a person.
    pub needs: usize,
    /// Stories in merge.
    pub queue: usize,
    /// Busy agents of all: `3/4`.
    pub agents: String,
    /// How many problems there are.
    pub problems: usize,
    /// `$12.40 of 50 today`; empty where nothing is known.
    pub spent: String,
    /// The version that answers.
    pub version: String,
    /// The strip's content.
    pub strip: String,
    /// The columns, in the order of the board.
    pub columns: Vec<Column>,
    /// By id, version and content of the cards that the page lacks.
    pub cards: BTreeMap<String, (String, String)>,
}

struct Need<'a> {
    id: &'a str,
    name: &'a str,
    label: String,
    chip: Chip,
    action: Action,
    tab: &'static str,
}

#[derive(Template)]
#[template(path = "strip.html")]
struct Strip<'a> {
    items: Vec<Need<'a>>,
    rest: usize,
}

/// What makes a page whole that asked so.
pub fn sync(status: &Status, ask: &SyncAsk, around: &Around) -> Sync {
    let filter = Filter::parse(&ask.q);
    let mut columns = Vec::new();
    let mut cards = BTreeMap::new();
    for stage in Stage::ALL {
        let mut all: Vec<&StoryView> =
            status.stories.iter().filter(|story| story.stage == stage.name()).collect();
        order(stage, &mut all);
        let stories: Vec<(usize, &StoryView)> =
            (1..).zip(all).filter(|(_, story)| filter.lets(story)).collect();
        let (at, length) = ask.windows.get(stage.name()).copied().unwrap_or_default();
        let at = at.min(stories.len());
        let window = stories.iter().skip(at).take(length.min(WINDOW_MAX));
        for (place, story) in window.clone() {
            let beside = Beside {
                told: around.told.get(&story.id),
                place: (stage == Stage::Merge).then_some(*place),
                tries_max: around.tries_max,
            };
            let (version, html) = card(story, beside);
            if ask.known.get(&story.id) != Some(&version) {
                cards.insert(story.id.clone(), (version, html));
            }
        }
        columns.push(Column {
            stage: stage.name(),
            count: stories.len(),
            needs: stories.iter().filter(|(_, story)| needs_you(story.state)).count(),
            at,
            ids: window.map(|(_, story)| story.id.clone()).collect(),
        });
    }
    let (needs, strip) = strip(status);
    Sync {
        project: status.project.clone(),
        paused: status.paused.clone(),
        needs,
        queue: status.stories.iter().filter(|story| story.stage == Stage::Merge.name()).count(),
        agents: agents(status),
        problems: status.problems.len(),
        spent: spent(around),
        version: status.daemon.as_ref().map(|daemon| daemon.version.clone()).unwrap_or_default(),
        strip,
        columns,
        cards,
    }
}

/// Backlog stays as the snapshot has it, by priority and number; in current and qa the newest stands last, so that no
/// change of state moves a card; merge is as it lands, by priority and number behind what lands now; done has the
/// newest first.
pub(super) fn order(stage: Stage, stories: &mut [&StoryView]) {
    match stage {
        Stage::Backlog => {}
        // One whose entry is not known yet has just come.
        Stage::Current | Stage::Qa => stories.sort_by_key(|story| (story.entered.is_none(), &story.entered)),
        Stage::Merge => stories.sort_by_key(|story| story.state != State::Merging),
        Stage::Done | Stage::Archived => stories.sort_by(|one, other| {
            let newest = |story: &&StoryView| story.entered.clone().or_else(|| story.since.clone());
            newest(other).cmp(&newest(one)).then(other.number.cmp(&one.number))
        }),
    }
}

fn agents(status: &Status) -> String {
    let busy = status.agents.iter().filter(|agent| agent.state == "busy").count();
    format!("{busy}/{}", status.agents.len())
}

fn spent(around: &Around) -> String {
    match (around.spent_usd, around.budget_usd) {
        (None, _) => String::new(),
        (Some(usd), budget) if budget > 0.0 => format!("{} of {budget:.0} today", money(usd)),
        (Some(usd), _) => format!("{} today", money(usd)),
    }
}

/// What needs a person, the oldest first.
fn strip(status: &Status) -> (usize, String) {
    let mut stories: Vec<&StoryView> = status
        .stories
        .iter()
        .filter(|story| story.stage != Stage::Archived.name() && needs_you(story.state))
        .collect();
    stories.sort_by(|one, other| one.since.cmp(&other.since));
    let items = stories.iter().take(STRIP_MAX).map(|story| {
        let action = action(story.state);
        Need {
            id: &story.id,
            name: &story.name,
            label: label(story),
            chip: chip(story.state, false),
            action,
            tab: if action.act.starts_with('/') { action.act } else { "" },
        }
    });
    let strip = Strip { items: items.collect(), rest: stories.len().saturating_sub(STRIP_MAX) };
    (stories.len(), strip.render().expect("writing to a string does not fail"))
}

/// What a person typed into the filter: words that must all be found, in id, title, kind, agent or labels.
struct Filter {
    words: Vec<String>,
    nothing: bool,
}

impl Filter {
    fn parse(text: &str) -> Self {
        let words = text.split_whitespace().map(str::to_lowercase).collect();
        Self { words, nothing: text.len() > FILTER_LEN_MAX }
    }

    fn lets(&self, story: &StoryView) -> bool {
        !self.nothing && self.words.iter().all(|word| Self::has(story, word))
    }

    fn has(story: &StoryView, word: &str) -> bool {
        let is = |text: &str| text.to_lowercase().contains(word);
        match word.split_once(':') {
            Some(("is", "needs")) => needs_you(story.state),
            Some(("is", state)) => story.state.name() == state,
            Some(("label", label)) => story.labels.iter().any(|one| one.to_lowercase() == label),
            Some(("agent", agent)) => story.agent.as_ref().is_some_and(|one| one.to_lowercase() == agent),
            Some(("kind", kind)) => story.kind == kind,
            _ => {
                is(&story.id)
                    || is(&story.name)
                    || is(&story.kind)
                    || story.agent.as_deref().is_some_and(is)
                    || story.labels.iter().any(|label| is(label))
            }
        }
    }
}
