//! Makes a story's worktree ready for a run: the one that is there, or one on its branch, or a new branch from base.
//!
//! What stands in the way is kept in git and put in the trash, never written over.

use std::path::Path;

use storkit_core::config::model::{Component, Worktrees};
use storkit_core::facts::PrepareEnd;
use storkit_core::ids::{Oid, StoryId};

use super::facts::ahead;
use super::ground::{Found, Ground};
use super::setup::{CommandFailed, Needs, RunCommand, copy_files, run_all};
use super::snapshot::{content, keep, survey};
use super::{running, trash, warm};
use crate::git::command::{CHECKOUT_TIMEOUT, Pinned};
use crate::git::refs::{self, Transaction};
use crate::git::repo::busy;
use crate::git::{GitError, Repo};
use crate::sys::cancel::Cancel;
use crate::sys::failpoint::reach;

/// The file in git's record of a worktree that says that its setup has finished.
pub(super) const SET_UP: &str = "storkit-set-up";

/// The worktree that is wanted.
#[derive(Debug, Clone)]
pub struct PrepareOrder {
    /// The story.
    pub story: StoryId,
    /// The branch that a new story branch is made from.
    pub base_branch: String,
    /// `[worktrees]`: what to copy and to run.
    pub worktrees: Worktrees,
    /// `[[component]]`: the same for sub-folders.
    pub components: Vec<Component>,
}

/// Makes the story's worktree ready; `setup` runs the setup commands.
pub fn prepare(
    ground: &Ground,
    order: &PrepareOrder,
    setup: &mut RunCommand<'_>,
    cancel: &Cancel,
) -> PrepareEnd {
    let work = Work { ground, repo: ground.repo(), order, cancel };
    match work.prepare(setup) {
        Ok(end) => end,
        Err(_) if cancel.raised().is_some() => PrepareEnd::Cancelled,
        Err(error) => PrepareEnd::Waits(error.to_string()),
    }
}

struct Work<'a> {
    ground: &'a Ground,
    repo: &'a Repo,
    order: &'a PrepareOrder,
    cancel: &'a Cancel,
}

/// What the list of worktrees and branches gives.
enum Placed {
    Tree(Pinned),
    End(PrepareEnd),
}

impl Work<'_> {
    fn prepare(&self, setup: &mut RunCommand<'_>) -> Result<PrepareEnd, GitError> {
        let Some(base) = self.repo.branch_tip(&self.order.base_branch)? else {
            return Ok(PrepareEnd::Waits(format!("base branch {} does not exist", self.order.base_branch)));
        };
        let pins = {
            let _one_at_a_time = self.repo.lock("worktrees")?;
            match self.place(&base)? {
                Placed::Tree(pins) => pins,
                Placed::End(end) => return Ok(end),
            }
        };
        running::rescue(self.ground, &pins, &self.order.story, &self.order.base_branch)?;
        self.check_out(&pins)?;
        reach("prepare.checked_out");
        if self.cancel.raised().is_some() {
            return Ok(PrepareEnd::Cancelled);
        }
        let needs = Needs::new(&self.order.worktrees, &self.order.components);
        let done = pins.git_dir.join(SET_UP);
        if std::fs::symlink_metadata(&done).is_err() {
            copy_files(self.repo.root(), &pins.work_tree, &needs.copy)?;
            if let Err(CommandFailed(tail)) = run_all(&pins.work_tree, &needs.setup, setup) {
                let cancelled = self.cancel.raised().is_some();
                return Ok(if cancelled { PrepareEnd::Cancelled } else { PrepareEnd::SetupFailed(tail) });
            }
            std::fs::write(&done, "").map_err(GitError::io("write", &done))?;
            reach("prepare.set_up");
        }
        let tip = self.repo.branch_tip(&self.order.story.branch())?;
        let from = tip.map_or(Ok(None), |tip| self.repo.objects().merge_base(&base, &tip))?;
        let worktree = pins.work_tree.to_string_lossy().into_owned();
        Ok(PrepareEnd::Ready { worktree, base: from.unwrap_or(base) })
    }

    /// Finds or makes the worktree's record and branch; its files come later.
    fn place(&self, base: &Oid) -> Result<Placed, GitError> {
        let blocked = |why: String| Ok(Placed::End(PrepareEnd::Blocked(why)));
        if let Some(clash) = self.repo.clash()? {
            return blocked(clash);
        }
        let story = &self.order.story;
        let branch = story.branch();
        let tip = self.repo.branch_tip(&branch)?;
        if let Some(tip) = &tip {
            if !refs::is_ours(self.repo, story)? {
                return blocked(format!(
                    "branch {branch} exists and storkit did not make it: rename or delete it"
                ));
            }
            if self.repo.objects().merge_base(base, tip)?.is_none() {
                return blocked(format!("{branch} has no common ancestor with {}", self.order.base_branch));
            }
        }
        match self.ground.find(story.as_str())? {
            Found::Tree(pins) if tip.is_some() && self.is_on(&pins, &branch)? => {
                return Ok(Placed::Tree(pins));
            }
            Found::Absent => {}
            Found::Tree(pins) | Found::Damaged { pins: Some(pins), .. } => {
                if let Some(why) = set_aside(self.ground, story.as_str(), Some(&pins), Some(base))? {
                    return blocked(why);
                }
            }
            Found::Damaged { pins: None, .. } => {
                if let Some(why) = set_aside(self.ground, story.as_str(), None, Some(base))? {
                    return blocked(why);
                }
            }
        }
        self.ground.forget_gone()?;
        let name = refs::head(&branch);
        let elsewhere = self.repo.checkouts()?.into_iter().find(|checkout| {
            let returns = checkout.busy.as_ref().and_then(|busy| busy.branch.as_ref());
            checkout.branch.as_ref() == Some(&name) || returns == Some(&name)
        });
        if let Some(checkout) = elsewhere {
            return blocked(format!("{branch} is checked out in {}", checkout.pins.work_tree.display()));
        }
        self.branch(tip.as_ref(), base)?;
        let tip = self.repo.branch_tip(&branch)?;
        if let Some(tip) = tip.filter(|_| self.order.worktrees.warm > 0)
            && let Some(pins) = warm::take(self.ground, story, &tip, self.order, self.cancel)?
        {
            return Ok(Placed::Tree(pins));
        }
        let path = self.ground.path(story.as_str());
        let git = self.repo.git().args(["worktree", "add", "--quiet", "--no-checkout", "--"]);
        git.arg(&path).arg(&branch).timeout(CHECKOUT_TIMEOUT).run()?;
        reach("prepare.worktree_added");
        Ok(Placed::Tree(self.ground.tree(story.as_str())?))
    }

    /// Whether a worktree is on the branch, or in the middle of a rebase of it.
    fn is_on(&self, pins: &Pinned, branch: &str) -> Result<bool, GitError> {
        let name = Some(refs::head(branch));
        Ok(self.repo.head_branch(pins)? == name
            || busy(&pins.git_dir).is_some_and(|busy| busy.branch == name))
    }

    /// The story's branch: as it is while it has work that has not landed, else from base; an old tip stays pinned.
    fn branch(&self, tip: Option<&Oid>, base: &Oid) -> Result<(), GitError> {
        let story = &self.order.story;
        let name = refs::head(&story.branch());
        let transaction = match tip {
            Some(tip) if ahead(self.repo, story, tip, Some(base))? > 0 => return Ok(()),
            Some(tip) if tip == base => return Ok(()),
            Some(tip) => {
                refs::pin(self.repo, story, tip)?;
                Transaction::new().update(&name, base, tip)
            }
            None => Transaction::new().create(&name, base),
        };
        // The pin comes first: it is the mark that the branch is storkit's.
        refs::pinning(self.repo, story, base)?.then(transaction).commit(self.repo, "storkit: from base")?;
        reach("prepare.branch_made");
        Ok(())
    }

    /// Writes the files of a worktree that has none yet. A worktree with an index has had its checkout, and is left alone.
    fn check_out(&self, pins: &Pinned) -> Result<(), GitError> {
        if std::fs::symlink_metadata(pins.git_dir.join("index")).is_ok() {
            return Ok(());
        }
        let lock = pins.git_dir.join("index.lock");
        if std::fs::symlink_metadata(&lock).is_ok() {
            super::locks::clear_stale(pins, &self.order.story.branch());
        }
        if !is_empty_but_git(&pins.work_tree)? {
            // An earlier checkout was cut short, or an agent removed its index: what is there is kept first.
            let survey = survey(self.repo, pins, None)?;
            keep(self.repo, pins, &survey, self.order.story.as_str())?;
        }
        let workers = if has_idle_core() { "checkout.workers=2" } else { "checkout.workers=1" };
        let git = self.repo.git_in(pins).args(["-c", workers, "reset", "--quiet", "--hard"]);
        git.arg("--no-recurse-submodules").timeout(CHECKOUT_TIMEOUT).cancel(self.cancel).run().map(drop)
    }
}

/// Keeps what is in the place of a worktree in git, and moves it to the trash; why that cannot be done, in words.
///
/// `pins` is git's record of it, where that can be trusted; else its files are read as of a checkout of `base`.
pub(super) fn set_aside(
    ground: &Ground,
    name: &str,
    pins: Option<&Pinned>,
    base: Option<&Oid>,
) -> Result<Option<String>, GitError> {
    let repo = ground.repo();
    let path = ground.path(name);
    let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
    if !is_folder {
        return Ok(Some(format!("{} is not a folder: move it away", path.display())));
    }
    if std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none()) {
        std::fs::remove_dir(&path).map_err(GitError::io("remove", &path))?;
        return Ok(None);
    }
    let occupants = super::occupants(&path);
    if !occupants.is_empty() {
        let who = occupants.join(", ");
        return Ok(Some(format!("{} is not the worktree any more, and {who} stands in it", path.display())));
    }
    let stuck = |why: String| {
        let path = path.display();
        Ok(Some(format!(
            "{path} is not the worktree any more and cannot be kept in git ({why}): move it away"
        )))
    };
    let missed = match pins {
        Some(pins) => {
            let survey = survey(repo, pins, base)?;
            if let Some(why) = survey.unsafe_to_remove() {
                return stuck(why);
            }
            if let (Some(head), Ok(story)) = (repo.head_commit(pins)?, StoryId::new(name)) {
                refs::pin(repo, &story, &head)?;
            }
            keep(repo, pins, &survey, name)?
        }
        None => keep_strange(ground, &path, name, base)?,
    };
    if let Some(why) = missed {
        return stuck(why);
    }
    trash::put(ground, name)?;
    Ok(None)
}

/// Keeps the files of a folder of which git has no record that can be trusted; what could not be kept, in words.
fn keep_strange(
    ground: &Ground,
    path: &Path,
    name: &str,
    base: Option<&Oid>,
) -> Result<Option<String>, GitError> {
    let repo = ground.repo();
    if std::fs::symlink_metadata(path.join(".git")).is_ok_and(|found| found.is_dir()) {
        return Ok(Some("it is a repository of its own".to_owned()));
    }
    let folder = tempfile::Builder::new().prefix("storkit-index-").tempdir_in(repo.common());
    let folder = folder.map_err(GitError::io("make a folder in", repo.common()))?;
    // A git directory of its own, so that no index and no HEAD of a real checkout is touched.
    let pins = Pinned {
        git_dir: folder.path().to_owned(),
        common: repo.common().to_owned(),
        work_tree: path.to_owned(),
    };
    let head = base.map_or_else(|| "ref: refs/heads/storkit-none".to_owned(), Oid::to_string);
    let file = folder.path().join("HEAD");
    std::fs::write(&file, format!("{head}\n")).map_err(GitError::io("write", &file))?;
    if base.is_some() {
        repo.git_in(&pins).args(["read-tree", "HEAD"]).run()?;
    }
    let survey = survey(repo, &pins, base)?;
    if let Some(why) = survey.unsafe_to_remove() {
        return Ok(Some(why));
    }
    let content = content(repo, &pins, &survey)?;
    let parents: Vec<&Oid> = base.into_iter().collect();
    let commit = repo.commit_tree(&content.tree, &parents, "storkit: files of a lost worktree")?;
    refs::append(repo, &refs::snap_prefix(name), &commit)?;
    Ok(content.missed)
}

/// Whether a second worker of a checkout would find a core that is idle: it takes half as much CPU time again, and where all
/// cores are busy it only delays. Where the system does not tell, it would not.
fn has_idle_core() -> bool {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let running = text.split(' ').nth(3).and_then(|part| part.split('/').next()?.parse::<usize>().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // This thread is one of those that run.
    running.is_some_and(|running| running < cores)
}

fn is_empty_but_git(folder: &Path) -> Result<bool, GitError> {
    let entries = std::fs::read_dir(folder).map_err(GitError::io("list", folder))?;
    Ok(entries.flatten().all(|entry| entry.file_name() == ".git"))
}
