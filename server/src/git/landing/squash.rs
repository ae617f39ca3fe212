//! A story's work put onto base's tip, in memory: no checkout, no ref but none moves.

use std::fmt::Write as _;

use storkit_core::config::model::Strategy;
use storkit_core::facts::SquashEnd;
use storkit_core::ids::{Oid, StoryId};

use super::{foreign, overlap, replay};
use crate::git::error::GitError;
use crate::git::objects::WORK_PREFIX;
use crate::git::refs;
use crate::git::repo::Repo;
use crate::sys::failpoint::reach;

/// Most conflicting files that are named.
const FILES_MAX: usize = 100;
/// Longest subject of a commit, in bytes.
const SUBJECT_MAX: usize = 200;

/// What is to land, and how.
#[derive(Debug, Clone)]
pub struct SquashOrder {
    /// The story.
    pub story: StoryId,
    /// The branch to land on.
    pub base_branch: String,
    /// How its commits become base's.
    pub strategy: Strategy,
    /// What the commit says.
    pub message: Message,
}

/// What a landed commit says.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// The story's name.
    pub name: String,
    /// The run's summary; may be empty.
    pub summary: String,
    /// The run that made the work; may be empty.
    pub run: String,
    /// The gates that are to pass: `tests, lint`, or `none`.
    pub gates: String,
}

impl Message {
    /// The whole message; control characters of a story or an agent are no part of it.
    pub(super) fn text(&self, story: &StoryId) -> String {
        let line = |text: &str| {
            let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
            let mut line = words.join(" ").trim().to_owned();
            line.truncate(line.floor_char_boundary(SUBJECT_MAX));
            line
        };
        let subject = line(&self.name);
        let subject = if subject.is_empty() { story.words() } else { subject };
        let body: String =
            self.summary.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
        let body = body.trim();
        let gap = if body.is_empty() { "" } else { "\n\n" };
        let mut text = format!("{subject}{gap}{body}\n\nStorkit-Story: {story}\n");
        if !self.run.is_empty() {
            let _ = writeln!(text, "Storkit-Run: {}", line(&self.run));
        }
        let gates = line(&self.gates);
        let _ = writeln!(text, "Storkit-Gates: {}", if gates.is_empty() { "none" } else { &gates });
        text
    }
}

/// Puts the story's work onto base's tip. Nothing but objects is written.
pub fn squash(repo: &Repo, order: &SquashOrder) -> Result<SquashEnd, GitError> {
    let objects = repo.objects();
    let Some(base) = repo.branch_tip(&order.base_branch)? else {
        return Ok(SquashEnd::Waits(missing(&order.base_branch)));
    };
    let Some(tip) = repo.branch_tip(&order.story.branch())? else {
        return Ok(SquashEnd::Nothing);
    };
    if objects.is_ancestor(&tip, &base)? {
        return Ok(SquashEnd::Nothing);
    }
    if objects.merge_base(&base, &tip)?.is_none() {
        let (branch, base) = (order.story.branch(), &order.base_branch);
        return Ok(SquashEnd::Blocked(format!("{branch} has no common ancestor with {base}")));
    }
    if let Some(other) = foreign::owner_of_commits(repo, &order.story, &tip, &base)? {
        return Ok(SquashEnd::Foreign(other));
    }
    let tree = match merged_tree(repo, &base, &tip)? {
        Merged::Clean(tree) => tree,
        Merged::Conflict(files) => return Ok(SquashEnd::Conflict(files)),
    };
    let base_tree = objects.tree(&base)?;
    if tree == base_tree {
        return Ok(SquashEnd::Nothing);
    }
    if let Some(overlap) = overlap::overlap(repo, &order.base_branch, &base, &tree)? {
        return Ok(SquashEnd::Overlap(overlap));
    }
    let message = order.message.text(&order.story);
    let commit = match order.strategy {
        Strategy::Squash => repo.commit_tree(&tree, &[&base], &message)?,
        Strategy::Merge => repo.commit_tree(&tree, &[&base, &tip], &message)?,
        Strategy::Rebase => {
            replay::replay(repo, &replay::Work { base: &base, tip: &tip, tree: &tree, message: &message })?
        }
    };
    // The branch may be reset while the gates run; what the commit holds stays reachable.
    reach("squash.commit_made");
    refs::pin(repo, &order.story, &tip)?;
    reach("squash.pinned");
    Ok(SquashEnd::Ready { commit, tree, base, base_tree, tip })
}

/// The words for a base branch that does not exist.
pub(super) fn missing(base_branch: &str) -> String {
    format!("base branch {base_branch} does not exist")
}

/// What a merge in memory gives.
pub(super) enum Merged {
    /// The tree.
    Clean(Oid),
    /// The files that do not go together.
    Conflict(Vec<String>),
}

/// Merges `theirs` into `ours` in memory; `.storkit/work/` stays as it is in `ours`.
pub(super) fn merged_tree(repo: &Repo, ours: &Oid, theirs: &Oid) -> Result<Merged, GitError> {
    let args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"];
    let output = repo.git().args(args).args([ours.as_str(), theirs.as_str()]).run_any()?;
    if !matches!(output.code, 0 | 1) {
        return Err(output.failure());
    }
    let mut records = output.records();
    let tree = records.next().and_then(|record| Oid::new(std::str::from_utf8(record).ok()?));
    let tree = tree.ok_or_else(|| output.odd("no tree"))?;
    let conflicts = records.filter(|path| !path.starts_with(WORK_PREFIX));
    let mut files: Vec<String> = conflicts.map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    files.dedup();
    files.truncate(FILES_MAX);
    if files.is_empty() {
        Ok(Merged::Clean(without_board(repo, &tree, ours)?))
    } else {
        Ok(Merged::Conflict(files))
    }
}

/// `tree` with the `.storkit/work` of `ours`, or without one where `ours` has none.
fn without_board(repo: &Repo, tree: &Oid, ours: &Oid) -> Result<Oid, GitError> {
    let objects = repo.objects();
    let board = objects.entry(ours, ".storkit/work")?;
    if objects.entry(tree, ".storkit/work")? == board {
        return Ok(tree.clone());
    }
    let storkit = objects.entry(tree, ".storkit")?;
    let storkit = with_entry(repo, storkit.as_ref(), "work", board.as_ref())?;
    with_entry(repo, Some(tree), ".storkit", storkit.as_ref())?
        .map_or_else(|| repo.git().args(["mktree", "-z"]).stdin("").run()?.oid(), Ok)
}

/// A tree with its entry `name` replaced by a folder or removed; none where nothing would be left.
fn with_entry(
    repo: &Repo,
    tree: Option<&Oid>,
    name: &str,
    entry: Option<&Oid>,
) -> Result<Option<Oid>, GitError> {
    let mut input = Vec::new();
    if let Some(tree) = tree {
        let output = repo.git().args(["ls-tree", "-z", "--full-tree", tree.as_str()]).run()?;
        let named = |record: &[u8]| record.rsplit(|byte| *byte == b'\t').next() == Some(name.as_bytes());
        for record in output.records().filter(|record| !named(record)) {
            input.extend_from_slice(record);
            input.push(0);
        }
    }
    if let Some(entry) = entry {
        input.extend(format!("040000 tree {entry}\t{name}\0").bytes());
    }
    if input.is_empty() {
        return Ok(None);
    }
    repo.git().args(["mktree", "-z", "--missing"]).stdin(input).run()?.oid().map(Some)
}
