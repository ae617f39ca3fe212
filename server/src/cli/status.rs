//! `storkit status`: the board as one calm table, the reasons below the stories, problems and hints at the end.

use std::fmt::Write;

use jiff::Timestamp;
use storkit_core::snapshot::{AgentView, ProblemView, State, Status, StoryView};

use super::exit::{Exit, Outcome};
use super::style::{self, paint};
use super::text::{self, clean, cut, fit, width, wrap};
use super::{Context, ask};

/// Widest column of ids.
const ID_COLUMNS_MAX: usize = 32;
/// Widest column of agents.
const AGENT_COLUMNS_MAX: usize = 16;
/// The longest word of a state, `preparing`.
const STATE_COLUMNS: usize = 9;
/// The longest age, `999d`.
const AGE_COLUMNS: usize = 4;
/// Below so many columns titles are left out; below the second, agents and ages too.
const NO_TITLE_BELOW: usize = 70;
const NO_AGENT_BELOW: usize = 48;
/// Most done stories that are shown without `--all`.
const DONE_MAX: usize = 8;

/// Runs the command.
pub(super) fn run(context: &Context, all: bool) -> Outcome {
    let status = ask::status(context, all)?;
    if context.out.json {
        context.out.json(&status)?;
    } else {
        context.out.data(&render(&status, context.out.columns(), Timestamp::now()))?;
    }
    Ok(Exit::Done)
}

/// The board in at most `columns` columns.
pub(super) fn render(status: &Status, columns: usize, now: Timestamp) -> String {
    let mut out = header(status, columns);
    let grid = Grid::of(status, columns);
    for stage in ["backlog", "current", "qa", "merge", "done", "archived"] {
        let stories: Vec<&StoryView> = status.stories.iter().filter(|story| story.stage == stage).collect();
        if stories.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{}", paint(style::TITLE, stage));
        let shown = if stage == "done" { DONE_MAX } else { usize::MAX };
        let hidden = stories.len().saturating_sub(shown);
        for story in &stories[hidden..] {
            grid.story(&mut out, story, now);
        }
        if hidden > 0 {
            let _ =
                writeln!(out, "{}", paint(style::FAINT, &cut(&format!("  … and {hidden} more"), columns)));
        }
    }
    if status.stories.is_empty() {
        out.push_str("\nno stories yet\n");
    }
    problems(&mut out, &status.problems, columns);
    if status.gates.is_empty() {
        let ungated = "no gate is configured: stories land ungated";
        let _ = writeln!(out, "\n{}", paint(style::WARN, &cut(ungated, columns)));
    }
    hints(&mut out, status, columns);
    out
}

fn header(status: &Status, columns: usize) -> String {
    let daemon = match &status.daemon {
        Some(daemon) => format!("daemon {}", daemon.pid),
        None => "no daemon".to_owned(),
    };
    let sandbox = format!("sandbox {}", clean(&status.sandbox));
    let rest = format!("  {}  {daemon}  {sandbox}", clean(&status.base_branch));
    let project = cut(&clean(&status.project), columns.saturating_sub(width(&rest)).max(8));
    let line = cut(&format!("{project}{rest}"), columns);
    let mut out = match line.strip_prefix(&project) {
        Some(rest) => format!("{}{}\n", paint(style::TITLE, &project), paint(style::FAINT, rest)),
        None => format!("{line}\n"),
    };
    if let Some(why) = &status.paused {
        indented(&mut out, &format!("paused: {}", clean(why)), 0, columns, style::WARN);
    }
    out
}

/// The columns of the table.
struct Grid {
    columns: usize,
    id: usize,
    title: usize,
    agent: usize,
    age: usize,
}

impl Grid {
    fn of(status: &Status, columns: usize) -> Self {
        let widest = |texts: &mut dyn Iterator<Item = usize>, most: usize| texts.max().unwrap_or(0).min(most);
        // Ids get a third where there are titles too, and all that is left where there are none.
        let most = if columns < NO_TITLE_BELOW { ID_COLUMNS_MAX } else { ID_COLUMNS_MAX.min(columns / 3) };
        let mut id = widest(&mut status.stories.iter().map(|story| width(&story.id)), most);
        let agents = status.stories.iter().filter_map(|story| story.agent.as_ref());
        let mut agent = widest(&mut agents.map(|agent| width(agent)), AGENT_COLUMNS_MAX);
        let mut age = AGE_COLUMNS;
        if columns < NO_AGENT_BELOW {
            (agent, age) = (0, 0);
        }
        // Two blanks, the sign and a blank, then columns two blanks apart.
        let taken = |id: usize| 4 + id + 2 + STATE_COLUMNS + gap(agent) + gap(age);
        let title = if columns < NO_TITLE_BELOW { 0 } else { columns.saturating_sub(taken(id) + 2) };
        if taken(id) > columns {
            id = columns.saturating_sub(taken(0)).max(6);
        }
        Self { columns, id, title, agent, age }
    }

    fn story(&self, out: &mut String, story: &StoryView, now: Timestamp) {
        let color = style::of(story.state);
        let mut line = fit(&clean(&story.id), self.id);
        if self.title > 0 {
            let _ = write!(line, "  {}", fit(&clean(&story.name), self.title));
        }
        let is_last = self.agent == 0 && self.age == 0;
        let state =
            if is_last { story.state.name().to_owned() } else { fit(story.state.name(), STATE_COLUMNS) };
        let _ = write!(line, "  {}", paint(color, &state));
        if self.agent > 0 {
            let _ = write!(line, "  {}", fit(&clean(story.agent.as_deref().unwrap_or_default()), self.agent));
        }
        if self.age > 0 {
            let age = story.since.as_deref().map(|since| text::age(since, now)).unwrap_or_default();
            let _ = write!(line, "  {}", paint(style::FAINT, &cut(&age, self.age)));
        }
        let _ = writeln!(out, "  {} {}", paint(color, style::sign(story.state)), line.trim_end());
        let attempt =
            (story.attempt > 1 && is_at_work(story.state)).then(|| format!("attempt {}", story.attempt));
        let reason = story.reason.as_deref().map(clean);
        let below: Vec<String> = attempt.into_iter().chain(reason).collect();
        if !below.is_empty() {
            indented(out, &below.join(": "), 4, self.columns, style::FAINT);
        }
    }
}

const fn gap(columns: usize) -> usize {
    if columns == 0 { 0 } else { columns + 2 }
}

const fn is_at_work(state: State) -> bool {
    matches!(state, State::Preparing | State::Running | State::Gating | State::Waiting)
}

fn indented(out: &mut String, text: &str, by: usize, columns: usize, look: anstyle::Style) {
    for line in wrap(text, columns.saturating_sub(by).max(16)) {
        let _ = writeln!(out, "{:by$}{}", "", paint(look, &line));
    }
}

fn problems(out: &mut String, problems: &[ProblemView], columns: usize) {
    if problems.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", paint(style::TITLE, "problems"));
    for problem in problems {
        let mut place = clean(&problem.path);
        for number in [problem.line, problem.column].into_iter().flatten() {
            let _ = write!(place, ":{number}");
        }
        indented(out, &format!("! {place}: {}", clean(&problem.message)), 2, columns, style::ERROR);
        if let Some(hint) = &problem.hint {
            indented(out, &clean(hint), 4, columns, style::FAINT);
        }
    }
}

/// What to type next: the most useful things only.
fn hints(out: &mut String, status: &Status, columns: usize) {
    let first = |state: State| status.stories.iter().find(|story| story.state == state);
    let mut hints = Vec::new();
    if status.daemon.is_none()
        && status.stories.iter().any(|story| matches!(&*story.stage, "current" | "qa" | "merge"))
    {
        hints.push("storkit up starts the daemon".to_owned());
    }
    if status.paused.is_some() {
        hints.push("storkit resume lets things start again".to_owned());
    }
    if let Some(story) = first(State::Blocked).or_else(|| first(State::Problem)) {
        hints.push(format!("storkit why {} says what keeps it", short(story)));
    }
    if let Some(story) = first(State::Review) {
        hints
            .push(format!("storkit diff {0}, then storkit approve {0} or reject {0} -m \"…\"", short(story)));
    }
    hints.extend(status.agents.iter().filter_map(unavailable));
    if status.stories.is_empty() {
        hints.push("storkit new \"A title\" writes the first story".to_owned());
    }
    if !hints.is_empty() {
        out.push('\n');
    }
    for hint in hints {
        indented(out, &hint, 0, columns, style::HINT);
    }
}

fn unavailable(agent: &AgentView) -> Option<String> {
    let reason = agent.reason.as_deref().map(clean).unwrap_or_default();
    (agent.state == "drained")
        .then(|| format!("{} is drained ({reason}): storkit resume {0}", clean(&agent.name)))
}

fn short(story: &StoryView) -> String {
    story.number.map_or_else(|| story.id.clone(), |number| number.to_string())
}

#[cfg(test)]
mod tests;
