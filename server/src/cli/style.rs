//! The colours and signs of states: one table, used by every command that shows stories.

use anstyle::{AnsiColor, Style};
use storkit_core::snapshot::State;

pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const HINT: Style = AnsiColor::Cyan.on_default();
pub(super) const TITLE: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();

/// The sign of a state: one column, told apart without colours.
pub(super) const fn sign(state: State) -> &'static str {
    match state {
        State::Idle => "·",
        State::Waiting => "◌",
        State::Preparing => "◔",
        State::Running => "●",
        State::Gating => "◆",
        State::Review => "◎",
        State::Question => "?",
        State::Merging => "»",
        State::Held => "‖",
        State::Blocked => "✗",
        State::Done => "✓",
        State::Problem => "!",
    }
}

/// The colour of a state: what works is blue, what needs a person stands out.
pub(super) const fn of(state: State) -> Style {
    match state {
        State::Idle | State::Waiting => FAINT,
        State::Preparing | State::Running | State::Gating | State::Merging => AnsiColor::Blue.on_default(),
        State::Review | State::Question | State::Held => WARN,
        State::Blocked | State::Problem => ERROR,
        State::Done => GOOD,
    }
}

/// `text` in a style.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
