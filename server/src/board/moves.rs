//! Moving a story's file from stage to stage: one step that never replaces a file.

use std::io;

use storkit_core::facts::MoveEnd;
use storkit_core::ids::StoryId;
use storkit_core::stage::Stage;

use super::{Board, BoardError, lock};
use crate::sys::failpoint::reach;
use crate::sys::fs::{Dir, Entry, FsError, unique_name};

impl Board {
    /// Moves the story's file. Nothing is replaced: a file in the target of that name, in whatever case, refuses it.
    /// When this answers `Moved`, a power cut no longer undoes it.
    pub fn move_story(&self, id: &StoryId, from: Stage, to: Stage) -> MoveEnd {
        let _turn = self.turns.take(id);
        match self.try_move(id, from, to) {
            Ok(end) => end,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => MoveEnd::TargetTaken,
            Err(error) if error.kind() == io::ErrorKind::NotFound => MoveEnd::SourceGone,
            Err(error) => MoveEnd::Failed(format!("cannot move {id} from {from} to {to}: {error}")),
        }
    }

    fn try_move(&self, id: &StoryId, from: Stage, to: Stage) -> io::Result<MoveEnd> {
        let name = id.file_name();
        let source = self.stage_dir(from)?;
        if let Entry::Other = source.look(&name)? {
            return Ok(MoveEnd::SourceGone);
        }
        if from == to {
            return Ok(MoveEnd::Moved);
        }
        let target = match self.stage_dir(to) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(MoveEnd::Failed(format!("the folder {} is not there", to.folder())));
            }
            Err(error) => return Err(error),
        };
        if taken(&target, &name)? {
            return Ok(MoveEnd::TargetTaken);
        }
        // A name that lasts longer than its bytes would be an empty story after a power cut.
        if let Ok((file, _)) = source.open_file(&name) {
            file.sync_all()?;
        }
        reach("move.before");
        source.rename_noreplace(&name, &target, &name)?;
        reach("move.renamed");
        target.sync()?;
        source.sync()?;
        reach("move.synced");
        if let Ok(Entry::File(stamp)) = target.look(&name) {
            self.turns.wrote(id, stamp);
        }
        Ok(MoveEnd::Moved)
    }

    /// Takes the story's file off the board; false where it is not in that stage. It lies in `run/kept/` for ten
    /// minutes; what brings it back later is the history, which is to be written first.
    pub fn delete(&self, id: &StoryId, stage: Stage) -> Result<bool, BoardError> {
        let _turn = self.turns.take(id);
        let path = self.layout.story(stage, id);
        let gone = self.stage_dir(stage).and_then(|dir| {
            if let Entry::Other = dir.look(id.file_name())? {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
            }
            let kept = Dir::open(&self.layout.kept())?;
            dir.rename_noreplace(id.file_name(), &kept, unique_name("deleted"))?;
            dir.sync()
        });
        match gone {
            Ok(()) => {
                lock(&self.kept).forget(id);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(FsError::of("delete", &path, source).into()),
        }
    }
}

/// Whether `dir` has a file of that name, but for case.
fn taken(dir: &Dir, name: &str) -> io::Result<bool> {
    let mut taken = false;
    dir.entries(|other, _| taken |= other.eq_ignore_ascii_case(name.as_bytes()))?;
    Ok(taken)
}
