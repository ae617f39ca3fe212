//! What starts an agent: the order that the shell gives an adapter, and the adapter's answer.
//!
//! Values alone: nothing is looked up or started here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{Agent, Permissions};
use crate::facts::Usage;
use crate::ids::RunId;
use crate::leave::Leave;

/// What is replaced by the prompt in an agent's arguments.
pub const PROMPT_PLACE: &str = "{{prompt}}";
/// Longest prompt that goes into an argument, in bytes; the kernel's limit is 128 KiB.
pub const PROMPT_ARG_LEN_MAX: usize = 120 << 10;
/// The name of storkit's MCP server in the runtimes' own configuration.
pub(super) const MCP_NAME: &str = "storkit";
/// The variable that holds a run's token; only its name goes into arguments.
pub(super) const TOKEN_VARIABLE: &str = "STORKIT_TOKEN";

/// How an inner mode of storkit's own is told what the agent may do: `allow`, `ask` or `deny`.
pub const PERMISSIONS_OPTION: &str = "--permissions";
/// How it is told of a tool that a person has allowed.
pub const ALLOW_OPTION: &str = "--allow-tool";
/// How it is told of a tool that a person has refused.
pub const REFUSE_OPTION: &str = "--refuse-tool";

/// A session to go on with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// Its id, as the runtime named it.
    pub session: String,
    /// What the runtime's counter over the whole session said last (`Told::session_total`).
    #[serde(default)]
    pub total: Option<Usage>,
}

/// What an adapter needs to know to start an agent.
#[derive(Debug, Clone)]
pub struct LaunchOrder<'a> {
    /// The agent, with the story's own settings merged in.
    pub agent: &'a Agent,
    /// The run; where the runtime takes one, a new session gets its id.
    pub run: RunId,
    /// The session to go on with; none is a new one.
    pub resume: Option<&'a Resume>,
    /// What people said of tools that an agent wanted to use for the story.
    pub leave: &'a Leave,
    /// The prompt.
    pub prompt: &'a str,
    /// Where storkit's MCP server answers; `STORKIT_TOKEN` in the environment opens it.
    pub mcp_url: Option<&'a str>,
    /// Whether the agent runs as root.
    pub is_root: bool,
    /// A folder of the run's own for temporary files.
    pub tmp: Option<&'a str>,
    /// storkit's own program, for runtimes that are an inner mode of it; empty where it has no path that is text.
    pub exe: &'a str,
    /// The folder in which such runtimes keep their sessions.
    pub sessions: &'a str,
}

/// How the prompt reaches a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptBy {
    /// In its arguments, in place of [`PROMPT_PLACE`], or by the file `$STORKIT_PROMPT`; its input is the terminal.
    #[default]
    Argument,
    /// The prompt's file is its standard input; its output is the terminal all the same.
    Stdin,
}

/// A folder or file that a runtime keeps its state in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatePath {
    /// The variable that says where it is, where the runtime has one.
    pub variable: Option<&'static str>,
    /// Where it is without; `~` is the home folder.
    pub usual: &'static str,
}

/// What starts an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launch {
    /// The program; empty where none is known.
    pub command: String,
    /// Its arguments; [`PROMPT_PLACE`] in them stands for the prompt.
    pub args: Vec<String>,
    /// Variables that the runtime is better off with; the agent's own `env` goes over them.
    pub env: BTreeMap<&'static str, String>,
    /// How the prompt gets there.
    pub prompt: PromptBy,
    /// What it writes besides the worktree.
    pub state: &'static [StatePath],
    /// Settings of the agent that the runtime has no argument for.
    pub unheeded: Vec<&'static str>,
}

impl LaunchOrder<'_> {
    /// The program: the configured one, else the usual one.
    pub(super) fn command(&self, usual: &str) -> String {
        let own = &self.agent.command;
        if own.is_empty() { usual.to_owned() } else { own.clone() }
    }

    /// How the prompt goes. One that begins like an option, or does not fit, goes by standard input.
    pub(super) fn prompt_by(&self) -> PromptBy {
        if self.prompt.len() > PROMPT_ARG_LEN_MAX || self.prompt.starts_with('-') {
            PromptBy::Stdin
        } else {
            PromptBy::Argument
        }
    }

    /// Whether the agent's own arguments have one of these options, as a word of its own or before `=`.
    pub(super) fn says(&self, options: &[&str]) -> bool {
        let name = |arg: &str| arg.split_once('=').map_or(arg, |(name, _)| name).to_owned();
        self.agent.args.iter().any(|arg| options.contains(&name(arg).as_str()))
    }
}

impl Launch {
    /// Adds arguments.
    pub(super) fn arg(&mut self, words: &[&str]) {
        self.args.extend(words.iter().map(|word| (*word).to_owned()));
    }

    /// Tells an inner mode of storkit's own what the agent may do, and what people said of its tools.
    pub(super) fn permissions(&mut self, order: &LaunchOrder<'_>) {
        if order.agent.permissions != Permissions::Allow {
            self.arg(&[PERMISSIONS_OPTION, order.agent.permissions.name()]);
        }
        let allowed = order.leave.allowed.iter().map(|tool| (ALLOW_OPTION, tool));
        let refused = order.leave.refused.iter().map(|tool| (REFUSE_OPTION, tool));
        for (option, tool) in allowed.chain(refused) {
            self.arg(&[option, tool]);
        }
    }
}
