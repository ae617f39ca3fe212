//! What cards say beyond the snapshot: what a running agent did last, what a question asks, which gate runs, and how
//! much there is to review.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use storkit_core::config::GateStage;
use storkit_core::patch::{self, FilePatch};
use storkit_core::snapshot::{State, Status, StoryView};

use super::ui::place;
use super::{Compare, Service};
use crate::web::{self, Figures, Told};

/// Most cards whose words are looked up for one answer; others say what the snapshot says.
const LOOKS_MAX: usize = 24;
/// Most cards whose work is counted for one answer, since git has to do that; the others are counted for the next.
const COUNTS_MAX: usize = 4;
/// Most counts that are remembered.
const COUNTED_MAX: usize = 256;
/// Longest text of a card, in characters.
const WORDS_MAX: usize = 200;

/// Figures of work that waits for a review, by its story, its run and since when it waits.
type Counted = HashMap<(String, Option<String>, Option<String>), Figures>;

/// What was found out for cards.
#[derive(Debug, Default)]
pub(super) struct Cards(Mutex<Counted>);

impl Cards {
    /// By id, what cards say besides the snapshot.
    pub(super) async fn tell<S: Service>(&self, service: &S, status: &Status) -> BTreeMap<String, Told> {
        let mut all = BTreeMap::new();
        let (mut looks, mut counts) = (LOOKS_MAX, COUNTS_MAX);
        for story in &status.stories {
            let told = match story.state {
                State::Review => {
                    Told { figures: self.figures(service, story, &mut counts).await, ..Told::default() }
                }
                State::Running | State::Question | State::Gating | State::Merging if looks > 0 => {
                    looks -= 1;
                    look(service, story).await
                }
                _ => continue,
            };
            all.insert(story.id.clone(), told);
        }
        all
    }

    async fn figures<S: Service>(&self, service: &S, story: &StoryView, left: &mut usize) -> Option<Figures> {
        let key = (story.id.clone(), story.run.clone(), story.since.clone());
        if let Some(figures) = self.counted().get(&key) {
            return Some(*figures);
        }
        *left = left.checked_sub(1)?;
        let (id, _) = place(story).ok()?;
        let work = service.work(id, Compare::default()).await.ok()?;
        let count = |mut sum: Figures, file: FilePatch<'_>| {
            let (added, removed) = file.size();
            (sum.added, sum.removed, sum.files) = (sum.added + added, sum.removed + removed, sum.files + 1);
            sum
        };
        let figures = patch::files(&work.diff).fold(Figures::default(), count);
        let mut counted = self.counted();
        if counted.len() >= COUNTED_MAX {
            counted.clear();
        }
        counted.insert(key, figures);
        Some(figures)
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look<S: Service>(service: &S, story: &StoryView) -> Told {
    let run = story.run.clone();
    let words = match (story.state, run) {
        (State::Running, Some(run)) if story.reason.is_none() => service.activity(run).await,
        (State::Question, _) => service.file(story).await.and_then(|file| web::asked(&file.text)),
        _ => None,
    };
    let words = words.map(|words| words.chars().take(WORDS_MAX).collect());
    let event = (story.state == State::Merging).then(|| service.last_of(&story.id)).flatten();
    let phase =
        (story.state == State::Merging).then(|| phase(event.as_deref().map(|line| line.text.as_str())));
    let stage = if story.state == State::Merging { GateStage::Merge } else { GateStage::Current };
    let gate = match (story.state, story.run.clone()) {
        (State::Gating, Some(run)) => service.gating(run, stage, story.since.clone()).await,
        (State::Merging, Some(run)) if phase != Some(SQUASH) => {
            service.gating(run, stage, story.since.clone()).await
        }
        _ => None,
    };
    Told { words, gate, figures: None, phase }
}

/// What is done to a story that lands before its gates.
const SQUASH: &str = "squash";

/// What is done to a story that lands, by the last event about it.
fn phase(last: Option<&str>) -> &'static str {
    match last {
        Some(text) if text.starts_with("merge gates on ") => "gates on base itself",
        Some(text) if text.starts_with("merge gates") => "gates on the squash",
        _ => SQUASH,
    }
}
