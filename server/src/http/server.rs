//! The accept loop: who may come in, how many, and how long they may take. hyper's own has no time limit for headers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::guard::{self, Door, Guard};
use super::patient::Patient;
use super::socket::{self, SocketError};
use super::tokens::Tokens;
use super::{Service, routes};

/// Longest time in which a request's headers must have come.
const HEADER_WAIT: Duration = Duration::from_secs(5);
/// Longest time in which the other side may take nothing of what it is sent.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// Most connections at a time; others wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// Largest buffer of a connection, in bytes; it bounds the headers too.
const BUFFER_LEN_MAX: usize = 64 * 1024;
/// How much of what the other side has not taken yet the system holds, in bytes; it doubles this for its own use.
const SEND_LEN_MAX: usize = 128 * 1024;
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
    Listen(io::Error),
    /// The port is taken, or the address is not this machine's.
    #[error("cannot listen on {bind} port {port}: {source}")]
    Tcp {
        /// The configured address.
        bind: String,
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

/// A socket that is made and not yet served. Connections wait until [`Server::serve`] runs.
pub struct Server {
    listener: std::os::unix::net::UnixListener,
    tokens: Arc<Tokens>,
}

impl Server {
    /// Makes `run_dir/socket`, mode 0600, replacing one that is left over. The caller holds the repository's lock.
    pub fn bind(run_dir: &Path, tokens: Arc<Tokens>) -> Result<Self, ServerError> {
        let listener = socket::bind(run_dir)?;
        listener.set_nonblocking(true).map_err(ServerError::Listen)?;
        Ok(Self { listener, tokens })
    }

    /// Serves until `end` is true, or its sender gone; then answers on their way get half a second, and event streams end.
    pub async fn serve<S: Service>(
        self,
        service: Arc<S>,
        end: watch::Receiver<bool>,
    ) -> Result<(), ServerError> {
        let listener = UnixListener::from_std(self.listener).map_err(ServerError::Listen)?;
        let guard = Guard { tokens: Arc::clone(&self.tokens), door: Door::Socket };
        serve(listener, guarded(routes::router(service, self.tokens), guard), end).await;
        Ok(())
    }
}

/// A TCP port that is taken and not yet served.
pub struct TcpServer {
    listener: std::net::TcpListener,
    address: SocketAddr,
    tokens: Arc<Tokens>,
}

impl TcpServer {
    /// Takes a port of the address `bind`; port 0 is any free one.
    pub fn bind(bind: &str, port: u16, tokens: Arc<Tokens>) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Tcp { bind: bind.to_owned(), port, source };
        let host = bind.trim_matches(['[', ']']);
        let host = if host == "localhost" { "127.0.0.1" } else { host };
        let ip: IpAddr = host.parse().map_err(|error| failed(io::Error::other(error)))?;
        let listener = std::net::TcpListener::bind((ip, port)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tokens })
    }

    /// Where a program on this machine reaches it: `http://127.0.0.1:4242`.
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// Serves as [`Server::serve`] does, behind the checks of `guard`.
    pub async fn serve<S: Service>(
        self,
        service: Arc<S>,
        end: watch::Receiver<bool>,
    ) -> Result<(), ServerError> {
        let listener = TcpListener::from_std(self.listener).map_err(ServerError::Listen)?;
        let guard = Guard { tokens: Arc::clone(&self.tokens), door: Door::Tcp(self.address.ip()) };
        serve(listener, guarded(routes::router(service, self.tokens), guard), end).await;
        Ok(())
    }
}

/// A router behind a guard: nothing of it is reached around that, what it does not know included.
pub(super) fn guarded(router: Router, guard: Guard) -> Router {
    Router::new().fallback_service(router).layer(axum::middleware::from_fn_with_state(guard, guard::watch))
}

/// What connections come from.
trait Accept {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        let stream = self.accept().await?.0;
        // Events are small and are to come at once.
        let _ = stream.set_nodelay(true);
        // The system would hold megabytes for one who does not read.
        let _ = set_socket_send_buffer_size(&stream, SEND_LEN_MAX);
        Ok(stream)
    }
}

async fn serve(listener: impl Accept, router: Router, mut end: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (ending, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accept = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.next().await, slot)
        };
        let (accepted, slot) = tokio::select! {
            _ = end.wait_for(|end| *end) => break,
            accepted = accept => accepted,
        };
        let Ok(stream) = accepted else {
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
}

async fn converse<IO>(stream: IO, router: Router, mut ending: watch::Receiver<bool>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_LEN_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_WAIT)), TowerToHyperService::new(router))
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
