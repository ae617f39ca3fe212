//! The `rebase` strategy: a story's commits one by one onto base's tip, in memory.

use storkit_core::ids::Oid;

use super::squash::{Merged, merged_tree};
use crate::git::error::GitError;
use crate::git::repo::Repo;

/// What is to be put onto base.
pub(super) struct Work<'a> {
    /// Base's tip.
    pub(super) base: &'a Oid,
    /// The story branch's tip.
    pub(super) tip: &'a Oid,
    /// The tree that the last commit must have: the one that is gated.
    pub(super) tree: &'a Oid,
    /// The message of the landing; its trailers go into the last commit.
    pub(super) message: &'a str,
}

/// The last commit of a first-parent chain from base whose tree is the gated one.
///
/// Where the commits cannot be told apart again (the branch merged base and settled a conflict there), the story lands as one commit.
pub(super) fn replay(repo: &Repo, work: &Work<'_>) -> Result<Oid, GitError> {
    match chain(repo, work)? {
        Some(commit) => Ok(commit),
        None => repo.commit_tree(work.tree, &[work.base], work.message),
    }
}

fn chain(repo: &Repo, work: &Work<'_>) -> Result<Option<Oid>, GitError> {
    let objects = repo.objects();
    let mut picked = Vec::new();
    let mut at = work.base.clone();
    let mut tree = objects.tree(&at)?;
    for commit in objects.commits(work.tip, work.base, false)? {
        let parents = objects.parents(&commit)?;
        let [parent] = parents.as_slice() else { continue };
        // A commit with our tree and their parent makes their parent the merge base: a cherry-pick.
        let ours = repo.commit_tree(&tree, &[parent], "ours")?;
        let Merged::Clean(next) = merged_tree(repo, &ours, &commit)? else { return Ok(None) };
        if next == tree {
            continue;
        }
        tree = next;
        at = recommit(repo, &commit, (&tree, &at), None)?;
        picked.push((commit, at.clone()));
    }
    if tree != *work.tree {
        return Ok(None);
    }
    let Some((last, _)) = picked.last() else { return Ok(None) };
    let parent = picked.len().checked_sub(2).map_or(work.base, |index| &picked[index].1);
    recommit(repo, last, (&tree, parent), Some(work.message)).map(Some)
}

/// The commit again, with its author and message, on another parent; the trailers of `message` are added to its own.
fn recommit(
    repo: &Repo,
    commit: &Oid,
    (tree, parent): (&Oid, &Oid),
    message: Option<&str>,
) -> Result<Oid, GitError> {
    let format = "--format=%an%x00%ae%x00%ad%x00%B";
    let output =
        repo.git().args(["show", "-s", "--date=raw", "--encoding=UTF-8", format, commit.as_str()]).run()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut fields = text.splitn(4, '\0');
    let mut field = || fields.next().unwrap_or_default().to_owned();
    let (name, email, date, body) = (field(), field(), field(), field());
    let mut body = body.trim_end().to_owned();
    if let Some(message) = message {
        let trailers = message.rfind("\n\nStorkit-Story: ").map_or("", |at| &message[at..]);
        body.push_str(trailers);
    }
    let mut git = repo.git().args(["commit-tree", tree.as_str(), "-p", parent.as_str(), "-F", "-"]);
    for (variable, value) in repo.identity()? {
        git = git.var(variable, value);
    }
    git = git.var("GIT_AUTHOR_DATE", format!("@{date}"));
    if !name.is_empty() {
        git = git.var("GIT_AUTHOR_NAME", name);
    }
    git.var("GIT_AUTHOR_EMAIL", email).stdin(format!("{body}\n")).run()?.oid()
}
