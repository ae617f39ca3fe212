//! Reading the board's history, and bringing things back from it: `log`, `restore` and `undo`.
//!
//! The board is committed first, each time: nothing that is there now can be lost by bringing something back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use storkit_core::facts::MoveEnd;
use storkit_core::ids::{Oid, StoryId};
use storkit_core::stage::Stage;

use super::objects::{GitError, RunGit};
use super::record::{BOARD_REF, Recorder};
use super::{Board, BoardError};
use crate::git::refs::landed_as;
use crate::sys::fs::FsError;
use crate::sys::layout::Layout;

/// One change of the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What happened, one line per story.
    pub message: String,
    /// Its commit on `refs/storkit/board`.
    pub commit: Oid,
}

/// What bringing a story back did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    /// It was gone, and is there again.
    Created(Stage),
    /// It was moved back, and its text with it where `rewritten`.
    Moved {
        /// Where it was.
        from: Stage,
        /// Where it is now.
        to: Stage,
        /// Whether its text was changed too.
        rewritten: bool,
    },
    /// It stood where it was, and has its old text.
    Rewritten(Stage),
    /// It is as it was then.
    Unchanged(Stage),
    /// The history does not have it.
    Unknown,
    /// The board does not allow it now, in words.
    Refused(String),
}

/// A move that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The story.
    pub id: StoryId,
    /// Where it was.
    pub from: Stage,
    /// Where it went back to.
    pub to: Stage,
    /// How that ended.
    pub end: MoveEnd,
}

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// git would not.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The board cannot be written.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The last move closed a story whose work is on base.
    #[error(
        "{0} has landed as {1}: `git revert {1}` takes its work back, and `storkit move` takes its file anywhere"
    )]
    Landed(StoryId, Oid),
}

/// Most commits that are searched for a story that is gone.
const COMMITS_MAX: usize = 10_000;

/// A file of a commit.
type Version = (Stage, Oid);
/// From where to where.
type Way = (Stage, Stage);

/// The board's history, read.
pub struct Past {
    recorder: Recorder,
}

impl Past {
    /// Opens it, and commits the board as it is now.
    pub fn open(layout: &Layout, run: Option<&RunGit>) -> Result<Self, GitError> {
        let mut past = Self { recorder: Recorder::open(layout, run)? };
        past.recorder.commit()?;
        Ok(past)
    }

    /// Commits the board as it is now, where that is not written yet.
    pub fn commit(&mut self) -> Result<Option<Oid>, GitError> {
        self.recorder.commit()
    }

    /// The highest story number that the history knows.
    pub fn highest(&self) -> u64 {
        self.recorder.highest()
    }

    /// The ids of that number that the history names, the newest first; of the last `COMMITS_MAX` commits.
    pub fn ids_of(&self, number: u64) -> Result<Vec<StoryId>, GitError> {
        let mut ids: Vec<StoryId> = Vec::new();
        let mut next = self.recorder.objects.resolve(BOARD_REF)?;
        for _ in 0..COMMITS_MAX {
            let Some(commit) = next else { break };
            let info = self.recorder.objects.commit(&commit)?;
            for line in info.message.lines() {
                let id = line.split(": ").next().and_then(|id| StoryId::new(id).ok());
                ids.extend(id.filter(|id| id.number() == Some(number) && !ids.contains(id)));
            }
            next = info.parent;
        }
        Ok(ids)
    }

    /// The newest changes, of one story or of all, at most `limit`.
    pub fn log(&self, story: Option<&StoryId>, limit: usize) -> Result<Vec<Change>, GitError> {
        let mut changes = Vec::new();
        let mut next = self.recorder.objects.resolve(BOARD_REF)?;
        while let Some(commit) = next.filter(|_| changes.len() < limit) {
            let info = self.recorder.objects.commit(&commit)?;
            let about = match story {
                Some(id) => {
                    let before = info.parent.as_ref().map(|parent| self.versions(parent, id)).transpose()?;
                    before.unwrap_or_default() != self.versions(&commit, id)?
                }
                None => true,
            };
            next = info.parent;
            if about {
                let message = told(&info.message, story);
                changes.push(Change {
                    at: Timestamp::from_second(info.at).unwrap_or_default(),
                    message,
                    commit,
                });
            }
        }
        Ok(changes)
    }

    /// Brings a story back as it stood at that moment; without one, as it stood last. A story that is there and
    /// differs is committed first, then moved and written.
    pub fn restore(
        &mut self,
        board: &Board,
        story: &StoryId,
        at: Option<Timestamp>,
    ) -> Result<Restored, PastError> {
        self.recorder.commit()?;
        let mut next = self.recorder.objects.resolve(BOARD_REF)?;
        while let Some(commit) = next {
            let info = self.recorder.objects.commit(&commit)?;
            let in_time = at.is_none_or(|at| info.at <= at.as_second());
            if in_time {
                match (self.versions(&commit, story)?.first(), at) {
                    (Some(version), _) => return self.put(board, story, version),
                    (None, Some(_)) => return Ok(Restored::Unknown),
                    (None, None) => {}
                }
            }
            next = info.parent;
        }
        Ok(Restored::Unknown)
    }

    /// Brings every story back that stood on the board at that moment: those that are gone, and those that stand
    /// elsewhere or have another text. Stories that are new since stay.
    pub fn restore_all(
        &mut self,
        board: &Board,
        at: Timestamp,
    ) -> Result<Vec<(StoryId, Restored)>, PastError> {
        self.recorder.commit()?;
        let mut next = self.recorder.objects.resolve(BOARD_REF)?;
        while let Some(commit) = next {
            let info = self.recorder.objects.commit(&commit)?;
            if info.at <= at.as_second() {
                let mut done = Vec::new();
                for (id, versions) in self.stories(&info.tree)? {
                    let [version] = &versions[..] else { continue };
                    let end = self.put(board, &id, version)?;
                    done.push((id, end));
                }
                return Ok(done);
            }
            next = info.parent;
        }
        Ok(Vec::new())
    }

    /// Takes back the last move of a story, or of any; none where there was no move. Undone twice it is done again.
    pub fn undo(&mut self, board: &Board, story: Option<&StoryId>) -> Result<Option<Undone>, PastError> {
        self.recorder.commit()?;
        let mut next = self.recorder.objects.resolve(BOARD_REF)?;
        while let Some(commit) = next {
            let info = self.recorder.objects.commit(&commit)?;
            let Some(parent) = info.parent else { break };
            let moved = match story {
                Some(id) => {
                    let (old, new) = (self.versions(&parent, id)?, self.versions(&commit, id)?);
                    moved(&old, &new).map(|stages| (id.clone(), stages))
                }
                None => self.any_move(&parent, &info.tree)?,
            };
            if let Some((id, (to, _))) = moved
                && let [from] = board.stages_of(&id)[..]
                && from != to
            {
                self.may_leave(&id, from, to)?;
                let end = board.move_story(&id, from, to);
                return Ok(Some(Undone { id, from, to, end }));
            }
            next = Some(parent);
        }
        Ok(None)
    }

    /// A story that has landed is closed: a step back of its file would have its work done again.
    fn may_leave(&self, id: &StoryId, from: Stage, to: Stage) -> Result<(), PastError> {
        let is_closed = |stage| matches!(stage, Stage::Done | Stage::Archived);
        if !is_closed(from) || is_closed(to) {
            return Ok(());
        }
        match self.recorder.objects.resolve(&landed_as(id))? {
            Some(commit) => Err(PastError::Landed(id.clone(), commit)),
            None => Ok(()),
        }
    }

    fn any_move(&self, parent: &Oid, tree: &Oid) -> Result<Option<(StoryId, Way)>, GitError> {
        let before = self.stories(&self.recorder.objects.commit(parent)?.tree)?;
        let after = self.stories(tree)?;
        Ok(after.into_iter().find_map(|(id, new)| {
            let stages = moved(before.get(&id)?, &new)?;
            Some((id, stages))
        }))
    }

    /// Makes the story on the board be this version.
    fn put(&self, board: &Board, id: &StoryId, version: &Version) -> Result<Restored, PastError> {
        let (to, blob) = version;
        let bytes = self.recorder.objects.blob(blob)?;
        let from = match board.stages_of(id)[..] {
            [] => {
                let folder = board.layout().stage(*to);
                std::fs::create_dir_all(&folder)
                    .map_err(|source| BoardError::Fs(FsError::of("make", &folder, source)))?;
                let made = board.write_story(id, *to, &bytes)?;
                let taken = || Restored::Refused(format!("{id} came back by itself"));
                return Ok(if made { Restored::Created(*to) } else { taken() });
            }
            [from] => from,
            _ => return Ok(Restored::Refused(format!("{id} is in two stages"))),
        };
        if from != *to {
            match board.move_story(id, from, *to) {
                MoveEnd::Moved => {}
                end => return Ok(Restored::Refused(format!("{id} could not be moved: {end:?}"))),
            }
        }
        let rewritten = board.replace_text(id, *to, &bytes)?;
        Ok(match (from == *to, rewritten) {
            (false, rewritten) => Restored::Moved { from, to: *to, rewritten },
            (true, true) => Restored::Rewritten(from),
            (true, false) => Restored::Unchanged(from),
        })
    }

    /// Where a story's file stands in a commit, and with what text.
    fn versions(&self, commit: &Oid, id: &StoryId) -> Result<Vec<Version>, GitError> {
        let tree = self.recorder.objects.commit(commit)?.tree;
        let mut versions = Vec::new();
        for stage in Stage::ALL {
            let path = format!(".storkit/work/{}/{}", stage.folder(), id.file_name());
            if let Some((oid, false)) = self.recorder.objects.at_path(&tree, &path)? {
                versions.push((stage, oid));
            }
        }
        Ok(versions)
    }

    /// All stories of a commit's tree.
    fn stories(&self, tree: &Oid) -> Result<BTreeMap<StoryId, Vec<Version>>, GitError> {
        let mut stories: BTreeMap<StoryId, Vec<Version>> = BTreeMap::new();
        for stage in Stage::ALL {
            let path = format!(".storkit/work/{}", stage.folder());
            let Some((tree, true)) = self.recorder.objects.at_path(tree, &path)? else { continue };
            for entry in self.recorder.objects.list(&tree)? {
                let name = String::from_utf8_lossy(&entry.name);
                let id = name.strip_suffix(".md").and_then(|stem| StoryId::new(stem).ok());
                if let Some(id) = id.filter(|_| !entry.folder) {
                    stories.entry(id).or_default().push((stage, entry.oid));
                }
            }
        }
        Ok(stories)
    }
}

/// From where to where, where this is a move.
fn moved(old: &[Version], new: &[Version]) -> Option<Way> {
    match (old, new) {
        ([(from, _)], [(to, _)]) if from != to => Some((*from, *to)),
        _ => None,
    }
}

/// A message without its trailer; of a commit of many changes only the lines about `story`.
fn told(message: &str, story: Option<&StoryId>) -> String {
    let body = message.split("\nStorkit-Highest:").next().unwrap_or_default().trim_end();
    let Some(id) = story else {
        return body.to_owned();
    };
    let start = format!("{id}: ");
    let lines: Vec<&str> = body.lines().filter(|line| line.starts_with(&start)).collect();
    if lines.is_empty() { body.to_owned() } else { lines.join("\n") }
}
