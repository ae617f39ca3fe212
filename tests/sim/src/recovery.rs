//! What a daemon must make of what the last one left undone: its moves are storkit's own, and its unwritten keys count.

use std::mem::discriminant;

use storkit_core::facts::Edit;
use storkit_core::ids::StoryId;
use storkit_core::invariants::{Checked, Violation};
use storkit_core::pipeline::Pipeline;
use storkit_core::sighting::FileKey;

use crate::world::World;

/// What the ledger says of a story that the last daemon was not done with.
#[derive(Debug)]
pub(crate) struct Left {
    story: StoryId,
    key: FileKey,
    visit: (u32, u32),
    /// The last daemon moved it there, and did not come to note so.
    own_move: bool,
    landings_failed: u32,
    /// What it had not written yet of a story that is where it was.
    unwritten: Vec<Edit>,
}

impl World {
    /// What the ledger has of stories whose file is in one place, and is not about to be settled by a landing.
    pub(crate) fn left_behind(&self) -> Vec<Left> {
        let mut left = Vec::new();
        for (story, (_, memory)) in &self.ledger.memory {
            let places = self.files.find(&story.file_name().into());
            let [key] = places.as_slice() else { continue };
            let file = &self.files.map[key];
            let here = Some(key.stage);
            let own_move = memory.moving == here && memory.stage != here && !file.by_person;
            let stayed = memory.stage == here && !self.git.landing.contains_key(story);
            let unwritten = if stayed { memory.unwritten.clone() } else { Vec::new() };
            if own_move || !unwritten.is_empty() {
                left.push(Left {
                    story: story.clone(),
                    key: key.clone(),
                    visit: file.visit(),
                    own_move,
                    landings_failed: memory.landings_failed,
                    unwritten,
                });
            }
        }
        left
    }

    /// Looks at each of them when the new daemon first follows it, unless somebody was faster.
    pub(crate) fn check_recovered(&mut self, pipe: &Pipeline) -> Checked {
        let mut waiting = Vec::new();
        for left in std::mem::take(&mut self.watch.left) {
            let same = self.files.map.get(&left.key).is_some_and(|file| file.visit() == left.visit);
            let Some(track) = pipe.track(&left.story).filter(|track| track.memory.stage.is_some()) else {
                if same {
                    waiting.push(left);
                }
                continue;
            };
            if !same || track.memory.stage != Some(left.key.stage) {
                continue;
            }
            let failed = track.memory.landings_failed;
            if left.own_move && (track.memory.by_person || failed < left.landings_failed) {
                let detail = format!("{} in {}", left.story, left.key.stage);
                return Err(Violation::new("storkit's own move is no person's", detail));
            }
            let kept = |edit: &Edit| {
                track.memory.unwritten.iter().any(|other| discriminant(other) == discriminant(edit))
            };
            if let Some(lost) = left.unwritten.iter().find(|edit| !kept(edit)) {
                let detail = format!("{}: {lost:?}", left.story);
                return Err(Violation::new("what was to be written counts after a restart", detail));
            }
        }
        self.watch.left = waiting;
        Ok(())
    }
}
