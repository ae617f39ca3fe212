//! Keys, the mouse, and signals: what a person and the system tell the board.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use ratatui::crossterm::event::{poll, read};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};

use super::super::model::Msg;
use super::answers::{Answers, Heard};
use crate::sys::task;

/// How long the thread reads keys before it looks whether it is to rest.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Gate {
    #[default]
    Reads,
    Asked,
    Rests,
}

type Shared = Arc<(Mutex<Gate>, Condvar)>;

/// The thread that reads keys.
pub(super) struct Input(Shared);

impl Input {
    /// Begins to read.
    ///
    /// With `asked`, the terminal was asked for its ground, and its answer comes among the keys.
    pub(super) fn start(sender: SyncSender<Msg>, asked: bool) -> io::Result<Self> {
        let shared = Shared::default();
        let gate = Arc::clone(&shared);
        task::spawn("board-keys", move || {
            let mut answers = Answers::new(asked);
            while rests(&gate) {
                let event = match poll(LOOK_EVERY) {
                    Ok(false) => Ok(None),
                    Ok(true) => read().map(Some),
                    Err(error) => Err(error),
                };
                // Without a keyboard nothing can be done; the board ends by its signals, or as its terminal is gone.
                let Ok(event) = event else { return };
                let heard = match event {
                    Some(event) => answers.take(event),
                    None => answers.quiet().into_iter().collect(),
                };
                for heard in heard {
                    let msg = match heard {
                        Heard::Event(event) => Msg::Input(event),
                        Heard::Ground(ground) => Msg::Ground(ground),
                    };
                    if sender.send(msg).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Self(shared))
    }

    /// Returns when nothing reads keys any more, until [`Input::resume`].
    pub(super) fn pause(&self) {
        let (gate, changed) = &*self.0;
        let mut state = gate.lock().unwrap_or_else(PoisonError::into_inner);
        *state = Gate::Asked;
        // The thread may have ended; then nobody answers.
        let wait = LOOK_EVERY * 5;
        while *state == Gate::Asked {
            let (next, timeout) = changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if timeout.timed_out() {
                return;
            }
        }
    }

    /// Reads keys again.
    pub(super) fn resume(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Gate::Reads;
        self.0.1.notify_all();
    }
}

/// Rests where that was asked for; true when there is to be read again.
fn rests(shared: &Shared) -> bool {
    let (gate, changed) = &**shared;
    let mut state = gate.lock().unwrap_or_else(PoisonError::into_inner);
    while *state != Gate::Reads {
        *state = Gate::Rests;
        changed.notify_all();
        state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    true
}

/// Signals that came.
pub(super) struct Signals {
    ends: Arc<AtomicBool>,
    stops: Arc<AtomicBool>,
    continues: Arc<AtomicBool>,
}

impl Signals {
    /// Takes them over from the system's defaults.
    pub(super) fn listen() -> io::Result<Self> {
        let signals = Self { ends: Arc::default(), stops: Arc::default(), continues: Arc::default() };
        for signal in [SIGTERM, SIGHUP, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&signals.ends))?;
        }
        signal_hook::flag::register(SIGTSTP, Arc::clone(&signals.stops))?;
        signal_hook::flag::register(SIGCONT, Arc::clone(&signals.continues))?;
        Ok(signals)
    }

    /// The board is to end.
    pub(super) fn ends(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    /// It is to stop, as by Ctrl-z.
    pub(super) fn stops(&self) -> bool {
        self.stops.swap(false, Ordering::AcqRel)
    }

    /// It was stopped from outside and goes on.
    pub(super) fn continues(&self) -> bool {
        self.continues.swap(false, Ordering::AcqRel)
    }
}
