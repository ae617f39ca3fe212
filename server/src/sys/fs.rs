//! Files, made to last: folders by handle, opens that follow no link, moves that refuse to replace, durable writes.
//!
//! It knows nothing of stories. A [`Dir`] is held by descriptor, so that a folder replaced meanwhile is never
//! written through its old name.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// A file operation that failed: what, where, why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FsError {
    /// What was tried, as an infinitive.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FsError {
    /// Says what was tried and on what.
    pub fn of(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self { action, path: path.to_owned(), source: source.into() }
    }
}

/// What tells one version of a file from another without reading it.
///
/// The change time cannot be set by a program, the others can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// The file system.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// When its bytes changed, in nanoseconds since 1970.
    pub modified_ns: i128,
    /// When anything of it changed, its name included, in nanoseconds since 1970.
    pub changed_ns: i128,
}

impl Stamp {
    fn of(stat: &rustix::fs::Stat) -> Self {
        fn wide(value: impl TryInto<i128>) -> i128 {
            value.try_into().unwrap_or_default()
        }
        fn plain(value: impl TryInto<u64>) -> u64 {
            value.try_into().unwrap_or_default()
        }
        Self {
            dev: plain(stat.st_dev),
            ino: plain(stat.st_ino),
            size: plain(stat.st_size),
            modified_ns: wide(stat.st_mtime) * 1_000_000_000 + wide(stat.st_mtime_nsec),
            changed_ns: wide(stat.st_ctime) * 1_000_000_000 + wide(stat.st_ctime_nsec),
        }
    }

    /// Whether both are of one inode.
    pub fn same_file(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    /// Whether both are of one inode with, by all signs, the same bytes; its name may have changed.
    pub fn same_bytes(&self, other: &Self) -> bool {
        self.same_file(other) && (self.size, self.modified_ns) == (other.size, other.modified_ns)
    }
}

/// What stands at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File(Stamp),
    /// A link, folder, pipe, device or socket.
    Other,
}

/// A folder, by descriptor.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl Dir {
    /// Opens the folder at `path`, links in it followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens the folder `name` in this one; a link is refused.
    pub fn sub(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(&self.0, name.as_ref(), flags, Mode::empty())?))
    }

    /// The folder's own stamp: its times change when a name in it does.
    pub fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of(&rustix::fs::fstat(&self.0)?))
    }

    /// Calls `each` with every name in the folder and whether it may be a regular file.
    pub fn entries(&self, mut each: impl FnMut(&[u8], bool)) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let maybe_file = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => each(name, maybe_file),
            }
        }
        Ok(())
    }

    /// What stands at `name`; a link is not followed.
    pub fn look(&self, name: impl AsRef<OsStr>) -> io::Result<Entry> {
        let stat = rustix::fs::statat(&self.0, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(entry_of(&stat))
    }

    /// Opens the regular file `name` for reading. Anything else is refused with `InvalidInput`; never waits on a
    /// pipe, and a file that someone holds a lease on answers `WouldBlock`.
    pub fn open_file(&self, name: impl AsRef<OsStr>) -> io::Result<(File, Stamp)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.0, name.as_ref(), flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::LOOP) => return Err(not_regular()),
            Err(error) => return Err(error.into()),
        };
        match entry_of(&rustix::fs::fstat(&file)?) {
            Entry::File(stamp) => Ok((file, stamp)),
            Entry::Other => Err(not_regular()),
        }
    }

    /// Makes the file `name`, which must not be there, readable by its owner alone.
    pub fn create_new(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, name.as_ref(), flags, Mode::RUSR | Mode::WUSR)?;
        Ok(File::from(fd))
    }

    /// Moves `name` to `to_name` in `to`, both on one file system; refuses with `AlreadyExists` to replace.
    ///
    /// Where the file system cannot refuse by itself, a second name is made and the first one removed.
    pub fn rename_noreplace(
        &self,
        name: impl AsRef<OsStr>,
        to: &Self,
        to_name: impl AsRef<OsStr>,
    ) -> io::Result<()> {
        let (name, to_name) = (name.as_ref(), to_name.as_ref());
        match rustix::fs::renameat_with(&self.0, name, &to.0, to_name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rustix::fs::linkat(&self.0, name, &to.0, to_name, AtFlags::empty())?;
                Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
            }
            end => Ok(end?),
        }
    }

    /// Moves `name` to `to_name` in `to` and replaces what is there.
    pub fn rename_over(
        &self,
        name: impl AsRef<OsStr>,
        to: &Self,
        to_name: impl AsRef<OsStr>,
    ) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, name.as_ref(), &to.0, to_name.as_ref())?)
    }

    /// Exchanges `name` here and `other_name` in `other` in one step; false where the file system cannot.
    ///
    /// Who watches this folder sees the name leave and then come back: the order of the two events is that of the
    /// arguments.
    pub fn exchange(
        &self,
        name: impl AsRef<OsStr>,
        other: &Self,
        other_name: impl AsRef<OsStr>,
    ) -> io::Result<bool> {
        let (name, other_name) = (name.as_ref(), other_name.as_ref());
        match rustix::fs::renameat_with(&self.0, name, &other.0, other_name, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the file `name` a second name in `to`.
    pub fn link(&self, name: impl AsRef<OsStr>, to: &Self, to_name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.0, name.as_ref(), &to.0, to_name.as_ref(), AtFlags::empty())?)
    }

    /// Removes the file `name`.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name.as_ref(), AtFlags::empty())?)
    }

    /// Makes what was done to names in this folder last. A file system that cannot is no error.
    pub fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.0) {
            Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
            end => Ok(end?),
        }
    }

    /// The folder's descriptor.
    pub fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The stamp of an open file.
pub fn stamp(file: &File) -> io::Result<Stamp> {
    Ok(Stamp::of(&rustix::fs::fstat(file)?))
}

/// All bytes of `file` from where it stands, or none when they are more than `cap`.
pub fn read_capped(file: &mut File, cap: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let length = file.take(cap + 1).read_to_end(&mut bytes)?;
    Ok((u64::try_from(length).is_ok_and(|length| length <= cap)).then_some(bytes))
}

/// The last bytes of the file at `path`, at most so many, and how many stand before them: whole lines, unless it is
/// read from its beginning.
pub fn last_lines(path: &Path, most: u64) -> io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    let skipped = file.metadata()?.len().saturating_sub(most);
    file.seek(io::SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    if skipped == 0 {
        return Ok((bytes, 0));
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
    bytes.drain(..end);
    Ok((bytes, skipped + end as u64))
}

/// Makes names added to or taken from the folder `path` last.
pub fn fsync_dir(path: &Path) -> Result<(), FsError> {
    Dir::open(path).and_then(|dir| dir.sync()).map_err(|source| FsError::of("sync", path, source))
}

/// Writes the file at `path` so that a reader, and a power cut, finds the old bytes or the new ones.
///
/// The new bytes are first in a file of `tmp_dir`, which is on the same file system. `mode` is the file's
/// permission bits.
pub fn write_atomic(path: &Path, bytes: &[u8], tmp_dir: &Path, mode: u32) -> Result<(), FsError> {
    let failed = |source: io::Error| FsError::of("write", path, source);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let tmp = Dir::open(tmp_dir).map_err(|source| FsError::of("open", tmp_dir, source))?;
    let folder = Dir::open(parent).map_err(|source| FsError::of("open", parent, source))?;
    let tmp_name = unique_name("write");
    let written = write_new(&tmp, &tmp_name, bytes, mode)
        .and_then(|()| tmp.rename_over(&tmp_name, &folder, name))
        .and_then(|()| folder.sync());
    written.map_err(|source| {
        // What is left of it is of no use to anyone.
        let _ = tmp.remove(&tmp_name);
        failed(source)
    })
}

/// Makes the file `name` in `dir` with these bytes and permission bits, and makes its bytes last.
pub fn write_new(dir: &Dir, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = dir.create_new(name)?;
    file.write_all(bytes)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
    file.sync_all()
}

/// A name that nobody else uses in a folder of storkit's own.
pub fn unique_name(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{prefix}-{}-{}-{}", now.as_nanos(), std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn entry_of(stat: &rustix::fs::Stat) -> Entry {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Entry::File(Stamp::of(stat)),
        _ => Entry::Other,
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}
