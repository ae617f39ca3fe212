//! The board's loop: messages come in from keys, the daemon and workers, effects go out. The one part of the board
//! that knows a terminal, threads and the clock.

mod answers;
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
use super::look::{Colors, Look};
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
/// How often signals, and whether the terminal is still there, are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often what is shown of time is drawn anew.
const TICK: Duration = Duration::from_secs(1);
/// How long the first frame waits for the terminal to tell its ground.
const GROUND_WAIT: Duration = Duration::from_millis(50);

/// Shows the board until the person leaves it. The terminal is left as it was found, whatever happens.
pub fn run(host: Arc<dyn Host>, look: Look) -> io::Result<()> {
    let (sender, messages) = sync_channel(WAITING_MAX);
    let signals = Signals::listen()?;
    let mut terminal = Terminal::enter()?;
    let asked = look.colors == Colors::Deep(None);
    if asked {
        terminal.ask_ground()?;
    }
    let model = Model::new(terminal.size(), look, Timestamp::now());
    let frame = if std::env::var_os("SSH_TTY").is_some() { FRAME_SSH } else { FRAME };
    let input = Input::start(sender.clone(), asked)?;
    feed::start(Arc::clone(&host), sender.clone())?;
    let worker = Worker::start(&host, &sender)?;
    let watcher = Watcher::new(Arc::clone(&host), sender.clone());
    let mut board = Board { host, sender, terminal, input, worker, watcher, signals, model, over: false };
    if asked {
        board.await_ground(&messages)?;
    }
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
    /// Waits for the terminal's ground, but not for long; without it, the terminal's own colours are used.
    fn await_ground(&mut self, messages: &Receiver<Msg>) -> io::Result<()> {
        let begun = Instant::now();
        while self.model.look.colors == Colors::Deep(None) {
            let Ok(msg) = messages.recv_timeout(GROUND_WAIT.saturating_sub(begun.elapsed())) else {
                self.model.look.colors = Colors::Sixteen;
                break;
            };
            self.take(msg)?;
        }
        Ok(())
    }

    fn attend(&mut self, messages: &Receiver<Msg>, frame: Duration) -> io::Result<()> {
        let mut drawn: Option<Instant> = None;
        let (mut stale, mut ticked) = (true, Instant::now());
        while !self.over {
            let due = drawn.map_or(Duration::ZERO, |at| frame.saturating_sub(at.elapsed()));
            if stale && due.is_zero() {
                self.terminal.draw(&self.model)?;
                (drawn, stale) = (Some(Instant::now()), false);
            }
            match messages.recv_timeout(if stale { due } else { LOOK_EVERY }) {
                Ok(first) => {
                    self.take(first)?;
                    for msg in messages.try_iter().take(BATCH_MAX) {
                        self.take(msg)?;
                    }
                    stale = true;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.obey_signals()?;
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.over |= self.terminal.is_gone();
                self.take(Msg::Tick(Timestamp::now()))?;
                stale = true;
            }
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
