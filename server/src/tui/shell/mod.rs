//! The board's loop: messages come in from keys, the daemon and workers, effects go out. The one part of the board
//! that knows a terminal, threads and the clock.

mod feed;
mod input;
mod terminal;
mod watcher;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::host::Host;
use super::look::Look;
use super::model::{Effect, Model, Msg};
use super::update::update;
use input::{Input, Signals};
use terminal::Terminal;
use watcher::Watcher;
use worker::Worker;

/// Messages that wait; a terminal that prints faster waits itself.
const WAITING_MAX: usize = 1024;
/// Messages that are taken before something is drawn again.
const BATCH_MAX: usize = 256;
/// Least time between two frames, at a terminal of this machine and over ssh.
const FRAME: Duration = Duration::from_millis(30);
const FRAME_SSH: Duration = Duration::from_millis(200);
/// How often signals and the clock are looked at.
const TICK: Duration = Duration::from_millis(250);

/// Shows the board until the person leaves it. The terminal is left as it was found, whatever happens.
pub fn run(host: Arc<dyn Host>, look: Look) -> io::Result<()> {
    let (sender, messages) = sync_channel(WAITING_MAX);
    let signals = Signals::listen()?;
    let terminal = Terminal::enter()?;
    let model = Model::new(terminal.size(), look, Timestamp::now());
    let frame = if std::env::var_os("SSH_TTY").is_some() { FRAME_SSH } else { FRAME };
    let input = Input::start(sender.clone())?;
    feed::start(Arc::clone(&host), sender.clone())?;
    let worker = Worker::start(&host, &sender)?;
    let watcher = Watcher::new(Arc::clone(&host), sender.clone());
    let mut board = Board { host, sender, terminal, input, worker, watcher, signals, model, over: false };
    board.attend(&messages, frame)
}

struct Board {
    host: Arc<dyn Host>,
    sender: SyncSender<Msg>,
    terminal: Terminal,
    input: Input,
    worker: Worker,
    watcher: Watcher,
    signals: Signals,
    model: Model,
    over: bool,
}

impl Board {
    fn attend(&mut self, messages: &Receiver<Msg>, frame: Duration) -> io::Result<()> {
        let mut drawn: Option<Instant> = None;
        let mut stale = true;
        while !self.over {
            let due = drawn.map_or(Duration::ZERO, |at| frame.saturating_sub(at.elapsed()));
            if stale && due.is_zero() {
                self.terminal.draw(&self.model)?;
                (drawn, stale) = (Some(Instant::now()), false);
            }
            let first = match messages.recv_timeout(if stale { due } else { TICK }) {
                Ok(msg) => msg,
                Err(RecvTimeoutError::Timeout) if stale => continue,
                Err(RecvTimeoutError::Timeout) => Msg::Tick(Timestamp::now()),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            self.take(first)?;
            for msg in messages.try_iter().take(BATCH_MAX) {
                self.take(msg)?;
            }
            self.obey_signals()?;
            stale = true;
        }
        Ok(())
    }

    fn take(&mut self, msg: Msg) -> io::Result<()> {
        for effect in update(&mut self.model, msg) {
            self.carry_out(effect)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Quit => self.over = true,
            Effect::Redraw => self.terminal.clear()?,
            Effect::Mouse(on) => self.terminal.mouse(on)?,
            Effect::Copy(text) => self.terminal.copy(&text)?,
            Effect::Watch(run) => self.watcher.watch(run)?,
            Effect::Suspend => self.suspend()?,
            Effect::InTerminal(words) => self.outside(&words)?,
            other => self.worker.order(other),
        }
        Ok(())
    }

    /// Lends the terminal to a command.
    fn outside(&mut self, words: &[String]) -> io::Result<()> {
        self.input.pause();
        self.terminal.leave();
        let answer = self.host.in_terminal(words);
        self.back()?;
        // A full channel means that more is to come anyway.
        let said = answer.map(|()| String::new());
        let _ = self.sender.try_send(Msg::Acted(said));
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.input.pause();
        self.terminal.leave();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        self.back()
    }

    fn back(&mut self) -> io::Result<()> {
        self.terminal.again(self.model.mouse)?;
        self.input.resume();
        let (columns, rows) = self.terminal.size();
        self.take(Msg::Input(ratatui::crossterm::event::Event::Resize(columns, rows)))
    }

    fn obey_signals(&mut self) -> io::Result<()> {
        if self.signals.ends() {
            self.over = true;
        }
        if self.signals.stops() {
            self.suspend()?;
        }
        if self.signals.continues() {
            self.back()?;
        }
        Ok(())
    }
}
