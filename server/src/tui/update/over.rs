//! What lies over the board: texts, and the list of keys that can be searched and run from.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::keys::{self, Binding, KEYS, Scene};
use super::super::model::{Effect, Help, Model, Over};

/// Rows of a jump in a text.
const JUMP: usize = 10;

/// The keys that hold every word that is searched for.
pub(in crate::tui) fn found(help: &Help, scene: Scene) -> Vec<&'static Binding> {
    let words: Vec<String> = help.line.text().split_whitespace().map(str::to_lowercase).collect();
    let fits = |binding: &&Binding| {
        words
            .iter()
            .all(|word| binding.does.to_lowercase().contains(word) || binding.shown.to_lowercase() == *word)
    };
    let mut found: Vec<&Binding> = KEYS.iter().filter(fits).collect();
    found.sort_by_key(|binding| !binding.scenes.contains(&scene));
    found
}

/// Takes a key in the list of keys.
pub(super) fn help(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let scene = keys::scene(model);
    let Some(Over::Help(help)) = &mut model.over else { return Vec::new() };
    let last = found(help, scene).len().saturating_sub(1);
    match key.code {
        KeyCode::Esc => model.over = None,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => model.over = None,
        KeyCode::Up => help.row = help.row.saturating_sub(1),
        KeyCode::Down => help.row = (help.row + 1).min(last),
        KeyCode::PageUp => help.row = help.row.saturating_sub(JUMP),
        KeyCode::PageDown => help.row = (help.row + JUMP).min(last),
        KeyCode::Enter => {
            let Some(binding) = found(help, scene).get(help.row).copied() else { return Vec::new() };
            model.over = None;
            if binding.scenes.contains(&scene) {
                return super::act(model, binding.action);
            }
            model.fail(format!("{}: not here", binding.does));
        }
        _ => {
            if help.line.key(key) {
                help.row = 0;
            }
        }
    }
    Vec::new()
}

/// Takes a key over a text: it scrolls or closes; none where the key is for what lies below.
pub(super) fn sheet(model: &mut Model, key: KeyEvent) -> Option<Vec<Effect>> {
    let Some(Over::Sheet(sheet)) = &mut model.over else { return None };
    let last = sheet.lines.len().saturating_sub(1);
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('l' | 'z') if ctrl => return None,
        KeyCode::Char('j') | KeyCode::Down => sheet.top = (sheet.top + 1).min(last),
        KeyCode::Char('k') | KeyCode::Up => sheet.top = sheet.top.saturating_sub(1),
        KeyCode::PageDown | KeyCode::Char(' ') => sheet.top = (sheet.top + JUMP).min(last),
        KeyCode::Char('d') if ctrl => sheet.top = (sheet.top + JUMP).min(last),
        KeyCode::PageUp => sheet.top = sheet.top.saturating_sub(JUMP),
        KeyCode::Char('u') if ctrl => sheet.top = sheet.top.saturating_sub(JUMP),
        KeyCode::Char('g') | KeyCode::Home => sheet.top = 0,
        KeyCode::Char('G') | KeyCode::End => sheet.top = last,
        KeyCode::Char('?') => {
            model.over = Some(Over::Help(Help::default()));
        }
        _ => model.over = None,
    }
    Some(Vec::new())
}
