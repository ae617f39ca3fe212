//! What a story's pages show, gathered from the daemon: its text, runs, work and past.

use axum::http::StatusCode;
use storkit_core::ids::StoryId;
use storkit_core::snapshot::{Status, StoryView};
use storkit_core::time::words;

use super::Service;
use super::problem::Problem;
use super::ui::{place, status};
use crate::ledger::RunRow;
use crate::web;

/// Most runs of a story that a page lists; the newest.
const RUNS_MAX: usize = 100;

/// A story with what its pages are made of.
pub(super) struct Shown {
    status: Status,
    at: usize,
    id: StoryId,
    pub(super) text: Option<String>,
    runs: Vec<RunRow>,
}

impl Shown {
    /// Looks a story up by the name that a person gave it.
    pub(super) async fn look<S: Service>(service: &S, name: &str) -> Result<Self, Problem> {
        let status = status(service).await?;
        let found = status.find(name)?;
        let (id, _) = place(found)?;
        let at = status.stories.iter().position(|story| std::ptr::eq(story, found)).unwrap_or(0);
        let text = service.file(found).await.map(|file| file.text);
        let runs = service.runs(Some(id.clone())).await;
        Ok(Self { status, at, id, text, runs })
    }

    fn story(&self) -> &StoryView {
        &self.status.stories[self.at]
    }

    /// What all of its pages need.
    pub(super) fn page(&self) -> web::StoryPage<'_> {
        web::StoryPage { story: self.story(), text: self.text.as_deref(), runs: self.runs.len() }
    }
}

/// The page of its runs; one of them at length: the one asked for, else the newest.
pub(super) async fn runs<S: Service>(service: &S, shown: &Shown, wanted: Option<u32>) -> String {
    let wanted = wanted.or(shown.runs.last().map(|run| run.number));
    let mut runs = Vec::new();
    for row in shown.runs.iter().rev().take(RUNS_MAX) {
        let mut run = view(row);
        run.open = wanted == Some(row.number);
        if run.open {
            let printed = service.printed(row.clone()).await;
            (run.transcript, run.cut) = (printed.transcript, printed.cut);
            for (name, text) in printed.gates {
                run.gate(name, &text);
            }
        }
        runs.push(run);
    }
    web::runs_page(shown.page(), runs)
}

fn view(row: &RunRow) -> web::Run {
    let at = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let took = at(&row.started).zip(row.ended.as_deref().and_then(at));
    let took = took.and_then(|(from, to)| u64::try_from(to.duration_since(from).as_millis()).ok());
    web::Run {
        number: row.number,
        agent: row.agent.clone(),
        stage: row.stage.clone(),
        attempt: row.attempt,
        started: row.started.clone(),
        ended: row.ended.clone(),
        how: row.how.clone(),
        summary: row.summary.clone(),
        took: took.map(words).unwrap_or_default(),
        ..web::Run::default()
    }
}

/// The page of its work against base.
pub(super) async fn diff<S: Service>(service: &S, shown: &Shown) -> Result<String, Problem> {
    let work = service.work(shown.id.clone()).await;
    let work = work.map_err(|refusal| Problem::new(StatusCode::CONFLICT, refusal.error))?;
    Ok(web::diff_page(shown.page(), &work.diff, &work.base))
}

/// The page of its past.
pub(super) async fn history<S: Service>(service: &S, shown: &Shown) -> String {
    let past = service.past(Some(shown.id.clone())).await.into_iter().map(|change| web::Past {
        at: change.at.to_string(),
        lines: change.message.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
    });
    web::history_page(shown.page(), past.collect())
}
