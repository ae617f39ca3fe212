//! Scans: what is seen of the board becomes what is known, and changes by people are told from storkit's own.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Pause, Pipeline};
use crate::board::{Content, id_of};
use crate::effect::{Effect, Topic};
use crate::facts::Edit;
use crate::ids::StoryId;
use crate::sighting::{FileKey, Scan, Seen};
use crate::stage::Stage;
use crate::story::{Problem, Story};

/// Why storkit is paused when git changed the board.
pub(super) const PAUSED_BY_GIT: &str = "the board changed with git";

impl Pipeline {
    pub(super) fn take_scan(&mut self, mut scan: Scan) {
        let folders = scan.missing_folders.iter().map(|stage| missing_folder(*stage));
        self.board_problems = std::mem::take(&mut scan.problems).into_iter().chain(folders).collect();
        let absent =
            if scan.complete { self.not_in(&scan.present) } else { std::mem::take(&mut scan.absent) };
        let mut changed = false;
        self.looked(&scan, &absent);
        for key in &absent {
            changed |= !self.is_stale(key, scan.begin) && self.unseen(key);
        }
        for seen in scan.present {
            changed |= !self.is_stale(&seen.key, scan.begin) && self.seen(seen);
        }
        let with_git = scan.by_git && changed || !scan.missing_folders.is_empty();
        if with_git && self.scanned && self.pause.as_ref().is_none_or(|pause| !pause.by_git) {
            self.set_pause(Some(Pause { why: PAUSED_BY_GIT.to_owned(), by_git: true }));
        }
        self.scanned |= scan.complete;
    }

    /// Notes for whom the scan is the look that was waited for.
    fn looked(&mut self, scan: &Scan, absent: &[FileKey]) {
        let waiting: Vec<StoryId> = if scan.complete {
            self.restless.iter().cloned().collect()
        } else {
            scan.present.iter().map(|seen| &seen.key).chain(absent).filter_map(id_of).collect()
        };
        for id in waiting {
            if let Some(track) = self.tracks.get_mut(&id)
                && track.look_since.is_some_and(|since| since <= scan.begin)
            {
                track.look_since = None;
                self.touched.insert(id);
            }
        }
    }

    fn not_in(&self, present: &[Seen]) -> Vec<FileKey> {
        let there: BTreeSet<&FileKey> = present.iter().map(|seen| &seen.key).collect();
        self.board.files().map(|(key, _)| key).filter(|key| !there.contains(key)).cloned().collect()
    }

    /// Whether a scan that began at `begin` may not speak of this file, since storkit itself changed it after.
    fn is_stale(&self, key: &FileKey, begin: u64) -> bool {
        id_of(key)
            .and_then(|id| self.tracks.get(&id))
            .is_some_and(|track| matches!(track.work, super::Work::Moving(..)) || begin < track.stale_before)
    }

    /// The first look at the board is no change of it.
    pub(super) fn look_changed(&mut self, id: &StoryId) {
        if self.scanned {
            self.changed.insert(id.clone());
        }
    }

    fn unseen(&mut self, key: &FileKey) -> bool {
        let gone = self.board.take(key).is_some();
        if let (true, Some(id)) = (gone, id_of(key)) {
            self.look_changed(&id);
            self.cycles_stale = true;
            self.epics_stale = true;
            self.touched.insert(id);
        }
        gone
    }

    fn seen(&mut self, seen: Seen) -> bool {
        let Some(id) = id_of(&seen.key) else {
            return self.board.put(seen.key, seen.what.clone()).is_none_or(|before| before != seen.what);
        };
        let what = self.overlaid(&id, seen.what);
        let before = self.board.put(seen.key, what.clone());
        if before.as_ref() == Some(&what) {
            return false;
        }
        self.look_changed(&id);
        self.touched.insert(id.clone());
        self.cycles_stale = true;
        self.epics_stale = true;
        let now = self.now.mono_ms;
        if let Some(track) = self.tracks.get_mut(&id) {
            track.changed_ms = now;
            track.unwritable = None;
            if track.wait.as_ref().is_some_and(|wait| wait.again_ms.is_none()) {
                track.wait = None;
            }
        }
        if let (Some(before), Ok(after)) = (before, what.as_ref())
            && let Ok(before) = before.as_ref()
        {
            self.saved_by_person(&id, before, after);
        }
        self.afresh(&id);
        true
    }

    /// What a person's save means beyond the new values.
    fn saved_by_person(&mut self, id: &StoryId, before: &Story, after: &Story) {
        if let (Some(blocked), None) = (&before.blocked, &after.blocked) {
            let reason = blocked.value.clone();
            self.unblocked(id, Some(reason));
        }
    }

    /// `blocked` is gone: the story starts afresh.
    pub(super) fn unblocked(&mut self, id: &StoryId, declined: Option<String>) {
        let track = self.track_mut(id);
        track.not_before_ms = None;
        track.wait = None;
        track.refused = 0;
        track.crashes = 0;
        track.ahead = None;
        let memory = track.change();
        memory.step = crate::memory::Step::Begin;
        memory.failures = 0;
        memory.transients = 0;
        memory.cold_starts = 0;
        memory.landings_failed = 0;
        memory.mends = 0;
        memory.declined = declined;
        self.touched.insert(id.clone());
    }

    /// Starts a story afresh that has used up its attempts and is not blocked: a person took `blocked` away, while no
    /// daemon ran, or in a way that no two looks show.
    pub(super) fn afresh(&mut self, id: &StoryId) {
        let blocked = self.story(id).is_none_or(|story| story.blocked.is_some());
        let Some(memory) = self.tracks.get(id).map(|track| &track.memory) else { return };
        let used_up = memory.failures >= self.config.max_retries || memory.mends >= super::runs::MENDS_MAX;
        if used_up && !blocked {
            let declined = memory.declined.clone();
            self.unblocked(id, declined);
        }
    }

    /// A file as it is with storkit's unwritten edits on top.
    fn overlaid(&self, id: &StoryId, what: Content) -> Content {
        let Some(track) = self.tracks.get(id) else { return what };
        let writing: &[Edit] = if let super::Work::Editing(_, edits) = &track.work { edits } else { &[] };
        if track.pending.is_empty() && track.asked.is_empty() && writing.is_empty() {
            return what;
        }
        match what.as_ref() {
            Ok(story) => {
                let mut story = story.clone();
                for edit in writing.iter().chain(&track.pending).chain(&track.asked) {
                    super::edits::apply(edit, &mut story);
                }
                Arc::new(Ok(story))
            }
            Err(_) => what,
        }
    }

    pub(super) fn set_pause(&mut self, pause: Option<Pause>) {
        if self.pause == pause {
            return;
        }
        let text = pause.as_ref().map_or("work goes on".to_owned(), |pause| format!("paused: {}", pause.why));
        self.tell(Topic::Paused, None, text);
        self.out.push(Effect::RememberPause(pause.as_ref().map(|pause| pause.why.clone())));
        self.pause = pause;
        let all: Vec<_> = self.tracks.keys().cloned().collect();
        self.touched.extend(all);
    }
}

fn missing_folder(stage: Stage) -> Problem {
    Problem::of_file(
        format!(".storkit/work/{}", stage.folder()),
        "the stage folder is gone",
        "bring it back, or `storkit init` makes it anew, and `storkit restore` its stories; then `storkit resume`",
    )
}
