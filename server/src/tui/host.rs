//! What the board asks of the program around it. Every call may block; none is made on the thread that draws.

use std::collections::BTreeMap;

use storkit_core::request::Request;
use storkit_core::snapshot::{Status, Why};

use crate::http::{Keys, Shown, WatchEnd};
use crate::ledger::RunRow;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct Trouble {
    /// What is wrong, in a sentence.
    pub said: String,
    /// The way out.
    pub hint: Option<String>,
}

/// What was asked for, or why not.
pub type Answer<T> = Result<T, Trouble>;

/// The board as it is now, and the figures of its head line.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The board, with archived stories.
    pub status: Status,
    /// The beginning of base's commit, where there is one.
    pub base: Option<String>,
    /// US dollars spent since midnight, where anything is known.
    pub spent_today: Option<f64>,
    /// US dollars that may be spent in a day; 0 is no limit.
    pub budget: f64,
    /// How often a stage may fail before its story is blocked.
    pub tries: u32,
    /// What is known of stories beside the status, by their ids.
    pub figures: BTreeMap<String, Figures>,
}

/// What a card says of its story besides the status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// The how-manieth gate runs, and of how many.
    pub gates: Option<(usize, usize)>,
    /// Lines added and removed, and the files in which.
    pub diff: Option<(usize, usize, usize)>,
}

/// What a story's own page shows besides the board's facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoryFile {
    /// The file's text.
    pub text: String,
    /// Its runs, the oldest first.
    pub runs: Vec<RunRow>,
}

/// The program around the board.
pub trait Host: Send + Sync + 'static {
    /// Reads the board: from the daemon, or from the folders where none runs.
    fn look(&self) -> Answer<Seen>;

    /// Calls `changed` whenever the board may have changed, until that says no or nobody tells of changes any more.
    /// False where no daemon was there to tell.
    fn follow(&self, changed: &mut dyn FnMut() -> bool) -> bool;

    /// Asks for something to be done; answers with what was done, in a sentence.
    fn act(&self, request: &Request) -> Answer<String>;

    /// Everything that keeps a story from moving.
    fn why(&self, story: &str) -> Answer<Why>;

    /// A story's file and runs.
    fn story(&self, story: &str) -> Answer<StoryFile>;

    /// A story's work against base, as a unified diff.
    fn diff(&self, story: &str) -> Answer<String>;

    /// What happened to a story, the newest first, a line each.
    fn history(&self, story: &str) -> Answer<String>;

    /// What a story's last run printed, as text.
    fn transcript(&self, story: &str) -> Answer<String>;

    /// Watches a run's terminal until it is over or the keyboard of `keys` is dropped.
    fn watch(&self, run: &str, keys: Keys, show: &mut dyn FnMut(Shown)) -> Answer<WatchEnd>;

    /// Takes the board's last change back; answers with what was undone.
    fn undo(&self) -> Answer<String>;

    /// Gives a story another priority, 1 to 5; answers with what was done.
    fn set_priority(&self, story: &str, priority: u8) -> Answer<String>;

    /// Writes a new story with that title; answers with its id.
    fn create(&self, title: &str) -> Answer<String>;

    /// Runs `storkit` with these words and gives what it printed.
    fn command(&self, words: &[String]) -> Answer<String>;

    /// The same in this terminal, which was left before; for an editor, `attach` and what else needs one.
    fn in_terminal(&self, words: &[String]) -> Answer<()>;
}
