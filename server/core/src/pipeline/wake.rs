//! When the pipeline must be asked again though nothing happens.

use super::track::Track;
use super::{Pipeline, SETTLE_MS};
use crate::ids::StoryId;

impl Pipeline {
    /// The next moment, in milliseconds of the monotonic clock, at which `Event::Woken` changes something.
    pub fn next_wake(&self) -> Option<u64> {
        if self.stopped || !self.awake {
            return None;
        }
        let timers = self
            .restless
            .iter()
            .filter_map(|id| Some((id, self.tracks.get(id)?)))
            .flat_map(|(id, track)| self.timers(id, track))
            .flatten();
        timers
            .filter(|at| *at > self.now.mono_ms)
            .chain(self.next_sweep_ms())
            .chain(self.next_intent_ms())
            .chain(self.next_limit_ms())
            .min()
    }

    fn timers(&self, id: &StoryId, track: &Track) -> [Option<u64>; 5] {
        [
            track.wait.as_ref().and_then(|wait| wait.again_ms),
            track.not_before_ms,
            track.gone_since_ms.map(|at| at + SETTLE_MS),
            track.double_since_ms.map(|at| at + SETTLE_MS),
            self.answer_due_ms(id),
        ]
    }

    /// When the answer in a story's file may be taken; none where it has none that is waited for.
    fn answer_due_ms(&self, id: &StoryId) -> Option<u64> {
        let (story, track) = (self.story(id)?, self.tracks.get(id)?);
        let waits = story.answered && Self::question_is_open(story, track);
        waits.then(|| track.answer_due_ms(self.config.answer_settle_ms))
    }

    /// Whether nothing is left to do without a person: what `up --once` waits for.
    pub fn is_quiet(&self) -> bool {
        let timed = |(id, track): (&StoryId, &Track)| {
            let retry = track.not_before_ms.is_some_and(|at| at > self.now.mono_ms);
            let settling = track.gone_since_ms.is_some()
                || track.look_since.is_some()
                || track.double_since_ms.is_some_and(|at| self.now.mono_ms < at + SETTLE_MS);
            let soon = track.wait.as_ref().is_some_and(|wait| {
                let again = wait.again_ms.is_some_and(|at| at > self.now.mono_ms);
                again && matches!(wait.what, "git" | "gates" | "board" | "landing")
            });
            let answered = self.answer_due_ms(id).is_some();
            retry
                || self.waits_for_limit(id)
                || settling
                || soon
                || answered
                || !track.pending.is_empty() && track.unwritable.is_none()
        };
        self.awake
            && self.ops.is_empty()
            && self.next_intent_ms().is_none()
            && self
                .restless
                .iter()
                .filter_map(|id| Some((id, self.tracks.get(id)?)))
                .all(|story| !timed(story))
    }
}
