//! A line that a person types: text, a cursor, and the keys that edit it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Longest text that is taken, in bytes; a paste beyond it is cut.
const LEN_MAX: usize = 64 * 1024;

/// What is typed, and where the cursor stands in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    /// In bytes, at the beginning of a character or at the end.
    at: usize,
}

impl Line {
    /// A line that holds a text already.
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), at: text.len() }
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor.
    pub(super) fn before(&self) -> &str {
        &self.text[..self.at]
    }

    /// Puts text in at the cursor: line ends stay, other control characters go.
    pub(super) fn insert(&mut self, text: &str) {
        for c in text.chars() {
            let c = if c == '\r' { '\n' } else { c };
            if (c.is_control() && c != '\n') || self.text.len() + c.len_utf8() > LEN_MAX {
                continue;
            }
            self.text.insert(self.at, c);
            self.at += c.len_utf8();
        }
    }

    /// Takes a key that edits; false where it is none.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('a') if ctrl => self.at = 0,
            KeyCode::Char('e') if ctrl => self.at = self.text.len(),
            KeyCode::Char('u') if ctrl => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            KeyCode::Char('k') if ctrl => self.text.truncate(self.at),
            KeyCode::Char('w') if ctrl => self.drop_word(),
            KeyCode::Char('j') if ctrl => self.insert("\n"),
            KeyCode::Enter if alt => self.insert("\n"),
            KeyCode::Char(c) if !ctrl && !alt => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => {
                if let Some(c) = self.before().chars().next_back() {
                    self.at -= c.len_utf8();
                    self.text.remove(self.at);
                }
            }
            KeyCode::Delete if self.at < self.text.len() => drop(self.text.remove(self.at)),
            KeyCode::Left => self.at -= self.before().chars().next_back().map_or(0, char::len_utf8),
            KeyCode::Right => self.at += self.text[self.at..].chars().next().map_or(0, char::len_utf8),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            _ => return false,
        }
        true
    }

    fn drop_word(&mut self) {
        let before = self.before().trim_end();
        let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        self.text.drain(start..self.at);
        self.at = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(line: &mut Line, code: KeyCode, modifiers: KeyModifiers) {
        assert!(line.key(KeyEvent::new(code, modifiers)), "{code:?}");
    }

    #[test]
    fn a_line_is_edited_as_in_a_shell() {
        let mut line = Line::default();
        line.insert("größe 世界\u{7} x");
        press(&mut line, KeyCode::Backspace, KeyModifiers::NONE);
        press(&mut line, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(line.text(), "größe ");
        press(&mut line, KeyCode::Home, KeyModifiers::NONE);
        press(&mut line, KeyCode::Right, KeyModifiers::NONE);
        press(&mut line, KeyCode::Right, KeyModifiers::NONE);
        press(&mut line, KeyCode::Delete, KeyModifiers::NONE);
        press(&mut line, KeyCode::Char('ü'), KeyModifiers::NONE);
        assert_eq!((line.text(), line.before()), ("grüße ", "grü"));
        press(&mut line, KeyCode::Char('k'), KeyModifiers::CONTROL);
        press(&mut line, KeyCode::Enter, KeyModifiers::ALT);
        assert_eq!(line.text(), "grü\n");
        press(&mut line, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(line.text(), "");
        assert!(!line.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    }

    #[test]
    fn a_paste_keeps_its_lines_and_no_control_characters() {
        let mut line = Line::default();
        line.insert("a\r\u{1b}[2Jb\n");
        assert_eq!(line.text(), "a\n[2Jb\n");
        line.insert(&"x".repeat(LEN_MAX));
        assert_eq!(line.text().len(), LEN_MAX);
    }
}
