//! Time as the core knows it: a value that comes with each event.

use serde::{Deserialize, Serialize};

/// The moment of an event, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; for all waiting.
    pub mono_ms: u64,
    /// The time of day; for people, and for waits that outlive the daemon.
    pub wall: Wall,
}

/// A time of day, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub i64);

impl Wall {
    /// RFC 3339 in UTC, to the second; the epoch where the time cannot be written so.
    pub fn rfc3339(self) -> String {
        let second = jiff::Timestamp::from_second(self.0.div_euclid(1000)).unwrap_or_default();
        second.to_string()
    }

    /// The calendar day in UTC, as `2026-11-21`.
    pub fn day(self) -> String {
        self.rfc3339().chars().take(10).collect()
    }
}

/// The longest wait that an agent or its provider is believed about, in milliseconds: eight days.
pub const WAIT_MAX_MS: u64 = 8 * 86_400_000;

/// A span in words: `90s` is `1m 30s`, `3 h` is `3h`.
pub fn words(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    let parts =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let mut words: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    words.truncate(2);
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(Wall(1_795_000_000_123).rfc3339(), "2026-11-18T11:06:40Z");
        assert_eq!(Wall(1_795_000_000_123).day(), "2026-11-18");
        assert_eq!(words(0), "0s");
        assert_eq!(words(90_000), "1m 30s");
        assert_eq!(words(3 * 3_600_000), "3h");
        assert_eq!(words(26 * 3_600_000 + 5_000), "1d 2h");
    }
}
