//! Any agent that speaks the Agent Client Protocol: storkit's own program is between it and the terminal.
//!
//! `storkit __acp-agent` starts the agent with pipes, lets a [`Client`] speak with it, and prints what that says as
//! lines of [`Said`], which this adapter reads. Nothing here does I/O: messages come in as values and go out as steps.

mod choice;
mod client;
mod failure;
mod update;

pub use client::{Client, Mcp, Step, Task};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ending::{self, Ending};
use super::event::AgentEvent;
use super::launch::{Launch, LaunchOrder, Resume, StatePath};
use super::{Adapter, Parser};
use crate::config::Runtime;
use crate::facts::ProcessEnd;

/// The mode of storkit's program that starts such an agent.
pub const MODE: &str = "__acp-agent";
/// The variable by which an agent's `env` chooses another of its modes than the freest.
pub const MODE_VARIABLE: &str = "STORKIT_ACP_MODE";

/// Where the agents that are known keep theirs; what another one writes is not known.
const STATE: &[StatePath] = &[
    StatePath { variable: Some("CLAUDE_CONFIG_DIR"), usual: "~/.claude" },
    StatePath { variable: None, usual: "~/.claude.json" },
    StatePath { variable: Some("CODEX_HOME"), usual: "~/.codex" },
    StatePath { variable: None, usual: "~/.gemini" },
];

pub(super) const ADAPTER: Adapter = Adapter { runtime: Runtime::Acp, command: "", launch, parser };

/// A line of `storkit __acp-agent`: an object with the key `acp`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Something that the agent does or says.
    Event(AgentEvent),
    /// How it ended: the last line.
    Ending(Ending),
}

impl Said {
    /// The line.
    pub fn line(&self) -> String {
        serde_json::json!({ "acp": self }).to_string()
    }

    fn read(object: &Value) -> Option<Self> {
        Self::deserialize(object.get("acp")?).ok()
    }
}

fn launch(order: &LaunchOrder<'_>) -> Launch {
    let agent = order.agent;
    if agent.command.is_empty() {
        return Launch::default();
    }
    let mut launch = Launch { command: order.exe.to_owned(), state: STATE, ..Launch::default() };
    launch.arg(&[MODE]);
    let env = |name: &str| agent.env.get(name).map_or("", String::as_str);
    for (option, value) in [
        ("--session", order.resume.map_or("", |resume| &resume.session)),
        ("--model", &agent.model),
        ("--mode", env(MODE_VARIABLE)),
        ("--mcp", order.mcp_url.unwrap_or_default()),
    ] {
        if !value.is_empty() {
            launch.arg(&[option, value]);
        }
    }
    launch.permissions(order);
    launch.arg(&["--", &agent.command]);
    launch.args.extend(agent.args.iter().cloned());
    if order.is_root {
        // Claude Code's freest mode wants it from root.
        launch.env.insert("IS_SANDBOX", "1".to_owned());
    }
    // Gemini's child would hear no signal.
    launch.env.insert("GEMINI_CLI_NO_RELAUNCH", "true".to_owned());
    if let Some(tmp) = order.tmp {
        launch.env.insert("TMPDIR", tmp.to_owned());
    }
    let unheeded = [("max_turns", agent.max_turns > 0), ("max_budget_usd", agent.max_budget_usd > 0.0)];
    launch.unheeded.extend(unheeded.into_iter().filter(|(_, set)| *set).map(|(name, _)| name));
    launch
}

fn parser(_resume: Option<&Resume>) -> Box<dyn Parser> {
    Box::new(Lines::default())
}

/// What is known of a run so far.
#[derive(Debug, Default)]
struct Lines {
    has_session: bool,
    ending: Option<Ending>,
}

impl Parser for Lines {
    fn object(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        match Said::read(object) {
            Some(Said::Event(event)) => {
                self.has_session |= matches!(event, AgentEvent::Session { .. });
                out.push(event);
            }
            Some(Said::Ending(ending)) => self.ending = Some(failure::clipped(ending)),
            None => {}
        }
    }

    fn end(&mut self, process: Option<ProcessEnd>, tail: &str, _out: &mut Vec<AgentEvent>) -> Option<Ending> {
        match self.ending.take() {
            Some(Ending::Done) => Some(ending::succeeded(process)),
            Some(ending) => Some(ending),
            None => ending::unsaid(process, self.has_session, tail.to_owned()),
        }
    }
}
