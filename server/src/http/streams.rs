//! Routes whose answers go on: events, terminals, MCP.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{State, WebSocketUpgrade};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{Stream, StreamExt};
use utoipa::IntoParams;

use super::events::{EventLine, RESYNC};
use super::looks::no_run;
use super::problem::Problem;
use super::read::{Asked, Named};
use super::routes::{Answer, App};
use super::terminal::FRAME_LEN_MAX;
use super::{Service, Subscription};
use crate::mcp::{self, Caller};
use crate::sys::task;

/// What an MCP stream is called in `Upgrade`.
pub(super) const MCP_STREAM: &str = "storkit-mcp";
/// The subprotocol of terminals.
const SUBPROTOCOL: &str = "storkit";
/// Longest text of an MCP error that is passed on, in bytes.
const SAID_LEN_MAX: usize = 16 * 1024;
/// A sign of life on a silent event stream, by which a dead listener is noticed.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// From where on events come.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// From after the event of this number; `Last-Event-ID` goes before it.
    since: Option<u64>,
}

/// Follows a run's terminal as a WebSocket of subprotocol `storkit`.
///
/// Frames are JSON texts: `{"out":"…"}`, `{"size":[80,24]}`, `{"writer":true}`, `"over"` come; `"claim"`, `{"in":"…"}`, `{"size":[80,24]}` are taken.
#[utoipa::path(get, path = "/api/v1/runs/{run}/terminal", tag = "runs", params(("run" = String, Path, description = "Its id")), responses(
    (status = 101, description = "The WebSocket"),
    (status = 426, description = "This is no upgrade to a WebSocket", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn terminal<S: Service>(
    State(service): App<S>,
    Named(run): Named,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer {
    let terminal = service.terminal(run).await.ok_or_else(no_run)?;
    let upgrade = upgrade
        .map_err(|error| Problem::new(StatusCode::UPGRADE_REQUIRED, error.body_text()))?
        // What a browser says besides is its token, and is not said back.
        .protocols([SUBPROTOCOL])
        .max_message_size(FRAME_LEN_MAX)
        .max_frame_size(FRAME_LEN_MAX);
    Ok(upgrade.on_upgrade(|socket| super::terminal::show(socket, terminal)))
}

/// Speaks MCP over streamable HTTP, without sessions.
#[utoipa::path(post, path = "/mcp", tag = "mcp", request_body(content = serde_json::Value, content_type = "application/json"), responses(
    (status = 200, description = "The answer to a request", body = serde_json::Value, content_type = "application/json"),
    (status = 202, description = "A notification was taken"),
    (status = 400, description = "No message of the protocol, or its headers are not; where the protocol has an error for it, that", content((serde_json::Value = "application/json"), (Problem = "application/problem+json"))),
    (status = 406, description = "`Accept` lacks application/json and text/event-stream", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn mcp<S: Service>(
    State(service): App<S>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Response {
    told(mcp::over_http(service, caller).handle(request).await.map(Body::new)).await
}

/// The answer, as a problem document where it is an error without a shape: errors of the protocol have theirs.
async fn told(answer: Response) -> Response {
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if answer.status().as_u16() < 400 || kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let said = axum::body::to_bytes(body, SAID_LEN_MAX).await.unwrap_or_default();
    let problem = Problem::new(parts.status, String::from_utf8_lossy(&said).trim()).into_response();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    let (mut shown, body) = problem.into_parts();
    // Such as `Allow`.
    shown.headers.extend(parts.headers);
    Response::from_parts(shown, body)
}

/// Speaks MCP over a stream of lines, an upgrade of storkit's own: what `storkit mcp` passes on.
#[utoipa::path(get, path = "/mcp/stream", tag = "mcp", responses(
    (status = 101, description = "The stream"),
    (status = 426, description = "This is no upgrade to it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn mcp_stream<S: Service>(
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

/// Follows what happens, as Server-Sent Events with ids. One who fell behind gets `resync` instead of what was missed.
#[utoipa::path(get, path = "/api/v1/events", tag = "board", params(Since, ("Last-Event-ID" = Option<u64>, Header, description = "The number of the last event that was seen")), responses(
    (status = 200, description = "Events; `data` is an EventLine", body = EventLine, content_type = "text/event-stream"),
    (status = 400, description = "The number is none", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn events<S: Service>(
    State(service): App<S>,
    Asked(Since { since }): Asked<Since>,
    headers: HeaderMap,
) -> Answer {
    let after = match headers.get("last-event-id").map(|value| value.to_str()) {
        None => since,
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
