//! The pages beside the board: agents, queue, usage, problems, archive, keys and settings.

use std::collections::BTreeMap;

use askama::Template;
use storkit_core::snapshot::{AgentView, ProblemView, Status, StoryView};
use storkit_core::stage::Stage;
use storkit_core::time::words;
use storkit_core::usage::{Group, GroupBy, RunUsed, report};

use super::card::{Chip, chip, label, money};
use super::plot::{DAYS, Day, bars};
use super::sync::{Around, order};

/// Stories of a page of the archive.
const ARCHIVE_PAGE: usize = 100;
/// Groups of a table of usage; the dearest come first.
const GROUPS_MAX: usize = 200;
/// Problems that are shown.
const PROBLEMS_MAX: usize = 500;

/// A story in a list.
struct Row<'a> {
    story: &'a StoryView,
    label: String,
    chip: Chip,
}

impl<'a> Row<'a> {
    fn new(story: &'a StoryView) -> Self {
        let archived = story.stage == Stage::Archived.name();
        Self { story, label: label(story), chip: chip(story.state, archived) }
    }
}

fn render(page: &impl Template) -> String {
    page.render().expect("writing to a string does not fail")
}

struct Worker<'a> {
    agent: &'a AgentView,
    state: String,
    stories: Vec<Row<'a>>,
    runs: u64,
    cost: Option<String>,
}

#[derive(Template)]
#[template(path = "agents.html")]
struct Agents<'a> {
    agents: Vec<Worker<'a>>,
}

/// Who is busy, resting or idle; `used` is of today.
pub fn agents_page<'a>(status: &'a Status, used: &[RunUsed]) -> String {
    let report = report(used, GroupBy::Agent, true);
    let worker = |agent: &'a AgentView| {
        let group = report.groups.iter().find(|group| group.key == agent.name);
        let of = |id: &String| status.stories.iter().find(|story| story.id == *id).map(Row::new);
        Worker {
            agent,
            state: agent.state.replace('_', " "),
            stories: agent.stories.iter().filter_map(of).collect(),
            runs: group.map_or(0, |group| group.runs),
            cost: group.and_then(|group| group.cost_usd).map(money),
        }
    };
    let mut agents: Vec<Worker<'_>> = status.agents.iter().map(worker).collect();
    // Those that need a hand stand on top.
    agents.sort_by_key(|worker| match worker.agent.state.as_str() {
        "drained" => 0,
        "rate_limited" => 1,
        _ => 2,
    });
    render(&Agents { agents })
}

#[derive(Template)]
#[template(path = "queue.html")]
struct Queue<'a> {
    rows: Vec<Row<'a>>,
    base: &'a str,
    gates: &'a [String],
}

/// What lands next.
pub fn queue_page(status: &Status) -> String {
    let mut stories: Vec<&StoryView> =
        status.stories.iter().filter(|story| story.stage == Stage::Merge.name()).collect();
    order(Stage::Merge, &mut stories);
    let rows = stories.into_iter().map(Row::new).collect();
    render(&Queue { rows, base: &status.base_branch, gates: &status.gates })
}

struct Line {
    key: String,
    runs: u64,
    tokens: String,
    cost: String,
    median: String,
    longest: String,
}

#[derive(Template)]
#[template(path = "usage.html")]
struct Usage {
    by: &'static str,
    all: [&'static str; 5],
    spent: String,
    budget: String,
    total: Line,
    plot: String,
    runs_plot: String,
    lines: Vec<Line>,
    complete: bool,
    unreported: u64,
}

/// What runs used; `today` is the local date, `by` what the table is grouped by.
pub fn usage_page(used: &[RunUsed], complete: bool, by: GroupBy, today: &str, around: &Around) -> String {
    let grouped = report(used, by, complete);
    let mut groups = grouped.groups;
    if by == GroupBy::Day {
        groups.reverse();
    } else {
        groups.sort_by(|one, other| other.cost_usd.unwrap_or(0.0).total_cmp(&one.cost_usd.unwrap_or(0.0)));
    }
    let by_day: BTreeMap<String, Group> = report(used, GroupBy::Day, complete)
        .groups
        .into_iter()
        .map(|group| (group.key.clone(), group))
        .collect();
    let days = |value: fn(&Group) -> f64, words: fn(&Group) -> String| -> Vec<Day> {
        let one = |date: String| {
            let group = by_day.get(&date);
            Day { value: group.map_or(0.0, value), words: group.map(words).unwrap_or_default(), date }
        };
        dates(today).into_iter().map(one).collect()
    };
    let costs = days(
        |group| group.cost_usd.unwrap_or(0.0),
        |group| group.cost_usd.map_or_else(|| "cost unknown".to_owned(), money),
    );
    #[expect(clippy::cast_precision_loss, reason = "a count of runs, for a picture")]
    let runs = days(|group| group.runs as f64, |group| format!("{} runs", group.runs));
    render(&Usage {
        by: by.name(),
        all: GroupBy::ALL.map(GroupBy::name),
        spent: around.spent_usd.map_or_else(|| "unknown".to_owned(), money),
        budget: if around.budget_usd > 0.0 { money(around.budget_usd) } else { "none".to_owned() },
        total: line(&grouped.total),
        plot: bars(&costs, around.budget_usd, "b", "US dollars per day"),
        runs_plot: bars(&runs, 0.0, "b2", "Runs per day"),
        lines: groups.iter().take(GROUPS_MAX).map(line).collect(),
        complete: grouped.complete,
        unreported: grouped.total.unreported,
    })
}

/// The last days up to that one, the oldest first.
fn dates(today: &str) -> Vec<String> {
    let Ok(today) = today.parse::<jiff::civil::Date>() else { return Vec::new() };
    (0..DAYS)
        .rev()
        .filter_map(|ago| {
            let span = jiff::Span::new().try_days(i64::try_from(ago).ok()?).ok()?;
            Some(today.checked_sub(span).ok()?.to_string())
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a span of a run, in milliseconds"
)]
fn line(group: &Group) -> Line {
    let unknown = || "unknown".to_owned();
    let lasting = |seconds: f64| words((seconds.max(0.0) * 1000.0).round() as u64);
    let reported = group.unreported < group.runs;
    let tokens = format!("{} in, {} out", group.tokens.input_tokens, group.tokens.output_tokens);
    Line {
        key: group.key.clone(),
        runs: group.runs,
        tokens: if reported { tokens } else { unknown() },
        cost: group.cost_usd.map_or_else(unknown, money),
        median: group.seconds.as_ref().map_or_else(unknown, |spread| lasting(spread.median)),
        longest: group.seconds.as_ref().map_or_else(unknown, |spread| lasting(spread.maximum)),
    }
}

struct Trouble<'a> {
    problem: &'a ProblemView,
    /// The story's editor, where it is a story's file.
    fix: Option<String>,
}

#[derive(Template)]
#[template(path = "problems.html")]
struct Problems<'a> {
    problems: Vec<Trouble<'a>>,
    rest: usize,
}

/// What is wrong with files, configuration and git.
pub fn problems_page(status: &Status) -> String {
    let fix = |problem: &ProblemView| {
        let story = status.stories.iter().find(|story| story.path == problem.path)?;
        let line = problem.line.map_or_else(String::new, |line| format!("?line={line}"));
        Some(format!("/s/{}/edit{line}", story.id))
    };
    let problems = status.problems.iter().take(PROBLEMS_MAX);
    render(&Problems {
        problems: problems.map(|problem| Trouble { fix: fix(problem), problem }).collect(),
        rest: status.problems.len().saturating_sub(PROBLEMS_MAX),
    })
}

#[derive(Template)]
#[template(path = "archive.html")]
struct Archive<'a> {
    rows: Vec<Row<'a>>,
    count: usize,
    page: usize,
    pages: usize,
}

/// Archived stories, the newest first; `page` from 1.
pub fn archive_page(status: &Status, page: usize) -> String {
    let mut stories: Vec<&StoryView> =
        status.stories.iter().filter(|story| story.stage == Stage::Archived.name()).collect();
    order(Stage::Archived, &mut stories);
    let pages = stories.len().div_ceil(ARCHIVE_PAGE).max(1);
    let page = page.clamp(1, pages);
    let rows = stories.iter().skip((page - 1) * ARCHIVE_PAGE).take(ARCHIVE_PAGE).map(|story| Row::new(story));
    render(&Archive { rows: rows.collect(), count: stories.len(), page, pages })
}

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys {
    groups: &'static [(&'static str, &'static [(&'static str, &'static str)])],
}

const KEYS: &[(&str, &[(&str, &str)])] = &[
    (
        "Move about",
        &[
            ("h j k l, arrows", "column and card"),
            ("g g, G, Home, End", "first and last card"),
            ("Page Up, Page Down", "a page of cards"),
            ("n, N", "next and previous that needs you"),
            ("Enter", "open the story"),
            ("Esc, q", "back"),
            ("/", "filter"),
            ("g, then b a q u p", "board, agents, queue, usage, problems"),
        ],
    ),
    (
        "Act on the chosen story",
        &[
            ("a", "its next action, as its button says"),
            ("Space, ← →, Space", "lift, choose a column, drop; Esc cancels"),
            ("Shift ← →, H L", "one stage left or right"),
            ("m, then 1 to 6", "move to a stage"),
            ("s", "stop or start"),
            ("x", "hold or release"),
            ("r", "retry"),
            ("A", "approve, while it waits for review"),
            ("e", "edit"),
            ("t, d, w", "live output, diff, why it stands"),
            ("y", "copy its id"),
            ("c", "new story"),
            ("z", "undo, while its message stands"),
        ],
    ),
    (
        "Review",
        &[
            ("J, K", "next and previous hunk"),
            ("], [", "next and previous file"),
            ("v", "viewed, and on to the next"),
            ("c", "comment on the line"),
            ("A, R", "approve, send back"),
        ],
    ),
    (
        "Forms and terminal",
        &[
            ("Ctrl Enter", "send, create, save"),
            ("f", "follow the terminal's end"),
            ("i", "type into the terminal"),
            ("Ctrl ]", "give the keyboard back"),
            ("?", "this page"),
        ],
    ),
];

/// What the keys do.
pub fn keys_page() -> String {
    render(&Keys { groups: KEYS })
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings<'a> {
    status: &'a Status,
}

/// How this browser shows the board, and what answers it.
pub fn settings_page(status: &Status) -> String {
    render(&Settings { status })
}
