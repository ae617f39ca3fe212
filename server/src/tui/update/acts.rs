//! Acting on a story and on the board: requests to the daemon, pages, lines to be typed.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use storkit_core::request::Request;
use storkit_core::snapshot::{State, StoryView};
use storkit_core::stage::Stage;

use super::super::keys::Action;
use super::super::line::Line;
use super::super::model::{
    Effect, Message, Model, Over, Part, Prefix, Prompt, Purpose, Sheet, Undo, index, is_live, short, stage_of,
};
use super::super::page::{Loaded, Page, Tab};
use crate::sys::text::clean;

/// Does what an action asks for.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Create => return type_line(model, Purpose::Create, ""),
        Action::Filter => return type_line(model, Purpose::Filter, ""),
        Action::Command => return type_line(model, Purpose::Command, ""),
        Action::Undo => return undo(model),
        Action::Find => return super::find::begin(model),
        Action::Browser => return vec![Effect::Command(vec!["open".to_owned()])],
        _ => {}
    }
    let Some(story) = model.subject().cloned() else {
        model.say("There is no story here. c writes a new one.");
        return Vec::new();
    };
    for_story(model, action, &story)
}

fn for_story(model: &mut Model, action: Action, story: &StoryView) -> Vec<Effect> {
    let id = story.id.clone();
    let at = index(stage_of(story));
    match action {
        Action::Open => open_tab(model, Tab::Story),
        Action::Live => open_tab(model, Tab::Live),
        Action::Diff => open_tab(model, Tab::Diff),
        Action::Act => next(model, story),
        Action::Approve => ask(model, Request::Approve { story: id }),
        Action::Reject => reject(model, id),
        Action::MoveLeft => move_to(model, story, Stage::ALL[at.saturating_sub(1)]),
        Action::MoveRight => move_to(model, story, Stage::ALL[(at + 1).min(5)]),
        Action::StopStart => {
            let runs =
                matches!(story.state, State::Preparing | State::Running | State::Gating | State::Merging);
            let request =
                if runs { Request::Stop { story: id } } else { Request::Start { story: id, agent: None } };
            ask(model, request)
        }
        Action::Hold if story.state == State::Held => ask(model, Request::Unhold { story: id }),
        Action::Hold => type_line(model, Purpose::Hold(id), ""),
        Action::Retry => ask(model, Request::Retry { story: id }),
        Action::Edit => vec![Effect::InTerminal(vec!["edit".to_owned(), id])],
        Action::Why => vec![Effect::Why(id)],
        Action::Comment => comment(model),
        Action::Type if is_live(story) => vec![Effect::InTerminal(vec!["attach".to_owned(), id])],
        Action::Type => {
            model.fail("Nothing runs that could be typed into.");
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// The story's next action, whatever its state makes that.
fn next(model: &mut Model, story: &StoryView) -> Vec<Effect> {
    let id = story.id.clone();
    match story.state {
        State::Idle => ask(model, Request::Start { story: id, agent: None }),
        State::Waiting => vec![Effect::Why(id)],
        State::Preparing | State::Running | State::Gating => open_tab(model, Tab::Live),
        State::Review | State::Done => open_tab(model, Tab::Diff),
        State::Question => type_line(model, Purpose::Answer(id), ""),
        State::Merging => queue(model),
        State::Held => ask(model, Request::Unhold { story: id }),
        State::Blocked => ask(model, Request::Retry { story: id }),
        State::Problem => vec![Effect::InTerminal(vec!["edit".to_owned(), id])],
    }
}

/// Takes back what was done last; where that cannot be, says so, and the next time takes back the last move.
fn undo(model: &mut Model) -> Vec<Effect> {
    let effect = match model.undo.take() {
        None | Some(Undo::Board) => Effect::Undo,
        Some(Undo::Ask(request)) => Effect::Act(request),
        Some(Undo::Priority(id, priority)) => Effect::Priority(id, priority),
        Some(Undo::Never(why)) => {
            model.say(format!("{why} z again takes back the last move."));
            return Vec::new();
        }
    };
    (model.asked, model.message) = (None, Message::default());
    model.say("Undoing…");
    vec![effect]
}

/// How a request is taken back.
const fn contrary(request: &Request) -> Undo {
    match request {
        Request::Answer { .. } => Undo::Never("An answer cannot be taken back: its agent has it."),
        Request::Stop { .. } => Undo::Never("What was stopped goes on by s."),
        Request::Retry { .. } => Undo::Never("A retry is ended by s."),
        Request::Reject { .. } => Undo::Never("What was sent back stays in the file; m moves it anywhere."),
        Request::Unhold { .. } => Undo::Never("x holds it again."),
        _ => Undo::Board,
    }
}

fn reject(model: &mut Model, id: String) -> Vec<Effect> {
    let comments = match model.page.as_mut().map(|page| &mut page.review) {
        Some(Loaded::Here(review)) => {
            review.sending = !review.comments.is_empty();
            review.text()
        }
        _ => String::new(),
    };
    if comments.is_empty() {
        return type_line(model, Purpose::Reject(id), "");
    }
    ask(model, Request::Reject { story: id, text: comments })
}

fn comment(model: &mut Model) -> Vec<Effect> {
    let row = match model.page.as_ref().map(|page| &page.review) {
        Some(Loaded::Here(review)) if !review.diff.rows.is_empty() => review.row,
        _ => {
            model.fail("There is no line to comment on.");
            return Vec::new();
        }
    };
    type_line(model, Purpose::Comment(row), "")
}

/// Asks for a change; the cursor goes along with the story.
pub(super) fn ask(model: &mut Model, request: Request) -> Vec<Effect> {
    if let Some(story) = request.story()
        && model.page.is_none()
    {
        model.follow = Some((story.to_owned(), model.now));
    }
    model.asked = Some(match &request {
        Request::Hold { story, .. } => Undo::Ask(Request::Unhold { story: story.clone() }),
        other => contrary(other),
    });
    model.say(match &request {
        Request::Move { .. } => "Moving…",
        Request::Stop { .. } => "Stopping…",
        _ => "Asking…",
    });
    vec![Effect::Act(request)]
}

pub(super) fn move_to(model: &mut Model, story: &StoryView, to: Stage) -> Vec<Effect> {
    if stage_of(story) == to {
        model.say(format!("{} is in {to} already.", clean(&short(story))));
        return Vec::new();
    }
    ask(model, Request::Move { story: story.id.clone(), to })
}

pub(super) fn type_line(model: &mut Model, purpose: Purpose, text: &str) -> Vec<Effect> {
    model.prompt = Some(Prompt { purpose, line: Line::of(text) });
    Vec::new()
}

/// Opens a tab of the subject's page, and reads what it shows.
pub(super) fn open_tab(model: &mut Model, tab: Tab) -> Vec<Effect> {
    let Some(story) = model.subject() else { return Vec::new() };
    let (id, live) = (story.id.clone(), is_live(story));
    let page = model.page.get_or_insert_with(|| Page::new(&id, tab));
    if page.tab != tab {
        (page.top, page.find) = (0, None);
    }
    page.tab = tab;
    match tab {
        Tab::Diff if !matches!(page.review, Loaded::Here(_)) => {
            page.review = Loaded::Coming;
            vec![Effect::Load(Part::Diff, id)]
        }
        Tab::History => {
            page.history = Loaded::Coming;
            vec![Effect::Load(Part::History, id)]
        }
        Tab::Live if page.reads || !live => {
            page.reads = true;
            page.top = usize::MAX;
            page.transcript = Loaded::Coming;
            vec![Effect::Load(Part::Transcript, id)]
        }
        _ => Vec::new(),
    }
}

/// The second key of `g`, `m` and `y`.
pub(super) fn second(model: &mut Model, prefix: Prefix, key: KeyEvent) -> Vec<Effect> {
    model.say("");
    let KeyCode::Char(c) = key.code else { return Vec::new() };
    match prefix {
        Prefix::Go => go(model, c),
        Prefix::Move => {
            let Some(to) = c.to_digit(10).and_then(|n| Stage::ALL.get((n as usize).wrapping_sub(1))) else {
                return Vec::new();
            };
            let Some(story) = model.subject().cloned() else { return Vec::new() };
            move_to(model, &story, *to)
        }
        Prefix::Copy => copy(model, c),
        Prefix::Priority => priority(model, c),
    }
}

fn priority(model: &mut Model, c: char) -> Vec<Effect> {
    let Some(priority) = c.to_digit(10).and_then(|n| u8::try_from(n).ok()).filter(|n| (1..=5).contains(n))
    else {
        return Vec::new();
    };
    let Some((id, before)) = model.subject().map(|story| (story.id.clone(), story.priority)) else {
        return Vec::new();
    };
    if priority == before {
        model.say(format!("It has priority {priority} already."));
        return Vec::new();
    }
    // The cursor goes along to its new place.
    model.follow = Some((id.clone(), model.now));
    model.asked = Some(Undo::Priority(id.clone(), before));
    model.say("Writing…");
    vec![Effect::Priority(id, priority)]
}

fn go(model: &mut Model, c: char) -> Vec<Effect> {
    match c {
        'g' => return super::walk::go(model, Action::Top),
        'b' => (model.page, model.over) = (None, None),
        'a' => agents(model),
        'q' => return queue(model),
        'u' => return vec![Effect::Command(["usage", "--by", "day"].map(str::to_owned).to_vec())],
        'p' => problems(model),
        _ => {}
    }
    Vec::new()
}

fn sheet(model: &mut Model, title: &str, lines: Vec<String>) {
    model.over = Some(Over::Sheet(Sheet { title: title.to_owned(), lines, top: 0 }));
}

fn agents(model: &mut Model) {
    let agents = model.seen.as_ref().map_or(&[][..], |seen| &seen.status.agents);
    let mut lines: Vec<String> = agents
        .iter()
        .map(|agent| {
            let what = agent.reason.clone().unwrap_or_else(|| agent.stories.join(", "));
            clean(&format!("{:<16} {:<12} {:<13} {what}", agent.name, agent.state, agent.runtime))
        })
        .collect();
    if lines.is_empty() {
        lines.push("No agent is configured: see [[agent]] in .storkit/project.toml.".to_owned());
    }
    sheet(model, "Agents", lines);
}

fn queue(model: &mut Model) -> Vec<Effect> {
    let mut in_merge: Vec<&StoryView> =
        model.stories().iter().filter(|story| stage_of(story) == Stage::Merge).collect();
    in_merge.sort_by_key(|story| story.state != State::Merging);
    let mut lines: Vec<String> = in_merge
        .into_iter()
        .map(|story| {
            let reason = story.reason.as_deref().unwrap_or_default();
            clean(&format!("{:<6} {:<10} {}  {reason}", short(story), story.state.name(), story.name))
        })
        .collect();
    if lines.is_empty() {
        lines.push("The queue is empty.".to_owned());
    }
    sheet(model, "Queue", lines);
    Vec::new()
}

fn problems(model: &mut Model) {
    let problems = model.seen.as_ref().map_or(&[][..], |seen| &seen.status.problems);
    let mut lines = Vec::new();
    for problem in problems {
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", problem.path),
            (Some(line), None) => format!("{}:{line}", problem.path),
            _ => problem.path.clone(),
        };
        lines.push(clean(&format!("{place}: {}", problem.message)));
        lines.extend(problem.hint.as_deref().map(|hint| format!("  → {}", clean(hint))));
    }
    if lines.is_empty() {
        lines.push("No problems.".to_owned());
    }
    sheet(model, "Problems", lines);
}

fn copy(model: &mut Model, c: char) -> Vec<Effect> {
    let Some(story) = model.subject() else { return Vec::new() };
    let text = match c {
        'i' => Some(story.id.clone()),
        'b' => story.branch.clone(),
        'p' => Some(story.worktree.clone().unwrap_or_else(|| story.path.clone())),
        'c' => Some(format!("storkit show {}", story.id)),
        _ => return Vec::new(),
    };
    let Some(text) = text else {
        model.fail("It has no branch yet.");
        return Vec::new();
    };
    model.say(format!("Copied: {}", clean(&text)));
    vec![Effect::Copy(text)]
}
