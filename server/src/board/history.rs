//! The thread that writes the board's history: at most one commit a second, off everyone's way.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::lock;
use super::objects::{GitError, RunGit};
use super::record::Recorder;
use crate::sys::layout::Layout;

/// Commits are no closer together than this.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    /// How many changes were told of.
    touched: u64,
    /// How many of them are committed.
    done: u64,
    /// Somebody waits, or the end has come: no pause before the next commit.
    urgent: bool,
    stop: bool,
    highest: u64,
    trouble: Option<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    finished: Condvar,
}

/// The board's history, being written. Dropping it writes what is outstanding.
pub struct History {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl History {
    /// Starts the thread and commits the board as it is, where that is not yet written. `run` is used where git2
    /// cannot open the repository.
    pub fn start(layout: &Layout, run: Option<&RunGit>) -> Result<Self, GitError> {
        let recorder = Recorder::open(layout, run)?;
        let shared = Arc::new(Shared::default());
        {
            let mut state = lock(&shared.state);
            state.highest = recorder.highest();
            state.touched = 1;
        }
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("storkit-history".to_owned())
            .spawn(move || work(&theirs, recorder))
            .map_err(|error| GitError::Command {
                command: "history".to_owned(),
                message: format!("its thread cannot be started: {error}"),
            })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The board changed: it is committed within about a second. Does not wait.
    pub fn touch(&self) {
        lock(&self.shared.state).touched += 1;
        self.shared.wake.notify_one();
    }

    /// Commits what is outstanding and waits for it. Why it could not be, in words.
    pub fn flush(&self) -> Result<(), GitError> {
        let mut state = lock(&self.shared.state);
        state.touched += 1;
        state.urgent = true;
        let aim = state.touched;
        self.shared.wake.notify_one();
        while state.done < aim && !state.stop {
            state = self.shared.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match &state.trouble {
            Some(message) => {
                Err(GitError::Command { command: "history".to_owned(), message: message.clone() })
            }
            None => Ok(()),
        }
    }

    /// The highest story number that the history knows, also of stories that are gone.
    pub fn highest(&self) -> u64 {
        lock(&self.shared.state).highest
    }

    /// Why the last commit could not be made, in words.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.shared.state).trouble.clone()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.shared.state);
            (state.stop, state.urgent) = (true, true);
        }
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed where it happened.
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, mut recorder: Recorder) {
    let mut last: Option<Instant> = None;
    loop {
        let mut state = lock(&shared.state);
        loop {
            let outstanding = state.touched > state.done;
            let pause = last.map_or(Duration::ZERO, |at| EVERY.saturating_sub(at.elapsed()));
            if state.stop && !outstanding {
                return;
            }
            if outstanding && (state.urgent || pause.is_zero()) {
                break;
            }
            state = if outstanding {
                shared.wake.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
            } else {
                shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
        let aim = state.touched;
        drop(state);
        let end = recorder.commit();
        last = Some(Instant::now());
        let mut state = lock(&shared.state);
        state.done = aim;
        state.urgent = state.stop;
        state.highest = state.highest.max(recorder.highest());
        state.trouble = match end {
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, "the board's history cannot be written");
                Some(error.to_string())
            }
        };
        shared.finished.notify_all();
    }
}
