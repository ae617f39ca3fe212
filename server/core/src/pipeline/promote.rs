//! Stories that move on by themselves: out of the backlog when what they wait for is closed, epics when all of
//! theirs are, and the sweep from done to archived.

use super::Pipeline;
use crate::board::Named;
use crate::ids::StoryId;
use crate::stage::Stage;
use crate::story::Story;

/// How often done is looked through for stories to put away.
const SWEEP_MS: u64 = 60_000;

impl Pipeline {
    /// Whether a story of the backlog has nothing left to wait for but room and a person's leave.
    pub(super) fn is_promotable(&self, id: &StoryId) -> bool {
        self.config.board.auto_promote
            && self.tracks.get(id).is_some_and(|track| track.promote)
            && self.story(id).is_some_and(|story| !story.depends_on.is_empty())
            && self.waits_for(id).is_empty()
    }

    pub(super) fn step_backlog(&mut self, id: &StoryId) {
        if !self.is_promotable(id) {
            return;
        }
        let room = self.config.board.wip_current == 0
            || self.board.files_in(Stage::Current).count()
                < usize::try_from(self.config.board.wip_current).unwrap_or(usize::MAX);
        if room && self.obstacles(id).is_empty() {
            self.move_to(id, Stage::Current);
        }
    }

    /// A story became closed: those in the backlog that waited for it may move on.
    pub(super) fn promote_dependants(&mut self, closed: &StoryId) {
        let waiting: Vec<StoryId> = self
            .board
            .files_in(Stage::Backlog)
            .filter_map(|(_, what)| what.as_ref().as_ref().ok())
            .filter(|story| {
                story
                    .depends_on
                    .iter()
                    .any(|name| self.board.named(&name.value) == Named::One(closed.clone()))
            })
            .map(|story| story.id.clone())
            .collect();
        for id in waiting {
            if let Some(track) = self.tracks.get_mut(&id) {
                track.promote = true;
                self.touched.insert(id);
            }
        }
    }

    /// Moves an epic to done whose stories, at least one, are all closed.
    pub(super) fn step_epic(&mut self, id: &StoryId) {
        let open = self.board.stage(id).is_some_and(|stage| !stage.is_closed());
        if open && self.obstacles(id).is_empty() && self.all_closed(id) {
            self.move_to(id, Stage::Done);
        }
    }

    fn all_closed(&self, epic: &StoryId) -> bool {
        let mut any = false;
        let all = self.board.stories().filter(|story| self.is_of(story, epic)).all(|story| {
            any = true;
            story.stage.is_closed()
        });
        any && all
    }

    /// Whether a story names that epic.
    pub(super) fn is_of(&self, story: &Story, epic: &StoryId) -> bool {
        story.epic.as_ref().is_some_and(|name| self.board.named(&name.value) == Named::One(epic.clone()))
    }

    fn sweep_every_ms(&self) -> u64 {
        (self.config.board.archive_after_ms / 4).clamp(1_000, SWEEP_MS)
    }

    /// When done is to be looked through next; none while nothing is there, or nothing may be moved.
    pub(super) fn next_sweep_ms(&self) -> Option<u64> {
        let any = self.board.files_in(Stage::Done).next().is_some();
        let may = self.pause.is_none() && self.stopping.is_none();
        (any && may).then(|| self.swept_ms + self.sweep_every_ms())
    }

    /// Puts away what has been done for long enough.
    pub(super) fn sweep(&mut self) {
        let now = self.now;
        if now.mono_ms < self.swept_ms + self.sweep_every_ms()
            || self.pause.is_some()
            || self.stopping.is_some()
        {
            return;
        }
        self.swept_ms = now.mono_ms;
        let after = i64::try_from(self.config.board.archive_after_ms).unwrap_or(i64::MAX);
        let old: Vec<StoryId> = self
            .board
            .files_in(Stage::Done)
            .filter_map(|(key, _)| crate::board::id_of(key))
            .filter(|id| self.board.stage(id).is_some())
            .filter(|id| {
                self.tracks.get(id).is_some_and(|track| {
                    let memory = &track.memory;
                    track.is_free()
                        && (track.closed || !track.branch)
                        && memory.stage == Some(Stage::Done)
                        && now.wall.0.saturating_sub(memory.entered.0) >= after
                })
            })
            .collect();
        for id in old {
            self.move_to(&id, Stage::Archived);
        }
    }
}
