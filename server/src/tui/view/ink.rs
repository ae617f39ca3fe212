//! Putting clean words and lines into a buffer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::sys::text::{cut, is_dangerous, is_joining, width};

/// A length as columns or rows.
pub(super) fn cells(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// Marks that are kept above and below one letter.
const MARKS_MAX: usize = 3;

/// A text as it is drawn on one line of so many columns: nothing that a terminal obeys, and nothing that terminals
/// measure differently (joiners, variations, skin tones). It takes no longer than the line is wide.
pub(super) fn shown(text: &str, room: usize) -> String {
    let mut out = String::new();
    let (mut letters, mut marks) = (0, 0);
    // What is not drawn is passed over, and yet does not hold up a frame.
    for c in text.chars().take(room * 64 + 1024) {
        match c {
            '\n' | '\t' => out.push(' '),
            '\r' => continue,
            c if is_dangerous(c) => out.extend(c.escape_unicode()),
            c if is_joining(c) => continue,
            c if width(c.encode_utf8(&mut [0; 4])) == 0 => {
                if marks < MARKS_MAX && letters > 0 {
                    out.push(c);
                }
                marks += 1;
                continue;
            }
            // A pair of them is a flag of one width here and of another there; the letters are what they say.
            '\u{1f1e6}'..='\u{1f1ff}' => {
                out.extend(u8::try_from(u32::from(c) - 0x1_f1e6).map(|n| char::from(b'A' + n)))
            }
            c => out.push(c),
        }
        (letters, marks) = (letters + 1, 0);
        if letters > room {
            break;
        }
    }
    cut(&out, room)
}

/// What an agent's terminal drew there is made as sure as the board's own words: each cell is as wide as it says.
pub(super) fn tame(area: Rect, buffer: &mut Buffer) {
    for position in area.intersection(buffer.area).positions() {
        let right = area.right();
        let cell = &mut buffer[position];
        let is_plain = cell.symbol().len() == 1;
        if !is_plain {
            let text = shown(cell.symbol(), 2);
            let wide = width(&text);
            let fits = wide > 0 && position.x + cells(wide) <= right && !text.contains('…');
            cell.set_symbol(if fits { &text } else { " " });
        }
    }
}

/// Sets the style of every place in a row's area that holds the text, which is in small letters.
pub(super) fn mark(buffer: &mut Buffer, row: Rect, text: &str, style: Style) {
    let row = row.intersection(buffer.area);
    let (mut letters, mut columns) = (String::new(), Vec::new());
    for x in row.left()..row.right() {
        let symbol = buffer[(x, row.y)].symbol().to_lowercase();
        columns.extend(std::iter::repeat_n(x, symbol.len()));
        letters.push_str(&symbol);
    }
    let places: Vec<(u16, u16)> =
        letters.match_indices(text).map(|(at, hit)| (columns[at], columns[at + hit.len() - 1])).collect();
    for (from, to) in places {
        buffer.set_style(Rect { x: from, width: to + 1 - from, height: 1, ..row }, style);
    }
}

/// Writes letter by letter, as a terminal does: each with its marks in cells of its own, however they join.
fn write(buffer: &mut Buffer, (x, y): (u16, u16), room: u16, text: &str, style: Style) -> u16 {
    let end = x.saturating_add(room).min(buffer.area.right());
    let (mut at, mut last) = (x, None);
    for c in text.chars() {
        let wide = cells(width(c.encode_utf8(&mut [0; 4])));
        if wide == 0 {
            if let Some(cell) = last.and_then(|x| buffer.cell_mut((x, y))) {
                let marked = format!("{}{c}", cell.symbol());
                cell.set_symbol(&marked);
            }
            continue;
        }
        let Some(cell) = buffer.cell_mut((at, y)).filter(|_| at + wide <= end) else { break };
        cell.set_char(c).set_style(style);
        for hidden in at + 1..at + wide {
            if let Some(cell) = buffer.cell_mut((hidden, y)) {
                cell.reset();
            }
        }
        last = Some(at);
        at += wide;
    }
    at
}

/// Writes a text on one line of at most `room` columns, cut with `…`; gives the column behind it.
pub(super) fn put(buffer: &mut Buffer, (x, y): (u16, u16), room: u16, text: &str, style: Style) -> u16 {
    let shown = shown(text, room.into());
    write(buffer, (x, y), room, &shown, style)
}

/// The same so that it ends before the column `end`.
pub(super) fn put_right(
    buffer: &mut Buffer,
    (end, y): (u16, u16),
    room: u16,
    text: &str,
    style: Style,
) -> u16 {
    let shown = shown(text, room.into());
    let x = end.saturating_sub(cells(width(&shown)));
    write(buffer, (x, y), room, &shown, style);
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
        let shown = shown(title, usize::from(room) - 2);
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
