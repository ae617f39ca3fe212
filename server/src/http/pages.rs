//! What the board's pages need of the daemon besides requests: texts of stories, runs, diffs, the past.

use std::future::Future;

use storkit_core::ids::StoryId;
use storkit_core::request::Refusal;
use storkit_core::stage::Stage;

use crate::board::Change;
use crate::ledger::RunRow;
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

/// A story's work against base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// What git says, as a unified diff.
    pub diff: String,
    /// The branch that it is compared with.
    pub base: String,
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

    /// What a run printed.
    fn printed(&self, _run: RunRow) -> impl Future<Output = Printed> + Send {
        async { Printed::default() }
    }

    /// A story's work against base; an error is what git says.
    fn work(&self, _id: StoryId) -> impl Future<Output = Result<Work, Refusal>> + Send {
        async { Ok(Work::default()) }
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
