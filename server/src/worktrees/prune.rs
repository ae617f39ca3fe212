//! `storkit prune`: the worktrees and branches of stories that are over, and old pins. First a plan, then what the plan says.

use std::collections::BTreeSet;

use storkit_core::facts::CloseEnd;
use storkit_core::ids::{Oid, StoryId};
use storkit_core::stage::Stage;

use super::close::{CloseOrder, Evidence, look_and_remove, unlanded};
use super::ground::{Found, Ground};
use super::setup::RunCommand;
use crate::git::refs::{self, Transaction};
use crate::git::{GitError, Repo};

/// What is to be cleaned up.
#[derive(Debug, Clone)]
pub struct PruneOrder {
    /// Every story on the board and its stage; a branch or worktree of a story that is not named is of a deleted one.
    pub stories: Vec<(StoryId, Stage)>,
    /// The base branch, and what to run before a worktree goes; its `story` is not looked at.
    pub close: CloseOrder,
    /// Also branches with work that has not landed: it stays in git below `refs/storkit/old/`.
    pub all: bool,
    /// Which pins go; none of them where this is none.
    pub pins: Option<Pinning>,
}

/// Which pins and snapshots go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinning {
    /// Those whose commit was made before this moment, in seconds since 1970.
    pub before: i64,
}

/// One thing that a prune looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PruneItem {
    /// The story's worktree and branch go, or are gone.
    Story(StoryId),
    /// They stay, and why.
    Kept(StoryId, String),
    /// This ref goes, or is gone.
    Pin(String),
}

/// What a prune would do. Nothing is changed.
pub fn plan_prune(ground: &Ground, order: &PruneOrder) -> Result<Vec<PruneItem>, GitError> {
    let repo = ground.repo();
    let base = repo.branch_tip(&order.close.base_branch)?;
    let mut items = Vec::new();
    for story in candidates(ground, order)? {
        let close = CloseOrder { story: story.clone(), ..order.close.clone() };
        let tip = repo.branch_tip(&story.branch())?;
        let unlanded = unlanded(repo, &close, tip.as_ref(), base.as_ref())?;
        items.push(match unlanded {
            Some(why) if !order.all => PruneItem::Kept(story, why),
            _ => PruneItem::Story(story),
        });
    }
    items.extend(old_pins(ground, order)?.into_iter().map(|(name, _)| PruneItem::Pin(name)));
    Ok(items)
}

/// Does it: worktrees by way of the trash, branches where their work is on base (or pinned, when all go), pins last.
pub fn prune(
    ground: &Ground,
    order: &PruneOrder,
    teardown: &mut RunCommand<'_>,
) -> Result<Vec<PruneItem>, GitError> {
    let evidence = if order.all { Evidence::LandedOrPinned } else { Evidence::Landed };
    let mut items = Vec::new();
    for story in candidates(ground, order)? {
        let close = CloseOrder { story: story.clone(), ..order.close.clone() };
        match look_and_remove(ground, &close, evidence, teardown) {
            Ok(CloseEnd::Closed) => items.push(PruneItem::Story(story)),
            Ok(CloseEnd::Nothing) => {}
            Ok(CloseEnd::Kept(why)) => items.push(PruneItem::Kept(story, why)),
            Err(error) => items.push(PruneItem::Kept(story, error.to_string())),
        }
    }
    for (name, commit) in old_pins(ground, order)? {
        Transaction::new().delete(&name, &commit).commit(ground.repo(), "storkit: prune")?;
        items.push(PruneItem::Pin(name));
    }
    Ok(items)
}

/// The stories that are over and have a worktree, or a branch that storkit made.
fn candidates(ground: &Ground, order: &PruneOrder) -> Result<Vec<StoryId>, GitError> {
    let over = |story: &StoryId| {
        let stage = order.stories.iter().find(|(id, _)| id == story).map(|(_, stage)| *stage);
        stage.is_none_or(|stage| matches!(stage, Stage::Done | Stage::Archived))
    };
    let mut found = BTreeSet::new();
    for (name, _) in ground.repo().objects().references("refs/heads/feature/")? {
        let story = name.strip_prefix("refs/heads/feature/story-").and_then(|id| StoryId::new(id).ok());
        if let Some(story) = story.filter(|story| over(story))
            && refs::is_ours(ground.repo(), &story)?
        {
            found.insert(story);
        }
    }
    let entries = std::fs::read_dir(ground.dir()).map_err(GitError::io("list", ground.dir()))?;
    for entry in entries.flatten() {
        let story = entry.file_name().to_str().and_then(|name| StoryId::new(name).ok());
        if let Some(story) = story.filter(|story| over(story))
            && matches!(ground.find(story.as_str())?, Found::Tree(_))
        {
            found.insert(story);
        }
    }
    Ok(found.into_iter().collect())
}

/// Pins and snapshots made before the moment asked for; those of a story that has a branch stay: they mark it as storkit's.
fn old_pins(ground: &Ground, order: &PruneOrder) -> Result<Vec<(String, Oid)>, GitError> {
    let Some(Pinning { before }) = order.pins else { return Ok(Vec::new()) };
    let repo: &Repo = ground.repo();
    let format = "--format=%(committerdate:unix) %(objectname) %(refname)";
    let output =
        repo.git().args(["for-each-ref", format, "refs/storkit/old/", "refs/storkit/snap/"]).run()?;
    let mut found = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(date), Some(id), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
        let (Ok(date), Some(id)) = (date.parse::<i64>(), Oid::new(id)) else { continue };
        let owner = name.strip_prefix("refs/storkit/old/").and_then(|rest| rest.split('/').next());
        let has_branch = match owner.and_then(|owner| StoryId::new(owner).ok()) {
            Some(story) => repo.branch_tip(&story.branch())?.is_some(),
            None => false,
        };
        if date < before && !has_branch {
            found.push((name.to_owned(), id));
        }
    }
    Ok(found)
}
