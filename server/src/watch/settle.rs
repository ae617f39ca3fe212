//! Waiting for a file that is being written to come to rest: a rule without a clock.

use std::collections::{BTreeMap, BTreeSet};

use storkit_core::sighting::FileKey;

/// A file is at rest when it was not written for so many milliseconds.
pub(super) const QUIET_MS: u64 = 50;
/// A file that is written without end is looked at every so many milliseconds all the same.
pub(super) const CAP_MS: u64 = 500;
/// Most files that are waited for; with more the whole board is looked at.
pub(super) const PENDING_MAX: usize = 4096;

/// Files that are being written. Times are milliseconds of one monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Settle {
    /// When a file's writing was first and last told of.
    pending: BTreeMap<FileKey, (u64, u64)>,
}

impl Settle {
    /// The file was written to; false where there are too many to wait for.
    pub(super) fn touch(&mut self, key: FileKey, now_ms: u64) -> bool {
        if self.pending.len() >= PENDING_MAX && !self.pending.contains_key(&key) {
            return false;
        }
        self.pending.entry(key).or_insert((now_ms, now_ms)).1 = now_ms;
        true
    }

    /// The file need not be waited for any longer.
    pub(super) fn drop(&mut self, key: &FileKey) {
        self.pending.remove(key);
    }

    /// Whether no file is waited for.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// No file need be waited for any longer.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }

    /// The files to look at now.
    pub(super) fn due(&mut self, now_ms: u64) -> BTreeSet<FileKey> {
        let due: BTreeSet<FileKey> = self
            .pending
            .iter()
            .filter(|(_, times)| moment(**times) <= now_ms)
            .map(|(key, _)| key.clone())
            .collect();
        self.pending.retain(|key, _| !due.contains(key));
        due
    }

    /// When the next file is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.pending.values().map(|times| moment(*times)).min()
    }
}

fn moment((first, last): (u64, u64)) -> u64 {
    last.saturating_add(QUIET_MS).min(first.saturating_add(CAP_MS))
}

#[cfg(test)]
mod tests {
    use storkit_core::stage::Stage;

    use super::*;

    #[test]
    fn a_file_is_due_at_rest_and_at_the_latest_after_the_cap() {
        let key = FileKey::new(Stage::Current, "a.md");
        let mut settle = Settle::default();
        assert!(settle.touch(key.clone(), 0));
        assert!(settle.due(49).is_empty());
        assert_eq!(settle.due(50).len(), 1);
        assert_eq!(settle.next(), None);
        let mut due_at = None;
        for now in (100..2_000).step_by(20) {
            settle.touch(key.clone(), now);
            if due_at.is_none() && !settle.due(now).is_empty() {
                due_at = Some(now);
            }
        }
        assert_eq!(due_at, Some(600));
    }

    #[test]
    fn there_is_a_limit_to_what_is_waited_for() {
        let mut settle = Settle::default();
        for n in 0..PENDING_MAX {
            assert!(settle.touch(FileKey::new(Stage::Done, format!("{n}.md")), 0));
        }
        assert!(!settle.touch(FileKey::new(Stage::Done, "more.md"), 0));
        assert!(settle.touch(FileKey::new(Stage::Done, "1.md"), 0));
    }
}
