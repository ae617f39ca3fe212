//! What tools and routes ask of the daemon: requests go to the one loop, looks at files and ledger to threads that may
//! wait for a disk.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use storkit_core::context;
use storkit_core::ids::{RunId, StoryId};
use storkit_core::memory::Memory;
use storkit_core::message::Message as Letter;
use storkit_core::request::{Refusal, Reply, Request};
use storkit_core::sighting::FileKey;
use storkit_core::snapshot::StoryView;
use storkit_core::stage::Stage;
use storkit_core::story_file::content_hash;
use storkit_core::usage::RunUsed;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::dispatcher::Message;
use super::scanner::Look;
use super::service::Door;
use super::world::World;
use crate::agents::text::Plain;
use crate::board::{ChangeError, CreateError, NewStory, change_context, read_context};
use crate::ledger::{Reader, RunRow};
use crate::mcp::{Desk, Output, Said, StoryFile, Wanted};
use crate::sys::fs::read_capped;

/// Most bytes of a log that one piece holds.
const PIECE_LEN_MAX: u64 = 256 * 1024;
/// How many bytes of a log's end are shown where no place is named.
const END_LEN: u64 = 64 * 1024;
/// Most bytes of a story's file.
const STORY_LEN_MAX: u64 = 1024 * 1024;
/// How often it is looked whether a run is over, besides at every event.
const OVER_LOOK: Duration = Duration::from_millis(500);
/// Longest wait for a story that was made to be on the board, and how often that is looked at.
const SHOWN_WAIT: Duration = Duration::from_secs(2);
const SHOWN_LOOK: Duration = Duration::from_millis(20);
/// Most things that one run says.
const SAID_MAX: usize = 32;

impl Door {
    /// Does what may wait for a disk on a thread for that; none where that thread came to harm.
    async fn off<T: Send + 'static>(&self, work: impl FnOnce(&World) -> T + Send + 'static) -> Option<T> {
        let world = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&world)).await.ok()
    }
}

impl Door {
    /// Waits until the board shows a story that was made, so that who made it finds it. It is made in any case.
    async fn shown(&self, stage: Stage, id: &StoryId) {
        let file = FileKey::new(stage, id.file_name());
        // Where nobody looks any more, the daemon is ending.
        let _ = self.0.scanner.send(Look::Files(vec![file]));
        let deadline = Instant::now() + SHOWN_WAIT;
        while Instant::now() < deadline {
            match self.ask(Request::Status { all: true }).await {
                Ok(Reply::Status(status)) if status.find(id.as_str()).is_err() => {}
                _ => return,
            }
            tokio::time::sleep(SHOWN_LOOK).await;
        }
    }
}

impl Desk for Door {
    async fn ask(&self, request: Request) -> Result<Reply, Refusal> {
        let (reply, answer) = oneshot::channel();
        let sent = self.0.inbox.send(Message::Ask(request, reply));
        match (sent, answer.await) {
            (Ok(()), Ok(answer)) => answer,
            _ => Err(refused("the daemon has ended", "`storkit up` starts it again")),
        }
    }

    async fn file(&self, story: &StoryView) -> Option<StoryFile> {
        let path = story.path.clone();
        self.off(move |world| {
            let mut file = std::fs::File::open(world.layout.root().join(path)).ok()?;
            let bytes = read_capped(&mut file, STORY_LEN_MAX).ok()??;
            let seen = content_hash(&bytes);
            Some(StoryFile { text: String::from_utf8(bytes).ok()?, seen })
        })
        .await?
    }

    async fn create(&self, new: NewStory) -> Result<StoryId, Refusal> {
        let stage = new.stage;
        let made = self.off(move |world| world.board.create(&new, world.history.highest())).await;
        let made = made.ok_or_else(|| refused("the story was not made", ""))?;
        let id = made.map_err(|error| match error {
            CreateError::NoTitle | CreateError::TooLong(_) => {
                Refusal { code: 2, ..refused(error.to_string(), "") }
            }
            CreateError::Board(_) | CreateError::Id(_) => refused(error.to_string(), ""),
        })?;
        self.shown(stage, &id).await;
        Ok(id)
    }

    async fn runs(&self, story: Option<StoryId>) -> Vec<RunRow> {
        self.off(move |world| world.ledger.runs(story.as_ref())).await.unwrap_or_default()
    }

    async fn run(&self, run: String) -> Option<RunRow> {
        self.off(move |world| world.ledger.run(&run)).await.flatten()
    }

    async fn run_over(&self, run: String, wait: Duration) -> Option<RunRow> {
        let deadline = Instant::now() + wait;
        let mut events = self.0.hub.subscribe(None).live;
        loop {
            let row = self.run(run.clone()).await?;
            if row.ended.is_some() || Instant::now() >= deadline {
                return Some(row);
            }
            let look = deadline.min(Instant::now() + OVER_LOOK);
            // What came is read from the ledger; that something came is all that counts.
            let _ = tokio::time::timeout_at(look, events.recv()).await;
        }
    }

    async fn output(&self, wanted: Wanted) -> Option<Output> {
        let row = self.run(wanted.run.clone()).await?;
        self.off(move |world| {
            let log = world.layout.root().join(&row.log);
            match &wanted.gate {
                None => piece(&log, &wanted, Log::Run).ok(),
                Some(gate) => piece(&gate_log(log.parent()?, &row.run, gate)?, &wanted, Log::Gate).ok(),
            }
        })
        .await?
    }

    async fn used(&self) -> (Vec<RunUsed>, bool) {
        let read = self.off(|world| Reader::open(&world.layout.run()).and_then(|reader| reader.used()).ok());
        read.await.flatten().unwrap_or_default()
    }

    async fn messages(&self, story: StoryId) -> Vec<Letter> {
        let memory = self.off(move |world| world.ledger.story_memory().remove(&story)).await.flatten();
        let memory = memory.and_then(|json| serde_json::from_str::<Memory>(&json).ok());
        memory.map(|memory| memory.messages.waiting().cloned().collect()).unwrap_or_default()
    }

    async fn context(&self) -> Result<String, Refusal> {
        let read = self.off(|world| read_context(&world.layout)).await;
        let failed = || refused("the shared context cannot be read", "");
        read.ok_or_else(failed)?.map_err(|error| refused(error.to_string(), ""))
    }

    async fn set_context(&self, key: String, text: Option<String>) -> Result<(), Refusal> {
        let changed = self.off(move |world| {
            change_context(&world.layout, |old| match &text {
                Some(text) => context::set(old, &key, text).map(Some),
                None => Ok(context::unset(old, &key)),
            })
        });
        let failed = || refused("the shared context was not changed", "");
        changed.await.ok_or_else(failed)?.map(drop).map_err(|error| {
            let code = if matches!(error, ChangeError::Context(_)) { 2 } else { 1 };
            Refusal { code, ..refused(error.to_string(), "") }
        })
    }

    fn tell(&self, run: RunId, said: Said) -> Result<(), Refusal> {
        let mut all = self.0.said();
        let heard = all.get_mut(&run).ok_or_else(|| refused("this run is over", ""))?;
        if heard.len() >= SAID_MAX {
            return Err(refused("this run has said enough", "end your turn"));
        }
        heard.push(said);
        Ok(())
    }
}

fn refused(error: impl Into<String>, hint: &str) -> Refusal {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    Refusal { error: error.into(), hint, code: 1 }
}

/// The last log of a gate after a run: the names of its rounds are `<run>.<gate>.log` and `<run>.<gate>-2.log`.
fn gate_log(folder: &Path, run: &str, gate: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let logs = entries.filter_map(|entry| {
        let name = entry.file_name();
        let round = name.to_str()?.strip_prefix(run)?.strip_prefix('.')?.strip_suffix(".log")?;
        let rest = round.strip_prefix(gate)?;
        let again = rest.strip_prefix('-').and_then(|rest| rest.parse::<u32>().ok());
        let number = if rest.is_empty() { 1 } else { again? };
        entry.file_type().ok()?.is_file().then(|| (number, entry.path()))
    });
    logs.max().map(|(_, path)| path)
}

/// What a log is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    /// Entries, a line each.
    Run,
    /// What was printed, as it was.
    Gate,
}

/// A piece of a log as text: from a place on, or its end.
fn piece(log: &Path, wanted: &Wanted, kind: Log) -> std::io::Result<Output> {
    let len_max = wanted.len.unwrap_or(PIECE_LEN_MAX).clamp(1, PIECE_LEN_MAX);
    let from = wanted.from;
    let mut file = std::fs::File::open(log)?;
    let size = file.metadata()?.len();
    let from = from.unwrap_or(size.saturating_sub(END_LEN)).min(size);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(len_max).read_to_end(&mut bytes)?;
    // Whole lines alone, unless one is longer than a piece.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let is_end = kind == Log::Gate && from + bytes.len() as u64 >= size;
    if !is_end && (whole > 0 || (bytes.len() as u64) < len_max) {
        bytes.truncate(whole);
    }
    let next = from + bytes.len() as u64;
    let mut text = match kind {
        Log::Run => lines(&bytes),
        Log::Gate => printed(&bytes),
    };
    text.retain(|c| c != '\r');
    Ok(Output { text, from, next, size })
}

/// What a run's log tells.
fn lines(bytes: &[u8]) -> String {
    let mut plain = Plain::default();
    let mut text = String::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        entry(line, &mut plain, &mut text);
    }
    text
}

/// What a gate printed.
fn printed(bytes: &[u8]) -> String {
    let mut text = String::new();
    Plain::default().feed(&String::from_utf8_lossy(bytes), &mut text);
    text
}

/// One line of a log: what was printed as it is, what the agent did in a line of its own.
fn entry(line: &[u8], plain: &mut Plain, out: &mut String) {
    let Ok(entry) = serde_json::from_slice::<Value>(line) else { return };
    match entry["ev"].as_str().unwrap_or_default() {
        "out" => plain.feed(entry["text"].as_str().unwrap_or_default(), out),
        "text" | "tool_use" | "tool_result" | "question" | "summary" | "reject" | "merge_failed"
        | "notice" => {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            let words = ["tool", "input", "text"].map(|key| entry[key].as_str().unwrap_or_default());
            let mut words = words.join(" ");
            words.retain(|c| !c.is_control() || c == '\n' || c == '\t');
            out.push_str(&format!("— {}: {}\n", entry["ev"].as_str().unwrap_or_default(), words.trim()));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(log: &Path, from: Option<u64>) -> std::io::Result<Output> {
        piece(log, &Wanted { from, ..Wanted::default() }, Log::Run)
    }

    #[test]
    fn a_gates_last_log_is_found_and_read_in_pieces() {
        let temp = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("r.tests.log", "old\n"),
            ("r.tests-2.log", "\u{1b}[1mnew\u{1b}[0m\nend"),
            ("r.tests-x.log", ""),
            ("s.tests-3.log", ""),
        ] {
            std::fs::write(temp.path().join(name), text).expect("written");
        }
        let log = gate_log(temp.path(), "r", "tests").expect("a log");
        assert!(log.ends_with("r.tests-2.log"));
        assert_eq!(gate_log(temp.path(), "r", "../s"), None);
        assert_eq!(gate_log(temp.path(), "r", ""), None);
        let read =
            |from, len| piece(&log, &Wanted { from, len, ..Wanted::default() }, Log::Gate).expect("a log");
        assert_eq!(read(None, None).text, "new\nend");
        let part = read(Some(0), Some(14));
        assert_eq!((part.text.as_str(), part.next, part.size), ("new\n", 12, 15));
        let part = read(Some(12), Some(2));
        assert_eq!((part.text.as_str(), part.next), ("en", 14));
    }

    #[test]
    fn a_log_is_read_in_pieces_of_whole_lines_without_control_sequences() {
        let temp = tempfile::tempdir().expect("a folder");
        let log = temp.path().join("log");
        let lines = [
            r#"{"t":0,"ev":"start"}"#,
            r#"{"t":1,"ev":"out","text":"a\u001b[31mb\u001b[0m\r\n"}"#,
            r#"{"t":2,"ev":"tool_use","id":"1","tool":"shell","input":"ls"}"#,
            r#"{"t":3,"ev":"out","text":"half"#,
        ];
        std::fs::write(&log, lines.join("\n")).expect("written");
        let whole = at(&log, None).expect("a log");
        assert_eq!(whole.text, "ab\n— tool_use: shell ls\n");
        assert_eq!(whole.size - whole.next, lines[3].len() as u64);
        let rest = at(&log, Some(whole.next)).expect("a log");
        assert_eq!((rest.text.as_str(), rest.next), ("", whole.next));
        assert_eq!(at(&log, Some(u64::MAX)).expect("a log").from, whole.size);
        let second = at(&log, Some(lines[0].len() as u64 + 1)).expect("a log");
        assert_eq!(second.text, whole.text);
    }

    #[test]
    fn a_line_longer_than_a_piece_is_passed_over_piece_by_piece() {
        let temp = tempfile::tempdir().expect("a folder");
        let log = temp.path().join("log");
        std::fs::write(&log, "x".repeat(300 * 1024) + "\n").expect("written");
        let first = at(&log, Some(0)).expect("a log");
        assert_eq!(first.next, PIECE_LEN_MAX);
        assert_eq!(at(&log, Some(first.next)).expect("a log").next, first.size);
    }
}
