//! Stories as resources: listed in pages, read with their text, made once, and written only by who has read them.

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storkit_core::facts::Part;
use storkit_core::request::{Reply, Request as Ask};
use storkit_core::snapshot::{State as Doing, StoryView};
use storkit_core::stage::Stage;
use storkit_core::story::Kind;
use utoipa::{IntoParams, ToSchema};

use super::Service;
use super::idempotency::{self, Known};
use super::page;
use super::problem::Problem;
use super::read::{Asked, Named, read_json};
use super::routes::{Answer, App, Ground, board};
use crate::board::NewStory;
use crate::mcp::StoryFile;
use crate::sys::task;

/// Which stories are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// Whether archived stories are among them.
    all: Option<bool>,
    /// Those of this stage; `archived` needs no `all`.
    #[param(inline)]
    stage: Option<Stage>,
    /// Those that do this.
    #[param(inline)]
    state: Option<Doing>,
    /// Those with this label.
    label: Option<String>,
    /// Those of this epic, by its id.
    epic: Option<String>,
    /// Those that this agent works on, or worked on last.
    agent: Option<String>,
    /// Those with this in their id or title, case aside.
    q: Option<String>,
    /// How many at most, 100 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Where to go on, of `Link`.
    #[param(pattern = "^[0-9]{1,9}\\..")]
    cursor: Option<String>,
}

impl Listing {
    fn fits(&self, story: &StoryView) -> bool {
        let same = |wanted: &Option<String>, is: Option<&String>| wanted.is_none() || wanted.as_ref() == is;
        let holds = |wanted: &String| {
            let wanted = wanted.to_lowercase();
            story.id.to_lowercase().contains(&wanted) || story.name.to_lowercase().contains(&wanted)
        };
        self.stage.is_none_or(|stage| story.stage == stage.name())
            && self.state.is_none_or(|state| story.state == state)
            && self.label.as_ref().is_none_or(|label| story.labels.contains(label))
            && same(&self.epic, story.epic.as_ref())
            && same(&self.agent, story.agent.as_ref())
            && self.q.as_ref().is_none_or(holds)
    }
}

/// A story with its file's text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoryDetail {
    #[serde(flatten)]
    story: StoryView,
    /// All of its file, front matter included; null where that cannot be read as text.
    text: Option<String>,
}

/// A story to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    /// Its title: up to 500 characters, spaces at its ends and doubled ones aside, and one of them to be seen.
    #[schema(min_length = 1)]
    title: String,
    /// The sort of work: `story` where nothing is said.
    kind: Option<KindName>,
    /// Where it begins: `backlog` where nothing is said.
    stage: Option<Stage>,
    /// Its text below the front matter; a text that begins with front matter is the whole file.
    body: Option<String>,
}

/// The sort of work.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum KindName {
    Story,
    Bug,
    Spike,
    Refactor,
    Chore,
    Epic,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Story => Self::Story,
            KindName::Bug => Self::Bug,
            KindName::Spike => Self::Spike,
            KindName::Refactor => Self::Refactor,
            KindName::Chore => Self::Chore,
            KindName::Epic => Self::Epic,
        }
    }
}

/// A story that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Made {
    id: String,
}

/// A story's new text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewText {
    /// The text.
    text: String,
    /// What of the file it is: all of it where nothing is said.
    part: Option<Part>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// The story.
    pub(super) id: Option<String>,
    /// What was done, in a sentence: `42_story_x: backlog → current`.
    pub(super) message: String,
}

/// Lists stories, sorted by stage, priority, number and id.
#[utoipa::path(get, path = "/api/v1/stories", params(Listing), tag = "stories", responses(
    (status = 200, body = Vec<StoryView>, headers(("Link" = Option<String>, description = "The next page, rel=\"next\"; not on the last one"))),
))]
pub(super) async fn list<S: Service>(
    State(service): App<S>,
    Asked(asked): Asked<Listing>,
    RawQuery(query): RawQuery,
) -> Answer {
    let all = asked.all.unwrap_or(false) || asked.stage == Some(Stage::Archived);
    let stories = board(&*service, all).await?.stories;
    let fitting = stories.into_iter().filter(|story| asked.fits(story)).collect();
    let page = page::cut(fitting, |story: &StoryView| &story.id, asked.limit, asked.cursor.as_deref())?;
    let link = page::link("/api/v1/stories", query.as_deref().unwrap_or_default(), page.next.as_deref());
    Ok((link, Json(page.items)).into_response())
}

/// Shows a story with its text. `ETag` stands for the file as it is now.
#[utoipa::path(get, path = "/api/v1/stories/{id}", tag = "stories", params(("id" = String, Path, description = "Its id or number")), responses(
    (status = 200, body = StoryDetail, headers(("ETag" = Option<String>, description = "Stands for the file; where that can be read"))),
))]
pub(super) async fn one<S: Service>(State(service): App<S>, Named(name): Named) -> Answer {
    let status = board(&*service, true).await?;
    let story = status.find(&name)?.clone();
    let file = service.file(&story).await;
    let tag = tag_of(file.as_ref());
    Ok((tag, Json(StoryDetail { story, text: file.map(|file| file.text) })).into_response())
}

/// Makes a story. The same request under the same `Idempotency-Key`, within a day, makes no second one.
#[utoipa::path(post, path = "/api/v1/stories", tag = "stories", request_body = Draft,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$", description = "Names this request, up to 255 ASCII characters")), responses(
    (status = 201, body = Made, headers(("Location" = String, description = "The story"))),
))]
pub(super) async fn make<S: Service>(
    State(ground): State<Ground<S>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let key = idempotency::key(&headers)?;
    let draft: Draft = read_json(&headers, body).await?;
    let asked = serde_json::to_string(&draft).expect("texts are JSON");
    if let Some(key) = &key
        && let Known::Done(id) = ground.keys.begin(key, &asked)?
    {
        return Ok(created(id));
    }
    // A task of its own: one who asks and leaves must not leave a key that nobody ends.
    let making = task::spawn_future(async move {
        let new = NewStory {
            title: draft.title,
            kind: draft.kind.map_or(Kind::Story, Kind::from),
            stage: draft.stage.unwrap_or(Stage::Backlog),
            body: draft.body,
        };
        let made = ground.service.create(new).await;
        if let Some(key) = key {
            ground.keys.end(&key, made.as_ref().ok().map(ToString::to_string));
        }
        made
    });
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the story was not made");
    Ok(created(making.await.map_err(failed)??.to_string()))
}

fn created(id: String) -> Response {
    let location = format!("/api/v1/stories/{}", page::encoded(&id));
    (StatusCode::CREATED, [(header::LOCATION, location)], Json(Made { id })).into_response()
}

/// Replaces a story's text, for who has read the file as it is: `If-Match` is the `ETag` of that.
#[utoipa::path(put, path = "/api/v1/stories/{id}", tag = "stories", request_body = NewText,
    params(("id" = String, Path, description = "Its id or number"), ("If-Match" = String, Header, description = "The ETag that was read; `*` for any")), responses(
    (status = 200, body = Done),
    (status = 412, description = "The file is not the one that was read", body = Problem, content_type = "application/problem+json"),
    (status = 428, description = "If-Match is missing", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn write<S: Service>(
    State(service): App<S>,
    Named(name): Named,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let missing = || {
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "If-Match is missing")
            .hint("read the story first and send the ETag of that")
    };
    let wanted: Vec<&HeaderValue> = headers.get_all(header::IF_MATCH).iter().collect();
    if wanted.is_empty() {
        return Err(missing());
    }
    let NewText { text, part } = read_json(&headers, body).await?;
    let status = board(&*service, true).await?;
    let story = status.find(&name)?;
    let file = service.file(story).await;
    let tag = tag_of(file.as_ref()).remove(header::ETAG);
    let tag = tag.as_ref().and_then(|tag| tag.to_str().ok()).unwrap_or_default();
    let any = wanted.iter().any(|said| *said == "*");
    let fits = |said: &str| said == "*" || (said == tag && !tag.is_empty());
    let matches =
        wanted.iter().filter_map(|said| said.to_str().ok()).flat_map(|said| said.split(',')).map(str::trim);
    if !matches.into_iter().any(fits) {
        let detail = "the story's file is not the one that was read";
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail).hint("read it again"));
    }
    // The daemon compares once more when it writes, so that nothing in between is lost.
    let (part, seen) = (part.unwrap_or(Part::Whole), file.map(|file| file.seen).filter(|_| !any));
    act(&*service, Ask::Write { story: story.id.clone(), part, text, seen }).await
}

fn tag_of(file: Option<&StoryFile>) -> HeaderMap {
    let tag = file.and_then(|file| HeaderValue::from_str(&format!("\"{:016x}\"", file.seen)).ok());
    tag.map(|tag| (header::ETAG, tag)).into_iter().collect()
}

/// Has a request carried out and tells what was done.
pub(super) async fn act<S: Service>(service: &S, request: Ask) -> Answer {
    match service.ask(request).await? {
        Reply::Done { id, message } => Ok(Json(Done { id, message }).into_response()),
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the daemon answered another question")),
    }
}
