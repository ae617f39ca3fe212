//! Carries effects out: each on a thread of its own, each answered by exactly one event, also when it panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use storkit_core::effect::Effect;
use storkit_core::event::{Event, Outcome};
use storkit_core::ids::OpId;

use super::acts::{agents, board, gates, landing, records};
use super::scanner::Look;
use super::world::{Shared, World};
use crate::sys::cancel::{Cancel, How};
use crate::sys::failpoint::reach;
use crate::sys::{task, trace};

/// Carries one effect out. Returns at once.
pub(super) fn carry_out(world: &Shared, effect: Effect) {
    match effect {
        Effect::Move(op, order) => start(world, op, move |world, _| board::move_story(world, &order)),
        Effect::Edit(op, order) => start(world, op, move |world, _| board::edit(world, &order)),
        Effect::Prepare(op, order) => {
            start(world, op, move |world, cancel| agents::prepare(world, op, &order, cancel));
        }
        Effect::Run(op, order) => {
            start(world, op, move |world, cancel| {
                let (run, agent) = (order.run.to_string(), order.agent.name.as_str());
                let span = trace::run(order.story.as_str(), &run, agent, order.attempt);
                span.in_scope(|| agents::run(world, op, &order, cancel))
            });
        }
        Effect::Gates(op, order) => start(world, op, move |world, cancel| gates::hold(world, &order, cancel)),
        Effect::Inspect(op, story, order) => {
            start(world, op, move |world, _| agents::inspect(world, &story, &order));
        }
        Effect::Squash(op, order) => start(world, op, move |world, _| {
            trace::landing(order.story.as_str(), "squash").in_scope(|| landing::squash(world, &order))
        }),
        Effect::Advance(op, order) => start(world, op, move |world, _| {
            trace::landing(order.story.as_str(), "advance").in_scope(|| landing::advance(world, &order))
        }),
        Effect::Close(op, story, config) => {
            start(world, op, move |world, cancel| agents::close(world, &story, &config, cancel));
        }
        Effect::Landed(story, remote) => {
            aside(world, move |world| landing::landed(world, &story, remote.as_deref()));
        }
        Effect::Cancel { op, grace_ms } => cancel(world, op, grace_ms),
        Effect::Rescan(keys) => {
            // The scanner ends with the daemon.
            let _ = world.scanner.send(Look::Files(keys));
        }
        Effect::Remember(..)
        | Effect::RememberPause(_)
        | Effect::RememberLimits(_)
        | Effect::RunBegan(_)
        | Effect::RunOver(_)
        | Effect::Sent(_)
        | Effect::Asks(_)
        | Effect::Tell(_) => records::record(world, effect),
        // The dispatcher's own.
        Effect::Answer(..) | Effect::Stop => {}
    }
}

fn cancel(world: &World, op: OpId, grace_ms: u64) {
    let cancel = world.cancels().get(&op).cloned();
    if let Some(cancel) = cancel {
        cancel.raise(if grace_ms == 0 { How::Now } else { How::Gently(grace_ms) });
    }
}

fn start(world: &Shared, op: OpId, act: impl FnOnce(&World, &Cancel) -> Outcome + Send + 'static) {
    let cancel = Cancel::new();
    world.cancels().insert(op, cancel.clone());
    let shared = Arc::clone(world);
    let spawned = task::spawn("effect", move || {
        reach("effect.begun");
        let outcome = catch_unwind(AssertUnwindSafe(|| act(&shared, &cancel)));
        let outcome = outcome.unwrap_or_else(|panic| Outcome::Crashed(task::panic_text(panic.as_ref())));
        reach("effect.done");
        shared.cancels().remove(&op);
        shared.send(Event::Ended(op, outcome));
    });
    if let Err(error) = spawned {
        world.cancels().remove(&op);
        world.send(Event::Ended(op, Outcome::Crashed(format!("no thread could be started: {error}"))));
    }
}

/// Does something that nobody waits for.
fn aside(world: &Shared, act: impl FnOnce(&World) + Send + 'static) {
    let shared = Arc::clone(world);
    if let Err(error) = task::spawn("aside", move || act(&shared)) {
        tracing::warn!("no thread could be started: {error}");
    }
}
