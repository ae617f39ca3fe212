//! Putting clean words and lines into a buffer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::sys::text::{clean, cut, width};

/// A length as columns or rows.
pub(super) fn cells(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// Writes a text on one line of at most `room` columns, cut with `…`; gives the column behind it.
pub(super) fn put(buffer: &mut Buffer, (x, y): (u16, u16), room: u16, text: &str, style: Style) -> u16 {
    let shown = cut(&clean(text), room.into());
    buffer.set_stringn(x, y, &shown, room.into(), style).0
}

/// The same so that it ends before the column `end`.
pub(super) fn put_right(
    buffer: &mut Buffer,
    (end, y): (u16, u16),
    room: u16,
    text: &str,
    style: Style,
) -> u16 {
    let shown = cut(&clean(text), room.into());
    let x = end.saturating_sub(cells(width(&shown)));
    buffer.set_stringn(x, y, &shown, room.into(), style);
    x
}

/// A level line from `from` to before `to`.
pub(super) fn level(buffer: &mut Buffer, y: u16, from: u16, to: u16, style: Style) {
    for x in from..to {
        set(buffer, (x, y), "─", style);
    }
}

/// An upright line.
pub(super) fn upright(buffer: &mut Buffer, x: u16, from: u16, to: u16, style: Style) {
    for y in from..to {
        set(buffer, (x, y), "│", style);
    }
}

/// One sign.
pub(super) fn set(buffer: &mut Buffer, at: (u16, u16), symbol: &str, style: Style) {
    if let Some(cell) = buffer.cell_mut(at) {
        cell.set_symbol(symbol).set_style(style);
    }
}

/// A box around an area, with a title in its upper border.
pub(super) fn frame(buffer: &mut Buffer, area: Rect, title: &str, (style, title_style): (Style, Style)) {
    if area.width < 2 || area.height < 2 {
        return;
    }
    let (right, bottom) = (area.right() - 1, area.bottom() - 1);
    level(buffer, area.y, area.x + 1, right, style);
    level(buffer, bottom, area.x + 1, right, style);
    upright(buffer, area.x, area.y + 1, bottom, style);
    upright(buffer, right, area.y + 1, bottom, style);
    for (at, corner) in
        [((area.x, area.y), "┌"), ((right, area.y), "┐"), ((area.x, bottom), "└"), ((right, bottom), "┘")]
    {
        set(buffer, at, corner, style);
    }
    heading(buffer, (area.x + 1, area.y), area.width - 2, title, title_style);
}

/// A title within a level line, with a blank on either side.
pub(super) fn heading(buffer: &mut Buffer, at: (u16, u16), room: u16, title: &str, style: Style) {
    if !title.is_empty() && room > 4 {
        let shown = cut(&clean(title), usize::from(room) - 2);
        put(buffer, at, room, &format!(" {shown} "), style);
    }
}

/// Empties an area, for what lies over others.
pub(super) fn wipe(buffer: &mut Buffer, area: Rect) {
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
}
