//! Where words go: data to standard output, talk to standard error; JSON, colours and quiet as asked.

use std::io::{IsTerminal, Write};

use anstream::ColorChoice;
use serde::Serialize;

use super::args::Color;
use super::exit::Failure;
use super::text;

/// Columns where the terminal does not say how many it has.
const COLUMNS_DEFAULT: usize = 80;
/// Columns into a file or a pipe: nothing is cut that a script may want.
const COLUMNS_PIPE: usize = 120;

/// The two streams, and how they are to be used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    /// Data is JSON, and so are errors.
    pub json: bool,
    quiet: bool,
}

#[expect(
    clippy::unused_self,
    reason = "the streams are the process's own; everybody reaches them through this"
)]
impl Out {
    /// Streams as the options say. Colours are settled here for the whole process.
    pub(super) fn new(json: bool, quiet: bool, color: Color) -> Self {
        match color {
            Color::Auto => {}
            Color::Always => ColorChoice::Always.write_global(),
            Color::Never => ColorChoice::Never.write_global(),
        }
        Self { json, quiet }
    }

    /// Writes data. A reader who has gone away ends the command without a word.
    pub(super) fn data(self, text: &str) -> Result<(), Failure> {
        let mut stdout = anstream::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::closed_output(),
            _ => Failure::new(format!("cannot write to standard output: {error}")),
        })
    }

    /// Writes data as JSON, on lines of its own.
    pub(super) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?;
        text.push('\n');
        self.data(&text)
    }

    /// Says something that a person may want to know, in one line. Others' words in it must be clean.
    pub(super) fn say(self, line: &str) {
        if !self.quiet {
            // Nobody listens: then nothing needs to be said.
            let _ = writeln!(anstream::stderr().lock(), "{line}");
        }
    }

    /// Says why a command failed, in the shape that was asked for.
    pub(super) fn fail(self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        let mut stderr = anstream::stderr().lock();
        if self.json {
            let shown = serde_json::to_string(failure).unwrap_or_default();
            let _ = writeln!(stderr, "{shown}");
            return;
        }
        let style = super::style::ERROR;
        let _ = writeln!(stderr, "{style}error{style:#}: {}", text::clean_lines(&failure.error));
        if let Some(hint) = &failure.hint {
            let style = super::style::HINT;
            let _ = writeln!(stderr, "{style}hint{style:#}: {}", text::clean_lines(hint));
        }
    }

    /// Columns of standard output.
    pub(super) fn columns(self) -> usize {
        if !std::io::stdout().is_terminal() {
            return std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(COLUMNS_PIPE);
        }
        let size = rustix::termios::tcgetwinsize(std::io::stdout());
        size.ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0)
            .unwrap_or(COLUMNS_DEFAULT)
    }

    /// Whether talk goes to a person's terminal, and is wanted.
    pub(super) fn is_live(self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Whether talk goes to systemd's journal.
    pub(super) fn is_journal(self) -> bool {
        #[cfg(target_os = "linux")]
        return crate::sys::manager::is_journal();
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Whether data goes to a terminal.
    pub(super) fn is_terminal(self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Whether talk may be coloured.
    pub(super) fn has_color(self) -> bool {
        anstream::AutoStream::choice(&std::io::stderr()) != ColorChoice::Never
    }
}
