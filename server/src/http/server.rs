//! The accept loop: who may come in, how many, and how long they may take. hyper's own has no time limit for headers.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::socket::{self, SocketError};
use super::{Service, routes};

/// Longest time in which a request's headers must have come.
const HEADER_WAIT: Duration = Duration::from_secs(5);
/// Most connections at a time; others wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// Largest buffer of a connection, in bytes; it bounds the headers too.
const BUFFER_LEN_MAX: usize = 64 * 1024;
/// How long answers on their way may take when the server ends.
const END_WAIT: Duration = Duration::from_millis(500);
/// Rest after the system refused a connection (no descriptors left).
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The socket could not be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The socket cannot be used by the runtime.
    #[error("cannot listen on the socket: {0}")]
    Listen(std::io::Error),
}

/// A socket that is made and not yet served. Connections wait until [`Server::serve`] runs.
pub struct Server {
    listener: std::os::unix::net::UnixListener,
}

impl Server {
    /// Makes `run_dir/socket`, mode 0600, replacing one that is left over. The caller holds the repository's lock.
    pub fn bind(run_dir: &Path) -> Result<Self, ServerError> {
        let listener = socket::bind(run_dir)?;
        listener.set_nonblocking(true).map_err(ServerError::Listen)?;
        Ok(Self { listener })
    }

    /// Serves until `end` is true, or its sender gone; then answers on their way get half a second, and event streams end.
    pub async fn serve<S: Service>(
        self,
        service: Arc<S>,
        mut end: watch::Receiver<bool>,
    ) -> Result<(), ServerError> {
        let listener = UnixListener::from_std(self.listener).map_err(ServerError::Listen)?;
        let router = routes::router(service);
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let (ending, _) = watch::channel(false);
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accept = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (listener.accept().await, slot)
            };
            let (accepted, slot) = tokio::select! {
                _ = end.wait_for(|end| *end) => break,
                accepted = accept => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            };
            let (router, ending) = (router.clone(), ending.subscribe());
            connections.spawn(async move {
                converse(stream, router, ending).await;
                drop(slot);
            });
        }
        drop(listener);
        let _ = ending.send(true);
        let all = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(END_WAIT, all).await;
        connections.abort_all();
        Ok(())
    }
}

async fn converse(stream: UnixStream, router: axum::Router, mut ending: watch::Receiver<bool>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_LEN_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = pin!(connection);
    // An error here is the client's: it left, or it sent what is no HTTP.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
