//! Worktrees: one for each story, made ready before a run, put in order after it, and removed when its work has landed.
//!
//! The only module that may remove a folder of files, and it does so only through the trash, with what was in it kept in git.
//! Each call is on one story and may be made from any thread; what changes git's list of worktrees is done one at a time.

mod close;
mod diff;
mod facts;
mod ground;
mod locks;
mod merge;
mod occupants;
mod prepare;
mod prune;
mod running;
mod scratch;
mod settle;
mod setup;
mod snapshot;
#[cfg(test)]
mod tests;
mod trash;
mod warm;

pub use close::{CloseOrder, close};
pub use diff::diff;
pub use facts::{FactsOrder, inspect};
pub use ground::{Found, Ground};
pub use merge::{MERGE_TREE, MergeTreeEnd, MergeTreeOrder, changed_tracked, merge_tree_at};
pub use occupants::occupants;
pub use prepare::{PrepareOrder, prepare};
pub use prune::{Pinning, PruneItem, PruneOrder, plan_prune, prune};
pub use running::mark_running;
pub use scratch::Scratch;
pub use settle::{Mode, SettleOrder, settle};
pub use setup::{CommandFailed, RunCommand};
pub use trash::empty_trash;
pub use warm::{WarmOrder, keep_warm};
