//! Lines of a text as YAML and editors count them: `\n`, `\r\n` and a lone `\r` end one.

use std::cell::Cell;

use crate::story::Place;

/// A line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eol {
    /// `\n`.
    #[default]
    Lf,
    /// `\r\n`.
    CrLf,
    /// `\r`, as old Macs wrote.
    Cr,
}

impl Eol {
    /// Its bytes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }

    /// The first line end of a text; `\n` where there is none.
    pub fn of(text: &str) -> Self {
        Lines::new(text).next().and_then(|line| line.eol).unwrap_or_default()
    }
}

/// One line of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where it begins, in bytes from the text's beginning.
    pub start: usize,
    /// The line without its end.
    pub text: &'a str,
    /// How it ends; none for a last line without an end.
    pub eol: Option<Eol>,
}

impl Line<'_> {
    /// Where the next line begins, in bytes.
    pub fn end(&self) -> usize {
        self.start + self.text.len() + self.eol.map_or(0, |eol| eol.as_str().len())
    }
}

/// The lines of a text, with the places where they begin. An empty text has none.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    /// All lines of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The lines of `text` from the byte `at` on, which is a line's beginning.
    pub fn from(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let start = self.at;
        let (text, eol) = match rest.find(['\n', '\r']) {
            None => (rest, None),
            Some(at) => {
                let eol = match &rest.as_bytes()[at..] {
                    [b'\r', b'\n', ..] => Eol::CrLf,
                    [b'\r', ..] => Eol::Cr,
                    _ => Eol::Lf,
                };
                (&rest[..at], Some(eol))
            }
        };
        let line = Line { start, text, eol };
        self.at = line.end();
        Some(line)
    }
}

/// The place of a byte of a text, both counted from 1, columns in characters. A byte order mark takes no column.
pub fn place_of(text: &str, offset: usize) -> Place {
    Places::new(text).of(offset)
}

/// Places of a text, quick when they are asked for in order: each goes on from the one before.
pub struct Places<'a> {
    text: &'a str,
    last: Cell<(usize, Place)>,
}

impl<'a> Places<'a> {
    /// Places of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, last: Cell::new((0, Place { line: 1, column: 1 })) }
    }

    /// The place of a byte, as [`place_of`] says it.
    pub fn of(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let (mut from, mut place) = self.last.get();
        if from > offset {
            (from, place) = (0, Place { line: 1, column: 1 });
        }
        let bytes = self.text.as_bytes();
        for (index, c) in self.text[from..offset].char_indices() {
            let lone_cr = c == '\r' && bytes.get(from + index + 1) != Some(&b'\n');
            if c == '\n' || lone_cr {
                place = Place { line: place.line.saturating_add(1), column: 1 };
            } else if !matches!(c, '\u{feff}' | '\r') {
                place.column = place.column.saturating_add(1);
            }
        }
        self.last.set((offset, place));
        place
    }
}

/// `text` as one line: white space and control characters in a row become one space, none at the ends; longer than
/// `chars_max` it is cut and ends in `…`.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let breaks =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}');
    let mut out = String::new();
    let mut count = 0;
    for word in text.split(breaks).filter(|word| !word.is_empty()) {
        for c in (count > 0).then_some(' ').into_iter().chain(word.chars()) {
            if count == chars_max {
                out.pop();
                out.truncate(out.trim_end().len());
                out.push('…');
                return out;
            }
            out.push(c);
            count += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_line_ends_end_a_line() {
        let text = "a\nb\r\nc\rd\r\r\n\ne";
        let lines: Vec<_> = Lines::new(text).map(|line| line.text).collect();
        assert_eq!(lines, ["a", "b", "c", "d", "", "", "e"]);
        let joined: String =
            Lines::new(text).flat_map(|line| [line.text, line.eol.map_or("", Eol::as_str)]).collect();
        assert_eq!(joined, text);
        assert_eq!(Lines::new("").count(), 0);
        assert_eq!(Lines::new("\n").count(), 1);
        assert_eq!(Eol::of("ab"), Eol::Lf);
        assert_eq!(Eol::of("ab\r\nc\n"), Eol::CrLf);
    }

    #[test]
    fn places_count_from_one_in_characters() {
        let text = "\u{feff}ab\r\nü x\rz";
        let place = |offset| {
            let place = place_of(text, offset);
            (place.line, place.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(3), (1, 1));
        assert_eq!(place(4), (1, 2));
        assert_eq!(place(text.find('x').expect("x")), (2, 3));
        assert_eq!(place(text.find('z').expect("z")), (3, 1));
        assert_eq!(place(text.len()), (3, 2));
        assert_eq!(place(9_999), (3, 2));
        let places = Places::new(text);
        for offset in (0..=text.len()).chain((0..=text.len()).rev()) {
            assert_eq!(places.of(offset), place_of(text, offset));
        }
        assert_eq!(place_of("a\n", 2), Place { line: 2, column: 1 });
        assert_eq!(place_of("", 0), Place { line: 1, column: 1 });
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line(" a\r\n\tb\u{7}\u{1b}[31mc\u{85}d\u{2028}e ", 99), "a b [31mc d e");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line("abcd efg", 6), "abcd…");
        assert_eq!(one_line("   \n", 6), "");
    }
}
