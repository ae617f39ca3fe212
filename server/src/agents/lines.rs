//! A run's output as lines of plain text: put together from pieces, endless ones dropped.
//!
//! What a line says is the core's to know (`storkit_core::runtime`).

use storkit_core::runtime::LINE_LEN_MAX;

/// Cuts plain text into lines.
#[derive(Debug, Default)]
pub(super) struct LineCutter {
    line: String,
    too_long: bool,
}

impl LineCutter {
    /// Takes the next piece of text, and calls `found` with each line that it ends.
    pub(super) fn feed(&mut self, plain: &str, found: &mut dyn FnMut(&str)) {
        for piece in plain.split_inclusive('\n') {
            let body = piece.strip_suffix('\n').unwrap_or(piece);
            if self.line.len() + body.len() > LINE_LEN_MAX {
                self.too_long = true;
                self.line = String::new();
            }
            if !self.too_long {
                self.line.push_str(body);
            }
            if piece.ends_with('\n') {
                self.finish(found);
            }
        }
    }

    /// Ends the line that is open: the output is over.
    pub(super) fn finish(&mut self, found: &mut dyn FnMut(&str)) {
        if !self.line.is_empty() {
            found(&self.line);
        }
        self.line.clear();
        self.too_long = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_endless_ones_dropped() {
        let mut found = Vec::new();
        let mut lines = LineCutter::default();
        let mut push = |line: &str| found.push(line.to_owned());
        lines.feed("noise\n{\"storkit\":\"ses", &mut push);
        lines.feed("sion\",\"id\":\"a\"}\r\n\n", &mut push);
        for _ in 0..40 {
            lines.feed(&"x".repeat(100_000), &mut push);
        }
        assert!(lines.line.capacity() <= 2 * LINE_LEN_MAX);
        lines.feed("\nafter it\n", &mut push);
        lines.feed("no end of line", &mut push);
        lines.finish(&mut push);
        let session = "{\"storkit\":\"session\",\"id\":\"a\"}\r";
        assert_eq!(found, ["noise", session, "after it", "no end of line"]);
    }
}
