//! A run's log as a person reads it: what was printed as text, what happened as lines of their own.
//!
//! Logs hold what agents and gates wrote: no control sequence comes out of here. No I/O.

use serde_json::Value;

use super::text::Plain;
use crate::sys::text::{clean, clean_lines};

/// Turns a log's entries into text, in order; sequences may be split over entries.
#[derive(Debug)]
pub struct Transcript {
    raw: bool,
    mark: fn(&str) -> String,
    strip: Plain,
    at_line_start: bool,
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new(false, str::to_owned)
    }
}

impl Transcript {
    /// With output as it was printed where `raw`; `mark` colours the lines that tell of something.
    pub fn new(raw: bool, mark: fn(&str) -> String) -> Self {
        Self { raw, mark, strip: Plain::default(), at_line_start: true }
    }

    /// A whole log, or a piece of one; lines that are no entries are passed over.
    pub fn of(log: &[u8]) -> String {
        let mut transcript = Self::default();
        log.split(|byte| *byte == b'\n').map(|line| transcript.entry(line)).collect()
    }

    /// What was printed.
    pub fn printed(&mut self, text: &str) -> String {
        let shown = if self.raw {
            text.to_owned()
        } else {
            let mut stripped = String::new();
            self.strip.feed(text, &mut stripped);
            clean_lines(&stripped)
        };
        if let Some(last) = shown.chars().next_back() {
            self.at_line_start = last == '\n';
        }
        shown
    }

    /// One line of a log.
    pub fn entry(&mut self, line: &[u8]) -> String {
        let Ok(entry) = serde_json::from_slice::<Value>(line) else { return String::new() };
        let text = entry["text"].as_str().unwrap_or_default();
        let note = match entry["ev"].as_str().unwrap_or_default() {
            "out" if self.raw => return self.printed(text),
            "out" => return self.printed(&without_events(text)),
            other => note(other, &entry),
        };
        let Some(note) = note else { return String::new() };
        let gap = if self.at_line_start { "" } else { "\n" };
        self.at_line_start = true;
        format!("{gap}{}\n", (self.mark)(&format!("— {note}")))
    }
}

/// What an entry tells, on one line; none where that stands elsewhere.
fn note(event: &str, entry: &Value) -> Option<String> {
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    Some(match event {
        "start" => format!(
            "run {} of {} by {}, attempt {}",
            entry["number"],
            clean(text("story")),
            clean(text("agent")),
            entry["attempt"]
        ),
        "end" => {
            let status = match (entry["exit"].as_i64(), entry["signal"].as_i64()) {
                (Some(exit), _) => format!(" (exit {exit})"),
                (None, Some(signal)) => format!(" (signal {signal})"),
                (None, None) => String::new(),
            };
            format!("ended: {}{status}", clean(entry["how"].as_str().unwrap_or("unknown")))
        }
        // What it used comes with the sum.
        "" | "turn" => return None,
        "usage" => format!("usage: {} tokens in, {} out", entry["input_tokens"], entry["output_tokens"]),
        other => {
            let said: Vec<&str> =
                ["tool", "input", "text"].map(text).into_iter().filter(|t| !t.is_empty()).collect();
            let words = if said.is_empty() { text("id").to_owned() } else { said.join(" ") };
            format!("{}: {}", clean(other), clean(&words))
        }
    })
}

/// Output without the lines by which the agent told storkit something: each is shown as what it says.
fn without_events(text: &str) -> String {
    let is_event = |line: &str| {
        let line = line.trim();
        line.starts_with('{')
            && serde_json::from_str::<Value>(line).is_ok_and(|event| event["storkit"].is_string())
    };
    text.split_inclusive('\n').filter(|line| !is_event(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_taken_out_also_when_they_are_split() {
        let mut transcript = Transcript::default();
        assert_eq!(transcript.printed("a\u{1b}[3"), "a");
        assert_eq!(transcript.printed("1mred\u{1b}[0m\u{1b}]0;title\u{7}b\r\n"), "redb\n");
        assert_eq!(transcript.printed("\u{9b}31m\u{8}x\u{202e}"), "x\\u{202e}");
        assert_eq!(Transcript::new(true, str::to_owned).printed("\u{1b}[31m"), "\u{1b}[31m");
    }

    #[test]
    fn entries_are_shown_as_a_person_reads_them() {
        let log = [
            r#"{"t":0,"ev":"start","run":"r","story":"1_a","stage":"coder","agent":"coder-1","attempt":2,"number":3,"at":"x"}"#,
            r#"{"t":1,"ev":"out","text":"{\"storkit\":\"summary\",\"text\":\"x\"}\r\nworking"}"#,
            r#"{"t":1,"ev":"tool_use","id":"1","tool":"shell","input":"ls"}"#,
            r#"{"t":1,"ev":"turn"}"#,
            r#"{"t":1,"ev":"question","text":"red or\nblue?"}"#,
            "no json",
            r#"{"ev":"end","how":"done","exit":0,"signal":null}"#,
        ];
        let shown = Transcript::of(log.join("\n").as_bytes());
        assert_eq!(
            shown,
            "— run 3 of 1_a by coder-1, attempt 2\nworking\n— tool_use: shell ls\n— question: red or blue?\n— ended: done (exit 0)\n"
        );
    }
}
