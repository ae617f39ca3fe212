//! Exchanging a story's file for a new one, in one step, and keeping the old inode.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};

use storkit_core::ids::StoryId;

use super::kept::{Old, Record};
use super::{Board, lock};
use crate::sys::failpoint::reach;
use crate::sys::fs::{Dir, Entry, Stamp, unique_name, write_new};
use crate::sys::lease::Lease;

/// A file that is to be replaced by new bytes.
pub(super) struct Swap<'a> {
    pub(super) id: &'a StoryId,
    pub(super) dir: &'a Dir,
    pub(super) file: &'a File,
    /// The file as it was read.
    pub(super) stamp: Stamp,
    pub(super) lease: Option<Lease<'a>>,
    pub(super) bytes: &'a [u8],
    pub(super) record: Record,
}

impl Board {
    /// Puts new bytes into the place of a file and keeps the old inode; false where the file was changed or opened
    /// since it was read, and then nothing happened.
    pub(super) fn swap(&self, swap: Swap<'_>) -> io::Result<bool> {
        let (tmp, kept) = (Dir::open(&self.layout.tmp())?, Dir::open(&self.layout.kept())?);
        let tag = unique_name("kept");
        let name = swap.id.file_name();
        let meta = swap.file.metadata()?;
        write_new(&tmp, &tag, swap.bytes, meta.mode())?;
        give_to(&tmp, &tag, &meta);
        reach("edit.temporary_written");
        let note = serde_json::to_vec(&swap.record).map_err(io::Error::other)?;
        write_note(&kept, &tag, &note)?;
        reach("edit.note_written");
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
            Ok(true) => {
                reach("edit.exchanged");
                tmp.rename_noreplace(&tag, &kept, &tag)?;
                reach("edit.old_kept");
            }
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
        reach("edit.synced");
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
