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
}

/// What the story changed since its branch left base, without `.storkit/work/`; empty where nothing.
pub fn diff(repo: &Repo, order: &DiffOrder) -> Result<String, GitError> {
    let Some(tip) = repo.branch_tip(&order.story.branch())? else { return Ok(String::new()) };
    let base = repo.branch_tip(&order.base_branch)?;
    let base = base.map_or(Ok(None), |base| repo.objects().merge_base(&base, &tip))?;
    let Some(base) = base else { return Ok(String::new()) };
    let tree = order.tree.as_ref().unwrap_or(&tip);
    let mut git = repo.git().args(["diff", "--no-color", "--no-ext-diff", "--no-textconv"]);
    if order.stat {
        git = git.args(["--stat=100", "--summary"]);
    }
    let paths = ["--", ".", ":(top,exclude,literal).storkit/work"];
    let output = git.args([base.as_str(), tree.as_str()]).args(paths).run()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Lines added and removed from where `tip` left `base`, and the files in which, without `.storkit/work/`.
pub fn diff_size(repo: &Repo, base: &Oid, tip: &Oid) -> Result<(usize, usize, usize), GitError> {
    let Some(base) = repo.objects().merge_base(base, tip)? else { return Ok((0, 0, 0)) };
    let git = repo.git().args(["diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv"]);
    let paths = ["--", ".", ":(top,exclude,literal).storkit/work"];
    let output = git.args([base.as_str(), tip.as_str()]).args(paths).run()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `12\t3\tpath`; a binary file has `-` for its lines.
    let count = |sum: (usize, usize, usize), line: &str| {
        let mut parts = line.split('\t').map(|part| part.parse::<usize>().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        (sum.0 + next(), sum.1 + next(), sum.2 + 1)
    };
    Ok(text.split_terminator('\0').fold((0, 0, 0), count))
}
