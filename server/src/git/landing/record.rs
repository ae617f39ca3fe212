//! The note of a fast-forward in a person's checkout: which folder, from where, and which git process holds the index lock.
//!
//! It lies in the git common directory. It is what allows a crash to be mended, and it is the only thing that allows an
//! `index.lock` to be removed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use storkit_core::ids::{Oid, StoryId};

use crate::git::command::Pinned;
use crate::git::error::GitError;
use crate::git::repo::Repo;

/// The note of one fast-forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The checkout.
    pub(super) pins: Pinned,
    /// Base's tip before.
    pub(super) old: Oid,
    /// The git process, once it runs.
    pub(super) process: Option<Process>,
    /// Device and inode of the index lock that this process made.
    pub(super) lock: Option<(u64, u64)>,
}

/// A process that cannot be taken for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    start: u64,
    boot: String,
}

impl Process {
    /// The process of that pid; none where the system does not tell.
    pub(super) fn look(pid: u32) -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self { pid, start: start_of(pid)?, boot: boot.trim().to_owned() })
    }

    /// Whether it has certainly ended: another boot, no such pid, or a pid that began at another time.
    pub(super) fn is_dead(&self) -> bool {
        match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
            Ok(boot) if boot.trim() != self.boot => true,
            Ok(_) => start_of(self.pid) != Some(self.start),
            Err(_) => false,
        }
    }
}

/// When a process began, in ticks since boot; none where there is none, or it is a zombie.
fn start_of(pid: u32) -> Option<u64> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    // The name in parentheses may hold anything: the fields begin behind the last one.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

impl Record {
    /// Where the note of a story's landing is.
    fn path(repo: &Repo, story: &StoryId) -> PathBuf {
        repo.common().join("storkit-landing").join(story.as_str())
    }

    /// Writes the note, over an older one.
    pub(super) fn write(&self, repo: &Repo, story: &StoryId) -> Result<(), GitError> {
        let path = Self::path(repo, story);
        let folder = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(folder).map_err(GitError::io("make", folder))?;
        let (pid, start, boot) =
            self.process.as_ref().map_or((0, 0, ""), |process| (process.pid, process.start, &process.boot));
        let (device, inode) = self.lock.unwrap_or_default();
        let mut bytes = Vec::new();
        bytes.extend(self.pins.git_dir.as_os_str().as_bytes());
        bytes.push(0);
        bytes.extend(self.pins.work_tree.as_os_str().as_bytes());
        bytes.extend(format!("\0{}\0{pid}\0{start}\0{boot}\0{device}\0{inode}\0", self.old).bytes());
        let temporary = folder.join(format!(".{story}.new"));
        std::fs::write(&temporary, bytes).map_err(GitError::io("write", &temporary))?;
        std::fs::rename(&temporary, &path).map_err(GitError::io("write", &path))
    }

    /// Reads the note; none where there is none, or it makes no sense.
    pub(super) fn read(repo: &Repo, story: &StoryId) -> Option<Self> {
        let bytes = std::fs::read(Self::path(repo, story)).ok()?;
        let fields: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
        let text = |index: usize| std::str::from_utf8(fields.get(index)?).ok();
        let number = |index: usize| text(index)?.parse::<u64>().ok();
        let path = |index: usize| fields.get(index).map(|bytes| PathBuf::from(OsStr::from_bytes(bytes)));
        let pins = Pinned { git_dir: path(0)?, common: repo.common().to_owned(), work_tree: path(1)? };
        let pid = u32::try_from(number(3)?).ok()?;
        let process = Process { pid, start: number(4)?, boot: text(5)?.to_owned() };
        let lock = (number(6)?, number(7)?);
        Some(Self {
            pins,
            old: Oid::new(text(2)?)?,
            process: (pid != 0).then_some(process),
            lock: (lock.1 != 0).then_some(lock),
        })
    }

    /// Removes the note.
    pub(super) fn remove(repo: &Repo, story: &StoryId) {
        let _ = std::fs::remove_file(Self::path(repo, story));
    }

    /// Whether the index lock in the checkout is the one of this note, and its process is dead.
    pub(super) fn owns_stale_lock(&self) -> bool {
        let dead = self.process.as_ref().is_some_and(Process::is_dead);
        dead && self.lock.is_some() && lock_of(&self.pins) == self.lock
    }
}

/// The index lock of a checkout.
pub(super) fn lock_path(pins: &Pinned) -> PathBuf {
    pins.git_dir.join("index.lock")
}

/// Device and inode of a checkout's index lock; none where it is not locked.
pub(super) fn lock_of(pins: &Pinned) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(lock_path(pins).as_path() as &Path).ok()?;
    Some((found.dev(), found.ino()))
}
