//! A file that only grows, up to a limit and while the disk has room; never a reason to fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;

/// How much is written between two looks at the free space, in bytes.
const SPACE_LOOK_EACH: u64 = 1 << 20;

/// An open file. One that cannot be made holds nothing.
#[derive(Debug)]
pub(super) struct Bounded {
    file: Option<File>,
    limit: u64,
    written: u64,
    reserve: u64,
    until_look: u64,
    disk_full: bool,
}

impl Bounded {
    /// Makes the file anew, mode 0600, of at most `limit` bytes, with `reserve` bytes of the disk left free.
    pub(super) fn create(path: &Path, limit: u64, reserve: u64) -> Self {
        let file = create_file(path).ok();
        Self { file, limit, written: 0, reserve, until_look: 0, disk_full: false }
    }

    /// Whether so many bytes fit, with `room` more behind them.
    pub(super) fn has_room(&self, len: u64, room: u64) -> bool {
        self.written.saturating_add(len).saturating_add(room) <= self.limit
    }

    /// Writes a value as a line of JSON, leaving so much room; all or nothing.
    pub(super) fn line(&mut self, value: &impl Serialize, room: u64) -> bool {
        let Ok(mut line) = serde_json::to_vec(value) else { return false };
        line.push(b'\n');
        self.append(&line, room)
    }

    /// Writes at the end, leaving so much room; all or nothing.
    pub(super) fn append(&mut self, bytes: &[u8], room: u64) -> bool {
        let Some(file) = self.file.as_ref().filter(|_| self.has_room(bytes.len() as u64, room)) else {
            return false;
        };
        if file.write_all_at(bytes, self.written).is_err() {
            // No half line stays. Should that fail too, the next line overwrites it.
            let _ = file.set_len(self.written);
            return false;
        }
        self.written += bytes.len() as u64;
        true
    }

    /// Whether the disk has space left beyond its reserve; looked at now and then.
    pub(super) fn has_space(&mut self, len: u64) -> bool {
        if self.until_look <= len {
            self.until_look = SPACE_LOOK_EACH;
            let space = self.file.as_ref().and_then(|file| rustix::fs::fstatvfs(file).ok());
            self.disk_full = space.is_some_and(|s| s.f_bavail.saturating_mul(s.f_frsize) < self.reserve);
        } else {
            self.until_look -= len;
        }
        !self.disk_full
    }
}

fn create_file(path: &Path) -> io::Result<File> {
    // Removed and made anew, so that no link is followed that somebody put there.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
