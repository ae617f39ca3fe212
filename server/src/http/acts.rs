//! What can be done to a story, each an address: `POST /api/v1/stories/{id}/approve`. The daemon's requests, thinly.

use axum::extract::State;
use serde::Deserialize;
use storkit_core::request::Request as Ask;
use storkit_core::stage::Stage;
use utoipa::ToSchema;

use super::Service;
use super::read::{Given, GivenIfAny, Named};
use super::routes::{Answer, App};
use super::stories::{Done, act};

/// With which agent a story is started.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct With {
    /// The one agent to use; any that fits where nothing is said.
    agent: Option<String>,
}

/// Why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// The reason, for people.
    why: Option<String>,
}

/// What is said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    /// The text.
    #[schema(min_length = 1)]
    text: String,
}

/// Where to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    to: Stage,
}

/// A criterion and its tick.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tick {
    /// The how-manieth acceptance criterion, from 1.
    #[schema(minimum = 1)]
    criterion: u32,
    /// Whether it is met: true where nothing is said.
    done: Option<bool>,
}

/// A route that only names its story.
macro_rules! plain {
    ($name:ident, $path:literal, $ask:ident, $doc:literal) => {
        #[doc = $doc]
        #[utoipa::path(post, path = $path, tag = "acts", params(("id" = String, Path, description = "Its id or number")), responses((status = 200, body = Done)))]
        pub(super) async fn $name<S: Service>(State(service): App<S>, Named(story): Named) -> Answer {
            act(&*service, Ask::$ask { story }).await
        }
    };
}

/// A route that says something besides.
macro_rules! with_words {
    ($name:ident, $path:literal, $ask:ident, $doc:literal) => {
        #[doc = $doc]
        #[utoipa::path(post, path = $path, tag = "acts", request_body = Words, params(("id" = String, Path, description = "Its id or number")), responses((status = 200, body = Done)))]
        pub(super) async fn $name<S: Service>(State(service): App<S>, Named(story): Named, Given(Words { text }): Given<Words>) -> Answer {
            act(&*service, Ask::$ask { story, text }).await
        }
    };
}

plain!(stop, "/api/v1/stories/{id}/stop", Stop, "Ends what runs and holds the story.");
plain!(
    retry,
    "/api/v1/stories/{id}/retry",
    Retry,
    "Clears `blocked` and all counts of failures, and starts at once."
);
plain!(approve, "/api/v1/stories/{id}/approve", Approve, "From qa on to merge.");
plain!(unhold, "/api/v1/stories/{id}/unhold", Unhold, "Removes `hold`.");
plain!(unblock, "/api/v1/stories/{id}/unblock", Unblock, "Removes `blocked`.");
with_words!(reject, "/api/v1/stories/{id}/reject", Reject, "From qa or merge back to current, with notes.");
with_words!(answer, "/api/v1/stories/{id}/answer", Answer, "Answers the story's open question.");
with_words!(
    go_on,
    "/api/v1/stories/{id}/continue",
    Continue,
    "Sends one more prompt into the story's last session."
);

/// Keeps a message for the next prompt of the story's agent.
#[utoipa::path(post, path = "/api/v1/stories/{id}/messages", tag = "acts", request_body = Words, params(("id" = String, Path, description = "Its id or number")), responses((status = 200, body = Done)))]
pub(super) async fn send<S: Service>(
    State(service): App<S>,
    Named(story): Named,
    Given(Words { text }): Given<Words>,
) -> Answer {
    act(&*service, Ask::Send { story, from: None, text }).await
}

/// To current if in backlog; clears `blocked` and a hold of storkit's.
#[utoipa::path(post, path = "/api/v1/stories/{id}/start", tag = "acts", request_body = Option<With>, params(("id" = String, Path, description = "Its id or number")), responses((status = 200, body = Done)))]
pub(super) async fn start<S: Service>(
    State(service): App<S>,
    Named(story): Named,
    GivenIfAny(With { agent }): GivenIfAny<With>,
) -> Answer {
    act(&*service, Ask::Start { story, agent }).await
}

/// Sets `hold`.
#[utoipa::path(post, path = "/api/v1/stories/{id}/hold", tag = "acts", request_body = Option<Reason>, params(("id" = String, Path, description = "Its id or number")), responses((status = 200, body = Done)))]
pub(super) async fn hold<S: Service>(
    State(service): App<S>,
    Named(story): Named,
    GivenIfAny(Reason { why }): GivenIfAny<Reason>,
) -> Answer {
    act(&*service, Ask::Hold { story, why }).await
}

/// Moves a story's file.
#[utoipa::path(post, path = "/api/v1/stories/{id}/move", tag = "acts", request_body = Target, params(("id" = String, Path, description = "Its id or number")), responses((status = 200, body = Done)))]
pub(super) async fn shift<S: Service>(
    State(service): App<S>,
    Named(story): Named,
    Given(Target { to }): Given<Target>,
) -> Answer {
    act(&*service, Ask::Move { story, to }).await
}

/// Ticks an acceptance criterion, or takes its tick away.
#[utoipa::path(post, path = "/api/v1/stories/{id}/check", tag = "acts", request_body = Tick, params(("id" = String, Path, description = "Its id or number")), responses((status = 200, body = Done)))]
pub(super) async fn check<S: Service>(
    State(service): App<S>,
    Named(story): Named,
    Given(Tick { criterion, done }): Given<Tick>,
) -> Answer {
    act(&*service, Ask::Check { story, criterion, done: done.unwrap_or(true) }).await
}

/// Nothing new starts, board-wide.
#[utoipa::path(post, path = "/api/v1/pause", tag = "acts", request_body = Option<Reason>, responses((status = 200, body = Done)))]
pub(super) async fn pause<S: Service>(
    State(service): App<S>,
    GivenIfAny(Reason { why }): GivenIfAny<Reason>,
) -> Answer {
    act(&*service, Ask::Pause { why }).await
}

/// Ends a pause, or an agent's drain or rate limit.
#[utoipa::path(post, path = "/api/v1/resume", tag = "acts", request_body = Option<With>, responses((status = 200, body = Done)))]
pub(super) async fn resume<S: Service>(
    State(service): App<S>,
    GivenIfAny(With { agent }): GivenIfAny<With>,
) -> Answer {
    act(&*service, Ask::Resume { agent }).await
}
