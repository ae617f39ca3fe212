//! The command line's way to the daemon: a blocking client over the socket, with a limit on every wait.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use storkit_core::request::{Refusal, Reply, Request};
use storkit_core::snapshot::Status;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::events::EventLine;
use super::problem::Problem;
use super::routes::{Code, Down};
use super::watch_terminal::watch;
use super::{Keys, Shown, WatchEnd, mcp_stream, socket};

/// Longest wait for the answer to an act: longer than the longest one of the daemon (a stop: 5 s).
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Longest wait for the answer to a look.
const LOOK_WAIT: Duration = Duration::from_secs(8);
/// Longest answer, in bytes.
const ANSWER_LEN_MAX: usize = 256 * 1024 * 1024;
/// Longest event, in bytes.
const EVENT_LEN_MAX: usize = 4 * 1024 * 1024;

/// Why the daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("the daemon is not running")]
    NotRunning,
    /// It answered with a refusal.
    #[error("{0}")]
    Refused(Refusal),
    /// It did not answer in time.
    #[error("the daemon does not answer")]
    Silent,
    /// The conversation broke off.
    #[error("the daemon's answer cannot be used: {0}")]
    Broken(String),
}

/// A daemon that listens.
pub struct Client {
    runtime: Runtime,
    run_dir: PathBuf,
}

impl Client {
    /// Finds the daemon of `run_dir`: [`ClientError::NotRunning`] where nobody listens.
    pub fn connect(run_dir: &Path) -> Result<Self, ClientError> {
        drop(open(run_dir)?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        Ok(Self { runtime, run_dir: run_dir.to_owned() })
    }

    /// Asks for something to be done or told.
    pub fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        let is_look = matches!(request, Request::Status { .. } | Request::Why { .. });
        self.post("/api/v1/requests", request, if is_look { LOOK_WAIT } else { ANSWER_WAIT })
    }

    /// The board.
    pub fn status(&self, all: bool) -> Result<Status, ClientError> {
        // Read as what it is: a `Reply` would be kept whole in between, at several times its size.
        self.post("/api/v1/requests", &Request::Status { all }, LOOK_WAIT)
    }

    /// A code by which a page gets in, once and soon.
    pub fn code(&self) -> Result<String, ClientError> {
        Ok(self.post::<Code>("/api/v1/codes", &(), ANSWER_WAIT)?.code)
    }

    /// Passes MCP messages, a line each, to the daemon and its own back, until one side ends; as a run where its token
    /// is given.
    pub fn mcp(
        &self,
        token: Option<&str>,
        input: impl std::io::Read + Send + 'static,
        output: impl std::io::Write,
    ) -> Result<(), ClientError> {
        mcp_stream::pass(open(&self.run_dir)?, token, input, output)
    }

    /// Tells the daemon to end; returns when it has heard it.
    pub fn down(&self, now: bool) -> Result<(), ClientError> {
        self.post::<serde_json::Value>("/api/v1/down", &Down { now }, ANSWER_WAIT).map(drop)
    }

    /// Listens to what happens, from after the event numbered `after`, or from now on.
    pub fn events(&self, after: Option<u64>) -> Result<Events<'_>, ClientError> {
        let mut request = hyper::Request::get("/api/v1/events");
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        let request = request.body(Full::default()).map_err(broken)?;
        let (response, connection) =
            self.runtime.block_on(within(ANSWER_WAIT, send(&self.run_dir, request)))?;
        if response.status() != StatusCode::OK {
            return Err(ClientError::Broken(format!("it answered {}", response.status())));
        }
        Ok(Events { client: self, body: response.into_body(), _connection: connection, buffer: Vec::new() })
    }

    /// Watches a run's terminal to its own end, or until the keyboard of `keys` is dropped.
    pub fn watch_terminal(
        &self,
        run: &str,
        keys: Keys,
        show: &mut dyn FnMut(Shown),
    ) -> Result<WatchEnd, ClientError> {
        self.runtime.block_on(async { watch(connected(&self.run_dir)?, run, keys, show).await })
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
        wait: Duration,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(broken)?;
        let request = hyper::Request::post(path)
            .header("host", "storkit")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(broken)?;
        self.runtime.block_on(within(wait, async {
            let (response, _connection) = send(&self.run_dir, request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LEN_MAX).collect().await;
            let body = body.map_err(|error| ClientError::Broken(error.to_string()))?.to_bytes();
            if status.is_success() {
                return serde_json::from_slice(&body).map_err(broken);
            }
            let problem: Problem = serde_json::from_slice(&body).map_err(broken)?;
            Err(ClientError::Refused(Refusal {
                error: problem.detail,
                hint: problem.hint,
                code: problem.code,
            }))
        }))
    }
}

/// The task that moves a conversation's bytes; it ends when this is dropped.
type Connection = JoinSet<hyper::Result<()>>;

/// A stream of events. It ends when the daemon does.
pub struct Events<'a> {
    client: &'a Client,
    body: Incoming,
    _connection: Connection,
    buffer: Vec<u8>,
}

impl Events<'_> {
    /// The next event; none where nothing happened within `wait`. [`ClientError::NotRunning`] when the daemon ended.
    pub fn next(&mut self, wait: Duration) -> Result<Option<EventLine>, ClientError> {
        let runtime = &self.client.runtime;
        let (body, buffer) = (&mut self.body, &mut self.buffer);
        let next = async {
            loop {
                if let Some(line) = take_event(buffer) {
                    return Ok(line);
                }
                match body.frame().await {
                    Some(Ok(frame)) => buffer.extend(frame.into_data().unwrap_or_default()),
                    Some(Err(_)) | None => return Err(ClientError::NotRunning),
                }
                if buffer.len() > EVENT_LEN_MAX {
                    return Err(ClientError::Broken("an event is too long".to_owned()));
                }
            }
        };
        runtime
            .block_on(async { tokio::time::timeout(wait, next).await })
            .map_or(Ok(None), |line| line.map(Some))
    }
}

/// Takes the next whole event out of the buffer, passing over signs of life.
fn take_event(buffer: &mut Vec<u8>) -> Option<EventLine> {
    while let Some(end) = buffer.windows(2).position(|two| two == b"\n\n") {
        let block: Vec<u8> = buffer.drain(..end + 2).collect();
        let text = String::from_utf8_lossy(&block);
        let data: String =
            text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
        if let Ok(line) = serde_json::from_str(&data) {
            return Some(line);
        }
    }
    None
}

fn open(run_dir: &Path) -> Result<std::os::unix::net::UnixStream, ClientError> {
    socket::connect(run_dir).map_err(|error| {
        if error.is_dead() { ClientError::NotRunning } else { ClientError::Broken(error.to_string()) }
    })
}

fn connected(run_dir: &Path) -> Result<tokio::net::UnixStream, ClientError> {
    let stream = open(run_dir)?;
    stream.set_nonblocking(true).map_err(broken)?;
    tokio::net::UnixStream::from_std(stream).map_err(broken)
}

async fn within<T>(
    wait: Duration,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(wait, work).await.unwrap_or(Err(ClientError::Silent))
}

async fn send(
    run_dir: &Path,
    request: hyper::Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, Connection), ClientError> {
    let stream = connected(run_dir)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut task = JoinSet::new();
    task.spawn(connection);
    Ok((sender.send_request(request).await.map_err(broken)?, task))
}

fn broken(error: impl std::error::Error) -> ClientError {
    ClientError::Broken(error.to_string())
}
