//! `storkit show`: one story's facts, its runs, and where its work is.

use std::fmt::Write;

use serde::Serialize;
use storkit_core::snapshot::StoryView;

use super::exit::{Exit, Failure, Outcome};
use super::style::{self, paint};
use super::text::{clean, clean_lines, span};
use super::{Context, agents, ask, find, offline};
use crate::ledger::{Reader, RunRow, runs_of_logs};

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    story: StoryView,
    runs: Vec<RunRow>,
    text: String,
}

/// Runs the command.
pub(super) fn run(context: &Context, story: &str) -> Outcome {
    let project = context.project()?;
    let found = find::story(&project.root, story)?;
    let status = ask::status(context, true)?;
    let view = status.stories.into_iter().find(|view| view.id == found.id.as_str());
    let view =
        view.ok_or_else(|| Failure::new(format!("{} has just been moved by somebody else", found.id)))?;
    let runs = match Reader::open(&project.run_dir()) {
        Ok(reader) => reader.runs(Some(&found.id)),
        Err(_) => runs_of_logs(&project.logs_dir(), Some(&found.id)),
    };
    let bytes = std::fs::read(&found.path).map_err(super::exit::io("read", &found.path))?;
    let shown = Shown { story: view, runs, text: String::from_utf8_lossy(&bytes).into_owned() };
    if context.out.json {
        context.out.json(&shown)?;
    } else {
        context.out.data(&render(&shown, context.out.columns()))?;
    }
    Ok(Exit::Done)
}

/// Prints what an agent would get now, whether a daemon runs or not.
pub(super) fn prompt(context: &Context, story: &str) -> Outcome {
    let prompt = offline::Offline::look(&context.project()?.root)?.prompt(story)?;
    if context.out.json {
        context.out.json(&serde_json::json!({ "prompt": prompt }))?;
    } else {
        // A file or a pipe gets it to the letter.
        context.out.data(&if context.out.is_terminal() { clean_lines(&prompt) } else { prompt })?;
    }
    Ok(Exit::Done)
}

fn render(shown: &Shown, columns: usize) -> String {
    let story = &shown.story;
    let mut out = format!("{}  {}\n", paint(style::TITLE, &clean(&story.id)), clean(&story.name));
    let look = style::of(story.state);
    let state = paint(look, &format!("{} {}", style::sign(story.state), story.state.name()));
    let _ = writeln!(out, "{state}  {} in {}", clean(&story.kind), clean(&story.stage));
    if let Some(reason) = &story.reason {
        let _ = writeln!(out, "{}", clean(reason));
    }
    out.push('\n');
    let facts = [
        ("file", Some(story.path.clone())),
        ("priority", Some(story.priority.to_string())),
        ("qa", Some(story.qa.clone())),
        ("epic", story.epic.clone()),
        ("depends on", list(&story.depends_on)),
        ("labels", list(&story.labels)),
        ("agent", story.agent.clone()),
        ("attempt", (story.attempt > 0).then(|| story.attempt.to_string())),
        ("branch", story.branch.clone()),
        ("worktree", story.worktree.clone()),
        ("cost", story.cost_usd.map(|usd| format!("${usd:.2}"))),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            let _ = writeln!(out, "{}  {}", paint(style::FAINT, &format!("{name:>10}")), clean(&value));
        }
    }
    if !shown.runs.is_empty() {
        out.push('\n');
        out.push_str(&agents::plain_table(
            ["run", "agent", "attempt", "took", "ended", "summary"],
            shown.runs.iter().map(row),
            columns,
        ));
    }
    let _ = writeln!(out, "\n{}", clean_lines(shown.text.trim_end()));
    out
}

fn row(run: &RunRow) -> [String; 6] {
    let took = run.ended.as_ref().and_then(|ended| span(&run.started, ended)).unwrap_or_default();
    let how = run.how.clone().unwrap_or_else(|| "running".to_owned());
    let summary = run.summary.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
    [run.number.to_string(), clean(&run.agent), run.attempt.to_string(), took, clean(&how), clean(summary)]
}

fn list(items: &[String]) -> Option<String> {
    (!items.is_empty()).then(|| items.join(", "))
}
