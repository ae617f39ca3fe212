//! How work with git can fail. Texts only; nothing here looks at a repository.

use std::path::{Path, PathBuf};

/// Why git, or the look at a repository, failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no `git` on PATH.
    #[error("git is not on PATH; install git 2.38 or newer")]
    Missing,
    /// `git` is older than what landing needs.
    #[error("git {found} is too old; 2.38 or newer is needed")]
    TooOld {
        /// What `git version` said.
        found: String,
    },
    /// The folder is not in a git work tree, or git refuses to use it (`safe.directory`).
    #[error("{} is not a git work tree: {detail}", path.display())]
    NotARepository {
        /// The folder.
        path: PathBuf,
        /// git's own words.
        detail: String,
    },
    /// The repository has no work tree.
    #[error("{} is a bare repository; storkit needs a checkout", path.display())]
    Bare {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is inside a work tree, not its top.
    #[error("{} is inside the work tree {}; storkit's folder belongs at its top", path.display(), top.display())]
    NotTop {
        /// The folder.
        path: PathBuf,
        /// The work tree's top.
        top: PathBuf,
    },
    /// A git command ended badly.
    #[error("`{command}` ended with {end}: {stderr}{}", way_out(stderr))]
    Failed {
        /// The command line.
        command: String,
        /// `exit 128`, `signal 9`.
        end: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// A git command took too long, and was ended.
    #[error("`{command}` took more than {seconds} s and was ended")]
    Timeout {
        /// The command line.
        command: String,
        /// Its limit.
        seconds: u64,
    },
    /// A git command wrote more than its limit, and was ended.
    #[error("`{command}` wrote more than {limit} bytes and was ended")]
    TooMuchOutput {
        /// The command line.
        command: String,
        /// Its limit.
        limit: usize,
    },
    /// A git command's answer could not be read.
    #[error("`{command}` answered something unexpected: {what}")]
    Odd {
        /// The command line.
        command: String,
        /// What was wrong with it.
        what: String,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A worktree's files no longer say what storkit wrote; git is not run there.
    #[error("{} is no longer the worktree that storkit made: {what}", path.display())]
    Tampered {
        /// The worktree.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The work was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// What a person can do about it, where git's words alone do not say so.
fn way_out(stderr: &str) -> &'static str {
    if stderr.contains("No space left on device") {
        " (the disk is full: free some space, and storkit goes on by itself)"
    } else {
        ""
    }
}

impl GitError {
    /// Gives an I/O error its action and path: `.map_err(GitError::io("read", path))`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The end of git's standard error, where a command failed.
    pub fn stderr(&self) -> Option<&str> {
        match self {
            Self::Failed { stderr, .. } => Some(stderr),
            _ => None,
        }
    }
}
