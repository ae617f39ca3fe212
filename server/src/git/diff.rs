//! A story's work as text, for `storkit diff`. It reads, and runs no program that a repository names.

use storkit_core::ids::{Oid, StoryId};

use super::error::GitError;
use super::repo::Repo;

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct DiffOrder {
    /// The story.
    pub story: StoryId,
    /// The branch that it is compared with.
    pub base_branch: String,
    /// A summary of the files instead of their lines.
    pub stat: bool,
    /// The tree to show instead of the branch's tip, such as a worktree's with its uncommitted edits.
    pub tree: Option<Oid>,
    /// One of the branch's own commits to compare with, instead of where it left base.
    pub since: Option<Oid>,
    /// Whether lines that differ in white space alone are the same.
    pub ignore_space: bool,
}

/// What of a branch is a story's work: all but the board.
const WORK: [&str; 3] = ["--", ".", ":(top,exclude,literal).storkit/work"];

/// A commit of a story's branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its id.
    pub commit: Oid,
    /// When it was made, RFC 3339.
    pub at: String,
    /// Its message's first line.
    pub title: String,
}

/// The commits of a story's branch that base does not have, the oldest first; of many the newest `most`.
pub fn steps(repo: &Repo, story: &StoryId, base_branch: &str, most: u32) -> Result<Vec<Step>, GitError> {
    let (tip, base) = (repo.branch_tip(&story.branch())?, repo.branch_tip(base_branch)?);
    let (Some(tip), Some(base)) = (tip, base) else { return Ok(Vec::new()) };
    let git = repo.git().args(["log", "--first-parent", "--format=%H%x09%cI%x09%s"]);
    let output = git.arg(format!("--max-count={most}")).args([tip.as_str(), "--not", base.as_str()]).run()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let step = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        Some(Step { commit: Oid::new(&parts.next()?)?, at: parts.next()?, title: parts.next()? })
    };
    let mut steps: Vec<Step> = text.lines().filter_map(step).collect();
    steps.reverse();
    Ok(steps)
}

/// What the story changed since its branch left base, without `.storkit/work/`; empty where nothing.
pub fn diff(repo: &Repo, order: &DiffOrder) -> Result<String, GitError> {
    let Some(tip) = repo.branch_tip(&order.story.branch())? else { return Ok(String::new()) };
    let base = repo.branch_tip(&order.base_branch)?;
    let base = base.map_or(Ok(None), |base| repo.objects().merge_base(&base, &tip))?;
    let Some(base) = base else { return Ok(String::new()) };
    let base = order.since.as_ref().unwrap_or(&base);
    let tree = order.tree.as_ref().unwrap_or(&tip);
    let mut git = repo.git().args(["diff", "--no-color", "--no-ext-diff", "--no-textconv"]);
    if order.stat {
        git = git.args(["--stat=100", "--summary"]);
    }
    if order.ignore_space {
        git = git.arg("--ignore-all-space");
    }
    let output = git.args([base.as_str(), tree.as_str()]).args(WORK).run()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Lines added and removed from where `tip` left `base`, and the files in which, without `.storkit/work/`.
pub fn diff_size(repo: &Repo, base: &Oid, tip: &Oid) -> Result<(usize, usize, usize), GitError> {
    let Some(base) = repo.objects().merge_base(base, tip)? else { return Ok((0, 0, 0)) };
    let git = repo.git().args(["diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv"]);
    let output = git.args([base.as_str(), tip.as_str()]).args(WORK).run()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `12\t3\tpath`; a binary file has `-` for its lines.
    let count = |sum: (usize, usize, usize), line: &str| {
        let mut parts = line.split('\t').map(|part| part.parse::<usize>().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        (sum.0 + next(), sum.1 + next(), sum.2 + 1)
    };
    Ok(text.split_terminator('\0').fold((0, 0, 0), count))
}
