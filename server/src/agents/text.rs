//! Output as text: bytes to characters, control sequences taken out, and the end of it kept.
//!
//! Everything here takes the output in pieces, cut anywhere, and holds no more than a named limit. No I/O.

/// How much of the end of an output is kept for prompts, in bytes.
pub const TAIL_LEN_MAX: usize = 3000;
/// Longest control string (OSC, DCS …) that is swallowed, in characters; behind it text is text again.
const CONTROL_STRING_LEN_MAX: usize = 4096;

/// Turns bytes into text; what is not UTF-8 becomes U+FFFD, also across pieces.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a character whose rest has not come yet: at most three bytes.
    held: Vec<u8>,
}

impl Decoder {
    /// Appends the text of the next piece.
    pub fn feed(&mut self, bytes: &[u8], out: &mut String) {
        if self.held.is_empty() {
            self.decode(bytes, out);
        } else {
            let mut whole = std::mem::take(&mut self.held);
            whole.extend_from_slice(bytes);
            self.decode(&whole, out);
        }
    }

    /// The output is over: what is held is no character.
    pub fn finish(&mut self, out: &mut String) {
        if !std::mem::take(&mut self.held).is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn decode(&mut self, bytes: &[u8], out: &mut String) {
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let unfinished = std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none());
            if chunks.peek().is_none() && unfinished {
                self.held.extend_from_slice(invalid);
            } else {
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Text,
    Escape,
    Csi,
    /// In a control string, with its length so far.
    ControlString(usize),
    /// In a control string, behind an ESC that may end it.
    ControlStringEscape,
}

/// Takes control sequences (CSI, OSC, DCS, SOS, PM, APC, 7-bit and C1) and control characters out of a text.
/// Line feeds, carriage returns and tabs stay.
#[derive(Debug, Default)]
pub struct Plain {
    state: State,
}

impl Plain {
    /// Appends what of the next piece is text.
    pub fn feed(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.state == State::Text {
                let plain = rest.bytes().position(is_special).unwrap_or(rest.len());
                out.push_str(&rest[..plain]);
                rest = &rest[plain..];
            }
            let Some(c) = rest.chars().next() else { break };
            rest = &rest[c.len_utf8()..];
            self.step(c, out);
        }
    }

    #[expect(clippy::match_same_arms, reason = "in the order in which the first fitting arm counts")]
    fn step(&mut self, c: char, out: &mut String) {
        if matches!(c, '\n' | '\r') {
            // A sequence never spans lines: one that was cut off must not swallow what follows.
            self.state = State::Text;
            out.push(c);
            return;
        }
        self.state = match (self.state, c) {
            (State::ControlStringEscape, '\\') | (_, '\u{18}' | '\u{1a}') => State::Text,
            (State::ControlString(_), '\u{1b}') => State::ControlStringEscape,
            (State::ControlString(_), '\u{07}' | '\u{9c}') => State::Text,
            (State::ControlString(len), _) if len >= CONTROL_STRING_LEN_MAX => State::Text,
            (State::ControlString(len), _) => State::ControlString(len + 1),
            (_, '\u{1b}') => State::Escape,
            (State::Escape | State::ControlStringEscape, '[') => State::Csi,
            (State::Escape | State::ControlStringEscape, ']' | 'P' | 'X' | '^' | '_') => {
                State::ControlString(0)
            }
            (State::Escape | State::ControlStringEscape, ' '..='/') => State::Escape,
            (State::Escape | State::ControlStringEscape, _) => State::Text,
            (State::Csi, '\u{40}'..='\u{7e}') => State::Text,
            (State::Csi, ' '..='?') => State::Csi,
            (_, '\u{9b}') => State::Csi,
            (_, '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => State::ControlString(0),
            (State::Text | State::Csi, _) => {
                if c == '\t' || !c.is_control() {
                    out.push(c);
                }
                State::Text
            }
        };
    }
}

/// Whether a byte of UTF-8 may begin something other than plain text. U+0080 to U+009F begin with 0xC2.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f || byte == 0xc2
}

/// The text without control sequences, in one go.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    Plain::default().feed(text, &mut out);
    out
}

/// The end of a text, as a terminal would show its lines: a carriage return begins its line anew.
#[derive(Debug, Default)]
pub struct Tail {
    text: String,
    returned: bool,
}

impl Tail {
    /// Appends plain text.
    pub fn feed(&mut self, plain: &str) {
        // What would fall out at once need not come in. A boundary is at most three bytes off.
        let mut start = plain.len().saturating_sub(4 * TAIL_LEN_MAX);
        while !plain.is_char_boundary(start) {
            start += 1;
        }
        for piece in plain[start..].split_inclusive(['\r', '\n']) {
            let body = piece.trim_end_matches(['\r', '\n']);
            if !body.is_empty() {
                if std::mem::take(&mut self.returned) {
                    let line = self.text.rfind('\n').map_or(0, |at| at + 1);
                    self.text.truncate(line);
                }
                self.text.push_str(body);
            }
            if piece.ends_with('\n') {
                self.returned = false;
                self.text.push('\n');
            } else if piece.ends_with('\r') {
                self.returned = true;
            }
        }
        if self.text.len() > 8 * TAIL_LEN_MAX {
            self.text = last_bytes(&self.text, TAIL_LEN_MAX).to_owned();
        }
    }

    /// The end, at most [`TAIL_LEN_MAX`] bytes, cut at a character, without blank ends.
    pub fn text(&self) -> &str {
        last_bytes(self.text.trim_end(), TAIL_LEN_MAX).trim_start_matches('\n')
    }
}

/// The last bytes of a text, at most `max`, beginning with a whole character.
fn last_bytes(text: &str, max: usize) -> &str {
    let mut start = text.len().saturating_sub(max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_sequences_of_every_kind_are_taken_out() {
        for (raw, expected) in [
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]52;c;ZXZpbA==\u{1b}\\b", "ab"),
            ("a\u{1b}Pq#0;2\u{1b}\\b", "ab"),
            ("a\u{9b}31mb\u{9d}x\u{9c}c\u{90}y\u{1b}\\d", "abcd"),
            ("a\u{1b}(Bb\u{1b}7c\u{1b}=d", "abcd"),
            ("a\u{8}\u{0}\u{7f}b\u{85}c", "abc"),
            ("tab\tstays\r\n", "tab\tstays\r\n"),
            ("é¢ü", "é¢ü"),
            ("cut \u{1b}]off\nnext", "cut \nnext"),
            ("\u{1b}[31\nnext", "\nnext"),
        ] {
            assert_eq!(plain(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn a_control_string_without_end_swallows_only_so_much() {
        let raw = format!("\u{1b}]{}", "x".repeat(10_000));
        let left = plain(&raw);
        assert!(left.len() > 5_000 && left.len() < 6_000, "{}", left.len());
    }

    #[test]
    fn a_progress_line_is_shown_once() {
        let mut tail = Tail::default();
        tail.feed("one\r\n10%\r20%\r");
        tail.feed("30%");
        tail.feed("\r\nend\r\r\n");
        assert_eq!(tail.text(), "one\n30%\nend");
    }

    #[test]
    fn the_tail_is_cut_at_a_character() {
        let mut tail = Tail::default();
        for _ in 0..10_000 {
            tail.feed("ü");
        }
        tail.feed("x");
        assert_eq!(tail.text().len(), 2999);
        assert!(tail.text().ends_with("üx"));
        assert!(tail.text.capacity() < 100_000);
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_as_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let cut = cut.min(bytes.len());
            let (mut decoder, mut plain_text) = (Decoder::default(), Plain::default());
            let (mut text, mut out) = (String::new(), String::new());
            decoder.feed(&bytes[..cut], &mut text);
            let first = text.len();
            decoder.feed(&bytes[cut..], &mut text);
            decoder.finish(&mut text);
            plain_text.feed(&text[..first], &mut out);
            plain_text.feed(&text[first..], &mut out);
            let lossy = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(&text, &lossy);
            prop_assert_eq!(&out, &plain(&lossy));
            prop_assert!(out.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')));
        }
    }
}
