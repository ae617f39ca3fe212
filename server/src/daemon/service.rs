//! The daemon as the API sees it: requests go to the one loop, and come back answered.

use std::sync::Arc;

use storkit_core::event::Event;
use storkit_core::request::{Refusal, Reply, Request};
use tokio::sync::oneshot;

use super::dispatcher::Message;
use super::world::Shared;
use crate::http::{Service, Subscription};
use crate::ledger::RunRow;

/// The daemon behind the API.
#[derive(Clone)]
pub(super) struct Door(pub(super) Shared);

impl Service for Door {
    async fn ask(&self, request: Request) -> Result<Reply, Refusal> {
        let (reply, answer) = oneshot::channel();
        let sent = self.0.inbox.send(Message::Ask(request, reply));
        match (sent, answer.await) {
            (Ok(()), Ok(answer)) => answer,
            _ => Err(Refusal {
                error: "the daemon has ended".to_owned(),
                hint: Some("`storkit up` starts it again".to_owned()),
                code: 1,
            }),
        }
    }

    fn subscribe(&self, after: Option<u64>) -> Subscription {
        self.0.hub.subscribe(after)
    }

    async fn run(&self, run: String) -> Option<RunRow> {
        let world = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || world.ledger.run(&run)).await.ok().flatten()
    }

    fn shut_down(&self, now: bool) {
        self.0.send(Event::ShutDown { now });
    }
}
