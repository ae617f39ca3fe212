//! Keys that storkit writes into stories: wanted at once, written when the file lets it, never against a person.

use super::Pipeline;
use super::track::{Wait, Work};
use crate::board::Placement;
use crate::effect::{EditOrder, Effect, Topic};
use crate::facts::{Edit, EditEnd};
use crate::ids::StoryId;
use crate::leave::Verdict;
use crate::story::{Hold, Keyed, Place, Story};

/// How long to wait before a write that the file system refused is tried again.
const RETRY_WRITE_MS: u64 = 5_000;

impl Pipeline {
    /// Wants an edit of a story's file; it counts at once, and is written as soon as nothing else is in flight.
    pub(super) fn want(&mut self, id: &StoryId, edit: Edit) {
        let track = self.track_mut(id);
        track.pending.retain(|other| !same_key(other, &edit));
        track.pending.push(edit.clone());
        self.apply_in_memory(id, &edit);
        self.touched.insert(id.clone());
    }

    pub(super) fn apply_in_memory(&mut self, id: &StoryId, edit: &Edit) {
        let Placement::One(key) = self.board.placement(id) else { return };
        let key = key.clone();
        if let Some(Ok(story)) = self.board.content(&key).map(std::sync::Arc::as_ref) {
            let mut story = story.clone();
            apply(edit, &mut story);
            self.board.put(key, std::sync::Arc::new(Ok(story)));
        }
    }

    /// Stops a story for a person, unless the same reason was taken away by one.
    pub(super) fn block(&mut self, id: &StoryId, reason: impl Into<String>) {
        let reason = reason.into();
        let track = self.track_mut(id);
        if track.memory.declined.as_ref() == Some(&reason) {
            track.wait = Some(Wait {
                what: "declined",
                detail: format!("{reason} (`blocked` was taken away, its cause was not)"),
                hint: Some("change the story, or move it".to_owned()),
                again_ms: None,
            });
            return;
        }
        self.want(id, Edit::Blocked(Some(reason.clone())));
        self.tell(Topic::Blocked, Some(id), reason);
    }

    /// Writes what is wanted. Returns whether a write began.
    pub(super) fn write(&mut self, id: &StoryId) -> bool {
        let Some(stage) = self.board.stage(id) else { return false };
        let now = self.now.mono_ms;
        let Some(track) = self.tracks.get_mut(id) else { return false };
        let again = track.not_before_ms.is_some_and(|at| now < at) && track.unwritable.is_some();
        if track.pending.is_empty() || !track.asked.is_empty() || again || self.story(id).is_none() {
            return false;
        }
        let edits = std::mem::take(&mut self.track_mut(id).pending);
        let op = self.begin(id, |op| Work::Editing(op, edits.clone()));
        self.out.push(Effect::Edit(op, EditOrder { story: id.clone(), stage, edits }));
        true
    }

    pub(super) fn edited(&mut self, id: &StoryId, edits: Vec<Edit>, end: EditEnd) {
        let (seq, now) = (self.seq, self.now.mono_ms);
        match end {
            EditEnd::Written { content } => {
                self.track_mut(id).stale_before = seq;
                self.track_mut(id).unwritable = None;
                self.set_content(id, content);
                self.rescan(id);
            }
            // Away for a moment, or moved by a person, which ends what was wanted of it.
            EditEnd::SourceGone => {
                put_back(&mut self.track_mut(id).pending, edits);
                self.look_again(id);
            }
            EditEnd::Broken => {
                let track = self.track_mut(id);
                track.unwritable = Some("its front matter does not parse".to_owned());
                put_back(&mut track.pending, edits);
                self.look_again(id);
            }
            EditEnd::Failed(why) => {
                let track = self.track_mut(id);
                track.unwritable = Some(why);
                track.not_before_ms = Some(now + RETRY_WRITE_MS);
                put_back(&mut track.pending, edits);
            }
        }
    }

    fn set_content(&mut self, id: &StoryId, content: u64) {
        let Placement::One(key) = self.board.placement(id) else { return };
        let key = key.clone();
        if let Some(Ok(story)) = self.board.content(&key).map(std::sync::Arc::as_ref) {
            let story = Story { content, ..story.clone() };
            self.board.put(key, std::sync::Arc::new(Ok(story)));
        }
    }

    /// The file is not as it was believed to be: nothing is decided before it was looked at again. Scans of what
    /// storkit is doing are passed over, so a decision made at once could be made for ever.
    pub(super) fn look_again(&mut self, id: &StoryId) {
        let seq = self.seq;
        self.track_mut(id).look_since = Some(seq);
        self.rescan(id);
    }

    pub(super) fn rescan(&mut self, id: &StoryId) {
        let keys = crate::stage::Stage::ALL
            .map(|stage| crate::sighting::FileKey { stage, name: id.file_name().into() })
            .to_vec();
        self.out.push(Effect::Rescan(keys));
    }
}

/// Earlier edits go before later ones, which stand over them.
fn put_back(pending: &mut Vec<Edit>, edits: Vec<Edit>) {
    let later = std::mem::take(pending);
    *pending = edits;
    for edit in later {
        pending.retain(|other| !same_key(other, &edit));
        pending.push(edit);
    }
}

/// What an edit makes of a story, so that it counts before the file is read again.
pub(super) fn apply(edit: &Edit, story: &mut Story) {
    let place = Place { line: 1, column: 1 };
    match edit {
        Edit::Blocked(why) => story.blocked = why.clone().map(|value| Keyed { value, place }),
        Edit::Priority(priority) => story.priority = *priority,
        Edit::ReviewHold(held) => story.review_hold = held.then_some(place),
        Edit::Question(number) => {
            story.question = number.map(|value| Keyed { value, place });
            story.answered = false;
            story.verdict = None;
        }
        // A person's own words stand.
        Edit::OwnHold(_) if story.hold.as_ref().is_some_and(|hold| !hold.value.is_storkits()) => {}
        Edit::Hold(why) | Edit::OwnHold(why) => {
            story.hold = why.clone().map(|why| Keyed { value: Hold { why: Some(why) }, place });
        }
        Edit::Answer { text, .. } => {
            story.answered = true;
            story.verdict = Verdict::of_answer(text);
        }
        Edit::AppendQuestion { .. }
        | Edit::AppendRejection { .. }
        | Edit::Criterion { .. }
        | Edit::Text { .. } => {}
    }
}

/// Whether two edits are of one key or section, so that the later one stands.
pub(super) fn same_key(one: &Edit, other: &Edit) -> bool {
    let hold = |edit: &Edit| matches!(edit, Edit::Hold(_) | Edit::OwnHold(_));
    hold(one) && hold(other) || std::mem::discriminant(one) == std::mem::discriminant(other)
}
