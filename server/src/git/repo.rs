//! The repository that storkit stands beside: where it is, what is checked out where, and who the user is.
//!
//! It opens and looks; the only things that change are refs, by `refs`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use storkit_core::ids::Oid;

use super::command::{Environment, Git, Pinned};
use super::error::GitError;
use super::objects::Objects;
use super::refs;

/// The oldest git that can land: `merge-tree --write-tree`.
const GIT_MIN: (u32, u32) = (2, 38);

/// The repository of one project; cloning it gives the same one.
#[derive(Clone)]
pub struct Repo(Arc<Inner>);

struct Inner {
    pins: Pinned,
    environment: Environment,
    objects: Objects,
    main: Option<PathBuf>,
}

/// What HEAD of the main checkout is, to tell git's changes of the board from a person's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeadState {
    /// The branch, as a full ref name; none where HEAD is detached.
    pub branch: Option<String>,
    /// The commit; none before the first.
    pub commit: Option<Oid>,
    /// The newest stash.
    pub stash: Option<Oid>,
}

/// One checkout of the repository: the main one, a person's worktree, or one of storkit's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its git directory and its folder.
    pub pins: Pinned,
    /// The branch that HEAD names, as a full ref name; none where HEAD is detached.
    pub branch: Option<String>,
    /// What is in progress there; for a rebase or a bisect also of which branch.
    pub busy: Option<Busy>,
}

/// An operation that is in progress in a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// In words: `a rebase is in progress`.
    pub what: &'static str,
    /// The branch that it goes back to, as a full ref name.
    pub branch: Option<String>,
}

impl Repo {
    /// Opens the checkout whose top is `root`.
    pub fn open(root: &Path) -> Result<Self, GitError> {
        Self::open_in(root, Environment::of_process())
    }

    /// Opens it with a chosen environment for git.
    pub fn open_in(root: &Path, environment: Environment) -> Result<Self, GitError> {
        let root = root.canonicalize().map_err(GitError::io("find", root))?;
        let git = || Git::discovering(&environment, &root);
        check_version(&git().arg("version").run()?.line())?;
        let output = git().args(["rev-parse", "--is-bare-repository"]).run_any()?;
        if output.code != 0 {
            return Err(GitError::NotARepository { path: root, detail: output.stderr });
        }
        if output.line() == "true" {
            return Err(GitError::Bare { path: root });
        }
        let path = |what: &str| -> Result<PathBuf, GitError> {
            let output = git().args(["rev-parse", "--path-format=absolute", what]).run()?;
            let bytes = output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout);
            let path = PathBuf::from(OsStr::from_bytes(bytes));
            path.canonicalize().map_err(GitError::io("find", &path))
        };
        let top = path("--show-toplevel")?;
        if top != root {
            return Err(GitError::NotTop { path: root, top });
        }
        let pins = Pinned { git_dir: path("--git-dir")?, common: path("--git-common-dir")?, work_tree: root };
        let main = main_checkout(&environment, &pins)?;
        let objects = Objects::open(&environment, &pins);
        Ok(Self(Arc::new(Inner { pins, environment, objects, main })))
    }

    /// The top of the checkout that the project is in.
    pub fn root(&self) -> &Path {
        &self.0.pins.work_tree
    }

    /// The git directory of the project's checkout.
    pub fn git_dir(&self) -> &Path {
        &self.0.pins.git_dir
    }

    /// The git directory that all worktrees share.
    pub fn common(&self) -> &Path {
        &self.0.pins.common
    }

    /// Reads of objects and refs.
    pub fn objects(&self) -> &Objects {
        &self.0.objects
    }

    /// A git command in the project's checkout.
    pub fn git(&self) -> Git {
        self.git_in(&self.0.pins)
    }

    /// A git command in another work tree of the same repository.
    pub fn git_in(&self, pins: &Pinned) -> Git {
        Git::pinned(&self.0.environment, pins.clone())
    }

    /// A git command on the common directory, with any folder as the work tree.
    pub fn git_over(&self, work_tree: &Path) -> Git {
        let common = self.common().to_owned();
        self.git_in(&Pinned { git_dir: common.clone(), common, work_tree: work_tree.to_owned() })
    }

    /// Why no story's branch can be made: a branch that is called `feature`, where there is one.
    pub fn clash(&self) -> Result<Option<String>, GitError> {
        let clash = self.objects().reference(&refs::head("feature"))?;
        Ok(clash.map(|_| {
            "a branch called `feature` makes every `feature/story-*` impossible: \
             rename it (`git branch -m feature another-name`)"
                .to_owned()
        }))
    }

    /// The branch that HEAD of the project's checkout is on, also before its first commit; none where HEAD is detached.
    pub fn base_default(&self) -> Result<Option<String>, GitError> {
        let branch = self.head_branch(&self.0.pins)?;
        Ok(branch.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned)))
    }

    /// The tip of a branch; none where there is no such branch.
    pub fn branch_tip(&self, branch: &str) -> Result<Option<Oid>, GitError> {
        self.objects().reference(&refs::head(branch))
    }

    /// What HEAD of the project's checkout is.
    pub fn head_state(&self) -> Result<HeadState, GitError> {
        Ok(HeadState {
            branch: self.head_branch(&self.0.pins)?,
            commit: self.head_commit(&self.0.pins)?,
            stash: self.objects().reference("refs/stash")?,
        })
    }

    /// The commit that HEAD of a checkout is at; none before the first.
    pub fn head_commit(&self, pins: &Pinned) -> Result<Option<Oid>, GitError> {
        if let Some(branch) = self.head_branch(pins)? {
            return self.objects().reference(&branch);
        }
        let output =
            self.git_in(pins).args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).run_any()?;
        if output.code == 0 { output.oid().map(Some) } else { Ok(None) }
    }

    /// The branch that HEAD of a checkout names, as a full ref name.
    pub fn head_branch(&self, pins: &Pinned) -> Result<Option<String>, GitError> {
        let file = pins.git_dir.join("HEAD");
        let text = std::fs::read_to_string(&file).map_err(GitError::io("read", &file))?;
        let Some(name) = text.trim_end().strip_prefix("ref: ") else { return Ok(None) };
        if name != "refs/heads/.invalid" {
            return Ok(Some(name.to_owned()));
        }
        // Under reftable the file says nothing.
        let output = self.git_in(pins).args(["symbolic-ref", "--quiet", "HEAD"]).run_any()?;
        Ok((output.code == 0).then(|| output.line()))
    }

    /// All checkouts whose folder exists: the main one first, then worktrees by name.
    pub fn checkouts(&self) -> Result<Vec<Checkout>, GitError> {
        let mut all = Vec::new();
        if let Some(main) = &self.0.main {
            let common = self.common().to_owned();
            all.push(Pinned { git_dir: common.clone(), common, work_tree: main.clone() });
        }
        all.extend(self.admins()?.into_iter().filter(|pins| pins.work_tree.is_dir()));
        let look = |pins: Pinned| -> Result<Checkout, GitError> {
            let branch = self.head_branch(&pins)?;
            Ok(Checkout { busy: busy(&pins.git_dir), branch, pins })
        };
        // A worktree whose HEAD cannot be read is being made or removed this moment, or broken: git would not use it either.
        Ok(all.into_iter().filter_map(|pins| look(pins).ok()).collect())
    }

    /// All worktrees that the repository has a record of, whether or not their folder exists.
    pub fn admins(&self) -> Result<Vec<Pinned>, GitError> {
        let folder = self.common().join("worktrees");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(GitError::Io { action: "list", path: folder, source: error }),
        };
        let mut found = Vec::new();
        for entry in entries {
            let git_dir = entry.map_err(GitError::io("list", &folder))?.path();
            let Ok(bytes) = std::fs::read(git_dir.join("gitdir")) else { continue };
            let file = git_dir.join(Path::new(OsStr::from_bytes(bytes.trim_ascii_end())));
            if let Some(work_tree) = file.parent() {
                let common = self.common().to_owned();
                found.push(Pinned { git_dir, common, work_tree: work_tree.to_owned() });
            }
        }
        found.sort_by(|a, b| a.git_dir.cmp(&b.git_dir));
        Ok(found)
    }

    /// The variables that make storkit the author and committer where git's configuration names nobody.
    pub fn identity(&self) -> Result<Vec<(&'static str, &'static str)>, GitError> {
        let mut vars = Vec::new();
        for (ident, name, email) in [
            ("GIT_AUTHOR_IDENT", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"),
            ("GIT_COMMITTER_IDENT", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
        ] {
            let output = self.git().args(["-c", "user.useConfigOnly=true", "var", ident]).run_any()?;
            if output.code != 0 {
                vars.extend([(name, "storkit"), (email, "storkit@localhost")]);
            }
        }
        Ok(vars)
    }

    /// Makes a commit object of a tree; no ref moves.
    pub fn commit_tree(&self, tree: &Oid, parents: &[&Oid], message: &str) -> Result<Oid, GitError> {
        let git = || {
            let mut git = self.git().args(["-c", "user.useConfigOnly=true", "commit-tree", tree.as_str()]);
            for parent in parents {
                git = git.args(["-p", parent.as_str()]);
            }
            git.args(["-F", "-"]).stdin(message.replace('\0', ""))
        };
        // Most users have told git who they are: only where this fails is it asked for the name.
        let output = git().run_any()?;
        if output.code == 0 {
            return output.oid();
        }
        let identity = self.identity()?;
        if identity.is_empty() {
            return Err(output.failure());
        }
        identity.into_iter().fold(git(), |git, (name, value)| git.var(name, value)).run()?.oid()
    }

    /// Puts everything that git wrote on disk for good, before base moves to it.
    pub fn sync(&self) -> Result<(), GitError> {
        #[cfg(target_os = "linux")]
        {
            let folder = self.common().join("objects");
            let file = std::fs::File::open(&folder).map_err(GitError::io("open", &folder))?;
            rustix::fs::syncfs(&file).map_err(|error| GitError::io("sync", &folder)(error.into()))?;
        }
        Ok(())
    }

    /// Holds the lock of that name until it is dropped: one holder at a time, over all threads and processes.
    pub fn lock(&self, name: &str) -> Result<std::fs::File, GitError> {
        let path = self.common().join(format!("storkit-{name}.lock"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(GitError::io("open", &path))?;
        file.lock().map_err(GitError::io("lock", &path))?;
        Ok(file)
    }
}

/// The operation in progress in a checkout, by the files that git keeps for it.
pub fn busy(git_dir: &Path) -> Option<Busy> {
    let branch = |file: &str| {
        let text = std::fs::read_to_string(git_dir.join(file)).ok()?;
        let name = text.trim_end().to_owned();
        Some(if name.starts_with("refs/") { name } else { refs::head(&name) })
    };
    let kinds = [
        ("rebase-merge", "a rebase is in progress", "rebase-merge/head-name"),
        ("rebase-apply", "a rebase is in progress", "rebase-apply/head-name"),
        ("BISECT_LOG", "a bisect is in progress", "BISECT_START"),
        ("MERGE_HEAD", "a merge is in progress", ""),
        ("CHERRY_PICK_HEAD", "a cherry-pick is in progress", ""),
        ("REVERT_HEAD", "a revert is in progress", ""),
    ];
    let (_, what, name) = kinds.into_iter().find(|(file, ..)| git_dir.join(file).exists())?;
    Some(Busy { what, branch: if name.is_empty() { None } else { branch(name) } })
}

/// The folder of the repository's main checkout; none where the repository itself is bare.
fn main_checkout(environment: &Environment, pins: &Pinned) -> Result<Option<PathBuf>, GitError> {
    if pins.git_dir == pins.common {
        return Ok(Some(pins.work_tree.clone()));
    }
    let output =
        Git::pinned(environment, pins.clone()).args(["worktree", "list", "--porcelain", "-z"]).run()?;
    let mut records = output.stdout.split(|byte| *byte == 0);
    let path = records.next().and_then(|record| record.strip_prefix(b"worktree "));
    let path = path.ok_or_else(|| output.odd("no main worktree"))?;
    let bare = records.next() == Some(b"bare");
    Ok((!bare).then(|| PathBuf::from(OsStr::from_bytes(path))))
}

fn check_version(text: &str) -> Result<(), GitError> {
    let number = text.trim_start_matches("git version ");
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < GIT_MIN { Err(GitError::TooOld { found: number.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_of_git_are_refused() {
        for good in ["git version 2.38.0", "git version 2.47.3", "git version 3.0.1.windows.1"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["git version 2.37.9", "git version 1.9", "something else"] {
            assert!(matches!(check_version(bad), Err(GitError::TooOld { .. })), "{bad}");
        }
    }
}
