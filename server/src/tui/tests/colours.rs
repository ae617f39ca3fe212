//! Colours: the board's own where the terminal tells its ground, the terminal's sixteen, none.

use ratatui::style::{Color, Modifier};

use super::*;

const DEEP: Look = Look { colors: Colors::Deep(None), ascii: false };
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 12)];

/// The style of the first cell that begins the words.
fn cell(desk: &Desk, words: &str) -> ratatui::buffer::Cell {
    let buffer = desk.buffer();
    let first = words.chars().next().map(String::from).expect("words");
    let at = buffer.content.iter().enumerate().position(|(at, cell)| {
        let ahead =
            || buffer.content[at..].iter().take(words.chars().count()).map(ratatui::buffer::Cell::symbol);
        cell.symbol() == first && ahead().collect::<String>() == words
    });
    buffer.content[at.unwrap_or_else(|| panic!("{words} in\n{}", desk.screen()))].clone()
}

#[test]
fn the_ground_chooses_the_palette_and_every_cell_has_its_colours() {
    for size in SIZES {
        for (ground, surface, fill) in [
            (Ground::Light, Color::Rgb(0xfd, 0xfd, 0xfb), Color::Rgb(0xf2, 0xb6, 0x32)),
            (Ground::Dark, Color::Rgb(0x1c, 0x1e, 0x22), Color::Rgb(0xf2, 0xb6, 0x32)),
        ] {
            let mut desk = Desk::of(size, DEEP, stories());
            desk.take(Msg::Ground(ground));
            for keys in ["", "n", "?", "<esc>", "<enter>", "qt", "q/x<esc>"] {
                desk.press(keys);
                let buffer = desk.buffer();
                for cell in &buffer.content {
                    assert!(
                        matches!((cell.fg, cell.bg), (Color::Rgb(..), Color::Rgb(..))),
                        "{keys}: {cell:?}"
                    );
                }
                assert_eq!(buffer[(0, 0)].bg, surface);
            }
            let mut desk = Desk::of(size, DEEP, stories());
            desk.take(Msg::Ground(ground));
            desk.press("3");
            assert_eq!(cell(&desk, "◆ Review").bg, fill, "what needs a person is filled");
        }
    }
}

#[test]
fn without_an_answer_the_terminals_own_colours_stay() {
    for colors in [Colors::Sixteen, Colors::Deep(None)] {
        let desk = Desk::of((120, 40), Look { colors, ascii: false }, stories());
        for cell in &desk.buffer().content {
            assert_eq!(cell.bg, Color::Reset, "the ground is the terminal's");
            assert!(!matches!(cell.fg, Color::Rgb(..) | Color::White | Color::Black), "{cell:?}");
        }
        assert_eq!(cell(&desk, "▶ Running").fg, Color::Blue);
        assert_eq!(cell(&desk, "■ Blocked").fg, Color::Red);
    }
    // Who had given up waiting does not change its colours under the hand.
    let mut late = Desk::of((80, 24), Look { colors: Colors::Sixteen, ascii: false }, stories());
    late.take(Msg::Ground(Ground::Light));
    assert_eq!(late.model.look.colors, Colors::Sixteen);
}

#[test]
fn without_colours_there_are_none_at_all() {
    for size in SIZES {
        let mut desk = Desk::new(size);
        for keys in ["", "n", "?", "<esc>", "<enter>", "qd"] {
            desk.press(keys);
            for cell in &desk.buffer().content {
                assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{keys}");
                assert!(!cell.modifier.contains(Modifier::DIM));
            }
        }
    }
}

#[test]
fn an_agents_terminal_is_dark_on_either_ground_and_keeps_its_own_colours() {
    let mut desk = Desk::of((120, 40), DEEP, stories());
    desk.take(Msg::Ground(Ground::Light));
    desk.press("j");
    let text = "plain \u{1b}[31mcrimson \u{1b}[38;2;1;2;3mexact\u{1b}[0m".to_owned();
    desk.take(Msg::Shown("run-41".to_owned(), Shown::Out(text)));
    let plain = cell(&desk, "plain");
    assert_eq!((plain.fg, plain.bg), (Color::Rgb(0xd4, 0xd8, 0xde), Color::Rgb(0x14, 0x16, 0x1a)));
    assert_eq!(cell(&desk, "crimson").fg, Color::Rgb(0xff, 0x7b, 0x72));
    assert_eq!(cell(&desk, "exact").fg, Color::Rgb(1, 2, 3));
}
