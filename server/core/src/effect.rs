//! What is to be done: the pipeline's answers, which the shell carries out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{Agent, Config, Gate, Strategy};
use crate::event::AskId;
use crate::facts::{Edit, GateResult, Usage};
use crate::ids::{AgentName, Oid, OpId, RunId, StoryId};
use crate::leave::Leave;
use crate::memory::{LimitMemo, Memory, Note, Warm};
use crate::message::Message;
use crate::request::{Refusal, Reply};
use crate::sighting::FileKey;
use crate::stage::Stage;
use crate::time::Wall;

/// One thing to do. Those with an `OpId` are answered by one `Event::Ended`, whatever becomes of them.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Renames a story's file to another stage, replacing nothing.
    Move(OpId, MoveOrder),
    /// Changes keys or sections of a story's file, losing no save.
    Edit(OpId, EditOrder),
    /// Makes the story's worktree ready.
    Prepare(OpId, PrepareOrder),
    /// Runs an agent in it, and settles what it left there.
    Run(OpId, Box<RunOrder>),
    /// Runs a round of gates.
    Gates(OpId, GatesOrder),
    /// Looks at the story's branch; what a run left uncommitted is committed first where the order says so.
    Inspect(OpId, StoryId, InspectOrder),
    /// Puts the story's work onto base's tip, in memory.
    Squash(OpId, SquashOrder),
    /// Moves base to a gated commit.
    Advance(OpId, AdvanceOrder),
    /// Removes worktree and branch of a closed story where nothing is lost by it.
    Close(OpId, StoryId, Arc<Config>),
    /// Ends an effect in flight, which still answers; without the grace when `now`.
    Cancel {
        /// The effect.
        op: OpId,
        /// Milliseconds between TERM and KILL.
        grace_ms: u64,
    },
    /// Looks at these files again.
    Rescan(Vec<FileKey>),
    /// The landing's record of intent has served: the story's file is in done. With a remote, base is pushed there.
    Landed(StoryId, Option<String>),
    /// Keeps a story's memory in the ledger; none forgets it.
    Remember(StoryId, Option<Box<Memory>>),
    /// Keeps in the ledger why nothing starts.
    RememberPause(Option<String>),
    /// Keeps in the ledger which runtimes are limited.
    RememberLimits(Vec<LimitMemo>),
    /// Writes a run's beginning into the ledger.
    RunBegan(Box<RunBegan>),
    /// Writes a run's end into the ledger.
    RunOver(Box<RunOver>),
    /// Writes a message into the ledger.
    Sent(Box<Sent>),
    /// Writes a question into the ledger.
    Asks(Box<Asks>),
    /// Tells people what happened: shown live, and kept in the ledger.
    Tell(Notice),
    /// Answers a request.
    Answer(AskId, Box<Result<Reply, Refusal>>),
    /// Nothing is in flight any more: the daemon may end.
    Stop,
}

/// A file to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveOrder {
    /// The story.
    pub story: StoryId,
    /// The folder that it must be in.
    pub from: Stage,
    /// The folder that it goes to.
    pub to: Stage,
}

/// A file to edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditOrder {
    /// The story.
    pub story: StoryId,
    /// The folder that it must be in.
    pub stage: Stage,
    /// The changes, made in one write.
    pub edits: Vec<Edit>,
}

/// A worktree to make ready.
#[derive(Debug, Clone)]
pub struct PrepareOrder {
    /// The story.
    pub story: StoryId,
    /// The run that it is for.
    pub run: RunId,
    /// The coder whose model the classifier is to choose.
    pub classify: Option<AgentName>,
    /// The configuration in force.
    pub config: Arc<Config>,
}

/// An agent to run.
#[derive(Debug, Clone)]
pub struct RunOrder {
    /// The run.
    pub run: RunId,
    /// The story.
    pub story: StoryId,
    /// The story's title.
    pub name: String,
    /// The stage that it is in.
    pub stage: Stage,
    /// The agent, with the story's overrides merged in.
    pub agent: Agent,
    /// Failures so far + 1.
    pub attempt: u32,
    /// The run's number of all of the story's runs, from 1.
    pub number: u32,
    /// The story's epic, whose text goes before the prompt.
    pub epic: Option<FileKey>,
    /// The worktree, absolute.
    pub worktree: String,
    /// The base commit that the branch stands on.
    pub base: Oid,
    /// The session to go on with, and what is new to it; none is a new one.
    pub resume: Option<Warm>,
    /// Earlier failures.
    pub notes: Vec<Note>,
    /// Whether the last question's answer is to be in the prompt: its number.
    pub answer: Option<u32>,
    /// What people said of tools that an agent wanted to use for the story.
    pub leave: Leave,
    /// What others have to say to the agent.
    pub messages: Vec<Message>,
    /// The configuration in force.
    pub config: Arc<Config>,
}

/// Where a round of gates is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatesPlace {
    /// In the story's worktree.
    Story,
    /// In the merge worktree, at a commit.
    Commit(Oid),
}

/// A round of gates to hold.
#[derive(Debug, Clone)]
pub struct GatesOrder {
    /// The story.
    pub story: StoryId,
    /// The run whose work is judged, which names the logs.
    pub run: RunId,
    /// Where.
    pub place: GatesPlace,
    /// The gates, in order.
    pub gates: Vec<Gate>,
    /// The configuration in force.
    pub config: Arc<Config>,
}

/// A landing to try in memory.
#[derive(Debug, Clone)]
pub struct SquashOrder {
    /// The story.
    pub story: StoryId,
    /// The commit's subject.
    pub subject: String,
    /// The commit's body.
    pub body: Option<String>,
    /// The last run, for the trailer.
    pub run: Option<RunId>,
    /// The merge gates' names, for the trailer; empty for none.
    pub gates: Vec<String>,
    /// How the story's work becomes base's.
    pub strategy: Strategy,
}

/// How a story's branch is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectOrder {
    /// Commits what is uncommitted in the worktree, under the name of this run.
    pub gather: Option<RunId>,
    /// The configuration in force.
    pub config: Arc<Config>,
}

/// A gated commit to move base to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvanceOrder {
    /// The story.
    pub story: StoryId,
    /// Base's tip, which must still be it.
    pub old: Oid,
    /// The commit.
    pub new: Oid,
    /// The story branch's tip that the commit holds.
    pub tip: Oid,
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunBegan {
    /// The run.
    pub run: RunId,
    /// The story.
    pub story: StoryId,
    /// The stage.
    pub stage: Stage,
    /// The agent.
    pub agent: AgentName,
    /// Failures so far + 1.
    pub attempt: u32,
    /// The run's number, from 1.
    pub number: u32,
    /// When.
    pub at: Wall,
}

/// A run that ended, gates not included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOver {
    /// The run.
    pub run: RunId,
    /// The story.
    pub story: StoryId,
    /// The agent.
    pub agent: AgentName,
    /// When.
    pub at: Wall,
    /// How, in a word: `done failed cancelled …`.
    pub how: String,
    /// Why, in a sentence.
    pub why: Option<String>,
    /// Its exit status.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it used, by model, with what it cost where that is known.
    pub usage: Vec<Usage>,
    /// Its session.
    pub session: Option<String>,
    /// Its own summary.
    pub summary: Option<String>,
}

/// A message that somebody sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The story whose agent gets it.
    pub story: StoryId,
    /// The message.
    pub message: Message,
}

/// A question that an agent asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    /// The story.
    pub story: StoryId,
    /// The question's number in the story.
    pub number: u32,
    /// The run that asks.
    pub run: Option<RunId>,
    /// When.
    pub at: Wall,
    /// The question.
    pub text: String,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A story's file went from one stage to another.
    Moved,
    /// A worktree is made ready.
    Preparing,
    /// An agent works.
    Running,
    /// A run ended.
    RunEnded,
    /// Gates run.
    Gating,
    /// Gates passed.
    Green,
    /// Gates failed.
    Red,
    /// A landing began or is tried again.
    Merging,
    /// A story's work is on base.
    Landed,
    /// A story waits, and for what.
    Waiting,
    /// A story needs a person.
    Blocked,
    /// A story waits for a review.
    Review,
    /// A story asks a question.
    Question,
    /// Somebody told a story's agent something.
    Message,
    /// An agent is limited.
    Agent,
    /// An agent is drained: it gets no work until a person says so.
    Drained,
    /// A budget is spent.
    Budget,
    /// Nothing starts, or things start again.
    Paused,
    /// Something is wrong with a file or the configuration.
    Problem,
    /// A story is closed, or its leftovers are kept.
    Closed,
}

/// Something that a person may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When.
    pub at: Wall,
    /// What about.
    pub topic: Topic,
    /// The story.
    pub story: Option<StoryId>,
    /// What happened, in a sentence.
    pub text: String,
    /// The gates that ran, where it is about gates.
    pub gates: Vec<GateResult>,
}
