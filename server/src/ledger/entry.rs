//! What is written into the ledger, one type a table. Only data: nothing here touches the database.

use jiff::Timestamp;
use storkit_core::facts::Usage;
use storkit_core::ids::{AgentName, RunId, StoryId};

/// Longest text of one entry, in bytes; what is longer is cut at its end.
pub(super) const TEXT_LEN_MAX: usize = 64 * 1024;

/// One thing to remember.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A run began.
    RunStarted(RunStart),
    /// A run ended.
    RunEnded(RunEnd),
    /// Something happened; its number comes from `Ledger::record_event`.
    Event {
        /// Its sequence number.
        seq: u64,
        /// What happened.
        event: EventEntry,
    },
    /// Tokens and money of a run.
    Usage(UsageEntry),
    /// A run's session began, by which the next run may go on.
    Session(SessionEntry),
    /// An agent asked.
    Question(QuestionEntry),
    /// A person answered.
    Answer(AnswerEntry),
    /// One story's agent wrote to another's.
    Message(MessageEntry),
    /// What the pipeline remembers of a story, whole; none forgets it.
    StoryMemory {
        /// The story.
        story: StoryId,
        /// Its memory, as JSON.
        json: Option<String>,
    },
    /// A named value of the ledger's own.
    Meta {
        /// The name.
        key: String,
        /// The value.
        value: String,
    },
}

/// The beginning of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStart {
    /// The run.
    pub run: RunId,
    /// Its story.
    pub story: StoryId,
    /// The agent's role or the board's stage, as in `STORKIT_STAGE`.
    pub stage: String,
    /// The agent.
    pub agent: AgentName,
    /// The how-manieth run of the story, from 1.
    pub number: u32,
    /// Failures so far + 1.
    pub attempt: u32,
    /// Its prompt's file, relative to the project's root.
    pub prompt: String,
    /// Its log, relative to the project's root.
    pub log: String,
    /// When.
    pub at: Timestamp,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// The run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// How, in words: `done`, `failed`, `stopped`, …
    pub how: String,
    /// The exit status, where it exited.
    pub exit: Option<i32>,
    /// The signal, where one ended it.
    pub signal: Option<i32>,
    /// What the agent said that it did.
    pub summary: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventEntry {
    /// When.
    pub at: Timestamp,
    /// The story that it is about.
    pub story: Option<StoryId>,
    /// Its kind, one word.
    pub kind: String,
    /// What happened, in a sentence.
    pub text: String,
    /// Its data, as JSON.
    pub json: Option<String>,
}

/// Tokens and money of a run, added to what it used before.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageEntry {
    /// The run.
    pub run: RunId,
    /// Its story.
    pub story: StoryId,
    /// Its agent.
    pub agent: AgentName,
    /// When it was reported.
    pub at: Timestamp,
    /// What was used.
    pub usage: Usage,
}

/// A session of a runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEntry {
    /// The story.
    pub story: StoryId,
    /// The agent.
    pub agent: AgentName,
    /// The run in which it was seen.
    pub run: RunId,
    /// The runtime's name for it.
    pub session: String,
    /// When.
    pub at: Timestamp,
}

/// A question of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionEntry {
    /// The story.
    pub story: StoryId,
    /// The question's number in the story.
    pub number: u32,
    /// The run that asked.
    pub run: Option<RunId>,
    /// When.
    pub at: Timestamp,
    /// The question.
    pub text: String,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerEntry {
    /// The story.
    pub story: StoryId,
    /// The question's number.
    pub number: u32,
    /// When it was taken.
    pub at: Timestamp,
    /// The answer.
    pub text: String,
}

/// A message between stories' agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageEntry {
    /// When.
    pub at: Timestamp,
    /// Who wrote it: a story; none is a person.
    pub from: Option<StoryId>,
    /// For whom.
    pub to: StoryId,
    /// What.
    pub text: String,
}

/// `text` cut to [`TEXT_LEN_MAX`] bytes, at a character.
pub(super) fn capped(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_LEN_MAX)]
}
