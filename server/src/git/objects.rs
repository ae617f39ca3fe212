//! Reads of the object database and the refs: in process by libgit2, and by the git command where libgit2 cannot.
//!
//! libgit2 refuses reftable, partial clones and SHA-256, so each read is tried there first and asked of git when that fails.
//! Nothing here writes, and nothing here looks at a work tree.

use std::sync::{Mutex, PoisonError};

use storkit_core::ids::Oid;

use super::command::{Environment, Git, Pinned};
use super::error::GitError;

/// Most commits that are counted as ahead; more are shown as this many.
pub const AHEAD_MAX: u32 = 10_000;
/// What a story's branch changes below here is no work of the story, and never lands.
pub const WORK_PREFIX: &[u8] = b".storkit/work/";

/// How a path differs between two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path, as git stores it.
    pub path: Vec<u8>,
    /// Mode and blob before; none where it is new.
    pub old: Option<(u32, Oid)>,
    /// Mode and blob after; none where it is gone.
    pub new: Option<(u32, Oid)>,
}

impl Change {
    /// Whether it lies below `.storkit/work/`.
    pub fn is_board(&self) -> bool {
        self.path.starts_with(WORK_PREFIX)
    }
}

/// The object database and the refs of one repository.
pub struct Objects {
    in_process: Option<Mutex<git2::Repository>>,
    environment: Environment,
    pins: Pinned,
}

type InProcess<T> = Result<T, git2::Error>;

impl Objects {
    /// Opens the repository of `pins`; the user's own configuration is not read in process.
    pub fn open(environment: &Environment, pins: &Pinned) -> Self {
        Self {
            in_process: open_in_process(pins).map(Mutex::new),
            environment: environment.clone(),
            pins: pins.clone(),
        }
    }

    /// What a ref points to; none where it does not exist.
    pub fn reference(&self, name: &str) -> Result<Option<Oid>, GitError> {
        let in_process = |repository: &git2::Repository| match repository.find_reference(name) {
            Ok(found) => Ok(Some(oid(found.peel_to_commit()?.id())?)),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        self.read(in_process, || {
            let commit = format!("{name}^{{commit}}");
            let output = self.git().args(["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]);
            let output = output.run_any()?;
            if output.code == 0 { output.oid().map(Some) } else { Ok(None) }
        })
    }

    /// All refs below a prefix that ends in `/`, by name.
    pub fn references(&self, prefix: &str) -> Result<Vec<(String, Oid)>, GitError> {
        let in_process = |repository: &git2::Repository| {
            let mut found = Vec::new();
            for reference in repository.references_glob(&format!("{prefix}*"))? {
                let reference = reference?;
                if let (Ok(name), Some(target)) = (reference.name(), reference.target()) {
                    found.push((name.to_owned(), oid(target)?));
                }
            }
            found.sort();
            Ok(found)
        };
        self.read(in_process, || {
            let output =
                self.git().args(["for-each-ref", "--format=%(objectname) %(refname)", prefix]).run()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let line = |line: &str| {
                let (id, name) = line.split_once(' ')?;
                Some((name.to_owned(), Oid::new(id)?))
            };
            let found = text.lines().map(|text| line(text).ok_or_else(|| output.odd(text)));
            found.collect()
        })
    }

    /// Whether `ancestor` is `commit` or an ancestor of it.
    pub fn is_ancestor(&self, ancestor: &Oid, commit: &Oid) -> Result<bool, GitError> {
        if ancestor == commit {
            return Ok(true);
        }
        let in_process =
            |repository: &git2::Repository| repository.graph_descendant_of(id(commit)?, id(ancestor)?);
        self.read(in_process, || {
            let output = self.git().args(["merge-base", "--is-ancestor", ancestor.as_str(), commit.as_str()]);
            let output = output.run_any()?;
            match output.code {
                0 => Ok(true),
                1 => Ok(false),
                _ => Err(output.failure()),
            }
        })
    }

    /// The best common ancestor; none where the histories are unrelated.
    pub fn merge_base(&self, one: &Oid, two: &Oid) -> Result<Option<Oid>, GitError> {
        let in_process = |repository: &git2::Repository| match repository.merge_base(id(one)?, id(two)?) {
            Ok(found) => Ok(Some(oid(found)?)),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        self.read(in_process, || {
            let output = self.git().args(["merge-base", one.as_str(), two.as_str()]).run_any()?;
            match output.code {
                0 => output.oid().map(Some),
                1 => Ok(None),
                _ => Err(output.failure()),
            }
        })
    }

    /// The commits of `tip` that none of `hidden` has and that change more than `.storkit/work/`, at most [`AHEAD_MAX`].
    pub fn ahead(&self, tip: &Oid, hidden: &[Oid]) -> Result<u32, GitError> {
        let in_process = |repository: &git2::Repository| {
            let mut walk = repository.revwalk()?;
            walk.push(id(tip)?)?;
            for commit in hidden {
                walk.hide(id(commit)?)?;
            }
            let mut count = 0;
            for commit in walk {
                if count < AHEAD_MAX && changes_more_than_board(repository, commit?)? {
                    count += 1;
                }
            }
            Ok(count)
        };
        self.read(in_process, || {
            let mut git = self.git().args(["rev-list", "--count", "--full-history", tip.as_str(), "--not"]);
            git = git.args(hidden.iter().map(Oid::as_str));
            let output = git.args(["--", ".", ":(top,exclude,literal).storkit/work"]).run()?;
            let count: u32 = output.line().parse().map_err(|_| output.odd("no count"))?;
            Ok(count.min(AHEAD_MAX))
        })
    }

    /// The commits of `tip` that `hidden` does not have, oldest first; only first parents where asked.
    pub fn commits(&self, tip: &Oid, hidden: &Oid, first_parent: bool) -> Result<Vec<Oid>, GitError> {
        let mut git = self.git().args(["rev-list", "--reverse", "--topo-order"]);
        if first_parent {
            git = git.arg("--first-parent");
        }
        let output = git.args([tip.as_str(), "--not", hidden.as_str()]).run()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| Oid::new(line).ok_or_else(|| output.odd(line))).collect()
    }

    /// The parents of a commit.
    pub fn parents(&self, commit: &Oid) -> Result<Vec<Oid>, GitError> {
        let in_process = |repository: &git2::Repository| {
            repository.find_commit(id(commit)?)?.parent_ids().map(oid).collect()
        };
        self.read(in_process, || {
            let output = self.git().args(["rev-parse", "--end-of-options", &format!("{commit}^@")]).run()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().map(|line| Oid::new(line).ok_or_else(|| output.odd(line))).collect()
        })
    }

    /// The tree of a commit, or the object at `path` in it; none where that does not exist.
    pub fn entry(&self, treeish: &Oid, path: &str) -> Result<Option<Oid>, GitError> {
        let in_process = |repository: &git2::Repository| {
            let tree = repository.find_object(id(treeish)?, None)?.peel_to_tree()?;
            if path.is_empty() {
                return Ok(Some(oid(tree.id())?));
            }
            match tree.get_path(std::path::Path::new(path)) {
                Ok(entry) => Ok(Some(oid(entry.id())?)),
                Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.read(in_process, || {
            let name =
                if path.is_empty() { format!("{treeish}^{{tree}}") } else { format!("{treeish}:{path}") };
            let output =
                self.git().args(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).run_any()?;
            if output.code == 0 { output.oid().map(Some) } else { Ok(None) }
        })
    }

    /// The tree of a commit.
    pub fn tree(&self, commit: &Oid) -> Result<Oid, GitError> {
        let missing =
            || GitError::Odd { command: format!("tree of {commit}"), what: "it has none".to_owned() };
        self.entry(commit, "")?.ok_or_else(missing)
    }

    /// How the paths of two trees, or of two commits' trees, differ; renames are a deletion and an addition.
    pub fn changes(&self, from: &Oid, to: &Oid) -> Result<Vec<Change>, GitError> {
        if from == to {
            return Ok(Vec::new());
        }
        let in_process = |repository: &git2::Repository| {
            let tree = |treeish: &Oid| repository.find_object(id(treeish)?, None)?.peel_to_tree();
            let diff = repository.diff_tree_to_tree(Some(&tree(from)?), Some(&tree(to)?), None)?;
            diff.deltas().map(|delta| change_of(&delta)).collect()
        };
        self.read(in_process, || {
            let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", "--no-ext-diff"];
            let output = self.git().args(args).args([from.as_str(), to.as_str()]).run()?;
            parse_raw(&output.stdout).ok_or_else(|| output.odd("no raw diff"))
        })
    }

    /// Answers in process where that works, else by the git command.
    fn read<T>(
        &self,
        in_process: impl FnOnce(&git2::Repository) -> InProcess<T>,
        by_command: impl FnOnce() -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        if let Some(repository) = &self.in_process {
            let repository = repository.lock().unwrap_or_else(PoisonError::into_inner);
            match in_process(&repository) {
                Ok(answer) => return Ok(answer),
                Err(error) => tracing::debug!(%error, "libgit2 cannot answer; asking git"),
            }
        }
        by_command()
    }

    fn git(&self) -> Git {
        Git::pinned(&self.environment, self.pins.clone())
    }
}

fn open_in_process(pins: &Pinned) -> Option<git2::Repository> {
    let flags = git2::RepositoryOpenFlags::NO_SEARCH | git2::RepositoryOpenFlags::BARE;
    let none: [&std::path::Path; 0] = [];
    let repository = git2::Repository::open_ext(&pins.common, flags, none).ok()?;
    let mut config = git2::Config::new().ok()?;
    config.add_file(&pins.common.join("config"), git2::ConfigLevel::Local, false).ok()?;
    repository.set_config(&config).ok()?;
    Some(repository)
}

fn id(oid: &Oid) -> InProcess<git2::Oid> {
    git2::Oid::from_str(oid.as_str())
}

fn oid(id: git2::Oid) -> InProcess<Oid> {
    Oid::new(&id.to_string()).ok_or_else(|| git2::Error::from_str("not an object id"))
}

/// Whether a commit changes a path outside of `.storkit/work/`; a merge only when it differs from each of its parents.
fn changes_more_than_board(repository: &git2::Repository, commit: git2::Oid) -> InProcess<bool> {
    let commit = repository.find_commit(commit)?;
    let tree = commit.tree()?;
    let differs = |parent: Option<git2::Tree<'_>>| -> InProcess<bool> {
        let diff = repository.diff_tree_to_tree(parent.as_ref(), Some(&tree), None)?;
        let changes: InProcess<Vec<Change>> = diff.deltas().map(|delta| change_of(&delta)).collect();
        Ok(changes?.iter().any(|change| !change.is_board()))
    };
    if commit.parent_count() == 0 {
        return differs(None);
    }
    for parent in commit.parents() {
        if !differs(Some(parent.tree()?))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn change_of(delta: &git2::DiffDelta<'_>) -> InProcess<Change> {
    let side = |file: git2::DiffFile<'_>| -> InProcess<Option<(u32, Oid)>> {
        let mode = u32::from(file.mode());
        if mode == 0 || file.id().is_zero() { Ok(None) } else { Ok(Some((mode, oid(file.id())?))) }
    };
    let (old, new) = (delta.old_file(), delta.new_file());
    let path = new.path_bytes().or(old.path_bytes()).unwrap_or_default().to_vec();
    let (before, after) = (side(old)?, side(new)?);
    let (old, new) = match delta.status() {
        git2::Delta::Added => (None, after),
        git2::Delta::Deleted => (before, None),
        _ => (before, after),
    };
    Ok(Change { path, old, new })
}

/// Reads `:mode mode oid oid X NUL path NUL` records.
fn parse_raw(bytes: &[u8]) -> Option<Vec<Change>> {
    let mut records = bytes.split(|byte| *byte == 0).filter(|record| !record.is_empty());
    let mut changes = Vec::new();
    while let Some(head) = records.next() {
        let head = std::str::from_utf8(head.strip_prefix(b":")?).ok()?;
        let path = records.next()?.to_vec();
        let mut words = head.split(' ');
        let mut mode = || u32::from_str_radix(words.next()?, 8).ok();
        let (old_mode, new_mode) = (mode()?, mode()?);
        let (old_id, new_id) = (Oid::new(words.next()?)?, Oid::new(words.next()?)?);
        let side = |mode: u32, id: Oid| (mode != 0).then_some((mode, id));
        changes.push(Change { path, old: side(old_mode, old_id), new: side(new_mode, new_id) });
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_diffs_are_read_whatever_the_path_is() {
        let a = "a".repeat(40);
        let zero = "0".repeat(40);
        let text = format!(":100644 000000 {a} {zero} D\0odd\n\tname\0:000000 120000 {zero} {a} A\0\u{e4}\0");
        let changes = parse_raw(text.as_bytes()).unwrap();
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[0].path, b"odd\n\tname");
        assert!(changes[0].new.is_none() && changes[1].old.is_none());
        assert_eq!(changes[1].new, Oid::new(&a).map(|id| (0o120_000, id)));
    }
}
