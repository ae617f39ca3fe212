//! When to look at the board without being told: a timer's rule, without a timer.

/// How often, in milliseconds, the folders' times are looked at; where watching is degraded, everything.
pub const LOOK_EVERY_MS: u64 = 30_000;
/// How often, in milliseconds, everything is looked at where watching is not degraded.
pub const FULL_EVERY_MS: u64 = 600_000;

/// What is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// The six folders' times; everything where one of them changed.
    Folders,
    /// Everything.
    Full,
}

/// When the board was looked at last. All times are milliseconds of one monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rescan {
    looked: u64,
    full: u64,
}

impl Rescan {
    /// Everything was looked at now.
    pub fn new(now_ms: u64) -> Self {
        Self { looked: now_ms, full: now_ms }
    }

    /// Everything was looked at now, for whatever reason.
    pub fn did_full(&mut self, now_ms: u64) {
        *self = Self::new(now_ms);
    }

    /// What is due; it counts as done with this answer.
    pub fn due(&mut self, now_ms: u64, degraded: bool) -> Due {
        let full_every = if degraded { LOOK_EVERY_MS } else { FULL_EVERY_MS };
        if now_ms >= self.full.saturating_add(full_every) {
            self.did_full(now_ms);
            Due::Full
        } else if now_ms >= self.looked.saturating_add(LOOK_EVERY_MS) {
            self.looked = now_ms;
            Due::Folders
        } else {
            Due::Nothing
        }
    }

    /// The moment before which nothing is due.
    pub fn next(&self, degraded: bool) -> u64 {
        let full = self.full.saturating_add(if degraded { LOOK_EVERY_MS } else { FULL_EVERY_MS });
        full.min(self.looked.saturating_add(LOOK_EVERY_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_each_half_minute_and_everything_each_ten() {
        let mut rescan = Rescan::new(0);
        let mut seen = Vec::new();
        for now in (0..=FULL_EVERY_MS).step_by(1000) {
            match rescan.due(now, false) {
                Due::Nothing => assert!(rescan.next(false) > now),
                due => seen.push((now / 1000, due)),
            }
        }
        assert_eq!(seen.len(), 20);
        assert_eq!(seen[0], (30, Due::Folders));
        assert_eq!(seen[19], (600, Due::Full));
        assert!(seen[..19].iter().all(|(_, due)| *due == Due::Folders));
    }

    #[test]
    fn everything_each_half_minute_where_nobody_tells() {
        let mut rescan = Rescan::new(5_000);
        assert_eq!(rescan.next(true), 35_000);
        assert_eq!(rescan.due(34_999, true), Due::Nothing);
        assert_eq!(rescan.due(35_000, true), Due::Full);
        assert_eq!(rescan.due(35_001, true), Due::Nothing);
        // Degraded later on: what was put off is due at once.
        let mut rescan = Rescan::new(0);
        assert_eq!(rescan.due(40_000, false), Due::Folders);
        assert_eq!(rescan.due(41_000, true), Due::Full);
    }
}
