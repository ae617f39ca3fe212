//! What a daemon must make of what the last one left undone: its moves are storkit's own, and its unwritten keys count.

use std::collections::BTreeSet;
use std::mem::discriminant;

use storkit_core::effect::Effect;
use storkit_core::facts::Edit;
use storkit_core::ids::StoryId;
use storkit_core::invariants::{Checked, Violation};
use storkit_core::pipeline::Pipeline;
use storkit_core::sighting::FileKey;

use crate::world::World;

/// What ledger and git say of a story that the last daemon was not done with.
#[derive(Debug)]
pub(crate) struct Left {
    story: StoryId,
    key: FileKey,
    visit: (u32, u32),
    /// The last daemon moved it there, and did not come to note so.
    own_move: bool,
    landings_failed: u32,
    /// Base has its work, and the record of its landing says so.
    landed: bool,
    /// What it had not written yet of a story that is where it was.
    unwritten: Vec<Edit>,
}

impl World {
    /// What there is of stories whose file is in one place.
    pub(crate) fn left_behind(&self) -> Vec<Left> {
        let mut left = Vec::new();
        let stories: BTreeSet<_> = self.ledger.memory.keys().chain(self.git.landing.keys()).collect();
        for story in stories {
            let memory = self.ledger.memory.get(story).map(|(_, memory)| memory.clone()).unwrap_or_default();
            let places = self.files.find(&story.file_name().into());
            let [key] = places.as_slice() else { continue };
            let file = &self.files.map[key];
            let here = Some(key.stage);
            let landed = self.git.landing.get(story).is_some_and(|commit| self.git.on_base(commit));
            let own_move = memory.moving == here && memory.stage != here && !file.by_person;
            let unwritten = if memory.stage == here && !landed { memory.unwritten } else { Vec::new() };
            if own_move || landed || !unwritten.is_empty() {
                left.push(Left {
                    story: story.clone(),
                    key: key.clone(),
                    visit: file.visit(),
                    own_move,
                    landings_failed: memory.landings_failed,
                    landed,
                    unwritten,
                });
            }
        }
        left
    }

    /// Looks at each of them when the new daemon first follows it, unless somebody was faster.
    pub(crate) fn check_recovered(&mut self, pipe: &Pipeline, effects: &[Effect]) -> Checked {
        let mut waiting = Vec::new();
        for left in std::mem::take(&mut self.watch.left) {
            let same = self.files.map.get(&left.key).is_some_and(|file| file.visit() == left.visit);
            let Some(track) = pipe.track(&left.story).filter(|track| track.memory.stage.is_some()) else {
                if same {
                    waiting.push(left);
                }
                continue;
            };
            let told =
                effects.iter().any(|effect| matches!(effect, Effect::Landed(id, _) if *id == left.story));
            if same && left.landed && track.memory.landed.is_none() && !told {
                let detail = format!("{} in {}", left.story, left.key.stage);
                return Err(Violation::new("what landed counts after a restart (I8)", detail));
            }
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
