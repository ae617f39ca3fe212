//! The mark of a run that goes on in a worktree, and what is owed to one that was never settled because the daemon died.
//!
//! The mark lies in git's record of the worktree. An agent could remove it, and would then harm its own work alone.

use std::path::PathBuf;

use storkit_core::ids::{RunId, StoryId};

use super::ground::Ground;
use super::locks;
use super::settle::{Mode, Tree};
use super::snapshot::{keep, survey};
use crate::git::command::Pinned;
use crate::git::{GitError, Repo, refs};

/// The mark's name.
const MARK: &str = "storkit-running";
/// Behind the run's number, where what it leaves is to be undone.
const UNDO: &str = "undo";

fn path(pins: &Pinned) -> PathBuf {
    pins.git_dir.join(MARK)
}

/// Marks that a run begins in the story's worktree; `settle` removes the mark. `mode` is what will become of its work.
pub fn mark_running(ground: &Ground, story: &StoryId, run: RunId, mode: Mode) -> Result<(), GitError> {
    let path = path(&ground.tree(story.as_str())?);
    let undo = if mode == Mode::KeepAndUndo { UNDO } else { "" };
    std::fs::write(&path, format!("{run} {undo}\n")).map_err(GitError::io("write", &path))
}

/// Removes the mark: the run is settled.
pub(super) fn unmark(pins: &Pinned) {
    // One that stays costs a snapshot before the next run.
    let _ = std::fs::remove_file(path(pins));
}

/// Keeps what a run left whose daemon died, before another one may throw it away; undoes what was to be undone.
pub(super) fn rescue(ground: &Ground, pins: &Pinned, story: &StoryId, base: &str) -> Result<(), GitError> {
    if std::fs::symlink_metadata(path(pins)).is_err() {
        return Ok(());
    }
    let repo = ground.repo();
    let (owner, is_undone) = owner(pins, story);
    locks::clear_stale(pins, &story.branch());
    pin_tips(repo, pins, story)?;
    let survey = survey(repo, pins, repo.branch_tip(base)?.as_ref())?;
    let missed = keep(repo, pins, &survey, &owner)?;
    if let Some(what) = missed {
        tracing::warn!(%story, what, "not all that a lost run left could be kept");
    } else if is_undone && survey.unsafe_to_remove().is_none() {
        Tree { repo, pins, story }.undo(&survey)?;
    }
    unmark(pins);
    Ok(())
}

fn pin_tips(repo: &Repo, pins: &Pinned, story: &StoryId) -> Result<(), GitError> {
    let tips = [repo.head_commit(pins)?, repo.branch_tip(&story.branch())?];
    tips.iter().flatten().try_for_each(|tip| refs::pin(repo, story, tip))
}

/// Whose snapshot it is, and whether its leftovers are to be undone. What is no mark of storkit's is the story's.
fn owner(pins: &Pinned, story: &StoryId) -> (String, bool) {
    let text = std::fs::read_to_string(path(pins)).unwrap_or_default();
    let (run, rest) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
    match run.parse().map(RunId) {
        Ok(run) => (run.to_string(), rest == UNDO),
        Err(_) => (story.to_string(), false),
    }
}
