//! What one event of the file system means for the board, by its kind and path alone.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Event, EventKind};
use storkit_core::sighting::{FileKey, name_text};
use storkit_core::stage::Stage;
use storkit_core::story_file::{NameKind, classify_name};

use crate::sys::layout::Layout;

/// What an event means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sign {
    /// A file is whole: look at once.
    Whole(FileKey),
    /// A file is being written: look when it is at rest.
    Written(FileKey),
    /// This folder, which is watched or should be, came or went, and what is below it with it.
    Folder(PathBuf),
    /// Configuration or a prompt changed.
    Config,
    /// HEAD or the index of the main checkout changed.
    Head,
}

/// The folders that are watched.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) root: PathBuf,
    pub(super) dot: PathBuf,
    pub(super) prompts: PathBuf,
    pub(super) work: PathBuf,
    pub(super) stages: [PathBuf; 6],
    pub(super) git_dir: PathBuf,
}

impl Places {
    pub(super) fn new(layout: &Layout, git_dir: &Path) -> Self {
        Self {
            root: layout.root().to_owned(),
            dot: layout.dot(),
            prompts: layout.prompts(),
            work: layout.work(),
            stages: Stage::ALL.map(|stage| layout.stage(stage)),
            git_dir: git_dir.to_owned(),
        }
    }

    /// What this event means, for each of its paths; nothing for what is no concern of the board.
    pub(super) fn signs(&self, event: &Event) -> Vec<Sign> {
        let manner = match event.kind {
            // Both ends of a move were told of one by one already.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return Vec::new(),
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Remove(_) => Manner::Whole,
            EventKind::Create(CreateKind::Folder) => Manner::Folder,
            EventKind::Modify(_) | EventKind::Create(_) | EventKind::Any | EventKind::Other => {
                Manner::Written
            }
            EventKind::Access(_) => return Vec::new(),
        };
        event.paths.iter().filter_map(|path| self.sign(path, manner)).collect()
    }

    fn sign(&self, path: &Path, manner: Manner) -> Option<Sign> {
        // A change of times or rights of a folder says nothing of what is in it.
        if self.is_watched(path) {
            return (manner != Manner::Written).then(|| Sign::Folder(path.to_owned()));
        }
        let (parent, name) = (path.parent()?, path.file_name()?.as_bytes());
        if let Some(place) = self.stages.iter().position(|stage| stage == parent) {
            let stage = Stage::ALL[place];
            if manner == Manner::Folder || classify_name(stage, name) == NameKind::Ignored {
                return None;
            }
            let key = FileKey::new(stage, name_text(name));
            return Some(if manner == Manner::Whole { Sign::Whole(key) } else { Sign::Written(key) });
        }
        if parent == self.prompts {
            return (manner == Manner::Whole).then_some(Sign::Config);
        }
        let config = parent == self.dot && (name == b"project.toml" || name == b"AGENT.md");
        if config {
            return (manner == Manner::Whole).then_some(Sign::Config);
        }
        let head = parent == self.git_dir && (name == b"HEAD" || name == b"index");
        (head && manner == Manner::Whole).then_some(Sign::Head)
    }

    fn is_watched(&self, path: &Path) -> bool {
        [&self.dot, &self.prompts, &self.work, &self.git_dir].iter().any(|place| *place == path)
            || self.stages.iter().any(|stage| stage == path)
    }
}

/// What kind of change it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// The name came, went, or was closed after writing.
    Whole,
    /// A folder was made.
    Folder,
    /// Bytes or attributes changed, or a name came that may still be written.
    Written,
}
