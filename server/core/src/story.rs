//! A story as the pipeline sees it: what its front matter says, without its text.
//!
//! The text stays in the file; whoever needs it (prompts, `show`) reads it there.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{AgentName, StoryId};
use crate::leave::Verdict;
use crate::stage::Stage;

/// The sort of work that a story is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something new for a user.
    #[default]
    Story,
    /// Something that is wrong.
    Bug,
    /// A question to look into; it need not change anything and always goes to a person.
    Spike,
    /// A better shape, with the same behaviour.
    Refactor,
    /// Upkeep.
    Chore,
    /// A group of stories; it never runs.
    Epic,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [Self::Story, Self::Bug, Self::Spike, Self::Refactor, Self::Chore, Self::Epic];

    /// The name in files and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Story => "story",
            Self::Bug => "bug",
            Self::Spike => "spike",
            Self::Refactor => "refactor",
            Self::Chore => "chore",
            Self::Epic => "epic",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind that an id such as `42_bug_x` names, else a story.
    pub fn of_id(id: &StoryId) -> Self {
        let rest = id.as_str().trim_start_matches(|c: char| c.is_ascii_digit());
        let word = rest.trim_start_matches(['_', '-']).split(['_', '-']).next().unwrap_or_default();
        Self::from_name(word).unwrap_or_default()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much work a story looks like: by its acceptance criteria or its words, whichever says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Size {
    /// At most 3 criteria and 150 words.
    #[default]
    S,
    /// At most 7 criteria and 400 words.
    M,
    /// At most 15 criteria and 1,000 words.
    L,
    /// More.
    XL,
}

impl Size {
    /// All of them and their names.
    pub const NAMES: [(Self, &'static str); 4] =
        [(Self::S, "S"), (Self::M, "M"), (Self::L, "L"), (Self::XL, "XL")];

    /// The size of a story with so many criteria and words.
    pub fn of(criteria: usize, words: usize) -> Self {
        const MOST: [(Size, usize, usize); 3] = [(Size::S, 3, 150), (Size::M, 7, 400), (Size::L, 15, 1_000)];
        let fits = |most: &&(Self, usize, usize)| criteria <= most.1 && words <= most.2;
        MOST.iter().find(fits).map_or(Self::XL, |(size, ..)| *size)
    }

    /// The name in files.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(each, _)| *each == self).map_or("", |(_, name)| name)
    }
}

/// Who looks at a story before it lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Qa {
    /// Nobody: green gates are enough.
    #[default]
    Server,
    /// A `qa` agent.
    Agent,
    /// A person.
    Human,
}

impl Qa {
    /// The name in files and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent",
            Self::Human => "human",
        }
    }
}

/// How a story names another: by id, or by its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum StoryRef {
    /// By number: `41`.
    Number(u64),
    /// By id: `41_story_login`. Kept as text, since it may name nothing.
    Id(String),
}

impl fmt::Display for StoryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

/// A place in a file, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
}

/// A front matter value and where its key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed<T> {
    /// The value.
    pub value: T,
    /// Where its value stands in the file.
    pub place: Place,
}

/// `hold`: why nothing may be started for a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The words behind `hold:`; none for `hold: true`.
    pub why: Option<String>,
}

/// The hold that `storkit stop` writes.
pub const HOLD_STOPPED: &str = "stopped by hand";
/// The hold that storkit writes when a person takes a promoted story back.
pub const HOLD_MOVED_BACK: &str = "moved back by hand";

impl Hold {
    /// Whether storkit wrote it, so that the next move clears it.
    pub fn is_storkits(&self) -> bool {
        matches!(self.why.as_deref(), Some(HOLD_STOPPED | HOLD_MOVED_BACK))
    }
}

/// A story's own settings, which stand over its agent's and the defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overrides {
    /// The model's name.
    pub model: Option<String>,
    /// Most turns of a run.
    pub max_turns: Option<u32>,
    /// Most money of a run, in US dollars.
    pub max_budget_usd: Option<f64>,
    /// Longest run, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// One story: where it stands and what its front matter says.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// The stem of its file.
    pub id: StoryId,
    /// The folder that it is in.
    pub stage: Stage,
    /// The title: `name`, else the first `# ` heading, else the id's slug in words.
    pub name: String,
    /// The sort of work.
    pub kind: Kind,
    /// The epic whose text goes before its prompt.
    pub epic: Option<Keyed<StoryRef>>,
    /// What must be closed before it starts.
    pub depends_on: Vec<Keyed<StoryRef>>,
    /// 1 (first) to 5; 3 where the file says nothing.
    pub priority: u8,
    /// The one agent that may code it, as written (it may name none).
    pub agent: Option<Keyed<String>>,
    /// Who looks at it; none means the project's `qa`.
    pub qa: Option<Qa>,
    /// Nothing is started for it.
    pub hold: Option<Keyed<Hold>>,
    /// Its own settings.
    pub overrides: Overrides,
    /// Words to show and filter by.
    pub labels: Vec<String>,
    /// Why it stands still (`blocked`, or the older `merge_failure`).
    pub blocked: Option<Keyed<String>>,
    /// Waits for a person's review; meaningful in qa alone.
    pub review_hold: Option<Place>,
    /// The number of the open question.
    pub question: Option<Keyed<u32>>,
    /// Whether the open question's `### Answer` has text.
    pub answered: bool,
    /// What that answer says of a tool, where it is about one.
    pub verdict: Option<Verdict>,
    /// How much work it looks like.
    pub size: Size,
    /// A hash of all bytes of the file: equal means unchanged.
    pub content: u64,
}

impl Story {
    /// The priority of a story that names none.
    pub const PRIORITY_DEFAULT: u8 = 3;

    /// The number at the beginning of the id.
    pub fn number(&self) -> Option<u64> {
        self.id.number()
    }

    /// The order in which waiting stories are served: priority, number, id.
    pub fn order(&self) -> (u8, u64, &StoryId) {
        (self.priority, self.number().unwrap_or(u64::MAX), &self.id)
    }

    /// The agent that the front matter names, where it is a possible name.
    pub fn agent_name(&self) -> Option<AgentName> {
        self.agent.as_ref().and_then(|agent| AgentName::new(&agent.value).ok())
    }
}

/// Something wrong with a file, for a person: where, what, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file or folder, relative to the project's root; never absolute.
    pub path: String,
    /// Line, from 1, where known.
    pub line: Option<u32>,
    /// Column, from 1, in characters, where known.
    pub column: Option<u32>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What would mend it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of a whole file.
    pub fn of_file(path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, column: None, message: message.into(), hint: Some(hint.into()) }
    }

    /// A problem at a place in a file.
    pub fn at(
        path: impl Into<String>,
        place: Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { line: Some(place.line), column: Some(place.column), ..Self::of_file(path, message, hint) }
    }
}
