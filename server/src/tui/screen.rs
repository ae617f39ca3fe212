//! An agent's terminal as cells: its output goes into a terminal emulator, and only what that shows is ever drawn.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::look::Look;
use crate::sys::emulator::{Bounds, Emulator, Lost};
use crate::sys::text::is_dangerous;

const BOUNDS: Bounds = Bounds { size: (120, 40), side_max: 1_000, scrollback: 5_000 };

/// One run's terminal.
pub(super) struct Screen {
    emulator: Emulator,
    /// What made the emulator fail; then nothing more is fed.
    broken: bool,
    /// Rows scrolled up from the newest.
    back: usize,
}

impl Screen {
    /// An empty terminal.
    pub(super) fn new() -> Self {
        Self { emulator: Emulator::new(BOUNDS), broken: false, back: 0 }
    }

    /// Takes output, whatever it holds.
    pub(super) fn feed(&mut self, text: &str) {
        self.guarded(|emulator| emulator.feed(text));
        self.scroll(0);
    }

    /// The terminal has another size.
    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        self.guarded(|emulator| emulator.resize(columns, rows));
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Emulator) -> Result<(), Lost>) {
        self.broken = self.broken || work(&mut self.emulator).is_err();
    }

    /// Whether the newest is shown.
    pub(super) fn follows(&self) -> bool {
        self.back == 0
    }

    /// Scrolls back by so many rows, or forward where negative.
    pub(super) fn scroll(&mut self, by: isize) {
        let most = self.emulator.screen().scrollback_len();
        let back = self.back.saturating_add_signed(by).min(most);
        self.back = back;
        self.guarded(|emulator| emulator.look(|screen| screen.set_scrollback(back)));
    }

    /// Shows the newest again.
    pub(super) fn follow(&mut self) {
        self.scroll(isize::MIN);
    }

    /// Draws the terminal's lower left part that fits: cropped, never resized.
    pub(super) fn draw(&self, look: Look, area: Rect, buffer: &mut Buffer) {
        let screen = self.emulator.screen();
        let (rows, columns) = screen.size();
        // Below the last row with text nothing is worth its place.
        let used = (0..rows.get())
            .rev()
            .find(|row| {
                (0..columns.get())
                    .any(|column| screen.cell(*row, column).is_some_and(vt100::Cell::has_contents))
            })
            .map_or(0, |row| row + 1);
        let first = used.saturating_sub(area.height);
        for row in first..used {
            let y = area.y + (row - first);
            for column in 0..columns.get().min(area.width) {
                let Some(cell) = screen.cell(row, column) else { continue };
                if cell.is_wide_continuation() {
                    continue;
                }
                let Some(target) = buffer.cell_mut((area.x + column, y)) else { continue };
                let symbol = shown(cell.contents(), area.width - column);
                target.set_symbol(&symbol).set_style(style(look, cell));
            }
        }
        if self.broken {
            let note = "this terminal's output could not be followed further";
            buffer.set_stringn(
                area.x,
                area.bottom().saturating_sub(1),
                note,
                area.width.into(),
                look.alert(),
            );
        }
    }
}

/// What is drawn of a cell: its text without what a terminal would obey, where it fits; else a blank.
fn shown(contents: &str, room: u16) -> String {
    let text: String = contents.chars().filter(|c| !is_dangerous(*c)).collect();
    let width = text.width();
    if width == 0 || width > usize::from(room.min(2)) { " ".to_owned() } else { text }
}

fn style(look: Look, cell: &vt100::Cell) -> Style {
    let mut style = Style::new();
    if look.has_color() {
        style = style.fg(color(cell.fgcolor())).bg(color(cell.bgcolor()));
    }
    for (is, modifier) in [
        (cell.bold(), Modifier::BOLD),
        (cell.dim(), Modifier::DIM),
        (cell.italic(), Modifier::ITALIC),
        (cell.underline(), Modifier::UNDERLINED),
        (cell.inverse(), Modifier::REVERSED),
    ] {
        if is {
            style = style.add_modifier(modifier);
        }
    }
    style
}

const fn color(color: vt100::Color) -> Color {
    match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(red, green, blue) => Color::Rgb(red, green, blue),
    }
}

#[cfg(test)]
mod tests {
    use super::super::look::Colors;
    use super::*;

    fn drawn(pieces: &[&str], columns: u16, rows: u16) -> Vec<String> {
        let mut screen = Screen::new();
        for piece in pieces {
            screen.feed(piece);
        }
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        screen.draw(Look { colors: Colors::Sixteen, ascii: false }, area, &mut buffer);
        let row = |y| (0..columns).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        (0..rows).map(|y| row(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn output_becomes_cells_and_no_sequence_survives() {
        let evil = "\u{1b}]0;title\u{7}\u{1b}]52;c;eA==\u{7}\u{1b}[31mred\u{1b}[0m \u{9b}2Jx\u{202e}y\u{200b}z\r\n\u{1b}[?1049hfull\u{1b}[?1000h";
        for line in drawn(&[evil], 30, 4) {
            assert!(line.chars().all(|c| !is_dangerous(c)), "{line:?}");
        }
        assert_eq!(drawn(&["a\r\nb\r\n\u{1b}[5Cc"], 10, 3), ["a", "b", "     c"]);
    }

    #[test]
    fn wide_characters_that_do_not_fit_become_blanks() {
        assert_eq!(drawn(&["世界x"], 3, 1), ["世 "].map(str::trim_end));
        assert_eq!(drawn(&["a世"], 5, 1), ["a世"]);
    }

    #[test]
    fn the_lowest_rows_are_shown_and_older_ones_by_scrolling() {
        let mut text = String::new();
        for n in 0..60 {
            text.push_str(&format!("{n}\r\n"));
        }
        assert_eq!(drawn(&[&text], 5, 3), ["57", "58", "59"]);
        let mut screen = Screen::new();
        screen.feed(&text);
        screen.scroll(1_000);
        assert!(!screen.follows());
        screen.follow();
        assert!(screen.follows());
    }

    #[test]
    fn any_bytes_and_sizes_are_survived() {
        let mut seed = 7_u64;
        let mut screen = Screen::new();
        for _ in 0..2_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let pieces = [
                "\u{1b}[",
                "世",
                "\u{1b}[9999;9999H",
                "?1049h",
                "\r\n",
                "\u{1b}[L",
                "\u{1b}c",
                "e\u{301}",
                "\u{1b}[2K",
            ];
            screen.feed(pieces[usize::try_from(seed >> 33).unwrap_or(0) % pieces.len()]);
            if seed.is_multiple_of(17) {
                let side = u16::try_from((seed >> 40) % 90).unwrap_or(1);
                screen.resize(side, 90 - side);
            }
        }
        let area = Rect::new(0, 0, 40, 10);
        screen.draw(Look { colors: Colors::None, ascii: false }, area, &mut Buffer::empty(area));
    }
}
