//! What storkit remembers of a story beyond its file: kept in the ledger, and no harm when that is lost.

use serde::{Deserialize, Serialize};

use crate::config::{Agent, Role};
use crate::facts::{Edit, Usage};
use crate::ids::{AgentName, Oid, RunId};
use crate::leave::Leave;
use crate::message::Messages;
use crate::runtime::Resume;
use crate::stage::Stage;
use crate::time::Wall;

/// Most earlier failures kept for prompts.
pub const NOTES_MAX: usize = 5;
/// Most bytes of output kept with a failure.
pub const NOTE_TAIL_MAX: usize = 3000;

/// Most sessions kept of a story.
const SESSIONS_MAX: usize = 8;

/// What a story's stage needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// What the stage begins with: a coder, a look, a landing.
    #[default]
    Begin,
    /// In current: the work is there, the gates are to judge it.
    Gate,
    /// In merge: a mergemaster is to mend it.
    Mend,
}

/// One failure, for the next prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// When.
    pub at: Wall,
    /// What happened, in a sentence.
    pub what: String,
    /// The end of the output, at most `NOTE_TAIL_MAX` bytes.
    pub tail: String,
    /// Of a landing that failed: the files that do not go together with base.
    #[serde(default)]
    pub landing: Option<Vec<String>>,
}

/// A session of an agent on the story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The agent.
    pub agent: AgentName,
    /// The model that it was started with.
    pub model: String,
    /// The session's id, as the runtime names it.
    pub id: String,
    /// The session's own counter, where the runtime has one.
    #[serde(default)]
    pub total: Option<Usage>,
    /// When its last run ended: what came after it is new to it.
    pub at: Wall,
    /// Rejections that it knows of.
    #[serde(default)]
    pub rejections: u32,
    /// What of the shared context it knows (`context::marks`).
    #[serde(default)]
    pub context: Vec<u64>,
}

/// A session to go on with, and what is new to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Warm {
    /// The session.
    pub resume: Resume,
    /// It knows what came before this.
    pub since: Wall,
    /// The review notes are new to it.
    pub notes_are_new: bool,
    /// What of the shared context it knows (`context::marks`).
    pub context: Vec<u64>,
}

/// A limit of an account, as it is kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitMemo {
    /// What is limited together: a runtime, and where it has several accounts which.
    pub account: String,
    /// When it is over.
    pub until: Wall,
    /// How long it was when it was set, in milliseconds; it ends when either is over.
    pub span_ms: u64,
    /// Why, in a sentence.
    pub why: String,
}

/// What storkit remembers of one story.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The stage that the rest belongs to; none for a story never acted on.
    pub stage: Option<Stage>,
    /// Since when it is in that stage.
    pub entered: Wall,
    /// What the stage needs next.
    pub step: Step,
    /// Failures in this stage.
    pub failures: u32,
    /// Failures to land, over the stages.
    pub landings_failed: u32,
    /// Runs of the mergemaster for this landing.
    pub mends: u32,
    /// Rejections since the last approval.
    pub rejections: u32,
    /// Runs in a row that ended with "try again later".
    pub transients: u32,
    /// Runs in a row that ended before there was a session, or whose session was gone.
    pub cold_starts: u32,
    /// Whether a person moved it to where it is.
    pub by_person: bool,
    /// A person moved it on before its run had ended: what lies uncommitted in its worktree is part of its work.
    pub gather: bool,
    /// Whether `review_hold` was written for this stay in qa.
    pub review_asked: bool,
    /// A rejection by an agent is being written; the file goes back to current then.
    pub rejecting: bool,
    /// The stage whose run asked the open question.
    pub asked_in: Option<Stage>,
    /// The question whose answer the next prompt is to hold.
    pub answered: Option<u32>,
    /// Its commit on base, where it has landed in this stay in merge.
    pub landed: Option<Oid>,
    /// Changed paths that only a person lets through, as last seen.
    pub protected: Vec<String>,
    /// Where storkit is moving its file: found there after a crash, no person moved it.
    pub moving: Option<Stage>,
    /// Edits of its file that are not written yet.
    pub unwritten: Vec<Edit>,
    /// A `blocked` that a person took away while its cause still stands.
    pub declined: Option<String>,
    /// Runs so far.
    pub runs: u32,
    /// Questions so far.
    pub questions: u32,
    /// What people said of tools that its agents wanted to use.
    pub leave: Leave,
    /// The model that the classifier chose for this stay.
    pub classified: Option<String>,
    /// The last run.
    pub run: Option<RunId>,
    /// Its agent.
    pub agent: Option<AgentName>,
    /// The `summary` of the last run that gave one.
    pub summary: Option<String>,
    /// Sessions that can be gone on with, the newest last.
    pub sessions: Vec<Session>,
    /// Money spent, in US dollars; none when nobody reported any.
    pub cost_usd: Option<f64>,
    /// Failures for the next prompt, the oldest first.
    pub notes: Vec<Note>,
    /// Messages for the next prompt.
    pub messages: Messages,
}

impl Memory {
    /// Adds a failure, dropping the oldest beyond `NOTES_MAX`, and cutting its output to the end that counts.
    pub fn note(&mut self, mut note: Note) {
        let cut = note.tail.len().saturating_sub(NOTE_TAIL_MAX);
        let cut = (cut..=note.tail.len()).find(|at| note.tail.is_char_boundary(*at)).unwrap_or_default();
        note.tail.drain(..cut);
        self.notes.push(note);
        let surplus = self.notes.len().saturating_sub(NOTES_MAX);
        self.notes.drain(..surplus);
    }

    /// The session that an agent can go on with; a reviewer looks with fresh eyes.
    pub fn warm(&self, agent: &Agent, role: Role) -> Option<Warm> {
        if !agent.runtime.resumes() || !matches!(role, Role::Coder | Role::Mergemaster) {
            return None;
        }
        let is_its = |session: &&Session| session.agent == agent.name && session.model == agent.model;
        let session = self.sessions.iter().rev().find(is_its)?;
        Some(Warm {
            resume: Resume { session: session.id.clone(), total: session.total.clone() },
            since: session.at,
            notes_are_new: self.rejections > session.rejections,
            context: session.context.clone(),
        })
    }

    /// Keeps a session in place of an earlier one of the same agent and model, dropping the oldest beyond `SESSIONS_MAX`.
    pub fn keep_session(&mut self, session: Session) {
        self.sessions.retain(|other| (&other.agent, &other.model) != (&session.agent, &session.model));
        self.sessions.push(Session { rejections: self.rejections, ..session });
        let surplus = self.sessions.len().saturating_sub(SESSIONS_MAX);
        self.sessions.drain(..surplus);
    }

    /// Forgets an agent's sessions: its next run begins anew.
    pub fn forget_sessions(&mut self, agent: &AgentName) {
        self.sessions.retain(|session| session.agent != *agent);
    }

    /// Forgets what belongs to a stay in a stage.
    pub fn enter(&mut self, stage: Stage, at: Wall) {
        self.stage = Some(stage);
        self.entered = at;
        self.step = Step::Begin;
        self.failures = 0;
        self.transients = 0;
        self.cold_starts = 0;
        self.gather = false;
        self.review_asked = false;
        self.rejecting = false;
        self.landed = None;
        self.declined = None;
        self.classified = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_bounded_in_number_and_length() {
        let mut memory = Memory::default();
        for attempt in 1..=9 {
            let tail = format!("{}end", "ä".repeat(4000));
            memory.note(Note { attempt, at: Wall(0), what: "exit 1".to_owned(), tail, landing: None });
        }
        assert_eq!(memory.notes.iter().map(|note| note.attempt).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        assert!(
            memory.notes.iter().all(|note| note.tail.len() <= NOTE_TAIL_MAX && note.tail.ends_with("end"))
        );
    }
}
