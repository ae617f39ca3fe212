//! Named points at which a test may kill this process, to prove that a restart mends what is left there.
//!
//! A point stands between two lasting steps. Without the cargo feature `failpoints`, which only the crash tests ask
//! for, [`reach`] is nothing: no look at the environment, no code. With it, `STORKIT_FAILPOINT=name` (or `name:n`)
//! makes the first (or n-th) reach of that point a `SIGKILL` to this process.

/// Passes a point; the names are in `POINTS`.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn reach(_name: &'static str) {}

#[cfg(feature = "failpoints")]
pub use on::{POINTS, VARIABLE, reach};

#[cfg(feature = "failpoints")]
mod on {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// The variable that names the point.
    pub const VARIABLE: &str = "STORKIT_FAILPOINT";

    /// All points, in the order of a story's life.
    pub const POINTS: &[&str] = &[
        "start.locked",
        "start.folders_made",
        "start.config_kept",
        "start.world_open",
        "start.swept",
        "recover.begun",
        "recover.checkout_settled",
        "recover.landed_set",
        "recover.dropped",
        "start.recovered",
        "start.trash_emptied",
        "start.bound",
        "start.announced",
        "scan.reported",
        "effect.begun",
        "effect.done",
        "move.before",
        "move.renamed",
        "move.synced",
        "edit.temporary_written",
        "edit.note_written",
        "edit.exchanged",
        "edit.old_kept",
        "edit.synced",
        "history.tree_written",
        "history.commit_made",
        "history.ref_moved",
        "ledger.before_commit",
        "ledger.committed",
        "prepare.branch_made",
        "prepare.worktree_added",
        "warm.added",
        "warm.filled",
        "warm.ready",
        "warm.claimed",
        "warm.brought_up",
        "warm.pointed",
        "warm.renamed",
        "warm.taken",
        "prepare.checked_out",
        "prepare.set_up",
        "run.order_written",
        "run.supervisor_started",
        "run.program_started",
        "run.ended",
        "settle.begun",
        "settle.pinned",
        "settle.added",
        "settle.committed",
        "settle.undone",
        "settle.done",
        "keep.commit_made",
        "keep.ref_set",
        "gate.begun",
        "gate.ended",
        "squash.commit_made",
        "squash.pinned",
        "merge_tree.added",
        "merge_tree.reset",
        "merge_tree.ready",
        "advance.intent_written",
        "advance.noted",
        "advance.git_started",
        "advance.git_locked",
        "advance.fast_forwarded",
        "advance.refs_moved",
        "advance.landed_set",
        "advance.done",
        "finish.note_removed",
        "finish.refs_deleted",
        "close.kept",
        "trash.renamed",
        "trash.forgotten",
        "close.branch_dropped",
    ];

    struct Armed {
        name: String,
        left: AtomicU64,
    }

    /// Passes a point: kills this process where the environment says so.
    pub fn reach(name: &'static str) {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        debug_assert!(POINTS.contains(&name), "{name} is not among the points");
        let armed = ARMED.get_or_init(|| std::env::var(VARIABLE).ok().and_then(|text| parse(&text)));
        if let Some(armed) = armed
            && armed.name == name
            && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            // The signal is on its way; nothing more is to happen here.
            loop {
                std::thread::park();
            }
        }
    }

    fn parse(text: &str) -> Option<Armed> {
        let (name, count) = match text.rsplit_once(':') {
            Some((name, count)) => (name, count.parse().ok().filter(|count| *count > 0)?),
            None => (text, 1),
        };
        Some(Armed { name: name.to_owned(), left: AtomicU64::new(count) })
    }
}
