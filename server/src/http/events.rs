//! Events on their way to many listeners: numbered, remembered for a while, bounded for each.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How many events a listener may lag behind, and how many a new one may catch up on.
pub(super) const EVENTS_KEPT_MAX: usize = 1_024;
/// The kind of the event that tells a listener to read everything again.
pub(super) const RESYNC: &str = "resync";

/// One event, as listeners get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// Its number: only grows, with gaps (`Ledger::record_event` gives it).
    pub id: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Its kind, one word.
    pub kind: String,
    /// The story that it is about.
    pub story: Option<String>,
    /// What happened, in a sentence.
    pub text: String,
    /// Its data.
    pub json: Option<serde_json::Value>,
}

impl EventLine {
    pub(super) fn resync(id: u64) -> Self {
        Self {
            id,
            at: jiff::Timestamp::now().to_string(),
            kind: RESYNC.to_owned(),
            story: None,
            text: "events were missed: read the status again".to_owned(),
            json: None,
        }
    }
}

struct Inner {
    kept: VecDeque<Arc<EventLine>>,
    /// The number before the oldest kept event: who has seen less has missed something.
    before: u64,
}

/// Hands each event to all listeners. Never waits for one: a slow one is told to read everything again.
pub struct Hub {
    inner: Mutex<Inner>,
    sender: broadcast::Sender<Arc<EventLine>>,
}

/// What a listener gets: first what it missed, then what happens.
pub struct Subscription {
    /// Events after the one asked for; a single `resync` where they are no longer known.
    pub missed: Vec<Arc<EventLine>>,
    /// What happens from now on.
    pub live: broadcast::Receiver<Arc<EventLine>>,
}

impl Hub {
    /// A hub whose next event has a number greater than `last`.
    pub fn new(last: u64) -> Self {
        let (sender, _) = broadcast::channel(EVENTS_KEPT_MAX);
        Self { inner: Mutex::new(Inner { kept: VecDeque::new(), before: last }), sender }
    }

    /// Tells all listeners. Numbers must grow.
    pub fn publish(&self, line: EventLine) {
        let line = Arc::new(line);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.kept.len() == EVENTS_KEPT_MAX
            && let Some(old) = inner.kept.pop_front()
        {
            inner.before = old.id;
        }
        inner.kept.push_back(Arc::clone(&line));
        // Sent under the lock, so that no listener gets an event twice or not at all. No listener is no error.
        let _ = self.sender.send(line);
    }

    /// Listens, from after the event numbered `after`, or from now on.
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let last = inner.kept.back().map_or(inner.before, |line| line.id);
        let missed = match after {
            None => Vec::new(),
            // A number of the future is of another daemon's life.
            Some(after) if after < inner.before || after > last => vec![Arc::new(EventLine::resync(last))],
            Some(after) => inner.kept.iter().filter(|line| line.id > after).cloned().collect(),
        };
        Subscription { missed, live: self.sender.subscribe() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: u64) -> EventLine {
        EventLine { kind: "note".to_owned(), ..EventLine::resync(id) }
    }

    fn ids(subscription: &Subscription) -> Vec<(u64, &str)> {
        subscription.missed.iter().map(|line| (line.id, line.kind.as_str())).collect()
    }

    #[test]
    fn a_listener_catches_up_or_is_told_to_read_again() {
        let hub = Hub::new(10);
        hub.publish(line(11));
        hub.publish(line(15));
        assert_eq!(ids(&hub.subscribe(None)), []);
        assert_eq!(ids(&hub.subscribe(Some(10))), [(11, "note"), (15, "note")]);
        assert_eq!(ids(&hub.subscribe(Some(11))), [(15, "note")]);
        assert_eq!(ids(&hub.subscribe(Some(15))), []);
        assert_eq!(ids(&hub.subscribe(Some(9))), [(15, RESYNC)]);
        assert_eq!(ids(&hub.subscribe(Some(16))), [(15, RESYNC)]);
    }

    #[test]
    fn only_so_many_events_are_kept() {
        let hub = Hub::new(0);
        for id in 1..=EVENTS_KEPT_MAX as u64 + 2 {
            hub.publish(line(id));
        }
        assert_eq!(hub.subscribe(Some(2)).missed.len(), EVENTS_KEPT_MAX);
        assert_eq!(hub.subscribe(Some(1)).missed[0].kind, RESYNC);
    }
}
