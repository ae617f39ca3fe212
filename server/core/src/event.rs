//! What happens: everything that the pipeline hears of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::Config;
use crate::facts::{
    AdvanceEnd, BranchFacts, CloseEnd, EditEnd, GatesEnd, Intent, MoveEnd, PrepareEnd, RunFacts, SquashEnd,
};
use crate::ids::{OpId, StoryId};
use crate::memory::{LimitMemo, Memory};
use crate::request::Request;
use crate::sighting::Scan;
use crate::story::Problem;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The shell is up: what git and the ledger know.
    Started(Box<Start>),
    /// Somebody looked at the board's folders.
    Scanned(Scan),
    /// `project.toml` was read and is good; with what is odd about it.
    Configured(Arc<Config>, Vec<Problem>),
    /// `project.toml` was read and is not good; the last good one stays in force.
    Misconfigured(Vec<Problem>),
    /// A moment asked for by `Pipeline::next_wake` has come.
    Woken,
    /// An effect has ended. Each effect with an `OpId` brings exactly one.
    Ended(OpId, Outcome),
    /// A run's agent has really started.
    RunStarted(OpId),
    /// What a run has cost so far, in US dollars, went up noticeably.
    RunSpent(OpId, f64),
    /// The classifier has chosen a model for the story whose worktree is made ready.
    Classified(OpId, String),
    /// Somebody asks for something.
    Asked(AskId, Request),
    /// The free space of the project's disk, in bytes, changed noticeably.
    DiskFree(u64),
    /// The daemon is to end; at once, or after the grace that agents get.
    ShutDown {
        /// Without the grace.
        now: bool,
    },
}

/// One request, so that its answer finds the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What git and the ledger know at a start.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Landings that were on their way.
    pub intents: Vec<Intent>,
    /// What the ledger remembers; empty when it is lost.
    pub memory: BTreeMap<StoryId, Memory>,
    /// Stories that have a branch or a worktree.
    pub branches: BTreeSet<StoryId>,
    /// Money spent today, in US dollars.
    pub spent_today_usd: f64,
    /// Why nothing was to start when the last daemon ended.
    pub paused: Option<String>,
    /// Limits of runtimes' accounts, as they were written down.
    pub limits: Vec<LimitMemo>,
}

/// How an effect ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Of `Effect::Move`.
    Move(MoveEnd),
    /// Of `Effect::Edit`.
    Edit(EditEnd),
    /// Of `Effect::Prepare`.
    Prepare(PrepareEnd),
    /// Of `Effect::Run`.
    Run(Box<RunFacts>),
    /// Of `Effect::Gates`.
    Gates(GatesEnd),
    /// Of `Effect::Inspect`.
    Inspect(BranchFacts),
    /// Of `Effect::Squash`.
    Squash(SquashEnd),
    /// Of `Effect::Advance`.
    Advance(AdvanceEnd),
    /// Of `Effect::Close`.
    Close(CloseEnd),
    /// The effect's own code failed in a way that it does not know; in words.
    Crashed(String),
}
