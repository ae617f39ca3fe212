//! The agent's process on its pipes: messages in and out within bounds, and the end of its whole process group.
//!
//! What messages mean is not known here.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde_json::Value;
use storkit_core::runtime::{Ending, TEXT_LEN_MAX};

use crate::sys::{process, task};

/// Longest message of an agent, in bytes; a longer one is dropped.
const MESSAGE_LEN_MAX: usize = 16 << 20;
/// Messages that wait to be heard.
const HEARD_MAX: usize = 2;
/// Messages that wait to be read by the agent.
const UNREAD_MAX: usize = 64;
/// Longest line of its standard error that is told, in bytes.
const NOISE_LEN_MAX: usize = 1 << 10;
/// Most lines of its standard error that are told.
const NOISE_MAX: usize = 200;
/// Lines of its standard error that are kept to say why it ended.
const LAST_NOISE_MAX: usize = 8;
/// How long it has to end by itself once its input is closed.
const CLOSE_GRACE: Duration = Duration::from_millis(500);
/// How long its processes have between TERM and KILL.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// How often they are looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What comes from an agent.
#[derive(Debug)]
pub(super) enum Heard {
    /// A message.
    Message(Value),
    /// A line of its standard error, or what it printed that is no message.
    Noise(String),
    /// Nothing more comes.
    Over,
}

/// An agent that runs.
#[derive(Debug)]
pub(super) struct Peer {
    child: Child,
    group: Option<Pid>,
    to: Option<SyncSender<Vec<u8>>>,
    from: Receiver<Heard>,
    noises: usize,
    last_noise: VecDeque<String>,
    status: Option<ExitStatus>,
}

impl Peer {
    /// Starts the agent with this process's environment, in a process group of its own.
    pub(super) fn start(command: &OsStr, args: &[OsString]) -> io::Result<Self> {
        let mut command = process::command(command);
        command.args(args).envs(std::env::vars_os()).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (heard, from) = sync_channel(HEARD_MAX);
        let (to, unread) = sync_channel::<Vec<u8>>(UNREAD_MAX);
        let mut peer =
            Self { child, group, to: Some(to), from, noises: 0, last_noise: VecDeque::new(), status: None };
        let pipes = (peer.child.stdin.take(), peer.child.stdout.take(), peer.child.stderr.take());
        let (Some(mut input), Some(output), Some(errors)) = pipes else {
            return Err(io::Error::other("it has no pipes"));
        };
        let noise = heard.clone();
        task::spawn("acp-errors", move || listen_to_errors(errors, &noise))?;
        task::spawn("acp-messages", move || listen(output, &heard))?;
        task::spawn("acp-input", move || {
            while let Ok(message) = unread.recv() {
                if input.write_all(&message).and_then(|()| input.flush()).is_err() {
                    return;
                }
            }
        })?;
        Ok(peer)
    }

    /// Sends a message. Says no where the agent has left too many unread; one that is gone is heard of otherwise.
    pub(super) fn send(&self, message: &Value) -> bool {
        let Some(to) = &self.to else { return true };
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        !matches!(to.try_send(line), Err(TrySendError::Full(_)))
    }

    /// The next that comes within that time.
    pub(super) fn hear(&mut self, within: Duration) -> Result<Heard, RecvTimeoutError> {
        let end = Instant::now() + within;
        loop {
            let heard = self.from.recv_timeout(end.saturating_duration_since(Instant::now()))?;
            if self.is_worth_telling(&heard) {
                return Ok(heard);
            }
            if Instant::now() >= end {
                return Err(RecvTimeoutError::Timeout);
            }
        }
    }

    /// Counts and keeps noise; there may be too much of it to be told.
    fn is_worth_telling(&mut self, heard: &Heard) -> bool {
        if let Heard::Noise(text) = heard {
            self.noises += 1;
            self.last_noise.push_back(text.clone());
            if self.last_noise.len() > LAST_NOISE_MAX {
                self.last_noise.pop_front();
            }
        }
        self.noises <= NOISE_MAX || !matches!(heard, Heard::Noise(_))
    }

    /// How an agent ended that said nothing of it; what it left is ended as well.
    pub(super) fn how_it_ended(&mut self, has_session: bool) -> Ending {
        self.end();
        self.hear_the_rest();
        let noise = self.last_noise.make_contiguous().join("\n");
        let status = self.status.map_or_else(|| "it is gone".to_owned(), |status| status.to_string());
        let mut text = format!("the agent ended without an answer ({status})");
        if !noise.is_empty() {
            text = storkit_core::runtime::clip(&format!("{text}: {noise}"), TEXT_LEN_MAX);
        }
        let signal = self.status.and_then(|status| status.signal());
        match (has_session, signal) {
            (false, _) => Ending::CrashedBeforeSession { text },
            (true, Some(signal)) => Ending::Killed { signal: Some(signal) },
            (true, None) => Ending::Failed { text },
        }
    }

    /// Its last words may still be on their way when it is gone. A process that left its group may hold its pipes for ever.
    fn hear_the_rest(&mut self) {
        let end = Instant::now() + CLOSE_GRACE;
        while let Ok(heard) = self.from.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.is_worth_telling(&heard);
            if Instant::now() >= end {
                return;
            }
        }
    }

    /// Ends the agent and its group: its input is closed, then TERM, then KILL. Wrappers leave the program behind
    /// that they started (codex-acp 0.16.0), and not all end when their input does.
    pub(super) fn end(&mut self) {
        self.to = None;
        if self.is_gone_within(CLOSE_GRACE) {
            return;
        }
        for signal in [Signal::TERM, Signal::KILL] {
            if let Some(group) = self.group {
                let _ = kill_process_group(group, signal);
            }
            if self.is_gone_within(TERM_GRACE) {
                return;
            }
        }
    }

    /// Waits until nothing of the group is left.
    fn is_gone_within(&mut self, span: Duration) -> bool {
        let end = Instant::now() + span;
        loop {
            if self.status.is_none() {
                self.status = self.child.try_wait().ok().flatten();
            }
            if self.status.is_some() && self.group.is_none_or(|group| test_kill_process_group(group).is_err())
            {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            // Who waits for a full pipe cannot end: what still comes is thrown away.
            for _ in 0..UNREAD_MAX {
                let Ok(heard) = self.from.try_recv() else { break };
                self.is_worth_telling(&heard);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Reads a line without its end, at most `max` bytes of it; the rest is thrown away. None at the end.
fn read_line(from: &mut impl BufRead, max: usize, line: &mut Vec<u8>) -> Option<bool> {
    line.clear();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let read = from.by_ref().take(limit).read_until(b'\n', line).ok()?;
    if read == 0 {
        return None;
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Some(true);
    }
    let is_whole = line.len() <= max;
    line.truncate(max);
    if !is_whole {
        from.skip_until(b'\n').ok()?;
    }
    Some(is_whole)
}

fn listen(output: impl Read, heard: &SyncSender<Heard>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while let Some(is_whole) = read_line(&mut output, MESSAGE_LEN_MAX, &mut line) {
        let message = if is_whole { serde_json::from_slice::<Value>(&line).ok() } else { None };
        let said = match message {
            Some(message @ Value::Object(_)) => Heard::Message(message),
            _ if !is_whole => Heard::Noise("a message is too long, and dropped".to_owned()),
            _ => match noise(&line) {
                Some(text) => Heard::Noise(text),
                None => continue,
            },
        };
        if heard.send(said).is_err() {
            return;
        }
        // A large message leaves no large buffer behind.
        line.shrink_to(MESSAGE_LEN_MAX >> 6);
    }
    let _ = heard.send(Heard::Over);
}

fn listen_to_errors(errors: impl Read, heard: &SyncSender<Heard>) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    while read_line(&mut errors, NOISE_LEN_MAX, &mut line).is_some() {
        if let Some(text) = noise(&line)
            && heard.send(Heard::Noise(text)).is_err()
        {
            return;
        }
    }
}

/// A line for people, unless it is blank.
fn noise(line: &[u8]) -> Option<String> {
    let line = &line[..line.len().min(NOISE_LEN_MAX)];
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_what_is_too_long_is_passed_over() {
        let text = format!("one\n{}\n\ntwo\n{}", "x".repeat(100), "y".repeat(10));
        let mut from = BufReader::with_capacity(7, text.as_bytes());
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while let Some(is_whole) = read_line(&mut from, 10, &mut line) {
            lines.push((String::from_utf8(line.clone()).expect("text"), is_whole));
        }
        let whole = |text: &str| (text.to_owned(), true);
        let cut = ("x".repeat(10), false);
        assert_eq!(lines, [whole("one"), cut, whole(""), whole("two"), whole(&"y".repeat(10))]);
    }
}
