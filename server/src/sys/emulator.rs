//! A terminal that draws nowhere: what an agent prints goes in, cells come out. Whatever is fed, nothing else fails.

use std::cell::Cell as Flag;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};

use vt100::Parser;

thread_local! {
    static PARSING: Flag<bool> = const { Flag::new(false) };
}

/// Whether this thread is in the parser, whose panics are caught here: a panic hook has nothing to say of them.
pub fn is_parsing() -> bool {
    PARSING.get()
}

/// What a terminal may measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Columns and rows of a terminal of which nobody has said its size.
    pub size: (u16, u16),
    /// Largest side that is believed.
    pub side_max: u16,
    /// Rows that are kept above the screen.
    pub scrollback: usize,
}

/// A terminal.
pub struct Emulator {
    parser: Parser,
    bounds: Bounds,
}

/// The parser could not follow what was fed; its state is not to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

impl Emulator {
    /// An empty terminal.
    pub fn new(bounds: Bounds) -> Self {
        let side = |length: u16| side(length, bounds.side_max);
        let parser = Parser::new(side(bounds.size.1), side(bounds.size.0), bounds.scrollback);
        Self { parser, bounds }
    }

    /// Takes output, whatever it holds.
    ///
    /// # Errors
    /// [`Lost`] where the parser fails.
    pub fn feed(&mut self, text: &str) -> Result<(), Lost> {
        self.guarded(|parser| parser.process(text.as_bytes()))
    }

    /// The terminal has another size.
    ///
    /// # Errors
    /// [`Lost`] where the parser fails.
    pub fn resize(&mut self, columns: u16, rows: u16) -> Result<(), Lost> {
        let side_max = self.bounds.side_max;
        self.guarded(|parser| parser.screen_mut().set_size(side(rows, side_max), side(columns, side_max)))
    }

    /// Looks at the screen, or moves it over what is above it.
    ///
    /// # Errors
    /// [`Lost`] where the parser fails.
    pub fn look<T>(&mut self, look: impl FnOnce(&mut vt100::Screen) -> T) -> Result<T, Lost> {
        self.guarded(|parser| look(parser.screen_mut()))
    }

    /// The screen.
    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Parser) -> T) -> Result<T, Lost> {
        PARSING.set(true);
        let parser = &mut self.parser;
        let done = catch_unwind(AssertUnwindSafe(|| work(parser)));
        PARSING.set(false);
        done.map_err(|_| Lost)
    }
}

fn side(length: u16, most: u16) -> NonZeroU16 {
    NonZeroU16::new(length.clamp(1, most)).unwrap_or(NonZeroU16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { size: (10, 3), side_max: 100, scrollback: 5 };

    #[test]
    fn sizes_are_kept_within_bounds() {
        let mut emulator = Emulator::new(BOUNDS);
        emulator.resize(0, 9_999).expect("resized");
        let (rows, columns) = emulator.screen().size();
        assert_eq!((columns.get(), rows.get()), (1, 100));
    }

    #[test]
    fn a_failure_inside_is_an_answer() {
        let mut emulator = Emulator::new(BOUNDS);
        emulator.feed("a\r\nb").expect("fed");
        assert_eq!(emulator.look(|screen| screen.contents()), Ok("a\nb".to_owned()));
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let lost = emulator.look(|_| panic!("as a parser might"));
        std::panic::set_hook(hook);
        assert_eq!((lost, is_parsing()), (Err::<(), _>(Lost), false));
    }
}
