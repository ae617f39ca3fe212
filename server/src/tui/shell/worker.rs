//! Two threads that carry out what takes time: one acts, in order; one reads, and passes over what is no longer
//! looked at.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};

use super::super::host::{Answer, Host};
use super::super::model::{Effect, Msg, Part};
use crate::sys::task;

/// The threads' letter boxes. A person's keys fill them, and nothing else does.
pub(super) struct Worker {
    acts: Sender<Effect>,
    reads: Sender<Effect>,
}

impl Worker {
    /// Starts both.
    pub(super) fn start(host: &Arc<dyn Host>, sender: &SyncSender<Msg>) -> io::Result<Self> {
        let spawn = |name, coalesce: bool| {
            let (orders, waiting) = channel();
            let (host, sender) = (Arc::clone(host), sender.clone());
            task::spawn(name, move || work(&*host, &sender, &waiting, coalesce))?;
            Ok::<_, io::Error>(orders)
        };
        Ok(Self { acts: spawn("board-acts", false)?, reads: spawn("board-reads", true)? })
    }

    /// Takes an order.
    pub(super) fn order(&self, effect: Effect) {
        let is_read = matches!(effect, Effect::Load(..) | Effect::File(_) | Effect::Why(_));
        // A worker that has ended has said so by its panic.
        let _ = if is_read { self.reads.send(effect) } else { self.acts.send(effect) };
    }
}

fn work(host: &dyn Host, sender: &SyncSender<Msg>, waiting: &Receiver<Effect>, coalesce: bool) {
    while let Ok(first) = waiting.recv() {
        let mut orders = vec![first];
        orders.extend(waiting.try_iter());
        let last_file = orders.iter().rposition(|order| matches!(order, Effect::File(_)));
        for (n, order) in orders.into_iter().enumerate() {
            if coalesce && matches!(order, Effect::File(_)) && Some(n) != last_file {
                continue;
            }
            if let Some(msg) = carry_out(host, order)
                && sender.send(msg).is_err()
            {
                return;
            }
        }
    }
}

fn carry_out(host: &dyn Host, order: Effect) -> Option<Msg> {
    Some(match order {
        Effect::Act(request) => Msg::Acted(host.act(&request)),
        Effect::Priority(id, priority) => Msg::Acted(host.set_priority(&id, priority)),
        Effect::Undo => Msg::Acted(host.undo()),
        Effect::Create(title) => Msg::Acted(host.create(&title)),
        Effect::Command(words) => {
            let printed = host.command(&words);
            Msg::Printed(words.join(" "), printed)
        }
        Effect::Why(id) => Msg::Why(host.why(&id)),
        Effect::File(id) => {
            let file = host.story(&id);
            Msg::File(id, file)
        }
        Effect::Load(part, id) => {
            let read: fn(&dyn Host, &str) -> Answer<String> = match part {
                Part::Diff => |host, id| host.diff(id),
                Part::History => |host, id| host.history(id),
                Part::Transcript => |host, id| host.transcript(id),
            };
            let text = read(host, &id);
            Msg::Loaded(part, id, text)
        }
        _ => return None,
    })
}
