//! What tools and routes ask of the daemon: requests go to the one loop, looks at files and ledger to threads that may
//! wait for a disk.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use storkit_core::context;
use storkit_core::ids::{RunId, StoryId};
use storkit_core::memory::Memory;
use storkit_core::message::Message as Letter;
use storkit_core::request::{Refusal, Reply, Request};
use storkit_core::snapshot::StoryView;
use storkit_core::story_file::content_hash;
use storkit_core::usage::RunUsed;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::dispatcher::Message;
use super::service::Door;
use super::world::World;
use crate::agents::text::Plain;
use crate::board::{ChangeError, CreateError, NewStory, change_context, read_context};
use crate::ledger::{Reader, RunRow};
use crate::mcp::{Desk, Output, Said, StoryFile};
use crate::sys::fs::read_capped;

/// Most bytes of a log that one piece holds.
const PIECE_LEN_MAX: u64 = 256 * 1024;
/// How many bytes of a log's end are shown where no place is named.
const END_LEN: u64 = 64 * 1024;
/// Most bytes of a story's file.
const STORY_LEN_MAX: u64 = 1024 * 1024;
/// How often it is looked whether a run is over, besides at every event.
const OVER_LOOK: Duration = Duration::from_millis(500);
/// Most things that one run says.
const SAID_MAX: usize = 32;

impl Door {
    /// Does what may wait for a disk on a thread for that; none where that thread came to harm.
    async fn off<T: Send + 'static>(&self, work: impl FnOnce(&World) -> T + Send + 'static) -> Option<T> {
        let world = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&world)).await.ok()
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
        let made = self.off(move |world| world.board.create(&new, world.history.highest())).await;
        let made = made.ok_or_else(|| refused("the story was not made", ""))?;
        made.map_err(|error| match error {
            CreateError::NoTitle | CreateError::TooLong(_) => {
                Refusal { code: 2, ..refused(error.to_string(), "") }
            }
            CreateError::Board(_) | CreateError::Id(_) => refused(error.to_string(), ""),
        })
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

    async fn output(&self, run: String, from: Option<u64>) -> Option<Output> {
        let row = self.run(run).await?;
        self.off(move |world| piece(&world.layout.root().join(row.log), from).ok()).await?
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

/// A piece of a run's log as text: from a place on, or its end.
fn piece(log: &Path, from: Option<u64>) -> std::io::Result<Output> {
    let mut file = std::fs::File::open(log)?;
    let size = file.metadata()?.len();
    let from = from.unwrap_or(size.saturating_sub(END_LEN)).min(size);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(PIECE_LEN_MAX).read_to_end(&mut bytes)?;
    // Whole lines alone, unless one is longer than a piece.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole > 0 || (bytes.len() as u64) < PIECE_LEN_MAX {
        bytes.truncate(whole);
    }
    let next = from + bytes.len() as u64;
    let mut plain = Plain::default();
    let mut text = String::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        entry(line, &mut plain, &mut text);
    }
    text.retain(|c| c != '\r');
    Ok(Output { text, from, next, size })
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
        let whole = piece(&log, None).expect("a log");
        assert_eq!(whole.text, "ab\n— tool_use: shell ls\n");
        assert_eq!(whole.size - whole.next, lines[3].len() as u64);
        let rest = piece(&log, Some(whole.next)).expect("a log");
        assert_eq!((rest.text.as_str(), rest.next), ("", whole.next));
        assert_eq!(piece(&log, Some(u64::MAX)).expect("a log").from, whole.size);
        let second = piece(&log, Some(lines[0].len() as u64 + 1)).expect("a log");
        assert_eq!(second.text, whole.text);
    }

    #[test]
    fn a_line_longer_than_a_piece_is_passed_over_piece_by_piece() {
        let temp = tempfile::tempdir().expect("a folder");
        let log = temp.path().join("log");
        std::fs::write(&log, "x".repeat(300 * 1024) + "\n").expect("written");
        let first = piece(&log, Some(0)).expect("a log");
        assert_eq!(first.next, PIECE_LEN_MAX);
        assert_eq!(piece(&log, Some(first.next)).expect("a log").next, first.size);
    }
}
