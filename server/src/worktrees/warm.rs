//! Worktrees kept ready in advance (`worktrees.warm`): checkouts of base in `.slot-<n>`, on no branch, one of which becomes
//! a story's worktree by a rename.
//!
//! A slot is ready while a mark lies in git's record of it: the last thing that is written, and the first that goes when the
//! slot is taken or renewed. It is the story's when HEAD names the story's branch, which is the last step. Whatever is found
//! between the two has no value and is thrown away.

use std::path::Path;

use storkit_core::config::model::{Component, Worktrees};
use storkit_core::ids::{Oid, StoryId};

use super::ground::{Found, Ground, read_pointer};
use super::merge::fingerprint;
use super::prepare::SET_UP;
use super::setup::{CommandFailed, Needs, RunCommand, copy_files, run_all};
use super::{occupants, trash};
use crate::git::command::{CHECKOUT_TIMEOUT, Pinned};
use crate::git::repo::busy;
use crate::git::{GitError, Repo, refs};
use crate::sys::cancel::Cancel;
use crate::sys::failpoint::reach;

/// What a slot's folder is called, before its number.
const SLOT: &str = ".slot-";
/// The mark's name.
const MARK: &str = "storkit-warm";

/// What is to be kept ready.
#[derive(Debug, Clone)]
pub struct WarmOrder {
    /// The branch that new story branches are made from.
    pub base_branch: String,
    /// `[worktrees]`: how many, what to copy and to run.
    pub worktrees: Worktrees,
    /// `[[component]]`: the same for sub-folders.
    pub components: Vec<Component>,
}

/// What a ready slot is: the commit that is checked out, and for what its setup was run.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    commit: Oid,
    set_up_for: String,
}

impl Mark {
    fn read(pins: &Pinned) -> Option<Self> {
        let text = read_pointer(&pins.git_dir.join(MARK))?;
        let (commit, set_up_for) = text.split_once('\n')?;
        Some(Self { commit: Oid::new(commit)?, set_up_for: set_up_for.to_owned() })
    }

    fn write(&self, pins: &Pinned) -> Result<(), GitError> {
        replace(&pins.git_dir.join(MARK), &format!("{}\n{}", self.commit, self.set_up_for))
    }

    fn remove(pins: &Pinned) -> Result<(), GitError> {
        match std::fs::remove_file(pins.git_dir.join(MARK)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(GitError::io("remove", &pins.git_dir.join(MARK))(error))
            }
            _ => Ok(()),
        }
    }
}

/// Writes a small file in one step.
fn replace(path: &Path, text: &str) -> Result<(), GitError> {
    let new = path.with_extension("storkit-new");
    std::fs::write(&new, text).map_err(GitError::io("write", &new))?;
    std::fs::rename(&new, path).map_err(GitError::io("write", path))
}

/// A setup runs before a slot has its final path only where it is said to bear that.
fn sets_up_in_advance(worktrees: &Worktrees, needs: &Needs) -> bool {
    worktrees.setup_relocatable && !needs.setup.is_empty()
}

/// For what a slot at `commit` has to be set up; empty where that waits for the final path.
fn set_up_for(repo: &Repo, commit: &Oid, worktrees: &Worktrees, needs: &Needs) -> Result<String, GitError> {
    if !sets_up_in_advance(worktrees, needs) {
        return Ok(String::new());
    }
    let mut text = fingerprint(repo, commit, worktrees, needs)?;
    if worktrees.setup_when.is_empty() {
        // Nobody has said what the setup depends on: on anything.
        text.push_str(commit.as_str());
    }
    for file in &needs.copy {
        let meta = std::fs::metadata(repo.root().join(file)).ok();
        let seen = meta.map(|meta| (meta.len(), meta.modified().ok()));
        text.push_str(&format!("{file:?} {seen:?}\n"));
    }
    Ok(text)
}

/// The slots that are there, by number.
fn slots(ground: &Ground) -> Vec<(u32, String)> {
    let entries = std::fs::read_dir(ground.dir()).into_iter().flatten().flatten();
    let slot = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        Some((name.strip_prefix(SLOT)?.parse().ok()?, name))
    };
    let mut found: Vec<(u32, String)> = entries.filter_map(slot).collect();
    found.sort();
    found
}

/// Whether nothing but a ready slot can be made of it: on no branch, nothing in progress, no lock.
fn is_calm(repo: &Repo, pins: &Pinned) -> bool {
    let locked = ["index.lock", "HEAD.lock"].iter().any(|lock| pins.git_dir.join(lock).exists());
    !locked && busy(&pins.git_dir).is_none() && matches!(repo.head_branch(pins), Ok(None))
}

/// The mark of a slot whose HEAD is where storkit left it and that has an index; no other is worth anything.
fn trusted_mark(repo: &Repo, pins: &Pinned) -> Option<Mark> {
    let mark = Mark::read(pins)?;
    let text = read_pointer(&pins.git_dir.join("HEAD"))?;
    let at = |head: Result<Option<Oid>, GitError>| matches!(head, Ok(Some(head)) if head == mark.commit);
    // Under reftable the file says nothing.
    let is_there =
        text.trim_end() == mark.commit.as_str() || (text.starts_with("ref: ") && at(repo.head_commit(pins)));
    (is_there && pins.git_dir.join("index").is_file()).then_some(mark)
}

/// Makes a ready slot the worktree of a story, on its branch, whose tip is `tip`. None where there is no ready slot, or it
/// did not work: then the place is empty again. Called with the lock of git's list of worktrees held.
pub(super) fn take(
    ground: &Ground,
    story: &StoryId,
    tip: &Oid,
    order: &super::PrepareOrder,
    cancel: &Cancel,
) -> Result<Option<Pinned>, GitError> {
    let repo = ground.repo();
    let needs = Needs::new(&order.worktrees, &order.components);
    let wanted = set_up_for(repo, tip, &order.worktrees, &needs)?;
    for (_, name) in slots(ground) {
        let Ok(Found::Tree(pins)) = ground.find(&name) else { continue };
        let Some(mark) = trusted_mark(repo, &pins) else { continue };
        if mark.set_up_for != wanted || !is_calm(repo, &pins) {
            continue;
        }
        match claim(ground, story, &pins, (&mark.commit, tip), cancel) {
            Ok(pins) => return Ok(Some(pins)),
            Err(error) if cancel.raised().is_some() => return Err(error),
            Err(error) => tracing::warn!(%story, slot = name, "a warm worktree is not used: {error}"),
        }
        give_up(ground, story, &pins)?;
    }
    Ok(None)
}

fn claim(
    ground: &Ground,
    story: &StoryId,
    slot: &Pinned,
    (from, to): (&Oid, &Oid),
    cancel: &Cancel,
) -> Result<Pinned, GitError> {
    let repo = ground.repo();
    Mark::remove(slot)?;
    reach("warm.claimed");
    if from != to {
        reset(repo, slot, to, cancel)?;
        reach("warm.brought_up");
    }
    let path = ground.path(story.as_str());
    point(slot, &path)?;
    reach("warm.pointed");
    trash::rename_to_new(&slot.work_tree, &path)
        .map_err(|error| GitError::io("move here", &path)(error.into()))?;
    reach("warm.renamed");
    let pins = Pinned { work_tree: path, ..slot.clone() };
    refs::point_head(repo, &pins, &refs::head(&story.branch()))?;
    reach("warm.taken");
    ground.tree(story.as_str())
}

/// Makes git's record of a worktree say where its folder is.
fn point(pins: &Pinned, folder: &Path) -> Result<(), GitError> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut text = folder.join(".git").as_os_str().as_bytes().to_vec();
    text.push(b'\n');
    let path = pins.git_dir.join("gitdir");
    let new = pins.git_dir.join("gitdir.storkit-new");
    std::fs::write(&new, text).map_err(GitError::io("write", &new))?;
    std::fs::rename(&new, &path).map_err(GitError::io("write", &path))
}

/// Makes the story's place empty after a [`claim`] that failed; what is left of the slot is not ready.
fn give_up(ground: &Ground, story: &StoryId, slot: &Pinned) -> Result<(), GitError> {
    let moved = std::fs::symlink_metadata(&slot.work_tree).is_err();
    if moved { trash::put(ground, story.as_str()) } else { point(slot, &slot.work_tree) }
}

fn reset(repo: &Repo, pins: &Pinned, to: &Oid, cancel: &Cancel) -> Result<(), GitError> {
    let args = ["reset", "--quiet", "--hard", "--no-recurse-submodules", to.as_str()];
    repo.git_in(pins).args(args).timeout(CHECKOUT_TIMEOUT).cancel(cancel).run().map(drop)
}

/// Makes as many slots ready as are wanted, at base's tip, and removes those that are too many or broken. `setup` runs the
/// setup commands. It may take as long as a checkout for each, and is called by one thread at a time.
pub fn keep_warm(
    ground: &Ground,
    order: &WarmOrder,
    setup: &mut RunCommand<'_>,
    cancel: &Cancel,
) -> Result<(), GitError> {
    for (_, name) in slots(ground).into_iter().filter(|(n, _)| !(1..=order.worktrees.warm).contains(n)) {
        let _one_at_a_time = ground.repo().lock("worktrees")?;
        discard(ground, &name)?;
    }
    let Some(base) = ground.repo().branch_tip(&order.base_branch)? else { return Ok(()) };
    let needs = Needs::new(&order.worktrees, &order.components);
    let set_up_for = set_up_for(ground.repo(), &base, &order.worktrees, &needs)?;
    let keeper = Keeper { ground, order, needs, wanted: Mark { commit: base, set_up_for }, cancel };
    for n in 1..=order.worktrees.warm {
        if cancel.raised().is_some() {
            return Ok(());
        }
        keeper.slot(&format!("{SLOT}{n}"), setup)?;
    }
    Ok(())
}

/// Moves a slot to the trash; false where somebody stands in it, or it is no folder.
fn discard(ground: &Ground, name: &str) -> Result<bool, GitError> {
    let path = ground.path(name);
    let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
    if !is_folder || !occupants(&path).is_empty() {
        tracing::info!(path = %path.display(), "this warm worktree cannot be removed now");
        return Ok(false);
    }
    trash::put(ground, name)?;
    Ok(true)
}

struct Keeper<'a> {
    ground: &'a Ground,
    order: &'a WarmOrder,
    needs: Needs,
    /// The mark of a slot that is as it should be.
    wanted: Mark,
    cancel: &'a Cancel,
}

impl Keeper<'_> {
    /// Makes one slot ready, where it is not.
    fn slot(&self, name: &str, setup: &mut RunCommand<'_>) -> Result<(), GitError> {
        let repo = self.ground.repo();
        let Some((pins, before)) = self.place(name)? else { return Ok(()) };
        let is_set_up = before.is_some_and(|mark| mark.set_up_for == self.wanted.set_up_for);
        reset(repo, &pins, &self.wanted.commit, self.cancel)?;
        if !is_set_up {
            let done = pins.git_dir.join(SET_UP);
            if let Err(error) = std::fs::remove_file(&done)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(GitError::io("remove", &done)(error));
            }
            let clean = ["clean", "--quiet", "-d", "-x", "--force", "--force"];
            repo.git_in(&pins).args(clean).timeout(CHECKOUT_TIMEOUT).cancel(self.cancel).run()?;
            if sets_up_in_advance(&self.order.worktrees, &self.needs) {
                copy_files(repo.root(), &pins.work_tree, &self.needs.copy)?;
                if let Err(CommandFailed(tail)) = run_all(&pins.work_tree, &self.needs.setup, setup) {
                    tracing::warn!(slot = name, tail, "the setup of a warm worktree failed");
                    return Ok(());
                }
                std::fs::write(&done, "").map_err(GitError::io("write", &done))?;
            }
        }
        reach("warm.filled");
        self.wanted.write(&pins)?;
        reach("warm.ready");
        Ok(())
    }

    /// A slot that nobody else takes for ready, and the mark that it had; none where there is nothing to do, or it cannot be done.
    fn place(&self, name: &str) -> Result<Option<(Pinned, Option<Mark>)>, GitError> {
        let repo = self.ground.repo();
        let _one_at_a_time = repo.lock("worktrees")?;
        match self.ground.find(name)? {
            Found::Absent => {}
            Found::Tree(pins) if is_calm(repo, &pins) => {
                let mark = trusted_mark(repo, &pins);
                if mark.as_ref() == Some(&self.wanted) {
                    return Ok(None);
                }
                Mark::remove(&pins)?;
                return Ok(Some((pins, mark)));
            }
            Found::Tree(_) | Found::Damaged { .. } => {
                if !discard(self.ground, name)? {
                    return Ok(None);
                }
            }
        }
        self.ground.forget_gone()?;
        let git = repo.git().args(["worktree", "add", "--quiet", "--no-checkout", "--detach", "--"]);
        git.arg(self.ground.path(name)).arg(self.wanted.commit.as_str()).run()?;
        reach("warm.added");
        Ok(Some((self.ground.tree(name)?, None)))
    }
}
