//! The daemon as the API sees it: requests go to the one loop, and come back answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use storkit_core::config::Server as At;
use storkit_core::event::Event;
use storkit_core::ids::RunId;
use storkit_core::request::Refusal;
use storkit_core::snapshot::DaemonView;
use tokio::task::JoinHandle;

use super::world::{Shared, World};
use crate::agents::cast_of;
use crate::http::{EventLine, Server, ServerError, Service, Subscription, Tally, TcpServer, Terminal};
use crate::mcp::Desk;
use crate::sys::fs::{FsError, write_atomic};
use crate::sys::task;

/// Opens the socket and answers on it until the daemon ends.
pub(super) fn open(world: &Shared) -> Result<JoinHandle<Result<(), ServerError>>, ServerError> {
    let server = Server::bind(&world.layout.run(), Arc::clone(&world.tokens))?;
    let door = Arc::new(Door(Arc::clone(world)));
    let _runtime = world.runtime.enter();
    Ok(task::spawn_future(server.serve(door, world.ended.subscribe())))
}

/// Takes the TCP port; connections wait until [`open_tcp`].
pub(super) fn take_port(world: &World, at: &At, port: Option<u16>) -> Result<TcpServer, ServerError> {
    let server = TcpServer::bind(&at.bind, port.unwrap_or(at.port), Arc::clone(&world.tokens))?;
    let _ = world.url.set(server.url());
    Ok(server)
}

/// Answers on TCP until the daemon ends.
pub(super) fn open_tcp(world: &Shared, server: TcpServer) -> JoinHandle<Result<(), ServerError>> {
    let door = Arc::new(Door(Arc::clone(world)));
    task::spawn_future(server.serve(door, world.ended.subscribe()))
}

/// Says in `run/server.json` who serves, once the socket answers.
pub(super) fn announce(world: &World) -> Result<(), FsError> {
    let text = serde_json::to_vec_pretty(&view(world)).expect("plain data is JSON");
    write_atomic(&world.layout.server_json(), &text, &world.layout.tmp(), 0o600)
}

/// The daemon, for snapshots.
pub(super) fn view(world: &World) -> DaemonView {
    DaemonView {
        pid: std::process::id(),
        url: world.url.get().cloned(),
        socket: world.layout.socket().display().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Makes `run/` again, with its socket, where somebody removed it (`git clean -fdx` does).
pub(super) fn mend(world: &Shared) {
    if !world.serving.load(Ordering::Acquire) {
        return;
    }
    let has_socket = world.layout.socket().symlink_metadata().is_ok();
    if has_socket && world.layout.token().symlink_metadata().is_ok() {
        return;
    }
    let made = world.layout.make_run().and_then(|()| {
        // Whoever asks by TCP has to read it.
        world.tokens.mend(&world.layout.token(), &world.layout.tmp())
    });
    let made = made.map_err(|error| error.to_string());
    if has_socket {
        if let Err(error) = made {
            tracing::warn!("run/token is gone and cannot be written again: {error}");
        }
        return;
    }
    let opened = made.and_then(|()| open(world).map_err(|error| error.to_string()));
    match opened.and_then(|_| announce(world).map_err(|error| error.to_string())) {
        Ok(()) => tracing::warn!("run/ was gone and has been made again"),
        Err(error) => tracing::warn!("run/ is gone and cannot be made again: {error}"),
    }
}

/// How long a run that was announced may take to have a terminal, and how often that is looked at.
const BEGIN_WAIT: Duration = Duration::from_secs(5);
const BEGIN_LOOK: Duration = Duration::from_millis(20);

/// The daemon behind the API.
#[derive(Clone)]
pub(super) struct Door(pub(super) Shared);

impl Door {
    /// Does what may wait for a disk on a thread for that; none where that thread came to harm.
    pub(super) async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&World) -> T + Send + 'static,
    ) -> Option<T> {
        let world = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&world)).await.ok()
    }
}

/// A no, with the way out where there is one.
pub(super) fn refused(error: impl Into<String>, hint: &str) -> Refusal {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    Refusal { error: error.into(), hint, code: 1 }
}

impl Service for Door {
    fn subscribe(&self, after: Option<u64>) -> Subscription {
        self.0.hub.subscribe(after)
    }

    fn last_event(&self) -> u64 {
        self.0.hub.last()
    }

    fn last_of(&self, story: &str) -> Option<Arc<EventLine>> {
        self.0.hub.last_of(story)
    }

    fn tally(&self) -> Tally {
        self.0.hub.tally()
    }

    async fn terminal(&self, run: String) -> Option<Terminal> {
        let id = RunId(run.parse().ok()?);
        let deadline = Instant::now() + BEGIN_WAIT;
        loop {
            if let Some(terminal) = self.0.terminals().get(&id) {
                return Some(terminal.clone());
            }
            let row = self.run(run.clone()).await?;
            if row.ended.is_some() || Instant::now() >= deadline {
                return Some(Terminal { cast: cast_of(&self.0.layout.root().join(row.log)), live: None });
            }
            // It was announced and is about to begin.
            tokio::time::sleep(BEGIN_LOOK).await;
        }
    }

    fn shut_down(&self, now: bool) {
        self.0.send(Event::ShutDown { now });
    }
}
