//! What the loop says: a line of JSON for each event, and one for how it ended.
//!
//! Texts are cut to what an event may hold. That nobody listens any longer is no reason to stop: whoever supervises
//! the run ends it.

use std::cell::RefCell;
use std::io::Write;

use serde::Serialize;
use storkit_core::runtime::{AgentEvent, Ending, LimitStatus, Reset, TEXT_LEN_MAX, clip};

/// Writes the lines.
pub(super) struct Speaker(RefCell<Box<dyn Write>>);

impl Speaker {
    /// To that.
    pub(super) fn new(out: impl Write + 'static) -> Self {
        Self(RefCell::new(Box::new(out)))
    }

    /// An event.
    pub(super) fn event(&self, mut event: AgentEvent) {
        match &mut event {
            AgentEvent::Text { text }
            | AgentEvent::Notice { text }
            | AgentEvent::Question { text }
            | AgentEvent::Summary { text }
            | AgentEvent::Reject { text }
            | AgentEvent::MergeFailed { text }
            | AgentEvent::ToolUse { input: text, .. }
            | AgentEvent::ToolResult { text, .. }
            | AgentEvent::Result { text, .. } => *text = clip(text, TEXT_LEN_MAX),
            _ => {}
        }
        self.line(&event);
    }

    /// A warning, and it goes on.
    pub(super) fn notice(&self, text: &str) {
        self.event(AgentEvent::Notice { text: text.to_owned() });
    }

    /// A request was refused, and is tried again.
    pub(super) fn retrying(&self, why: &str, after_s: u64) {
        let reset = Reset::after(after_s);
        self.event(AgentEvent::RateLimit { status: LimitStatus::Retrying, kind: None, reset });
        self.notice(why);
    }

    /// How it ended: the last line.
    pub(super) fn ending(&self, ending: &Ending) {
        self.line(ending);
    }

    fn line(&self, value: &impl Serialize) {
        let mut line = serde_json::to_string(value).expect("events have texts as keys");
        line.push('\n');
        let mut out = self.0.borrow_mut();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}
