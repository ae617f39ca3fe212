//! What the shell reports back: facts about files, runs, branches and landings, without judgement.
//!
//! The shell fills these in; what they mean is decided in `pipeline/` alone.

use serde::{Deserialize, Serialize};

use crate::ids::{Oid, StoryId};
use crate::runtime::Ending;
use crate::stage::Stage;

/// How a move of a story's file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveEnd {
    /// The file is where it was sent.
    Moved,
    /// The file was not in the stage named as source.
    SourceGone,
    /// A file of that name was in the target already; nothing was replaced.
    TargetTaken,
    /// The file system refused, in words.
    Failed(String),
}

/// How an edit of a story's keys ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditEnd {
    /// The keys are in the file; the hash of all its bytes.
    Written {
        /// Hash of the file's bytes, as in `Story::content`.
        content: u64,
    },
    /// The file is no longer in that stage.
    SourceGone,
    /// The front matter does not parse: to be tried again when it does.
    Broken,
    /// The file system refused, in words.
    Failed(String),
}

/// One change of a story's file by storkit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// `priority: <n>`, from 1, the most urgent, to 5.
    Priority(u8),
    /// `blocked: <reason>`, or away with it.
    Blocked(Option<String>),
    /// `review_hold: true`, or away with it.
    ReviewHold(bool),
    /// `question: <n>`, or away with it.
    Question(Option<u32>),
    /// `hold: <why>`, or away with it, as a person asked.
    Hold(Option<String>),
    /// The hold that storkit writes or takes away by itself: one in a person's own words stays as it is.
    OwnHold(Option<String>),
    /// `## Question n` with its text and an empty `### Answer`, at the file's end.
    AppendQuestion {
        /// The question's number.
        number: u32,
        /// The question's text.
        text: String,
    },
    /// `### Rejection n` with its text below `## Review notes`.
    AppendRejection {
        /// The rejection's number.
        number: u32,
        /// What is wrong.
        text: String,
    },
    /// A person's words below the `### Answer` of `## Question n`.
    Answer {
        /// The question's number.
        number: u32,
        /// What the person says.
        text: String,
    },
    /// Ticks a box below `## Acceptance criteria`, or takes its tick away.
    Criterion {
        /// The how-manieth box, from 1.
        number: u32,
        /// Whether it is to be ticked.
        done: bool,
    },
    /// Other text, where the file is still the one that was seen.
    Text {
        /// What of the file is replaced.
        part: Part,
        /// What takes its place.
        text: String,
        /// Hash of the bytes of the file that was seen, as in `Story::content`.
        seen: u64,
    },
}

/// A part of a story's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What follows the front matter.
    Body,
    /// All of it.
    Whole,
}

/// A story's branch against base, read from git.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BranchFacts {
    /// The branch's tip; none where there is no branch.
    pub tip: Option<Oid>,
    /// Commits on it that base does not have and that change more than `.storkit/work/`.
    pub ahead: u32,
    /// Changed paths below a protected prefix, at most ten.
    pub protected: Vec<String>,
    /// What is not as it should be: an unfinished merge, unmerged paths, HEAD elsewhere; in words.
    pub broken: Option<String>,
    /// Nested repositories or huge files, which keep the worktree from being removed; in words.
    pub unsafe_to_remove: Option<String>,
}

/// How making a worktree ready ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrepareEnd {
    /// The worktree is there, on the story's branch, set up.
    Ready {
        /// Its folder, absolute.
        worktree: String,
        /// The base commit that the branch was made from or merged with last.
        base: Oid,
    },
    /// Something only a person can mend (a foreign branch, no merge base): `blocked`, in words.
    Blocked(String),
    /// Waits for something outside (no base branch, git busy), in words; tried again.
    Waits(String),
    /// A setup command failed: counts as the run's failure; the output's tail.
    SetupFailed(String),
    /// It was cancelled.
    Cancelled,
}

/// How a process of a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessEnd {
    /// It exited with that status.
    Exited(i32),
    /// That signal ended it.
    Signalled(i32),
    /// Its supervisor died; how it ended is unknown, that it ended is not.
    Lost,
}

/// What a run did and how it ended: the facts, in no order of rank (that is `run::classify`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunFacts {
    /// How the process ended; none where it never started.
    pub process: Option<ProcessEnd>,
    /// storkit ended it (stop, move, down).
    pub cancelled: bool,
    /// The worktree or its `.git` file was replaced or gone.
    pub worktree_lost: bool,
    /// Which time limit ended it, in words (`timeout 2h`, `no output for 15m`).
    pub time_limit: Option<String>,
    /// Why it could not be started (command missing, exec error).
    pub not_startable: Option<String>,
    /// The last `question` event's text.
    pub question: Option<String>,
    /// The last `reject` event's text.
    pub reject: Option<String>,
    /// The last `merge_failed` event's text.
    pub merge_failed: Option<String>,
    /// The last `rate_limited` event's seconds.
    pub rate_limited_s: Option<u64>,
    /// The last `summary` event's text.
    pub summary: Option<String>,
    /// The last `session` event's id.
    pub session: Option<String>,
    /// What was used, by model; empty where nobody reported it.
    pub usage: Vec<Usage>,
    /// The session's own counter, where the runtime counts over the whole session: what the next resume begins at.
    pub session_total: Option<Usage>,
    /// What of the shared context its session knows now (`context::marks`).
    pub context: Vec<u64>,
    /// What the runtime's adapter makes of its end; none where there is no more to it than the process's end.
    pub ending: Option<Ending>,
    /// The branch after what was left over was committed or kept.
    pub branch: BranchFacts,
    /// The end of its output, as text without control sequences, at most 3,000 bytes.
    pub tail: String,
}

/// Most models that what a run used is broken down by.
const MODELS_MAX: usize = 20;

/// Tokens and money; money none where nobody reported it. Tokens are counted in one place each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input tokens that came from no cache and went into none.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to a cache.
    pub cache_write_tokens: u64,
    /// US dollars.
    pub cost_usd: Option<f64>,
    /// The model that was used.
    pub model: Option<String>,
    /// Turns of the model, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
}

impl Usage {
    /// Adds what was used besides; the model is the later one.
    pub fn add(&mut self, more: &Self) {
        for (sum, more) in self.counts_mut().into_iter().zip(more.counts()) {
            *sum = sum.saturating_add(more);
        }
        if let Some(cost) = more.cost_usd {
            self.cost_usd = Some(self.cost_usd.unwrap_or(0.0) + cost);
        }
        if let Some(turns) = more.turns {
            self.turns = Some(self.turns.unwrap_or(0).saturating_add(turns));
        }
        if more.model.is_some() {
            self.model.clone_from(&more.model);
        }
    }

    /// Adds what was used besides to that of the same model; beyond `MODELS_MAX` models to that of the last one.
    pub fn add_to(list: &mut Vec<Self>, more: &Self) {
        let at = list.iter().position(|used| used.model == more.model);
        match at.or_else(|| (list.len() >= MODELS_MAX).then(|| list.len() - 1)) {
            Some(at) => {
                let model = list[at].model.take();
                list[at].add(more);
                list[at].model = model;
            }
            None => list.push(more.clone()),
        }
    }

    /// What a counter has gone up by since it stood there. One that went down began anew.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let went_down = self.counts().into_iter().zip(earlier.counts()).any(|(now, then)| now < then)
            || self.cost_usd.unwrap_or(0.0) < earlier.cost_usd.unwrap_or(0.0);
        let mut used = self.clone();
        if !went_down {
            for (used, then) in used.counts_mut().into_iter().zip(earlier.counts()) {
                *used -= then;
            }
            used.cost_usd = self.cost_usd.map(|cost| cost - earlier.cost_usd.unwrap_or(0.0));
        }
        used
    }

    /// Whether anything was used.
    pub fn is_empty(&self) -> bool {
        self.counts() == [0; 4] && self.cost_usd.unwrap_or(0.0) <= 0.0
    }

    const fn counts(&self) -> [u64; 4] {
        [self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens]
    }

    const fn counts_mut(&mut self) -> [&mut u64; 4] {
        [
            &mut self.input_tokens,
            &mut self.output_tokens,
            &mut self.cache_read_tokens,
            &mut self.cache_write_tokens,
        ]
    }
}

/// How one gate ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// The gate's name.
    pub name: String,
    /// None: it passed. Else why not, in words: `exit 1`, `timeout 20m`, `changed tracked files: a.txt`.
    pub failure: Option<String>,
    /// The end of its output, at most 3,000 bytes.
    pub tail: String,
    /// The file that holds all of its output, relative to the project's root.
    pub log: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// How a round of gates ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatesEnd {
    /// All that ran, in order; the last one alone may have failed.
    Ran(Vec<GateResult>),
    /// The round could not be held (no worktree, disk full), in words; tried again.
    Waits(String),
    /// It was cancelled.
    Cancelled,
}

/// How putting a story's work onto base's tip, in memory, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SquashEnd {
    /// A commit that can land.
    Ready {
        /// The commit.
        commit: Oid,
        /// Its tree.
        tree: Oid,
        /// Base's tip, its only parent.
        base: Oid,
        /// Base's tree.
        base_tree: Oid,
        /// The story branch's tip that it holds.
        tip: Oid,
    },
    /// Nothing on the branch that base does not have.
    Nothing,
    /// It does not go together with base: the files.
    Conflict(Vec<String>),
    /// A person's uncommitted edits are in the way.
    Overlap(Overlap),
    /// The branch holds another story's unlanded commits.
    Foreign(StoryId),
    /// No common ancestor with base, or another thing that only a person can mend.
    Blocked(String),
    /// Base's branch is missing, or git is busy; in words; tried again.
    Waits(String),
}

/// Why a checkout of base cannot be moved forward now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The checkout's folder.
    pub folder: String,
    /// The files with a person's edits that the landing would touch; empty where the whole checkout is busy.
    pub files: Vec<String>,
    /// Why, in words: `uncommitted edits`, `a rebase is in progress`.
    pub why: String,
}

/// How moving base to a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdvanceEnd {
    /// Base is at the commit.
    Advanced,
    /// Base is elsewhere: again from the start.
    BaseMoved,
    /// A person's uncommitted edits, or an operation in progress, are in the way; base is untouched.
    Overlap(Overlap),
    /// Base's branch is gone; in words.
    BaseMissing(String),
    /// git refused though base stands where it was; in words.
    Failed(String),
}

/// How closing a story that is done ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseEnd {
    /// Worktree and branch are gone; the tip is `refs/storkit/landed/<id>`.
    Closed,
    /// There was nothing to remove.
    Nothing,
    /// They are kept, and why, in words.
    Kept(String),
}

/// A landing that was on its way when the daemon ended, as found at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The story.
    pub story: StoryId,
    /// The commit that was to land.
    pub commit: Oid,
    /// Whether base has it.
    pub landed: bool,
    /// The stage that its file is in, where there is one.
    pub stage: Option<Stage>,
}
