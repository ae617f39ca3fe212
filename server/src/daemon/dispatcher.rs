//! The one loop: it takes what happens, asks the pipeline, and hands on what is to be done. It never blocks.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use storkit_core::effect::Effect;
use storkit_core::event::{AskId, Event};
use storkit_core::pipeline::Pipeline;
use storkit_core::pipeline::view::Surroundings;
use storkit_core::request::{Refusal, Reply, Request};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::acts::records;
use super::executor;
use super::pulse::{self, Pulse};
use super::world::Shared;

/// The answer to a request.
pub(super) type Answer = Result<Reply, Refusal>;

/// What the loop hears.
pub(super) enum Message {
    /// Something happened.
    Event(Event),
    /// Somebody asks for something.
    Ask(Request, oneshot::Sender<Answer>),
}

/// The loop and what it owns.
pub(super) struct Dispatcher {
    pub(super) world: Shared,
    pub(super) pipeline: Pipeline,
    pub(super) inbox: mpsc::UnboundedReceiver<Message>,
    pub(super) around: Surroundings,
    pub(super) once: bool,
    asks: BTreeMap<AskId, oneshot::Sender<Answer>>,
    early: Vec<(Request, oneshot::Sender<Answer>)>,
    asked: u64,
    ending: bool,
}

/// The longest sleep; a next moment further away than this is looked at again then.
const SLEEP_MAX: Duration = Duration::from_hours(24);

/// Most requests that wait for the first look at the board.
const EARLY_MAX: usize = 256;

impl Dispatcher {
    /// A loop around a pipeline.
    pub(super) fn new(world: Shared, pipeline: Pipeline, inbox: mpsc::UnboundedReceiver<Message>) -> Self {
        Self {
            world,
            pipeline,
            inbox,
            around: Surroundings::default(),
            once: false,
            asks: BTreeMap::new(),
            early: Vec::new(),
            asked: 0,
            ending: false,
        }
    }

    /// Runs until the pipeline says that the daemon may end.
    pub(super) async fn run(mut self, mut signals: super::signals::Signals) {
        // Beaten by this loop, so that a loop that hangs is noticed.
        let mut pulse = Pulse::find();
        pulse.ready(self.doing());
        loop {
            let sleep = tokio::time::sleep_until(self.next_wake());
            let message = tokio::select! {
                message = self.inbox.recv() => message.unwrap_or(Message::Event(Event::ShutDown { now: true })),
                now = signals.next() => Message::Event(Event::ShutDown { now }),
                () = sleep => Message::Event(Event::Woken),
                () = pulse.due() => {
                    pulse.beat(self.doing());
                    continue;
                }
            };
            let stop = match message {
                Message::Event(event) => self.take(event) || self.ask_again(),
                Message::Ask(request, reply) => self.ask(request, reply),
            };
            if stop {
                pulse.stopping();
                return;
            }
        }
    }

    /// What the daemon does, in a line for its service manager.
    fn doing(&self) -> impl FnOnce() -> String + '_ {
        || pulse::line(&self.pipeline.status(&self.surroundings(), false))
    }

    fn next_wake(&self) -> Instant {
        let now = self.world.now().mono_ms;
        let wait =
            self.pipeline.next_wake().map_or(SLEEP_MAX, |at| Duration::from_millis(at.saturating_sub(now)));
        Instant::now() + wait.min(SLEEP_MAX)
    }

    /// Takes up what was asked before the board was seen. True when the daemon may end.
    fn ask_again(&mut self) -> bool {
        if self.early.is_empty() || !self.pipeline.is_ready() {
            return false;
        }
        let early = std::mem::take(&mut self.early);
        early.into_iter().fold(false, |stop, (request, reply)| self.ask(request, reply) || stop)
    }

    fn ask(&mut self, request: Request, reply: oneshot::Sender<Answer>) -> bool {
        if !self.pipeline.is_ready() && self.early.len() < EARLY_MAX {
            self.early.push((request, reply));
            return false;
        }
        if let Request::Status { all } = request {
            let status = self.pipeline.status(&self.surroundings(), all);
            let _ = reply.send(Ok(Reply::Status(Box::new(status))));
            return false;
        }
        self.asked += 1;
        let ask = AskId(self.asked);
        self.asks.insert(ask, reply);
        self.take(Event::Asked(ask, request))
    }

    fn surroundings(&self) -> Surroundings {
        let mut around = self.around.clone();
        around.problems.extend(self.world.ledger.problems());
        around
    }

    /// Takes one event. True when the daemon may end.
    fn take(&mut self, event: Event) -> bool {
        if let Event::Configured(config, _) = &event {
            self.world.notifier.configure(&config.notify);
        }
        let effects = self.pipeline.handle(self.world.now(), event);
        self.world.seq.store(self.pipeline.seq(), Ordering::Release);
        let changed = self.pipeline.take_changed();
        let mut stop = false;
        for effect in effects {
            match effect {
                Effect::Answer(ask, answer) => {
                    if let Some(reply) = self.asks.remove(&ask) {
                        // Whoever asked may have gone.
                        let _ = reply.send(*answer);
                    }
                }
                Effect::Stop => stop = true,
                effect => executor::carry_out(&self.world, effect),
            }
        }
        records::tell_changed(&self.world, &changed);
        if self.once && !self.ending && self.pipeline.is_quiet() {
            self.ending = true;
            let _ = self.world.inbox.send(Message::Event(Event::ShutDown { now: false }));
        }
        stop
    }
}
