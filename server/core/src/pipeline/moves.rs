//! Files that change their stage: storkit's own moves, and a person's, which are always accepted.

use std::sync::Arc;

use super::Pipeline;
use super::track::{Wait, Work};
use crate::board::Placement;
use crate::effect::{Effect, MoveOrder, Topic};
use crate::facts::{Edit, MoveEnd};
use crate::ids::StoryId;
use crate::sighting::FileKey;
use crate::stage::Stage;
use crate::story::{HOLD_MOVED_BACK, Problem, Story};

/// How long to wait before a move that the file system refused is tried again.
const RETRY_MOVE_MS: u64 = 5_000;

impl Pipeline {
    /// Moves a story's file by storkit's own decision.
    pub(super) fn move_to(&mut self, id: &StoryId, to: Stage) {
        let Some(from) = self.board.stage(id) else { return };
        if from == to {
            return;
        }
        let op = self.begin(id, |op| Work::Moving(op, to));
        self.track_mut(id).change().moving = Some(to);
        self.out.push(Effect::Move(op, MoveOrder { story: id.clone(), from, to }));
    }

    /// Whether what the story waits for is still to be waited for, such as a folder that refused a move.
    pub(super) fn waits_still(&self, id: &StoryId) -> bool {
        let wait = self.tracks.get(id).and_then(|track| track.wait.as_ref());
        wait.is_some_and(|wait| wait.again_ms.is_none_or(|at| self.now.mono_ms < at))
    }

    pub(super) fn moved(&mut self, id: &StoryId, to: Stage, end: MoveEnd) {
        let (seq, now, wall) = (self.seq, self.now.mono_ms, self.now.wall);
        self.track_mut(id).change().moving = None;
        match end {
            MoveEnd::Moved => {
                let from = self.relocate(id, to);
                let track = self.track_mut(id);
                track.stale_before = seq;
                track.enter(to, wall);
                track.memory.by_person = false;
                if to == Stage::Done {
                    track.change().rejections = 0;
                    self.out.push(Effect::Landed(id.clone(), self.push_remote()));
                }
                self.tell_moved(id, from, to);
                self.entered(id, to);
                self.rescan(id);
            }
            MoveEnd::SourceGone => self.look_again(id),
            MoveEnd::TargetTaken => {
                let taken = format!(".storkit/work/{}/{}", to.folder(), id.file_name());
                self.track_mut(id).wait = Some(Wait {
                    what: "taken",
                    detail: format!("cannot move to {to}: {taken} exists already"),
                    hint: Some("move or rename that file".to_owned()),
                    again_ms: Some(now + RETRY_MOVE_MS),
                });
                self.look_again(id);
            }
            MoveEnd::Failed(why) => {
                self.track_mut(id).wait = Some(Wait {
                    what: "board",
                    detail: format!("cannot move to {to}: {why}"),
                    hint: Some("mend the folder's permissions or free disk space".to_owned()),
                    again_ms: Some(now + RETRY_MOVE_MS),
                });
                self.look_again(id);
            }
        }
    }

    fn tell_moved(&mut self, id: &StoryId, from: Option<Stage>, to: Stage) {
        let text = match from {
            Some(from) => format!("{from} → {to}"),
            None => format!("new in {to}"),
        };
        self.tell(Topic::Moved, Some(id), text);
    }

    /// Notes that a file is in another folder now. Returns where it was.
    pub(super) fn relocate(&mut self, id: &StoryId, to: Stage) -> Option<Stage> {
        let Placement::One(key) = self.board.placement(id) else { return None };
        let key = key.clone();
        let from = key.stage;
        let what = self.board.take(&key)?;
        let there = FileKey { stage: to, name: key.name };
        let what = match what.as_ref() {
            Ok(story) => Ok(Story { stage: to, ..story.clone() }),
            Err(problem) => Err(Problem { path: there.path(), ..problem.clone() }),
        };
        self.board.put(there, Arc::new(what));
        self.epics_stale = true;
        self.touched.insert(id.clone());
        Some(from)
    }

    /// Follows a move that a person made.
    pub(super) fn person_moved(&mut self, id: &StoryId, from: Stage, to: Stage) {
        let rejections_max = self.config.max_rejections;
        let wall = self.now.wall;
        let approval = from == Stage::Qa && to == Stage::Merge;
        let track = self.track_mut(id);
        // One by an agent is counted already, also where a crash hides that storkit made the move.
        let rejection = from == Stage::Qa && to == Stage::Current && !track.memory.rejecting;
        let landed = track.memory.landed.take().filter(|_| from == Stage::Merge);
        track.pending.clear();
        track.enter(to, wall);
        let memory = track.change();
        memory.by_person = true;
        memory.gather =
            matches!(to, Stage::Qa | Stage::Merge) && matches!(from, Stage::Backlog | Stage::Current);
        memory.landings_failed = 0;
        memory.mends = 0;
        memory.notes.clear();
        if approval || to == Stage::Done {
            memory.rejections = 0;
        }
        if rejection {
            memory.rejections += 1;
        }
        let rejections = memory.rejections;
        self.clear_own_keys(id);
        let own_words = self.story(id).is_some_and(|story| story.hold.is_some());
        if to == Stage::Backlog && !own_words {
            self.want(id, Edit::Hold(Some(HOLD_MOVED_BACK.to_owned())));
        }
        self.tell_moved(id, Some(from), to);
        if let Some(commit) = landed {
            // Base has its work: the landing is finished, and the file stays where the person put it.
            self.out.push(Effect::Landed(id.clone(), self.push_remote()));
            if !to.is_closed() {
                self.want(id, Edit::Blocked(Some(format!("landed as {}", commit.short()))));
            }
        }
        if rejection && rejections >= rejections_max {
            self.block(id, format!("rejected {rejections} times: see `## Review notes`"));
        }
        self.entered(id, to);
    }

    /// Takes away the keys that belonged to the stage that a story has left.
    fn clear_own_keys(&mut self, id: &StoryId) {
        let Some(story) = self.story(id) else { return };
        let mut edits = Vec::new();
        if story.blocked.is_some() {
            edits.push(Edit::Blocked(None));
        }
        if story.review_hold.is_some() {
            edits.push(Edit::ReviewHold(false));
        }
        if story.hold.as_ref().is_some_and(|hold| hold.value.is_storkits()) {
            edits.push(Edit::Hold(None));
        }
        for edit in edits {
            self.want(id, edit);
        }
    }

    /// What a story's arrival in a stage means for others.
    pub(super) fn entered(&mut self, id: &StoryId, stage: Stage) {
        if stage.is_closed() {
            self.promote_dependants(id);
        }
    }
}
