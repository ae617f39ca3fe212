//! Telling people outside: by a command, a webhook or the desktop. It never delays the daemon: messages go through
//! bounded queues to threads of their own, and what cannot be told is said in the log and by `storkit doctor`.
//!
//! Who is told of what is the core's decision (`storkit_core::notify`). What was told is noted before it is sent, so
//! that a crash in between loses a message rather than sending it twice.

mod command;
mod webhook;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use storkit_core::effect::Notice;
use storkit_core::notify::{Channel, Message, Rule, Told};

use crate::agents::text::plain;
use crate::sys::fs::write_atomic;
use crate::sys::task;
use crate::sys::text::clean_lines;

/// The file below `run/` that holds what was told and what could not be.
const FILE: &str = "notify.json";
/// Events that wait to be looked at.
const EVENTS_MAX: usize = 1_024;
/// Messages that wait for one way to tell.
const MESSAGES_MAX: usize = 64;
/// How often it is looked whether quiet hours are over.
const TICK: Duration = Duration::from_secs(20);
/// How long after a failure a message is tried again.
const AGAIN: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25), Duration::from_mins(2)];

/// Why somebody was not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct NotTold {
    /// In a sentence, without addresses that may be secret.
    why: String,
    /// It may go well later.
    again: bool,
}

impl NotTold {
    fn for_good(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: false }
    }

    fn for_now(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: true }
    }
}

/// Where the notifier works, and what it tells of the project.
#[derive(Debug, Clone)]
pub struct Place {
    /// The project's name.
    pub project: String,
    /// The main checkout.
    pub root: PathBuf,
    /// `run/`.
    pub run: PathBuf,
    /// Where files are made that are renamed into place.
    pub tmp: PathBuf,
    /// The environment of commands, and the variables that hold addresses.
    pub env: BTreeMap<String, String>,
}

/// The last failure of a way to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// When, RFC 3339.
    pub at: String,
    /// Why.
    pub why: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    #[serde(default)]
    told: Told,
    /// By the label of the way to tell.
    #[serde(default)]
    failed: BTreeMap<String, Failed>,
}

/// The ways to tell that failed last time, as the daemon of `run` noted them.
pub fn failures(run: &Path) -> BTreeMap<String, Failed> {
    read(run).failed
}

fn read(run: &Path) -> State {
    let text = std::fs::read(run.join(FILE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

enum Order {
    Rules(Vec<Rule>),
    Event(u64, Box<Notice>),
    Flush(SyncSender<()>),
}

/// Takes events and tells of them on threads of its own.
#[derive(Debug)]
pub struct Notifier {
    inbox: SyncSender<Order>,
    /// Messages on their way.
    busy: Arc<AtomicUsize>,
}

impl Notifier {
    /// Starts it, without rules.
    pub fn start(place: Place) -> io::Result<Self> {
        let (inbox, orders) = sync_channel(EVENTS_MAX);
        let busy = Arc::<AtomicUsize>::default();
        let desk = Desk {
            shared: Arc::new(Shared { state: Mutex::new(read(&place.run)), busy: Arc::clone(&busy), place }),
            rules: Vec::new(),
            lanes: BTreeMap::new(),
        };
        task::spawn("notify", move || desk.attend(&orders))?;
        Ok(Self { inbox, busy })
    }

    /// Puts other rules in force.
    pub fn configure(&self, rules: &[Rule]) {
        self.order(Order::Rules(rules.to_vec()));
    }

    /// Tells of an event whom the rules name. Returns at once.
    pub fn tell(&self, id: u64, notice: &Notice) {
        self.order(Order::Event(id, Box::new(notice.clone())));
    }

    /// Waits until everything is told that was begun, at most so long.
    pub fn flush(&self, wait: Duration) {
        let begun = Instant::now();
        let (done, heard) = sync_channel(1);
        self.order(Order::Flush(done));
        if heard.recv_timeout(wait).is_err() {
            return;
        }
        while self.busy.load(Ordering::Acquire) > 0 && begun.elapsed() < wait {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn order(&self, order: Order) {
        if matches!(self.inbox.try_send(order), Err(TrySendError::Full(_))) {
            tracing::warn!("too much happens at once: people are not told of all of it");
        }
    }
}

/// What the threads share.
struct Shared {
    state: Mutex<State>,
    busy: Arc<AtomicUsize>,
    place: Place,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, state: &State) {
        let text = serde_json::to_vec(state).unwrap_or_default();
        if let Err(error) = write_atomic(&self.place.run.join(FILE), &text, &self.place.tmp, 0o600) {
            tracing::warn!("what people were told is not kept: {error}");
        }
    }

    fn note(&self, channel: &Channel, end: Result<(), NotTold>) {
        let label = channel.label();
        let mut state = self.state();
        match end {
            Ok(()) if state.failed.remove(&label).is_none() => return,
            Ok(()) => {}
            Err(error) => {
                tracing::warn!("nobody was told by {label}: {error}");
                let failed = Failed { at: Timestamp::now().to_string(), why: error.to_string() };
                state.failed.insert(label, failed);
            }
        }
        self.save(&state);
    }
}

/// The thread that decides.
struct Desk {
    shared: Arc<Shared>,
    rules: Vec<Rule>,
    lanes: BTreeMap<Channel, SyncSender<Message>>,
}

impl Desk {
    fn attend(mut self, orders: &Receiver<Order>) {
        loop {
            match orders.recv_timeout(TICK) {
                Ok(Order::Rules(rules)) => {
                    self.lanes.retain(|channel, _| rules.iter().any(|rule| rule.channel == *channel));
                    self.rules = rules;
                }
                Ok(Order::Event(id, notice)) => self.event(id, &notice),
                Ok(Order::Flush(done)) => drop(done.try_send(())),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.awake();
        }
    }

    fn event(&mut self, id: u64, notice: &Notice) {
        if self.rules.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let before = state.told.clone();
        let rules = std::mem::take(&mut self.rules);
        let told = state.told.take((id, notice), &rules, minute());
        if !told.is_empty() || !state.told.is_like(&before) {
            shared.save(&state);
        }
        drop(state);
        for (channel, message) in told {
            self.hand_on(channel, message);
        }
        self.rules = rules;
    }

    fn awake(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let rules = std::mem::take(&mut self.rules);
        let told = state.told.awake(&rules, minute());
        if !told.is_empty() {
            shared.save(&state);
        }
        drop(state);
        for (channel, message) in told {
            self.hand_on(channel, message);
        }
        self.rules = rules;
    }

    fn hand_on(&mut self, channel: &Channel, message: Message) {
        if !self.lanes.contains_key(channel) {
            match lane(&self.shared, channel.clone()) {
                Ok(lane) => drop(self.lanes.insert(channel.clone(), lane)),
                Err(error) => {
                    self.shared.note(channel, Err(NotTold::for_good(format!("no thread: {error}"))));
                    return;
                }
            }
        }
        let Some(lane) = self.lanes.get(channel) else { return };
        self.shared.busy.fetch_add(1, Ordering::AcqRel);
        if lane.try_send(message).is_err() {
            self.shared.busy.fetch_sub(1, Ordering::AcqRel);
            self.shared.note(channel, Err(NotTold::for_good("too many messages wait for it")));
        }
    }
}

/// The minute of the day, where the person is.
fn minute() -> u16 {
    let now = Zoned::now();
    u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs())
}

/// A thread that tells by one way, in order.
fn lane(shared: &Arc<Shared>, channel: Channel) -> io::Result<SyncSender<Message>> {
    let (sender, messages) = sync_channel(MESSAGES_MAX);
    let shared = Arc::clone(shared);
    task::spawn("notify-lane", move || {
        for message in messages {
            let end = tell(&shared.place, &channel, &message, &AGAIN);
            shared.note(&channel, end);
            shared.busy.fetch_sub(1, Ordering::AcqRel);
        }
    })?;
    Ok(sender)
}

/// Tells, and tries again where that may help.
fn tell(place: &Place, channel: &Channel, message: &Message, again: &[Duration]) -> Result<(), NotTold> {
    let body = body(place, message);
    let mut waits = again.iter();
    loop {
        let end = match channel {
            Channel::Command(text) => command::shell(place, text, &body),
            Channel::Desktop => command::desktop(place, &body),
            Channel::Webhook(address) => webhook::post(place, address, &body),
        };
        match end {
            Err(error) if error.again => match waits.next() {
                Some(wait) => std::thread::sleep(*wait),
                None => return Err(error),
            },
            end => return end,
        }
    }
}

/// The message as JSON: the same for commands and webhooks.
fn body(place: &Place, message: &Message) -> Value {
    let at = Timestamp::from_millisecond(message.at_ms).unwrap_or_default();
    let hint = message.story.as_deref().map(|story| match message.event.name() {
        "question" => format!("storkit answer {story} -m …"),
        "review" => format!("storkit diff {story}; storkit approve {story}"),
        _ => format!("storkit why {story}"),
    });
    let what = message.story.as_deref().map_or_else(|| place.project.clone(), str::to_owned);
    json!({
        "id": message.id,
        "event": message.event,
        "project": place.project,
        "story": message.story,
        "text": format!("{what}: {}", clean_lines(&plain(&message.text))),
        "at": at.to_string(),
        "hint": hint,
    })
}

#[cfg(test)]
mod tests;
