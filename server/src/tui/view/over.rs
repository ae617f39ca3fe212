//! What lies over the board: a text, or the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::super::keys;
use super::super::model::{Help, Menu, Model, Over, Sheet, short};
use super::super::update::{found, items};
use super::ink::{cells, frame, put, wipe};
use crate::sys::text::{clean, width, wrap};

/// Widest text that is set over the board.
const WIDTH_MAX: u16 = 100;

/// Draws it; gives the cursor's place where it takes words.
pub(super) fn draw(model: &Model, buffer: &mut Buffer) -> Option<(u16, u16)> {
    match model.over.as_ref()? {
        Over::Sheet(sheet) => {
            text(model, sheet, buffer);
            None
        }
        Over::Menu(menu) => {
            draw_menu(model, *menu, buffer);
            None
        }
        Over::Help(help) => Some(list(model, help, buffer)),
    }
}

fn middle(model: &Model, rows: usize) -> Rect {
    let (columns, lines) = model.size;
    let width = columns.saturating_sub(4).min(WIDTH_MAX);
    let height = cells(rows).min(lines.saturating_sub(5));
    Rect::new((columns - width) / 2, (lines.saturating_sub(height + 1)) / 2, width, height)
}

fn text(model: &Model, sheet: &Sheet, buffer: &mut Buffer) {
    let room = usize::from(model.size.0.saturating_sub(8).min(WIDTH_MAX - 4));
    let mut lines = Vec::new();
    for line in &sheet.lines {
        // Tables keep their columns; what is too long is broken.
        if width(line) <= room {
            lines.push(line.clone());
        } else {
            lines.extend(wrap(line, room));
        }
    }
    let area = middle(model, lines.len() + 2);
    wipe(buffer, area);
    let below = lines.len().saturating_sub(usize::from(area.height.saturating_sub(2)));
    let title =
        if below > 0 { format!("{} · j k scroll, q closes", sheet.title) } else { sheet.title.clone() };
    frame(buffer, area, &title, (model.look.lines(), model.look.title()));
    let top = sheet.top.min(below);
    let rows = usize::from(area.height.saturating_sub(2));
    for (n, line) in lines.iter().skip(top).take(rows).enumerate() {
        put(buffer, (area.x + 2, area.y + 1 + cells(n)), area.width - 4, line, Style::new());
    }
}

/// Widest row of a menu.
const MENU_WIDTH: u16 = 26;

fn menu_area(model: &Model, menu: Menu) -> Rect {
    let (columns, lines) = model.size;
    let (width, height) = (MENU_WIDTH.min(columns), cells(items(model).len() + 2).min(lines));
    let at = (menu.at.0.min(columns - width), menu.at.1.min(lines - height));
    Rect::new(at.0, at.1, width, height)
}

fn draw_menu(model: &Model, menu: Menu, buffer: &mut Buffer) {
    let (area, look) = (menu_area(model, menu), model.look);
    wipe(buffer, area);
    let title = model.selected().map(short).unwrap_or_default();
    frame(buffer, area, &title, (look.lines(), look.title()));
    let rows = usize::from(area.height.saturating_sub(2));
    let top = menu_top(menu, rows);
    for (n, item) in items(model).iter().enumerate().skip(top).take(rows) {
        let y = area.y + 1 + cells(n - top);
        let (key, word) = match item.off {
            None => (look.key(), Style::new()),
            Some(_) => (look.faint(), look.faint()),
        };
        put(buffer, (area.x + 2, y), 5, item.key, key);
        let text = if item.off.is_some() { format!("{} (off)", item.word) } else { item.word.to_owned() };
        put(buffer, (area.x + 8, y), area.width.saturating_sub(10), &text, word);
        if n == menu.row {
            let row = Rect::new(area.x + 1, y, area.width.saturating_sub(2), 1);
            buffer.set_style(row, look.selected());
        }
    }
}

/// The first row that is shown where not all have room.
fn menu_top(menu: Menu, rows: usize) -> usize {
    menu.row.saturating_sub(rows.saturating_sub(1))
}

/// The row of the open menu at that place.
pub(in crate::tui) fn menu_row_at(model: &Model, x: u16, y: u16) -> Option<usize> {
    let Some(Over::Menu(menu)) = model.over else { return None };
    let area = menu_area(model, menu);
    let inner = Rect::new(area.x, area.y + 1, area.width, area.height.saturating_sub(2));
    let top = menu_top(menu, inner.height.into());
    inner.contains(Position { x, y }).then(|| top + usize::from(y - inner.y))
}

fn list(model: &Model, help: &Help, buffer: &mut Buffer) -> (u16, u16) {
    let scene = keys::scene(model);
    let found = found(help, scene);
    let area = middle(model, keys::KEYS.len() + 3);
    wipe(buffer, area);
    let title = "Keys · type to search, Enter runs";
    frame(buffer, area, title, (model.look.lines(), model.look.title()));
    let (x, y) = (area.x + 2, area.y + 1);
    let at = put(buffer, (x, y), 2, "/", model.look.title());
    let cursor = put(buffer, (at + 1, y), area.width - 8, &clean(help.line.before()), Style::new());
    put(buffer, (cursor, y), 20, &help.line.text()[help.line.before().len()..], Style::new());
    let rows = usize::from(area.height.saturating_sub(3));
    let top = help.row.saturating_sub(rows.saturating_sub(1)).min(found.len().saturating_sub(rows));
    for (n, binding) in found.iter().enumerate().skip(top).take(rows) {
        let line = y + 1 + cells(n - top);
        let here = binding.scenes.contains(&scene);
        let style = if here { Style::new() } else { model.look.faint() };
        let shown = if model.look.ascii && binding.shown == "⏎" { "Enter" } else { binding.shown };
        put(buffer, (x, line), 8, shown, if here { model.look.key() } else { style });
        let does = if here { binding.does.to_owned() } else { format!("{} (not here)", binding.does) };
        put(buffer, (x + 9, line), area.width - 13, &does, style);
        if n == help.row {
            buffer.set_style(Rect::new(area.x + 1, line, area.width - 2, 1), model.look.selected());
        }
    }
    if found.is_empty() {
        put(
            buffer,
            (x, y + 1),
            area.width - 4,
            "No key does that. : runs any storkit command.",
            model.look.faint(),
        );
    }
    (cursor, y)
}
