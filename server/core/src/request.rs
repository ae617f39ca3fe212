//! What people and tools ask of the daemon, and how it answers: the same for every face.

use serde::{Deserialize, Serialize};

use crate::facts::Part;
use crate::snapshot::{Status, Why};
use crate::stage::Stage;

/// A request. Stories are named as a person does: by id or by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Request {
    /// The board.
    Status {
        /// Whether archived stories are in it.
        all: bool,
    },
    /// Everything that keeps a story from moving.
    Why {
        /// The story.
        story: String,
    },
    /// Moves a story's file.
    Move {
        /// The story.
        story: String,
        /// Where to.
        to: Stage,
    },
    /// To current if in backlog; clears `blocked` and a hold of storkit's.
    Start {
        /// The story.
        story: String,
        /// The one agent to use.
        agent: Option<String>,
    },
    /// Ends what runs and holds the story.
    Stop {
        /// The story.
        story: String,
    },
    /// Clears `blocked` and all counts of failures, and starts at once.
    Retry {
        /// The story.
        story: String,
    },
    /// Answers the story's open question; the answer is taken at once.
    Answer {
        /// The story.
        story: String,
        /// The answer.
        text: String,
    },
    /// Keeps a message for the next prompt of the story's agent.
    Send {
        /// The story.
        story: String,
        /// The story whose agent says it; none is a person.
        from: Option<String>,
        /// The message.
        text: String,
    },
    /// Sends one more prompt into the story's last session: a message and a start.
    Continue {
        /// The story.
        story: String,
        /// The prompt.
        text: String,
    },
    /// From qa on to merge.
    Approve {
        /// The story.
        story: String,
    },
    /// From qa or merge back to current, with notes.
    Reject {
        /// The story.
        story: String,
        /// What is wrong.
        text: String,
    },
    /// Ticks an acceptance criterion, or takes its tick away.
    Check {
        /// The story.
        story: String,
        /// The how-manieth, from 1.
        criterion: u32,
        /// Whether it is met.
        done: bool,
    },
    /// Replaces a story's text.
    Write {
        /// The story.
        story: String,
        /// What of the file.
        part: Part,
        /// The new text.
        text: String,
        /// Hash of the file that was read, as `Story::content`; none is the file as the daemon knows it.
        seen: Option<u64>,
    },
    /// Sets `hold`.
    Hold {
        /// The story.
        story: String,
        /// Why.
        why: Option<String>,
    },
    /// Removes `hold`.
    Unhold {
        /// The story.
        story: String,
    },
    /// Removes `blocked`.
    Unblock {
        /// The story.
        story: String,
    },
    /// Nothing new starts, board-wide.
    Pause {
        /// Why.
        why: Option<String>,
    },
    /// Ends a pause, or an agent's drain or rate limit.
    Resume {
        /// The agent; none ends the pause.
        agent: Option<String>,
    },
}

impl Request {
    /// The story that it names, as a person wrote it; none where it is about the whole board.
    pub fn story(&self) -> Option<&str> {
        match self {
            Self::Why { story }
            | Self::Move { story, .. }
            | Self::Start { story, .. }
            | Self::Stop { story }
            | Self::Retry { story }
            | Self::Answer { story, .. }
            | Self::Send { story, .. }
            | Self::Continue { story, .. }
            | Self::Approve { story }
            | Self::Reject { story, .. }
            | Self::Check { story, .. }
            | Self::Write { story, .. }
            | Self::Hold { story, .. }
            | Self::Unhold { story }
            | Self::Unblock { story } => Some(story),
            Self::Status { .. } | Self::Pause { .. } | Self::Resume { .. } => None,
        }
    }
}

/// The answer to a request that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Reply {
    /// The board.
    Status(Box<Status>),
    /// Everything that keeps a story from moving.
    Why(Why),
    /// It is done, or was so already; what a person should know, in a sentence.
    Done {
        /// The story's id, where the request named one.
        id: Option<String>,
        /// What was done: `42_story_x: backlog → current`.
        message: String,
    },
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error}")]
pub struct Refusal {
    /// What is wrong, in a sentence.
    pub error: String,
    /// The way out.
    pub hint: Option<String>,
    /// The command's exit status: 1 refused, 3 no such story or agent.
    pub code: u8,
}
