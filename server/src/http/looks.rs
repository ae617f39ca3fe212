//! Looks at the board, at runs and at what they used and changed.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use storkit_core::ids::StoryId;
use storkit_core::request::{Reply, Request as Ask};
use storkit_core::snapshot::{AgentView, ProblemView, Status, Why};
use storkit_core::usage::{GroupBy, RunUsed, UsageReport, report};
use utoipa::{IntoParams, ToSchema};

use super::patch::Diff;
use super::problem::Problem;
use super::read::{Asked, Named};
use super::routes::{Answer, App, board};
use super::{Compare, Service, metrics, page, patch};
use crate::ledger::RunRow;
use crate::mcp::{Output, Wanted};

/// Most days that usage goes back.
const DAYS_MAX: u32 = 3_650;

/// How much of the board is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Extent {
    /// Whether archived stories are among the others.
    all: Option<bool>,
}

/// Which runs are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Runs {
    /// How many at most, 100 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Where to go on, of `Link`.
    #[param(pattern = "^[0-9]{1,9}\\..")]
    cursor: Option<String>,
}

/// Which piece of a log is read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Piece {
    /// From this byte of the log on; without it the log's end.
    from: Option<u64>,
    /// How many bytes of the log at most; never more than 262,144.
    #[param(minimum = 1)]
    len: Option<u64>,
    /// The last log of this gate after the run, instead of the run's own.
    gate: Option<String>,
}

/// A run, and what it does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunDetail {
    #[serde(flatten)]
    row: RunRow,
    /// The last line that it printed; null where it has printed nothing.
    activity: Option<String>,
}

/// Which file's changes are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfFile {
    /// This file's alone.
    path: Option<String>,
}

/// How usage is summed up.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Sums {
    /// What the groups are: `story` where nothing is said.
    #[param(inline)]
    by: Option<GroupBy>,
    /// Of the last days alone, today included.
    #[param(minimum = 1, maximum = 3650)]
    days: Option<u32>,
}

/// Says that the daemon answers.
#[utoipa::path(get, path = "/healthz", tag = "daemon", security(()), responses((status = 200, body = String, content_type = "text/plain; charset=utf-8")))]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Shows the whole board.
#[utoipa::path(get, path = "/api/v1/status", tag = "board", params(Extent), responses((status = 200, body = Status)))]
pub(super) async fn status<S: Service>(State(service): App<S>, Asked(asked): Asked<Extent>) -> Answer {
    Ok(Json(board(&*service, asked.all.unwrap_or(false)).await?).into_response())
}

/// Lists the agents.
#[utoipa::path(get, path = "/api/v1/agents", tag = "board", responses((status = 200, body = Vec<AgentView>)))]
pub(super) async fn agents<S: Service>(State(service): App<S>) -> Answer {
    Ok(Json(board(&*service, false).await?.agents).into_response())
}

/// Lists what is wrong with files, configuration and git.
#[utoipa::path(get, path = "/api/v1/problems", tag = "board", responses((status = 200, body = Vec<ProblemView>)))]
pub(super) async fn problems<S: Service>(State(service): App<S>) -> Answer {
    Ok(Json(board(&*service, false).await?.problems).into_response())
}

/// Tells everything that keeps a story from moving.
#[utoipa::path(get, path = "/api/v1/stories/{id}/why", tag = "stories", params(("id" = String, Path, description = "Its id or number")), responses((status = 200, body = Why)))]
pub(super) async fn why<S: Service>(State(service): App<S>, Named(story): Named) -> Answer {
    match service.ask(Ask::Why { story }).await? {
        Reply::Why(why) => Ok(Json(why).into_response()),
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the daemon answered another question")),
    }
}

/// Lists a story's runs, the newest first.
#[utoipa::path(get, path = "/api/v1/stories/{id}/runs", tag = "stories", params(("id" = String, Path, description = "Its id or number"), Runs), responses(
    (status = 200, body = Vec<RunRow>, headers(("Link" = Option<String>, description = "The next page, rel=\"next\"; not on the last one"))),
))]
pub(super) async fn runs<S: Service>(
    State(service): App<S>,
    Named(name): Named,
    Asked(asked): Asked<Runs>,
    RawQuery(query): RawQuery,
) -> Answer {
    let id = story_of(&*service, &name).await?;
    let path = format!("/api/v1/stories/{}/runs", page::encoded(id.as_str()));
    let mut runs = service.runs(Some(id)).await;
    runs.reverse();
    let page = page::cut(runs, |run: &RunRow| &run.run, asked.limit, asked.cursor.as_deref())?;
    let link = page::link(&path, query.as_deref().unwrap_or_default(), page.next.as_deref());
    Ok((link, Json(page.items)).into_response())
}

/// Shows what a story changes since its branch left base, what is not committed included.
#[utoipa::path(get, path = "/api/v1/stories/{id}/diff", tag = "stories", params(("id" = String, Path, description = "Its id or number"), OfFile), responses((status = 200, body = Diff)))]
pub(super) async fn diff<S: Service>(
    State(service): App<S>,
    Named(name): Named,
    Asked(asked): Asked<OfFile>,
) -> Answer {
    let id = story_of(&*service, &name).await?;
    let work = service.work(id.clone(), Compare::default()).await?;
    Ok(Json(patch::parse(id.as_str(), &work.diff, asked.path.as_deref())).into_response())
}

/// Shows one run.
#[utoipa::path(get, path = "/api/v1/runs/{run}", tag = "runs", params(("run" = String, Path, description = "Its id")), responses((status = 200, body = RunDetail)))]
pub(super) async fn run<S: Service>(State(service): App<S>, Named(run): Named) -> Answer {
    let row = service.run(run).await.ok_or_else(no_run)?;
    let activity = service.activity(row.run.clone()).await;
    Ok(Json(RunDetail { row, activity }).into_response())
}

/// Shows a piece of what a run or one of its gates printed, as text without control sequences.
#[utoipa::path(get, path = "/api/v1/runs/{run}/output", tag = "runs", params(("run" = String, Path, description = "Its id"), Piece), responses((status = 200, body = Output)))]
pub(super) async fn output<S: Service>(
    State(service): App<S>,
    Named(run): Named,
    Asked(Piece { from, len, gate }): Asked<Piece>,
) -> Answer {
    if len == Some(0) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "len is at least 1"));
    }
    // What the document's `int64` can say.
    if from.max(len).is_some_and(|number| i64::try_from(number).is_err()) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "from and len are at most 9223372036854775807"));
    }
    let output = service.output(Wanted { run, gate, from, len }).await;
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no such run, or no such log of it");
    Ok(Json(output.ok_or_else(missing)?).into_response())
}

/// Sums up what runs used.
#[utoipa::path(get, path = "/api/v1/usage", tag = "board", params(Sums), responses((status = 200, body = UsageReport)))]
pub(super) async fn usage<S: Service>(State(service): App<S>, Asked(asked): Asked<Sums>) -> Answer {
    let (mut rows, complete) = service.used().await;
    if let Some(days) = asked.days {
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(Problem::new(StatusCode::BAD_REQUEST, format!("days is 1 to {DAYS_MAX}")));
        }
        let first = first_day(days);
        rows.retain(|row: &RunUsed| row.day >= first);
    }
    let by = asked.by.unwrap_or_default();
    if by == GroupBy::Label {
        let stories = board(&*service, true).await?.stories;
        for row in &mut rows {
            let story = stories.iter().find(|story| story.id == row.story);
            row.labels = story.map(|story| story.labels.clone()).unwrap_or_default();
        }
    }
    Ok(Json(report(&rows, by, complete)).into_response())
}

/// The first of the last `days` calendar days, as rows have it.
fn first_day(days: u32) -> String {
    let today = jiff::Zoned::now().date();
    let before = jiff::Span::new().days(i64::from(days) - 1);
    today.checked_sub(before).unwrap_or(today).to_string()
}

/// Shows figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "daemon", responses((status = 200, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8")))]
pub(super) async fn metrics<S: Service>(State(service): App<S>) -> Answer {
    let status = board(&*service, true).await?;
    let (used, _) = service.used().await;
    let text = metrics::text(&status, &service.runs(None).await, &used, &service.tally());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

async fn story_of<S: Service>(service: &S, name: &str) -> Result<StoryId, Problem> {
    let status = board(service, true).await?;
    let story = status.find(name)?;
    StoryId::new(&story.id).map_err(|error| Problem::new(StatusCode::CONFLICT, error.to_string()))
}

pub(super) fn no_run() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no such run")
}
