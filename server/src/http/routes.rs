//! The routes of `/api/v1`: each turns a request into a question to the service, and the answer into JSON.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRef, Path, RawQuery, State, WebSocketUpgrade};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::json;
use storkit_core::request::{Reply, Request as Ask};
use storkit_core::snapshot::Status;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{Stream, StreamExt};

use super::events::{EventLine, RESYNC};
use super::problem::Problem;
use super::table::Table;
use super::terminal::FRAME_LEN_MAX;
use super::tokens::Tokens;
use super::{Service, Subscription};
use crate::mcp::{self, Caller};
use crate::sys::task;

/// Longest body of a request, in bytes.
pub(super) const BODY_LEN_MAX: usize = 1024 * 1024;
/// Longest time in which a body must have come.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// What an MCP stream is called in `Upgrade`.
pub(super) const MCP_STREAM: &str = "storkit-mcp";
/// The subprotocol of terminals.
const SUBPROTOCOL: &str = "storkit";
/// A sign of life on a silent event stream, by which a dead listener is noticed.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The body of `POST /api/v1/down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Down {
    /// Without the grace of five seconds.
    #[serde(default)]
    pub(super) now: bool,
}

/// A one-time code: what `POST /api/v1/codes` answers and `POST /api/v1/session` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) code: String,
}

pub(super) type App<S> = State<Arc<S>>;
pub(super) type Answer = Result<Response, Problem>;

/// What the routes stand on.
pub(super) struct Ground<S> {
    service: Arc<S>,
    tokens: Arc<Tokens>,
}

impl<S> Clone for Ground<S> {
    fn clone(&self) -> Self {
        Self { service: Arc::clone(&self.service), tokens: Arc::clone(&self.tokens) }
    }
}

impl<S> FromRef<Ground<S>> for Arc<S> {
    fn from_ref(ground: &Ground<S>) -> Self {
        Self::clone(&ground.service)
    }
}

/// All routes over one service.
pub(super) fn router<S: Service>(service: Arc<S>, tokens: Arc<Tokens>) -> Router {
    table::<S>()
        .into_router()
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take that method")
        })
        .with_state(Ground { service, tokens })
}

/// Every route there is: what is not in this table is not served, and what is in it is in the tests.
pub(super) fn table<S: Service>() -> Table<Ground<S>> {
    super::ui::mount::<S>(Table::default())
        .get("/healthz", async || "ok\n")
        .get("/api/v1/status", status::<S>)
        .get("/api/v1/stories", stories::<S>)
        .get("/api/v1/stories/{id}", story::<S>)
        .get("/api/v1/stories/{id}/why", why::<S>)
        .get("/api/v1/agents", agents::<S>)
        .get("/api/v1/problems", problems::<S>)
        .get("/api/v1/runs/{run}", run::<S>)
        .get("/api/v1/runs/{run}/terminal", terminal::<S>)
        .get("/api/v1/events", events::<S>)
        .any("/mcp", mcp::<S>)
        .get("/mcp/stream", mcp_stream::<S>)
        .post("/api/v1/requests", requests::<S>)
        .post("/api/v1/down", down::<S>)
        .post("/api/v1/codes", code::<S>)
        .post("/api/v1/session", session::<S>)
}

async fn board<S: Service>(service: &S, all: bool) -> Result<Status, Problem> {
    match service.ask(Ask::Status { all }).await? {
        Reply::Status(status) => Ok(*status),
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the daemon answered another question")),
    }
}

async fn status<S: Service>(State(service): App<S>, RawQuery(query): RawQuery) -> Answer {
    Ok(Json(board(&*service, asks_all(query.as_deref())).await?).into_response())
}

async fn stories<S: Service>(State(service): App<S>, RawQuery(query): RawQuery) -> Answer {
    Ok(Json(board(&*service, asks_all(query.as_deref())).await?.stories).into_response())
}

async fn agents<S: Service>(State(service): App<S>) -> Answer {
    Ok(Json(board(&*service, false).await?.agents).into_response())
}

async fn problems<S: Service>(State(service): App<S>) -> Answer {
    Ok(Json(board(&*service, false).await?.problems).into_response())
}

async fn story<S: Service>(State(service): App<S>, Path(name): Path<String>) -> Answer {
    let status = board(&*service, true).await?;
    Ok(Json(status.find(&name)?).into_response())
}

async fn why<S: Service>(State(service): App<S>, Path(story): Path<String>) -> Answer {
    match service.ask(Ask::Why { story }).await? {
        Reply::Why(why) => Ok(Json(why).into_response()),
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the daemon answered another question")),
    }
}

async fn run<S: Service>(State(service): App<S>, Path(run): Path<String>) -> Answer {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no such run");
    Ok(Json(service.run(run).await.ok_or_else(missing)?).into_response())
}

async fn terminal<S: Service>(
    State(service): App<S>,
    Path(run): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Answer {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no such run");
    let terminal = service.terminal(run).await.ok_or_else(missing)?;
    // What a browser says besides is its token, and is not said back.
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    let upgrade = upgrade.max_message_size(FRAME_LEN_MAX).max_frame_size(FRAME_LEN_MAX);
    Ok(upgrade.on_upgrade(|socket| super::terminal::show(socket, terminal)))
}

/// MCP over streamable HTTP.
async fn mcp<S: Service>(
    State(service): App<S>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Response {
    mcp::over_http(service, caller).handle(request).await.map(Body::new)
}

/// MCP over a stream of lines: what `storkit mcp` passes on from its standard input and output.
async fn mcp_stream<S: Service>(
    State(service): App<S>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Answer {
    let asked = request.headers().get(header::UPGRADE).is_some_and(|kind| kind == MCP_STREAM);
    if !asked {
        let detail = "this address takes an upgrade of storkit's own alone";
        return Err(
            Problem::new(StatusCode::UPGRADE_REQUIRED, detail).hint("speak MCP to /mcp, or: storkit mcp")
        );
    }
    task::spawn_future(async move {
        // Where it fails, the other side has left.
        if let Ok(stream) = hyper::upgrade::on(request).await {
            mcp::over_stream(service, caller, TokioIo::new(stream)).await;
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, MCP_STREAM)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// A code for a page that has no token yet.
async fn code<S: Service>(State(ground): State<Ground<S>>) -> Response {
    Json(Code { code: ground.tokens.code() }).into_response()
}

/// Trades a code for a token.
async fn session<S: Service>(State(ground): State<Ground<S>>, headers: HeaderMap, body: Body) -> Answer {
    let Code { code } = read_json(&headers, body).await?;
    let token = ground.tokens.trade(&code).ok_or_else(|| {
        Problem::new(StatusCode::UNAUTHORIZED, "the code is used up, too old or none of this daemon's")
            .hint("storkit open gives another")
    })?;
    Ok(Json(json!({ "token": token })).into_response())
}

async fn requests<S: Service>(State(service): App<S>, headers: HeaderMap, body: Body) -> Answer {
    let request: Ask = read_json(&headers, body).await?;
    Ok(Json(service.ask(request).await?).into_response())
}

async fn down<S: Service>(State(service): App<S>, headers: HeaderMap, body: Body) -> Answer {
    let down: Down = read_json(&headers, body).await?;
    service.shut_down(down.now);
    Ok((StatusCode::ACCEPTED, Json(json!({ "stopping": true }))).into_response())
}

async fn events<S: Service>(State(service): App<S>, headers: HeaderMap) -> Answer {
    let after = match headers.get("last-event-id").map(|value| value.to_str()) {
        None => None,
        Some(value) => Some(value.ok().and_then(|value| value.trim().parse().ok()).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "Last-Event-ID is not a number of this daemon's")
        })?),
    };
    let stream = Sse::new(lines(service.subscribe(after)).map(Ok::<Event, Infallible>));
    Ok(stream.keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The events as they go out. A listener that fell behind gets one `resync` instead of what it missed.
fn lines(subscription: Subscription) -> impl Stream<Item = Event> {
    let missed = tokio_stream::iter(subscription.missed.into_iter().map(|line| sse(&line)));
    let mut last = 0;
    let live = BroadcastStream::new(subscription.live).map(move |next| match next {
        Ok(line) => {
            last = line.id;
            sse(&line)
        }
        Err(BroadcastStreamRecvError::Lagged(_)) => sse(&EventLine::resync(last)),
    });
    missed.chain(live)
}

fn sse(line: &EventLine) -> Event {
    // A name of the stream may hold no line end; JSON holds none. The kind is a word of storkit's own.
    let name = if line.kind.contains(['\n', '\r']) { RESYNC } else { &line.kind };
    let event = Event::default().id(line.id.to_string()).event(name);
    event.json_data(line).unwrap_or_else(|_| Event::default().event(RESYNC))
}

fn asks_all(query: Option<&str>) -> bool {
    query
        .unwrap_or_default()
        .split('&')
        .any(|pair| matches!(pair.split_once('=').unwrap_or((pair, "true")), ("all", "true" | "1" | "")))
}

/// Reads a JSON body: within its limit, in time, and only where its sender says that it is JSON.
pub(super) async fn read_json<T: for<'de> Deserialize<'de>>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let detail = "the body must be application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let bytes = read_body(body).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("not a request: {error}")))
}

async fn read_body(body: Body) -> Result<Bytes, Problem> {
    let collected = tokio::time::timeout(BODY_WAIT, Limited::new(body, BODY_LEN_MAX).collect()).await;
    match collected {
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is over {BODY_LEN_MAX} bytes")))
        }
        Ok(Err(error)) => Err(Problem::new(StatusCode::BAD_REQUEST, error.to_string())),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}
