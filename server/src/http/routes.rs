//! The routes: each turns a request into a question to the service, and the answer into JSON.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storkit_core::request::{Reply, Request as Ask};
use storkit_core::snapshot::Status;
use utoipa::ToSchema;

use super::idempotency::Keys;
use super::problem::Problem;
use super::read::read_json;
use super::table::Table;
use super::tokens::Tokens;
use super::ui_cards::Cards;
use super::{Service, acts, looks, openapi, stories, streams};

/// The body of `POST /api/v1/down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Down {
    /// Without the grace of five seconds.
    #[serde(default)]
    pub(super) now: bool,
}

/// The answer to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stopping {
    stopping: bool,
}

/// A one-time code: what `POST /api/v1/codes` answers and `POST /api/v1/session` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Code {
    pub(super) code: String,
}

/// The token that a code was traded for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Token {
    token: String,
}

pub(super) type App<S> = State<Arc<S>>;
pub(super) type Answer = Result<Response, Problem>;

/// What the routes stand on.
pub(super) struct Ground<S> {
    pub(super) service: Arc<S>,
    tokens: Arc<Tokens>,
    /// The keys of what was made by this way in.
    pub(super) keys: Arc<Keys>,
    /// What cards said, where that is dear to find out.
    pub(super) cards: Arc<Cards>,
}

impl<S> Clone for Ground<S> {
    fn clone(&self) -> Self {
        let Self { service, tokens, keys, cards } = self;
        let (service, tokens) = (Arc::clone(service), Arc::clone(tokens));
        Self { service, tokens, keys: Arc::clone(keys), cards: Arc::clone(cards) }
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
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&service), super::ui::stamp::<S>))
        .with_state(Ground { service, tokens, keys: Arc::default(), cards: Arc::default() })
}

/// Every route there is: what is not in this table is not served, and what is in it is in the tests and, but for the
/// pages and what they alone ask, in the API's description.
pub(super) fn table<S: Service>() -> Table<Ground<S>> {
    super::ui::mount::<S>(Table::default())
        .get("/healthz", looks::health)
        .get("/metrics", looks::metrics::<S>)
        .get("/api/openapi.json", openapi::document)
        .get("/api/v1/status", looks::status::<S>)
        .get("/api/v1/stories", stories::list::<S>)
        .post("/api/v1/stories", stories::make::<S>)
        .get("/api/v1/stories/{id}", stories::one::<S>)
        .put("/api/v1/stories/{id}", stories::write::<S>)
        .get("/api/v1/stories/{id}/why", looks::why::<S>)
        .get("/api/v1/stories/{id}/runs", looks::runs::<S>)
        .get("/api/v1/stories/{id}/diff", looks::diff::<S>)
        .post("/api/v1/stories/{id}/start", acts::start::<S>)
        .post("/api/v1/stories/{id}/stop", acts::stop::<S>)
        .post("/api/v1/stories/{id}/retry", acts::retry::<S>)
        .post("/api/v1/stories/{id}/approve", acts::approve::<S>)
        .post("/api/v1/stories/{id}/reject", acts::reject::<S>)
        .post("/api/v1/stories/{id}/answer", acts::answer::<S>)
        .post("/api/v1/stories/{id}/continue", acts::go_on::<S>)
        .post("/api/v1/stories/{id}/messages", acts::send::<S>)
        .post("/api/v1/stories/{id}/move", acts::shift::<S>)
        .post("/api/v1/stories/{id}/check", acts::check::<S>)
        .post("/api/v1/stories/{id}/hold", acts::hold::<S>)
        .post("/api/v1/stories/{id}/unhold", acts::unhold::<S>)
        .post("/api/v1/stories/{id}/unblock", acts::unblock::<S>)
        .post("/api/v1/pause", acts::pause::<S>)
        .post("/api/v1/resume", acts::resume::<S>)
        .get("/api/v1/agents", looks::agents::<S>)
        .get("/api/v1/usage", looks::usage::<S>)
        .get("/api/v1/problems", looks::problems::<S>)
        .get("/api/v1/runs/{run}", looks::run::<S>)
        .get("/api/v1/runs/{run}/output", looks::output::<S>)
        .get("/api/v1/runs/{run}/terminal", streams::terminal::<S>)
        .get("/api/v1/events", streams::events::<S>)
        .any("/mcp", streams::mcp::<S>)
        .get("/mcp/stream", streams::mcp_stream::<S>)
        .post("/api/v1/requests", requests::<S>)
        .post("/api/v1/down", down::<S>)
        .post("/api/v1/codes", code::<S>)
        .post("/api/v1/session", session::<S>)
}

pub(super) async fn board<S: Service>(service: &S, all: bool) -> Result<Status, Problem> {
    match service.ask(Ask::Status { all }).await? {
        Reply::Status(status) => Ok(*status),
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the daemon answered another question")),
    }
}

/// Gives a code for a page that has no token yet: good once, for a minute.
#[utoipa::path(post, path = "/api/v1/codes", tag = "daemon", responses((status = 200, body = Code)))]
pub(super) async fn code<S: Service>(State(ground): State<Ground<S>>) -> Response {
    Json(Code { code: ground.tokens.code() }).into_response()
}

/// Trades a code for a token.
#[utoipa::path(post, path = "/api/v1/session", tag = "daemon", security(()), request_body = Code, responses(
    (status = 200, body = Token),
    (status = 401, description = "The code is used up, too old or unknown", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn session<S: Service>(
    State(ground): State<Ground<S>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let Code { code } = read_json(&headers, body).await?;
    let token = ground.tokens.trade(&code).ok_or_else(|| {
        Problem::new(StatusCode::UNAUTHORIZED, "the code is used up, too old or none of this daemon's")
            .hint("storkit open gives another")
    })?;
    Ok(Json(Token { token }).into_response())
}

/// Has anything done or told: what the command line speaks.
#[utoipa::path(post, path = "/api/v1/requests", tag = "daemon", request_body = Ask, responses((status = 200, body = Reply)))]
pub(super) async fn requests<S: Service>(State(service): App<S>, headers: HeaderMap, body: Body) -> Answer {
    let request: Ask = read_json(&headers, body).await?;
    Ok(Json(service.ask(request).await?).into_response())
}

/// Ends the daemon.
#[utoipa::path(post, path = "/api/v1/down", tag = "daemon", request_body = Down, responses((status = 202, body = Stopping)))]
pub(super) async fn down<S: Service>(State(service): App<S>, headers: HeaderMap, body: Body) -> Answer {
    let down: Down = read_json(&headers, body).await?;
    service.shut_down(down.now);
    Ok((StatusCode::ACCEPTED, Json(Stopping { stopping: true })).into_response())
}
