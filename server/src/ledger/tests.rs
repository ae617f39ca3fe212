//! The ledger against files that were deleted, zeroed, truncated, flipped, locked or made by others.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use storkit_core::facts::Usage;
use storkit_core::ids::{AgentName, RunId, StoryId};

use super::*;

struct Place {
    temp: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(temp.path().join("run")).expect("run/");
        fs::create_dir_all(temp.path().join("logs")).expect("logs/");
        Self { temp }
    }

    fn db(&self) -> PathBuf {
        self.run().join("ledger.db")
    }

    fn run(&self) -> PathBuf {
        self.temp.path().join("run")
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.run(), &self.temp.path().join("logs")).expect("a ledger")
    }

    fn aside(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.run())
            .expect("run/")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains(".bad-"))
            .collect();
        names.sort();
        names
    }

    fn log(&self, number: u32) -> RunId {
        let run = RunId(uuid::Uuid::from_u128(u128::from(number)));
        let folder = self.temp.path().join("logs/1_story_a");
        fs::create_dir_all(&folder).expect("a folder");
        let text = format!(
            concat!(
                r#"{{"t":0,"ev":"start","run":"{}","story":"1_story_a","stage":"coder","agent":"coder-1","attempt":1,"number":{},"at":"2026-11-21T10:00:0{}Z"}}"#,
                "\n{{\"t\":1.0,\"ev\":\"out\",\"text\":\"hello\"}}\n",
                r#"{{"t":2.5,"ev":"end","how":"done","exit":0,"signal":null}}"#,
                "\n"
            ),
            run, number, number
        );
        fs::write(folder.join(format!("{run}.ndjson")), text).expect("a log");
        run
    }
}

fn story() -> StoryId {
    StoryId::new("1_story_a").expect("an id")
}

fn agent() -> AgentName {
    AgentName::new("coder-1").expect("a name")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn start(number: u32) -> Entry {
    Entry::RunStarted(RunStart {
        run: RunId(uuid::Uuid::from_u128(u128::from(number))),
        story: story(),
        stage: "coder".to_owned(),
        agent: agent(),
        number,
        attempt: 1,
        prompt: "p".to_owned(),
        log: "l".to_owned(),
        at: at("2026-11-21T10:00:00Z"),
    })
}

fn event(text: &str) -> EventEntry {
    EventEntry {
        at: at("2026-11-21T10:00:00Z"),
        story: None,
        kind: "note".to_owned(),
        text: text.to_owned(),
        json: None,
    }
}

fn remember(ledger: &Ledger, json: &str) {
    ledger.record(Entry::StoryMemory { story: story(), json: Some(json.to_owned()) });
}

fn usage(cost_usd: Option<f64>, at: Timestamp) -> Entry {
    Entry::Usage(UsageEntry {
        run: RunId(uuid::Uuid::nil()),
        story: story(),
        agent: agent(),
        at,
        usage: Usage { input_tokens: 1, output_tokens: 2, cost_usd, ..Usage::default() },
    })
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}

#[test]
fn what_was_recorded_is_there_after_a_restart() {
    let place = Place::new();
    let run = RunId(uuid::Uuid::from_u128(1));
    let first = {
        let ledger = place.open();
        ledger.record(start(1));
        let end = RunEnd {
            run,
            at: at("2026-11-21T10:00:05Z"),
            how: "done".to_owned(),
            exit: Some(0),
            signal: None,
            summary: Some("did it".to_owned()),
        };
        ledger.record(Entry::RunEnded(end));
        ledger.record(usage(Some(0.25), Timestamp::now()));
        ledger.record(usage(None, Timestamp::now()));
        let session = SessionEntry {
            story: story(),
            agent: agent(),
            run,
            session: "s1".to_owned(),
            at: Timestamp::now(),
        };
        ledger.record(Entry::Session(session));
        remember(&ledger, r#"{"failures":1}"#);
        let first = ledger.record_event(event("one"));
        ledger.record_event(event("two"));
        assert!(ledger.flush());
        assert_eq!(ledger.problems(), []);
        first
    };
    let ledger = place.open();
    let runs = ledger.runs(Some(&story()));
    assert_eq!(runs.len(), 1);
    assert_eq!(
        (runs[0].how.as_deref(), runs[0].exit, runs[0].summary.as_deref()),
        (Some("done"), Some(0), Some("did it"))
    );
    assert_eq!(ledger.run(&run.to_string()), Some(runs[0].clone()));
    assert_eq!(ledger.runs(Some(&StoryId::new("2_b").expect("an id"))), []);
    let events: Vec<String> = ledger.events_since(first).into_iter().map(|event| event.text).collect();
    assert_eq!(events, ["two"]);
    assert_eq!(ledger.spent_today(), Spent { usd: 0.25, complete: true });
    assert_eq!(ledger.spent_by_story().get(&story()), Some(&0.25));
    assert_eq!(ledger.sessions().get(&(story(), "coder-1".to_owned())).map(String::as_str), Some("s1"));
    assert_eq!(ledger.story_memory().get(&story()).map(String::as_str), Some(r#"{"failures":1}"#));
    assert!(ledger.record_event(event("three")) > first + 1, "numbers only grow");
}

#[test]
fn money_spent_before_today_is_not_todays_and_a_clock_set_back_reopens_nothing() {
    let place = Place::new();
    let ledger = place.open();
    ledger.record(usage(Some(1.0), at("2020-01-01T12:00:00Z")));
    ledger.record(usage(Some(2.0), at("2099-01-01T12:00:00Z")));
    assert_eq!(ledger.spent_today(), Spent { usd: 2.0, complete: true });
}

#[test]
fn news_are_what_happened_to_the_story_since_its_last_run_ended() {
    let place = Place::new();
    let ledger = place.open();
    let told = |at_text: &str, kind: &str, of: Option<StoryId>| EventEntry {
        at: at(at_text),
        story: of,
        kind: kind.to_owned(),
        ..event(at_text)
    };
    ledger.record_event(told("2026-11-21T10:00:01Z", "moved", Some(story())));
    ledger.record(start(1));
    assert_eq!(ledger.news(&story()), [], "nothing is news before the first run is over");
    let run = RunId(uuid::Uuid::from_u128(1));
    let ended = at("2026-11-21T10:00:05Z");
    let end = RunEnd { run, at: ended, how: "done".to_owned(), exit: Some(0), signal: None, summary: None };
    ledger.record(Entry::RunEnded(end));
    let other = StoryId::new("2_b").expect("an id");
    for (at_text, kind, of) in [
        ("2026-11-21T10:00:04.9Z", "moved", story()),
        ("2026-11-21T10:00:05Z", "review", story()),
        ("2026-11-21T10:00:05.5Z", "moved", story()),
        ("2026-11-21T10:00:06Z", "running", story()),
        ("2026-11-21T10:00:06Z", "moved", other),
    ] {
        ledger.record_event(told(at_text, kind, Some(of)));
    }
    let texts =
        |ledger: &Ledger| ledger.news(&story()).into_iter().map(|event| event.text).collect::<Vec<_>>();
    assert_eq!(texts(&ledger), ["2026-11-21T10:00:05Z", "2026-11-21T10:00:05.5Z"]);
    for _ in 0..50 {
        ledger.record_event(told("2026-11-21T10:00:07Z", "moved", Some(story())));
    }
    assert_eq!(texts(&ledger).len(), 20);
}

#[test]
fn a_reader_reads_while_the_ledger_is_written() {
    let place = Place::new();
    let ledger = place.open();
    ledger.record(start(1));
    assert!(ledger.flush());
    let reader = Reader::open(&place.run()).expect("a reader");
    assert_eq!(reader.runs(None).len(), 1);
    ledger.record(start(2));
    assert!(ledger.flush());
    assert_eq!(reader.runs(Some(&story())).len(), 2);
    let empty = Place::new();
    assert!(Reader::open(&empty.run()).is_err());
    assert!(!empty.db().exists(), "a reader makes nothing");
}

#[test]
fn a_story_memory_that_is_forgotten_or_damaged_is_left_out() {
    let place = Place::new();
    {
        let ledger = place.open();
        remember(&ledger, "{}");
        let other = StoryId::new("2_b").expect("an id");
        ledger.record(Entry::StoryMemory { story: other.clone(), json: Some("{}".to_owned()) });
        ledger.record(Entry::StoryMemory { story: other, json: None });
        assert!(ledger.flush());
        assert_eq!(ledger.story_memory().len(), 1);
    }
    let connection = rusqlite::Connection::open(place.db()).expect("the file");
    connection.execute("UPDATE story_memory SET json = '{\"failures\":9}'", []).expect("damaged");
    drop(connection);
    assert!(place.open().story_memory().is_empty());
}

/// Fills a ledger, closes it, damages it, opens it again and expects one set-aside file and runs from the logs.
fn set_aside_after(damage: impl FnOnce(&Place)) -> Place {
    let place = Place::new();
    let run = place.log(1);
    {
        let ledger = place.open();
        for number in 1..200 {
            ledger.record_event(event(&"x".repeat(number)));
        }
        remember(&ledger, "{}");
        assert!(ledger.flush());
    }
    damage(&place);
    let ledger = place.open();
    let stems: std::collections::BTreeSet<String> =
        place.aside().iter().map(|name| name.replace("-wal", "").replace("-shm", "")).collect();
    assert_eq!(stems.len(), 1);
    assert_eq!(ledger.problems().len(), 1, "{:?}", ledger.problems());
    assert!(ledger.story_memory().is_empty());
    let runs = ledger.runs(None);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].run, run.to_string());
    assert_eq!((runs[0].how.as_deref(), runs[0].exit), (Some("done"), Some(0)));
    assert_eq!(runs[0].ended.as_deref(), Some("2026-11-21T10:00:03.5Z"));
    assert!(!ledger.spent_today().complete, "lost figures are unknown");
    ledger.record(start(2));
    assert!(ledger.flush());
    drop(ledger);
    place
}

#[test]
fn a_file_of_rubbish_is_set_aside_unchanged() {
    let place =
        set_aside_after(|place| fs::write(place.db(), "not a database at all".repeat(100)).expect("rubbish"));
    let aside = place.run().join(&place.aside()[0]);
    assert_eq!(fs::read_to_string(aside).expect("kept"), "not a database at all".repeat(100));
}

#[test]
fn a_truncated_file_is_set_aside() {
    set_aside_after(|place| {
        let len = fs::metadata(place.db()).expect("the file").len();
        assert!(len > 8192);
        fs::OpenOptions::new().write(true).open(place.db()).expect("the file").set_len(len / 2).expect("cut");
    });
}

#[test]
fn a_file_with_a_flipped_page_is_set_aside() {
    set_aside_after(|place| {
        let mut bytes = fs::read(place.db()).expect("the file");
        for byte in &mut bytes[4096..4200] {
            *byte ^= 0xff;
        }
        fs::write(place.db(), bytes).expect("flipped");
    });
}

#[test]
fn a_newer_ledger_is_set_aside() {
    set_aside_after(|place| {
        let connection = rusqlite::Connection::open(place.db()).expect("the file");
        connection.pragma_update(None, "user_version", 99).expect("newer");
    });
}

#[test]
fn a_folder_in_the_files_place_is_set_aside() {
    set_aside_after(|place| {
        fs::remove_file(place.db()).expect("removed");
        fs::create_dir(place.db()).expect("a folder");
    });
}

#[test]
fn a_log_without_its_database_is_set_aside() {
    set_aside_after(|place| {
        fs::rename(place.db(), place.run().join("ledger.db-wal")).expect("only the log");
    });
}

#[test]
fn an_empty_or_missing_file_is_a_new_ledger() {
    for damage in [
        |place: &Place| fs::write(place.db(), "").expect("zeroed"),
        |place: &Place| {
            fs::remove_file(place.db()).expect("deleted");
        },
    ] {
        let place = Place::new();
        place.log(1);
        assert!(place.open().flush());
        damage(&place);
        let ledger = place.open();
        assert_eq!(ledger.problems(), []);
        assert_eq!(ledger.runs(None).len(), 1);
        assert!(!ledger.spent_today().complete);
    }
}

#[test]
fn a_missing_write_ahead_log_loses_no_more_than_its_entries() {
    let place = Place::new();
    let ledger = place.open();
    ledger.record(start(1));
    assert!(ledger.flush());
    // As after a crash: the file without its log, copied while the ledger is open.
    let copy = Place::new();
    fs::copy(place.db(), copy.db()).expect("copied");
    assert_eq!(copy.open().problems(), []);
}

#[test]
fn a_ledger_deleted_under_the_daemon_is_made_again_with_the_stories_memory() {
    let place = Place::new();
    place.log(1);
    let ledger = place.open();
    remember(&ledger, "{\"a\":1}");
    assert!(ledger.flush());
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", place.db().display()));
    }
    ledger.record_event(event("after"));
    wait_until("a new file", || ledger.flush() && place.db().exists());
    let reader = Reader::open(&place.run()).expect("a reader");
    assert_eq!(reader.story_memory().get(&story()).map(String::as_str), Some("{\"a\":1}"));
    assert_eq!(ledger.events_since(0).len(), 1);
    wait_until("the run index", || reader.runs(None).len() == 1);
}

#[test]
fn a_ledger_overwritten_under_the_daemon_is_set_aside_and_goes_on() {
    let place = Place::new();
    let ledger = place.open();
    remember(&ledger, "{\"a\":1}");
    assert!(ledger.flush());
    let other = place.run().join("other");
    fs::write(&other, "rubbish, long enough to be looked at ".repeat(300)).expect("written");
    fs::rename(other, place.db()).expect("replaced");
    ledger.record_event(event("after"));
    wait_until("a new ledger", || ledger.flush());
    assert!(!place.aside().is_empty());
    assert_eq!(ledger.events_since(0).len(), 1);
    assert_eq!(ledger.story_memory().len(), 1);
}

#[test]
fn a_locked_file_delays_nothing_and_is_written_when_it_is_free() {
    let place = Place::new();
    drop(place.open());
    let lock = rusqlite::Connection::open(place.db()).expect("the file");
    lock.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO meta VALUES ('x', 'y');",
    )
    .expect("locked");
    let ledger = place.open();
    ledger.record(start(1));
    remember(&ledger, "{}");
    assert!(!ledger.flush(), "it cannot be on disk");
    assert_eq!(ledger.problems().len(), 1);
    assert_eq!(ledger.story_memory().len(), 1);
    lock.execute_batch("COMMIT").expect("committed");
    drop(lock);
    wait_until("the entry", || ledger.runs(None).len() == 1);
    assert_eq!(ledger.problems(), []);
    assert!(place.aside().is_empty(), "a locked file is a good file");
}

#[test]
fn without_a_folder_it_works_in_memory_and_writes_when_the_folder_is_back() {
    let place = Place::new();
    fs::remove_dir_all(place.run()).expect("removed");
    let ledger = place.open();
    ledger.record(start(1));
    assert_eq!(ledger.problems().len(), 1);
    assert!(!ledger.flush());
    fs::create_dir(place.run()).expect("run/");
    wait_until("the ledger", || ledger.flush());
    assert_eq!(ledger.runs(None).len(), 1);
    assert_eq!(ledger.problems(), []);
}

#[test]
fn the_queue_keeps_its_limit_and_drops_old_events_first() {
    let queue = queue::Queue::new();
    queue.push(start(1));
    for n in 0..queue::ENTRIES_MAX {
        queue.push(Entry::Event { seq: n as u64, event: event("x") });
    }
    assert_eq!(queue.lost(), 1);
    let work = queue.next(None);
    assert!(matches!(work.entries[0], Entry::RunStarted(_)));
    assert!(matches!(work.entries[1], Entry::Event { seq: 1, .. }));
    assert_eq!(work.entries.len(), queue::BATCH_MAX);
}

#[test]
fn only_the_logs_of_runs_are_runs() {
    let place = Place::new();
    place.log(1);
    let folder = place.temp.path().join("logs/1_story_a");
    fs::write(folder.join("a.ndjson"), "").expect("empty");
    fs::write(folder.join("b.ndjson"), "{\"ev\":\"out\"}\n").expect("no start");
    fs::write(folder.join("c.ndjson"), "x".repeat(200_000)).expect("no line");
    let good =
        fs::read_to_string(folder.join(format!("{}.ndjson", uuid::Uuid::from_u128(1)))).expect("the log");
    let running = good.lines().next().expect("a line").replace("10:00:01", "11:00:00");
    let running = running.replace("000000000001", "000000000002") + "\n{\"t\":1,\"ev\":\"out\",\"te";
    fs::write(folder.join("d.ndjson"), running).expect("a run in flight");
    let other = place.temp.path().join("logs/2_b");
    fs::create_dir_all(&other).expect("a folder");
    fs::write(other.join("e.ndjson"), good).expect("another story's log");
    let runs = runs_of_logs(&place.temp.path().join("logs"), None);
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[1].how, None);
    assert_eq!(runs_of_logs(&place.temp.path().join("logs"), Some(&StoryId::new("2_b").expect("an id"))), []);
}
