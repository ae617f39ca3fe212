//! Putting bytes that reached an old inode late back into their story, with storkit's keys on top.

use std::io;

use storkit_core::facts::Edit;
use storkit_core::ids::StoryId;
use storkit_core::sighting::FileKey;
use storkit_core::stage::Stage;
use storkit_core::story_file::content_hash as hash;

use super::kept::{Late, Record};
use super::swap::Swap;
use super::text::{self, STORY_BYTES_MAX};
use super::{Board, lock};
use crate::sys::fs::{Dir, read_capped};
use crate::sys::lease::{Lease, Taken};

impl Board {
    /// Looks at all kept inodes; bytes that reached one late go back into their story. The files that were changed.
    ///
    /// To be called every half second while [`Board::has_kept`], which is for ten minutes after an edit.
    pub fn reconcile_kept(&self) -> Vec<FileKey> {
        let asked = match lock(&self.kept).late(self.limits.quiet) {
            Ok(asked) => asked,
            Err(error) => {
                tracing::warn!(%error, "the kept files cannot be looked through");
                return Vec::new();
            }
        };
        let mut changed = Vec::new();
        for late in asked {
            let tag = late.tag.clone();
            match self.put_back(late) {
                Ok(Some(key)) => changed.push(key),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, tag, "late bytes could not be put back yet");
                    lock(&self.kept).ask_again(&tag);
                }
            }
        }
        changed
    }

    /// Whether an edit met a person's save in its last instant: that is put back before anything else is done.
    pub(super) fn has_whole_save(&self) -> bool {
        lock(&self.kept).has_whole()
    }

    /// Whether there is anything to reconcile.
    pub fn has_kept(&self) -> bool {
        !lock(&self.kept).is_empty()
    }

    /// Puts what came late on an old inode into its story, unless a person has written the story later still.
    fn put_back(&self, late: Late) -> io::Result<Option<FileKey>> {
        let tag = late.tag.as_str();
        let Some((id, edits)) = lock(&self.kept).about(tag) else {
            return Ok(None);
        };
        let _turn = self.turns.take(&id);
        let stages = self.stages_of(&id);
        let [stage] = stages[..] else {
            // Between two renames, or in two folders: later. One that stays away was deleted by hand.
            let mut kept = lock(&self.kept);
            if !stages.is_empty() || !kept.is_over(tag) {
                kept.ask_again(tag);
            }
            return Ok(None);
        };
        self.put_into(&id, stage, &late, &edits)
    }

    fn put_into(
        &self,
        id: &StoryId,
        stage: Stage,
        late: &Late,
        edits: &[Edit],
    ) -> io::Result<Option<FileKey>> {
        let (dir, name) = (self.stage_dir(stage)?, id.file_name());
        let (mut file, stamp) = dir.open_file(&name)?;
        let now = read_capped(&mut file, STORY_BYTES_MAX)?.unwrap_or_default();
        let human_ns = lock(&self.kept).human_ns(id, hash(&now)).unwrap_or(stamp.modified_ns);
        if late.at < human_ns {
            return Ok(None);
        }
        let key = FileKey::new(stage, name.clone());
        let good = late.bytes.as_ref().filter(|bytes| text::parse(stage, &name, bytes).is_ok());
        let Some(new) = good.and_then(|bytes| text::edit_again(bytes, edits).ok()) else {
            // Not a text that a key can be put into: the person's own file takes its place again.
            let kept = Dir::open(&self.layout.kept())?;
            if !dir.exchange(&name, &kept, &late.tag)? {
                kept.link(&late.tag, &Dir::open(&self.layout.tmp())?, &late.tag)?;
                kept.rename_over(&late.tag, &dir, &name)?;
            }
            dir.sync()?;
            lock(&self.kept).let_go(&late.tag);
            return Ok(Some(key));
        };
        if new == now {
            return Ok(None);
        }
        let lease = match Lease::take(&file) {
            Taken::Held(lease) => Some(lease),
            Taken::Busy | Taken::Unsupported => None,
        };
        let record = Record::new(id, hash(&now), hash(&new), late.at, &[]);
        let swapped = self.swap(Swap { id, dir: &dir, file: &file, stamp, lease, bytes: &new, record })?;
        if !swapped {
            lock(&self.kept).ask_again(&late.tag);
        }
        Ok(swapped.then_some(key))
    }
}
