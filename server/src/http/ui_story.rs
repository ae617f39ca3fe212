//! What a story's pages show, gathered from the daemon: its text, runs, work and past.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use storkit_core::config::Runtime;
use storkit_core::ids::StoryId;
use storkit_core::snapshot::{Status, StoryView};
use storkit_core::time::words;

use super::problem::Problem;
use super::ui::{place, status};
use super::{Compare, Service};
use crate::ledger::RunRow;
use crate::web;

/// Most runs of a story that a page lists; the newest.
const RUNS_MAX: usize = 100;

/// Which run, and with what work is compared.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    pub(super) run: Option<u32>,
    since: Option<String>,
    #[serde(default)]
    space: String,
}

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
    let phases: Vec<(Timestamp, String)> = service
        .phases(shown.id.clone())
        .await
        .into_iter()
        .filter_map(|(at, kind)| Some((at.parse().ok()?, kind)))
        .collect();
    let mut runs = Vec::new();
    for row in shown.runs.iter().rev().take(RUNS_MAX) {
        let mut run = view(row);
        run.spans = spans(row, &phases);
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
        id: row.run.clone(),
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

/// How long a try waited, was prepared, ran and was gated, by the story's events around its run.
fn spans(row: &RunRow, phases: &[(Timestamp, String)]) -> web::Spans {
    let at = |text: &str| text.parse::<Timestamp>().ok();
    let Some(started) = at(&row.started) else { return web::Spans::default() };
    let ended = row.ended.as_deref().and_then(at);
    let ms = |from: Timestamp, to: Timestamp| u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0);
    let began = phases.partition_point(|(at, _)| *at <= started);
    let mut before = phases[..began].iter().rev().skip_while(|(_, kind)| kind == "running");
    let prepared = before.next().filter(|(_, kind)| kind == "preparing").map(|(at, _)| *at);
    let free = prepared.and(before.next()).map(|(at, _)| *at);
    let mut after = phases.iter().filter(|(at, _)| ended.is_some_and(|ended| *at >= ended));
    let gating = after.by_ref().find(|(_, kind)| kind != "run_ended").filter(|(_, kind)| kind == "gating");
    let gated = gating.and_then(|_| after.find(|(_, kind)| kind == "green" || kind == "red"));
    let now = Timestamp::now();
    web::Spans {
        wait: free.zip(prepared).map_or(0, |(from, to)| ms(from, to)),
        prepare: prepared.map_or(0, |from| ms(from, started)),
        run: ms(started, ended.unwrap_or(now)),
        gates: gating.map_or(0, |(from, _)| ms(*from, gated.map_or(now, |(to, _)| *to))),
    }
}

/// The page of its agent at work: of one that prints JSON, what it says and does comes first.
pub(super) fn live(shown: &Shown) -> String {
    let agent = shown.story().agent.as_deref();
    let agent = shown.status.agents.iter().find(|one| Some(one.name.as_str()) == agent);
    let speaks = agent.is_some_and(|agent| agent.runtime != Runtime::Command.name());
    web::live_page(shown.page(), speaks)
}

/// The page of its work against base, or since one of its tries.
pub(super) async fn diff<S: Service>(service: &S, shown: &Shown, which: Which) -> Result<String, Problem> {
    let how = Compare { since: which.since.clone(), ignore_space: which.space == "off" };
    let ignore_space = how.ignore_space;
    let work = service.work(shown.id.clone(), how).await;
    let work = work.map_err(|refusal| Problem::new(StatusCode::CONFLICT, refusal.error))?;
    let tries = work.tries.into_iter().map(|left| web::Left {
        is_shown: which.since.as_deref() == Some(left.commit.as_str()),
        commit: left.commit,
        at: left.at,
        title: left.title,
    });
    let compared = web::Compared { base: work.base, tries: tries.collect(), ignore_space };
    Ok(web::diff_page(shown.page(), &work.diff, &compared))
}

/// The page of its past.
pub(super) async fn history<S: Service>(service: &S, shown: &Shown) -> String {
    let past = service.past(Some(shown.id.clone())).await.into_iter().map(|change| web::Past {
        at: change.at.to_string(),
        lines: change.message.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
    });
    web::history_page(shown.page(), past.collect())
}
