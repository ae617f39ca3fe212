//! Questions to the ledger: rows as they are shown. Reads only; another process may write meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OpenFlags, Row};
use serde::{Deserialize, Serialize};
use storkit_core::ids::StoryId;
use storkit_core::usage::{RunUsed, Tokens};

use super::{EVENTS_PER_READ_MAX, LedgerError, store};

/// Most runs that one call reads; the newest are kept.
const RUNS_MAX: u32 = 50_000;
/// Most events that are news to an agent; the newest are kept.
const NEWS_MAX: u32 = 20;
/// The kinds of events that begin and end the phases of a try, and most of them that are read.
const PHASE_KINDS: &str = "('moved', 'preparing', 'running', 'run_ended', 'gating', 'green', 'red')";
const PHASES_MAX: u32 = 2_000;
/// The kinds of events that are news: failures, questions and messages reach it by ways of their own.
const NEWS_KINDS: &str = "('moved', 'green', 'review', 'blocked', 'merging', 'landed', 'problem')";

/// One run, as the ledger has it or as it was found in its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunRow {
    /// The run's id.
    pub run: String,
    /// Its story.
    pub story: String,
    /// The agent's role or the board's stage.
    pub stage: String,
    /// The agent.
    pub agent: String,
    /// The how-manieth run of the story, from 1.
    pub number: u32,
    /// Failures before it + 1.
    pub attempt: u32,
    /// Its prompt's file, relative to the project's root.
    pub prompt: String,
    /// Its log, relative to the project's root.
    pub log: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended; null while it runs or where that is unknown.
    pub ended: Option<String>,
    /// How it ended, in words; null while it runs or where that is unknown.
    pub how: Option<String>,
    /// The exit status.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What the agent said that it did.
    pub summary: Option<String>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Its number: only grows, with gaps.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// The story that it is about.
    pub story: Option<String>,
    /// Its kind, one word.
    pub kind: String,
    /// What happened, in a sentence.
    pub text: String,
    /// Its data, as JSON.
    pub json: Option<String>,
}

/// Money spent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// US dollars that are known.
    pub usd: f64,
    /// Whether that is all: false where the ledger was begun anew within the time asked for, or cannot be read.
    pub complete: bool,
}

const RUN_COLUMNS: &str =
    "run, story, stage, agent, number, attempt, prompt, log, started, ended, how, exit, signal, summary";

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        run: row.get(0)?,
        story: row.get(1)?,
        stage: row.get(2)?,
        agent: row.get(3)?,
        number: row.get(4)?,
        attempt: row.get(5)?,
        prompt: row.get(6)?,
        log: row.get(7)?,
        started: row.get(8)?,
        ended: row.get(9)?,
        how: row.get(10)?,
        exit: row.get(11)?,
        signal: row.get(12)?,
        summary: row.get(13)?,
    })
}

pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let mut rows = select.query_map([key], |row| row.get(0))?;
    rows.next().transpose()
}

pub(super) fn runs(connection: &Connection, story: Option<&StoryId>) -> rusqlite::Result<Vec<RunRow>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {RUN_COLUMNS} FROM runs WHERE ?1 IS NULL OR story = ?1 ORDER BY started DESC, run DESC LIMIT {RUNS_MAX}"
    ))?;
    let rows = select.query_map([story.map(StoryId::as_str)], run_row)?;
    let mut runs: Vec<RunRow> = rows.collect::<rusqlite::Result<_>>()?;
    runs.reverse();
    Ok(runs)
}

pub(super) fn run(connection: &Connection, run: &str) -> rusqlite::Result<Option<RunRow>> {
    let mut select = connection.prepare_cached(&format!("SELECT {RUN_COLUMNS} FROM runs WHERE run = ?1"))?;
    let mut rows = select.query_map([run], run_row)?;
    rows.next().transpose()
}

pub(super) fn events_since(connection: &Connection, seq: u64) -> rusqlite::Result<Vec<EventRow>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT seq, at, story, kind, text, json FROM events WHERE seq > ?1 ORDER BY seq LIMIT {EVENTS_PER_READ_MAX}"
    ))?;
    let rows = select.query_map([seq.cast_signed()], event_row)?;
    rows.collect()
}

fn event_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        at: row.get(1)?,
        story: row.get(2)?,
        kind: row.get(3)?,
        text: row.get(4)?,
        json: row.get(5)?,
    })
}

/// What happened to a story since its last run ended, the oldest first, as far as its agent does not know it from
/// elsewhere; nothing for a story without a run.
pub(super) fn news(connection: &Connection, story: &StoryId) -> rusqlite::Result<Vec<EventRow>> {
    let ended: Option<String> = connection
        .prepare_cached(
            "SELECT ended FROM runs WHERE story = ?1 AND ended IS NOT NULL ORDER BY started DESC LIMIT 1",
        )?
        .query_map([story.as_str()], |row| row.get(0))?
        .next()
        .transpose()?;
    let Some(ended) = ended.and_then(|at| at.parse::<Timestamp>().ok()) else { return Ok(Vec::new()) };
    let mut select = connection.prepare_cached(&format!(
        "SELECT seq, at, story, kind, text, json FROM events WHERE story = ?1 AND kind IN {NEWS_KINDS}
         ORDER BY seq DESC LIMIT {NEWS_MAX}"
    ))?;
    let rows = select.query_map([story.as_str()], event_row)?;
    let mut news: Vec<EventRow> = rows.collect::<rusqlite::Result<_>>()?;
    news.retain(|event| event.at.parse::<Timestamp>().is_ok_and(|at| at >= ended));
    news.reverse();
    Ok(news)
}

/// The events of a story by which its tries fall into phases, the oldest first; of many the newest.
pub(super) fn phases(connection: &Connection, story: &StoryId) -> rusqlite::Result<Vec<(String, String)>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT at, kind FROM events WHERE story = ?1 AND kind IN {PHASE_KINDS} ORDER BY seq DESC LIMIT {PHASES_MAX}"
    ))?;
    let rows = select.query_map([story.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut phases: Vec<(String, String)> = rows.collect::<rusqlite::Result<_>>()?;
    phases.reverse();
    Ok(phases)
}

pub(super) fn last_seq(connection: &Connection) -> rusqlite::Result<u64> {
    let last: Option<i64> = connection.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
    Ok(last.unwrap_or_default().cast_unsigned())
}

pub(super) fn spent_since(connection: &Connection, day: jiff::civil::Date) -> rusqlite::Result<Spent> {
    let day = day.to_string();
    let usd: f64 = connection
        .prepare_cached("SELECT total(cost_usd) FROM usage WHERE day >= ?1")?
        .query_row([&day], |row| row.get(0))?;
    let begun_anew: bool = connection
        .prepare_cached("SELECT count(*) FROM meta WHERE key = 'begun_anew' AND value >= ?1")?
        .query_row([&day], |row| row.get(0))?;
    Ok(Spent { usd, complete: !begun_anew })
}

pub(super) fn spent_by_story(connection: &Connection) -> rusqlite::Result<BTreeMap<StoryId, f64>> {
    let mut select = connection
        .prepare_cached("SELECT story, sum(cost_usd) FROM usage WHERE cost_usd IS NOT NULL GROUP BY story")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?)))?;
    let mut spent = BTreeMap::new();
    for row in rows {
        let (story, usd) = row?;
        if let Ok(story) = StoryId::new(&story) {
            spent.insert(story, usd);
        }
    }
    Ok(spent)
}

/// What each run used, the oldest first; runs that reported nothing are among them, without labels.
pub(super) fn used(connection: &Connection) -> rusqlite::Result<Vec<RunUsed>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT r.run, r.story, r.agent, u.model, r.started, r.ended, u.input_tokens, u.output_tokens,
                u.cache_read_tokens, u.cache_write_tokens, u.turns, u.cost_usd
         FROM runs r LEFT JOIN usage u ON u.run = r.run ORDER BY r.started DESC, r.run DESC LIMIT {RUNS_MAX}"
    ))?;
    let count =
        |row: &Row<'_>, at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned));
    let rows = select.query_map([], |row| {
        let started: Option<Timestamp> = row.get::<_, String>(4)?.parse().ok();
        let ended: Option<Timestamp> = row.get::<_, Option<String>>(5)?.and_then(|at| at.parse().ok());
        let took = started.zip(ended).map(|(started, ended)| ended.duration_since(started).as_millis());
        let tokens = count(row, 6)?.map(|input_tokens| -> rusqlite::Result<Tokens> {
            Ok(Tokens {
                input_tokens,
                output_tokens: count(row, 7)?.unwrap_or(0),
                cache_read_tokens: count(row, 8)?.unwrap_or(0),
                cache_write_tokens: count(row, 9)?.unwrap_or(0),
            })
        });
        Ok(RunUsed {
            run: row.get(0)?,
            story: row.get(1)?,
            agent: row.get(2)?,
            model: row.get(3)?,
            day: started.map_or_else(String::new, |at| at.to_zoned(TimeZone::system()).date().to_string()),
            labels: Vec::new(),
            took_ms: took.and_then(|took| u64::try_from(took).ok()),
            turns: count(row, 10)?,
            tokens: tokens.transpose()?,
            cost_usd: row.get(11)?,
        })
    })?;
    let mut used: Vec<RunUsed> = rows.collect::<rusqlite::Result<_>>()?;
    used.reverse();
    Ok(used)
}

pub(super) fn sessions(connection: &Connection) -> rusqlite::Result<BTreeMap<(StoryId, String), String>> {
    let mut select = connection.prepare_cached("SELECT story, agent, session FROM sessions")?;
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    })?;
    let mut sessions = BTreeMap::new();
    for row in rows {
        let (story, agent, session) = row?;
        if let Ok(story) = StoryId::new(&story) {
            sessions.insert((story, agent), session);
        }
    }
    Ok(sessions)
}

pub(super) fn story_memory(connection: &Connection) -> rusqlite::Result<BTreeMap<StoryId, String>> {
    let mut select = connection.prepare_cached("SELECT story, json, checksum FROM story_memory")?;
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut memory = BTreeMap::new();
    for row in rows {
        let (story, json, checksum) = row?;
        if let (Ok(story), true) = (StoryId::new(&story), checksum == store::checksum(&json)) {
            memory.insert(story, json);
        }
    }
    Ok(memory)
}

/// A ledger opened for reading only, also while a daemon writes it.
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens `run_dir/ledger.db`. Fails where there is none that can be read; nothing is made or changed.
    pub fn open(run_dir: &Path) -> Result<Self, LedgerError> {
        let path = run_dir.join("ledger.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(Duration::from_secs(1))?;
            connection.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0))?;
            Ok(connection)
        };
        let connection =
            open().map_err(|source| LedgerError::Sqlite { action: "read", path: path.clone(), source })?;
        Ok(Self { connection })
    }

    /// All runs, of one story or of all, oldest first.
    pub fn runs(&self, story: Option<&StoryId>) -> Vec<RunRow> {
        runs(&self.connection, story).unwrap_or_default()
    }

    /// What happened to a story since its last run ended.
    pub fn news(&self, story: &StoryId) -> Vec<EventRow> {
        news(&self.connection, story).unwrap_or_default()
    }

    /// What each run used, the oldest first, and whether that is all that ever ran here.
    pub fn used(&self) -> Result<(Vec<RunUsed>, bool), LedgerError> {
        let read = || Ok((used(&self.connection)?, meta(&self.connection, "begun_anew")?.is_none()));
        let path = || self.connection.path().unwrap_or_default().into();
        read().map_err(|source| LedgerError::Sqlite { action: "read", path: path(), source })
    }

    /// What the pipeline last remembered of each story, as JSON.
    pub fn story_memory(&self) -> BTreeMap<StoryId, String> {
        story_memory(&self.connection).unwrap_or_default()
    }

    /// US dollars spent since the beginning of that day; none where the ledger cannot say.
    pub fn spent_since(&self, day: jiff::civil::Date) -> Option<f64> {
        spent_since(&self.connection, day).ok().map(|spent| spent.usd)
    }

    /// US dollars spent on each story, where any were reported.
    pub fn spent_by_story(&self) -> BTreeMap<StoryId, f64> {
        spent_by_story(&self.connection).unwrap_or_default()
    }
}
