//! The folder that worktrees lie in, and whether a folder in it still is the worktree that storkit made.
//!
//! A worktree's own `.git` file decides nothing: git's record of it is found from the repository's side, and each file there
//! that would make git read something else is compared with what storkit's git wrote.

use std::path::{Component, Path, PathBuf};

use crate::git::command::Pinned;
use crate::git::{GitError, Repo};

/// The folder for what is being removed.
pub(super) const TRASH: &str = ".trash";
/// Most bytes of a file that says where something is.
const POINTER_MAX: u64 = 16 << 10;
/// Keys that a worktree's own configuration may hold besides those of the main checkout's: they start no program.
const HARMLESS: [&str; 5] =
    ["core.sparsecheckout", "core.sparsecheckoutcone", "core.bare", "index.", "user."];

/// The repository, and the folder that worktrees lie in.
#[derive(Clone)]
pub struct Ground {
    repo: Repo,
    dir: PathBuf,
}

/// What is in the place of a worktree.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Absent,
    /// The worktree.
    Tree(Pinned),
    /// Something that is not, or no longer, the worktree.
    Damaged {
        /// Git's record of it, where that is as storkit's git wrote it: git can be run with it.
        pins: Option<Pinned>,
        /// What is wrong.
        why: String,
    },
}

impl Ground {
    /// The worktrees of `repo` in `dir`, which is absolute or relative to the project's root, and is made where it is missing.
    pub fn new(repo: &Repo, dir: &str) -> Result<Self, GitError> {
        let path = repo.root().join(dir);
        std::fs::create_dir_all(&path).map_err(GitError::io("make", &path))?;
        let meant_inside = Path::new(dir).components().all(|part| matches!(part, Component::Normal(_)));
        let dir = path.canonicalize().map_err(GitError::io("find", &path))?;
        if meant_inside && !dir.starts_with(repo.root()) {
            let source =
                std::io::Error::other(format!("a link leads out of the project to {}", dir.display()));
            return Err(GitError::Io { action: "use", path, source });
        }
        Ok(Self { repo: repo.clone(), dir })
    }

    /// The repository.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The folder that worktrees lie in, absolute and without links.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the worktree of that name (a story's id) is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// What is in the place of the worktree of that name. Nothing is changed and no program is run.
    pub fn find(&self, name: &str) -> Result<Found, GitError> {
        let path = self.path(name);
        let damaged = |pins, why: &str| Ok(Found::Damaged { pins, why: why.to_owned() });
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return damaged(None, "it is not a folder"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Absent),
            Err(error) => return Err(GitError::Io { action: "look at", path, source: error }),
        }
        let mut records: Vec<_> =
            self.repo.admins()?.into_iter().filter(|pins| pins.work_tree == path).collect();
        let (Some(pins), None) = (records.pop(), records.pop()) else {
            return damaged(None, "git has no record of it, or more than one");
        };
        if let Some(why) = self.tampered(&pins) {
            return damaged(None, &why);
        }
        let pointer = read_pointer(&path.join(".git"));
        let expected = format!("gitdir: {}", pins.git_dir.display());
        if pointer.as_deref().map(str::trim_end) != Some(expected.as_str()) {
            return damaged(Some(pins), "its .git file was replaced or is gone");
        }
        Ok(Found::Tree(pins))
    }

    /// The worktree of that name; an error that names what is wrong where it is not there as storkit made it.
    pub fn tree(&self, name: &str) -> Result<Pinned, GitError> {
        let tampered = |what: String| GitError::Tampered { path: self.path(name), what };
        match self.find(name)? {
            Found::Tree(pins) => Ok(pins),
            Found::Absent => Err(tampered("it is gone".to_owned())),
            Found::Damaged { why, .. } => Err(tampered(why)),
        }
    }

    /// Forgets git's records of worktrees in this folder that are gone. Others' are left to their owners.
    pub(super) fn forget_gone(&self) -> Result<(), GitError> {
        for pins in self.repo.admins()? {
            let here = pins.work_tree.parent() == Some(self.dir.as_path());
            let gone = std::fs::symlink_metadata(&pins.work_tree)
                .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
            if here && gone && self.tampered(&pins).is_none() {
                let git = self.repo.git().args(["worktree", "remove", "--force", "--force", "--"]);
                git.arg(&pins.work_tree).run()?;
            }
        }
        Ok(())
    }

    /// What in git's record of a worktree is not as git wrote it.
    fn tampered(&self, pins: &Pinned) -> Option<String> {
        let is_folder = std::fs::symlink_metadata(&pins.git_dir).is_ok_and(|found| found.is_dir());
        if !is_folder {
            return Some("git's record of it is a link".to_owned());
        }
        if read_pointer(&pins.git_dir.join("commondir")).as_deref().map(str::trim_end) != Some("../..") {
            return Some("commondir of git's record was changed".to_owned());
        }
        if read_pointer(&pins.git_dir.join("HEAD")).is_none() {
            return Some("HEAD of git's record is gone".to_owned());
        }
        self.foreign_setting(pins).map(|key| format!("its own configuration sets {key}"))
    }

    /// A setting in the worktree's own configuration that might start a program and that the main checkout's has not.
    fn foreign_setting(&self, pins: &Pinned) -> Option<String> {
        let own = pins.git_dir.join("config.worktree");
        std::fs::symlink_metadata(&own).ok()?;
        let main = settings(&self.repo.common().join("config.worktree")).unwrap_or_default();
        let Some(own) = settings(&own) else { return Some("what cannot be read".to_owned()) };
        let harmless = |key: &str| HARMLESS.iter().any(|prefix| key.starts_with(prefix));
        own.into_iter().find(|entry| !harmless(&entry.0) && !main.contains(entry)).map(|entry| entry.0)
    }
}

/// A small regular file's text; none where it is a link, too big, or not there.
pub(super) fn read_pointer(path: &Path) -> Option<String> {
    let found = std::fs::symlink_metadata(path).ok()?;
    if !found.is_file() || found.len() > POINTER_MAX {
        return None;
    }
    std::fs::read_to_string(path).ok()
}

/// The keys and values of one small configuration file.
fn settings(path: &Path) -> Option<Vec<(String, String)>> {
    read_pointer(path)?;
    crate::git::settings::settings(path)
}
