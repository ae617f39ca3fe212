//! Waiting for a condition, with a ceiling: the only place in the tests that sleeps.

use std::time::{Duration, Instant};

/// The usual ceiling: far above what anything takes on a loaded machine, so that reaching it is a failure.
pub const CEILING: Duration = Duration::from_mins(1);

const PAUSE_FIRST: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(25);

/// Asks `condition` again and again until it gives a value; none when `ceiling` is over.
pub fn poll_until<T>(ceiling: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + ceiling;
    let mut pause = PAUSE_FIRST;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// [`poll_until`] with the same short pause each time, for what is measured.
pub fn poll_each<T>(
    pause: Duration,
    ceiling: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> Option<T> {
    let end = Instant::now() + ceiling;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(pause);
    }
}

/// Waits until `condition` gives a value, and gives it back.
///
/// # Panics
/// When `ceiling` is over; `what` says what was awaited.
#[track_caller]
pub fn wait_for<T>(ceiling: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> T {
    match poll_until(ceiling, condition) {
        Some(value) => value,
        None => panic!("waited {ceiling:?} in vain: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_later_is_seen() {
        let mut asked = 0;
        let value = wait_for(CEILING, "the third question", || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(value, 3);
    }

    #[test]
    #[should_panic(expected = "in vain: pigs fly")]
    fn a_condition_that_never_comes_true_fails_with_what_it_was() {
        wait_for(Duration::from_millis(5), "pigs fly", || None::<()>);
    }

    #[test]
    fn it_asks_at_least_once() {
        assert_eq!(poll_until(Duration::ZERO, || Some(1)), Some(1));
    }
}
