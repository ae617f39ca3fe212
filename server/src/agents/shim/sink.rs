//! Where output goes: masked, then into the log, the tail and the search for events, in bounded memory.

use std::time::Instant;

use storkit_core::facts::ProcessEnd;
use storkit_core::runtime::{AgentEvent, Ending, Reader, Screen, Shown, Told};

use super::super::cast::Cast;
use super::super::lines::LineCutter;
use super::super::log::RunLog;
use super::super::redact::Redactor;
use super::super::spec::{How, RunSpec};
use super::super::text::{Decoder, Plain, Tail};

/// All that listens to a run's output.
#[derive(Debug)]
pub(super) struct Sink {
    begun: Instant,
    redactor: Redactor,
    decoder: Decoder,
    plain: Plain,
    lines: LineCutter,
    tail: Tail,
    log: RunLog,
    cast: Cast,
    /// What the events come to.
    pub(super) told: Told,
    /// What reads an agent's lines; a gate's are only output.
    reader: Option<Reader>,
    /// What it shows, where it is an agent.
    shown: Option<Shown>,
    /// How the agent's run ended, once that is judged.
    ending: Option<Ending>,
}

impl Sink {
    /// Opens the log.
    pub(super) fn open(spec: &RunSpec, begun: Instant) -> Self {
        Self {
            begun,
            redactor: Redactor::new(&spec.secrets),
            decoder: Decoder::default(),
            plain: Plain::default(),
            lines: LineCutter::default(),
            tail: Tail::default(),
            log: RunLog::create(spec),
            cast: Cast::create(spec),
            told: Told::default(),
            reader: spec.log.head.as_ref().map(|_| Reader::new(spec.runtime, spec.resume.as_ref())),
            shown: spec.log.head.as_ref().map(|_| Shown::default()),
            ending: None,
        }
    }

    /// Takes the next piece of output; the events that it completed.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<AgentEvent> {
        let mut masked = Vec::with_capacity(bytes.len());
        self.redactor.feed(bytes, &mut masked);
        let mut text = String::with_capacity(masked.len());
        self.decoder.feed(&masked, &mut text);
        self.take(&masked, &text)
    }

    /// The output is over: what was held back comes out.
    pub(super) fn finish(&mut self) -> Vec<AgentEvent> {
        let mut masked = Vec::new();
        self.redactor.finish(&mut masked);
        let mut text = String::new();
        self.decoder.feed(&masked, &mut text);
        self.decoder.finish(&mut text);
        let mut events = self.take(&masked, &text);
        if let Some(reader) = &mut self.reader {
            self.lines.finish(&mut |line| reader.line(line, &mut events));
        }
        events
    }

    /// The process has ended, after the output: how the agent's run did, and what it said last.
    /// Where it was ended because it stood at a screen that waits for a person, it is that.
    pub(super) fn judge(
        &mut self,
        process: Option<ProcessEnd>,
        stood: bool,
    ) -> (Option<Ending>, Vec<AgentEvent>) {
        let mut events = Vec::new();
        if let Some(reader) = &mut self.reader {
            self.ending = reader.end(process, self.tail.text(), &mut events);
        }
        let gave_up = process != Some(ProcessEnd::Exited(0)) && self.ending.as_ref().is_none_or(is_vague);
        if let Some(screen) = self.screen().filter(|_| stood || gave_up) {
            self.ending = Some(screen.ending());
        }
        (self.ending.clone(), events)
    }

    /// The screen at which an agent waits for a person, where it shows one that is known.
    pub(super) fn screen(&self) -> Option<&'static Screen> {
        self.shown.as_ref().and_then(Shown::screen)
    }

    /// Keeps an event in the log and in the sum.
    pub(super) fn keep(&mut self, event: &AgentEvent) {
        self.log.event(self.seconds(), event);
        self.told.absorb(event);
    }

    /// Records that the terminal has another size.
    pub(super) fn resized(&mut self, columns: u16, rows: u16) {
        self.cast.resize(self.seconds(), columns, rows);
    }

    /// Writes the log's last lines; the end of the output as text.
    pub(super) fn close(&mut self, how: How, process: Option<ProcessEnd>) -> String {
        self.log.end(self.seconds(), how, process, self.ending.as_ref());
        self.tail.text().to_owned()
    }

    fn take(&mut self, masked: &[u8], text: &str) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        if text.is_empty() && masked.is_empty() {
            return events;
        }
        self.log.out(self.seconds(), masked, text);
        self.cast.out(self.seconds(), text);
        let mut plain = String::with_capacity(text.len());
        self.plain.feed(text, &mut plain);
        self.tail.feed(&plain);
        if let Some(shown) = &mut self.shown {
            shown.feed(&plain);
        }
        if let Some(reader) = &mut self.reader {
            self.lines.feed(&plain, &mut |line| reader.line(line, &mut events));
        }
        events
    }

    /// Since the run began, to the millisecond.
    fn seconds(&self) -> f64 {
        let ms = u32::try_from(self.begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        f64::from(ms) / 1000.0
    }
}

/// Whether an ending says nothing of what was missing.
const fn is_vague(ending: &Ending) -> bool {
    matches!(
        ending,
        Ending::CrashedBeforeSession { .. }
            | Ending::Failed { .. }
            | Ending::Killed { .. }
            | Ending::NoSignal
    )
}
