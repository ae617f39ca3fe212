//! What goes into a prompt.

use serde::Serialize;

use crate::story::Story;
use crate::story_file::Doc;
use crate::story_file::doc::Criterion;

/// Everything that a prompt may say. Texts that do not apply are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromptParts {
    /// The story.
    pub story: StoryPart,
    /// Its epic.
    pub epic: Option<Epic>,
    /// The agent's name.
    pub agent: String,
    /// The stage that the story is in.
    pub stage: String,
    /// The run's id.
    pub run: String,
    /// Failures so far + 1.
    pub attempt: u32,
    /// Attempts before `blocked`.
    pub max_retries: u32,
    /// The branch that the story is to land on.
    pub base_branch: String,
    /// The story's branch.
    pub branch: String,
    /// The worktree's folder, absolute.
    pub worktree: String,
    /// The commands of the gates that judge the work.
    pub gates: Vec<String>,
    /// Earlier failures, the oldest first.
    pub failures: Vec<Failure>,
    /// The landing that failed, for a mergemaster or for the coder that gets the story back.
    pub landing: Option<LandingFailure>,
    /// What stands below `## Review notes`.
    pub review_notes: String,
    /// The question that was answered since the last run.
    pub answer: Option<Answer>,
    /// Messages of other agents and people.
    pub messages: Vec<MessagePart>,
    /// The project's shared context.
    pub context: String,
    /// What happened on the board since the last run.
    pub events: String,
    /// The text of `.storkit/AGENT.md`.
    pub agent_md: String,
    /// Random text that marks where the words of others begin and end; a new one for each run.
    pub nonce: String,
}

/// The story as templates see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StoryPart {
    /// Its id.
    pub id: String,
    /// The number at the id's beginning.
    pub number: Option<u64>,
    /// Its title.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its text behind the front matter.
    pub body: String,
    /// Its acceptance criteria.
    pub criteria: Vec<CriterionPart>,
    /// Its labels.
    pub labels: Vec<String>,
    /// Its file, relative to the project's root.
    pub path: String,
}

/// A criterion as templates see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CriterionPart {
    /// Its text.
    pub text: String,
    /// Whether its box is ticked.
    pub done: bool,
}

impl StoryPart {
    /// The part of a story whose file has that text.
    pub fn new(story: &Story, text: &str) -> Self {
        let doc = Doc::new(text);
        let criterion = |criterion: Criterion| CriterionPart { text: criterion.text, done: criterion.done };
        Self {
            id: story.id.to_string(),
            number: story.number(),
            name: story.name.clone(),
            kind: story.kind.name().to_owned(),
            body: doc.body().trim().to_owned(),
            criteria: doc.criteria().into_iter().map(criterion).collect(),
            labels: story.labels.clone(),
            path: crate::story_file::path_of(story.stage, story.id.file_name().as_bytes()),
        }
    }
}

/// An epic as templates see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Epic {
    /// Its id.
    pub id: String,
    /// Its title.
    pub name: String,
    /// Its text.
    pub body: String,
}

/// What somebody says to the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessagePart {
    /// The story whose agent says it; none is a person.
    pub from: Option<String>,
    /// When, in words; may be empty.
    pub at: String,
    /// What.
    pub text: String,
}

/// A run or a gate that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// When, in words; may be empty.
    pub at: String,
    /// What failed: ``gate `tests`: exit 1``, `exit 3`, `timeout 2h`.
    pub what: String,
    /// The end of the output.
    pub tail: String,
}

/// A landing that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LandingFailure {
    /// What failed, in words.
    pub what: String,
    /// The files that do not go together with base.
    pub files: Vec<String>,
    /// The end of the output.
    pub tail: String,
}

/// A question and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// What the agent asked.
    pub question: String,
    /// What a person said.
    pub answer: String,
}
