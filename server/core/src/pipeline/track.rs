//! What the pipeline knows of one story beyond its file and its memory: the work in flight, and what it waits for.

use crate::config::{Gate, Role};
use crate::facts::{Edit, GateResult};
use crate::ids::{AgentName, Oid, OpId, RunId};
use crate::memory::Memory;
use crate::snapshot::State;
use crate::stage::Stage;
use crate::time::Wall;

/// The one piece of work that is in flight for a story.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Work {
    /// None.
    #[default]
    None,
    /// Its file is being renamed.
    Moving(OpId, Stage),
    /// Its file is being edited.
    Editing(OpId, Vec<Edit>),
    /// Its branch is being looked at.
    Inspecting(OpId),
    /// Its worktree is made ready for a run.
    Preparing(OpId, Run),
    /// An agent works.
    Running(OpId, Run),
    /// The current gates run.
    Gating(OpId),
    /// Its landing is tried in memory.
    Squashing(OpId),
    /// The merge gates judge base's tip, before or instead of the story.
    BaseGating(OpId, Candidate, Option<GateResult>),
    /// The merge gates judge what is to land.
    LandingGating(OpId, Candidate),
    /// Base is being moved.
    Advancing(OpId, Candidate),
    /// Its worktree and branch are being removed.
    Closing(OpId),
}

/// The run of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The run.
    pub id: RunId,
    /// The agent.
    pub agent: AgentName,
    /// The model that it was started with, once it is.
    pub model: String,
    /// Its work, also when it is no longer configured.
    pub role: Role,
    /// Whether the agent's process has started.
    pub started: bool,
    /// What it may cost and what it has cost so far.
    pub money: Money,
}

/// The money of a run, in US dollars.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Money {
    /// What the run may cost; 0 is no limit.
    pub budget_usd: f64,
    /// What it has cost so far, as far as known.
    pub spent_usd: f64,
    /// Which budget is spent, in words: the run was told to end.
    pub over: Option<String>,
}

/// A commit that is on its way to base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The commit.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Base's tip.
    pub base: Oid,
    /// Base's tree.
    pub base_tree: Oid,
    /// The story branch's tip.
    pub tip: Oid,
    /// The gates that judge it: those in force when its round began.
    pub gates: Vec<Gate>,
}

impl Work {
    /// The effect in flight.
    pub fn op(&self) -> Option<OpId> {
        match self {
            Self::None => None,
            Self::Moving(op, _)
            | Self::Editing(op, _)
            | Self::Inspecting(op)
            | Self::Preparing(op, _)
            | Self::Running(op, _)
            | Self::Gating(op)
            | Self::Squashing(op)
            | Self::BaseGating(op, ..)
            | Self::LandingGating(op, _)
            | Self::Advancing(op, _)
            | Self::Closing(op) => Some(*op),
        }
    }

    /// Whether ending it early saves time: the rest is short, or must not be left half done.
    pub fn can_be_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Preparing(..)
                | Self::Running(..)
                | Self::Gating(_)
                | Self::BaseGating(..)
                | Self::LandingGating(..)
        )
    }

    /// The run in flight.
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Preparing(_, run) | Self::Running(_, run) => Some(run),
            _ => None,
        }
    }

    /// Whether it takes the landing's one place.
    pub fn is_landing(&self) -> bool {
        matches!(
            self,
            Self::Squashing(_) | Self::BaseGating(..) | Self::LandingGating(..) | Self::Advancing(..)
        )
    }

    /// Whether it takes one of the gates' places.
    pub fn is_gating(&self) -> bool {
        matches!(self, Self::Gating(_) | Self::BaseGating(..) | Self::LandingGating(..))
    }
}

/// Something outside that a story waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Its kind, one word, as in `why`.
    pub what: &'static str,
    /// In a sentence.
    pub detail: String,
    /// What would end it.
    pub hint: Option<String>,
    /// When to look again, in milliseconds of the monotonic clock; none: when something changes.
    pub again_ms: Option<u64>,
}

/// All that the pipeline knows of one story beyond its file.
#[derive(Debug, Default)]
pub struct Track {
    /// What survives a restart.
    pub memory: Memory,
    /// Whether the ledger has `memory` as it is.
    pub saved: bool,
    /// What is in flight.
    pub work: Work,
    /// `work` was cancelled: its result does not count.
    pub abandoned: bool,
    /// What it waits for.
    pub wait: Option<Wait>,
    /// Not before this, in milliseconds of the monotonic clock, is it tried again.
    pub not_before_ms: Option<u64>,
    /// Since when its file is nowhere.
    pub gone_since_ms: Option<u64>,
    /// Since when its file is in two places.
    pub double_since_ms: Option<u64>,
    /// When its file last changed.
    pub changed_ms: u64,
    /// What a scan that began before this event says of it is stale.
    pub stale_before: u64,
    /// A move or a write found the file elsewhere at this event: nothing is decided before a look that began later.
    pub look_since: Option<u64>,
    /// Edits that are to be written.
    pub pending: Vec<Edit>,
    /// Edits that a request is writing.
    pub asked: Vec<Edit>,
    /// Why the pending edits cannot be written now.
    pub unwritable: Option<String>,
    /// The agent that `start --agent` named.
    pub only_agent: Option<AgentName>,
    /// Whether it has a branch.
    pub branch: bool,
    /// Its worktree, absolute, as far as known.
    pub worktree: Option<String>,
    /// The base commit that the worktree stands on.
    pub base: Option<Oid>,
    /// How often git refused to move base though it stood where it was.
    pub refused: u32,
    /// How often base moved while it was landing.
    pub base_moved: u32,
    /// Why its worktree and branch are kept though it is done.
    pub kept: Option<String>,
    /// Whether closing it was tried since it became done.
    pub closed: bool,
    /// Failures of storkit's own code in a row.
    pub crashes: u32,
    /// In backlog: it may move on by itself once its dependencies are closed.
    pub promote: bool,
    /// Whether the branch was looked at in this stay in qa, and what is ahead of base.
    pub ahead: Option<u32>,
    /// How many stays in stages it has begun, in this daemon's life.
    pub visits: u32,
    /// The state last shown, and since when.
    pub shown: Option<(State, Wall)>,
}

impl Track {
    /// Whether nothing is in flight.
    pub fn is_free(&self) -> bool {
        self.work == Work::None
    }

    /// Forgets what belongs to a stay in a stage.
    pub fn enter(&mut self, stage: Stage, at: Wall) {
        self.memory.enter(stage, at);
        self.visits += 1;
        self.saved = false;
        self.wait = None;
        self.not_before_ms = None;
        self.refused = 0;
        self.base_moved = 0;
        self.closed = false;
        self.ahead = None;
        self.promote = false;
        self.crashes = 0;
        self.kept = None;
        self.unwritable = None;
    }

    /// When an answer in the file has been left alone for long enough to be taken, `settle_ms` after the last save.
    pub fn answer_due_ms(&self, settle_ms: u64) -> u64 {
        self.changed_ms + settle_ms
    }

    /// The memory, to be changed and then saved.
    pub fn change(&mut self) -> &mut Memory {
        self.saved = false;
        &mut self.memory
    }
}
