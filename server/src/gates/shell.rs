//! One shell command under supervision: a gate, or a hook that makes a worktree ready or clears up after it.

use std::path::Path;

use storkit_core::config::Runtime;
use storkit_core::facts::RunFacts;
use storkit_core::ids::{RunId, StoryId};
use storkit_core::runtime::PromptBy;

use super::end_in_words;
use crate::agents::env::Env;
use crate::agents::{self, LogSpec, RunSpec};
use crate::sys::cancel::Cancel;

/// What all commands of a round have in common.
#[derive(Clone, Copy)]
pub struct ShellContext<'a> {
    /// The run that they belong to, whose mark their processes carry.
    pub run: RunId,
    /// The story.
    pub story: &'a StoryId,
    /// The repository's mark.
    pub repo: &'a str,
    /// Their environment.
    pub env: &'a Env,
    /// The run's own folder, `run/runs/<run>`, absolute.
    pub run_dir: &'a Path,
    /// Free bytes on the disk below which no gate starts and no output is kept.
    pub disk_reserve_bytes: u64,
    /// storkit's own program.
    pub exe: &'a Path,
    /// Ends them.
    pub cancel: &'a Cancel,
}

impl ShellContext<'_> {
    /// Why nothing starts for want of space on this folder's disk, in words.
    pub(super) fn disk_full(&self, folder: &Path) -> Option<String> {
        let space = rustix::fs::statvfs(folder).ok()?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        (free < self.disk_reserve_bytes)
            .then(|| format!("the disk has {} MB free, less than `disk_reserve`", free / 1_000_000))
    }
}

/// One command.
pub struct ShellOrder<'a> {
    /// It, for `sh -c`.
    pub command: &'a str,
    /// The folder that it runs in, absolute.
    pub folder: &'a Path,
    /// Whether the folder is a git worktree's root, whose loss ends the command.
    pub is_worktree: bool,
    /// The file for its output, absolute; replaced.
    pub log: &'a Path,
    /// Longest time, in milliseconds; 0 is no limit.
    pub timeout_ms: u64,
}

/// Why a shell command did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellFailure {
    /// It ran and failed.
    #[error("`{command}`: {why}\n{tail}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended, in words.
        why: String,
        /// The end of its output, at most 3,000 bytes.
        tail: String,
    },
    /// It could not be started, or its folder went; in words.
    #[error("`{command}` cannot run: {why}")]
    NotRun {
        /// The command.
        command: String,
        /// Why.
        why: String,
    },
    /// storkit ended it.
    #[error("cancelled")]
    Cancelled,
}

/// Runs a setup or teardown command to its end, and to the end of everything that it started.
pub fn run_shell(order: &ShellOrder<'_>, context: &ShellContext<'_>) -> Result<(), ShellFailure> {
    let facts = supervise(order, context);
    let command = order.command.to_owned();
    if facts.cancelled {
        return Err(ShellFailure::Cancelled);
    }
    if facts.worktree_lost {
        let why = format!("its folder {} is gone", order.folder.display());
        return Err(ShellFailure::NotRun { command, why });
    }
    if let Some(why) = facts.not_startable {
        return Err(ShellFailure::NotRun { command, why });
    }
    match end_in_words(&facts) {
        Some(why) => Err(ShellFailure::Failed { command, why, tail: facts.tail }),
        None => Ok(()),
    }
}

/// Runs it, and says how it ended without a judgement.
pub(super) fn supervise(order: &ShellOrder<'_>, context: &ShellContext<'_>) -> RunFacts {
    let spec = RunSpec {
        run: context.run,
        story: context.story.clone(),
        repo: context.repo.to_owned(),
        worktree: order.folder.to_owned(),
        needs_git: order.is_worktree,
        run_dir: context.run_dir.join("shell"),
        log: LogSpec {
            path: order.log.to_owned(),
            head: None,
            disk_reserve_bytes: context.disk_reserve_bytes,
        },
        runtime: Runtime::Command,
        resume: None,
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), order.command.to_owned()],
        prompt: None,
        prompt_by: PromptBy::default(),
        env: context.env.vars.clone(),
        secrets: context.env.secrets.clone(),
        timeout_ms: order.timeout_ms,
        inactivity_ms: 0,
        terminal: false,
    };
    agents::run(&spec, context.exe, context.cancel, &mut |_| {})
}
