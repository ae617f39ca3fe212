//! The ledger's one thread: takes what waits, writes it in one transaction, and goes on whatever the disk does.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use storkit_core::story::Problem;

use super::entry::{Entry, RunEnd, RunStart};
use super::queue::{Query, Work};
use super::store::{self, OpenError, Store};
use super::{Shared, read, rebuild};
use crate::sys::failpoint::reach;

/// Rest between tries while the disk takes nothing.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Most files that one daemon sets aside; after that it works in memory.
const ASIDE_PER_PROCESS_MAX: usize = 8;
/// Events are shed after so many batches.
const SHED_EVERY: u32 = 256;
/// The ledger's place, as people know it.
const SHOWN: &str = ".storkit/run/ledger.db";

pub(super) struct Writer {
    path: PathBuf,
    logs: PathBuf,
    shared: Arc<Shared>,
    disk: Option<Store>,
    /// Answers questions while there is no file.
    memory: Option<Connection>,
    aside: usize,
    batches: u32,
    retry_at: Option<Instant>,
    rebuild: bool,
}

impl Writer {
    /// Opens the file, so that the stories' memory is there when this returns.
    pub(super) fn open(path: PathBuf, logs: PathBuf, shared: Arc<Shared>) -> Self {
        let mut writer = Self {
            path,
            logs,
            shared,
            disk: None,
            memory: None,
            aside: 0,
            batches: 0,
            retry_at: None,
            rebuild: false,
        };
        writer.open_disk();
        writer.recall();
        writer
    }

    pub(super) fn run(mut self) {
        loop {
            self.index_from_logs();
            let resting = self.retry_at.map(|at| at.saturating_duration_since(Instant::now()));
            let Work { mut entries, queries, flushes, rested, closed, last } =
                self.shared.queue.next(resting);
            let mut stuck = false;
            if rested {
                self.look_after_file();
                self.retry_at = None;
                stuck = !entries.is_empty() && !self.write(&mut entries);
                if stuck {
                    self.shared.queue.put_back(entries);
                    self.retry_at = Some(Instant::now() + RETRY_AFTER);
                }
            }
            for query in queries {
                self.answer(query);
            }
            let written = !stuck && self.disk.is_some();
            for flush in flushes {
                let _ = flush.send(written);
            }
            if last || (closed && stuck) {
                return;
            }
        }
    }

    /// Opens the file, setting a bad one aside; without one the trouble is told and tried again.
    fn open_disk(&mut self) {
        self.disk = None;
        loop {
            match store::open(&self.path) {
                Ok(store) => {
                    self.rebuild = store.is_new;
                    if store.is_new {
                        self.note_new(&store);
                    }
                    self.disk = Some(store);
                    self.memory = None;
                    self.shared.set_trouble(None);
                    return;
                }
                Err(OpenError::Bad(why)) if self.aside < ASIDE_PER_PROCESS_MAX => {
                    self.aside += 1;
                    if !self.set_aside(&why) {
                        return;
                    }
                }
                Err(error) => {
                    self.trouble(&error.to_string());
                    return;
                }
            }
        }
    }

    /// A ledger begun while there are logs has lost what came before it: its sums are not whole for this day.
    fn note_new(&self, store: &Store) {
        if self.aside > 0 || std::fs::read_dir(&self.logs).is_ok_and(|mut logs| logs.next().is_some()) {
            let value = jiff::Zoned::now().date().to_string();
            let entry = Entry::Meta { key: "begun_anew".to_owned(), value };
            if let Err(error) = store::apply(&store.connection, &entry) {
                tracing::warn!(%error, "cannot note that the ledger was begun anew");
            }
        }
    }

    fn set_aside(&self, why: &str) -> bool {
        match store::set_aside(&self.path, jiff::Timestamp::now()) {
            Ok(Some(aside)) => {
                let name = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let message = format!("the ledger could not be read ({why}) and was set aside as {name}");
                let hint = "nothing on the board is lost; figures of earlier runs are unknown. Delete the file when it is of no use";
                let mut problems = self.shared.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
                problems.push(Problem::of_file(SHOWN, message, hint));
                true
            }
            // Somebody took it away meanwhile: a new one can be made.
            Ok(None) => true,
            Err(error) => {
                self.trouble(&format!("{why}; it cannot be set aside: {error}"));
                false
            }
        }
    }

    fn trouble(&self, why: &str) {
        let lost = self.shared.queue.lost();
        let more = if lost == 0 { String::new() } else { format!("; {lost} entries were dropped") };
        self.shared.set_trouble(Some(Problem::of_file(
            SHOWN,
            format!("the ledger cannot be written: {why}{more}"),
            "work goes on without it; free disk space or end what locks the file",
        )));
    }

    /// The stories' memory and the next sequence number, from the file.
    fn recall(&self) {
        let mut last = 0;
        if let Some(store) = &self.disk {
            *self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner) =
                read::story_memory(&store.connection).unwrap_or_default();
            last = read::last_seq(&store.connection).unwrap_or_default();
        }
        // Milliseconds of the clock stay ahead of any number given before, also when the ledger was lost.
        let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
        self.shared.seq.store(last.saturating_add(1).max(now), Ordering::SeqCst);
    }

    /// Opens again what was deleted or replaced under the daemon, or could not be opened before.
    fn look_after_file(&mut self) {
        let same = self.disk.as_ref().is_some_and(|store| store::inode(&self.path) == Some(store.inode));
        if same {
            return;
        }
        if self.disk.is_some() {
            self.replace("it was deleted or replaced while it was in use");
            return;
        }
        self.open_disk();
        if self.disk.is_some() {
            self.remember_all();
        }
    }

    /// Writes the stories' memory, of which this process holds all, into a file that may be another.
    fn remember_all(&mut self) {
        let Some(store) = &mut self.disk else { return };
        let memory = self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let entries: Vec<Entry> =
            memory.into_iter().map(|(story, json)| Entry::StoryMemory { story, json: Some(json) }).collect();
        if let Err(error) = commit(&mut store.connection, &entries) {
            self.trouble(&error.to_string());
        }
    }

    /// Writes all of `entries`, or leaves them. True where they are on disk.
    fn write(&mut self, entries: &mut std::collections::VecDeque<Entry>) -> bool {
        let Some(store) = &mut self.disk else { return false };
        let result = commit(&mut store.connection, &*entries);
        match result {
            Ok(()) => {
                entries.clear();
                self.shared.set_trouble(None);
                self.batches += 1;
                if self.batches.is_multiple_of(SHED_EVERY)
                    && let Some(store) = &self.disk
                    && let Err(error) = store::shed_events(&store.connection)
                {
                    tracing::warn!(%error, "cannot shed old events of the ledger");
                }
                true
            }
            Err(error) => {
                if error.sqlite_error_code().is_some_and(store::is_damage) {
                    self.replace(&error.to_string());
                } else {
                    self.trouble(&error.to_string());
                }
                false
            }
        }
    }

    /// Sets the open file aside and begins a new one.
    fn replace(&mut self, why: &str) {
        self.disk = None;
        if self.aside >= ASIDE_PER_PROCESS_MAX {
            self.trouble(why);
            return;
        }
        self.aside += 1;
        if self.set_aside(why) {
            self.open_disk();
            self.remember_all();
        }
    }

    fn answer(&mut self, query: Query) {
        if self.disk.is_none() && self.memory.is_none() {
            self.memory = store::in_memory().ok();
        }
        let connection = self.disk.as_ref().map(|store| &store.connection).or(self.memory.as_ref());
        let Some(connection) = connection else { return };
        if let Some(code) = query(connection).filter(|code| store::is_damage(*code)) {
            self.replace(&format!("a read failed: {code:?}"));
        }
    }

    /// Makes the run index of a new ledger again from the logs.
    fn index_from_logs(&mut self) {
        if !std::mem::take(&mut self.rebuild) {
            return;
        }
        let Some(store) = &mut self.disk else { return };
        let entries: Vec<Entry> =
            rebuild::runs_of_logs(&self.logs, None).into_iter().filter_map(entries_of).flatten().collect();
        if let Err(error) = commit(&mut store.connection, &entries) {
            self.trouble(&error.to_string());
        }
    }
}

fn entries_of(row: read::RunRow) -> Option<Vec<Entry>> {
    let run = storkit_core::ids::RunId(row.run.parse().ok()?);
    let at = row.started.parse().ok()?;
    let start = RunStart {
        run,
        story: storkit_core::ids::StoryId::new(&row.story).ok()?,
        stage: row.stage,
        agent: storkit_core::ids::AgentName::new(&row.agent).ok()?,
        number: row.number,
        attempt: row.attempt,
        prompt: row.prompt,
        log: row.log,
        at,
    };
    let mut entries = vec![Entry::RunStarted(start)];
    if let Some(how) = row.how {
        let at = row.ended.and_then(|ended| ended.parse().ok()).unwrap_or(at);
        entries.push(Entry::RunEnded(RunEnd {
            run,
            at,
            how,
            exit: row.exit,
            signal: row.signal,
            summary: row.summary,
        }));
    }
    Some(entries)
}

fn commit<'a>(
    connection: &mut Connection,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for entry in entries {
        if let Err(error) = store::apply(&transaction, entry) {
            let code = error.sqlite_error_code().unwrap_or(ErrorCode::InternalMalfunction);
            if store::is_passing(code) || store::is_damage(code) {
                return Err(error);
            }
            // One entry that SQLite cannot take must not hold up all the others.
            tracing::warn!(%error, "an entry of the ledger was dropped");
        }
    }
    reach("ledger.before_commit");
    transaction.commit()?;
    reach("ledger.committed");
    Ok(())
}
