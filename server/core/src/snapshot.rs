//! What every face shows: the board as of one moment, in the shape of `status --json` and `why --json`.
//!
//! Keys are promised: they may be added, none removed; each is always there, null where it does not apply.

use serde::{Deserialize, Serialize};

use crate::request::Refusal;

/// `status --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// The project's name: its folder's.
    pub project: String,
    /// The main checkout, absolute.
    pub root: String,
    /// The branch that stories land on.
    pub base_branch: String,
    /// Why nothing starts, board-wide; null while work goes on.
    pub paused: Option<String>,
    /// How runs are confined.
    pub sandbox: String,
    /// The daemon; null when none runs.
    pub daemon: Option<DaemonView>,
    /// The stories, sorted by stage, priority, number, id.
    pub stories: Vec<StoryView>,
    /// The agents, in the order of project.toml.
    pub agents: Vec<AgentView>,
    /// The names of the gates; without any, stories land ungated.
    #[serde(default)]
    pub gates: Vec<String>,
    /// What is wrong with files, configuration and git.
    pub problems: Vec<ProblemView>,
}

impl Status {
    /// The story that a person means by an id, case aside, or by a number.
    pub fn find(&self, name: &str) -> Result<&StoryView, Refusal> {
        if let Some(story) = self.stories.iter().find(|story| story.id.eq_ignore_ascii_case(name)) {
            return Ok(story);
        }
        let number: Option<u64> = name.parse().ok();
        let mut found = self.stories.iter().filter(|story| number.is_some() && story.number == number);
        let refuse = |error: String, hint: &str, code| Refusal { error, hint: Some(hint.to_owned()), code };
        match (found.next(), found.next()) {
            (Some(story), None) => Ok(story),
            (Some(one), Some(other)) => Err(refuse(
                format!("{name} is the number of several stories: {}, {}, …", one.id, other.id),
                "name it by its id",
                1,
            )),
            (None, _) => Err(refuse("no such story".to_owned(), "`storkit status --all` lists them", 3)),
        }
    }
}

/// The daemon that serves a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DaemonView {
    /// Its process id.
    pub pid: u32,
    /// Where it listens on TCP; null while that is off.
    pub url: Option<String>,
    /// Its Unix socket, absolute.
    pub socket: String,
    /// Its version.
    pub version: String,
}

/// What a story is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is to be done.
    Idle,
    /// It waits for something that the reason names.
    Waiting,
    /// Its worktree is made ready.
    Preparing,
    /// An agent works on it.
    Running,
    /// Its gates run.
    Gating,
    /// It waits for a person's review.
    Review,
    /// It waits for a person's answer.
    Question,
    /// It lands.
    Merging,
    /// A person holds it.
    Held,
    /// It needs a person.
    Blocked,
    /// It is closed.
    Done,
    /// Its file needs mending, or is in two places, or names what is not there.
    Problem,
}

impl State {
    /// The word in JSON and on the board.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Gating => "gating",
            Self::Review => "review",
            Self::Question => "question",
            Self::Merging => "merging",
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Done => "done",
            Self::Problem => "problem",
        }
    }
}

/// One story of `status --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoryView {
    /// Its id.
    pub id: String,
    /// The number at the id's beginning.
    pub number: Option<u64>,
    /// Its title.
    pub name: String,
    /// `story`, `bug`, …
    pub kind: String,
    /// Its epic's id, or what the file says where no such epic exists.
    pub epic: Option<String>,
    /// `backlog current qa merge done archived`.
    pub stage: String,
    /// Its file, relative to the root.
    pub path: String,
    /// 1 to 5.
    pub priority: u8,
    /// Ids of what must be closed first (as written where it names nothing).
    pub depends_on: Vec<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// `server agent human`.
    pub qa: String,
    /// What it is doing.
    pub state: State,
    /// Why it does not move by itself, and for what it waits.
    pub reason: Option<String>,
    /// The agent that works on it, or did last.
    pub agent: Option<String>,
    /// The run in flight, or the last one.
    pub run: Option<String>,
    /// Failures so far + 1; 0 before the first run.
    pub attempt: u32,
    /// Since when it is in this state, RFC 3339.
    pub since: Option<String>,
    /// Since when it is in its stage, RFC 3339; null where storkit did not see it come.
    #[serde(default)]
    pub entered: Option<String>,
    /// Its branch, where there is one.
    pub branch: Option<String>,
    /// Its worktree, absolute, where there is one.
    pub worktree: Option<String>,
    /// Money spent on it, in US dollars; null when unknown.
    pub cost_usd: Option<f64>,
}

/// One agent of `status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentView {
    /// Its name.
    pub name: String,
    /// `coder qa mergemaster other`.
    pub stage: String,
    /// `claude-code`, `command`, …
    pub runtime: String,
    /// `idle busy rate_limited drained`.
    pub state: String,
    /// Why it is not available.
    pub reason: Option<String>,
    /// The stories that it works on.
    pub stories: Vec<String>,
    /// Until when it is not available, RFC 3339.
    pub until: Option<String>,
}

/// One problem of `status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProblemView {
    /// The file or folder, relative to the root.
    pub path: String,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What would mend it.
    pub hint: Option<String>,
}

/// `why --json`: every condition that keeps a story from moving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Why {
    /// The story.
    pub id: String,
    /// What it is doing.
    pub state: State,
    /// The conditions, the weightiest first; empty when nothing keeps it.
    pub conditions: Vec<Condition>,
}

/// One condition of `why`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Condition {
    /// Its kind, one word: `blocked held dependency agent paused limit …`.
    pub what: String,
    /// The condition, in a sentence.
    pub detail: String,
    /// The file that causes it, relative to the root.
    pub path: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// The front matter or configuration key that causes it.
    pub key: Option<String>,
    /// That key's value.
    pub value: Option<String>,
    /// What would end it.
    pub hint: Option<String>,
}
