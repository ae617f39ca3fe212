//! The database file: opening it, setting a bad one aside, applying entries. No threads and no queue.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::entry::{Entry, EventEntry, capped};
use super::schema;

/// Longest wait for another process's lock. Short: entries wait in memory instead.
const BUSY_WAIT: Duration = Duration::from_millis(250);
/// Files up to this size are checked whole when they are opened.
const CHECKED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most events that are kept; the oldest go.
const EVENTS_MAX: u64 = 100_000;
/// Most set-aside names that are tried.
const ASIDE_MAX: u32 = 10_000;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// It is not a ledger that this program can read; it may be set aside.
    #[error("{0}")]
    Bad(String),
    /// It cannot be opened at present (locked, disk full, no permission in the folder).
    #[error("{0}")]
    Trouble(String),
}

/// An open file and its identity on disk, by which a deleted or replaced one is noticed.
pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) inode: (u64, u64),
    /// There was no file, or an empty one.
    pub(super) is_new: bool,
}

/// Device and inode of what stands at `path`.
pub(super) fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Opens, checks and migrates the file.
pub(super) fn open(path: &Path) -> Result<Store, OpenError> {
    let size = match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => return Err(OpenError::Bad("it is not a file".to_owned())),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    // A log without its database holds nothing that could be used, and would be played into the new file.
    if size == 0 && sidecars(path).iter().any(|side| side.exists()) {
        return Err(OpenError::Bad("its main file is empty or gone, its log is still there".to_owned()));
    }
    // SQLite would play a log that lies beside it over whatever this is.
    if size > 0 && !has_header(path) {
        return Err(OpenError::Bad("it is not a database".to_owned()));
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| sort(&error, path))?;
    prepare(&mut connection, size).map_err(|error| match error {
        Prepare::Sqlite(error) => sort(&error, path),
        Prepare::Bad(why) => OpenError::Bad(why),
    })?;
    let inode =
        inode(path).ok_or_else(|| OpenError::Trouble("it vanished while it was opened".to_owned()))?;
    Ok(Store { connection, inode, is_new: size == 0 })
}

fn has_header(path: &Path) -> bool {
    let mut header = [0; 16];
    let read =
        std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut header));
    read.is_ok() && header == *b"SQLite format 3\0"
}

enum Prepare {
    Sqlite(rusqlite::Error),
    Bad(String),
}

impl From<rusqlite::Error> for Prepare {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(connection: &mut Connection, size: u64) -> Result<(), Prepare> {
    connection.busy_timeout(BUSY_WAIT)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > schema::VERSION {
        return Err(Prepare::Bad(format!(
            "a newer storkit made it (schema {version}, known {})",
            schema::VERSION
        )));
    }
    if size > 0 && size <= CHECKED_BYTES_MAX {
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(Prepare::Bad(format!("it is damaged: {}", verdict.replace('\n', " "))));
        }
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    schema::MIGRATIONS.to_latest(connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => Prepare::Sqlite(err),
        other => Prepare::Bad(other.to_string()),
    })
}

/// A database in memory, for a time without a file.
pub(super) fn in_memory() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    match schema::MIGRATIONS.to_latest(&mut connection) {
        Ok(()) => Ok(connection),
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) => Err(err),
        Err(_) => Err(rusqlite::Error::InvalidQuery),
    }
}

fn sort(error: &rusqlite::Error, path: &Path) -> OpenError {
    // A file that its owner cannot read will not become readable by waiting; a folder that cannot be written may.
    let unreadable = path.is_file() && std::fs::File::open(path).is_err();
    if unreadable || error.sqlite_error_code().is_none_or(is_damage) {
        OpenError::Bad(error.to_string())
    } else {
        OpenError::Trouble(error.to_string())
    }
}

/// Whether an error says that the file itself is bad, rather than the moment.
pub(super) fn is_damage(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SchemaChanged | ErrorCode::Unknown
    )
}

/// Whether an error will pass: the disk is full, somebody holds a lock, a read or write failed.
pub(super) fn is_passing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
    )
}

fn sidecars(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| beside(path, suffix))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Renames the file and its log to a name that is free, and answers with it; none where there was nothing to rename.
pub(super) fn set_aside(path: &Path, at: jiff::Timestamp) -> std::io::Result<Option<PathBuf>> {
    let stamp = at.strftime("%Y%m%dT%H%M%SZ");
    let free = (0..ASIDE_MAX)
        .map(|n| beside(path, &if n == 0 { format!(".bad-{stamp}") } else { format!(".bad-{stamp}-{n}") }))
        .find(|name| {
            ["", "-wal", "-shm"].iter().all(|suffix| beside(name, suffix).symlink_metadata().is_err())
        })
        .ok_or_else(|| std::io::Error::other("too many ledgers were set aside"))?;
    let mut moved = None;
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::rename(beside(path, suffix), beside(&free, suffix)) {
            Ok(()) => moved = moved.or_else(|| Some(beside(&free, suffix))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(moved)
}

/// Applies one entry inside the caller's transaction.
pub(super) fn apply(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    match entry {
        Entry::RunStarted(run) => run_started(connection, run),
        Entry::RunEnded(end) => {
            let mut update = connection.prepare_cached(
                "UPDATE runs SET ended = ?2, how = ?3, exit = ?4, signal = ?5, summary = coalesce(?6, summary) WHERE run = ?1",
            )?;
            let summary = end.summary.as_deref().map(capped);
            let at = end.at.to_string();
            update.execute(params![end.run.to_string(), at, end.how, end.exit, end.signal, summary]).map(drop)
        }
        Entry::Event { seq, event } => insert_event(connection, *seq, event),
        Entry::Usage(used) => {
            let day = used.at.to_zoned(jiff::tz::TimeZone::system()).date().to_string();
            let mut insert = connection.prepare_cached(
                "INSERT INTO usage (run, story, agent, at, day, model, input_tokens, output_tokens, \
                 cache_read_tokens, cache_write_tokens, cost_usd, turns) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?;
            insert.execute(params![
                used.run.to_string(),
                used.story.as_str(),
                used.agent.as_str(),
                used.at.to_string(),
                day,
                used.usage.model,
                used.usage.input_tokens.cast_signed(),
                used.usage.output_tokens.cast_signed(),
                used.usage.cache_read_tokens.cast_signed(),
                used.usage.cache_write_tokens.cast_signed(),
                used.usage.cost_usd.filter(|cost| cost.is_finite()),
                used.usage.turns.map(u64::cast_signed),
            ])?;
            Ok(())
        }
        Entry::Session(session) => connection
            .prepare_cached("INSERT OR REPLACE INTO sessions VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                session.story.as_str(),
                session.agent.as_str(),
                session.run.to_string(),
                capped(&session.session),
                session.at.to_string()
            ])
            .map(drop),
        Entry::Question(_) | Entry::Answer(_) | Entry::Message(_) => talk(connection, entry),
        Entry::StoryMemory { story, json: Some(json) } => connection
            .prepare_cached("INSERT OR REPLACE INTO story_memory VALUES (?1, ?2, ?3)")?
            .execute(params![story.as_str(), json, checksum(json)])
            .map(drop),
        Entry::StoryMemory { story, json: None } => connection
            .prepare_cached("DELETE FROM story_memory WHERE story = ?1")?
            .execute([story.as_str()])
            .map(drop),
        Entry::Meta { key, value } => connection
            .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
            .execute([key, value])
            .map(drop),
    }
}

fn run_started(connection: &Connection, run: &super::RunStart) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO runs (run, story, stage, agent, number, attempt, prompt, log, started)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (run) DO NOTHING",
    )?;
    let at = run.at.to_string();
    let (id, story, agent) = (run.run.to_string(), run.story.as_str(), run.agent.as_str());
    insert
        .execute(params![id, story, run.stage, agent, run.number, run.attempt, run.prompt, run.log, at])
        .map(drop)
}

fn insert_event(connection: &Connection, seq: u64, event: &EventEntry) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let story = event.story.as_ref().map(storkit_core::ids::StoryId::as_str);
    // JSON that is too long is left out: cut, it would be none.
    let json = event.json.as_deref().filter(|json| json.len() <= super::entry::TEXT_LEN_MAX);
    let at = event.at.to_string();
    insert.execute(params![seq.cast_signed(), at, story, event.kind, capped(&event.text), json]).map(drop)
}

fn talk(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    match entry {
        Entry::Question(asked) => connection
            .prepare_cached(
                "INSERT INTO questions (story, number, run, asked, text) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (story, number) DO NOTHING",
            )?
            .execute(params![
                asked.story.as_str(),
                asked.number,
                asked.run.map(|run| run.to_string()),
                asked.at.to_string(),
                capped(&asked.text)
            ])
            .map(drop),
        Entry::Answer(answer) => connection
            .prepare_cached(
                "UPDATE questions SET answered = ?3, answer = ?4
                 WHERE story = ?1 AND number = ?2 AND answered IS NULL",
            )?
            .execute(params![
                answer.story.as_str(),
                answer.number,
                answer.at.to_string(),
                capped(&answer.text)
            ])
            .map(drop),
        Entry::Message(message) => connection
            .prepare_cached("INSERT INTO messages (at, sender, story, text) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                message.at.to_string(),
                message.from.as_ref().map(storkit_core::ids::StoryId::as_str),
                message.to.as_str(),
                capped(&message.text)
            ])
            .map(drop),
        _ => Ok(()),
    }
}

/// Drops the oldest events beyond the limit.
pub(super) fn shed_events(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute(
            "DELETE FROM events WHERE seq <= (SELECT seq FROM events ORDER BY seq DESC LIMIT 1 OFFSET ?1)",
            [EVENTS_MAX.cast_signed()],
        )
        .map(drop)
}

/// FNV-1a over the bytes: SQLite checks its pages' shape, not their content.
pub(super) fn checksum(text: &str) -> i64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}
