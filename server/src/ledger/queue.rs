//! The bounded way from the ledger's callers to its writer. It takes at once, whatever the writer does.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::entry::Entry;

/// Most entries that wait for the writer, also while the disk takes none.
pub(super) const ENTRIES_MAX: usize = 20_000;
/// Most questions that wait for the writer.
const QUERIES_MAX: usize = 256;
/// Most entries of one transaction.
pub(super) const BATCH_MAX: usize = 1_000;

/// A question to the database; it answers its asker itself and returns what SQLite objected to.
pub(super) type Query = Box<dyn FnOnce(&Connection) -> Option<ErrorCode> + Send>;

#[derive(Default)]
struct Inner {
    entries: VecDeque<Entry>,
    queries: VecDeque<Query>,
    flushes: Vec<SyncSender<bool>>,
    lost: u64,
    closed: bool,
}

/// What the writer is to do next.
#[derive(Default)]
pub(super) struct Work {
    pub(super) entries: VecDeque<Entry>,
    pub(super) queries: VecDeque<Query>,
    pub(super) flushes: Vec<SyncSender<bool>>,
    /// The disk may be tried again.
    pub(super) rested: bool,
    /// Nothing more will come.
    pub(super) closed: bool,
    /// Nothing more will come, and nothing else waits.
    pub(super) last: bool,
}

/// The queue itself.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn push(&self, entry: Entry) {
        let mut inner = self.lock();
        inner.entries.push_back(entry);
        shed(&mut inner);
        drop(inner);
        self.wake.notify_one();
    }

    /// Puts entries that could not be written back before all others.
    pub(super) fn put_back(&self, entries: VecDeque<Entry>) {
        let mut inner = self.lock();
        for entry in entries.into_iter().rev() {
            inner.entries.push_front(entry);
        }
        shed(&mut inner);
    }

    /// Asks; where too many wait already the question is dropped, which its asker sees at once.
    pub(super) fn ask(&self, query: Query) {
        let mut inner = self.lock();
        if inner.queries.len() < QUERIES_MAX && !inner.closed {
            inner.queries.push_back(query);
            drop(inner);
            self.wake.notify_one();
        }
    }

    pub(super) fn flush(&self, done: SyncSender<bool>) {
        let mut inner = self.lock();
        if inner.flushes.len() < QUERIES_MAX {
            inner.flushes.push(done);
        }
        drop(inner);
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// How many entries were dropped because nothing could be written for long.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// The next work. With `patience` entries stay for so long (the disk needs a rest), unless somebody waits for them.
    pub(super) fn next(&self, patience: Option<Duration>) -> Work {
        let mut inner = self.lock();
        let mut rested = true;
        if let Some(patience) = patience {
            let waits =
                |inner: &mut Inner| !inner.closed && inner.queries.is_empty() && inner.flushes.is_empty();
            let (guard, timeout) =
                self.wake.wait_timeout_while(inner, patience, waits).unwrap_or_else(PoisonError::into_inner);
            rested = timeout.timed_out() || guard.closed || !guard.flushes.is_empty();
            inner = guard;
        } else {
            let waits = |inner: &mut Inner| {
                !inner.closed
                    && inner.entries.is_empty()
                    && inner.queries.is_empty()
                    && inner.flushes.is_empty()
            };
            inner = self.wake.wait_while(inner, waits).unwrap_or_else(PoisonError::into_inner);
        }
        let count = if rested { inner.entries.len().min(BATCH_MAX) } else { 0 };
        let entries: VecDeque<Entry> = inner.entries.drain(..count).collect();
        // Who asks sees what was recorded before, as far as it can be written at all.
        let answers = inner.entries.is_empty() || !rested;
        Work {
            entries,
            queries: if answers { std::mem::take(&mut inner.queries) } else { VecDeque::new() },
            flushes: if inner.entries.is_empty() { std::mem::take(&mut inner.flushes) } else { Vec::new() },
            rested,
            closed: inner.closed,
            last: inner.closed && inner.entries.is_empty(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the queue within its limit: the oldest event goes, and where there is none, the oldest entry.
fn shed(inner: &mut Inner) {
    while inner.entries.len() > ENTRIES_MAX {
        let event = inner.entries.iter().position(|entry| matches!(entry, Entry::Event { .. })).unwrap_or(0);
        inner.entries.remove(event);
        inner.lost += 1;
    }
}
