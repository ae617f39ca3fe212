//! A run's terminal as rows of text in classes: what a page sets as text, never as markup, and no byte of the agent's
//! reaches it as anything else.

use serde::Serialize;
use vt100::{Cell, Color};

use crate::sys::emulator::{Bounds, Emulator, Lost};
use crate::sys::text::is_dangerous;

const BOUNDS: Bounds = Bounds { size: (120, 40), side_max: 300, scrollback: 2_000 };

/// A run of characters in one look: its text and its classes.
pub(super) type Piece = (String, String);

/// What changed since the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Columns and rows.
    pub size: (u16, u16),
    /// Lines that left the screen upwards since, the oldest first.
    pub gone: Vec<Vec<Piece>>,
    /// Rows of the screen that changed, by their place.
    pub rows: Vec<(usize, Vec<Piece>)>,
}

/// A run's terminal, and what of it was told.
pub struct Screen {
    emulator: Emulator,
    told: Told,
}

/// What of a terminal was told.
#[derive(Default)]
struct Told {
    rows: Vec<Vec<Piece>>,
    /// Lines above the screen.
    above: usize,
    /// Its rows were; else all of them come next.
    any: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self { emulator: Emulator::new(BOUNDS), told: Told::default() }
    }
}

impl Screen {
    /// Takes what the agent printed. A terminal that cannot be followed begins anew.
    pub fn feed(&mut self, text: &str) {
        let fed = self.emulator.feed(text);
        self.or_anew(fed, BOUNDS.size);
    }

    /// Takes another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let resized = self.emulator.resize(columns, rows);
        self.or_anew(resized, (columns, rows));
        self.told.any = false;
    }

    fn or_anew(&mut self, done: Result<(), Lost>, size: (u16, u16)) {
        if done.is_err() {
            *self = Self { emulator: Emulator::new(Bounds { size, ..BOUNDS }), told: Told::default() };
        }
    }

    /// What changed since the last call; none where nothing did.
    pub fn change(&mut self) -> Option<Change> {
        let told = &mut self.told;
        let looked = self.emulator.look(|screen| told.change(screen));
        self.or_anew(looked.as_ref().map(drop).map_err(|lost| *lost), BOUNDS.size);
        looked.ok().flatten()
    }
}

impl Told {
    fn change(&mut self, screen: &mut vt100::Screen) -> Option<Change> {
        let (rows, columns) = screen.size();
        let (rows, columns) = (rows.get(), columns.get());
        let above = screen.scrollback_len();
        let mut change = Change { size: (columns, rows), ..Change::default() };
        // A full memory of lines no longer grows: what leaves then is told of no more than the memory holds.
        let new = above.saturating_sub(self.above);
        for back in (1..=new).rev() {
            screen.set_scrollback(back);
            change.gone.push(row(screen, 0, columns));
        }
        screen.set_scrollback(0);
        self.above = above;
        let now: Vec<Vec<Piece>> = (0..rows).map(|at| row(screen, at, columns)).collect();
        let whole = !std::mem::replace(&mut self.any, true);
        for (at, pieces) in now.iter().enumerate() {
            if whole || self.rows.get(at) != Some(pieces) {
                change.rows.push((at, pieces.clone()));
            }
        }
        self.rows = now;
        let is_news = whole || !change.rows.is_empty() || !change.gone.is_empty();
        is_news.then_some(change)
    }
}

/// A row in pieces, without the blanks at its end.
fn row(screen: &vt100::Screen, at: u16, columns: u16) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(at, column).filter(|cell| !cell.is_wide_continuation()) else {
            continue;
        };
        let text: String = match cell.contents() {
            "" => " ".to_owned(),
            text => text.chars().filter(|c| !is_dangerous(*c)).collect(),
        };
        let class = classes(cell);
        match pieces.last_mut() {
            Some((before, same)) if *same == class => before.push_str(&text),
            _ => pieces.push((text, class)),
        }
    }
    while pieces.last().is_some_and(|(text, class)| text.trim_end().is_empty() && class.is_empty()) {
        pieces.pop();
    }
    if let Some((text, class)) = pieces.last_mut()
        && class.is_empty()
    {
        text.truncate(text.trim_end().len());
    }
    pieces
}

/// The classes of a cell: `f0` to `f15`, `b0` to `b15`, `bold dim it ul inv`.
fn classes(cell: &Cell) -> String {
    let mut classes: Vec<String> = Vec::new();
    if let Some(color) = sixteen(cell.fgcolor()) {
        classes.push(format!("f{color}"));
    }
    if let Some(color) = sixteen(cell.bgcolor()) {
        classes.push(format!("b{color}"));
    }
    let looks = [
        (cell.bold(), "bold"),
        (cell.dim(), "dimmed"),
        (cell.italic(), "it"),
        (cell.underline(), "ul"),
        (cell.inverse(), "inv"),
    ];
    classes.extend(looks.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()));
    classes.join(" ")
}

/// The nearest of the sixteen colours that are readable on the pane's ground.
fn sixteen(color: Color) -> Option<u8> {
    let rgb = |r: u8, g: u8, b: u8| {
        let bright = u8::from(u16::from(r) + u16::from(g) + u16::from(b) > 384) * 8;
        let most = r.max(g).max(b);
        if most < 48 {
            return 0;
        }
        let on = |value: u8, bit: u8| u8::from(value > most / 2) * bit;
        bright + (on(r, 1) | on(g, 2) | on(b, 4))
    };
    match color {
        Color::Default => None,
        Color::Idx(index @ 0..=15) => Some(index),
        Color::Idx(index @ 16..=231) => {
            let level = |value: u8| [0, 95, 135, 175, 215, 255][usize::from(value % 6)];
            let index = index - 16;
            Some(rgb(level(index / 36), level(index / 6), level(index)))
        }
        Color::Idx(index) => Some(match index - 232 {
            0..=7 => 0,
            8..=15 => 8,
            16..=20 => 7,
            _ => 15,
        }),
        Color::Rgb(r, g, b) => Some(rgb(r, g, b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(change: &Change) -> Vec<(usize, String)> {
        let text = |pieces: &Vec<Piece>| pieces.iter().map(|(text, _)| text.as_str()).collect::<String>();
        change
            .rows
            .iter()
            .map(|(at, pieces)| (*at, text(pieces)))
            .filter(|(_, text)| !text.is_empty())
            .collect()
    }

    #[test]
    fn only_rows_that_changed_are_told() {
        let mut screen = Screen::default();
        screen.feed("one\r\ntwo \u{1b}[31mred\u{1b}[0m\r\n");
        let first = screen.change().expect("a change");
        assert_eq!(first.rows.len(), usize::from(BOUNDS.size.1));
        assert_eq!(texts(&first), [(0, "one".to_owned()), (1, "two red".to_owned())]);
        assert_eq!(first.rows[1].1[1], ("red".to_owned(), "f1".to_owned()));
        assert_eq!(screen.change(), None);
        screen.feed("\u{1b}[1;1HONE");
        assert_eq!(texts(&screen.change().expect("a change")), [(0, "ONE".to_owned())]);
    }

    #[test]
    fn lines_that_leave_upwards_are_told_once() {
        let mut screen = Screen::default();
        for at in 0..50 {
            screen.feed(&format!("line {at}\r\n"));
        }
        let change = screen.change().expect("a change");
        assert_eq!(change.gone.first().map(|row| row[0].0.as_str()), Some("line 0"));
        assert_eq!(change.gone.len(), 11);
        screen.feed("more\r\n");
        assert_eq!(screen.change().expect("a change").gone.len(), 1);
    }

    #[test]
    fn hostile_output_is_text_or_nothing() {
        let mut screen = Screen::default();
        screen.feed("<script>alert(1)</script>\u{1b}]0;title\u{7}\u{1b}]52;c;YQ==\u{7}\u{202e}x\r\n\u{1b}[9999;9999H\u{1b}[?1049h");
        screen.resize(0, u16::MAX);
        screen.feed("\u{1b}[8;99999;99999t\u{1b}[999999999b宽\u{200b}");
        screen.resize(1, 1);
        screen.feed("宽宽\r\n");
        assert!(screen.change().is_some());
    }
}
