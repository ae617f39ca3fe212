//! The menu of a right click: what can be done with a story, each with its key, and with the reason where it cannot.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use storkit_core::snapshot::{State, StoryView};

use super::super::keys::{Action, next};
use super::super::model::{Effect, Model, Over, Prefix, is_archived, is_live};

/// A row of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tui) struct Item {
    /// The key that does the same.
    pub(in crate::tui) key: &'static str,
    /// What it does.
    pub(in crate::tui) word: &'static str,
    /// The same for the program.
    pub(in crate::tui) action: Action,
    /// Why it cannot be done now.
    pub(in crate::tui) off: Option<&'static str>,
}

/// What can be done with the selected story.
pub(in crate::tui) fn items(model: &Model) -> Vec<Item> {
    let Some(story) = model.selected() else { return Vec::new() };
    let item = |key, word, action, off| Item { key, word, action, off };
    let unless = |is: bool, why| (!is).then_some(why);
    let reviewed = unless(story.state == State::Review, "it is not in review");
    let moves = matches!(story.state, State::Preparing | State::Running | State::Gating | State::Merging);
    let held = story.state == State::Held;
    vec![
        item("a", next(story.state), Action::Act, None),
        item("Enter", "Open", Action::Open, None),
        item("t", "Live output", Action::Live, None),
        item("d", "Diff", Action::Diff, unless(story.branch.is_some(), "it has no branch yet")),
        item("w", "Why", Action::Why, None),
        item("A", "Approve", Action::Approve, reviewed),
        item("R", "Send back", Action::Reject, reviewed),
        item("m", "Move to", Action::Prefix(Prefix::Move), None),
        item("s", if moves { "Stop" } else { "Start" }, Action::StopStart, open(story)),
        item("x", if held { "Release" } else { "Hold" }, Action::Hold, open(story)),
        item("r", "Retry", Action::Retry, open(story)),
        item("i", "Type into it", Action::Type, unless(is_live(story), "nothing runs")),
        item("p", "Priority", Action::Prefix(Prefix::Priority), None),
        item("e", "Edit", Action::Edit, None),
        item("y", "Copy", Action::Prefix(Prefix::Copy), None),
    ]
}

fn open(story: &StoryView) -> Option<&'static str> {
    (story.state == State::Done || is_archived(story)).then_some("it is closed")
}

/// Takes a key; none where it is for the board, which closes the menu.
pub(super) fn press(model: &mut Model, key: KeyEvent) -> Option<Vec<Effect>> {
    let last = items(model).len().saturating_sub(1);
    let Some(Over::Menu(menu)) = &mut model.over else { return None };
    match key.code {
        KeyCode::Down | KeyCode::Char('j') => menu.row = (menu.row + 1).min(last),
        KeyCode::Up | KeyCode::Char('k') => menu.row = menu.row.saturating_sub(1),
        KeyCode::Enter => {
            let row = menu.row;
            return Some(run(model, row));
        }
        KeyCode::Esc | KeyCode::Char('q') => model.over = None,
        _ => {
            model.over = None;
            return None;
        }
    }
    Some(Vec::new())
}

/// Does what a row says, or says why not.
pub(super) fn run(model: &mut Model, row: usize) -> Vec<Effect> {
    let item = items(model).into_iter().nth(row);
    model.over = None;
    match item {
        Some(Item { off: Some(why), word, .. }) => {
            model.fail(format!("{word}: {why}"));
            Vec::new()
        }
        Some(item) => super::act(model, item.action),
        None => Vec::new(),
    }
}
