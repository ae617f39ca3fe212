//! A run's terminal as a WebSocket: what the recording holds and goes on to hold, and, for one at a time, a keyboard.
//!
//! Every watcher reads the recording at its own pace, so a slow one slows nobody. Frames are JSON texts.

use std::io::SeekFrom;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::agents::Control;

/// How often the recording is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much of what was before a watcher came is shown, in bytes of the recording.
const SHOWN_BEFORE: u64 = 64 * 1024;
/// How much is read at a time, in bytes.
const PIECE_LEN: usize = 64 * 1024;
/// Longest line of a recording that is shown, in bytes.
const LINE_LEN_MAX: usize = 4 << 20;
/// Longest frame from a watcher, in bytes.
pub(super) const FRAME_LEN_MAX: usize = 64 * 1024;
/// The size of a terminal that nobody types into, in columns and rows.
const SIZE: (u16, u16) = (120, 40);
/// Most columns and rows that a watcher may ask for.
const SIZE_MAX: u16 = 1000;

/// One frame to a watcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Output, with control sequences.
    Out(String),
    /// The terminal's columns and rows.
    Size(u16, u16),
    /// Whether the watcher may type.
    Writer(bool),
    /// The run is over; nothing more comes.
    Over,
}

/// One frame from a watcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Typed {
    /// It wants to type; [`Shown::Writer`] is the answer.
    Claim,
    /// What was typed. Ignored of one who may not.
    In(String),
    /// The columns and rows of the writer's own terminal.
    Size(u16, u16),
}

/// A run's terminal.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// Its recording.
    pub cast: PathBuf,
    /// What is alive of it; none of a run that is over.
    pub live: Option<Arc<Live>>,
}

/// The living part of a run's terminal.
#[derive(Debug, Default)]
pub struct Live {
    /// Its keyboard, once the run has begun.
    pub control: OnceLock<Control>,
    /// Whether the run is over.
    pub over: AtomicBool,
    /// Whether somebody types.
    taken: AtomicBool,
}

impl Terminal {
    pub(super) fn is_over(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.over.load(Ordering::Acquire))
    }

    fn control(&self) -> Option<&Control> {
        self.live.as_ref()?.control.get()
    }

    /// Takes the keyboard, where nobody has it.
    fn claim(&self) -> bool {
        let free = |live: &Arc<Live>| {
            live.taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok()
        };
        self.live.as_ref().filter(|_| !self.is_over()).is_some_and(free)
    }
}

/// Shows the terminal until the run is over or the watcher has gone.
pub(super) async fn show(mut socket: WebSocket, terminal: Terminal) {
    let mut watcher = Watcher { terminal, writes: false };
    // An error is the watcher's leaving.
    let _ = watcher.attend(&mut socket).await;
    watcher.release();
}

struct Watcher {
    terminal: Terminal,
    writes: bool,
}

impl Watcher {
    async fn attend(&mut self, socket: &mut WebSocket) -> Result<(), axum::Error> {
        let mut reader = Reader::default();
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let answer = serde_json::from_str(&text).ok().and_then(|typed| self.obey(typed));
                        if let Some(answer) = answer {
                            send(socket, &answer).await?;
                        }
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    Some(Ok(_)) => {}
                },
                _ = tick.tick() => {
                    // Asked before the look, so that what came last is not missed.
                    let over = self.terminal.is_over();
                    while let Some(shown) = reader.next(&self.terminal).await {
                        for shown in shown {
                            send(socket, &shown).await?;
                        }
                    }
                    if over {
                        send(socket, &Shown::Over).await?;
                        return socket.send(Message::Close(None)).await;
                    }
                }
            }
        }
    }

    fn obey(&mut self, typed: Typed) -> Option<Shown> {
        match typed {
            Typed::Claim => {
                self.writes = self.writes || self.terminal.claim();
                return Some(Shown::Writer(self.writes));
            }
            Typed::In(text) if self.writes => {
                if let Some(control) = self.terminal.control() {
                    control.input(text.as_bytes());
                }
            }
            Typed::Size(columns, rows) if self.writes => self.resize(columns, rows),
            Typed::In(_) | Typed::Size(..) => {}
        }
        None
    }

    fn resize(&self, columns: u16, rows: u16) {
        if let Some(control) = self.terminal.control() {
            control.resize(columns.clamp(1, SIZE_MAX), rows.clamp(1, SIZE_MAX));
        }
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.writes) {
            self.resize(SIZE.0, SIZE.1);
            if let Some(live) = &self.terminal.live {
                live.taken.store(false, Ordering::Release);
            }
        }
    }
}

async fn send(socket: &mut WebSocket, shown: &Shown) -> Result<(), axum::Error> {
    let text = serde_json::to_string(shown).map_err(axum::Error::new)?;
    socket.send(Message::Text(text.into())).await
}

/// Follows a recording.
#[derive(Default)]
pub(super) struct Reader {
    file: Option<File>,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
    /// The first line is the middle of one.
    skips: bool,
}

impl Reader {
    /// What was recorded since the last look; none where that is nothing.
    pub(super) async fn next(&mut self, terminal: &Terminal) -> Option<Vec<Shown>> {
        if self.file.is_none() {
            self.file = Some(self.open(terminal).await?);
        }
        let mut piece = vec![0; PIECE_LEN];
        let len = self.file.as_mut()?.read(&mut piece).await.ok().filter(|len| *len > 0)?;
        self.rest.extend_from_slice(&piece[..len]);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            if self.rest.len() > LINE_LEN_MAX {
                self.rest.clear();
                self.skips = true;
            }
            return Some(Vec::new());
        };
        let rest = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        let mut shown: Vec<Shown> = Vec::new();
        for line in lines.split(|byte| *byte == b'\n') {
            if std::mem::take(&mut self.skips) {
                continue;
            }
            match (entry(line), shown.last_mut()) {
                (Some(Shown::Out(text)), Some(Shown::Out(before))) => before.push_str(&text),
                (Some(entry), _) => shown.push(entry),
                (None, _) => {}
            }
        }
        Some(shown)
    }

    async fn open(&mut self, terminal: &Terminal) -> Option<File> {
        let mut file = File::open(&terminal.cast).await.ok()?;
        let len = file.metadata().await.ok()?.len();
        if !terminal.is_over() && len > SHOWN_BEFORE {
            file.seek(SeekFrom::Start(len - SHOWN_BEFORE)).await.ok()?;
            self.skips = true;
        }
        Some(file)
    }
}

/// A line of the recording; its head and what nobody draws are none.
fn entry(line: &[u8]) -> Option<Shown> {
    let (_, code, data): (f64, String, String) = serde_json::from_slice(line).ok()?;
    match &*code {
        "o" => Some(Shown::Out(data)),
        "r" => {
            let (columns, rows) = data.split_once('x')?;
            Some(Shown::Size(columns.parse().ok()?, rows.parse().ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_recording_are_read_and_others_are_nothing() {
        assert_eq!(entry(br#"[0.5,"o","a\u001b[m"]"#), Some(Shown::Out("a\u{1b}[m".to_owned())));
        assert_eq!(entry(br#"[1,"r","80x24"]"#), Some(Shown::Size(80, 24)));
        for line in ["", "{\"version\":2}", r#"[1,"i","secret"]"#, r#"[1,"r","80"]"#, r#"["x","o","a"]"#] {
            assert_eq!(entry(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn frames_are_small_json() {
        let text = |typed: &Typed| serde_json::to_string(typed).expect("JSON");
        assert_eq!(text(&Typed::Claim), r#""claim""#);
        assert_eq!(text(&Typed::In("x".to_owned())), r#"{"in":"x"}"#);
        assert_eq!(serde_json::to_string(&Shown::Size(80, 24)).expect("JSON"), r#"{"size":[80,24]}"#);
    }
}
