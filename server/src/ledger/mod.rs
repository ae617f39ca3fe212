//! The ledger: runs, events, usage, sessions, questions and messages in SQLite, written by one thread.
//!
//! It remembers what files and git cannot hold, and may be lost at any time: nothing here decides anything, nothing
//! here fails or blocks its caller, and a file that cannot be used is set aside under a new name, never overwritten.

mod entry;
mod queue;
mod read;
mod rebuild;
mod schema;
mod store;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use storkit_core::ids::StoryId;
use storkit_core::story::Problem;

pub use entry::{
    AnswerEntry, Entry, EventEntry, MessageEntry, QuestionEntry, RunEnd, RunStart, SessionEntry, UsageEntry,
};
pub use read::{EventRow, Reader, RunRow, Spent};
pub use rebuild::{run_of_log, runs_of_logs};

use crate::sys::task;
use queue::{Query, Queue};
use writer::Writer;

/// Longest wait for an answer of the writer thread; after it, a reader sees nothing rather than a hanging daemon.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// Longest wait for the writer at the end of the process.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// Most events that one call reads.
pub const EVENTS_PER_READ_MAX: usize = 1_000;

/// Why the ledger could not be started or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The writer's thread could not be made.
    #[error("cannot start the ledger's thread: {0}")]
    Thread(std::io::Error),
    /// SQLite refused.
    #[error("cannot {action} {path}: {source}")]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// The ledger's file.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
}

/// What is shared between the handle and the writer.
struct Shared {
    queue: Queue,
    memory: Mutex<BTreeMap<StoryId, String>>,
    trouble: Mutex<Option<Problem>>,
    set_aside: Mutex<Vec<Problem>>,
    seq: AtomicU64,
}

impl Shared {
    fn set_trouble(&self, trouble: Option<Problem>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// The ledger of one daemon: takes entries at once and writes them in the background.
pub struct Ledger {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Opens the ledger `run_dir/ledger.db`, making it where there is none.
    ///
    /// A file that cannot be used is set aside; the run index is then made again from `logs_dir` in the background.
    /// Where no file can be opened at all (disk full, locked), entries are kept in memory and written later.
    /// What happened is told by [`Ledger::problems`]. Fails only where no thread can be made.
    pub fn open(run_dir: &Path, logs_dir: &Path) -> Result<Self, LedgerError> {
        let shared = Arc::new(Shared {
            queue: Queue::new(),
            memory: Mutex::default(),
            trouble: Mutex::default(),
            set_aside: Mutex::default(),
            seq: AtomicU64::new(0),
        });
        let writer = Writer::open(run_dir.join("ledger.db"), logs_dir.to_owned(), Arc::clone(&shared));
        let writer = task::spawn("ledger", move || writer.run()).map_err(LedgerError::Thread)?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Takes an entry. Never blocks on the disk and never fails; when the disk is gone for long, the oldest events go first.
    pub fn record(&self, entry: Entry) {
        if let Entry::StoryMemory { story, json } = &entry {
            let mut memory = self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner);
            match json {
                Some(json) => memory.insert(story.clone(), json.clone()),
                None => memory.remove(story),
            };
        }
        self.shared.queue.push(entry);
    }

    /// Takes an event and answers with its sequence number, which only grows, also over a lost ledger.
    pub fn record_event(&self, event: EventEntry) -> u64 {
        let seq = self.shared.seq.fetch_add(1, Ordering::SeqCst);
        self.shared.queue.push(Entry::Event { seq, event });
        seq
    }

    /// A sequence number for an event that is told and not kept.
    pub fn skip_event(&self) -> u64 {
        self.shared.seq.fetch_add(1, Ordering::SeqCst)
    }

    /// The number of the last event that was recorded; 0 before the first.
    pub fn last_event(&self) -> u64 {
        self.shared.seq.load(Ordering::SeqCst).saturating_sub(1)
    }

    /// A named value of the ledger's own.
    pub fn meta(&self, key: &'static str) -> Option<String> {
        self.query(move |connection| read::meta(connection, key)).flatten()
    }

    /// The latest memory of every story, as it was recorded; damaged ones are left out.
    pub fn story_memory(&self) -> BTreeMap<StoryId, String> {
        self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All runs, of one story or of all, oldest first.
    pub fn runs(&self, story: Option<&StoryId>) -> Vec<RunRow> {
        let story = story.cloned();
        self.query(move |connection| read::runs(connection, story.as_ref())).unwrap_or_default()
    }

    /// One run.
    pub fn run(&self, run: &str) -> Option<RunRow> {
        let run = run.to_owned();
        self.query(move |connection| read::run(connection, &run)).flatten()
    }

    /// Events after a sequence number, oldest first, at most [`EVENTS_PER_READ_MAX`].
    pub fn events_since(&self, seq: u64) -> Vec<EventRow> {
        self.query(move |connection| read::events_since(connection, seq)).unwrap_or_default()
    }

    /// When a story's runs were prepared, began, ended and were gated, the oldest first: RFC 3339 and the kind.
    pub fn phases(&self, story: &StoryId) -> Vec<(String, String)> {
        let story = story.clone();
        self.query(move |connection| read::phases(connection, &story)).unwrap_or_default()
    }

    /// What happened to a story since its last run ended.
    pub fn news(&self, story: &StoryId) -> Vec<EventRow> {
        let story = story.clone();
        self.query(move |connection| read::news(connection, &story)).unwrap_or_default()
    }

    /// US dollars spent on this calendar day (and on days after it, so that a clock set back reopens nothing).
    pub fn spent_today(&self) -> Spent {
        let today = jiff::Zoned::now().date();
        self.query(move |connection| read::spent_since(connection, today)).unwrap_or_default()
    }

    /// US dollars spent on each story, where any were reported.
    pub fn spent_by_story(&self) -> BTreeMap<StoryId, f64> {
        self.query(read::spent_by_story).unwrap_or_default()
    }

    /// The last session of each story and agent: `(story, agent) → session`.
    pub fn sessions(&self) -> BTreeMap<(StoryId, String), String> {
        self.query(read::sessions).unwrap_or_default()
    }

    /// Waits until everything recorded so far is on disk; false where it could not be written in time.
    pub fn flush(&self) -> bool {
        let (done, wait) = mpsc::sync_channel(1);
        self.shared.queue.flush(done);
        wait.recv_timeout(ANSWER_WAIT).unwrap_or(false)
    }

    /// What a person should know: a file that was set aside, a ledger that cannot be written at present.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.shared.set_aside.lock().unwrap_or_else(PoisonError::into_inner).clone();
        problems.extend(self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone());
        problems
    }

    fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<T> {
        let (answer, wait) = mpsc::sync_channel(1);
        let query: Query = Box::new(move |connection| {
            // The asker may have given up waiting: then nobody wants the answer.
            let result = read(connection);
            let error = result.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
            let _ = answer.send(result.ok());
            error
        });
        self.shared.queue.ask(query);
        wait.recv_timeout(ANSWER_WAIT).ok().flatten()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.shared.queue.close();
        let Some(writer) = self.writer.take() else { return };
        // A disk that hangs must not keep the daemon from ending.
        let deadline = std::time::Instant::now() + CLOSE_WAIT;
        while !writer.is_finished() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if writer.is_finished() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests;
