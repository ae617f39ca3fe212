//! The daemon's own events: its start, a new configuration, its end; and stories that come and go.

use std::sync::Arc;

use super::track::{Track, Work};
use super::{GRACE_DOWN_MS, Pause, Pipeline, SETTLE_MS};
use crate::board::Placement;
use crate::config::Config;
use crate::effect::{Effect, Topic};
use crate::event::Start;
use crate::facts::Edit;
use crate::ids::StoryId;
use crate::stage::Stage;
use crate::story::Problem;

impl Pipeline {
    pub(super) fn take_start(&mut self, start: Start) {
        self.remembered = start.memory;
        self.branches = start.branches;
        self.spent = (self.now.wall.day(), start.spent_today_usd);
        self.landing.intents = start.intents;
        self.pause = start.paused.map(|why| Pause { by_git: why == super::scan::PAUSED_BY_GIT, why });
        self.take_limits(start.limits);
        self.started = true;
    }

    pub(super) fn take_config(&mut self, config: Arc<Config>, warnings: Vec<Problem>) {
        self.config_problems = warnings;
        self.drained.retain(|name, drain| config.agent(name) == Some(&drain.agent));
        self.config = config;
        let all: Vec<_> = self.tracks.keys().cloned().collect();
        self.touched.extend(all);
    }

    pub(super) fn take_shut_down(&mut self, now: bool) {
        let grace_ms = if now { 0 } else { GRACE_DOWN_MS };
        let first = self.stopping.is_none();
        self.stopping = Some(grace_ms);
        if first {
            self.tell(Topic::Paused, None, "storkit ends");
        }
        let busy: Vec<_> =
            self.tracks.iter().filter(|(_, track)| !track.is_free()).map(|(id, _)| id.clone()).collect();
        for id in busy {
            if now {
                self.track_mut(&id).abandoned = false;
            }
            self.cancel(&id, grace_ms);
        }
    }

    /// Compares where a story's file is with where storkit last acted on it. True when they agree and nothing
    /// is in flight, so that the story may go on.
    pub(super) fn sync(&mut self, id: &StoryId) -> bool {
        let now = self.now.mono_ms;
        match self.board.placement(id) {
            Placement::Absent => {
                self.absent(id, now);
                false
            }
            Placement::Many(_) => {
                let paused = self.git_paused();
                // Of a story that is first seen twice nothing is known yet, and what is remembered stays so.
                let unknown = || Track { saved: true, ..Track::default() };
                let track = self.tracks.entry(id.clone()).or_insert_with(unknown);
                let since = *track.double_since_ms.get_or_insert(now);
                track.gone_since_ms = None;
                if now >= since + SETTLE_MS && !paused {
                    self.cancel(id, super::GRACE_STOP_MS);
                }
                false
            }
            // Under another spelling it is another story, with a branch of its own; this one is gone.
            Placement::One(key) if crate::board::id_of(key).as_ref() != Some(id) => {
                self.absent(id, now);
                false
            }
            Placement::One(key) => {
                let stage = key.stage;
                self.present(id, stage)
            }
        }
    }

    fn absent(&mut self, id: &StoryId, now: u64) {
        let paused = self.git_paused();
        let Some(track) = self.tracks.get_mut(id) else { return };
        track.double_since_ms = None;
        let since = *track.gone_since_ms.get_or_insert(now);
        if now < since + SETTLE_MS || paused {
            return;
        }
        if track.is_free() {
            if track.memory.landed.take().is_some() {
                self.finish_deleted(id);
                return;
            }
            self.tracks.remove(id);
            self.out.push(Effect::Remember(id.clone(), None));
            self.tell(Topic::Moved, Some(id), "deleted; its branch and worktree stay until `storkit prune`");
        } else {
            self.cancel(id, super::GRACE_STOP_MS);
        }
    }

    fn present(&mut self, id: &StoryId, stage: Stage) -> bool {
        // A request may have made a track for a story that was gone, or before the first look.
        if self.tracks.get(id).is_none_or(|track| track.memory.stage.is_none()) {
            self.first_seen(id, stage);
        }
        let paused = self.git_paused();
        let track = self.track_mut(id);
        track.gone_since_ms = None;
        track.double_since_ms = None;
        let Some(from) = track.memory.stage else { return false };
        if from == stage {
            return track.is_free() && track.look_since.is_none();
        }
        if track.is_free() && track.memory.moving == Some(stage) {
            self.moved(id, stage, crate::facts::MoveEnd::Moved);
            return true;
        }
        let track = self.track_mut(id);
        if paused || matches!(track.work, Work::Moving(..)) {
            return false;
        }
        if track.is_free() {
            self.person_moved(id, from, stage);
            return true;
        }
        self.cancel(id, super::GRACE_STOP_MS);
        false
    }

    pub(super) fn first_seen(&mut self, id: &StoryId, stage: Stage) {
        let (wall, mono_ms) = (self.now.wall, self.now.mono_ms);
        let remembered = self.remembered.remove(id);
        let is_new = remembered.is_none();
        let asked = self.tracks.remove(id).unwrap_or_default();
        let mut track = Track {
            memory: remembered.unwrap_or_default(),
            saved: true,
            branch: self.branches.contains(id),
            changed_ms: mono_ms,
            asked: asked.asked,
            only_agent: asked.only_agent,
            stale_before: asked.stale_before,
            ..Track::default()
        };
        if track.memory.stage.is_none() {
            track.enter(stage, wall);
            track.memory.by_person = true;
            // A story at rest needs no memory; one that is lost is made again just so.
            track.saved = stage == Stage::Backlog || stage == Stage::Archived;
        }
        if track.memory.moving.take() == Some(stage) && track.memory.stage != Some(stage) {
            // The last daemon moved it, and did not come to note so.
            track.enter(stage, wall);
            track.memory.by_person = false;
        }
        track.promote = stage == Stage::Backlog;
        // What the last daemon did not come to write counts, and is written now.
        track.pending.clone_from(&track.memory.unwritten);
        self.tracks.insert(id.clone(), track);
        for edit in self.track_mut(id).pending.clone() {
            self.apply_in_memory(id, &edit);
        }
        self.afresh(id);
        if is_new && self.awake {
            self.entered(id, stage);
        }
    }

    pub(super) fn git_paused(&self) -> bool {
        self.pause.as_ref().is_some_and(|pause| pause.by_git)
    }

    /// Work whose own code failed: it is shown, and tried again after a while.
    pub(super) fn work_crashed(&mut self, id: &StoryId, work: Work, why: &str) {
        if let Work::Editing(_, edits) = work {
            self.edited(id, edits, crate::facts::EditEnd::Failed(why.to_owned()));
            return;
        }
        if let Work::Running(_, run) = &work {
            self.record_lost_run(id, run, why);
        }
        if let Work::Moving(..) = &work {
            self.look_again(id);
        }
        let now = self.now.mono_ms;
        let track = self.track_mut(id);
        track.crashes += 1;
        let crashes = track.crashes;
        track.not_before_ms = Some(now + 1000 * u64::from(crashes));
        if crashes >= CRASHES_MAX {
            self.want(id, Edit::Blocked(Some(format!("storkit itself failed {crashes} times: {why}"))));
        }
        self.tell(Topic::Problem, Some(id), format!("storkit itself failed: {why}"));
    }
}

/// Failures of storkit's own code in a row before the story is blocked.
const CRASHES_MAX: u32 = 3;
