//! The daemon: one for a repository. It looks, asks the pipeline, acts, and tells.
//!
//! `dispatcher` is the only loop, `executor` the only place where effects begin, `acts` what they do; `scanner` reads
//! the board, `service` is what the API sees. A start is a recovery: the same comparison of files, git and ledger.

mod acts;
mod desk;
mod dispatcher;
mod executor;
mod janitor;
mod logs;
mod pages;
mod prompt;
mod pulse;
mod scanner;
mod service;
mod settings;
mod signals;
mod start;
mod warmer;
mod world;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use storkit_core::config::Config;
use storkit_core::ids::StoryId;

use crate::board::BoardError;
use crate::git::{GitError, Repo};
use crate::http::ServerError;
use crate::ledger::LedgerError;
use crate::sys::fs::FsError;
use crate::sys::lock::Holder;

pub use prompt::{NoPrompt, Sources, compose, template};
pub use start::{Serving, run};

/// How runs are confined: not yet.
pub const SANDBOX: &str = "none";

/// How a daemon is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The main checkout.
    pub root: PathBuf,
    /// Ends when nothing is left to do.
    pub once: bool,
    /// The TCP port, where it is not the configured one.
    pub port: Option<u16>,
    /// Whether the end of the terminal ends it.
    pub in_terminal: bool,
}

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// Another one serves this repository.
    #[error("storkit is already running for this repository{}", holder_words(.0.as_ref()))]
    Held(Option<Holder>),
    /// `sandbox.mode = "required"`, which this version cannot do.
    #[error("sandbox.mode is \"required\", and this version of storkit has no sandbox")]
    NoSandbox,
    /// No branch to land on is named, and HEAD is on none.
    #[error("no base_branch is set in .storkit/project.toml, and HEAD is on no branch")]
    NoBase,
    /// A branch `feature` makes every story's branch impossible.
    #[error("{0}")]
    Clash(String),
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] Box<dyn std::error::Error + Send + Sync>),
    /// The board.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// git.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The API.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The system.
    #[error("{0}: {1}")]
    System(&'static str, std::io::Error),
}

impl From<settings::SettingsError> for UpError {
    fn from(error: settings::SettingsError) -> Self {
        Self::Settings(Box::new(error))
    }
}

fn holder_words(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => {
            let url = holder.url.as_ref().map(|url| format!(", {url}")).unwrap_or_default();
            format!(" (pid {}, socket {}{url})", holder.pid, holder.socket.display())
        }
        None => String::new(),
    }
}

/// The branch that stories land on.
fn base_branch(config: &Config, repo: &Repo) -> Result<String, UpError> {
    match &config.base_branch {
        Some(base) => Ok(base.clone()),
        None => repo.base_default()?.ok_or(UpError::NoBase),
    }
}

/// The project's name: its folder's.
fn project_name(root: &Path) -> String {
    root.file_name().map_or_else(|| "/".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Stories that have a branch.
fn branches(repo: &Repo) -> Result<BTreeSet<StoryId>, GitError> {
    let prefix = "refs/heads/feature/story-";
    let references = repo.objects().references(prefix)?;
    Ok(references.iter().filter_map(|(name, _)| StoryId::new(name.strip_prefix(prefix)?).ok()).collect())
}
