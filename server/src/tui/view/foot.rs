//! The message line, the line that is typed, and the keys.

use ratatui::buffer::Buffer;
use ratatui::style::Style;

use super::super::areas::Areas;
use super::super::keys::{Action, Hint, hints};
use super::super::model::{Model, Purpose};
use super::ink::{cells, put};
use crate::sys::text::{clean, width};

/// What the footer always ends with.
const ALL: Hint = Hint { key: "?", word: "all", action: Action::Help };

/// Draws both lines; gives the cursor's place where something is typed.
pub(super) fn draw(model: &Model, areas: &Areas, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let cursor = message(model, areas, buffer);
    if model.prompt.is_some() {
        let keys = "Enter does it   Alt-Enter new line   Esc leaves it";
        put(buffer, (1, areas.footer.y), areas.footer.width.saturating_sub(2), keys, model.look.faint());
        return cursor;
    }
    for (hint, x) in places(model) {
        let key = printed(&hint, model.look.ascii);
        let end = put(buffer, (x, areas.footer.y), 8, key, model.look.key());
        put(buffer, (end + 1, areas.footer.y), 14, hint.word, Style::new());
    }
    cursor
}

fn printed(hint: &Hint, ascii: bool) -> &'static str {
    if ascii && hint.key == "⏎" { "Enter" } else { hint.key }
}

/// The keys that fit, and where each begins; the list of all keys last, at any width.
fn places(model: &Model) -> Vec<(Hint, u16)> {
    let size = |hint: &Hint| cells(width(printed(hint, model.look.ascii)) + 1 + width(hint.word));
    let end = model.size.0.saturating_sub(size(&ALL) + 3);
    let mut x = 1;
    let mut places = Vec::new();
    for hint in hints(model) {
        let wide = size(&hint);
        if x + wide > end {
            break;
        }
        places.push((hint, x));
        x += wide + 2;
    }
    places.push((ALL, x));
    places
}

/// What the footer's key at that column does.
pub(in crate::tui) fn footer_at(model: &Model, x: u16) -> Option<Action> {
    let hit = |(hint, from): &&(Hint, u16)| {
        let wide = cells(width(hint.key) + 1 + width(hint.word));
        (*from..from + wide).contains(&x)
    };
    places(model).iter().find(hit).map(|(hint, _)| hint.action)
}

fn message(model: &Model, areas: &Areas, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let look = model.look;
    let (y, room) = (areas.message.y, areas.message.width.saturating_sub(2));
    if let Some(prompt) = &model.prompt {
        let asks = label(&prompt.purpose);
        let x = put(buffer, (1, y), room, &asks, look.title()) + 1;
        let space = usize::from(areas.message.width.saturating_sub(x + 1));
        // The end that is typed at is what is seen.
        let shown = |text: &str| clean(&text.replace('\n', "⏎"));
        let mut before = shown(prompt.line.before());
        while width(&before) >= space {
            before.remove(0);
        }
        let after = shown(&prompt.line.text()[prompt.line.before().len()..]);
        let at = put(buffer, (x, y), cells(space), &before, Style::new());
        put(buffer, (at, y), cells(space).saturating_sub(at - x), &after, Style::new());
        return Some((at, y));
    }
    let message = &model.message;
    if !message.text.is_empty() {
        let style = if message.bad { look.alert() } else { Style::new() };
        let tail = if message.undo && !message.bad { 10 } else { 0 };
        let at = put(buffer, (1, y), room.saturating_sub(tail), &message.text, style);
        if tail > 0 {
            let at = put(buffer, (at + 3, y), 1, "z", look.key());
            put(buffer, (at + 1, y), 4, "undo", Style::new());
        }
    } else if let Some(trouble) = &model.trouble {
        put(buffer, (1, y), room, trouble, look.alert());
    } else if !model.filter.is_empty() {
        put(buffer, (1, y), room, &format!("filter: {}   Esc clears it", model.filter), look.title());
    } else if let Some(paused) = model.seen.as_ref().and_then(|seen| seen.status.paused.as_ref()) {
        put(buffer, (1, y), room, &format!("paused: {paused}   :resume goes on"), look.alert());
    } else if model.seen.is_some() && !model.has_daemon() {
        let text = "storkit is not running: :up starts it. Moves still work.";
        put(buffer, (1, y), room, text, look.faint());
    } else if !model.mouse {
        put(buffer, (1, y), room, "mouse off: the terminal selects text; M takes it back", look.faint());
    }
    None
}

fn label(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Filter | Purpose::Find => "/".to_owned(),
        Purpose::Command => ":".to_owned(),
        Purpose::Create => "New story:".to_owned(),
        Purpose::Answer(_) => "Answer:".to_owned(),
        Purpose::Reject(_) => "Send back, what is wrong:".to_owned(),
        Purpose::Hold(_) => "Hold, why (may be empty):".to_owned(),
        Purpose::Comment(_) => "Comment:".to_owned(),
    }
}
