//! What is said between the daemon and a supervisor: the order that starts it, and the lines back.
//!
//! Both sides are the same program, so the format may change with it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use storkit_core::config::Runtime;
use storkit_core::facts::ProcessEnd;
use storkit_core::ids::{RunId, StoryId};
use storkit_core::runtime::{AgentEvent, Ending, PromptBy, Resume, Told};
use storkit_core::stage::Stage;

/// The file in the run's folder that says what could not be started.
pub(super) const EXEC_ERROR_FILE: &str = "exec-error";
/// The file in the run's folder that says how the program ended, where a container's first process saw it.
pub(super) const EXIT_FILE: &str = "exit";
/// The variable that names the prompt's file.
pub(super) const PROMPT_VARIABLE: &str = "STORKIT_PROMPT";
/// The variable that marks a run's processes.
pub const RUN_VARIABLE: &str = "STORKIT_RUN";
/// The variable that marks the processes of a repository's runs.
pub const REPO_VARIABLE: &str = "STORKIT_REPO";

/// One program to run under supervision: an agent on a terminal, or a gate or hook without one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunSpec {
    /// The run; its processes carry it as `STORKIT_RUN`.
    pub run: RunId,
    /// The story, for the log.
    pub story: StoryId,
    /// What marks this repository's processes (`STORKIT_REPO`): see [`repo_marker`].
    pub repo: String,
    /// The folder that the program starts in, absolute.
    pub worktree: PathBuf,
    /// Whether the folder must be a git worktree: then its `.git` file is watched, and must be there.
    pub needs_git: bool,
    /// This run's own folder, `run/runs/<run>`, absolute; made, mode 0700, where it is missing.
    pub run_dir: PathBuf,
    /// Where the output goes.
    pub log: LogSpec,
    /// What its output is read as, where it is an agent's.
    pub runtime: Runtime,
    /// The session that it goes on with, where it is not a new one.
    pub resume: Option<Resume>,
    /// The program: a path, absolute or relative to the worktree, or a name to be found on `PATH`.
    pub command: String,
    /// Its arguments; `{{prompt}}` in them is replaced.
    pub args: Vec<String>,
    /// The prompt; written to `prompt.md` in the run's folder, which `STORKIT_PROMPT` names.
    pub prompt: Option<String>,
    /// How the program gets it besides.
    pub prompt_by: PromptBy,
    /// Its whole environment; the marks and `STORKIT_PROMPT` are added.
    pub env: BTreeMap<String, String>,
    /// Values that are masked in everything that is kept.
    pub secrets: Vec<String>,
    /// Longest run, in milliseconds; 0 is no limit.
    pub timeout_ms: u64,
    /// Longest time without output and CPU time, in milliseconds; 0 is no limit.
    pub inactivity_ms: u64,
    /// Whether it gets a terminal of 120×40; else its input is empty and its output a pipe.
    pub terminal: bool,
}

/// Where a run's output goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogSpec {
    /// The file, absolute; replaced where it exists.
    pub path: PathBuf,
    /// What its first line says; with none the file is the bare output and not NDJSON.
    pub head: Option<LogHead>,
    /// Free bytes on its disk below which output is no longer kept.
    pub disk_reserve_bytes: u64,
}

/// What the first line of a run's log says besides run and story.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogHead {
    /// The story's stage.
    pub stage: Stage,
    /// The agent.
    pub agent: String,
    /// Failures so far + 1.
    pub attempt: u32,
    /// The run's number of all of the story's runs.
    pub number: u32,
    /// When it began, RFC 3339.
    pub at: String,
}

/// What keeps a run's processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// A PID namespace of its own: the kernel ends all of it.
    PidNamespace,
    /// A supervisor that inherits orphans, and looks for them.
    Subreaper,
}

/// Which folder a path stood for, so that another one in its place is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    dev: u64,
    ino: u64,
}

impl Identity {
    /// Of the folder that a path leads to, links followed; none where there is no folder.
    pub(super) fn of_folder(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        meta.is_dir().then(|| Self { dev: meta.dev(), ino: meta.ino() })
    }
}

/// The order to a supervisor: a file, mode 0600, that goes when the run is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ShimSpec {
    pub(super) spec: RunSpec,
    pub(super) container: Container,
    pub(super) worktree_is: Identity,
}

/// Why a program did not start, as left in `exec-error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExecError {
    /// The folder is not the one that was meant.
    pub(super) worktree_lost: bool,
    /// Why, for people.
    pub(super) text: String,
}

/// One line from a supervisor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "msg", rename_all = "snake_case")]
pub(super) enum Message {
    /// The program's first process is there.
    Started { pid: i32, container: Container },
    /// The agent said something.
    Event { event: AgentEvent },
    /// Everything of the run has ended.
    Ended(Box<Ended>),
}

/// What brought a run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Nothing but the program itself, or a stranger's signal.
    Exited,
    /// storkit: a stop, or its own end.
    Stopped,
    /// The time limit.
    TimedOut,
    /// No output and no CPU time.
    Inactive,
    /// The worktree, or its `.git` file, was replaced or removed.
    WorktreeLost,
    /// It never started.
    NotStartable,
}

/// How a run ended, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) how: How,
    pub(super) process: Option<ProcessEnd>,
    pub(super) not_startable: Option<String>,
    pub(super) told: Told,
    pub(super) ending: Option<Ending>,
    pub(super) tail: String,
}

/// The mark of a repository: the path of its `.storkit/run` folder.
pub fn repo_marker(run_root: &Path) -> String {
    run_root.to_string_lossy().replace('\0', "")
}
