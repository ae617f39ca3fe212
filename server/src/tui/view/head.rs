//! The head line, the strip of what needs a person, and the line of stages.

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use storkit_core::snapshot::StoryView;
use storkit_core::stage::Stage;

use super::super::areas::Areas;
use super::super::look::{needs_person, sign};
use super::super::model::{Model, index, short, stage_of};
use super::ink::{cells, put, put_right};
use crate::sys::text::{clean, cut, width};

/// Columns that a title gets in the strip, at least and at most.
const NEED_WIDTH: (usize, usize) = (12, 26);

/// Draws all three.
pub(super) fn draw(model: &Model, areas: &Areas, buffer: &mut Buffer) {
    head(model, areas, buffer);
    if areas.needs.height > 0 {
        strip(model, areas.needs.y, buffer);
    } else {
        strip(model, areas.head.y, buffer);
    }
    if areas.tabs.height > 0 {
        tabs(model, areas, buffer);
    }
}

fn head(model: &Model, areas: &Areas, buffer: &mut Buffer) {
    let look = model.look;
    let (y, end) = (areas.head.y, areas.head.right());
    let mut x = put(buffer, (1, y), end, "storkit", look.title());
    if let Some(seen) = &model.seen {
        x = put(buffer, (x + 2, y), 24, &seen.status.project, Style::new());
        let base = match &seen.base {
            Some(commit) => format!("{}@{commit}", seen.status.base_branch),
            None => seen.status.base_branch.clone(),
        };
        x = put(buffer, (x + 2, y), 24, &base, look.faint());
    }
    // From the right, the most important last, so that it is what stays.
    let mut right = end.saturating_sub(1);
    for (text, style) in figures(model) {
        let room = right.saturating_sub(x + 2);
        if usize::from(room) < width(&text) {
            continue;
        }
        right = put_right(buffer, (right, y), room, &text, style).saturating_sub(2);
    }
}

/// What stands at the right of the head line, the weightiest first.
fn figures(model: &Model) -> Vec<(String, Style)> {
    let look = model.look;
    let Some(seen) = &model.seen else {
        return vec![(model.trouble.clone().unwrap_or_else(|| "reading…".to_owned()), look.faint())];
    };
    let status = &seen.status;
    let mut figures = vec![match (&model.trouble, &status.daemon) {
        (Some(_), _) => {
            let at = model.seen_at.map(clock).unwrap_or_default();
            (format!("○ as of {at}"), look.alert())
        }
        (None, None) => ("○ not running: :up".to_owned(), look.alert()),
        (None, Some(_)) => ("● live".to_owned(), look.good()),
    }];
    if status.paused.is_some() {
        figures.push(("‖ paused".to_owned(), look.alert()));
    }
    let money = match (seen.spent_today, seen.budget > 0.0) {
        (Some(usd), true) => Some(format!("${usd:.2} of {:.0}", seen.budget)),
        (Some(usd), false) if usd > 0.0 => Some(format!("${usd:.2} today")),
        _ => None,
    };
    figures.extend(money.map(|money| (money, Style::new())));
    let busy = status.agents.iter().filter(|agent| !agent.stories.is_empty()).count();
    figures.push((format!("agents {busy}/{}", status.agents.len()), Style::new()));
    if !status.problems.is_empty() {
        figures.push((format!("problems {}", status.problems.len()), look.alert()));
    }
    let queue = model.cards.totals[index(Stage::Merge)];
    if queue > 0 {
        figures.push((format!("queue {queue}"), Style::new()));
    }
    figures
}

/// `14:02`, where the person is.
fn clock(at: jiff::Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string()
}

/// The parts of the strip: the story, where it begins, its words.
fn needs(model: &Model, y: u16) -> (u16, Vec<(&StoryView, u16, String)>, usize) {
    let all = model.needs();
    let one_line = y == 0;
    let from = if one_line { 44 } else { 1 };
    let end = usize::from(if one_line { model.size.0.saturating_sub(60) } else { model.size.0 });
    let mut x = usize::from(from) + width(&count(all.len())) + 3;
    let mut shown = Vec::new();
    let each = (end.saturating_sub(x + 14) / all.len().max(1)).saturating_sub(8);
    for story in &all {
        let title = cut(&clean(&story.name), each.clamp(NEED_WIDTH.0, NEED_WIDTH.1));
        let text = format!("{} {} {title}", sign(story.state, false), short(story));
        if x + width(&text) + 14 > end {
            break;
        }
        let at = cells(x);
        x += width(&text) + 3;
        shown.push((*story, at, text));
    }
    let more = all.len() - shown.len();
    (from, shown, more)
}

fn count(needs: usize) -> String {
    format!("NEEDS YOU {needs}")
}

fn strip(model: &Model, y: u16, buffer: &mut Buffer) {
    let look = model.look;
    let (from, shown, more) = needs(model, y);
    let all = shown.len() + more;
    if all == 0 {
        let text = if model.seen.is_some() { "Nothing needs you." } else { "" };
        put(buffer, (from, y), 30, text, look.faint());
        return;
    }
    let mut end = put(buffer, (from, y), 20, &count(all), look.title());
    for (story, x, text) in &shown {
        end = put(buffer, (*x, y), cells(width(text)), text, look.state(story.state));
    }
    if more > 0 {
        end = put(buffer, (end + 3, y), 6, &format!("+{more}"), look.title());
    }
    if y > 0 {
        let room = model.size.0.saturating_sub(end + 2);
        put_right(buffer, (model.size.0 - 1, y), room, "n next", look.faint());
    }
}

/// The story of the strip at that place.
pub(in crate::tui) fn need_at(model: &Model, x: u16, y: u16) -> Option<String> {
    let areas = Areas::of(model);
    let line = if areas.needs.height > 0 { areas.needs.y } else { areas.head.y };
    if y != line {
        return None;
    }
    let (_, shown, _) = needs(model, line);
    let hit = |(_, from, text): &&(&StoryView, u16, String)| (*from..*from + cells(width(text))).contains(&x);
    shown.iter().find(hit).map(|(story, ..)| story.id.clone())
}

/// A stage's name and how many it holds: `Current 5`, with a filter `Current 2/5`.
fn stage_count(model: &Model, stage: Stage) -> String {
    let name = match stage {
        Stage::Backlog => "Backlog",
        Stage::Current => "Current",
        Stage::Qa => "QA",
        Stage::Merge => "Merge",
        Stage::Done => "Done",
        Stage::Archived => "Archived",
    };
    let name = if stage == model.stage { name.to_uppercase() } else { name.to_owned() };
    let (shown, total) = (model.cards.columns[index(stage)].len(), model.cards.totals[index(stage)]);
    let count = if shown == total { total.to_string() } else { format!("{shown}/{total}") };
    format!("{name} {count}")
}

/// The head of a stage's column: `2 Current 5 · 2 need you`.
pub(super) fn stage_title(model: &Model, stage: Stage, numbered: bool) -> String {
    let mut title = stage_count(model, stage);
    // Where the line of stages has the numbers, the room is for what needs a person.
    if numbered {
        title = format!("{} {title}", index(stage) + 1);
    }
    let needs = |story: &&StoryView| stage_of(story) == stage && needs_person(story.state);
    let needing = model.stories().iter().filter(needs).count();
    if needing > 0 && stage != Stage::Archived { format!("{title} · {needing} need you") } else { title }
}

/// Where each stage stands in the line of stages.
fn tab_places(model: &Model) -> Vec<(Stage, u16, String)> {
    let mut x = 2;
    let place = |stage| {
        let title = format!("{} {}", index(stage) + 1, stage_count(model, stage));
        let at = x;
        x += cells(width(&title)) + 3;
        (stage, at, title)
    };
    Stage::ALL.into_iter().map(place).collect()
}

fn tabs(model: &Model, areas: &Areas, buffer: &mut Buffer) {
    let y = areas.tabs.y;
    for (stage, x, title) in tab_places(model) {
        let room = areas.tabs.right().saturating_sub(x);
        let style = if stage == model.stage { model.look.title() } else { Style::new() };
        let end = put(buffer, (x, y), room, &title, style);
        if stage == model.stage {
            put(buffer, (x - 1, y), 1, "[", style);
            put(buffer, (end, y), 1, "]", style);
        }
    }
}

/// The stage of the line of stages at that column.
pub(in crate::tui) fn tab_at(model: &Model, x: u16) -> Option<Stage> {
    let hit = |(_, from, title): &&(Stage, u16, String)| (*from..from + cells(width(title))).contains(&x);
    tab_places(model).iter().find(hit).map(|(stage, ..)| *stage)
}
