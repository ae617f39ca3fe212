//! Which stories stand in which column, in which order, and where the cursor is. Pure.
//!
//! Nothing moves under the hand: a change of state reorders nothing, and the cursor stays with its story, or, where
//! that has gone elsewhere by itself, at its place.

use storkit_core::snapshot::{State, StoryView};
use storkit_core::stage::Stage;

use super::model::{Model, index, stage_of};

/// How long after a person's own move the cursor goes along with the story.
const FOLLOWED: jiff::SignedDuration = jiff::SignedDuration::from_secs(3);
/// Rows of a card.
pub(super) const CARD_ROWS: u16 = 3;

/// The columns: for each stage the places of its stories in the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cards {
    /// What is shown.
    pub(super) columns: [Vec<usize>; 6],
    /// How many there are, without the filter.
    pub(super) totals: [usize; 6],
}

/// Where a column stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The selected story.
    pub(super) id: Option<String>,
    /// Its place in the column.
    pub(super) row: usize,
    /// The first card that is shown.
    pub(super) top: usize,
}

impl Cards {
    /// Sorts stories into columns.
    pub(super) fn of(stories: &[StoryView], filter: &str) -> Self {
        let mut cards = Self::default();
        let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
        for (at, story) in stories.iter().enumerate() {
            let column = index(stage_of(story));
            cards.totals[column] += 1;
            if words.iter().all(|word| fits(story, word)) {
                cards.columns[column].push(at);
            }
        }
        // As the status has them, by priority and number, where two came at once; what nobody saw come stands first.
        for stage in [Stage::Current, Stage::Qa] {
            cards.columns[index(stage)].sort_by_key(|at| stories[*at].entered.as_deref());
        }
        cards.columns[index(Stage::Merge)].sort_by_key(|at| stories[*at].state != State::Merging);
        for stage in [Stage::Done, Stage::Archived] {
            cards.columns[index(stage)].sort_by(|a, b| {
                let key = |at: &usize| (stories[*at].since.as_deref(), stories[*at].number);
                key(b).cmp(&key(a))
            });
        }
        cards
    }
}

/// Whether a story has a word of the filter: in its id, title, state, agent or kind, or as `#label`.
fn fits(story: &StoryView, word: &str) -> bool {
    if let Some(label) = word.strip_prefix('#') {
        return story.labels.iter().any(|known| known.to_lowercase().starts_with(label));
    }
    let texts = [Some(&story.id), Some(&story.name), story.agent.as_ref(), Some(&story.kind)];
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(word))
        || story.state.name() == word
        || story.labels.iter().any(|label| label.to_lowercase() == word)
}

impl Model {
    /// Sorts the stories anew and puts the cursors where they belong.
    pub(super) fn sort(&mut self) {
        self.cards = Cards::of(self.stories(), &self.filter);
        self.follow = self.follow.take().filter(|(_, since)| self.now.duration_since(*since) < FOLLOWED);
        if let Some((id, _)) = self.follow.clone()
            && let Some(story) = self.story(&id)
            && stage_of(story) != self.stage
        {
            // A person's own move takes the cursor along, also where the story goes straight on from there.
            self.stage = stage_of(story);
            self.cursors[index(self.stage)].id = Some(id);
        }
        for stage in Stage::ALL {
            self.place(stage);
        }
    }

    fn place(&mut self, stage: Stage) {
        let at = index(stage);
        let ids: Vec<&str> =
            self.cards.columns[at].iter().map(|story| self.stories()[*story].id.as_str()).collect();
        let cursor = &self.cursors[at];
        let kept = cursor.id.as_deref().and_then(|id| ids.iter().position(|known| *known == id));
        let row = kept.unwrap_or_else(|| cursor.row.min(ids.len().saturating_sub(1)));
        let id = ids.get(row).map(|id| (*id).to_owned());
        let cursor = &mut self.cursors[at];
        (cursor.id, cursor.row) = (id, row);
    }

    /// Moves the cursor of the selected column.
    pub(super) fn step(&mut self, by: isize) {
        let at = index(self.stage);
        let last = self.cards.columns[at].len().saturating_sub(1);
        let cursor = &mut self.cursors[at];
        cursor.row = cursor.row.saturating_add_signed(by).min(last);
        cursor.id = None;
        self.place(self.stage);
    }

    /// Puts the cursor on a story; false where the filter hides it or it is gone.
    pub(super) fn go_to(&mut self, id: &str) -> bool {
        let Some(stage) = self.story(id).map(stage_of) else { return false };
        let stories = self.stories();
        if !self.cards.columns[index(stage)].iter().any(|at| stories[*at].id == id) {
            return false;
        }
        self.stage = stage;
        self.cursors[index(stage)].id = Some(id.to_owned());
        self.place(stage);
        true
    }

    /// Scrolls each column so that its cursor is seen, and no further than its end.
    pub(super) fn scroll(&mut self, rows: impl Fn(usize) -> usize) {
        for at in 0..self.cursors.len() {
            let (fits, len) = (rows(at).max(1), self.cards.columns[at].len());
            let cursor = &mut self.cursors[at];
            let lowest = cursor.row.saturating_sub(fits - 1);
            cursor.top = cursor.top.clamp(lowest, cursor.row).min(len.saturating_sub(fits));
        }
    }
}
