//! The runtimes: for each, how it is started, what its output says, and how it ended. A file and a line in a table each.
//!
//! Pure. No runtime knows of processes; what an agent prints is hostile, and read within bounds.

pub mod acp;
mod api;
mod claude_code;
mod codex;
mod command;
mod contract;
mod ending;
mod event;
mod gemini;
mod gemini_api;
mod launch;
mod ndjson;
mod needs;
mod openai;
mod phrases;
mod screens;

pub use api::{API_AGENT_MODE, SESSIONS_VARIABLE};
pub use contract::{RETRY_AFTER_MAX_S, parse_line};
pub use ending::Ending;
pub use event::{AgentEvent, LimitStatus, NAME_LEN_MAX, Reset, TEXT_LEN_MAX, Told, clip};
pub use launch::{
    ALLOW_OPTION, Launch, LaunchOrder, PERMISSIONS_OPTION, PROMPT_ARG_LEN_MAX, PROMPT_PLACE, PromptBy,
    REFUSE_OPTION, Resume, StatePath,
};
pub use ndjson::LINE_LEN_MAX;
pub use needs::{Needs, Version, needs, remedy, version_in, version_text};
pub use screens::{Screen, Shown, Wants};

use serde_json::Value;

use crate::config::Runtime;
use crate::facts::ProcessEnd;

/// The runtimes that there are.
const ADAPTERS: &[Adapter] = &[
    claude_code::ADAPTER,
    codex::ADAPTER,
    gemini::ADAPTER,
    openai::ADAPTER,
    gemini_api::ADAPTER,
    acp::ADAPTER,
    command::ADAPTER,
];

/// What one runtime is.
#[derive(Debug, Clone, Copy)]
pub struct Adapter {
    /// Which.
    pub runtime: Runtime,
    /// Its usual command; empty where it has none.
    pub command: &'static str,
    /// What starts it.
    pub launch: fn(&LaunchOrder<'_>) -> Launch,
    parser: fn(Option<&Resume>) -> Box<dyn Parser>,
}

/// The adapter of a runtime; none for one that has none yet.
pub fn adapter(runtime: Runtime) -> Option<&'static Adapter> {
    ADAPTERS.iter().find(|adapter| adapter.runtime == runtime)
}

/// What reads a runtime's own lines.
trait Parser: std::fmt::Debug + Send {
    /// A line that is an object, and none of storkit's own.
    fn object(&mut self, object: &Value, out: &mut Vec<AgentEvent>);

    /// A line that is none.
    fn text(&mut self, _line: &str) {}

    /// The output is over, and so is the process: how did it end? The tail is the last of the output.
    fn end(&mut self, process: Option<ProcessEnd>, tail: &str, out: &mut Vec<AgentEvent>) -> Option<Ending>;
}

/// Reads the output of one run, line by line, and says at its end how it ended.
#[derive(Debug)]
pub struct Reader {
    parser: Box<dyn Parser>,
    question: Option<String>,
}

impl Reader {
    /// For a run of that runtime; in a session that is gone on with, where it is not a new one.
    pub fn new(runtime: Runtime, resume: Option<&Resume>) -> Self {
        let adapter = adapter(runtime).unwrap_or(&command::ADAPTER);
        Self { parser: (adapter.parser)(resume), question: None }
    }

    /// Takes a line of plain text, without control sequences, and adds what it says.
    pub fn line(&mut self, line: &str, out: &mut Vec<AgentEvent>) {
        let begin = out.len();
        if let Some(event) = parse_line(line) {
            out.push(event);
        } else if let Some(object) = ndjson::within(line) {
            self.parser.object(&object, out);
        } else if line.len() <= LINE_LEN_MAX && !line.trim().is_empty() {
            self.parser.text(line);
        }
        self.finish(begin, out);
    }

    /// The output is over; the tail is the last of it. None where there is no more to say than how the process ended.
    pub fn end(
        &mut self,
        process: Option<ProcessEnd>,
        tail: &str,
        out: &mut Vec<AgentEvent>,
    ) -> Option<Ending> {
        let begin = out.len();
        let ending = self.parser.end(process, tail, out);
        self.finish(begin, out);
        self.question.take().map(|text| Ending::Asked { text }).or(ending)
    }

    /// Finds storkit's own lines in what the agent said or its tools printed, and brings all within bounds.
    fn finish(&mut self, begin: usize, out: &mut Vec<AgentEvent>) {
        let mut own = Vec::new();
        for event in &out[begin..] {
            match event {
                AgentEvent::Text { text } => own.extend(contract::in_text(text)),
                AgentEvent::ToolResult { ok: true, text, .. } => own.extend(contract::in_output(text)),
                _ => {}
            }
        }
        out.extend(own);
        for event in &mut out[begin..] {
            bound(event);
            if let AgentEvent::Question { text } = event {
                self.question = Some(text.clone());
            }
        }
    }
}

/// Cuts what is longer than an event may be. Questions, answers and reasons are people's to read, and stay.
fn bound(event: &mut AgentEvent) {
    let (names, texts): ([Option<&mut String>; 2], Option<&mut String>) = match event {
        AgentEvent::Session { id, model } => ([Some(id), model.as_mut()], None),
        AgentEvent::Text { text } | AgentEvent::Notice { text } | AgentEvent::Result { text, .. } => {
            ([None, None], Some(text))
        }
        AgentEvent::ToolUse { id, tool, input } => ([Some(id), Some(tool)], Some(input)),
        AgentEvent::ToolResult { id, text, .. } => ([Some(id), None], Some(text)),
        AgentEvent::PermissionWanted { tool, input } => ([Some(tool), None], Some(input)),
        AgentEvent::Usage { used, session_total } => {
            let total = session_total.as_mut().and_then(|total| total.model.as_mut());
            ([used.model.as_mut(), total], None)
        }
        AgentEvent::Turn { used } => ([used.model.as_mut(), None], None),
        AgentEvent::RateLimit { kind, .. } => ([kind.as_mut(), None], None),
        AgentEvent::RateLimited { .. }
        | AgentEvent::Question { .. }
        | AgentEvent::Summary { .. }
        | AgentEvent::Reject { .. }
        | AgentEvent::MergeFailed { .. } => ([None, None], None),
    };
    for name in names.into_iter().flatten().filter(|name| name.len() > NAME_LEN_MAX) {
        *name = clip(name, NAME_LEN_MAX);
    }
    if let Some(text) = texts.filter(|text| text.len() > TEXT_LEN_MAX) {
        *text = clip(text, TEXT_LEN_MAX);
    }
}
