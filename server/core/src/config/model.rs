//! What `project.toml` says, checked: every name found, every duration in milliseconds.

use std::collections::BTreeMap;

use crate::ids::AgentName;
use crate::notify::Rule;
use crate::price::Price;
use crate::story::{Kind, Qa, Size, Story};

/// The whole of `project.toml`, with its defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The branch that stories land on; none means what HEAD is when the daemon starts.
    pub base_branch: Option<String>,
    /// Who looks at a story that does not say.
    pub qa: Qa,
    /// Attempts per story and stage before `blocked`; at least 1.
    pub max_retries: u32,
    /// Rejections before `blocked`; at least 1.
    pub max_rejections: u32,
    /// How long a file must be unchanged before its answer is taken.
    pub answer_settle_ms: u64,
    /// Names passed to gates besides the agents' common ones.
    pub gate_env_pass: Vec<String>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[board]`.
    pub board: BoardRules,
    /// `[worktrees]`.
    pub worktrees: Worktrees,
    /// `[[component]]`.
    pub components: Vec<Component>,
    /// `[[route]]`, in order.
    pub routes: Vec<Route>,
    /// `[classifier]`.
    pub classifier: Option<Classifier>,
    /// `[[price]]`, in order.
    pub prices: Vec<Price>,
    /// `[[notify]]`, in order.
    pub notify: Vec<Rule>,
    /// `[[gate]]`, in order.
    pub gates: Vec<Gate>,
    /// `[merge]`.
    pub merge: Merge,
    /// `[sandbox]`.
    pub sandbox: Sandbox,
    /// `[server]`.
    pub server: Server,
    /// `[[agent]]`, in order, with `[defaults]` already merged in.
    pub agents: Vec<Agent>,
}

/// `[limits]`: what runs at a time, and what may be spent.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Runs at a time, over all agents.
    pub agents: u32,
    /// Gate rounds at a time.
    pub gates: u32,
    /// US dollars per calendar day; 0 is no limit.
    pub budget_usd: f64,
    /// US dollars per story; 0 is no limit.
    pub story_budget_usd: f64,
    /// Free bytes below which nothing starts.
    pub disk_reserve_bytes: u64,
}

/// `[board]`.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardRules {
    /// How long a story stays in done before it is swept to archived.
    pub archive_after_ms: u64,
    /// Whether a backlog story moves on when its last dependency becomes done.
    pub auto_promote: bool,
    /// Most stories auto-promoted into current; 0 is no limit.
    pub wip_current: u32,
    /// Most stories auto-promoted into qa; 0 is no limit.
    pub wip_qa: u32,
}

/// `[worktrees]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Worktrees {
    /// The folder, relative to the project's root or absolute.
    pub dir: String,
    /// Slots kept ready in advance.
    pub warm: u32,
    /// Files that git ignores and a worktree needs.
    pub copy: Vec<String>,
    /// Shell commands that make a worktree ready.
    pub setup: Vec<String>,
    /// Whether setup may run before a slot has its final path.
    pub setup_relocatable: bool,
    /// Files whose change runs setup again in the merge worktree.
    pub setup_when: Vec<String>,
    /// Shell commands run before a worktree is removed.
    pub teardown: Vec<String>,
}

/// `[[component]]`: setup and teardown of a sub-folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name, for people.
    pub name: String,
    /// The folder, relative to the worktree.
    pub path: String,
    /// Shell commands run there after the worktree's own setup.
    pub setup: Vec<String>,
    /// Shell commands run there before the worktree's own teardown.
    pub teardown: Vec<String>,
}

/// After which stage's work a gate runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateStage {
    /// After a coder's run, in the story's worktree.
    Current,
    /// On the commit that is to land, in a merge worktree.
    Merge,
}

/// `[[gate]]`: a command that must exit 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its name; the first word of `run` where the file gives none.
    pub name: String,
    /// The shell command, run by `sh -c`.
    pub run: String,
    /// After which stages' work it runs.
    pub stages: Vec<GateStage>,
    /// Longest time, in milliseconds.
    pub timeout_ms: u64,
    /// A regular expression that its output must match; empty asks for nothing.
    pub expect: String,
}

/// How a story's work becomes base's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// One commit.
    #[default]
    Squash,
    /// A merge commit.
    Merge,
    /// The story's commits, one by one.
    Rebase,
}

/// `[merge]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merge {
    /// How a story's work becomes base's.
    pub strategy: Strategy,
    /// Path prefixes that only a person lets through.
    pub protect: Vec<String>,
    /// The remote that base is pushed to after a landing; empty is none.
    pub push: String,
}

/// How much an agent is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SandboxMode {
    /// The best that the machine has.
    #[default]
    Auto,
    /// Nothing runs without a full sandbox.
    Required,
    /// Nothing is confined.
    None,
}

/// `[sandbox]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sandbox {
    /// How much an agent is confined.
    pub mode: SandboxMode,
    /// Folders that may be written besides the worktree.
    pub write: Vec<String>,
    /// Whether agents reach the network.
    pub network: bool,
    /// Whether gates reach the network.
    pub gates_network: bool,
}

/// `[server]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// The TCP port; 0 is any free one.
    pub port: u16,
    /// The address to listen on.
    pub bind: String,
}

/// The work that an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Builds stories in current.
    Coder,
    /// Looks at stories in qa.
    Qa,
    /// Mends stories that do not land.
    Mergemaster,
    /// Never picked by itself.
    Other,
}

impl Role {
    /// The name in files and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coder => "coder",
            Self::Qa => "qa",
            Self::Mergemaster => "mergemaster",
            Self::Other => "other",
        }
    }

    /// The role that an agent's name says: `coder*`, `qa*`, `mergemaster*`, else other.
    pub fn of_name(name: &str) -> Self {
        [Self::Coder, Self::Qa, Self::Mergemaster]
            .into_iter()
            .find(|role| name.starts_with(role.name()))
            .unwrap_or(Self::Other)
    }
}

/// A rule that chooses who codes a story, and with which model. What it does not name fits every story.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// A label that the story has.
    pub label: Option<String>,
    /// The story's kind.
    pub kind: Option<Kind>,
    /// The story's priority, or a more urgent one.
    pub priority: Option<u8>,
    /// The story's size, or a larger one.
    pub size: Option<Size>,
    /// From this attempt on.
    pub attempt: Option<u32>,
    /// Who codes it, while that agent can be used at all.
    pub agent: Option<AgentName>,
    /// With which model, where the story names none.
    pub model: Option<String>,
}

impl Route {
    /// Whether it is for this attempt at the story.
    pub fn fits(&self, story: &Story, attempt: u32) -> bool {
        self.label.as_ref().is_none_or(|label| story.labels.contains(label))
            && self.kind.is_none_or(|kind| story.kind == kind)
            && self.priority.is_none_or(|priority| story.priority <= priority)
            && self.size.is_none_or(|size| story.size >= size)
            && self.attempt.is_none_or(|from| attempt >= from)
    }
}

/// `[classifier]`: a command that chooses the model of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classifier {
    /// The shell command.
    pub command: String,
    /// Longest time, in milliseconds.
    pub timeout_ms: u64,
}

/// The program that an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// Claude Code.
    #[default]
    ClaudeCode,
    /// Codex.
    Codex,
    /// Gemini.
    Gemini,
    /// Any agent that speaks the Agent Client Protocol.
    Acp,
    /// A model behind an OpenAI-compatible API.
    #[serde(rename = "openai")]
    OpenAi,
    /// A model behind the Gemini API.
    GeminiApi,
    /// Any program.
    Command,
}

impl Runtime {
    /// Whether a session of it can be gone on with.
    pub const fn resumes(self) -> bool {
        !matches!(self, Self::Command)
    }

    /// All runtimes and their names.
    pub const NAMES: [(Self, &'static str); 7] = [
        (Self::ClaudeCode, "claude-code"),
        (Self::Codex, "codex"),
        (Self::Gemini, "gemini"),
        (Self::Acp, "acp"),
        (Self::OpenAi, "openai"),
        (Self::GeminiApi, "gemini-api"),
        (Self::Command, "command"),
    ];

    /// The name in files and JSON.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(runtime, _)| *runtime == self).map_or("", |(_, name)| name)
    }
}

/// What an agent may do that it would ask leave for, as nobody sits before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permissions {
    /// Everything.
    #[default]
    Allow,
    /// Work in its files; for the rest a person is asked, through the story.
    Ask,
    /// Work in its files; it goes on without the rest, and nobody is asked.
    Deny,
}

impl Permissions {
    /// All of them and their names.
    pub const NAMES: [(Self, &'static str); 3] =
        [(Self::Allow, "allow"), (Self::Ask, "ask"), (Self::Deny, "deny")];

    /// The name in files and arguments.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(each, _)| *each == self).map_or("", |(_, name)| name)
    }

    /// By its name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(each, _)| *each)
    }
}

/// `[[agent]]`, with `[defaults]` merged in.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// The work that it does.
    pub role: Role,
    /// The program that it is.
    pub runtime: Runtime,
    /// How many stories at a time; at least 1.
    pub instances: u32,
    /// The model's name; empty is the program's own.
    pub model: String,
    /// The prompt's file, relative to `.storkit/`; none is `prompts/<role>.md`.
    pub prompt: Option<String>,
    /// The command; empty is the runtime's usual one.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables set for it.
    pub env: BTreeMap<String, String>,
    /// Names of variables passed on to it.
    pub env_pass: Vec<String>,
    /// What it may do that it would ask leave for.
    pub permissions: Permissions,
    /// Most turns of a run; 0 is no limit.
    pub max_turns: u32,
    /// Most money of a run, in US dollars; 0 is no limit.
    pub max_budget_usd: f64,
    /// Longest run, in milliseconds.
    pub timeout_ms: u64,
    /// Longest time without output and CPU time, in milliseconds.
    pub inactivity_timeout_ms: u64,
}

impl Config {
    /// The agent of that name.
    pub fn agent(&self, name: &AgentName) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.name == *name)
    }

    /// The agents of a role, in the file's order.
    pub fn agents_of(&self, role: Role) -> impl Iterator<Item = &Agent> {
        self.agents.iter().filter(move |agent| agent.role == role)
    }

    /// The gates that run after a stage's work, in order.
    pub fn gates_at(&self, stage: GateStage) -> impl Iterator<Item = &Gate> {
        self.gates.iter().filter(move |gate| gate.stages.contains(&stage))
    }
}
