//! The selected story below the columns: its question or reason, its facts, and where there is room its live output.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use storkit_core::snapshot::{State, StoryView};
use storkit_core::story_file::Doc;

use super::super::areas::Areas;
use super::super::look::{sign, word};
use super::super::model::{Live, Model, is_archived, is_live, short};
use super::ink::{cells, heading, put, set, tame, upright};
use crate::sys::text::{clean, wrap};

/// Draws the pane below the line at `line`.
pub(super) fn draw(model: &Model, areas: &Areas, line: u16, buffer: &mut Buffer) {
    let Some(story) = model.selected() else { return };
    heading(buffer, (areas.detail.x, line), areas.detail.width, &title(model, story), model.look.title());
    facts(model, story, areas.detail, buffer);
    if areas.live.height > 0 {
        let faint = model.look.lines();
        let x = areas.live.x - 1;
        upright(buffer, x, line + 1, areas.live.bottom(), faint);
        set(buffer, (x, line), "┬", faint);
        set(buffer, (x, areas.live.bottom()), "┴", faint);
        let room = areas.live.width;
        heading(buffer, (areas.live.x, line), room, &live_title(model, story), Style::new());
        live(model, story, areas.live, buffer);
    }
}

fn title(model: &Model, story: &StoryView) -> String {
    let mut parts = vec![format!("{} {}", short(story), clean(&story.name))];
    parts.extend(story.agent.clone());
    if story.attempt > 0 {
        parts.push(tries(model, story));
    }
    parts.extend(story.cost_usd.map(|usd| format!("${usd:.2}")));
    parts.join(" · ")
}

/// `try 2/3`: failures so far and one, of how many.
pub(super) fn tries(model: &Model, story: &StoryView) -> String {
    match model.seen.as_ref().map_or(0, |seen| seen.tries) {
        0 => format!("try {}", story.attempt),
        of => format!("try {}/{of}", story.attempt.min(of)),
    }
}

/// Draws a watched terminal.
pub(super) fn terminal(model: &Model, live: &Live, area: Rect, buffer: &mut Buffer) {
    live.screen.draw(model.look, area, buffer);
    tame(area, buffer);
    model.look.paint_pane(area, buffer);
}

/// The words of the story's open question.
pub(in crate::tui) fn question(model: &Model, story: &StoryView) -> Option<String> {
    if story.state != State::Question {
        return None;
    }
    let file = model.detail.file.as_ref()?;
    let doc = Doc::new(&file.text);
    Some(doc.question(doc.questions())?.text.to_owned()).filter(|text| !text.is_empty())
}

fn facts(model: &Model, story: &StoryView, area: Rect, buffer: &mut Buffer) {
    let look = model.look;
    let room = area.width.saturating_sub(2);
    let archived = is_archived(story);
    let mut y = area.y;
    let head = question(model, story).or_else(|| story.reason.clone());
    let state = look.state(story.state);
    let said = head.unwrap_or_else(|| word(story.state, archived).to_owned());
    let rows = if area.height > 4 { 4 } else { 2 };
    // No more of it is read than there is room for.
    let said: String = said.chars().take(usize::from(room) * 8).collect();
    for (n, line) in wrap(&clean(&said), usize::from(room) - 2).into_iter().take(rows).enumerate() {
        if n == 0 {
            put(buffer, (area.x + 1, y), 1, sign(story.state, archived), state);
        }
        put(buffer, (area.x + 3, y), room - 2, &line, Style::new());
        y += 1;
    }
    let last = model.detail.file.as_ref().and_then(|file| file.runs.last());
    let run = last.map(|run| {
        let how = run.how.as_deref().unwrap_or("at work");
        format!("{} by {}, {how}", run.number, run.agent)
    });
    let depends = (!story.depends_on.is_empty()).then(|| story.depends_on.join(", "));
    let facts = [
        ("branch", story.branch.clone()),
        ("run", run),
        ("depends", depends),
        ("labels", (!story.labels.is_empty()).then(|| story.labels.join(", "))),
        ("epic", story.epic.clone()),
        ("file", Some(story.path.clone())),
        ("summary", last.and_then(|run| run.summary.clone())),
    ];
    for (name, value) in facts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        if y >= area.bottom() {
            break;
        }
        put(buffer, (area.x + 1, y), 8, name, look.faint());
        put(buffer, (area.x + 10, y), room.saturating_sub(9), &value, Style::new());
        y += 1;
    }
}

fn live_title(model: &Model, story: &StoryView) -> String {
    match &model.live {
        Some(live) if story.run.as_ref() == Some(&live.run) => {
            if live.over {
                "Live · over".to_owned()
            } else {
                "Live · following".to_owned()
            }
        }
        _ => "Live".to_owned(),
    }
}

fn live(model: &Model, story: &StoryView, area: Rect, buffer: &mut Buffer) {
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    match &model.live {
        Some(live) if story.run.as_ref() == Some(&live.run) => terminal(model, live, inner, buffer),
        _ => {
            let text =
                if is_live(story) { "…" } else { "Nothing runs for it now. t shows what was printed." };
            for (n, line) in wrap(text, inner.width.into()).iter().enumerate() {
                put(buffer, (inner.x, inner.y + cells(n)), inner.width, line, model.look.faint());
            }
        }
    }
}
