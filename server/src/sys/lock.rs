//! The lock that makes one daemon the only one of a repository: `storkit.lock` in git's common folder.
//!
//! The lock is the kernel's, on the open file, and ends with its holder; the text in the file only says who that is.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fs::FsError;

/// The file's name, in git's common folder.
pub const LOCK_NAME: &str = "storkit.lock";
/// Most bytes of the file that are read.
const HOLDER_BYTES_MAX: u64 = 16 * 1024;
/// A look at the holder takes the lock for an instant, so a first refusal is not yet an answer.
const TRIES: u32 = 5;
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Its socket's path.
    pub socket: PathBuf,
    /// Where it serves HTTP; none while TCP is off.
    pub url: Option<String>,
}

/// The daemon's lock, held until dropped.
#[derive(Debug)]
pub struct DaemonLock {
    file: File,
    path: PathBuf,
}

/// How asking for the lock ended.
#[derive(Debug)]
pub enum Acquired {
    /// It is ours.
    Ours(DaemonLock),
    /// Another process has it; who, where it has said so yet.
    Held(Option<Holder>),
}

impl DaemonLock {
    /// Takes the lock in `common_dir` and writes who holds it; answers within a fifth of a second.
    pub fn acquire(common_dir: &Path, holder: &Holder) -> Result<Acquired, FsError> {
        let path = common_dir.join(LOCK_NAME);
        let file = open(&path)?;
        for attempt in 1..=TRIES {
            match file.try_lock() {
                Ok(()) => {
                    let lock = Self { file, path };
                    lock.announce(holder)?;
                    return Ok(Acquired::Ours(lock));
                }
                Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(TRY_EVERY),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(FsError::of("lock", &path, source)),
            }
        }
        Ok(Acquired::Held(read(&file)))
    }

    /// Writes anew who holds it, as when the port is known.
    pub fn announce(&self, holder: &Holder) -> Result<(), FsError> {
        let failed = |source| FsError::of("write", &self.path, source);
        let mut text = serde_json::to_vec(holder).expect("plain data is JSON");
        text.push(b'\n');
        let mut file = &self.file;
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        file.write_all(&text).map_err(failed)
    }
}

/// Who holds the lock in `common_dir`; none when nobody does, or when the holder has not yet said who it is.
pub fn holder(common_dir: &Path) -> Result<Option<Holder>, FsError> {
    let path = common_dir.join(LOCK_NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FsError::of("open", &path, source)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(read(&file)),
        Err(TryLockError::Error(source)) => Err(FsError::of("lock", &path, source)),
    }
}

fn open(path: &Path) -> Result<File, FsError> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|source| FsError::of("open", path, source))
}

fn read(mut file: &File) -> Option<Holder> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(HOLDER_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_asker_learns_who_the_first_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = Holder { pid: 7, socket: "/s".into(), url: None };
        assert_eq!(holder(dir.path()).expect("looked"), None);
        let Acquired::Ours(lock) = DaemonLock::acquire(dir.path(), &first).expect("asked") else {
            panic!("nobody else holds it");
        };
        let second = Holder { pid: 8, ..Holder::default() };
        let Acquired::Held(who) = DaemonLock::acquire(dir.path(), &second).expect("asked") else {
            panic!("the first one holds it");
        };
        assert_eq!(who, Some(first.clone()));
        let served = Holder { url: Some("http://127.0.0.1:1".into()), ..first };
        lock.announce(&served).expect("written");
        assert_eq!(holder(dir.path()).expect("looked"), Some(served));
        drop(lock);
        assert_eq!(holder(dir.path()).expect("looked"), None);
        assert!(matches!(DaemonLock::acquire(dir.path(), &second), Ok(Acquired::Ours(_))));
    }
}
