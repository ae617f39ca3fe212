//! The board on disk: looking at the stage folders, moving, editing and making stories, and their history in git.
//!
//! It reports what is there and what it did; it decides nothing.

mod by_git;
mod context;
mod create;
mod edit;
mod history;
mod kept;
mod late;
mod moves;
mod objects;
mod past;
mod record;
mod scan;
mod swap;
mod text;

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use storkit_core::ids::StoryId;
use storkit_core::stage::Stage;

use crate::sys::fs::{Dir, FsError, read_capped};
pub use crate::sys::layout::Layout;
pub use by_git::{GitEye, HeadState, Touched, by_git};
pub use context::{ChangeError, change_context, read_context};
pub use create::{CreateError, NewStory, slug};
pub use edit::Replaced;
pub use history::History;
pub use kept::KEPT_FOR;
pub use objects::{GitError, RunGit};
pub use past::{Change, Past, PastError, Restored, Undone};
pub use record::BOARD_REF;
use text::STORY_BYTES_MAX;

/// How long a story that is being edited is tried to be read, and how often.
const READ_TRIES: Duration = Duration::from_secs(2);
const READ_TRY_EVERY: Duration = Duration::from_millis(5);

/// How long, and how hard, an edit tries to find a file at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EditLimits {
    /// How long a file must be unchanged before it is written.
    pub quiet: Duration,
    /// How long such a moment is waited for.
    pub tries: Duration,
}

impl Default for EditLimits {
    fn default() -> Self {
        Self { quiet: Duration::from_millis(500), tries: Duration::from_secs(5) }
    }
}

/// Why a board cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A folder is on another file system than the rest, so that files cannot be moved into it whole.
    #[error("{0} is on another file system than .storkit/run; a move could not be one step")]
    OtherFileSystem(String),
}

/// The board of one project. It is shared between threads; each call may block on the disk.
pub struct Board {
    layout: Layout,
    limits: EditLimits,
    cache: Mutex<scan::Cache>,
    turns: edit::Turns,
    kept: Mutex<kept::Kept>,
    eye: Mutex<Option<GitEye>>,
}

impl Board {
    /// Opens the board of the project that `layout` describes, and makes `run/` where it is not there. Stage
    /// folders that are missing are no error here: a scan names them.
    pub fn open(layout: Layout) -> Result<Self, BoardError> {
        Self::open_with(layout, EditLimits::default())
    }

    /// The same with other limits for edits.
    pub fn open_with(layout: Layout, limits: EditLimits) -> Result<Self, BoardError> {
        layout.make_run()?;
        let board = Self {
            kept: Mutex::new(kept::Kept::load(&layout)?),
            layout,
            limits,
            cache: Mutex::default(),
            turns: edit::Turns::default(),
            eye: Mutex::new(None),
        };
        board.check_file_systems()?;
        Ok(board)
    }

    /// The bytes of a story's file, of which a link is not followed; none where they are too many.
    pub fn read(&self, id: &StoryId, stage: Stage) -> std::io::Result<Option<Vec<u8>>> {
        let begin = Instant::now();
        loop {
            match self.stage_dir(stage)?.open_file(id.file_name()) {
                // storkit itself holds it for the moment of an edit.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && begin.elapsed() < READ_TRIES => {
                    std::thread::sleep(READ_TRY_EVERY);
                }
                opened => return read_capped(&mut opened?.0, STORY_BYTES_MAX),
            }
        }
    }

    /// Watches HEAD and the stash from now on, so that scans can tell git's changes of the board from a person's.
    #[must_use]
    pub fn with_eye(self, eye: GitEye) -> Self {
        *lock(&self.eye) = Some(eye);
        self
    }

    /// Takes HEAD as it stands now as known: storkit itself has just moved it.
    pub fn forgive_git(&self) {
        if let Some(eye) = lock(&self.eye).as_mut() {
            eye.forgive();
        }
    }

    /// Where things lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn check_file_systems(&self) -> Result<(), BoardError> {
        let device = |path: &Path| Dir::open(path).and_then(|dir| dir.stamp()).map(|stamp| stamp.dev);
        let tmp = self.layout.tmp();
        let home = device(&tmp).map_err(|source| FsError::of("open", &tmp, source))?;
        let odd = Stage::ALL
            .into_iter()
            .map(|stage| self.layout.stage(stage))
            .chain([self.layout.kept()])
            .find(|path| device(path).is_ok_and(|other| other != home));
        match odd {
            Some(path) => Err(BoardError::OtherFileSystem(relative(&self.layout, &path))),
            None => Ok(()),
        }
    }

    /// The folder of all stages, reached without following a link below the root.
    fn work_dir(&self) -> io::Result<Dir> {
        Dir::open(self.layout.root())?.sub(".storkit")?.sub("work")
    }

    /// The folder of a stage, reached without following a link below the root.
    fn stage_dir(&self, stage: Stage) -> io::Result<Dir> {
        self.work_dir()?.sub(stage.folder())
    }

    /// The folders of all stages.
    fn stage_dirs(&self) -> impl Iterator<Item = (Stage, io::Result<Dir>)> {
        let work = self.work_dir();
        Stage::ALL.into_iter().map(move |stage| match &work {
            Ok(work) => (stage, work.sub(stage.folder())),
            Err(error) => (stage, Err(error.kind().into())),
        })
    }

    /// The stages whose folder has this story's file now.
    fn stages_of(&self, id: &StoryId) -> Vec<Stage> {
        let name = id.file_name();
        let dirs = self.stage_dirs();
        let has = |(stage, dir): (Stage, io::Result<Dir>)| dir.ok()?.look(&name).is_ok().then_some(stage);
        dirs.filter_map(has).collect()
    }
}

/// A path below the root as a person reads it.
fn relative(layout: &Layout, path: &Path) -> String {
    path.strip_prefix(layout.root()).unwrap_or(path).display().to_string()
}

/// Locks, also after a panic elsewhere: what these locks guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
