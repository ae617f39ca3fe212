//! A person's terminal while an agent's output is drawn on it as it is: raw keys, and no sequence that reaches
//! beyond the screen.

use std::io::IsTerminal;

use rustix::termios::{self, OptionalActions, Termios};

/// Longest control sequence that is passed on, in bytes; a longer one is dropped.
const SEQUENCE_LEN_MAX: usize = 64;
/// What takes a terminal back from whatever was drawn on it: soft reset, main screen, cursor, mouse and paste off.
pub(super) const RESET: &str = "\u{1b}[!p\u{1b}[?1049l\u{1b}[?25h\u{1b}[?1000l\u{1b}[?1002l\u{1b}[?1003l\u{1b}[?1006l\u{1b}[?2004l\u{1b}[0m\r\n";

/// Standard input with every key as it is typed; as it was before when dropped.
pub(super) struct RawMode(Termios);

impl RawMode {
    /// None where standard input is no terminal.
    pub(super) fn begin() -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = termios::tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(&stdin, OptionalActions::Flush, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Columns and rows of the terminal that is written to.
pub(super) fn size() -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Lets drawing through and keeps back what would set a title, write a clipboard, open a link, print, or make the
/// terminal answer as if somebody had typed. Sequences may be split over pieces.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    state: State,
    sequence: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// ESC was read.
    Escape,
    /// ESC and an intermediate character: a character set, of one more character.
    Charset,
    /// ESC `[` …
    Control,
    /// A string (OSC, DCS, …) that goes on to its terminator; nothing of it is drawn.
    Text0,
    /// The same, and ESC was read, which may begin the terminator.
    Text0Escape,
}

impl Drawing {
    /// Appends what may be drawn of the next piece.
    pub(super) fn feed(&mut self, text: &str, out: &mut String) {
        for c in text.chars() {
            self.take(c, out);
        }
    }

    fn take(&mut self, c: char, out: &mut String) {
        match (self.state, c) {
            (State::Text0, '\u{1b}') => self.state = State::Text0Escape,
            (State::Text0, '\u{7}' | '\u{9c}' | '\u{18}' | '\u{1a}') | (State::Text0Escape, '\\') => {
                self.state = State::Text
            }
            (State::Text0, _) => {}
            (State::Text0Escape, _) => {
                self.state = State::Escape;
                self.escaped(c, out);
            }
            (_, '\u{1b}') => self.state = State::Escape,
            (State::Text, '\u{80}'..='\u{9f}') => {
                // C1 is the same as ESC and a letter.
                let letter = char::from_u32(u32::from(c) - 0x40).unwrap_or('?');
                self.escaped(letter, out);
            }
            (State::Text, _) => {
                if !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{8}' | '\u{e}' | '\u{f}') {
                    out.push(c);
                }
            }
            (State::Escape, _) => self.escaped(c, out),
            (State::Charset, _) => {
                self.state = State::Text;
                if self.sequence.starts_with(['(', ')']) && matches!(c, '0' | 'A' | 'B') {
                    out.extend(['\u{1b}']);
                    out.push_str(&self.sequence);
                    out.push(c);
                }
            }
            (State::Control, _) => self.controlled(c, out),
        }
    }

    fn escaped(&mut self, c: char, out: &mut String) {
        self.sequence.clear();
        self.state = match c {
            '[' => State::Control,
            ']' | 'P' | 'X' | '^' | '_' => State::Text0,
            ' '..='/' => {
                self.sequence.push(c);
                State::Charset
            }
            _ => {
                if matches!(c, '7' | '8' | 'D' | 'E' | 'M' | 'H' | '=' | '>') {
                    out.extend(['\u{1b}', c]);
                }
                State::Text
            }
        };
    }

    fn controlled(&mut self, c: char, out: &mut String) {
        match c {
            '@'..='~' => {
                self.state = State::Text;
                if self.sequence.len() <= SEQUENCE_LEN_MAX && draws(&self.sequence, c) {
                    out.push_str("\u{1b}[");
                    out.push_str(&self.sequence);
                    out.push(c);
                }
            }
            ' '..='?' => {
                if self.sequence.len() <= SEQUENCE_LEN_MAX {
                    self.sequence.push(c);
                }
            }
            // A control character within: the sequence is none.
            _ => self.state = State::Text,
        }
    }
}

/// Whether a control sequence only draws.
fn draws(parameters: &str, last: char) -> bool {
    match last {
        'h' | 'l' => match parameters.strip_prefix('?') {
            Some(modes) => modes.split(';').all(|mode| {
                matches!(mode, "1" | "6" | "7" | "12" | "25" | "47" | "1047" | "1048" | "1049" | "2026")
            }),
            None => parameters == "4",
        },
        'A'..='H'
        | 'J'..='M'
        | 'P'
        | 'S'
        | 'T'
        | 'X'
        | 'Z'
        | '@'
        | '`'
        | 'a'
        | 'b'
        | 'd'..='f'
        | 'm'
        | 'r'
        | 's' => parameters.chars().all(|c| c.is_ascii_digit() || matches!(c, ';' | ':')),
        'u' => parameters.is_empty(),
        'p' => parameters == "!",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(pieces: &[&str]) -> String {
        let mut drawing = Drawing::default();
        let mut out = String::new();
        for piece in pieces {
            drawing.feed(piece, &mut out);
        }
        out
    }

    #[test]
    fn drawing_goes_through_also_in_pieces() {
        let screen = "a\u{1b}[1;31mred\u{1b}[0m\r\n\u{1b}[2J\u{1b}[10;5H\u{1b}[?1049h\u{1b}[?25l\u{1b}(B\u{1b}7é世\u{1b}8";
        assert_eq!(drawn(&[screen]), screen);
        let pieces: Vec<String> = screen.chars().map(String::from).collect();
        assert_eq!(drawn(&pieces.iter().map(String::as_str).collect::<Vec<_>>()), screen);
    }

    #[test]
    fn what_reaches_beyond_the_screen_is_kept_back() {
        for evil in [
            "\u{1b}]0;title\u{7}",
            "\u{1b}]52;c;ZXZpbA==\u{1b}\\",
            "\u{1b}]8;;http://evil/\u{1b}\\",
            "\u{1b}P+q544e\u{1b}\\",
            "\u{9d}0;t\u{9c}",
            "\u{90}x\u{9c}",
            "\u{1b}[c",
            "\u{1b}[6n",
            "\u{1b}[?6n",
            "\u{1b}[>c",
            "\u{1b}[21t",
            "\u{1b}[5i",
            "\u{1b}[?1000h",
            "\u{1b}[?2004h",
            "\u{1b}c",
            "\u{1b}#8",
            "\u{1b}_Gi=1\u{1b}\\",
            "\u{7}\u{5}",
        ] {
            let text = format!("a{evil}b");
            assert_eq!(drawn(&[&text]), "ab", "{evil:?}");
            let (one, two) = text.split_at(text.char_indices().nth(3).map_or(0, |(at, _)| at));
            assert_eq!(drawn(&[one, two]), "ab", "{evil:?} in two pieces");
        }
        let long = format!("\u{1b}[{}m", "1;".repeat(100));
        assert_eq!(drawn(&[&long, "x"]), "x");
    }
}
