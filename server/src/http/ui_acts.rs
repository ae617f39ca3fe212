//! What the board's pages do besides requests: a story's priority, taking it off the board and bringing it back.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::json;
use storkit_core::facts::Edit;
use storkit_core::front_matter::edit;
use storkit_core::ids::StoryId;

use super::problem::Problem;
use super::read::read_json;
use super::routes::{Answer, App};
use super::ui::{place, status};
use super::{Save, Saved, Service};

fn said(id: &StoryId, what: &str) -> Answer {
    Ok(Json(json!({ "message": format!("{id}: {what}") })).into_response())
}

#[derive(Deserialize)]
pub(super) struct Priority {
    priority: u8,
}

/// Sets the key in the story's file, and nothing else of it.
pub(super) async fn priority<S: Service>(
    State(service): App<S>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let Priority { priority } = read_json(&headers, body).await?;
    if !(1..=5).contains(&priority) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a priority is 1 to 5"));
    }
    let status = status(&*service).await?;
    let story = status.find(&name)?;
    let (id, stage) = place(story)?;
    let conflict = |detail: String| Problem::new(StatusCode::CONFLICT, detail);
    let file = service.file(story).await.ok_or_else(|| conflict("its file cannot be read".to_owned()))?;
    let new = edit(file.text.as_bytes(), &[Edit::Priority(priority)])
        .map_err(|error| conflict(error.to_string()))?;
    let text = String::from_utf8(new).map_err(|error| conflict(error.to_string()))?;
    match service.save(Save { id: id.clone(), stage, was: file.seen, text }).await? {
        Saved::Written => said(&id, &format!("priority {priority}")),
        Saved::Changed => Err(conflict("the file has changed meanwhile: look again".to_owned())),
    }
}

/// Takes the story off the board, as `storkit rm` does: the history has its file first.
pub(super) async fn delete<S: Service>(State(service): App<S>, Path(name): Path<String>) -> Answer {
    let status = status(&*service).await?;
    let (id, stage) = place(status.find(&name)?)?;
    service.delete(id.clone(), stage).await?;
    said(&id, "deleted; its branch and worktree stay until `storkit prune`")
}

/// Brings a story back as it stood last.
pub(super) async fn restore<S: Service>(State(service): App<S>, Path(name): Path<String>) -> Answer {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no such story");
    let id = StoryId::new(&name).map_err(|_| unknown())?;
    service.restore(id.clone()).await?;
    said(&id, "is back")
}
