//! After a run: what the agent left uncommitted is committed, or kept, and its branch is brought in order.
//!
//! Called when all processes of the run have ended. Every tip that was there stays reachable.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use storkit_core::facts::BranchFacts;
use storkit_core::ids::{Oid, StoryId};

use super::facts::{FactsOrder, branch_facts, broken};
use super::ground::{Found, Ground};
use super::snapshot::{Survey, add_all, keep, survey};
use super::{locks, running};
use crate::git::command::{CHECKOUT_TIMEOUT, Pinned};
use crate::git::refs::{self, Transaction};
use crate::git::repo::busy;
use crate::git::{GitError, Repo};
use crate::sys::failpoint::reach;

/// What is to become of uncommitted work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is committed on the story's branch (a coder or mergemaster that exited 0).
    Commit,
    /// It is kept, and left where it is (any other end).
    Keep,
    /// It is kept, and undone (a QA run).
    KeepAndUndo,
}

/// A run that has ended.
#[derive(Debug, Clone)]
pub struct SettleOrder {
    /// The story and its base.
    pub facts: FactsOrder,
    /// The run, which names its snapshots.
    pub run: String,
    /// The agent, named in the commit's message.
    pub agent: String,
    /// What is to become of uncommitted work.
    pub mode: Mode,
}

/// Brings a story's worktree and branch in order after a run; the branch as it is then.
pub fn settle(ground: &Ground, order: &SettleOrder) -> Result<BranchFacts, GitError> {
    let repo = ground.repo();
    let story = &order.facts.story;
    reach("settle.begun");
    let (pins, lost) = match ground.find(story.as_str())? {
        Found::Tree(pins) => (Some(pins), None),
        Found::Absent => (None, Some("it is gone".to_owned())),
        Found::Damaged { pins, why } => (pins, Some(why)),
    };
    let mut unsafe_to_remove = None;
    let mut not_in_order = lost.map(|why| format!("the worktree is lost: {why}"));
    if let Some(pins) = &pins {
        let tree = Tree { repo, pins, story };
        let (broken, kept) = tree.settle(order, not_in_order.is_some())?;
        unsafe_to_remove = kept;
        not_in_order = not_in_order.or(broken);
    }
    if let Some(tip) = repo.branch_tip(&story.branch())?
        && refs::is_ours(repo, story)?
    {
        refs::pin(repo, story, &tip)?;
    }
    reach("settle.done");
    if let Some(pins) = &pins {
        running::unmark(pins);
    }
    Ok(BranchFacts { broken: not_in_order, unsafe_to_remove, ..branch_facts(repo, &order.facts)? })
}

/// A story's worktree.
pub(super) struct Tree<'a> {
    pub(super) repo: &'a Repo,
    pub(super) pins: &'a Pinned,
    pub(super) story: &'a StoryId,
}

impl Tree<'_> {
    /// What is not in order, and why the worktree must not be removed.
    fn settle(&self, order: &SettleOrder, lost: bool) -> Result<(Option<String>, Option<String>), GitError> {
        locks::clear_stale(self.pins, &self.story.branch());
        let base = self.repo.branch_tip(&order.facts.base_branch)?;
        let mut survey = survey(self.repo, self.pins, base.as_ref())?;
        let mut not_in_order = broken(self.repo, self.pins, self.story, &survey)?;
        if let Some(head) = self.repo.head_commit(self.pins)? {
            refs::pin(self.repo, self.story, &head)?;
        }
        reach("settle.pinned");
        if not_in_order.is_none() && !lost {
            not_in_order = self.attach()?;
        }
        let mut missed = None;
        if order.mode == Mode::Commit && not_in_order.is_none() && !lost {
            if survey.dirty {
                missed = self.commit(&survey, &order.agent)?;
            }
        } else {
            missed = keep(self.repo, self.pins, &survey, &order.run)?;
            if order.mode == Mode::KeepAndUndo && missed.is_none() && !lost {
                self.undo(&survey)?;
                reach("settle.undone");
                survey = super::snapshot::survey(self.repo, self.pins, base.as_ref())?;
                not_in_order = broken(self.repo, self.pins, self.story, &survey)?;
            }
        }
        self.let_go()?;
        let missed = missed.map(|what| format!("git could not read all of it: {what}"));
        Ok((not_in_order, survey.unsafe_to_remove().or(missed)))
    }

    /// Makes HEAD name the story's branch again, and the branch be where HEAD is, where that loses nothing.
    fn attach(&self) -> Result<Option<String>, GitError> {
        let branch = refs::head(&self.story.branch());
        let tip = self.repo.objects().reference(&branch)?;
        let on = self.repo.head_branch(self.pins)?;
        let head = self.repo.head_commit(self.pins)?;
        let is_on = on.as_ref() == Some(&branch);
        let (head, tip) = match (head, tip) {
            (Some(_), Some(_)) if is_on => return Ok(None),
            (Some(head), tip) => (head, tip),
            (None, _) => match self.last_head()? {
                Some(head) => (head, None),
                None => return Ok(Some("HEAD has no commit".to_owned())),
            },
        };
        let transaction = match &tip {
            Some(tip) if *tip == head => Transaction::new(),
            Some(tip) => Transaction::new().update(&branch, &head, tip),
            None => Transaction::new().create(&branch, &head),
        };
        transaction.commit(self.repo, "storkit: the branch is where HEAD is")?;
        if !is_on {
            refs::point_head(self.repo, self.pins, &branch)?;
        }
        Ok(None)
    }

    /// Takes the worktree off a branch that is not its story's: on base it would keep every story from landing.
    ///
    /// The files and the commit stay; HEAD is detached.
    fn let_go(&self) -> Result<(), GitError> {
        let own = refs::head(&self.story.branch());
        let is_foreign = |name: Option<&String>| name.is_some_and(|name| *name != own);
        if let Some(busy) = busy(&self.pins.git_dir).filter(|busy| is_foreign(busy.branch.as_ref())) {
            let end = if busy.what.contains("rebase") {
                ["rebase", "--quit"].as_slice()
            } else {
                &["bisect", "reset", "HEAD"]
            };
            self.repo.git_in(self.pins).args(end.iter().copied()).run()?;
        }
        if is_foreign(self.repo.head_branch(self.pins)?.as_ref())
            && let Some(head) = self.repo.head_commit(self.pins)?
        {
            let detach = ["update-ref", "--no-deref", "HEAD", head.as_str()];
            self.repo.git_in(self.pins).args(detach).run()?;
        }
        Ok(())
    }

    /// The last commit that HEAD was at, by its log, or by the newest pin.
    fn last_head(&self) -> Result<Option<Oid>, GitError> {
        let log = std::fs::read_to_string(self.pins.git_dir.join("logs/HEAD")).unwrap_or_default();
        let mut logged = log.lines().filter_map(|line| Oid::new(line.split(' ').nth(1)?));
        let logged = logged.rfind(|id| id.as_str().bytes().any(|byte| byte != b'0'));
        if let Some(id) = logged
            && self.repo.objects().parents(&id).is_ok()
        {
            return Ok(Some(id));
        }
        Ok(self.repo.objects().references(&refs::old_prefix(self.story))?.pop().map(|(_, id)| id))
    }

    /// Commits what is left over; what git could not read.
    fn commit(&self, survey: &Survey, agent: &str) -> Result<Option<String>, GitError> {
        let missed = add_all(self.repo, self.pins, survey, None)?;
        reach("settle.added");
        let tree = self.repo.git_in(self.pins).arg("write-tree").run()?.oid()?;
        let branch = refs::head(&self.story.branch());
        let Some(tip) = self.repo.objects().reference(&branch)? else { return Ok(missed) };
        if self.repo.objects().tree(&tip)? != tree {
            let message = format!("storkit: work left uncommitted by {agent}\n");
            let commit = self.repo.commit_tree(&tree, &[&tip], &message)?;
            Transaction::new()
                .update(&branch, &commit, &tip)
                .commit(self.repo, "storkit: left uncommitted")?;
            reach("settle.committed");
        }
        Ok(missed)
    }

    /// Makes the worktree as its branch is; everything in it was kept before.
    pub(super) fn undo(&self, survey: &Survey) -> Result<(), GitError> {
        if busy(&self.pins.git_dir).is_some_and(|busy| busy.what.contains("rebase")) {
            self.repo.git_in(self.pins).args(["rebase", "--quit"]).run()?;
        }
        let branch = refs::head(&self.story.branch());
        if self.repo.objects().reference(&branch)?.is_some() {
            refs::point_head(self.repo, self.pins, &branch)?;
        }
        self.repo.git_in(self.pins).args(["reset", "--quiet", "--hard"]).timeout(CHECKOUT_TIMEOUT).run()?;
        for path in &survey.untracked {
            let path = self.pins.work_tree.join(OsStr::from_bytes(path));
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(GitError::Io { action: "remove", path, source }),
            }
            let mut folder = path.parent();
            while let Some(parent) = folder.filter(|folder| *folder != self.pins.work_tree) {
                if std::fs::remove_dir(parent).is_err() {
                    break;
                }
                folder = parent.parent();
            }
        }
        Ok(())
    }
}
