//! Old inodes of stories that storkit replaced: kept for ten minutes, and what is written to them meanwhile is put
//! back into the story, with storkit's keys on top.
//!
//! Each one is a file in `run/kept/` beside a record of what storkit did, so that a restart goes on with it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use storkit_core::facts::Edit;
use storkit_core::ids::StoryId;
use storkit_core::sighting::FileKey;
use storkit_core::stage::Stage;

use super::edit::Swap;
use super::text::{self, STORY_BYTES_MAX};
use super::{Board, lock};
use crate::sys::fs::{Dir, Entry, FsError, Stamp, read_capped, stamp, unique_name, write_new};
use crate::sys::layout::Layout;
use crate::sys::lease::{Lease, Taken};

/// How long an old inode is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(600);
/// Most old inodes that are kept; beyond it the oldest go first.
const KEPT_MAX: usize = 4096;
/// Most bytes of a record.
const RECORD_BYTES_MAX: u64 = 1024 * 1024;
/// What lies in `run/tmp/` and `run/kept/` unexplained is left alone for so long: another process may be at work.
const LEFTOVER_AGE: Duration = Duration::from_secs(60);
/// How often leftovers are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What storkit did when it replaced a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    story: StoryId,
    /// Hash of the old bytes.
    before: u64,
    /// Hash of the new bytes.
    after: u64,
    /// When a person last wrote what the new bytes hold, in nanoseconds since 1970.
    human_ns: i64,
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
struct Old {
    /// Its name in `run/kept/`.
    tag: String,
    record: Record,
    /// Holds it where it could get no second name.
    open: Option<File>,
    /// Its last state that was judged.
    judged: Option<Stamp>,
    /// Its last state that was seen, and since when.
    seen: Option<(Stamp, Instant)>,
    /// Hash of the bytes that were put back.
    merged: Option<u64>,
    /// It took the place of the file that was read, so it is a finished save.
    whole: bool,
}

/// All old inodes, oldest first.
pub(super) struct Kept {
    dir: PathBuf,
    tmp: PathBuf,
    old: Vec<Old>,
    swept: Option<Instant>,
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

    /// Everything that was put on top of this inode's bytes since.
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

    fn add(&mut self, old: Old) {
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
    fn new(tag: String, record: Record) -> Self {
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

impl Board {
    /// Looks at all kept inodes; bytes that reached one late go back into their story. The files that were changed.
    ///
    /// To be called every half second while [`Board::has_kept`], which is for ten minutes after an edit.
    pub fn reconcile_kept(&self) -> Vec<FileKey> {
        let mut changed = Vec::new();
        let mut asked: Vec<(i128, String, Option<Vec<u8>>)> = Vec::new();
        {
            let mut kept = lock(&self.kept);
            if kept.swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
                if let Err(error) = kept.sweep() {
                    tracing::warn!(%error, "the kept files cannot be looked through");
                }
            }
            let Ok(dir) = Dir::open(&kept.dir) else {
                return changed;
            };
            let mut gone = Vec::new();
            for old in &mut kept.old {
                match old.judge(&dir, self.limits.quiet) {
                    Ok(Verdict::Late(bytes, at)) => asked.push((at, old.tag.clone(), Some(bytes))),
                    Ok(Verdict::Odd(at)) => asked.push((at, old.tag.clone(), None)),
                    Ok(Verdict::Gone) => gone.push(old.tag.clone()),
                    Ok(Verdict::Nothing) if old.is_over() => gone.push(old.tag.clone()),
                    Ok(Verdict::Nothing | Verdict::Wait) => {}
                    Err(error) => tracing::warn!(%error, tag = old.tag, "a kept file cannot be read"),
                }
            }
            kept.old.retain(|old| !gone.contains(&old.tag));
            for tag in gone {
                kept.remove(&tag);
            }
        }
        // The oldest first, so that the newest has the last word.
        asked.sort();
        for (at, tag, bytes) in asked {
            match self.put_back(&tag, bytes, at) {
                Ok(Some(key)) => changed.push(key),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, tag, "late bytes could not be put back yet");
                    self.ask_again(&tag);
                }
            }
        }
        changed
    }

    /// Whether an edit met a person's save in its last instant: that is put back before anything else is done.
    pub(super) fn has_whole_save(&self) -> bool {
        lock(&self.kept).old.iter().any(|old| old.whole && old.judged.is_none())
    }

    /// Whether there is anything to reconcile.
    pub fn has_kept(&self) -> bool {
        !lock(&self.kept).old.is_empty()
    }

    fn ask_again(&self, tag: &str) {
        if let Some(old) = lock(&self.kept).old.iter_mut().find(|old| old.tag == tag) {
            (old.judged, old.merged) = (None, None);
        }
    }

    /// Puts what came late on an old inode into its story, unless a person has written the story later still.
    fn put_back(&self, tag: &str, bytes: Option<Vec<u8>>, at: i128) -> io::Result<Option<FileKey>> {
        let found = {
            let kept = lock(&self.kept);
            let place = kept.old.iter().position(|old| old.tag == tag);
            place.map(|place| (kept.old[place].record.story.clone(), kept.edits_since(place)))
        };
        let Some((id, edits)) = found else {
            return Ok(None);
        };
        let _turn = self.turns.take(&id);
        let stages = self.stages_of(&id);
        let [stage] = stages[..] else {
            // Between two renames, or in two folders: later. One that stays away was deleted by hand.
            if !stages.is_empty() || !lock(&self.kept).old.iter().any(|old| old.tag == tag && old.is_over()) {
                self.ask_again(tag);
            }
            return Ok(None);
        };
        self.put_into(&id, stage, tag, bytes.map(|bytes| (bytes, edits)), at)
    }

    fn put_into(
        &self,
        id: &StoryId,
        stage: Stage,
        tag: &str,
        late: Option<(Vec<u8>, Vec<Edit>)>,
        at: i128,
    ) -> io::Result<Option<FileKey>> {
        let (dir, name) = (self.stage_dir(stage)?, id.file_name());
        let (mut file, stamp) = dir.open_file(&name)?;
        let now = read_capped(&mut file, STORY_BYTES_MAX)?.unwrap_or_default();
        let human_ns = lock(&self.kept).human_ns(id, hash(&now)).unwrap_or(stamp.modified_ns);
        if at < human_ns {
            return Ok(None);
        }
        let key = FileKey::new(stage, name.clone());
        let new = late.and_then(|(bytes, edits)| {
            text::parse(stage, &name, &bytes).is_ok().then(|| text::edit_again(&bytes, &edits)).flatten()
        });
        let Some(new) = new else {
            // Not a text that a key can be put into: the person's own file takes its place again.
            let kept = Dir::open(&self.layout.kept())?;
            if !dir.exchange(&name, &kept, tag)? {
                kept.link(tag, &Dir::open(&self.layout.tmp())?, tag)?;
                kept.rename_over(tag, &dir, &name)?;
            }
            dir.sync()?;
            lock(&self.kept).old.retain(|old| old.tag != tag);
            return Ok(Some(key));
        };
        if new == now {
            return Ok(None);
        }
        let lease = match Lease::take(&file) {
            Taken::Held(lease) => Some(lease),
            Taken::Busy | Taken::Unsupported => None,
        };
        let record = Record::new(id, hash(&now), hash(&new), at, &[]);
        let swapped = self.swap(Swap { id, dir: &dir, file: &file, stamp, lease, bytes: &new, record })?;
        if !swapped {
            self.ask_again(tag);
        }
        Ok(swapped.then_some(key))
    }

    /// Puts new bytes into the place of a file and keeps the old inode; false where the file was changed or opened
    /// since it was read, and then nothing happened.
    pub(super) fn swap(&self, swap: Swap<'_>) -> io::Result<bool> {
        let (tmp, kept) = (Dir::open(&self.layout.tmp())?, Dir::open(&self.layout.kept())?);
        let tag = unique_name("kept");
        let name = swap.id.file_name();
        let meta = swap.file.metadata()?;
        write_new(&tmp, &tag, swap.bytes, meta.mode())?;
        give_to(&tmp, &tag, &meta);
        let note = serde_json::to_vec(&swap.record).map_err(io::Error::other)?;
        write_note(&kept, &tag, &note)?;
        let undo = || {
            // What stays is found by the sweep.
            let _ = tmp.remove(&tag);
            let _ = kept.remove(format!("{tag}.json"));
        };
        let still = dir_has(swap.dir, &name, &swap.stamp)?;
        if !still || swap.lease.as_ref().is_some_and(|lease| !lease.is_intact()) {
            undo();
            return Ok(false);
        }
        let mut old = Old::new(tag.clone(), swap.record.clone());
        match swap.dir.exchange(&name, &tmp, &tag) {
            Ok(true) => tmp.rename_noreplace(&tag, &kept, &tag)?,
            Ok(false) => {
                if swap.dir.link(&name, &kept, &tag).is_err() {
                    old.open = Some(swap.file.try_clone()?);
                }
                tmp.rename_over(&tag, swap.dir, &name)?;
            }
            Err(error) => {
                undo();
                return Err(error);
            }
        }
        swap.dir.sync()?;
        kept.sync()?;
        drop(swap.lease);
        if let Ok(Entry::File(now)) = swap.dir.look(&name) {
            self.turns.wrote(swap.id, now);
        }
        match kept.look(&tag) {
            Ok(Entry::File(displaced)) if !displaced.same_file(&swap.stamp) => {
                // Another file had come to that name in the last instant: a person's save, and whole.
                old.whole = true;
                old.record.human_ns = i64::try_from(displaced.modified_ns).unwrap_or(i64::MIN);
            }
            Ok(Entry::Other) => {
                swap.dir.exchange(&name, &kept, &tag)?;
                undo();
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no longer a regular file"));
            }
            _ => {}
        }
        lock(&self.kept).add(old);
        Ok(true)
    }
}

/// The kept file belongs to who it belonged to, where this process may say so.
fn give_to(dir: &Dir, name: &str, meta: &std::fs::Metadata) {
    if let Ok((file, _)) = dir.open_file(name) {
        let ours = file.metadata().is_ok_and(|ours| (ours.uid(), ours.gid()) == (meta.uid(), meta.gid()));
        if !ours && fchown(&file, Some(meta.uid()), Some(meta.gid())).is_ok() {
            // A change of owner may clear permission bits.
            let _ = file.set_permissions(meta.permissions());
        }
    }
}

/// Only a crash of this process needs the record, so it is not made to last a power cut.
fn write_note(kept: &Dir, tag: &str, note: &[u8]) -> io::Result<()> {
    let mut file = kept.create_new(format!("{tag}.json"))?;
    io::Write::write_all(&mut file, note)
}

fn dir_has(dir: &Dir, name: &str, stamp: &Stamp) -> io::Result<bool> {
    Ok(matches!(dir.look(name)?, Entry::File(now) if now == *stamp))
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

/// FNV-1a, 64 bits: it stands in records, so it must be the same in every build.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
