//! What the terminal board's cards say besides the status: which gate runs, and how large a story's work is.
//!
//! Read from the gates' logs and from git, for stories that are in gates or in review, and for no others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use storkit_core::config::{Config, GateStage};
use storkit_core::ids::{Oid, StoryId};
use storkit_core::snapshot::{State, Status, StoryView};

use crate::board::Layout;
use crate::gates;
use crate::git::{Repo, diff_size};
use crate::tui::Figures;

/// Most differences that one look measures; the next look measures more.
const SIZES_PER_LOOK: usize = 8;
/// Most differences that are remembered.
const SIZES_MAX: usize = 1_000;

/// Lines added and removed, and the files in which.
type Size = (usize, usize, usize);

/// Differences that were measured, by the two commits.
#[derive(Debug, Default)]
pub(super) struct Sizes(Mutex<BTreeMap<(Oid, Oid), Size>>);

/// What the figures are read from.
pub(super) struct Around<'a> {
    /// The main checkout.
    pub(super) root: &'a Path,
    /// The configuration in force.
    pub(super) config: &'a Config,
    /// The repository, where it can be read.
    pub(super) repo: Option<&'a Repo>,
    /// Base's commit.
    pub(super) base: Option<&'a Oid>,
}

impl Around<'_> {
    /// The figures of the stories that have any.
    pub(super) fn figures(&self, status: &Status, sizes: &Sizes) -> BTreeMap<String, Figures> {
        let mut left = SIZES_PER_LOOK;
        let mut figures = BTreeMap::new();
        for story in &status.stories {
            let own = match story.state {
                State::Gating => Figures { gates: self.gates(story, GateStage::Current), diff: None },
                State::Merging => Figures { gates: self.gates(story, GateStage::Merge), diff: None },
                State::Review => Figures { gates: None, diff: self.size(story, sizes, &mut left) },
                _ => continue,
            };
            if own != Figures::default() {
                figures.insert(story.id.clone(), own);
            }
        }
        figures
    }

    /// The how-manieth gate runs: so many have a log of this round.
    fn gates(&self, story: &StoryView, stage: GateStage) -> Option<(usize, usize)> {
        let run = story.run.as_deref()?;
        let since: Timestamp = story.since.as_deref()?.parse().ok()?;
        let id: StoryId = StoryId::new(&story.id).ok()?;
        let of = self.config.gates_at(stage).count();
        let begun = gates::begun(&Layout::new(self.root).logs_of(&id), run, since);
        (of > 0 && begun > 0).then_some((begun.min(of), of))
    }

    fn size(&self, story: &StoryView, sizes: &Sizes, left: &mut usize) -> Option<Size> {
        let repo = self.repo?;
        let key = (self.base?.clone(), repo.branch_tip(story.branch.as_deref()?).ok()??);
        let mut known = sizes.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(size) = known.get(&key) {
            return Some(*size);
        }
        *left = left.checked_sub(1)?;
        let size = diff_size(repo, &key.0, &key.1).ok()?;
        if known.len() >= SIZES_MAX {
            known.clear();
        }
        known.insert(key, size);
        Some(size)
    }
}
