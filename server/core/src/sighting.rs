//! What a look at the board's folders found.

use std::sync::Arc;

use crate::stage::Stage;
use crate::story::{Problem, Story};

/// A file of the board: the folder that it is in, and its name there.
///
/// In the name each byte that is not UTF-8 is written as `\xNN` and each backslash doubled, so that every name on
/// disk has exactly one key. A story's name never needs either.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey {
    /// The folder.
    pub stage: Stage,
    /// The file's name, such as `42_story_x.md`; not always a good id.
    pub name: Arc<str>,
}

impl FileKey {
    /// The key of the file `name` in `stage`.
    pub fn new(stage: Stage, name: impl Into<Arc<str>>) -> Self {
        Self { stage, name: name.into() }
    }

    /// The path relative to the project's root.
    pub fn path(&self) -> String {
        format!(".storkit/work/{}/{}", self.stage.folder(), self.name)
    }
}

/// One file that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Where it is.
    pub key: FileKey,
    /// The story in it, or what is wrong with it. Shared, so that an unchanged file costs nothing.
    pub what: Arc<Result<Story, Problem>>,
}

/// The result of one look, at the whole board or at some files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scan {
    /// The number of the last event handled when the look began: it knows nothing of what came after.
    pub begin: u64,
    /// Whether all six folders were listed: a file not in `present` is absent.
    pub complete: bool,
    /// Files that are there.
    pub present: Vec<Seen>,
    /// Files looked for that are not there; unused in a complete scan.
    pub absent: Vec<FileKey>,
    /// Stage folders that are not there or cannot be read.
    pub missing_folders: Vec<Stage>,
    /// What is wrong with the board itself.
    pub problems: Vec<Problem>,
    /// Whether git made these changes (a switch, a stash, a pull), and not a person.
    pub by_git: bool,
}
