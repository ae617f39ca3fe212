//! What storkit's tools ask of the daemon behind them, and what they get.
//!
//! Implemented by the daemon, and by a fake in tests. Nothing here decides who may ask.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use storkit_core::ids::{RunId, StoryId};
use storkit_core::message::Message;
use storkit_core::request::{Refusal, Reply, Request};
use storkit_core::snapshot::StoryView;
use storkit_core::usage::RunUsed;

use crate::board::NewStory;
use crate::ledger::RunRow;

/// A story's file as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryFile {
    /// All of its text.
    pub text: String,
    /// Hash of its bytes, as `Request::Write` takes it.
    pub seen: u64,
}

/// A piece of what a run printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Output {
    /// The text, without control sequences; what the agent did is among it, a line each.
    pub text: String,
    /// Where this piece begins in the log, in bytes.
    pub from: u64,
    /// Where the next one begins.
    pub next: u64,
    /// How long the log is by now.
    pub size: u64,
}

/// Which piece of a log is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The run.
    pub run: String,
    /// The last log of this gate after the run, instead of the run's own.
    pub gate: Option<String>,
    /// From this byte on; none is the log's end.
    pub from: Option<u64>,
    /// How many bytes of the log at most; the daemon has a limit of its own.
    pub len: Option<u64>,
}

/// What an agent tells storkit by a tool, as it could by a line of its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It needs a decision.
    Question(String),
    /// A QA run's no.
    Reject(String),
    /// A mergemaster gives up.
    MergeFailed(String),
}

/// The daemon, as tools see it.
pub trait Desk: Send + Sync + 'static {
    /// Carries a request out, or says why not.
    fn ask(&self, request: Request) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// A story's file; none where it is gone or cannot be read.
    fn file(&self, story: &StoryView) -> impl Future<Output = Option<StoryFile>> + Send;

    /// Makes a story and answers its id.
    fn create(&self, new: NewStory) -> impl Future<Output = Result<StoryId, Refusal>> + Send;

    /// The runs of a story, or of all, the oldest first.
    fn runs(&self, story: Option<StoryId>) -> impl Future<Output = Vec<RunRow>> + Send;

    /// One run, where it is known.
    fn run(&self, run: String) -> impl Future<Output = Option<RunRow>> + Send;

    /// One run, when it is over or this time has passed.
    fn run_over(&self, run: String, wait: Duration) -> impl Future<Output = Option<RunRow>> + Send;

    /// What a run or its gate printed; none where there is no such log.
    fn output(&self, wanted: Wanted) -> impl Future<Output = Option<Output>> + Send;

    /// What each run used, and whether that is all there ever was.
    fn used(&self) -> impl Future<Output = (Vec<RunUsed>, bool)> + Send;

    /// The messages that wait for a story's next run.
    fn messages(&self, story: StoryId) -> impl Future<Output = Vec<Message>> + Send;

    /// What all prompts share.
    fn context(&self) -> impl Future<Output = Result<String, Refusal>> + Send;

    /// Sets an entry of it, or takes it out.
    fn set_context(
        &self,
        key: String,
        text: Option<String>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Notes what a living run says; it counts when the run ends. A run that is over is refused.
    fn tell(&self, run: RunId, said: Said) -> Result<(), Refusal>;
}
