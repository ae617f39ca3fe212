//! The merge worktree `.merge`: the commit that is to land, checked out for its gates. It is storkit's own and used by one
//! landing at a time.

use std::fmt::Write as _;

use storkit_core::config::model::{Component, Worktrees};
use storkit_core::ids::Oid;

use super::ground::{Found, Ground};
use super::locks;
use super::prepare::set_aside;
use super::setup::{CommandFailed, Needs, RunCommand, copy_files, run_all};
use crate::git::command::{CHECKOUT_TIMEOUT, Pinned};
use crate::git::{GitError, Repo};
use crate::sys::cancel::Cancel;
use crate::sys::failpoint::reach;

/// The merge worktree's name, which is its folder's.
pub const MERGE_TREE: &str = ".merge";
/// The file in git's record of it that says for what its setup has run.
const SET_UP: &str = "storkit-set-up";

/// The commit that is to be checked out.
#[derive(Debug, Clone)]
pub struct MergeTreeOrder {
    /// The commit.
    pub commit: Oid,
    /// `[worktrees]`: what to copy, what to run, and when to run it again.
    pub worktrees: Worktrees,
    /// `[[component]]`: the same for sub-folders.
    pub components: Vec<Component>,
}

/// How that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeTreeEnd {
    /// The commit is checked out there, cleaned, and set up; the folder, absolute.
    Ready(String),
    /// A setup command failed: the output's tail.
    SetupFailed(String),
    /// Not now, in words; tried again.
    Waits(String),
    /// It was cancelled.
    Cancelled,
}

/// Checks a commit out in the merge worktree: tracked files as in the commit, untracked ones gone, ignored ones as they were.
pub fn merge_tree_at(
    ground: &Ground,
    order: &MergeTreeOrder,
    setup: &mut RunCommand<'_>,
    cancel: &Cancel,
) -> MergeTreeEnd {
    match ready(ground, order, setup, cancel) {
        Ok(end) => end,
        Err(_) if cancel.raised().is_some() => MergeTreeEnd::Cancelled,
        Err(error) => MergeTreeEnd::Waits(error.to_string()),
    }
}

fn ready(
    ground: &Ground,
    order: &MergeTreeOrder,
    setup: &mut RunCommand<'_>,
    cancel: &Cancel,
) -> Result<MergeTreeEnd, GitError> {
    let repo = ground.repo();
    let pins = match place(ground, &order.commit)? {
        Ok(pins) => pins,
        Err(why) => return Ok(MergeTreeEnd::Waits(why.0)),
    };
    locks::clear_stale(&pins, MERGE_TREE);
    let git = || repo.git_in(&pins).timeout(CHECKOUT_TIMEOUT).cancel(cancel);
    // `place` has seen that HEAD is on no branch, which this would move.
    let reset = ["reset", "--quiet", "--hard", "--no-recurse-submodules"];
    if git().args(reset).arg(order.commit.as_str()).run_any()?.code != 0 {
        // HEAD may be what is broken.
        git().args(["update-ref", "--no-deref", "HEAD", order.commit.as_str()]).run()?;
        git().args(reset).run()?;
    }
    reach("merge_tree.reset");
    git().args(["clean", "--quiet", "-d", "--force", "--force"]).run()?;
    let needs = Needs::new(&order.worktrees, &order.components);
    copy_files(repo.root(), &pins.work_tree, &needs.copy)?;
    let wanted = fingerprint(repo, &order.commit, &order.worktrees, &needs)?;
    let done = pins.git_dir.join(SET_UP);
    if std::fs::read_to_string(&done).ok().as_ref() != Some(&wanted) {
        if let Err(CommandFailed(tail)) = run_all(&pins.work_tree, &needs.setup, setup) {
            let cancelled = cancel.raised().is_some();
            return Ok(if cancelled { MergeTreeEnd::Cancelled } else { MergeTreeEnd::SetupFailed(tail) });
        }
        std::fs::write(&done, &wanted).map_err(GitError::io("write", &done))?;
    }
    reach("merge_tree.ready");
    Ok(MergeTreeEnd::Ready(pins.work_tree.to_string_lossy().into_owned()))
}

/// Why there is no merge worktree, in words.
struct NoPlace(String);

/// Finds or makes the merge worktree.
fn place(ground: &Ground, commit: &Oid) -> Result<Result<Pinned, NoPlace>, GitError> {
    let _one_at_a_time = ground.repo().lock("worktrees")?;
    let lost = match ground.find(MERGE_TREE)? {
        Found::Tree(pins) if ground.repo().head_branch(&pins)?.is_none() => return Ok(Ok(pins)),
        Found::Absent => false,
        Found::Tree(_) | Found::Damaged { .. } => true,
    };
    if lost && let Some(why) = set_aside(ground, MERGE_TREE, None, Some(commit))? {
        return Ok(Err(NoPlace(why)));
    }
    ground.forget_gone()?;
    let git = ground.repo().git().args(["worktree", "add", "--quiet", "--no-checkout", "--detach", "--"]);
    git.arg(ground.path(MERGE_TREE)).arg(commit.as_str()).run()?;
    reach("merge_tree.added");
    ground.tree(MERGE_TREE).map(Ok)
}

/// For what a setup is good: its commands, and the blobs of the files that it depends on.
pub(super) fn fingerprint(
    repo: &Repo,
    commit: &Oid,
    worktrees: &Worktrees,
    needs: &Needs,
) -> Result<String, GitError> {
    let mut text = format!("{:?}\n", needs.setup);
    for path in &worktrees.setup_when {
        let blob = repo.objects().entry(commit, path)?;
        let _ = writeln!(text, "{path:?} {}", blob.as_ref().map_or("absent", Oid::as_str));
    }
    Ok(text)
}

/// The tracked files of a worktree of storkit's (`.merge`, or a story's id) that differ from `commit`: after a gate, what it changed.
pub fn changed_tracked(ground: &Ground, name: &str, commit: &Oid) -> Result<Vec<String>, GitError> {
    let pins = ground.tree(name)?;
    let args = ["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv"];
    let git =
        ground.repo().git_in(&pins).args(args).args(["--ignore-submodules=dirty", commit.as_str(), "--"]);
    Ok(git.run()?.records().map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}
