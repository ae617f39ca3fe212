//! The terminal that the board is drawn on: taken, drawn with what changed alone, and given back as it was found.

use std::io::{self, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use ratatui::crossterm::{cursor, execute, queue};
use ratatui::layout::Rect;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::model::Model;
use super::super::view;
use crate::sys::emulator::is_parsing;

/// Where a terminal does not say its size.
const SIZE_DEFAULT: (u16, u16) = (80, 24);
/// Longest text that is copied, in bytes: terminals take no more.
const COPY_LEN_MAX: usize = 64 * 1024;

/// Whether the terminal is taken, for the hook of panics.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal.
pub(super) struct Terminal {
    backend: CrosstermBackend<Stdout>,
    last: Buffer,
    cursor: Option<(u16, u16)>,
}

impl Terminal {
    /// Takes the terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let mut terminal = Self {
            backend: CrosstermBackend::new(io::stdout()),
            last: Buffer::empty(Rect::default()),
            cursor: None,
        };
        hook_panics();
        terminal.again(true)?;
        Ok(terminal)
    }

    /// Takes it again after [`Terminal::leave`].
    pub(super) fn again(&mut self, mouse: bool) -> io::Result<()> {
        TAKEN.store(true, Ordering::Release);
        enable_raw_mode()?;
        execute!(self.backend, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        self.mouse(mouse)?;
        self.clear()
    }

    /// Asks by OSC 11 how dark the ground is; the answer comes among the keys, if ever.
    pub(super) fn ask_ground(&mut self) -> io::Result<()> {
        write!(self.backend, "\u{1b}]11;?\u{7}")?;
        Write::flush(&mut self.backend)
    }

    /// Whether nobody is at the other end any more. Reading from it would then come to no end.
    #[expect(clippy::unused_self, reason = "there is one terminal; it is asked through its owner")]
    pub(super) fn is_gone(&self) -> bool {
        let (input, output) = (io::stdin(), io::stdout());
        let mut ends = [PollFd::new(&input, PollFlags::empty()), PollFd::new(&output, PollFlags::empty())];
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        poll(&mut ends, Some(&Timespec::default())).is_ok()
            && ends.iter().any(|end| end.revents().intersects(gone))
    }

    /// Gives it back.
    pub(super) fn leave(&mut self) {
        give_back();
    }

    /// Columns and rows.
    #[expect(clippy::unused_self, reason = "there is one terminal; it is asked through its owner")]
    pub(super) fn size(&self) -> (u16, u16) {
        size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(SIZE_DEFAULT)
    }

    /// Whether the mouse is the board's or the terminal's own.
    pub(super) fn mouse(&mut self, on: bool) -> io::Result<()> {
        if on {
            execute!(self.backend, EnableMouseCapture)
        } else {
            execute!(self.backend, DisableMouseCapture)
        }
    }

    /// Forgets what is drawn, so that all is drawn anew.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.last = Buffer::empty(Rect::default());
        execute!(self.backend, Clear(ClearType::All))
    }

    /// Sets the clipboard by OSC 52, base64 as that wants it.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut end = text.len().min(COPY_LEN_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        write!(self.backend, "\u{1b}]52;c;{}\u{7}", base64(&text.as_bytes()[..end]))?;
        Write::flush(&mut self.backend)
    }

    /// Draws what changed since the last time; writes nothing where nothing did.
    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        let area = Rect::new(0, 0, model.size.0, model.size.1);
        let mut next = Buffer::empty(area);
        let cursor = view::draw(model, &mut next);
        if self.last.area != area {
            self.last = Buffer::empty(area);
        }
        if next == self.last && cursor == self.cursor {
            return Ok(());
        }
        queue!(self.backend, BeginSynchronizedUpdate, cursor::Hide)?;
        self.backend.draw(self.last.diff(&next).into_iter())?;
        if let Some((x, y)) = cursor {
            queue!(self.backend, cursor::MoveTo(x, y), cursor::Show)?;
        }
        execute!(self.backend, EndSynchronizedUpdate)?;
        (self.last, self.cursor) = (next, cursor);
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    if TAKEN.swap(false, Ordering::AcqRel) {
        // A terminal that is gone needs nothing back.
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode();
    }
}

/// A panic says its words on the person's own screen; one that is caught in the terminal emulator says nothing.
fn hook_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !is_parsing() {
            give_back();
            before(info);
        }
    }));
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for n in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * n)) as usize & 63];
            out.push(if n > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_everywhere() {
        for (text, code) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), code);
        }
    }
}
