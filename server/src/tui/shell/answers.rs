//! The terminal's answer to the question for its ground, which comes among the keys: told apart, and swallowed however
//! late it comes. As keys its letters would move and retry stories.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::super::palette::Ground;

/// Longest answer that is waited out, in characters.
const LEN_MAX: usize = 64;
/// What an answer begins with behind its `ESC ]`.
const HEAD: &str = "11;rgb";

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Something for the board.
    Event(Event),
    /// The answer.
    Ground(Ground),
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Keys,
    /// Escape, which may begin an answer that came in two pieces.
    Escape(Event),
    /// Within an answer.
    Inside(String),
    /// Within one, behind an escape that may end it.
    Ending(String),
}

/// Tells an answer from keys.
#[derive(Debug, Default)]
pub(super) struct Answers {
    state: State,
    /// An answer is still to come.
    awaited: bool,
}

impl Answers {
    /// With an answer that is still to come, or without.
    pub(super) fn new(awaited: bool) -> Self {
        Self { awaited, ..Self::default() }
    }

    /// Takes an event, gives what is heard by it.
    pub(super) fn take(&mut self, event: Event) -> Vec<Heard> {
        let key = if let Event::Key(key) = event { Some((key.code, key.modifiers)) } else { None };
        let plain = |c| Some((KeyCode::Char(c), KeyModifiers::NONE)) == key;
        match std::mem::take(&mut self.state) {
            State::Keys if is(key, ']', KeyModifiers::ALT) => self.state = State::Inside(String::new()),
            State::Keys if self.awaited && key == Some((KeyCode::Esc, KeyModifiers::NONE)) => {
                self.state = State::Escape(event);
            }
            State::Escape(_) if plain(']') => self.state = State::Inside(String::new()),
            State::Escape(escape) => {
                let mut heard = vec![Heard::Event(escape)];
                heard.extend(self.take(event));
                return heard;
            }
            State::Inside(text) if is(key, 'g', KeyModifiers::CONTROL) => return self.end(&text),
            State::Inside(text) if is(key, '\\', KeyModifiers::ALT) => return self.end(&text),
            State::Inside(text) if key == Some((KeyCode::Esc, KeyModifiers::NONE)) => {
                self.state = State::Ending(text);
            }
            State::Inside(text) => return self.grow(text, event),
            State::Ending(text) if plain('\\') => return self.end(&text),
            State::Keys | State::Ending(_) => return vec![Heard::Event(event)],
        }
        Vec::new()
    }

    /// Nothing more comes for now: an escape was a key.
    pub(super) fn quiet(&mut self) -> Option<Heard> {
        match std::mem::take(&mut self.state) {
            State::Escape(escape) => Some(Heard::Event(escape)),
            other => {
                self.state = other;
                None
            }
        }
    }

    fn grow(&mut self, mut text: String, event: Event) -> Vec<Heard> {
        let Event::Key(KeyEvent { code: KeyCode::Char(c), .. }) = event else {
            return vec![Heard::Event(event)];
        };
        text.push(c);
        let fits = HEAD.starts_with(&text)
            || text.strip_prefix(HEAD).is_some_and(|rest| {
                rest.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, 'a' | ':' | '/'))
            });
        if !fits || text.len() > LEN_MAX {
            return vec![Heard::Event(event)];
        }
        self.state = State::Inside(text);
        Vec::new()
    }

    fn end(&mut self, text: &str) -> Vec<Heard> {
        self.awaited = false;
        let ground = text.strip_prefix("11;").and_then(Ground::of_answer);
        ground.map(Heard::Ground).into_iter().collect()
    }
}

fn is(key: Option<(KeyCode, KeyModifiers)>, c: char, modifiers: KeyModifiers) -> bool {
    key == Some((KeyCode::Char(c), modifiers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys as crossterm reads them from bytes: `^` before a letter is Ctrl, `~` is Alt, `$` is Escape.
    fn heard(answers: &mut Answers, keys: &str) -> String {
        let mut modifiers = KeyModifiers::NONE;
        let mut out = String::new();
        for c in keys.chars() {
            let code = match c {
                '^' => {
                    modifiers = KeyModifiers::CONTROL;
                    continue;
                }
                '~' => {
                    modifiers = KeyModifiers::ALT;
                    continue;
                }
                '$' => KeyCode::Esc,
                c => KeyCode::Char(c),
            };
            for heard in answers
                .take(Event::Key(KeyEvent::new(code, std::mem::replace(&mut modifiers, KeyModifiers::NONE))))
            {
                match heard {
                    Heard::Ground(ground) => out.push_str(&format!("<{ground:?}>")),
                    Heard::Event(Event::Key(key)) => match key.code {
                        KeyCode::Char(c) => out.push(c),
                        _ => out.push('$'),
                    },
                    Heard::Event(_) => out.push('?'),
                }
            }
        }
        out
    }

    #[test]
    fn an_answer_is_told_from_keys() {
        for (keys, out) in [
            ("j~]11;rgb:ffff/ffff/ffff^gk", "j<Light>k"),
            ("j~]11;rgb:0000/2b2b/3636~\\k", "j<Dark>k"),
            ("$]11;rgb:00/2b/36$\\k", "<Dark>k"),
            ("~]11;rgba:0000/0000/0000/ffff~\\", "<Dark>"),
            ("~]11;rgb:^gr", "r"),
            ("$j$q", "$j$q"),
            ("jrkq", "jrkq"),
        ] {
            let mut answers = Answers::new(true);
            assert_eq!(heard(&mut answers, keys), out, "{keys}");
        }
    }

    #[test]
    fn a_late_answer_is_swallowed_again_and_again() {
        let mut answers = Answers::new(false);
        assert_eq!(heard(&mut answers, "~]11;rgb:ffff/ffff/ffff^gj"), "<Light>j");
        assert_eq!(heard(&mut answers, "~]11;rgb:ffff/ffff/ffff~\\k"), "<Light>k");
        assert_eq!(heard(&mut answers, "$"), "$", "no answer is awaited, so that Escape is one at once");
    }

    #[test]
    fn keys_that_only_look_like_an_answer_are_given_on() {
        let mut answers = Answers::new(true);
        assert_eq!(heard(&mut answers, "~]jj"), "jj");
        assert_eq!(heard(&mut answers, "~]11;rq"), "q");
        let long = format!("~]11;rgb:{}", "f".repeat(200));
        assert_eq!(heard(&mut answers, &long).len(), 200 + 7 - LEN_MAX);
        assert_eq!(heard(&mut answers, "$"), "");
        assert_eq!(answers.quiet(), Some(Heard::Event(Event::Key(KeyCode::Esc.into()))));
        assert_eq!(answers.quiet(), None);
    }
}
