//! Events on their way to many listeners: numbered, remembered for a while, bounded for each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How many events a listener may lag behind, and how many a new one may catch up on.
pub(super) const EVENTS_KEPT_MAX: usize = 1_024;
/// Most gates that are counted, by name and result.
const GATES_MAX: usize = 200;
/// The kind of the event that tells a listener to read everything again.
pub(super) const RESYNC: &str = "resync";

/// The kind of the event that tells that a story's file or state is another: it is not in the ledger.
pub const CHANGED: &str = "changed";

/// One event, as listeners get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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

/// What happened since the daemon began, counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Events, by their kind.
    pub kinds: BTreeMap<String, u64>,
    /// Gates, by name and whether they passed: how many, and how long they took in seconds.
    pub gates: BTreeMap<(String, bool), (u64, f64)>,
    /// Listeners now.
    pub listeners: usize,
    /// How long the daemon has been up, in seconds.
    pub uptime_s: u64,
}

impl Tally {
    fn count(&mut self, line: &EventLine) {
        *self.kinds.entry(line.kind.clone()).or_default() += 1;
        let gates = line.json.as_ref().and_then(|json| json["gates"].as_array());
        for gate in gates.into_iter().flatten() {
            let name = gate["name"].as_str().unwrap_or_default().to_owned();
            let key = (name, gate["failure"].is_null());
            if self.gates.contains_key(&key) || self.gates.len() < GATES_MAX {
                let sum = self.gates.entry(key).or_default();
                sum.0 += 1;
                sum.1 += gate["took_ms"].as_f64().unwrap_or_default() / 1000.0;
            }
        }
    }
}

struct Inner {
    tally: Tally,
    kept: VecDeque<Arc<EventLine>>,
    /// The number before the oldest kept event: who has seen less has missed something.
    before: u64,
}

impl Inner {
    fn last(&self) -> u64 {
        self.kept.back().map_or(self.before, |line| line.id)
    }
}

/// Hands each event to all listeners. Never waits for one: a slow one is told to read everything again.
pub struct Hub {
    inner: Mutex<Inner>,
    sender: broadcast::Sender<Arc<EventLine>>,
    began: Instant,
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
        let inner = Inner { tally: Tally::default(), kept: VecDeque::new(), before: last };
        Self { inner: Mutex::new(inner), sender, began: Instant::now() }
    }

    /// Tells all listeners. Numbers must grow.
    pub fn publish(&self, line: EventLine) {
        let line = Arc::new(line);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.tally.count(&line);
        if inner.kept.len() == EVENTS_KEPT_MAX
            && let Some(old) = inner.kept.pop_front()
        {
            inner.before = old.id;
        }
        inner.kept.push_back(Arc::clone(&line));
        // Sent under the lock, so that no listener gets an event twice or not at all. No listener is no error.
        let _ = self.sender.send(line);
    }

    /// The number of the last event.
    pub fn last(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last()
    }

    /// The last event about a story, of those that are kept; that it changed is none.
    pub fn last_of(&self, story: &str) -> Option<Arc<EventLine>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = inner.kept.iter().rev();
        lines.find(|line| line.story.as_deref() == Some(story) && line.kind != CHANGED).cloned()
    }

    /// What happened so far, in numbers.
    pub fn tally(&self) -> Tally {
        let tally = self.inner.lock().unwrap_or_else(PoisonError::into_inner).tally.clone();
        Tally { listeners: self.sender.receiver_count(), uptime_s: self.began.elapsed().as_secs(), ..tally }
    }

    /// Listens, from after the event numbered `after`, or from now on.
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let last = inner.last();
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
        assert_eq!((hub.last(), Hub::new(10).last()), (15, 10));
        assert_eq!(ids(&hub.subscribe(None)), []);
        assert_eq!(ids(&hub.subscribe(Some(10))), [(11, "note"), (15, "note")]);
        assert_eq!(ids(&hub.subscribe(Some(11))), [(15, "note")]);
        assert_eq!(ids(&hub.subscribe(Some(15))), []);
        assert_eq!(ids(&hub.subscribe(Some(9))), [(15, RESYNC)]);
        assert_eq!(ids(&hub.subscribe(Some(16))), [(15, RESYNC)]);
    }

    #[test]
    fn the_last_event_of_a_story_is_known_but_for_mere_changes() {
        let hub = Hub::new(0);
        let of = |id, story: &str, kind: &str| EventLine {
            story: Some(story.to_owned()),
            kind: kind.to_owned(),
            ..line(id)
        };
        hub.publish(of(1, "1_a", "merging"));
        hub.publish(of(2, "2_b", "moved"));
        hub.publish(of(3, "1_a", CHANGED));
        assert_eq!(hub.last_of("1_a").map(|line| line.id), Some(1));
        assert_eq!(hub.last_of("3_c"), None);
    }

    #[test]
    fn events_and_gates_are_counted() {
        let hub = Hub::new(0);
        let gates = serde_json::json!({ "gates": [
            { "name": "tests", "failure": null, "took_ms": 1500 },
            { "name": "lint", "failure": "exit 1", "took_ms": 250 },
        ]});
        hub.publish(EventLine { json: Some(gates.clone()), ..line(1) });
        hub.publish(EventLine { json: Some(gates), ..line(2) });
        let listener = hub.subscribe(None);
        let tally = hub.tally();
        assert_eq!((tally.kinds.get("note"), tally.listeners), (Some(&2), 1));
        assert_eq!(tally.gates.get(&("tests".to_owned(), true)), Some(&(2, 3.0)));
        assert_eq!(tally.gates.get(&("lint".to_owned(), false)), Some(&(2, 0.5)));
        drop(listener);
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
