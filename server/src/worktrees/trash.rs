//! Removing folders: a rename into `.trash` at once, and the deletion later, entry by entry, never through a link.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags};

use super::ground::{Ground, TRASH};
use crate::git::GitError;
use crate::sys::cancel::Cancel;
use crate::sys::failpoint::reach;

/// Deepest folder that is emptied in place; deeper ones are first moved up.
const DEPTH_MAX: u32 = 100;
/// Most names tried for one folder in the trash.
const NAMES_MAX: u32 = 10_000;

/// Moves a folder of `ground` into the trash, where nothing looks for it, and forgets git's record of it.
pub(super) fn put(ground: &Ground, name: &str) -> Result<(), GitError> {
    let trash = ground.path(TRASH);
    std::fs::create_dir_all(&trash).map_err(GitError::io("make", &trash))?;
    let from = ground.path(name);
    for n in 0..NAMES_MAX {
        let to = trash.join(format!("{name}-{n}"));
        match rename_to_new(&from, &to) {
            Ok(()) => {
                reach("trash.renamed");
                ground.forget_gone()?;
                reach("trash.forgotten");
                return Ok(());
            }
            Err(rustix::io::Errno::EXIST | rustix::io::Errno::NOTEMPTY) => {}
            Err(error) => return Err(GitError::io("move to the trash", &from)(error.into())),
        }
    }
    Err(GitError::io("move to the trash", &from)(std::io::Error::other("the trash is full")))
}

/// Deletes what is in the trash, until done or cancelled. What cannot be deleted stays, and is tried again the next time.
pub fn empty_trash(ground: &Ground, cancel: &Cancel) -> Result<(), GitError> {
    let path = ground.path(TRASH);
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let trash = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(trash) => trash,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(GitError::io("open", &path)(error.into())),
    };
    let device =
        rustix::fs::fstat(&trash).map_err(|error| GitError::io("look at", &path)(error.into()))?.st_dev;
    let mut sweep = Sweep { trash: &trash, device, cancel, moved_up: 0 };
    loop {
        let before = sweep.moved_up;
        sweep.folder(&trash, 0).map_err(|error| GitError::io("empty", &path)(error.into()))?;
        if sweep.moved_up == before || cancel.raised().is_some() {
            return Ok(());
        }
    }
}

/// Renames, and replaces nothing.
pub(super) fn rename_to_new(from: &Path, to: &Path) -> rustix::io::Result<()> {
    let here = rustix::fs::CWD;
    match rustix::fs::renameat_with(here, from, here, to, RenameFlags::NOREPLACE) {
        // Not every file system has it; a plain rename never replaces a folder that holds something.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => rustix::fs::rename(from, to),
        done => done,
    }
}

struct Sweep<'a> {
    trash: &'a OwnedFd,
    device: rustix::fs::Dev,
    cancel: &'a Cancel,
    moved_up: u32,
}

impl Sweep<'_> {
    /// Deletes all entries of an open folder.
    fn folder(&mut self, folder: &OwnedFd, depth: u32) -> rustix::io::Result<()> {
        let mut entries: Vec<(OsString, FileType)> = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                let name = std::os::unix::ffi::OsStringExt::from_vec(name.to_bytes().to_vec());
                entries.push((name, entry.file_type()));
            }
        }
        let mut first_error = Ok(());
        for (name, kind) in entries {
            if self.cancel.raised().is_some() {
                return Ok(());
            }
            // One entry that stays must not keep the others.
            let done = self.entry(folder, &name, kind, depth);
            first_error = first_error.and(done);
        }
        first_error
    }

    fn entry(
        &mut self,
        folder: &OwnedFd,
        name: &OsString,
        kind: FileType,
        depth: u32,
    ) -> rustix::io::Result<()> {
        if !matches!(kind, FileType::Directory | FileType::Unknown) {
            return writable(folder, || rustix::fs::unlinkat(folder, name, AtFlags::empty()));
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(folder, name, flags, Mode::empty());
        let inner = match open() {
            Ok(inner) => inner,
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                return writable(folder, || rustix::fs::unlinkat(folder, name, AtFlags::empty()));
            }
            Err(rustix::io::Errno::ACCESS) => {
                // `chmodat` would follow a link, but the kernel has just said that this is a folder.
                rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
                open()?
            }
            Err(error) => return Err(error),
        };
        if rustix::fs::fstat(&inner)?.st_dev != self.device {
            return Err(rustix::io::Errno::XDEV);
        }
        if depth >= DEPTH_MAX {
            let up = format!("deep-{}-{}", std::process::id(), self.moved_up);
            self.moved_up += 1;
            return writable(folder, || rustix::fs::renameat(folder, name, self.trash, up.as_str()));
        }
        self.folder(&inner, depth + 1)?;
        drop(inner);
        match writable(folder, || rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)) {
            Err(rustix::io::Errno::NOTEMPTY) if self.cancel.raised().is_some() => Ok(()),
            done => done,
        }
    }
}

/// Does it, once more with the folder made writable where it was not (caches are often read-only).
fn writable(folder: &OwnedFd, mut change: impl FnMut() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    match change() {
        Err(rustix::io::Errno::ACCESS) => {
            rustix::fs::fchmod(folder, Mode::RWXU)?;
            change()
        }
        done => done,
    }
}
