//! What the board's pages need of the daemon besides requests: texts of stories, runs, diffs, the past.

use std::future::Future;

use serde::Serialize;
use storkit_core::config::GateStage;
use storkit_core::ids::StoryId;
use storkit_core::request::Refusal;
use storkit_core::stage::Stage;

use crate::board::Change;
use crate::ledger::RunRow;
use crate::mcp::Output;
use crate::web::Around;

/// What a run and its gates printed, the end of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// What the agent said and did, a line each.
    pub transcript: Vec<String>,
    /// The gates' names, and the end of what each printed.
    pub gates: Vec<(String, String)>,
    /// Whether earlier lines are left out.
    pub cut: bool,
}

/// A story's work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// What git says, as a unified diff.
    pub diff: String,
    /// The branch that it is compared with.
    pub base: String,
    /// The branch's commits, the oldest first: what each try left.
    pub tries: Vec<Left>,
}

/// A commit that a try left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Its id.
    pub commit: String,
    /// When, RFC 3339.
    pub at: String,
    /// Its message's first line.
    pub title: String,
}

/// With what work is compared, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compare {
    /// One of the branch's commits instead of where it left base.
    pub since: Option<String>,
    /// Whether lines that differ in white space alone are the same.
    pub ignore_space: bool,
}

/// Which piece of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogAt {
    /// From this byte on.
    From(u64),
    /// What ends before this byte.
    Before(u64),
    /// Its end.
    End,
}

/// Where a text is in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Pieces that have it: where each begins, and on how many of its lines it is.
    pub pieces: Vec<(u64, usize)>,
    /// On how many lines it is.
    pub lines: usize,
    /// Whether there is more that was not looked at.
    pub cut: bool,
}

/// A change of a whole story's file, made from a text that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// The story.
    pub id: StoryId,
    /// Where it stands.
    pub stage: Stage,
    /// The hash of the text that was read.
    pub was: u64,
    /// The new text.
    pub text: String,
}

/// How a save ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// The file has the new text.
    Written,
    /// The file had changed, and is as it was found.
    Changed,
}

/// The daemon, as the board's pages see it. Every answer is bounded. Without a daemon's files behind it there is nothing
/// to show, which the default answers say.
pub trait Pages: Send + Sync + 'static {
    /// What the snapshot does not say of the day.
    fn around(&self) -> impl Future<Output = Around> + Send {
        async { Around::default() }
    }

    /// The last line that a run printed; none where it has printed nothing.
    fn activity(&self, _run: String) -> impl Future<Output = Option<String>> + Send {
        async { None }
    }

    /// Which gate of the round that is held there after a run runs now, from 1, and of how many; the round began at
    /// `since` (RFC 3339) or later.
    fn gating(
        &self,
        _run: String,
        _at: GateStage,
        _since: Option<String>,
    ) -> impl Future<Output = Option<(usize, usize)>> + Send {
        async { None }
    }

    /// What a run printed.
    fn printed(&self, _run: RunRow) -> impl Future<Output = Printed> + Send {
        async { Printed::default() }
    }

    /// A piece of what a run, or a gate after it, printed; none where there is no such log.
    fn log(
        &self,
        _run: String,
        _gate: Option<String>,
        _at: LogAt,
    ) -> impl Future<Output = Option<Output>> + Send {
        async { None }
    }

    /// Where in the whole log a text is; none where there is no such log.
    fn find(
        &self,
        _run: String,
        _gate: Option<String>,
        _text: String,
    ) -> impl Future<Output = Option<Found>> + Send {
        async { None }
    }

    /// When a story's runs were prepared, began, ended and were gated, the oldest first: RFC 3339 and the event's kind.
    fn phases(&self, _story: StoryId) -> impl Future<Output = Vec<(String, String)>> + Send {
        async { Vec::new() }
    }

    /// A story's work; an error is what git says.
    fn work(&self, _id: StoryId, _how: Compare) -> impl Future<Output = Result<Work, Refusal>> + Send {
        async { Ok(Work::default()) }
    }

    /// Takes a story off the board; its history has it.
    fn delete(&self, _id: StoryId, _stage: Stage) -> impl Future<Output = Result<(), Refusal>> + Send {
        async { Err(unable("stories cannot be deleted here")) }
    }

    /// Brings a story back as it stood last.
    fn restore(&self, _id: StoryId) -> impl Future<Output = Result<(), Refusal>> + Send {
        async { Err(unable("stories cannot be brought back here")) }
    }

    /// Changes of the board, the newest first.
    fn past(&self, _story: Option<StoryId>) -> impl Future<Output = Vec<Change>> + Send {
        async { Vec::new() }
    }

    /// Writes a whole story, unless its file is another than the one that was read.
    fn save(&self, _save: Save) -> impl Future<Output = Result<Saved, Refusal>> + Send {
        async { Err(unable("stories cannot be saved here")) }
    }
}

fn unable(error: &str) -> Refusal {
    Refusal { error: error.to_owned(), hint: None, code: 1 }
}
