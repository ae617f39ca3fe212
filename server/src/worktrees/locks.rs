//! Locks that a killed agent's git left in its worktree's part of the repository. Nothing else is ever unlocked here.

use std::path::Path;
use std::time::{Duration, Instant};

use super::occupants::{is_open, occupants};
use crate::git::command::Pinned;

/// How long a lock is given to go by itself.
const WAIT: Duration = Duration::from_secs(2);
/// How often it is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Removes the locks of a worktree's index and HEAD, and of its branch, when nothing alive can own them.
///
/// Called when all processes of the run have ended. A process that stands in the worktree, or has the lock open, keeps it: git
/// then says so itself.
pub(super) fn clear_stale(pins: &Pinned, branch: &str) {
    let locks = [
        pins.git_dir.join("index.lock"),
        pins.git_dir.join("HEAD.lock"),
        pins.common.join("refs/heads").join(format!("{branch}.lock")),
    ];
    for lock in locks.iter().filter(|lock| is_file(lock)) {
        let begin = Instant::now();
        while is_file(lock) && begin.elapsed() < WAIT {
            std::thread::sleep(STEP);
        }
        let unowned = occupants(&pins.work_tree).is_empty() && is_open(lock) == Some(false);
        if is_file(lock) && unowned {
            tracing::info!(lock = %lock.display(), "removing a lock whose owner is gone");
            let _ = std::fs::remove_file(lock);
        }
    }
}

fn is_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}
