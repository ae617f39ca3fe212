//! How things look: the signs and colours of states, with colours, without, and in ASCII. Colour belongs to state.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use storkit_core::snapshot::State;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The terminal's own sixteen colours; else bold, reverse and underline alone.
    pub color: bool,
    /// Nothing but ASCII.
    pub ascii: bool,
}

impl Look {
    /// What the environment says: `NO_COLOR`, `TERM`, and the locale in force.
    pub fn of(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| get(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let folded = locale.to_ascii_lowercase();
        let is_utf8 = folded.contains("utf-8") || folded.contains("utf8");
        Self {
            color: set("NO_COLOR").is_none() && term != "dumb" && !term.is_empty(),
            ascii: !is_utf8 || term == "linux" || term == "dumb",
        }
    }

    /// The style of a state's sign and word.
    pub(super) fn state(self, state: State) -> Style {
        let style = Style::new();
        let needs = needs_person(state);
        if !self.color {
            return if needs { style.add_modifier(Modifier::BOLD) } else { style };
        }
        match state {
            State::Preparing | State::Running | State::Gating => style.fg(Color::Blue),
            State::Merging => style.fg(Color::Magenta),
            State::Review | State::Question => style.fg(Color::Yellow).add_modifier(Modifier::BOLD),
            State::Blocked | State::Problem => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            State::Done => style.fg(Color::Green),
            State::Idle | State::Waiting | State::Held => style,
        }
    }

    /// What matters less; never by dim alone.
    pub(super) fn faint(self) -> Style {
        if self.color { Style::new().fg(Color::DarkGray) } else { Style::new() }
    }

    /// A key that can be pressed.
    pub(super) fn key(self) -> Style {
        Style::new().add_modifier(if self.color { Modifier::BOLD } else { Modifier::UNDERLINED })
    }

    /// A title.
    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is selected in a list or among tabs.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What is good, and what is bad: lines added and removed, green and red.
    pub(super) fn good(self) -> Style {
        if self.color { Style::new().fg(Color::Green) } else { Style::new() }
    }

    /// See [`Look::good`].
    pub(super) fn bad(self) -> Style {
        if self.color { Style::new().fg(Color::Red) } else { Style::new() }
    }

    /// What must be seen: trouble, a daemon that is not there.
    pub(super) fn alert(self) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        if self.color { bold.fg(Color::Red) } else { bold }
    }
}

/// The states that need a person.
pub(super) const fn needs_person(state: State) -> bool {
    matches!(state, State::Question | State::Review | State::Blocked | State::Problem)
}

/// The sign of a state; archived stories have one of their own.
pub(super) const fn sign(state: State, archived: bool) -> &'static str {
    match state {
        _ if archived => "·",
        State::Idle => "○",
        State::Waiting => "~",
        State::Preparing => "◐",
        State::Running => "▶",
        State::Gating => "≡",
        State::Review => "◆",
        State::Question => "?",
        State::Merging => "»",
        State::Held => "‖",
        State::Blocked => "■",
        State::Done => "✓",
        State::Problem => "!",
    }
}

/// The word of a state, as it stands behind its sign.
pub(super) const fn word(state: State, archived: bool) -> &'static str {
    match state {
        _ if archived => "Archived",
        State::Idle => "Idle",
        State::Waiting => "Waiting",
        State::Preparing => "Preparing",
        State::Running => "Running",
        State::Gating => "Gates",
        State::Review => "Review",
        State::Question => "Question",
        State::Merging => "Landing",
        State::Held => "Held",
        State::Blocked => "Blocked",
        State::Done => "Done",
        State::Problem => "Problem",
    }
}

/// Replaces everything in a drawn buffer that is not ASCII: lines and signs by their likes, the rest by `?`.
pub(super) fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().is_ascii() {
            continue;
        }
        let plain = match cell.symbol() {
            "─" => "-",
            "│" => "|",
            "┌" | "┐" | "└" | "┘" | "├" | "┤" | "┬" | "┴" | "┼" => "+",
            "○" => "o",
            "◐" => "%",
            "▶" | "▸" | "▌" | "→" => ">",
            "≡" => "#",
            "◆" | "●" => "*",
            "»" => "&",
            "‖" => "=",
            "■" => "X",
            "✓" | "↓" => "v",
            "·" => ".",
            "…" => "~",
            "↑" => "^",
            "⏎" => "<",
            "×" => "x",
            _ => "?",
        };
        cell.set_symbol(plain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_the_look() {
        let look = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let look =
                Look::of(|name| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()));
            (look.color, look.ascii)
        };
        assert_eq!(look(&[("TERM", "xterm"), ("LANG", "en_US.UTF-8")]), (true, false));
        assert_eq!(look(&[("TERM", "xterm"), ("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]), (true, true));
        assert_eq!(look(&[("TERM", "xterm"), ("LC_ALL", "C.utf8"), ("NO_COLOR", "1")]), (false, false));
        assert_eq!(look(&[("TERM", "xterm"), ("LC_ALL", "C.utf8"), ("NO_COLOR", "")]), (true, false));
        assert_eq!(look(&[("TERM", "dumb"), ("LANG", "C.UTF-8")]), (false, true));
        assert_eq!(look(&[("TERM", "linux"), ("LANG", "C.UTF-8")]), (true, true));
    }

    #[test]
    fn no_colour_is_needed_to_tell_what_needs_a_person() {
        let plain = Look { color: false, ascii: true };
        for state in [State::Question, State::Review, State::Blocked, State::Problem] {
            assert!(plain.state(state).add_modifier.contains(Modifier::BOLD));
        }
        assert_eq!(plain.state(State::Running), Style::new());
    }
}
