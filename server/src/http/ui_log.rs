//! Logs for the board's pages: leafed through as they are, searched whole.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse};
use serde::Deserialize;

use super::problem::Problem;
use super::routes::{Answer, App};
use super::{LogAt, Service};
use crate::web;

/// Longest text that is searched for, in bytes.
const TEXT_LEN_MAX: usize = 500;

/// Which piece of which log.
#[derive(Debug, Deserialize)]
pub(super) struct Leaf {
    gate: Option<String>,
    from: Option<u64>,
    before: Option<u64>,
    #[serde(default)]
    q: String,
}

fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such log")
}

/// A piece of a log, with the lines marked that hold `q`.
pub(super) async fn log<S: Service>(
    State(service): App<S>,
    Path(run): Path<String>,
    Query(Leaf { gate, from, before, q }): Query<Leaf>,
) -> Answer {
    let at = match (from, before) {
        (Some(from), _) => LogAt::From(from),
        (None, Some(before)) => LogAt::Before(before),
        (None, None) => LogAt::End,
    };
    let name = gate.clone().map_or_else(|| "the run".to_owned(), |gate| format!("gate {gate}"));
    let piece = service.log(run, gate, at).await.ok_or_else(missing)?;
    Ok(Html(web::log_piece(&name, &piece.text, (piece.from, piece.next, piece.size), &q)).into_response())
}

/// Where in the whole log `q` is.
pub(super) async fn find<S: Service>(
    State(service): App<S>,
    Path(run): Path<String>,
    Query(Leaf { gate, q, .. }): Query<Leaf>,
) -> Answer {
    if q.trim().is_empty() || q.len() > TEXT_LEN_MAX {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "there is nothing to search for"));
    }
    let found = service.find(run, gate, q).await.ok_or_else(missing)?;
    Ok(Json(found).into_response())
}
