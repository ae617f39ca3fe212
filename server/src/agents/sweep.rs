//! Ending what a supervisor could not: processes that carry a run's or a repository's mark in their environment.
//!
//! Only a mark is evidence. A process that merely stands in a worktree is a person's, and is left alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use storkit_core::ids::RunId;

use super::spec::{REPO_VARIABLE, RUN_VARIABLE};
use crate::sys::proc_tree;

/// Longest sweep.
const SWEEP_SPAN_MAX: Duration = Duration::from_secs(5);
/// How often it looks whether they have gone.
const LOOK_EACH: Duration = Duration::from_millis(10);

/// Whose processes are to end.
#[derive(Debug, Clone, Copy)]
pub enum Marked<'a> {
    /// One run's.
    Run(RunId),
    /// All runs' of the repository of this marker; for the daemon's start, when it has started none itself.
    Repository(&'a str),
}

/// Kills all processes so marked and what descends from them, and waits until they are gone, 5 s at most.
/// Returns how many there were. This process and its ancestors are spared.
pub fn sweep(marked: Marked<'_>) -> usize {
    let entry = match marked {
        Marked::Run(run) => format!("{RUN_VARIABLE}={run}"),
        Marked::Repository(path) => format!("{REPO_VARIABLE}={path}"),
    };
    let deadline = Instant::now() + SWEEP_SPAN_MAX;
    let mut killed = BTreeSet::new();
    loop {
        let left = proc_tree::carrying(&entry);
        if left.is_empty() || Instant::now() >= deadline {
            return killed.len();
        }
        for process in left {
            if proc_tree::signal(process, Signal::KILL) {
                killed.insert((process.pid, process.start));
            }
        }
        std::thread::sleep(LOOK_EACH);
    }
}
