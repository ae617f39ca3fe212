//! Spells out the paths of a source: `use a::{b, c::{d, e}}` names `a::b`, `a::c::d` and `a::c::e`.

use crate::mask::is_word;
use crate::source::Source;

/// One path, as it is written or imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The line where it ends, from 1.
    pub line: usize,
    /// Its words; `*` may be the last.
    pub segments: Vec<String>,
}

impl Path {
    /// Whether it begins with these words.
    pub fn starts_with(&self, words: &[&str]) -> bool {
        self.segments.len() >= words.len() && self.segments.iter().zip(words).all(|(is, want)| is == want)
    }
}

/// All paths of the code, single words among them.
pub fn paths(source: &Source) -> Vec<Path> {
    let code: Vec<char> = source.masked.code.chars().collect();
    let mut reader = Reader { code: &code, at: 0, line: 1, found: Vec::new() };
    while reader.at < code.len() {
        if is_word(code[reader.at]) {
            reader.path(&[]);
        } else {
            reader.step();
        }
    }
    reader.found
}

struct Reader<'c> {
    code: &'c [char],
    at: usize,
    line: usize,
    found: Vec<Path>,
}

impl Reader<'_> {
    fn peek(&self) -> char {
        self.code.get(self.at).copied().unwrap_or('\0')
    }

    fn step(&mut self) {
        self.line += usize::from(self.peek() == '\n');
        self.at += 1;
    }

    fn blanks(&mut self) {
        while self.peek().is_whitespace() {
            self.step();
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while is_word(self.peek()) {
            word.push(self.peek());
            self.step();
        }
        word
    }

    /// Takes `::`, with blanks around it, where it is next.
    fn colons(&mut self) -> bool {
        let next =
            self.code[self.at..].iter().position(|c| !c.is_whitespace()).map_or(self.at, |n| self.at + n);
        if self.code[next..].starts_with(&[':', ':']) {
            while self.at < next + 2 {
                self.step();
            }
            self.blanks();
            return true;
        }
        false
    }

    /// Reads a path behind `before`, with its groups.
    fn path(&mut self, before: &[String]) {
        let mut segments = before.to_vec();
        loop {
            match self.peek() {
                '{' => return self.group(&segments),
                '*' => {
                    self.step();
                    segments.push("*".to_owned());
                    break;
                }
                c if is_word(c) => segments.push(self.word()),
                // A generic: `Vec::<u8>`.
                _ => break,
            }
            if !self.colons() {
                break;
            }
        }
        if segments.len() > before.len() {
            self.found.push(Path { line: self.line, segments });
        }
    }

    fn group(&mut self, before: &[String]) {
        self.step();
        loop {
            self.blanks();
            match self.peek() {
                '}' => return self.step(),
                '\0' => return,
                c if is_word(c) || c == '{' || c == '*' => self.path(before),
                _ => self.step(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let source = Source::new("server/src/x.rs", text);
        paths(&source).into_iter().map(|path| format!("{} {}", path.line, path.segments.join("::"))).collect()
    }

    #[test]
    fn groups_are_spelled_out() {
        let text = "use a::{\n    b,\n    c::{d, e::*},\n    f as g,\n};\nlet x = h::i(j);";
        let expected = ["1 use", "2 a::b", "3 a::c::d", "3 a::c::e::*", "4 a::f", "4 a::as", "4 a::g"];
        let found = of(text);
        assert_eq!(found[..7], expected);
        assert!(found.contains(&"6 h::i".to_owned()) && found.contains(&"6 j".to_owned()));
    }

    #[test]
    fn text_and_broken_code_end() {
        assert_eq!(of("\"a::b\" // c::d"), Vec::<String>::new());
        assert_eq!(of("a::{b"), ["1 a::b"]);
        assert_eq!(of("Vec::<u8>::new()"), ["1 Vec", "1 u8", "1 new"]);
    }
}
