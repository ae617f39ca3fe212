//! How things look: the signs and colours of states, with colours, without, and in ASCII. Colour belongs to state.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use storkit_core::snapshot::State;

use super::palette::{Ground, Palette, paint_pane};

/// Which colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// None: bold, reverse and underline alone.
    None,
    /// Its own sixteen, on its own ground.
    Sixteen,
    /// 24 bits: the board's own colours, as soon as the terminal has told its ground; the sixteen until then.
    Deep(Option<Ground>),
}

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Its colours.
    pub colors: Colors,
    /// Nothing but ASCII.
    pub ascii: bool,
}

impl Look {
    /// What the environment says: `NO_COLOR`, `COLORTERM`, `TERM`, and the locale in force.
    pub fn of(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| get(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let folded = locale.to_ascii_lowercase();
        let is_utf8 = folded.contains("utf-8") || folded.contains("utf8");
        let is_deep = set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit");
        let colors = if set("NO_COLOR").is_some() || term == "dumb" || term.is_empty() {
            Colors::None
        } else if is_deep && term != "linux" {
            Colors::Deep(None)
        } else {
            Colors::Sixteen
        };
        Self { colors, ascii: !is_utf8 || term == "linux" || term == "dumb" }
    }

    /// Whether there are any colours.
    pub(super) fn has_color(self) -> bool {
        self.colors != Colors::None
    }

    fn palette(self) -> Option<&'static Palette> {
        match self.colors {
            Colors::Deep(Some(ground)) => Some(ground.palette()),
            Colors::None | Colors::Sixteen | Colors::Deep(None) => None,
        }
    }

    /// A style with a colour of the palette, of the sixteen, or with none.
    fn ink(self, deep: impl Fn(&Palette) -> Color, plain: Color) -> Style {
        match self.palette() {
            Some(palette) => Style::new().fg(deep(palette)),
            None if self.has_color() => Style::new().fg(plain),
            None => Style::new(),
        }
    }

    /// The style of a state's sign and word: filled where it needs a person, tinted where it moves.
    pub(super) fn state(self, state: State) -> Style {
        let style = self.said(state);
        let Some(palette) = self.palette() else { return style };
        match state {
            State::Preparing | State::Running | State::Gating => style.bg(palette.run_bg),
            State::Merging => style.bg(palette.land_bg),
            State::Review | State::Question => style.fg(palette.on_ask).bg(palette.ask_fill),
            State::Blocked | State::Problem => style.fg(palette.on_bad).bg(palette.bad_fill),
            State::Done | State::Idle | State::Waiting | State::Held => style,
        }
    }

    /// The style of what a state has to say.
    pub(super) fn said(self, state: State) -> Style {
        let style = match state {
            State::Preparing | State::Running | State::Gating => self.ink(|palette| palette.run, Color::Blue),
            State::Merging => self.ink(|palette| palette.land, Color::Magenta),
            State::Review | State::Question => self.ink(|palette| palette.ask, Color::Yellow),
            State::Blocked | State::Problem => self.ink(|palette| palette.bad, Color::Red),
            State::Done => self.ink(|palette| palette.good, Color::Green),
            State::Idle | State::Waiting | State::Held => Style::new(),
        };
        if needs_person(state) { style.add_modifier(Modifier::BOLD) } else { style }
    }

    /// What matters less; never by dim alone.
    pub(super) fn faint(self) -> Style {
        self.ink(|palette| palette.ink3, Color::DarkGray)
    }

    /// The lines of frames.
    pub(super) fn lines(self) -> Style {
        self.ink(|palette| palette.edge, Color::DarkGray)
    }

    /// A key that can be pressed.
    pub(super) fn key(self) -> Style {
        match self.palette() {
            Some(palette) => Style::new().fg(palette.accent).add_modifier(Modifier::BOLD),
            None if self.has_color() => Style::new().add_modifier(Modifier::BOLD),
            None => Style::new().add_modifier(Modifier::UNDERLINED),
        }
    }

    /// A title.
    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is selected in a list or among tabs.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The ground of the selected card.
    pub(super) fn card(self) -> Style {
        self.palette().map_or(Style::new(), |palette| Style::new().bg(palette.sel))
    }

    /// What was searched for.
    pub(super) fn hit(self) -> Style {
        match self.palette() {
            Some(palette) => Style::new().fg(palette.on_ask).bg(palette.ask_fill),
            None => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    /// What is good.
    pub(super) fn good(self) -> Style {
        self.ink(|palette| palette.good, Color::Green)
    }

    /// What is bad.
    pub(super) fn bad(self) -> Style {
        self.ink(|palette| palette.bad, Color::Red)
    }

    /// A line that is new.
    pub(super) fn added(self) -> Style {
        self.palette().map_or_else(|| self.good(), |palette| Style::new().bg(palette.add_bg))
    }

    /// A line that is gone.
    pub(super) fn removed(self) -> Style {
        self.palette().map_or_else(|| self.bad(), |palette| Style::new().bg(palette.del_bg))
    }

    /// What must be seen: trouble, a daemon that is not there.
    pub(super) fn alert(self) -> Style {
        self.bad().add_modifier(Modifier::BOLD)
    }

    /// An agent's terminal that was drawn there gets the colours of one.
    pub(super) fn paint_pane(self, area: Rect, buffer: &mut Buffer) {
        if self.palette().is_some() {
            paint_pane(area, buffer);
        }
    }

    /// The last step of drawing: the ground and the ink of everything that has no colours of its own.
    pub(super) fn paint_ground(self, buffer: &mut Buffer) {
        let Some(palette) = self.palette() else { return };
        for cell in &mut buffer.content {
            if cell.fg == Color::Reset {
                cell.fg = palette.ink;
            }
            if cell.bg == Color::Reset {
                cell.bg = palette.surface;
            }
        }
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
            (look.colors, look.ascii)
        };
        let (none, own, deep) = (Colors::None, Colors::Sixteen, Colors::Deep(None));
        assert_eq!(look(&[("TERM", "xterm"), ("LANG", "en_US.UTF-8")]), (own, false));
        assert_eq!(look(&[("TERM", "xterm"), ("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]), (own, true));
        assert_eq!(look(&[("TERM", "xterm"), ("LC_ALL", "C.utf8"), ("NO_COLOR", "1")]), (none, false));
        assert_eq!(look(&[("TERM", "xterm"), ("LC_ALL", "C.utf8"), ("NO_COLOR", "")]), (own, false));
        assert_eq!(look(&[("TERM", "dumb"), ("LANG", "C.UTF-8")]), (none, true));
        assert_eq!(look(&[("TERM", "linux"), ("LANG", "C.UTF-8"), ("COLORTERM", "truecolor")]), (own, true));
        assert_eq!(
            look(&[("TERM", "xterm"), ("LANG", "C.UTF-8"), ("COLORTERM", "truecolor")]),
            (deep, false)
        );
        assert_eq!(look(&[("TERM", "xterm"), ("LANG", "C.UTF-8"), ("COLORTERM", "24bit")]), (deep, false));
        assert_eq!(look(&[("TERM", "xterm"), ("LANG", "C.UTF-8"), ("COLORTERM", "yes")]), (own, false));
        let all = [("TERM", "xterm"), ("LANG", "C.UTF-8"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")];
        assert_eq!(look(&all), (none, false));
    }

    #[test]
    fn no_colour_is_needed_to_tell_what_needs_a_person() {
        let plain = Look { colors: Colors::None, ascii: true };
        for state in [State::Question, State::Review, State::Blocked, State::Problem] {
            assert!(plain.state(state).add_modifier.contains(Modifier::BOLD));
        }
        assert_eq!(plain.state(State::Running), Style::new());
    }
}
