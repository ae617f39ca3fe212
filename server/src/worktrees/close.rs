//! Closes a story that is done: worktree and branch go, once there is positive evidence that nothing is lost by it.
//!
//! What is doubtful is kept and named. A look that fails is no evidence.

use storkit_core::config::model::{Component, Worktrees};
use storkit_core::facts::CloseEnd;
use storkit_core::ids::{Oid, StoryId};

use super::facts::ahead;
use super::ground::{Found, Ground};
use super::prepare::set_aside;
use super::setup::{CommandFailed, Needs, RunCommand, run_all};
use super::snapshot::{keep, survey};
use super::{occupants, trash};
use crate::git::command::Pinned;
use crate::git::refs::{self, Transaction};
use crate::git::repo::busy;
use crate::git::{GitError, Repo};
use crate::sys::failpoint::reach;

/// The story that is closed.
#[derive(Debug, Clone)]
pub struct CloseOrder {
    /// The story.
    pub story: StoryId,
    /// The branch that its work is to be on.
    pub base_branch: String,
    /// `[worktrees]`: what to run before the worktree goes.
    pub worktrees: Worktrees,
    /// `[[component]]`: the same for sub-folders.
    pub components: Vec<Component>,
}

/// Removes the story's worktree and branch, if its work is on base and what else lies there can be kept in git.
pub fn close(ground: &Ground, order: &CloseOrder, teardown: &mut RunCommand<'_>) -> CloseEnd {
    match look_and_remove(ground, order, Evidence::Landed, teardown) {
        Ok(end) => end,
        Err(error) => CloseEnd::Kept(error.to_string()),
    }
}

/// What allows a branch to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Its work is on base.
    Landed,
    /// Or its tip is pinned, and a person asked for it.
    LandedOrPinned,
}

/// As [`close`], with other evidence.
pub(super) fn look_and_remove(
    ground: &Ground,
    order: &CloseOrder,
    evidence: Evidence,
    teardown: &mut RunCommand<'_>,
) -> Result<CloseEnd, GitError> {
    let repo = ground.repo();
    let story = &order.story;
    let branch = story.branch();
    let tip = repo.branch_tip(&branch)?;
    let base = repo.branch_tip(&order.base_branch)?;
    let found = ground.find(story.as_str())?;
    if tip.is_some() && !refs::is_ours(repo, story)? {
        return Ok(CloseEnd::Kept(format!("branch {branch} was not made by storkit")));
    }
    if matches!(found, Found::Absent) && tip.is_none() {
        return Ok(CloseEnd::Nothing);
    }
    let unlanded = unlanded(repo, order, tip.as_ref(), base.as_ref())?;
    let has_landed = unlanded.is_none();
    if let Some(why) = unlanded
        && evidence == Evidence::Landed
    {
        return Ok(CloseEnd::Kept(why));
    }
    match found {
        Found::Absent => {}
        Found::Tree(pins) => {
            if evidence == Evidence::Landed
                && let Some(why) = never_landed(repo, &pins, order, base.as_ref())?
            {
                return Ok(CloseEnd::Kept(why));
            }
            if let Some(why) = keep_all(repo, &pins, order, base.as_ref())? {
                return Ok(CloseEnd::Kept(why));
            }
            reach("close.kept");
            let needs = Needs::new(&order.worktrees, &order.components);
            if let Err(CommandFailed(tail)) = run_all(&pins.work_tree, &needs.teardown, teardown) {
                tracing::warn!(%story, tail, "a teardown command failed; the worktree is removed all the same");
            }
            // A teardown ran meanwhile, and a person may have come in.
            if !needs.teardown.is_empty()
                && let Some(why) = keep_all(repo, &pins, order, base.as_ref())?
            {
                return Ok(CloseEnd::Kept(why));
            }
            let _one_at_a_time = repo.lock("worktrees")?;
            trash::put(ground, story.as_str())?;
        }
        Found::Damaged { pins, .. } => {
            let _one_at_a_time = repo.lock("worktrees")?;
            if let Some(why) = set_aside(ground, story.as_str(), pins.as_ref(), base.as_ref())? {
                return Ok(CloseEnd::Kept(why));
            }
        }
    }
    if let Some(tip) = &tip {
        drop_branch(repo, story, tip, has_landed)?;
    }
    Ok(CloseEnd::Closed)
}

/// Why the branch's work is not on base, in words; none where all of it is.
pub(super) fn unlanded(
    repo: &Repo,
    order: &CloseOrder,
    tip: Option<&Oid>,
    base: Option<&Oid>,
) -> Result<Option<String>, GitError> {
    let Some(tip) = tip else { return Ok(None) };
    let Some(base) = base else {
        return Ok(Some(format!("base branch {} does not exist", order.base_branch)));
    };
    let count = ahead(repo, &order.story, tip, Some(base))?;
    let commits = if count == 1 { "commit" } else { "commits" };
    let (branch, base) = (order.story.branch(), &order.base_branch);
    Ok((count > 0).then(|| format!("{branch} has {count} {commits} that {base} does not have")))
}

/// Why the uncommitted work of a story that never landed must stay; none where there is none. After a landing, what
/// lies about is what tools left there.
fn never_landed(
    repo: &Repo,
    pins: &Pinned,
    order: &CloseOrder,
    base: Option<&Oid>,
) -> Result<Option<String>, GitError> {
    if repo.objects().reference(&refs::landed(&order.story))?.is_some() {
        return Ok(None);
    }
    let work_tree = pins.work_tree.display();
    let dirty = survey(repo, pins, base)?.dirty;
    Ok(dirty.then(|| format!("{work_tree} has uncommitted work, and the story never landed")))
}

/// Keeps what lies in a worktree in git; why it must stay, in words.
fn keep_all(
    repo: &Repo,
    pins: &Pinned,
    order: &CloseOrder,
    base: Option<&Oid>,
) -> Result<Option<String>, GitError> {
    let occupants = occupants::occupants(&pins.work_tree);
    if !occupants.is_empty() {
        return Ok(Some(format!("{} stands in {}", occupants.join(", "), pins.work_tree.display())));
    }
    if let Some(busy) = busy(&pins.git_dir) {
        return Ok(Some(format!("{} in {}", busy.what, pins.work_tree.display())));
    }
    let survey = survey(repo, pins, base)?;
    if let Some(why) = survey.unsafe_to_remove() {
        return Ok(Some(format!("{} {why}", pins.work_tree.display())));
    }
    if let Some(head) = repo.head_commit(pins)? {
        refs::pin(repo, &order.story, &head)?;
    }
    let missed = keep(repo, pins, &survey, order.story.as_str())?;
    Ok(missed.map(|what| format!("git could not read all of {}: {what}", pins.work_tree.display())))
}

/// Removes the branch where it still is at `tip`; the tip stays reachable.
fn drop_branch(repo: &Repo, story: &StoryId, tip: &Oid, has_landed: bool) -> Result<(), GitError> {
    refs::pin(repo, story, tip)?;
    let mut transaction = Transaction::new().delete(&refs::head(&story.branch()), tip);
    if has_landed && repo.objects().reference(&refs::landed(story))?.is_none() {
        transaction = transaction.create(&refs::landed(story), tip);
    }
    transaction.commit(repo, "storkit: closed")?;
    reach("close.branch_dropped");
    Ok(())
}
