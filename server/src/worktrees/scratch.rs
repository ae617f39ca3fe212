//! A worktree to try an agent in: on no branch, outside of the stories' worktrees, and gone with its guard.
//!
//! Nothing that is done in it is kept but objects that nothing points to, which git drops by and by.

use std::path::{Path, PathBuf};

use storkit_core::ids::Oid;

use super::ground::{Found, Ground};
use super::trash;
use crate::git::command::CHECKOUT_TIMEOUT;
use crate::git::{GitError, Repo};
use crate::sys::cancel::Cancel;
use crate::sys::proc_tree;

/// Most bytes of a file in it that are read.
const TEXT_LEN_MAX: u64 = 64 << 10;
/// What stands behind the name of the folder that lies beside it.
const FILES: &str = ".files";

/// The worktree; it is removed when this is dropped.
pub struct Scratch {
    ground: Ground,
    name: String,
    tip: Oid,
}

impl Scratch {
    /// Checks `tip` out in a worktree of its own below `dir`, relative to the project's root. What checks that were
    /// killed have left there is removed first.
    pub fn make(repo: &Repo, dir: &str, tip: &Oid, cancel: &Cancel) -> Result<Self, GitError> {
        let ground = Ground::new(repo, dir)?;
        sweep(&ground);
        let name = format!("{}-{}", std::process::id(), uuid::Uuid::new_v4().simple());
        let scratch = Self { ground, name, tip: tip.clone() };
        let path = scratch.path();
        let git = repo.git().args(["worktree", "add", "--quiet", "--detach", "--"]);
        git.arg(&path).arg(tip.as_str()).timeout(CHECKOUT_TIMEOUT).cancel(cancel).run()?;
        Ok(scratch)
    }

    /// The worktree, absolute.
    pub fn path(&self) -> PathBuf {
        self.ground.path(&self.name)
    }

    /// The folder above, in which git looks for no repository.
    pub fn ceiling(&self) -> &Path {
        self.ground.dir()
    }

    /// The commit that it began with.
    pub fn tip(&self) -> &Oid {
        &self.tip
    }

    /// A folder beside it, for files about it; to be made by whoever uses it, and removed with it.
    pub fn files(&self) -> PathBuf {
        self.ground.path(&format!("{}{FILES}", self.name))
    }

    /// How many commits it has that were not there when it was made.
    pub fn commits(&self) -> Result<u32, GitError> {
        let pins = self.ground.tree(&self.name)?;
        let repo = self.ground.repo();
        let head = repo.head_commit(&pins)?;
        head.map_or(Ok(0), |head| repo.objects().ahead(&head, std::slice::from_ref(&self.tip)))
    }

    /// Whether its last commit has that file.
    pub fn has_committed(&self, file: &str) -> Result<bool, GitError> {
        let pins = self.ground.tree(&self.name)?;
        let repo = self.ground.repo();
        let Some(head) = repo.head_commit(&pins)? else { return Ok(false) };
        Ok(repo.objects().entry(&head, file)?.is_some())
    }

    /// The text of a regular file in it; none where it is not there, or is long.
    pub fn text(&self, file: &str) -> Option<String> {
        let path = self.path().join(file);
        let found = std::fs::symlink_metadata(&path).ok()?;
        let fits = found.is_file() && found.len() <= TEXT_LEN_MAX;
        fits.then(|| std::fs::read_to_string(path).ok()).flatten()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.ground, &self.name);
        remove(&self.ground, &format!("{}{FILES}", self.name));
        empty(&self.ground);
    }
}

/// Removes what processes have left that are gone.
fn sweep(ground: &Ground) {
    let entries = std::fs::read_dir(ground.dir()).into_iter().flatten().flatten();
    for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
        let pid = name.split_once('-').and_then(|(pid, _)| pid.parse::<i32>().ok());
        if pid.is_some_and(|pid| proc_tree::find(pid).is_none()) {
            remove(ground, &name);
        }
    }
    empty(ground);
}

fn remove(ground: &Ground, name: &str) {
    let there = std::fs::symlink_metadata(ground.path(name)).is_ok();
    // Its own leftovers alone: a folder that is neither is left where it is.
    let ours = name.ends_with(FILES) || !matches!(ground.find(name), Ok(Found::Absent) | Err(_));
    if there
        && ours
        && let Err(error) = trash::put(ground, name)
    {
        tracing::warn!("{} stays: {error}", ground.path(name).display());
    }
}

fn empty(ground: &Ground) {
    if let Err(error) = trash::empty_trash(ground, &Cancel::new()) {
        tracing::warn!("not all of a check's folder is gone: {error}");
    }
}
