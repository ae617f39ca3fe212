//! A run's log: NDJSON with times, or the bare output; never longer than its limit, never a reason to fail.
//!
//! What was not kept, because of the limit or the disk, is counted, and the log says so at its end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use serde::Serialize;
use serde_json::json;
use storkit_core::facts::ProcessEnd;

use super::events::AgentEvent;
use super::spec::{How, LogSpec, RunSpec};

/// Longest log, in bytes.
pub const LOG_LEN_MAX: u64 = 64_000_000;
/// What of it is kept free of output for events, in bytes.
const EVENT_ROOM: u64 = 1 << 20;
/// What of it is kept free of events for the last lines, in bytes.
const END_ROOM: u64 = 4096;
/// How much is written between two looks at the free space, in bytes.
const SPACE_LOOK_EACH: u64 = 1 << 20;

/// An open log. What the disk refuses is counted as missing.
#[derive(Debug)]
pub(super) struct RunLog {
    file: Option<File>,
    ndjson: bool,
    written: u64,
    missing: u64,
    reserve: u64,
    until_look: u64,
    disk_full: bool,
}

#[derive(Serialize)]
struct EventLine<'a> {
    t: f64,
    #[serde(flatten)]
    event: &'a AgentEvent,
}

impl RunLog {
    /// Makes the file anew and writes its first line. A log that cannot be made holds nothing.
    pub(super) fn create(spec: &RunSpec) -> Self {
        let mut log = Self {
            file: create_file(&spec.log).ok(),
            ndjson: spec.log.head.is_some(),
            written: 0,
            missing: 0,
            reserve: spec.log.disk_reserve_bytes,
            until_look: 0,
            disk_full: false,
        };
        if let Some(head) = &spec.log.head {
            let line = json!({
                "t": 0, "ev": "start", "run": spec.run, "story": spec.story, "stage": head.stage,
                "agent": head.agent, "attempt": head.attempt, "number": head.number, "at": head.at,
            });
            log.line(&line, END_ROOM);
        }
        log
    }

    /// Keeps output: as text in an NDJSON log, as the bytes that they are in a bare one.
    pub(super) fn out(&mut self, t: f64, bytes: &[u8], text: &str) {
        let room = LOG_LEN_MAX - EVENT_ROOM;
        if self.written + bytes.len() as u64 > room || !self.has_space(bytes.len() as u64) {
            self.missing += bytes.len() as u64;
            return;
        }
        let kept = if self.ndjson {
            self.line(&json!({ "t": t, "ev": "out", "text": text }), EVENT_ROOM)
        } else {
            self.append(bytes, EVENT_ROOM)
        };
        if !kept {
            self.missing += bytes.len() as u64;
        }
    }

    /// Keeps an event; a bare log has its line already.
    pub(super) fn event(&mut self, t: f64, event: &AgentEvent) {
        if self.ndjson && self.has_space(0) {
            self.line(&EventLine { t, event }, END_ROOM);
        }
    }

    /// Says what is missing and how the run ended.
    pub(super) fn end(&mut self, t: f64, how: How, process: Option<ProcessEnd>) {
        let missing = self.missing;
        if self.ndjson {
            if missing > 0 {
                self.line(&json!({ "t": t, "ev": "missing", "bytes": missing }), 0);
            }
            let (exit, signal) = match process {
                Some(ProcessEnd::Exited(status)) => (Some(status), None),
                Some(ProcessEnd::Signalled(signal)) => (None, Some(signal)),
                Some(ProcessEnd::Lost) | None => (None, None),
            };
            self.line(&json!({ "t": t, "ev": "end", "how": how, "exit": exit, "signal": signal }), 0);
        } else if missing > 0 {
            self.append(format!("\n[storkit: {missing} bytes of output are not kept]\n").as_bytes(), 0);
        }
    }

    fn line(&mut self, value: &impl Serialize, room: u64) -> bool {
        let Ok(mut line) = serde_json::to_vec(value) else { return false };
        line.push(b'\n');
        self.append(&line, room)
    }

    /// Writes at the end, leaving so much room; all or nothing.
    fn append(&mut self, bytes: &[u8], room: u64) -> bool {
        let Some(file) = &self.file else { return false };
        if self.written + bytes.len() as u64 + room > LOG_LEN_MAX {
            return false;
        }
        if file.write_all_at(bytes, self.written).is_err() {
            // No half line stays. Should that fail too, the next line overwrites it.
            let _ = file.set_len(self.written);
            return false;
        }
        self.written += bytes.len() as u64;
        true
    }

    fn has_space(&mut self, len: u64) -> bool {
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

fn create_file(spec: &LogSpec) -> io::Result<File> {
    // Removed and made anew, so that no link is followed that somebody put there.
    match std::fs::remove_file(&spec.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&spec.path)
}
