//! `5_done`: worktree and branch go once their work is on base; what cannot go is kept, and said.

use super::Pipeline;
use super::track::Work;
use crate::effect::{Effect, Topic};
use crate::facts::CloseEnd;
use crate::ids::StoryId;

/// How long to wait before leftovers that were kept are looked at again.
const KEPT_AGAIN_MS: u64 = 60_000;

impl Pipeline {
    pub(super) fn step_done(&mut self, id: &StoryId) {
        let now = self.now.mono_ms;
        let Some(track) = self.tracks.get(id) else { return };
        let waits = track.wait.as_ref().and_then(|wait| wait.again_ms).is_some_and(|at| now < at);
        if track.closed || !track.branch || waits || self.pause.is_some() {
            return;
        }
        let config = self.config.clone();
        let op = self.begin(id, Work::Closing);
        self.out.push(Effect::Close(op, id.clone(), config));
    }

    pub(super) fn closed(&mut self, id: &StoryId, end: CloseEnd) {
        let now = self.now.mono_ms;
        match end {
            CloseEnd::Closed | CloseEnd::Nothing => {
                let track = self.track_mut(id);
                track.closed = true;
                track.branch = false;
                track.worktree = None;
                track.kept = None;
                track.wait = None;
                self.branches.remove(id);
            }
            CloseEnd::Kept(why) => {
                let track = self.track_mut(id);
                let said = track.kept.as_ref() == Some(&why);
                track.kept = Some(why.clone());
                track.wait = Some(Self::gone_wait(why.clone(), now + KEPT_AGAIN_MS));
                if !said {
                    self.tell(Topic::Closed, Some(id), format!("worktree and branch are kept: {why}"));
                }
            }
        }
    }
}
