//! Old inodes of stories that storkit replaced: kept for ten minutes, and what is written to them meanwhile is put
//! back into the story, with storkit's keys on top.
//!
//! Each one is a file in `run/kept/` beside a record of what storkit did, so that a restart goes on with it.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use storkit_core::facts::Edit;
use storkit_core::ids::StoryId;
use storkit_core::story_file::content_hash as hash;

use super::text::STORY_BYTES_MAX;
use crate::sys::fs::{Dir, Entry, FsError, Stamp, read_capped, stamp};
use crate::sys::layout::Layout;
use crate::sys::lease::{Lease, Taken};

/// How long an old inode is kept.
pub const KEPT_FOR: Duration = Duration::from_mins(10);
/// Most old inodes that are kept; beyond it the oldest go first.
const KEPT_MAX: usize = 4096;
/// Most bytes of a record.
const RECORD_BYTES_MAX: u64 = 1024 * 1024;
/// What lies in `run/tmp/` and `run/kept/` unexplained is left alone for so long: another process may be at work.
const LEFTOVER_AGE: Duration = Duration::from_mins(1);
/// How often leftovers are looked for.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// What storkit did when it replaced a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    story: StoryId,
    /// Hash of the old bytes.
    before: u64,
    /// Hash of the new bytes.
    after: u64,
    /// When a person last wrote what the new bytes hold, in nanoseconds since 1970.
    pub(super) human_ns: i64,
    /// When this was done, in milliseconds since 1970.
    at_ms: u64,
    /// What was put on top of the old bytes.
    edits: Vec<Edit>,
}

impl Record {
    /// The record of a change that is made now.
    pub(super) fn new(story: &StoryId, before: u64, after: u64, human_ns: i128, edits: &[Edit]) -> Self {
        let human_ns = i64::try_from(human_ns).unwrap_or(i64::MAX);
        Self { story: story.clone(), before, after, human_ns, at_ms: now_ms(), edits: edits.to_vec() }
    }
}

/// One old inode.
pub(super) struct Old {
    /// Its name in `run/kept/`.
    tag: String,
    pub(super) record: Record,
    /// Holds it where it could get no second name.
    pub(super) open: Option<File>,
    /// Its last state that was judged.
    judged: Option<Stamp>,
    /// Its last state that was seen, and since when.
    seen: Option<(Stamp, Instant)>,
    /// Hash of the bytes that were put back.
    merged: Option<u64>,
    /// It took the place of the file that was read, so it is a finished save.
    pub(super) whole: bool,
}

/// All old inodes, oldest first.
pub(super) struct Kept {
    dir: PathBuf,
    tmp: PathBuf,
    old: Vec<Old>,
    swept: Option<Instant>,
}

/// Bytes that came late; the oldest sort first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Late {
    /// When they were written, in nanoseconds since 1970.
    pub(super) at: i128,
    /// The old inode's name in `run/kept/`.
    pub(super) tag: String,
    /// None where they are no text.
    pub(super) bytes: Option<Vec<u8>>,
}

/// What an old inode asks for.
enum Verdict {
    /// Nothing new on it.
    Nothing,
    /// Somebody is still writing.
    Wait,
    /// These bytes came late; when, in nanoseconds since 1970.
    Late(Vec<u8>, i128),
    /// It holds something that is no story's text.
    Odd(i128),
    /// It is gone.
    Gone,
}

impl Kept {
    /// Takes over what an earlier process kept.
    pub(super) fn load(layout: &Layout) -> Result<Self, FsError> {
        let mut kept = Self { dir: layout.kept(), tmp: layout.tmp(), old: Vec::new(), swept: None };
        kept.sweep().map_err(|source| FsError::of("read", &layout.kept(), source))?;
        Ok(kept)
    }

    /// When a person last wrote what a file with this hash holds, where storkit wrote that file.
    pub(super) fn human_ns(&self, id: &StoryId, hash: u64) -> Option<i128> {
        let last = self.old.iter().rev().find(|old| old.record.story == *id)?;
        (last.record.after == hash).then_some(last.record.human_ns.into())
    }

    /// The story was deleted by hand: nothing is put back into it.
    pub(super) fn forget(&mut self, id: &StoryId) {
        self.old.retain(|old| old.record.story != *id);
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.old.is_empty()
    }

    /// Whether one of them is a finished save that nobody has looked at.
    pub(super) fn has_whole(&self) -> bool {
        self.old.iter().any(|old| old.whole && old.judged.is_none())
    }

    /// The story of an old inode, and everything that was put on top of its bytes since.
    pub(super) fn about(&self, tag: &str) -> Option<(StoryId, Vec<Edit>)> {
        let place = self.old.iter().position(|old| old.tag == tag)?;
        Some((self.old[place].record.story.clone(), self.edits_since(place)))
    }

    /// Its time is over.
    pub(super) fn is_over(&self, tag: &str) -> bool {
        self.old.iter().any(|old| old.tag == tag && old.is_over())
    }

    /// What came late on it could not be put back yet.
    pub(super) fn ask_again(&mut self, tag: &str) {
        if let Some(old) = self.old.iter_mut().find(|old| old.tag == tag) {
            (old.judged, old.merged) = (None, None);
        }
    }

    /// It is on the board again.
    pub(super) fn let_go(&mut self, tag: &str) {
        self.old.retain(|old| old.tag != tag);
    }

    /// What came late on any of them, the oldest first; removes those whose time is over.
    pub(super) fn late(&mut self, quiet: Duration) -> io::Result<Vec<Late>> {
        if self.swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            self.sweep()?;
        }
        let dir = Dir::open(&self.dir)?;
        let (mut late, mut gone) = (Vec::new(), Vec::new());
        for old in &mut self.old {
            match old.judge(&dir, quiet) {
                Ok(Verdict::Late(bytes, at)) => {
                    late.push(Late { at, tag: old.tag.clone(), bytes: Some(bytes) });
                }
                Ok(Verdict::Odd(at)) => late.push(Late { at, tag: old.tag.clone(), bytes: None }),
                Ok(Verdict::Gone) => gone.push(old.tag.clone()),
                Ok(Verdict::Nothing) if old.is_over() => gone.push(old.tag.clone()),
                Ok(Verdict::Nothing | Verdict::Wait) => {}
                Err(error) => tracing::warn!(%error, tag = old.tag, "a kept file cannot be read"),
            }
        }
        self.old.retain(|old| !gone.contains(&old.tag));
        for tag in gone {
            self.remove(&tag);
        }
        late.sort();
        Ok(late)
    }

    fn edits_since(&self, place: usize) -> Vec<Edit> {
        let story = &self.old[place].record.story;
        let later = self.old[place..].iter().filter(|old| old.record.story == *story);
        later.flat_map(|old| old.record.edits.iter().cloned()).collect()
    }

    /// Finds what another process, or this one before a crash, left: finishes or drops it.
    fn sweep(&mut self) -> io::Result<()> {
        self.swept = Some(Instant::now());
        let (dir, tmp) = (Dir::open(&self.dir)?, Dir::open(&self.tmp)?);
        let mut names = Vec::new();
        dir.entries(|name, _| names.extend(String::from_utf8(name.to_vec()).ok()))?;
        for name in &names {
            if let Some(tag) = name.strip_suffix(".json") {
                if !self.old.iter().any(|old| old.tag == tag) {
                    self.take_over(&dir, &tmp, tag)?;
                }
            } else if !names.contains(&format!("{name}.json")) && is_old(&dir, name, KEPT_FOR) {
                dir.remove(name)?;
            }
        }
        let mut left = Vec::new();
        tmp.entries(|name, _| left.extend(String::from_utf8(name.to_vec()).ok()))?;
        for name in left {
            if !names.contains(&format!("{name}.json")) && is_old(&tmp, &name, LEFTOVER_AGE) {
                tmp.remove(&name)?;
            }
        }
        self.old.sort_by(|a, b| (a.record.at_ms, &a.tag).cmp(&(b.record.at_ms, &b.tag)));
        Ok(())
    }

    fn take_over(&mut self, dir: &Dir, tmp: &Dir, tag: &str) -> io::Result<()> {
        let note = format!("{tag}.json");
        let (mut file, _) = dir.open_file(&note)?;
        let mut text = Vec::new();
        (&mut file).take(RECORD_BYTES_MAX).read_to_end(&mut text)?;
        let record = serde_json::from_slice::<Record>(&text).ok();
        let here = dir.look(tag).is_ok();
        if let (false, Some(record), Ok((mut file, _))) = (here, &record, tmp.open_file(tag)) {
            // A crash between two steps: the old inode if the exchange was made, else the new file.
            if !is_old(tmp, tag, LEFTOVER_AGE) {
                return Ok(());
            }
            let bytes = read_capped(&mut file, STORY_BYTES_MAX)?;
            if bytes.is_some_and(|bytes| hash(&bytes) == record.after) {
                tmp.remove(tag)?;
            } else {
                tmp.rename_noreplace(tag, dir, tag)?;
            }
        }
        match record {
            Some(record) if dir.look(tag).is_ok() => self.old.push(Old::new(tag.to_owned(), record)),
            _ if is_old(dir, &note, LEFTOVER_AGE) => dir.remove(&note)?,
            _ => {}
        }
        Ok(())
    }

    /// Keeps one more.
    pub(super) fn add(&mut self, old: Old) {
        self.old.push(old);
        if self.old.len() > KEPT_MAX {
            let first = self.old.remove(0);
            self.remove(&first.tag);
        }
    }

    fn remove(&self, tag: &str) {
        if let Ok(dir) = Dir::open(&self.dir) {
            // One that is gone already is as wanted; the sweep tries again otherwise.
            let _ = dir.remove(tag);
            let _ = dir.remove(format!("{tag}.json"));
        }
    }
}

impl Old {
    pub(super) fn new(tag: String, record: Record) -> Self {
        Self { tag, record, open: None, judged: None, seen: None, merged: None, whole: false }
    }

    /// Looks at the old inode.
    fn judge(&mut self, dir: &Dir, quiet: Duration) -> io::Result<Verdict> {
        let opened = match &self.open {
            Some(file) => file.try_clone().map(|file| (file, Stamp::default())),
            None => match dir.look(&self.tag) {
                Ok(Entry::File(now)) if self.judged == Some(now) => return Ok(Verdict::Nothing),
                _ => dir.open_file(&self.tag),
            },
        };
        let mut file = match opened {
            Ok((file, _)) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Verdict::Gone),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Verdict::Wait),
            Err(error) => return Err(error),
        };
        let now = stamp(&file)?;
        if self.judged == Some(now) {
            return Ok(Verdict::Nothing);
        }
        io::Seek::rewind(&mut file)?;
        let bytes = read_capped(&mut file, STORY_BYTES_MAX)?;
        if stamp(&file)? != now {
            return Ok(Verdict::Wait);
        }
        let print = bytes.as_deref().map(hash);
        if print.is_some() && (print == Some(self.record.before) || print == self.merged) {
            self.judged = Some(now);
            return Ok(Verdict::Nothing);
        }
        if bytes.as_ref().is_some_and(Vec::is_empty) {
            // Truncated, and perhaps not yet written.
            return Ok(if self.is_over() { Verdict::Nothing } else { Verdict::Wait });
        }
        if !self.is_finished(&file, now, quiet) {
            return Ok(Verdict::Wait);
        }
        self.judged = Some(now);
        self.merged = print;
        Ok(match bytes {
            Some(bytes) if std::str::from_utf8(&bytes).is_ok() => Verdict::Late(bytes, now.modified_ns),
            _ => Verdict::Odd(now.modified_ns),
        })
    }

    /// Whether whoever writes has done: nobody has it open, or it is at rest.
    fn is_finished(&mut self, file: &File, now: Stamp, quiet: Duration) -> bool {
        if self.whole || matches!(Lease::take(file), Taken::Held(_)) {
            return true;
        }
        match self.seen {
            Some((seen, since)) if seen == now => since.elapsed() >= quiet,
            _ => {
                self.seen = Some((now, Instant::now()));
                false
            }
        }
    }

    fn is_over(&self) -> bool {
        now_ms().saturating_sub(self.record.at_ms) > u64::try_from(KEPT_FOR.as_millis()).unwrap_or(u64::MAX)
    }
}

fn is_old(dir: &Dir, name: &str, age: Duration) -> bool {
    let Ok(Entry::File(stamp)) = dir.look(name) else {
        return false;
    };
    let now = i128::from(now_ms()) * 1_000_000;
    now - stamp.changed_ns > i128::try_from(age.as_nanos()).unwrap_or(i128::MAX)
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
