//! The ledger's tables, as migrations. A migration that was published is never changed; docs/ledger.md describes the result.

use std::sync::LazyLock;

use rusqlite_migration::{M, Migrations};

/// The migrations, in order; SQLite's `user_version` counts them.
pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> =
    LazyLock::new(|| Migrations::new(vec![M::up(FIRST), M::up(SECOND)]));

/// The newest version that this program knows.
pub(super) const VERSION: i64 = 2;

const FIRST: &str = "
CREATE TABLE runs (
  run      TEXT PRIMARY KEY,
  story    TEXT NOT NULL,
  stage    TEXT NOT NULL,
  agent    TEXT NOT NULL,
  number   INTEGER NOT NULL,
  attempt  INTEGER NOT NULL,
  prompt   TEXT NOT NULL,
  log      TEXT NOT NULL,
  started  TEXT NOT NULL,
  ended    TEXT,
  how      TEXT,
  exit     INTEGER,
  signal   INTEGER,
  summary  TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_of_story ON runs (story, started);

CREATE TABLE events (
  seq    INTEGER PRIMARY KEY,
  at     TEXT NOT NULL,
  story  TEXT,
  kind   TEXT NOT NULL,
  text   TEXT NOT NULL,
  json   TEXT
) STRICT;

CREATE TABLE usage (
  run            TEXT NOT NULL,
  story          TEXT NOT NULL,
  agent          TEXT NOT NULL,
  at             TEXT NOT NULL,
  day            TEXT NOT NULL,
  model          TEXT,
  input_tokens   INTEGER NOT NULL,
  output_tokens  INTEGER NOT NULL,
  cost_usd       REAL
) STRICT;
CREATE INDEX usage_by_day ON usage (day);
CREATE INDEX usage_by_story ON usage (story);

CREATE TABLE sessions (
  story    TEXT NOT NULL,
  agent    TEXT NOT NULL,
  run      TEXT NOT NULL,
  session  TEXT NOT NULL,
  at       TEXT NOT NULL,
  PRIMARY KEY (story, agent)
) STRICT, WITHOUT ROWID;

CREATE TABLE questions (
  story     TEXT NOT NULL,
  number    INTEGER NOT NULL,
  run       TEXT,
  asked     TEXT NOT NULL,
  text      TEXT NOT NULL,
  answered  TEXT,
  answer    TEXT,
  PRIMARY KEY (story, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
  id      INTEGER PRIMARY KEY,
  at      TEXT NOT NULL,
  sender  TEXT,
  story   TEXT NOT NULL,
  text    TEXT NOT NULL
) STRICT;

CREATE TABLE story_memory (
  story     TEXT PRIMARY KEY,
  json      TEXT NOT NULL,
  checksum  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
  key    TEXT PRIMARY KEY,
  value  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What runtimes tell besides.
const SECOND: &str = "
ALTER TABLE usage ADD COLUMN cache_read_tokens INTEGER;
ALTER TABLE usage ADD COLUMN cache_write_tokens INTEGER;
ALTER TABLE usage ADD COLUMN turns INTEGER;
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_migrations_are_valid_and_counted() {
        super::MIGRATIONS.validate().expect("valid SQL");
        let mut connection = rusqlite::Connection::open_in_memory().expect("a database");
        super::MIGRATIONS.to_latest(&mut connection).expect("migrated");
        let version: i64 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
        assert_eq!(version, super::VERSION);
    }
}
