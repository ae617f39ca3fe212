//! What lies uncommitted in a worktree, and keeping it: as a commit below `refs/storkit/snap/`, without touching the worktree.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use storkit_core::ids::Oid;

use crate::git::command::{CHECKOUT_TIMEOUT, Pinned};
use crate::git::objects::Change;
use crate::git::refs;
use crate::git::{GitError, Repo};
use crate::sys::failpoint::reach;

/// Untracked files above this many bytes are not put into git; they keep the worktree from being removed.
const HUGE: u64 = 100 << 20;
/// git's mode of a link to another repository.
const LINK: u32 = 0o160_000;
/// Most names in a sentence.
const NAMED_MAX: usize = 5;

/// What `git status` says of a worktree.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Whether anything differs from HEAD.
    pub(super) dirty: bool,
    /// Paths with a conflict that is not settled.
    pub(super) unmerged: Vec<String>,
    /// Untracked files that can be put into git.
    pub(super) untracked: Vec<Vec<u8>>,
    /// What cannot: repositories in the worktree, and huge files.
    pub(super) excluded: Vec<Vec<u8>>,
}

impl Survey {
    /// The sentence of why the worktree must stay; none where everything in it can be kept in git.
    pub(super) fn unsafe_to_remove(&self) -> Option<String> {
        let names: Vec<_> =
            self.excluded.iter().take(NAMED_MAX).map(|path| String::from_utf8_lossy(path)).collect();
        (!names.is_empty()).then(|| format!("holds a repository or a file over 100 MB: {}", names.join(", ")))
    }
}

/// Looks at a worktree without changing it. `base` is what may know its nested repositories.
pub(super) fn survey(repo: &Repo, pins: &Pinned, base: Option<&Oid>) -> Result<Survey, GitError> {
    let args =
        ["status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=dirty"];
    let output = repo.git_in(pins).args(args).run()?;
    let mut survey = Survey::default();
    let mut staged = false;
    for record in output.records() {
        let (Some(code), Some(path)) = (record.get(..2), record.get(3..)) else { continue };
        survey.dirty = true;
        staged |= !matches!(code, b" M" | b" D" | b"??");
        if code == b"??" {
            if path.ends_with(b"/") || is_huge(&pins.work_tree, path) {
                survey.excluded.push(path.to_vec());
            } else {
                survey.untracked.push(path.to_vec());
            }
        } else if code.contains(&b'U') || matches!(code, b"AA" | b"DD") {
            survey.unmerged.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    let links = if staged { None } else { committed_links(repo, pins, base)? };
    for path in links.map_or_else(|| links_of_index(repo, pins), Ok)? {
        let name = String::from_utf8_lossy(&path).into_owned();
        let known = match base {
            Some(base) => repo.objects().entry(base, &name)?.is_some(),
            None => false,
        };
        if !known && pins.work_tree.join(OsStr::from_bytes(&path)).join(".git").exists() {
            survey.excluded.push(path);
        }
    }
    Ok(survey)
}

/// The repositories that HEAD links to and base does not: all that an index which is as HEAD can add to base's. None
/// where there is nothing to compare.
fn committed_links(repo: &Repo, pins: &Pinned, base: Option<&Oid>) -> Result<Option<Vec<Vec<u8>>>, GitError> {
    let (Some(base), Some(head)) = (base, repo.head_commit(pins)?) else { return Ok(None) };
    let changes = repo.objects().changes(base, &head)?;
    let is_link = |change: &Change| change.new.as_ref().is_some_and(|(mode, _)| *mode == LINK);
    Ok(Some(changes.into_iter().filter(is_link).map(|change| change.path).collect()))
}

/// The repositories that the index links to.
fn links_of_index(repo: &Repo, pins: &Pinned) -> Result<Vec<Vec<u8>>, GitError> {
    let output = repo.git_in(pins).args(["ls-files", "--stage", "-z"]).run()?;
    let link = |record: &[u8]| {
        let at = record.iter().position(|byte| *byte == b'\t')?;
        record.starts_with(b"160000 ").then(|| record[at + 1..].to_vec())
    };
    Ok(output.records().filter_map(link).collect())
}

fn is_huge(root: &Path, path: &[u8]) -> bool {
    std::fs::symlink_metadata(root.join(OsStr::from_bytes(path)))
        .is_ok_and(|found| found.is_file() && found.len() > HUGE)
}

/// What a worktree holds, as trees.
#[derive(Debug)]
pub(super) struct Content {
    /// All files that are not ignored.
    pub(super) tree: Oid,
    /// What was staged, where that is a third thing besides HEAD and the files.
    pub(super) staged: Option<Oid>,
    /// What git could not read; in words.
    pub(super) missed: Option<String>,
}

/// Adds everything but what the survey excludes to an index; what git could not read.
pub(super) fn add_all(
    repo: &Repo,
    pins: &Pinned,
    survey: &Survey,
    index: Option<&Path>,
) -> Result<Option<String>, GitError> {
    let mut paths = b".\0".to_vec();
    for path in &survey.excluded {
        paths.extend(b":(top,exclude,literal)");
        paths.extend(path.strip_suffix(b"/").unwrap_or(path));
        paths.push(0);
    }
    let mut git = repo.git_in(pins).args(["-c", "core.safecrlf=false", "add", "--all", "--ignore-errors"]);
    if let Some(index) = index {
        git = git.var("GIT_INDEX_FILE", index);
    }
    let git = git.args(["--pathspec-from-file=-", "--pathspec-file-nul"]).stdin(paths);
    let output = git.timeout(CHECKOUT_TIMEOUT).run_any()?;
    match output.code {
        0 => Ok(None),
        _ if output.stderr.contains("index.lock") => Err(output.failure()),
        _ => Ok(Some(output.stderr)),
    }
}

/// The content of a worktree, by way of an index of its own.
pub(super) fn content(repo: &Repo, pins: &Pinned, survey: &Survey) -> Result<Content, GitError> {
    let index = pins.git_dir.join("index");
    let folder = tempfile::Builder::new().prefix("storkit-index-").tempdir_in(&pins.git_dir);
    let folder = folder.map_err(GitError::io("make a folder in", &pins.git_dir))?;
    let copy = folder.path().join("index");
    let write_tree = || repo.git_in(pins).var("GIT_INDEX_FILE", &copy).arg("write-tree").run()?.oid();
    let is_file = std::fs::symlink_metadata(&index).is_ok_and(|found| found.is_file());
    let mut staged = None;
    if is_file {
        copy_index(&index, &copy).map_err(GitError::io("copy", &index))?;
        if survey.unmerged.is_empty() {
            staged = write_tree().ok();
        }
    } else if repo.head_commit(pins)?.is_some() {
        repo.git_in(pins).var("GIT_INDEX_FILE", &copy).args(["read-tree", "HEAD"]).run()?;
    }
    let missed = add_all(repo, pins, survey, Some(&copy))?;
    let tree = write_tree()?;
    Ok(Content { staged: staged.filter(|staged| *staged != tree), tree, missed })
}

/// Copies an index with its time: an entry that is as new as its index is compared by content, and with a younger index
/// a file that was changed in that moment, and kept its length, would pass for unchanged.
fn copy_index(from: &Path, to: &Path) -> std::io::Result<()> {
    let written = std::fs::metadata(from)?.modified()?;
    std::fs::copy(from, to)?;
    std::fs::File::options().write(true).open(to)?.set_modified(written)
}

/// Keeps what lies uncommitted in a worktree below `refs/storkit/snap/<owner>/`; what could not be kept, in words.
pub(super) fn keep(
    repo: &Repo,
    pins: &Pinned,
    survey: &Survey,
    owner: &str,
) -> Result<Option<String>, GitError> {
    if !survey.dirty {
        return Ok(None);
    }
    let content = content(repo, pins, survey)?;
    let head = repo.head_commit(pins)?;
    let head_tree = head.as_ref().map(|head| repo.objects().tree(head)).transpose()?;
    let staged = content.staged.filter(|staged| Some(staged) != head_tree.as_ref());
    if head_tree.as_ref() == Some(&content.tree) && staged.is_none() {
        return Ok(content.missed);
    }
    let mut parents: Vec<&Oid> = head.iter().collect();
    let staged = match &staged {
        Some(tree) => Some(repo.commit_tree(tree, &parents, "storkit: staged")?),
        None => None,
    };
    parents.extend(&staged);
    let commit = repo.commit_tree(&content.tree, &parents, "storkit: uncommitted work")?;
    reach("keep.commit_made");
    refs::append(repo, &refs::snap_prefix(owner), &commit)?;
    reach("keep.ref_set");
    Ok(content.missed)
}
