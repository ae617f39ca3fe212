//! `storkit __acp-agent [OPTIONS] -- COMMAND ARGS…`: an agent that speaks the Agent Client Protocol, on pipes, behind
//! what looks to the run's supervisor like any other agent on its terminal.
//!
//! What is said is the core's (`storkit_core::runtime::acp`); here are the processes, the pipes and the time. The
//! agent is hostile: no line of it is unbounded, it cannot keep this from ending by not reading, and when this ends
//! nothing of its process group is left.

mod order;
mod peer;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use storkit_core::runtime::acp::{Client, Said, Step};
use storkit_core::runtime::{AgentEvent, Ending};

use order::Order;
use peer::{Heard, Peer};

/// Longest wait for each answer before the prompt is sent.
const START_SPAN_MAX: Duration = Duration::from_mins(1);
/// Longest wait for the agent's last word after it was cancelled.
const CANCEL_SPAN_MAX: Duration = Duration::from_millis(500);
/// How often signals are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What a wrong call exits with.
const EXIT_USAGE: u8 = 2;

/// The entry of `storkit __acp-agent`. It exits 0 where the agent came to an end of its own, 128 + N after signal N,
/// and else 1.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let order = match Order::read(args) {
        Ok(order) => order,
        Err(error) => {
            let _ = writeln!(io::stderr(), "storkit: {error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGHUP, SIGINT, SIGTERM] {
        let value = usize::try_from(number).unwrap_or_default();
        if signal_hook::flag::register_usize(number, Arc::clone(&signal), value).is_err() {
            return ExitCode::FAILURE;
        }
    }
    let ending = match Peer::start(&order.command, &order.args) {
        Ok(peer) => Talk::begin(order, peer, signal).attend(),
        Err(error) => {
            let text = format!("cannot start {}: {error}", order.command.to_string_lossy());
            Ending::Configuration { text }
        }
    };
    let code = match &ending {
        ending if ending.is_finished() => 0,
        Ending::Killed { signal: Some(signal) } => u8::try_from(128 + signal).unwrap_or(1),
        _ => 1,
    };
    say(&Said::Ending(ending));
    ExitCode::from(code)
}

/// Prints a line. Who no longer listens misses it: the end of the terminal comes as a signal.
fn say(said: &Said) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", said.line()).and_then(|()| out.flush());
}

/// The conversation with an agent that runs.
struct Talk {
    peer: Peer,
    client: Client,
    signal: Arc<AtomicUsize>,
    /// Until when the answer must be there that is waited for; none while the agent works.
    until: Option<Instant>,
    ending: Option<Ending>,
}

impl Talk {
    fn begin(order: Order, peer: Peer, signal: Arc<AtomicUsize>) -> Self {
        let mut steps = Vec::new();
        let client = Client::begin(order.task, &mut steps);
        let mut talk = Self { peer, client, signal, until: None, ending: None };
        talk.take(steps);
        talk
    }

    /// Listens until the conversation or the agent is over, and ends the agent.
    fn attend(mut self) -> Ending {
        let mut cancelled = None;
        while self.ending.is_none() {
            let signal = i32::try_from(self.signal.load(Ordering::Relaxed)).unwrap_or_default();
            if signal != 0 && cancelled.is_none() {
                cancelled = Some(signal);
                let mut steps = Vec::new();
                self.client.cancel(&mut steps);
                self.take(steps);
                self.until = Some(Instant::now() + CANCEL_SPAN_MAX);
            }
            match self.peer.hear(LOOK_EVERY) {
                Ok(heard) => self.hear(heard),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.hear(Heard::Over),
            }
            if self.ending.is_none() && self.until.is_some_and(|until| Instant::now() >= until) {
                self.late();
            }
        }
        self.peer.end();
        let ending = self.ending.take().unwrap_or(Ending::NoSignal);
        cancelled.map_or(ending, |signal| Ending::Killed { signal: Some(signal) })
    }

    fn hear(&mut self, heard: Heard) {
        let mut steps = Vec::new();
        match heard {
            Heard::Message(message) => self.client.message(&message, &mut steps),
            Heard::Noise(text) => steps.push(Step::Say(AgentEvent::Notice { text })),
            Heard::Over => {
                self.client.close(&mut steps);
                let has_session = self.client.has_session();
                steps.push(Step::End(self.peer.how_it_ended(has_session)));
            }
        }
        self.take(steps);
    }

    /// Does what comes next.
    fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Send(message) => {
                    if !self.peer.send(&message) && self.ending.is_none() {
                        let text = "the agent does not read what it is sent".to_owned();
                        self.ending = Some(Ending::Failed { text });
                    }
                    self.until = self.client.is_starting().then(|| Instant::now() + START_SPAN_MAX);
                }
                Step::Say(event) => say(&Said::Event(event)),
                Step::End(ending) => _ = self.ending.get_or_insert(ending),
            }
        }
    }

    /// The answer did not come in time.
    fn late(&mut self) {
        let mut steps = Vec::new();
        let waited_for = self.client.waits_for();
        self.client.close(&mut steps);
        let text = format!("the agent did not answer {waited_for} within {} s", START_SPAN_MAX.as_secs());
        let ending = if self.client.has_session() {
            Ending::Failed { text }
        } else {
            Ending::CrashedBeforeSession { text }
        };
        steps.push(Step::End(ending));
        self.take(steps);
    }
}
