//! The recording of an agent's terminal, `<run>.cast`: asciinema's format, version 2
//! (<https://docs.asciinema.org/manual/asciicast/v2/>). What is typed is not recorded: it may be a secret.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::bounded::Bounded;
use super::log::LOG_LEN_MAX;
use super::pty::{COLUMNS, ROWS};
use super::spec::RunSpec;

/// Where the recording of a run lies, beside its log.
pub fn cast_of(log: &Path) -> PathBuf {
    log.with_extension("cast")
}

/// An open recording. What goes beyond its limit, or what the disk refuses, is missing from it.
#[derive(Debug)]
pub(super) struct Cast(Option<Bounded>);

impl Cast {
    /// Makes the file and writes its head; no file for what has no terminal.
    pub(super) fn create(spec: &RunSpec) -> Self {
        let Some(head) = spec.log.head.as_ref().filter(|_| spec.terminal) else { return Self(None) };
        let mut file = Bounded::create(&cast_of(&spec.log.path), LOG_LEN_MAX, spec.log.disk_reserve_bytes);
        let term = spec.env.get("TERM").map_or("xterm-256color", String::as_str);
        let mut line = json!({
            "version": 2, "width": COLUMNS, "height": ROWS, "title": format!("{} by {}", spec.story, head.agent),
            "env": { "TERM": term },
        });
        if let Ok(at) = head.at.parse::<jiff::Timestamp>() {
            line["timestamp"] = at.as_second().into();
        }
        file.line(&line, 0);
        Self(Some(file))
    }

    /// Records output at so many seconds.
    pub(super) fn out(&mut self, t: f64, text: &str) {
        if let Some(file) = self.0.as_mut().filter(|_| !text.is_empty())
            && file.has_space(text.len() as u64)
        {
            file.line(&(t, "o", text), 0);
        }
    }

    /// Records that the terminal has another size.
    pub(super) fn resize(&mut self, t: f64, columns: u16, rows: u16) {
        if let Some(file) = &mut self.0 {
            file.line(&(t, "r", format!("{columns}x{rows}")), 0);
        }
    }
}
