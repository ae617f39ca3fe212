//! Writing storkit's keys into a story's file without ever losing a save of a person.
//!
//! A file is written only when it parses and is at rest, under a write lease where there are leases. The new file
//! and the old one are exchanged in one step, so what was really replaced is known, and the old inode is kept: bytes
//! that an editor still writes to it are found there and put back (`kept`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use storkit_core::facts::{Edit, EditEnd};
use storkit_core::front_matter::EditError;
use storkit_core::ids::StoryId;
use storkit_core::stage::Stage;
use storkit_core::story_file::content_hash as hash;

use super::kept::Record;
use super::swap::Swap;
use super::text::{self, STORY_BYTES_MAX};
use super::{Board, BoardError, lock};
use crate::sys::fs::{FsError, Stamp, read_capped, stamp};
use crate::sys::lease::{Lease, Taken};

/// How long to wait before the next try.
const TRY_EVERY: Duration = Duration::from_millis(25);
/// How long a file that is empty or does not parse is still tried when the time for a quiet moment is over.
const UNREADABLE_FOR: Duration = Duration::from_secs(1);
/// How long a file may be gone before it is gone: editors rename away and back.
const GONE_FOR: Duration = Duration::from_secs(2);
/// Most stamps of storkit's own writes that are remembered.
const WROTE_MAX: usize = 4096;

/// One edit or move of a story at a time; others of the same story wait.
#[derive(Default)]
pub(super) struct Turns {
    state: Mutex<TurnState>,
    free: Condvar,
}

#[derive(Default)]
struct TurnState {
    busy: BTreeSet<StoryId>,
    wrote: BTreeMap<StoryId, Stamp>,
}

/// A turn, given back when dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    id: StoryId,
}

impl Turns {
    /// Waits for the turn of this story.
    pub(super) fn take(&self, id: &StoryId) -> Turn<'_> {
        let mut state = lock(&self.state);
        while !state.busy.insert(id.clone()) {
            state = self.free.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Turn { turns: self, id: id.clone() }
    }

    /// Notes the file as storkit left it: no person has touched it since while its stamp is this one.
    pub(super) fn wrote(&self, id: &StoryId, stamp: Stamp) {
        let mut state = lock(&self.state);
        if state.wrote.len() >= WROTE_MAX {
            state.wrote.clear();
        }
        state.wrote.insert(id.clone(), stamp);
    }

    fn is_ours(&self, id: &StoryId, stamp: &Stamp) -> bool {
        lock(&self.state).wrote.get(id) == Some(stamp)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.turns.state).busy.remove(&self.id);
        self.turns.free.notify_all();
    }
}

/// How the change of a whole file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It has the new bytes.
    Written,
    /// It had them already.
    Same,
    /// It is another than the one that was read, and stays as it is.
    Other,
}

/// How one try ended.
enum Try {
    End(EditEnd),
    Again,
}

/// One edit under way.
struct Job<'a> {
    id: &'a StoryId,
    stage: Stage,
    edits: &'a [Edit],
    begin: Instant,
    /// The stamp that was seen last, and since when.
    seen: Option<(Stamp, Instant)>,
    gone: Option<Instant>,
}

impl Board {
    /// Writes storkit's keys into the story's file. May take as long as the limits say, and a second more.
    ///
    /// When this answers `Written`, a power cut no longer undoes it.
    pub fn edit(&self, id: &StoryId, stage: Stage, edits: &[Edit]) -> EditEnd {
        let end = self.edit_in_turn(id, stage, edits);
        if self.has_whole_save() {
            self.reconcile_kept();
        }
        end
    }

    fn edit_in_turn(&self, id: &StoryId, stage: Stage, edits: &[Edit]) -> EditEnd {
        let _turn = self.turns.take(id);
        let mut job = Job { id, stage, edits, begin: Instant::now(), seen: None, gone: None };
        loop {
            match self.try_edit(&mut job) {
                Ok(Try::End(end)) => return end,
                Ok(Try::Again) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if job.begin.elapsed() > self.limits.tries + UNREADABLE_FOR {
                        return failed(id, &io::Error::other("another program holds the file"));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Elsewhere is gone at once; nowhere may be an editor between two renames.
                    let since = *job.gone.get_or_insert_with(Instant::now);
                    let stages = self.stages_of(id);
                    let elsewhere = !stages.is_empty() && !stages.contains(&stage);
                    if elsewhere || since.elapsed() >= GONE_FOR {
                        return EditEnd::SourceGone;
                    }
                }
                Err(error) => return failed(id, &error),
            }
            std::thread::sleep(TRY_EVERY);
        }
    }

    fn try_edit(&self, job: &mut Job<'_>) -> io::Result<Try> {
        let dir = self.stage_dir(job.stage)?;
        let name = job.id.file_name();
        let (mut file, at_open) = dir.open_file(&name)?;
        job.gone = None;
        let waited = job.begin.elapsed();
        let careful = waited < self.limits.tries;
        if careful && !self.is_quiet(job, at_open) {
            return Ok(Try::Again);
        }
        let Some(old) = read_capped(&mut file, STORY_BYTES_MAX)? else {
            return Ok(Try::End(EditEnd::Broken));
        };
        let lease = match Lease::take(&file) {
            Taken::Held(lease) => Some(lease),
            Taken::Busy if careful => return Ok(Try::Again),
            Taken::Busy | Taken::Unsupported => None,
        };
        // Bytes that came between reading and the lease.
        if stamp(&file)? != at_open {
            return Ok(Try::Again);
        }
        let parsed = text::parse(job.stage, &name, &old).is_ok();
        let patient = waited < self.limits.tries + UNREADABLE_FOR;
        if text::is_half_written(&old) && patient {
            return Ok(Try::Again);
        }
        let broken = || Ok(if careful || !patient { Try::End(EditEnd::Broken) } else { Try::Again });
        if !parsed {
            return broken();
        }
        let new = match text::edit(&old, job.edits) {
            Ok(new) => new,
            Err(EditError::Broken { .. }) => return broken(),
            Err(error) => return Ok(Try::End(failed(job.id, &io::Error::other(error)))),
        };
        let Ok(story) = text::parse(job.stage, &name, &new) else {
            return Ok(Try::End(failed(job.id, &io::Error::other("the edit would break the file"))));
        };
        let written = Try::End(EditEnd::Written { content: story.content });
        if new == old {
            return Ok(written);
        }
        let record = self.record(job.id, &old, &new, at_open, job.edits);
        let swap = Swap { id: job.id, dir: &dir, file: &file, stamp: at_open, lease, bytes: &new, record };
        Ok(if self.swap(swap)? { written } else { Try::Again })
    }

    /// Gives a story's file other bytes, whatever they are, and keeps the old ones; false where it has them already.
    pub(super) fn replace_text(&self, id: &StoryId, stage: Stage, bytes: &[u8]) -> Result<bool, BoardError> {
        Ok(self.replace(id, stage, None, bytes)? == Replaced::Written)
    }

    /// Gives a story's file the bytes that a person made of a text that was read: only while the file has the hash
    /// `was`. An error is the file system's, or another program's that writes it at this moment.
    pub fn save(&self, id: &StoryId, stage: Stage, was: u64, bytes: &[u8]) -> Result<Replaced, BoardError> {
        self.replace(id, stage, Some(was), bytes)
    }

    fn replace(
        &self,
        id: &StoryId,
        stage: Stage,
        was: Option<u64>,
        bytes: &[u8],
    ) -> Result<Replaced, BoardError> {
        let _turn = self.turns.take(id);
        let path = self.layout.story(stage, id);
        let begin = Instant::now();
        loop {
            match self.try_replace(id, stage, was, bytes) {
                Ok(Some(replaced)) => return Ok(replaced),
                Ok(None) if begin.elapsed() < self.limits.tries => std::thread::sleep(TRY_EVERY),
                Ok(None) => {
                    let busy = io::Error::new(io::ErrorKind::WouldBlock, "it is being written by someone");
                    return Err(FsError::of("write", &path, busy).into());
                }
                Err(source) => return Err(FsError::of("write", &path, source).into()),
            }
        }
    }

    fn try_replace(
        &self,
        id: &StoryId,
        stage: Stage,
        was: Option<u64>,
        bytes: &[u8],
    ) -> io::Result<Option<Replaced>> {
        let dir = self.stage_dir(stage)?;
        let (mut file, at_open) = dir.open_file(id.file_name())?;
        let Some(old) = read_capped(&mut file, STORY_BYTES_MAX)? else {
            return Err(io::Error::other("it is larger than 1 MiB"));
        };
        if old == bytes {
            return Ok(Some(Replaced::Same));
        }
        if was.is_some_and(|was| was != hash(&old)) {
            return Ok(Some(Replaced::Other));
        }
        let record = self.record(id, &old, bytes, at_open, &[]);
        let swap = Swap { id, dir: &dir, file: &file, stamp: at_open, lease: None, bytes, record };
        Ok(self.swap(swap)?.then_some(Replaced::Written))
    }

    fn record(&self, id: &StoryId, old: &[u8], new: &[u8], at: Stamp, edits: &[Edit]) -> Record {
        let before = hash(old);
        let human_ns = lock(&self.kept).human_ns(id, before).unwrap_or(at.modified_ns);
        Record::new(id, before, hash(new), human_ns, edits)
    }

    /// Whether the file has been at rest for long enough, by its change time and by what was seen of it.
    fn is_quiet(&self, job: &mut Job<'_>, now: Stamp) -> bool {
        if self.turns.is_ours(job.id, &now) {
            return true;
        }
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = i128::try_from(clock.as_nanos()).unwrap_or(i128::MAX) - now.changed_ns;
        if age >= i128::try_from(self.limits.quiet.as_nanos()).unwrap_or(i128::MAX) {
            return true;
        }
        match job.seen {
            Some((seen, since)) if seen == now => since.elapsed() >= self.limits.quiet,
            _ => {
                job.seen = Some((now, Instant::now()));
                false
            }
        }
    }
}

fn failed(id: &StoryId, error: &io::Error) -> EditEnd {
    EditEnd::Failed(format!("cannot edit {id}: {error}"))
}
