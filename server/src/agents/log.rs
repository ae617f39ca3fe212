//! A run's log: NDJSON with times, or the bare output; never longer than its limit, never a reason to fail.
//!
//! What was not kept, because of the limit or the disk, is counted, and the log says so at its end.

use serde::Serialize;
use serde_json::json;
use storkit_core::facts::ProcessEnd;
use storkit_core::runtime::{AgentEvent, Ending};

use super::bounded::Bounded;
use super::spec::{How, RunSpec};

/// Longest log, in bytes.
pub const LOG_LEN_MAX: u64 = 64_000_000;
/// What of it is kept free of output for events, in bytes.
const EVENT_ROOM: u64 = 1 << 20;
/// What of it is kept free of events for the last lines, in bytes.
const END_ROOM: u64 = 4096;

/// An open log. What the disk refuses is counted as missing.
#[derive(Debug)]
pub(super) struct RunLog {
    file: Bounded,
    ndjson: bool,
    missing: u64,
}

#[derive(Serialize)]
struct EventLine<'a> {
    t: f64,
    #[serde(flatten)]
    event: &'a AgentEvent,
}

#[derive(Serialize)]
struct EndingLine<'a> {
    t: f64,
    ev: &'static str,
    #[serde(flatten)]
    ending: &'a Ending,
}

impl RunLog {
    /// Makes the file anew and writes its first line. A log that cannot be made holds nothing.
    pub(super) fn create(spec: &RunSpec) -> Self {
        let file = Bounded::create(&spec.log.path, LOG_LEN_MAX, spec.log.disk_reserve_bytes);
        let mut log = Self { file, ndjson: spec.log.head.is_some(), missing: 0 };
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
        let len = bytes.len() as u64;
        if !self.file.has_room(len, EVENT_ROOM) || !self.file.has_space(len) {
            self.missing += bytes.len() as u64;
            return;
        }
        let kept = if self.ndjson {
            self.line(&json!({ "t": t, "ev": "out", "text": text }), EVENT_ROOM)
        } else {
            self.file.append(bytes, EVENT_ROOM)
        };
        if !kept {
            self.missing += bytes.len() as u64;
        }
    }

    /// Keeps an event; a bare log has its line already.
    pub(super) fn event(&mut self, t: f64, event: &AgentEvent) {
        if self.ndjson && self.file.has_space(0) {
            self.line(&EventLine { t, event }, END_ROOM);
        }
    }

    /// Says what is missing and how the run ended.
    pub(super) fn end(&mut self, t: f64, how: How, process: Option<ProcessEnd>, ending: Option<&Ending>) {
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
            if let Some(ending) = ending {
                self.line(&EndingLine { t, ev: "ending", ending }, END_ROOM / 2);
            }
            self.line(&json!({ "t": t, "ev": "end", "how": how, "exit": exit, "signal": signal }), 0);
        } else if missing > 0 {
            self.file.append(format!("\n[storkit: {missing} bytes of output are not kept]\n").as_bytes(), 0);
        }
    }

    fn line(&mut self, value: &impl Serialize, room: u64) -> bool {
        self.file.line(value, room)
    }
}
