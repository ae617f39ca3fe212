//! The turn: after each event, every story that is not at rest is asked what it needs next.

use super::Pipeline;
use super::track::Work;
use crate::board::Placement;
use crate::effect::Effect;
use crate::ids::StoryId;
use crate::stage::Stage;
use crate::story::Kind;

/// Most rounds of one turn; a story needs two or three, and what is left has its turn with the next event.
const ROUNDS_MAX: usize = 16;

impl Pipeline {
    pub(super) fn turn(&mut self) {
        if self.stopped {
            return;
        }
        if self.cycles_stale {
            self.cycles = crate::graph::cycles(&self.board);
            self.cycles_stale = false;
        }
        if self.offline {
            self.look_around();
            return;
        }
        self.settle_intents();
        self.sweep();
        // What one story does may touch others, or want a write: they have their turn at once.
        for _ in 0..ROUNDS_MAX {
            self.round();
            if self.touched.is_empty() {
                break;
            }
        }
        self.stop_when_idle();
    }

    /// Ends the daemon that is to end, once nothing is in flight; also before the first look is over.
    pub(super) fn stop_when_idle(&mut self) {
        if self.stopping.is_some() && self.ops.is_empty() && !self.stopped {
            self.stopped = true;
            self.out.push(Effect::Stop);
        }
    }

    fn round(&mut self) {
        if std::mem::take(&mut self.epics_stale) {
            let open =
                self.board.stories().filter(|story| story.kind == Kind::Epic && !story.stage.is_closed());
            self.touched.extend(open.map(|story| story.id.clone()));
        }
        let mut restless = std::mem::take(&mut self.restless);
        restless.append(&mut self.touched);
        let mut ready = Vec::new();
        for id in &restless {
            if self.sync(id) && !self.write(id) {
                ready.push(id.clone());
            }
        }
        ready.sort_by_cached_key(|id| self.turn_order(id));
        for id in &ready {
            self.take_answer(id);
            // An answer that was just taken leaves the file before its run begins.
            if !self.write(id) {
                self.step(id);
            }
        }
        self.awake = true;
        for id in restless {
            self.save(&id);
            self.show(&id);
            if self.is_restless(&id) {
                self.restless.insert(id);
            }
        }
    }

    /// What is nearer to its end goes first; in a stage, by priority, number and id.
    fn turn_order(&self, id: &StoryId) -> (std::cmp::Reverse<Option<Stage>>, u8, u64) {
        let stage = std::cmp::Reverse(self.board.stage(id));
        let story = self.story(id);
        let (priority, number) =
            story.map_or((u8::MAX, u64::MAX), |story| (story.order().0, story.order().1));
        (stage, priority, number)
    }

    /// Lets a story that is free go on from where it is.
    fn step(&mut self, id: &StoryId) {
        let Some(story) = self.story(id) else { return };
        if self.stopping.is_some() || !self.tracks.get(id).is_some_and(super::track::Track::is_free) {
            return;
        }
        if story.kind == Kind::Epic {
            self.step_epic(id);
            return;
        }
        match story.stage {
            Stage::Backlog => self.step_backlog(id),
            Stage::Current => self.step_current(id),
            Stage::Qa => self.step_qa(id),
            Stage::Merge => self.step_merge(id),
            Stage::Done => self.step_done(id),
            Stage::Archived => {}
        }
    }

    /// Whether a story must be looked at in the next turn though nothing touched it.
    fn is_restless(&self, id: &StoryId) -> bool {
        let Some(track) = self.tracks.get(id) else { return false };
        let stage = match self.board.placement(id) {
            Placement::One(key) if track.gone_since_ms.is_none() => key.stage,
            Placement::One(_) | Placement::Absent | Placement::Many(_) => return true,
        };
        matches!(stage, Stage::Current | Stage::Qa | Stage::Merge)
            || track.work != Work::None
            || track.look_since.is_some()
            || track.wait.as_ref().and_then(|wait| wait.again_ms).is_some_and(|at| at > self.now.mono_ms)
            || !track.pending.is_empty()
            || track.memory.stage != Some(stage)
            || (stage == Stage::Backlog && self.is_promotable(id))
            || (stage == Stage::Done && track.branch && !track.closed)
    }

    /// Hands the story's memory to the ledger where it changed.
    fn save(&mut self, id: &StoryId) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        let writing: &[_] = if let Work::Editing(_, edits) = &track.work { edits } else { &[] };
        if track.memory.unwritten.iter().ne(writing.iter().chain(&track.pending)) {
            track.memory.unwritten = writing.iter().chain(&track.pending).cloned().collect();
            track.saved = false;
        }
        if !track.saved {
            track.saved = true;
            self.out.push(Effect::Remember(id.clone(), Some(Box::new(track.memory.clone()))));
        }
    }

    /// Notes since when the story is in the state that it shows.
    pub(super) fn show(&mut self, id: &StoryId) {
        let state = self.state_of(id);
        let wall = self.now.wall;
        if let (Some(track), Some(state)) = (self.tracks.get_mut(id), state)
            && track.shown.is_none_or(|(shown, _)| shown != state)
        {
            let since =
                if track.shown.is_none() && track.memory.entered.0 > 0 { track.memory.entered } else { wall };
            // What is shown for the first time was told of when its file was seen.
            let is_change = track.shown.replace((state, since)).is_some();
            if is_change {
                self.look_changed(id);
            }
        }
    }
}
