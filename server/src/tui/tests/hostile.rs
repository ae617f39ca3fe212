//! What agents print, drawn: sequences, marks, wide and reordering letters, lines without an end. In the live pane, on
//! the live page, in the log, in the diff, at three sizes; and what crossterm then writes is read by a terminal again.

use ratatui::backend::{Backend, CrosstermBackend};

use super::*;
use crate::sys::text::{is_joining, width};
use crate::tui::view::page_body;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 12)];

/// Pieces of output that have garbled terminals.
fn corpus() -> Vec<String> {
    let mut all: Vec<String> = [
        "\u{1b}]0;title\u{7}\u{1b}]2;title\u{1b}\\\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}]8;;http://x/\u{7}link\u{1b}]8;;\u{7}",
        "\u{1b}[2J\u{1b}[H\u{1b}[?1049h\u{1b}[?1000h\u{1b}[?1006h\u{1b}[?2004h\u{1b}[?25h\u{1b}[5;5r\u{1b}[6n\u{1b}[c\u{1b}]11;?\u{7}",
        "\u{1b}P+q544e\u{1b}\\\u{1b}_apc\u{1b}\\\u{1b}^pm\u{1b}\\\u{1b}Xsos\u{1b}\\\u{1b}(0lqqk\u{1b}(B\u{e}shifted\u{f}",
        "\u{9b}31m\u{9d}0;c1 title\u{9c}\u{90}dcs\u{9c}\u{85}\u{8d}",
        "\u{1b}[999999999999;999999999999H\u{1b}[999999999S\u{1b}[38;5;999;48;2;999;999;999mx\u{1b}[;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;m",
        "\u{202e}evil\u{202c}\u{2066}a\u{2069}\u{61c}\u{200f}b\u{200e}\u{200b}c\u{feff}d\u{2028}e\u{2029}",
        "世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界",
        "👩\u{200d}👩\u{200d}👧\u{200d}👦 ❤\u{fe0f} 👍\u{1f3fd} 🇩🇪 \u{1f3f4}\u{e0067}\u{e0062}\u{e007f} ﷽ \u{1160}\u{3164}\u{ad}",
        "שלום עולם مرحبا بالعالم नमस्ते ก็ํํ",
        "\r\rover\rwritten\u{8}\u{8}\u{8}\u{7f}\u{0}\u{7}\u{5}\u{b}\u{c}",
        "\u{1b}", "\u{1b}[", "\u{1b}]0;no end of a title",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push(format!("e{}", "\u{301}".repeat(100_000)));
    all.push("\u{300}\u{301}\u{302}".repeat(10_000));
    all.push("x".repeat(10 * 1024 * 1024));
    all.push("世\u{1b}[31m".repeat(1_000_000));
    all
}

/// Everything that was drawn is one letter in one place, as wide as it says, and nothing that a terminal obeys; and
/// drawn on a terminal over what stood there before, it stands where it was meant to.
#[track_caller]
fn assert_tame(desk: &Desk, before: &Buffer, what: &str) {
    let buffer = desk.buffer();
    let size = buffer.area;
    for y in 0..size.height {
        let mut x = 0;
        while x < size.width {
            let symbol = buffer[(x, y)].symbol();
            let wide = u16::try_from(width(symbol)).expect("a width");
            assert!((1..=2).contains(&wide) && x + wide <= size.width, "{what}: {symbol:?} at {x}, {y}");
            assert!(symbol.chars().count() <= 4, "{what}: {symbol:?}");
            assert!(!symbol.chars().any(|c| is_dangerous(c) || is_joining(c)), "{what}: {symbol:?}");
            x += wide;
        }
    }
    let mut bytes = Vec::new();
    let mut backend = CrosstermBackend::new(&mut bytes);
    for (old, new) in [(&Buffer::empty(size), before), (before, &buffer)] {
        backend.draw(old.diff(new).into_iter()).expect("memory takes it");
    }
    Backend::flush(&mut backend).expect("memory takes it");
    let side = |length: u16| std::num::NonZeroU16::new(length).expect("a size");
    let mut terminal = vt100::Parser::new(side(size.height), side(size.width), 0);
    terminal.process(&bytes);
    let screen = terminal.screen();
    for position in size.positions() {
        let meant = buffer[position].symbol();
        let Some(cell) = screen.cell(position.y, position.x) else {
            panic!("{what}: no cell at {position:?}")
        };
        if !cell.is_wide_continuation() {
            let stands = if cell.contents().is_empty() { " " } else { cell.contents() };
            assert_eq!(stands, meant, "{what} at {position:?}");
        }
    }
}

#[test]
fn what_an_agent_prints_stands_in_its_place_and_nowhere_else() {
    for size in SIZES {
        for piece in corpus() {
            let what: String = piece.chars().take(20).flat_map(char::escape_default).collect();
            for keys in ["j", "jt"] {
                let mut desk = Desk::new(size);
                desk.press(keys);
                let before = desk.buffer();
                for text in [piece.as_str(), "\r\nthe end"] {
                    desk.take(Msg::Shown("run-41".to_owned(), Shown::Out(text.to_owned())));
                }
                assert_tame(&desk, &before, &format!("{what} in {size:?} by {keys}"));
            }
        }
    }
}

#[test]
fn what_an_agent_printed_is_read_and_searched_without_harm() {
    for size in SIZES {
        for piece in corpus() {
            let what: String = piece.chars().take(20).flat_map(char::escape_default).collect();
            let mut desk = Desk::new(size);
            desk.press("Gt");
            let before = desk.buffer();
            let text = format!("first\n{piece}\nlast\n");
            desk.take(Msg::Loaded(Part::Transcript, "61_bug_charge".to_owned(), Ok(text)));
            let body = page_body(&desk.model);
            assert!((0..body.len()).all(|at| body.line(at).0.len() < 10_000), "{what} is kept whole");
            desk.press("gg");
            assert_tame(&desk, &before, &format!("{what} in the log, {size:?}"));
            desk.press("/e<enter>nN");
            assert_tame(&desk, &before, &format!("{what} searched, {size:?}"));
        }
    }
}

#[test]
fn a_diff_holds_anything() {
    for size in SIZES {
        for piece in corpus() {
            let what: String = piece.chars().take(20).flat_map(char::escape_default).collect();
            let line = piece.replace(['\n', '\r'], "");
            let mut desk = Desk::new(size);
            desk.press("3a");
            let before = desk.buffer();
            let diff =
                format!("diff --git a/a b/a\n--- a/{line}\n+++ b/{line}\n@@ -1 +1 @@\n-{line}\n+{line}\n");
            desk.take(Msg::Loaded(Part::Diff, "57_story_invoices".to_owned(), Ok(diff)));
            assert_tame(&desk, &before, &format!("{what} in the diff, {size:?}"));
        }
    }
}
