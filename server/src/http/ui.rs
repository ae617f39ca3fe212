//! The board's pages over HTTP: a static shell for every address of a page, and fragments below `/ui/`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use storkit_core::ids::StoryId;
use storkit_core::request::{Reply, Request as Ask};
use storkit_core::snapshot::{Status, StoryView};
use storkit_core::stage::Stage;
use storkit_core::story::Kind;
use storkit_core::story_file::content_hash;
use storkit_core::usage::GroupBy;

use super::problem::Problem;
use super::read::read_json;
use super::routes::{Answer, App, Ground};
use super::table::Table;
use super::ui_story::{self, Shown, Which};
use super::{Save, Saved, Service};
use super::{ui_acts, ui_log};
use crate::board::NewStory;
use crate::web;

/// Adds the routes of the board's pages.
pub(super) fn mount<S: Service>(table: Table<Ground<S>>) -> Table<Ground<S>> {
    let table = table
        .get("/assets/{name}", asset)
        .post("/ui/sync", sync::<S>)
        .post("/ui/check", check::<S>)
        .post("/ui/new", create::<S>)
        .post("/ui/save/{id}", save::<S>)
        .post("/ui/priority/{id}", ui_acts::priority::<S>)
        .post("/ui/delete/{id}", ui_acts::delete::<S>)
        .post("/ui/restore/{id}", ui_acts::restore::<S>)
        .get("/ui/log/{run}", ui_log::log::<S>)
        .get("/ui/find/{run}", ui_log::find::<S>)
        .get("/ui/new", new::<S>)
        .get("/ui/agents", agents::<S>)
        .get("/ui/queue", queue::<S>)
        .get("/ui/usage", usage::<S>)
        .get("/ui/problems", problems::<S>)
        .get("/ui/archive", archive::<S>)
        .get("/ui/keys", async || Html(web::keys_page()))
        .get("/ui/settings", settings::<S>)
        .get("/ui/question/{id}", question::<S>)
        .get("/ui/s/{id}", story::<S>)
        .get("/ui/s/{id}/{tab}", tab::<S>)
        .get("/ui/screen/{run}", super::ui_screen::screen::<S>);
    web::PAGES.iter().fold(table, |table, path| table.get(path, shell))
}

/// What tells a page the number of the last event before an answer was made.
const EVENT: HeaderName = HeaderName::from_static("storkit-event");

/// Says on every answer below `/ui/` from where on events tell what it does not hold.
pub(super) async fn stamp<S: Service>(
    State(service): App<S>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if !request.uri().path().starts_with("/ui/") {
        return next.run(request).await;
    }
    let last = service.last_event();
    let mut response = next.run(request).await;
    response.headers_mut().insert(EVENT, HeaderValue::from(last));
    response
}

/// The page without data, for every address.
async fn shell() -> Response {
    guarded(Html(web::shell()).into_response())
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let asset =
        web::asset(&name).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "the board has no such file"))?;
    let tag = asset.tag();
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let mut response = guarded(asset.text.into_response());
    let all = [
        (header::CONTENT_TYPE, asset.kind),
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in all {
        response.headers_mut().insert(name, HeaderValue::from_str(value).expect("plain ASCII"));
    }
    Ok(response)
}

fn guarded(mut response: Response) -> Response {
    let policy = HeaderValue::from_static(web::CONTENT_SECURITY_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// The board as it is now, archived stories too.
pub(super) async fn status<S: Service>(service: &S) -> Result<Status, Problem> {
    match service.ask(Ask::Status { all: true }).await? {
        Reply::Status(status) => Ok(*status),
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the daemon answered another question")),
    }
}

/// A story's id and stage, of the story as it is shown.
pub(super) fn place(story: &StoryView) -> Result<(StoryId, Stage), Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no such story");
    let id = StoryId::new(&story.id).map_err(|_| missing())?;
    Ok((id, Stage::parse(&story.stage).ok_or_else(missing)?))
}

async fn sync<S: Service>(State(ground): State<Ground<S>>, headers: HeaderMap, body: Body) -> Answer {
    let ask: web::SyncAsk = read_json(&headers, body).await?;
    let (status, mut around) = (status(&*ground.service).await?, ground.service.around().await);
    around.told = ground.cards.tell(&*ground.service, &status).await;
    Ok(Json(web::sync(&status, &ask, &around)).into_response())
}

async fn new<S: Service>(State(service): App<S>) -> Answer {
    Ok(Html(web::new_page(&status(&*service).await?.agents)).into_response())
}

async fn agents<S: Service>(State(service): App<S>) -> Answer {
    let status = status(&*service).await?;
    let today = today();
    let (mut used, _) = service.used().await;
    used.retain(|run| run.day == today);
    Ok(Html(web::agents_page(&status, &used)).into_response())
}

async fn queue<S: Service>(State(service): App<S>) -> Answer {
    Ok(Html(web::queue_page(&status(&*service).await?)).into_response())
}

async fn problems<S: Service>(State(service): App<S>) -> Answer {
    Ok(Html(web::problems_page(&status(&*service).await?)).into_response())
}

async fn settings<S: Service>(State(service): App<S>) -> Answer {
    Ok(Html(web::settings_page(&status(&*service).await?)).into_response())
}

/// The local date, as the ledger writes days.
fn today() -> String {
    jiff::Zoned::now().date().to_string()
}

#[derive(Deserialize)]
struct By {
    #[serde(default)]
    by: String,
}

async fn usage<S: Service>(State(service): App<S>, Query(By { by }): Query<By>) -> Answer {
    let by = GroupBy::from_name(&by).unwrap_or(GroupBy::Day);
    let (mut used, complete) = service.used().await;
    if by == GroupBy::Label {
        let status = status(&*service).await?;
        for run in &mut used {
            let story = status.stories.iter().find(|story| story.id == run.story);
            run.labels = story.map(|story| story.labels.clone()).unwrap_or_default();
        }
    }
    let around = service.around().await;
    Ok(Html(web::usage_page(&used, complete, by, &today(), &around)).into_response())
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    page: usize,
}

async fn archive<S: Service>(State(service): App<S>, Query(Page { page }): Query<Page>) -> Answer {
    Ok(Html(web::archive_page(&status(&*service).await?, page)).into_response())
}

async fn story<S: Service>(State(service): App<S>, Path(name): Path<String>) -> Answer {
    let shown = Shown::look(&*service, &name).await?;
    Ok(Html(web::story_page(shown.page())).into_response())
}

async fn tab<S: Service>(
    State(service): App<S>,
    Path((name, tab)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Answer {
    let shown = Shown::look(&*service, &name).await?;
    let html = match tab.as_str() {
        "runs" => ui_story::runs(&*service, &shown, which.run).await,
        "live" => ui_story::live(&shown),
        "diff" => ui_story::diff(&*service, &shown, which).await?,
        "history" => ui_story::history(&*service, &shown).await,
        "edit" => {
            let was = shown.text.as_ref().map_or(0, |text| content_hash(text.as_bytes()));
            web::edit_page(shown.page(), was)
        }
        _ => return Err(Problem::new(StatusCode::NOT_FOUND, "a story has no such page")),
    };
    Ok(Html(html).into_response())
}

async fn question<S: Service>(State(service): App<S>, Path(name): Path<String>) -> Answer {
    let shown = Shown::look(&*service, &name).await?;
    let html = web::question(shown.page());
    let html = html.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "it asks nothing"))?;
    Ok(Html(html).into_response())
}

/// What is typed: a whole file of a story that there is, or a draft of a new one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Typed {
    File { id: String, text: String },
    Draft(web::Draft),
}

async fn check<S: Service>(State(service): App<S>, headers: HeaderMap, body: Body) -> Answer {
    let checked = match read_json(&headers, body).await? {
        Typed::File { id, text } => {
            let status = status(&*service).await?;
            let (id, stage) = place(status.find(&id)?)?;
            web::check(stage, &id.file_name(), &text)
        }
        Typed::Draft(draft) => {
            let kind = Kind::from_name(&draft.kind).unwrap_or_default();
            web::check(Stage::Backlog, &format!("1_{}_new.md", kind.name()), &draft.text())
        }
    };
    Ok(Json(checked).into_response())
}

async fn create<S: Service>(State(service): App<S>, headers: HeaderMap, body: Body) -> Answer {
    let draft: web::Draft = read_json(&headers, body).await?;
    let new = NewStory {
        title: draft.title.clone(),
        kind: Kind::from_name(&draft.kind).unwrap_or_default(),
        stage: Stage::parse(&draft.stage).unwrap_or(Stage::Backlog),
        body: Some(draft.text()),
    };
    let id = service.create(new).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))).into_response())
}

#[derive(Deserialize)]
struct Edited {
    was: String,
    text: String,
}

async fn save<S: Service>(
    State(service): App<S>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let edited: Edited = read_json(&headers, body).await?;
    let status = status(&*service).await?;
    let story = status.find(&name)?;
    let (id, stage) = place(story)?;
    let was = edited.was.parse().unwrap_or(0);
    let saved = service.save(Save { id, stage, was, text: edited.text.clone() }).await?;
    Ok(match saved {
        Saved::Written => {
            let was = content_hash(edited.text.as_bytes()).to_string();
            Json(json!({ "was": was })).into_response()
        }
        Saved::Changed => {
            let (text, was) =
                service.file(story).await.map(|file| (file.text, file.seen.to_string())).unwrap_or_default();
            (
                StatusCode::CONFLICT,
                Json(json!({ "detail": "the file has changed meanwhile", "was": was, "text": text })),
            )
                .into_response()
        }
    })
}
