//! git's objects and refs, for the board's history: by git2, or by the git command where git2 cannot open the
//! repository.
//!
//! It touches the object database and refs below `refs/storkit/`; no working tree, no index, no branch.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use git2::{ErrorCode, ObjectType, Repository};
use storkit_core::ids::Oid;

use crate::sys::layout::Layout;

/// Something that git would not do.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// git2 refused.
    #[error("git: cannot {action}: {source}")]
    Library {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// What it said.
        source: git2::Error,
    },
    /// The git command failed, or answered what cannot be read.
    #[error("git {command}: {message}")]
    Command {
        /// The command's first word.
        command: String,
        /// What it said.
        message: String,
    },
}

/// Runs `git` in the main checkout with these arguments and this standard input; its standard output, or in words
/// why it failed. It is the caller's, who knows how git is to be run.
pub type RunGit = Arc<dyn Fn(&[&str], &[u8]) -> Result<Vec<u8>, GitError> + Send + Sync>;

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreeEntry {
    pub(super) name: Vec<u8>,
    pub(super) folder: bool,
    pub(super) oid: Oid,
}

/// What a commit says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommitInfo {
    pub(super) parent: Option<Oid>,
    pub(super) tree: Oid,
    /// Seconds since 1970.
    pub(super) at: i64,
    pub(super) message: String,
}

/// The repository.
pub(super) enum Objects {
    /// By git2.
    Library(Box<Repository>),
    /// By the command.
    Command(RunGit),
}

/// The file, in git's common folder, by which one storkit at a time moves the board's ref.
const LOCK_NAME: &str = "storkit-board.lock";
/// A lock of git's that stands still for so long is left over from a process that was killed.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(1);
const LEFT_OVER_LOOK: Duration = Duration::from_millis(20);

/// Who commits the board's history.
const WHO: &str = "storkit";
const MAIL: &str = "storkit@localhost";

fn failed(action: &'static str) -> impl Fn(git2::Error) -> GitError {
    move |source| GitError::Library { action, source }
}

fn known(oid: git2::Oid) -> Oid {
    Oid::new(&oid.to_string()).expect("git's ids are hex of a fixed length")
}

fn library(oid: &Oid) -> Result<git2::Oid, GitError> {
    git2::Oid::from_str(oid.as_str()).map_err(failed("read an object id"))
}

fn odd(command: &str) -> GitError {
    GitError::Command { command: command.to_owned(), message: "its answer cannot be read".to_owned() }
}

impl Objects {
    /// Opens the repository of the main checkout; by `run` where git2 cannot, else its error.
    pub(super) fn open(layout: &Layout, run: Option<&RunGit>) -> Result<Self, GitError> {
        match (Repository::open(layout.root()), run) {
            (Ok(repository), _) => Ok(Self::Library(Box::new(repository))),
            (Err(_), Some(run)) => Ok(Self::Command(Arc::clone(run))),
            (Err(source), None) => Err(failed("open the repository")(source)),
        }
    }

    /// The commit that a name stands for; none where there is none.
    pub(super) fn resolve(&self, name: &str) -> Result<Option<Oid>, GitError> {
        match self {
            Self::Library(repository) => match repository.revparse_single(&format!("{name}^{{commit}}")) {
                Ok(object) => Ok(Some(known(object.id()))),
                Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::UnbornBranch) => {
                    Ok(None)
                }
                Err(error) => Err(failed("look up a ref")(error)),
            },
            Self::Command(run) => {
                // A missing name is an answer here, and git tells it by its exit status alone.
                let name = format!("{name}^{{commit}}");
                let Ok(out) = run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name], b"")
                else {
                    return Ok(None);
                };
                Ok(Oid::new(String::from_utf8_lossy(&out).trim()))
            }
        }
    }

    /// The branch that HEAD names; none where it is detached.
    pub(super) fn head_branch(&self) -> Option<String> {
        match self {
            Self::Library(repository) => {
                let head = repository.find_reference("HEAD").ok()?;
                head.symbolic_target().ok().flatten().map(str::to_owned)
            }
            Self::Command(run) => {
                let out = run(&["symbolic-ref", "--quiet", "HEAD"], b"").ok()?;
                Some(String::from_utf8_lossy(&out).trim().to_owned())
            }
        }
    }

    /// What a commit says of itself.
    pub(super) fn commit(&self, oid: &Oid) -> Result<CommitInfo, GitError> {
        match self {
            Self::Library(repository) => {
                let commit = repository.find_commit(library(oid)?).map_err(failed("read a commit"))?;
                Ok(CommitInfo {
                    parent: commit.parent_id(0).ok().map(known),
                    tree: known(commit.tree_id()),
                    at: commit.time().seconds(),
                    message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
                })
            }
            Self::Command(run) => {
                let format = "--format=%P%x00%T%x00%ct%x00%B";
                let out = run(&["log", "-1", format, "--no-show-signature", oid.as_str()], b"")?;
                let text = String::from_utf8_lossy(&out);
                let mut parts = text.splitn(4, '\0');
                let parent =
                    parts.next().and_then(|text| Oid::new(text.split(' ').next().unwrap_or_default()));
                let tree = parts.next().and_then(Oid::new).ok_or_else(|| odd("log"))?;
                let at = parts.next().and_then(|text| text.parse().ok()).ok_or_else(|| odd("log"))?;
                let message = parts.next().unwrap_or_default().trim_end().to_owned();
                Ok(CommitInfo { parent, tree, at, message })
            }
        }
    }

    /// The id of what stands at `path` in a tree, and whether it is a folder; none where nothing does.
    pub(super) fn at_path(&self, tree: &Oid, path: &str) -> Result<Option<(Oid, bool)>, GitError> {
        match self {
            Self::Library(repository) => {
                let tree = repository.find_tree(library(tree)?).map_err(failed("read a tree"))?;
                match tree.get_path(std::path::Path::new(path)) {
                    Ok(entry) => Ok(Some((known(entry.id()), entry.kind() == Some(ObjectType::Tree)))),
                    Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
                    Err(error) => Err(failed("read a tree")(error)),
                }
            }
            Self::Command(run) => {
                let path = format!(":(literal){path}");
                let out = run(&["ls-tree", "-z", "--full-tree", tree.as_str(), "--", &path], b"")?;
                Ok(entries(&out)?.pop().map(|entry| (entry.oid, entry.folder)))
            }
        }
    }

    /// The files and folders directly in a tree.
    pub(super) fn list(&self, tree: &Oid) -> Result<Vec<TreeEntry>, GitError> {
        match self {
            Self::Library(repository) => {
                let tree = repository.find_tree(library(tree)?).map_err(failed("read a tree"))?;
                let entry = |entry: git2::TreeEntry<'_>| TreeEntry {
                    name: entry.name_bytes().to_vec(),
                    folder: entry.kind() == Some(ObjectType::Tree),
                    oid: known(entry.id()),
                };
                Ok(tree.iter().map(entry).collect())
            }
            Self::Command(run) => entries(&run(&["ls-tree", "-z", "--full-tree", tree.as_str()], b"")?),
        }
    }

    /// A file's bytes.
    pub(super) fn blob(&self, oid: &Oid) -> Result<Vec<u8>, GitError> {
        match self {
            Self::Library(repository) => {
                let blob = repository.find_blob(library(oid)?).map_err(failed("read a blob"))?;
                Ok(blob.content().to_vec())
            }
            Self::Command(run) => run(&["cat-file", "blob", oid.as_str()], b""),
        }
    }

    /// Puts a file's bytes into the database.
    pub(super) fn write_blob(&self, bytes: &[u8]) -> Result<Oid, GitError> {
        match self {
            Self::Library(repository) => repository.blob(bytes).map(known).map_err(failed("write a blob")),
            Self::Command(run) => {
                one(run(&["hash-object", "-w", "--no-filters", "--stdin"], bytes)?, "hash-object")
            }
        }
    }

    /// Puts a folder into the database.
    pub(super) fn write_tree(&self, entries: &[TreeEntry]) -> Result<Oid, GitError> {
        match self {
            Self::Library(repository) => {
                let mut builder = repository.treebuilder(None).map_err(failed("write a tree"))?;
                for entry in entries {
                    let mode = if entry.folder { 0o040_000 } else { 0o100_644 };
                    builder
                        .insert(&entry.name[..], library(&entry.oid)?, mode)
                        .map_err(failed("write a tree"))?;
                }
                builder.write().map(known).map_err(failed("write a tree"))
            }
            Self::Command(run) => {
                let mut input = Vec::new();
                for entry in entries {
                    let kind = if entry.folder { "040000 tree" } else { "100644 blob" };
                    input.extend_from_slice(format!("{kind} {}\t", entry.oid).as_bytes());
                    input.extend_from_slice(&entry.name);
                    input.push(0);
                }
                one(run(&["mktree", "-z"], &input)?, "mktree")
            }
        }
    }

    /// Puts a commit by storkit into the database; no ref moves.
    pub(super) fn write_commit(
        &self,
        tree: &Oid,
        parent: Option<&Oid>,
        message: &str,
    ) -> Result<Oid, GitError> {
        match self {
            Self::Library(repository) => {
                let act = failed("write a commit");
                let who = git2::Signature::now(WHO, MAIL).map_err(&act)?;
                let tree = repository.find_tree(library(tree)?).map_err(&act)?;
                let parent = match parent {
                    Some(oid) => Some(repository.find_commit(library(oid)?).map_err(&act)?),
                    None => None,
                };
                let parents: Vec<_> = parent.iter().collect();
                repository.commit(None, &who, &who, message, &tree, &parents).map(known).map_err(&act)
            }
            Self::Command(run) => {
                let (name, mail) = (format!("user.name={WHO}"), format!("user.email={MAIL}"));
                let mut args = vec!["-c", &name, "-c", &mail, "commit-tree", "--no-gpg-sign", "-F", "-"];
                if let Some(parent) = parent {
                    args.extend(["-p", parent.as_str()]);
                }
                args.push(tree.as_str());
                one(run(&args, message.as_bytes())?, "commit-tree")
            }
        }
    }

    /// Moves a ref from `old` (none: it must not be there) to `new`; false where it is not at `old`.
    pub(super) fn advance(&self, name: &str, new: &Oid, old: Option<&Oid>) -> Result<bool, GitError> {
        match self {
            Self::Library(repository) => {
                let held = Held::take(repository.commondir())?;
                let (new, old) = (library(new)?, old.map(library).transpose()?);
                let log = "storkit: the board";
                let go = || match old {
                    Some(old) => repository.reference_matching(name, new, true, old, log),
                    None => repository.reference(name, new, false, log),
                };
                let mut end = go();
                if end.as_ref().is_err_and(|error| error.code() == ErrorCode::Locked) && held.free(name) {
                    end = go();
                }
                match end {
                    Ok(_) => Ok(true),
                    Err(error)
                        if matches!(
                            error.code(),
                            ErrorCode::Modified | ErrorCode::Exists | ErrorCode::Locked | ErrorCode::NotFound
                        ) =>
                    {
                        Ok(false)
                    }
                    Err(error) => Err(failed("move the board's ref")(error)),
                }
            }
            Self::Command(run) => {
                let none = "0".repeat(new.as_str().len());
                let old = old.map_or(none.as_str(), Oid::as_str);
                match run(&["update-ref", "--no-deref", name, new.as_str(), old], b"") {
                    Ok(_) => Ok(true),
                    Err(error) => {
                        let now = self.resolve(name)?;
                        if now.as_ref().map_or(none.as_str(), Oid::as_str) == old {
                            Err(error)
                        } else {
                            Ok(false)
                        }
                    }
                }
            }
        }
    }
}

/// The right to move the board's ref, which one storkit has at a time. The kernel's, so that it ends with its holder.
struct Held {
    common: PathBuf,
    _file: std::fs::File,
}

impl Held {
    fn take(common: &Path) -> Result<Self, GitError> {
        let failed = |error: std::io::Error| GitError::Command {
            command: "lock".to_owned(),
            message: format!("cannot lock {LOCK_NAME}: {error}"),
        };
        let file = std::fs::OpenOptions::new().create(true).append(true).open(common.join(LOCK_NAME));
        let file = file.map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Self { common: common.to_owned(), _file: file })
    }

    /// Removes the ref's own lock where a storkit that was killed has left it: no other storkit is at it, and git
    /// holds it for an instant. Whether the ref is free now.
    fn free(&self, name: &str) -> bool {
        let path = self.common.join(format!("{name}.lock"));
        let look = || {
            std::fs::symlink_metadata(&path).ok().map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec()))
        };
        let first = look();
        let begun = Instant::now();
        while begun.elapsed() < LEFT_OVER_AFTER {
            if look() != first || first.is_none() {
                return true;
            }
            std::thread::sleep(LEFT_OVER_LOOK);
        }
        std::fs::remove_file(&path).is_ok()
    }
}

/// The single id that a command answered.
fn one(out: Vec<u8>, command: &str) -> Result<Oid, GitError> {
    Oid::new(String::from_utf8_lossy(&out).trim()).ok_or_else(|| odd(command))
}

/// Reads `ls-tree -z`: `<mode> <type> <id>\t<name>\0` each.
fn entries(out: &[u8]) -> Result<Vec<TreeEntry>, GitError> {
    let mut entries = Vec::new();
    for line in out.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(|| odd("ls-tree"))?;
        let head = String::from_utf8_lossy(&line[..tab]);
        let mut words = head.split(' ').skip(1);
        let folder = words.next() == Some("tree");
        let oid = words.next().and_then(Oid::new).ok_or_else(|| odd("ls-tree"))?;
        entries.push(TreeEntry { name: line[tab + 1..].to_vec(), folder, oid });
    }
    Ok(entries)
}
