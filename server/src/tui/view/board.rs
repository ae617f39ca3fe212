//! The columns and their cards.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use storkit_core::snapshot::{State, StoryView};
use storkit_core::stage::Stage;

use super::super::areas::Areas;
use super::super::cards::CARD_ROWS;
use super::super::host::Figures;
use super::super::look::{needs_person, sign, word};
use super::super::model::{Model, index, is_archived, short};
use super::head::stage_title;
use super::ink::{cells, heading, level, put, put_right, set, upright};
use super::{detail, ink};
use crate::sys::text::{age, count, width};

/// Draws the box, the columns, and the detail below them.
pub(super) fn draw(model: &Model, areas: &Areas, buffer: &mut Buffer) {
    let lines = model.look.lines();
    ink::frame(buffer, areas.board, "", (lines, lines));
    let Some((_, first)) = areas.columns.first() else { return };
    let (top, bottom) = (areas.board.y, first.bottom());
    let has_detail = areas.detail.height > 0;
    if has_detail {
        level(buffer, bottom, areas.board.x + 1, areas.board.right() - 1, lines);
        set(buffer, (areas.board.x, bottom), "├", lines);
        set(buffer, (areas.board.right() - 1, bottom), "┤", lines);
    }
    for (n, (stage, area)) in areas.columns.iter().enumerate() {
        if n > 0 {
            let x = area.x - 1;
            upright(buffer, x, area.y, area.bottom(), lines);
            set(buffer, (x, top), "┬", lines);
            set(buffer, (x, bottom), "┴", lines);
        }
        let here = *stage == model.stage;
        let style = if here { model.look.title() } else { Style::new() };
        let title = stage_title(model, *stage, areas.tabs.height == 0);
        heading(buffer, (area.x, top), area.width, &title, style);
        column(model, areas, *stage, *area, buffer);
    }
    if has_detail {
        detail::draw(model, areas, bottom, buffer);
    }
    if let Some((_, area)) = model
        .drag
        .as_ref()
        .and_then(|drag| drag.to)
        .and_then(|to| areas.columns.iter().find(|(stage, _)| *stage == to))
    {
        buffer.set_style(Rect { y: top, height: 1, ..*area }, model.look.selected());
    }
}

fn column(model: &Model, areas: &Areas, stage: Stage, area: Rect, buffer: &mut Buffer) {
    let cards = &model.cards.columns[index(stage)];
    if cards.is_empty() {
        return empty(model, stage, area, buffer);
    }
    let cursor = &model.cursors[index(stage)];
    let fits = areas.fits(cards.len());
    let stories = model.stories();
    let shown = cards.iter().skip(cursor.top).take(fits).enumerate();
    for (n, at) in shown {
        let y = area.y + cells(n) * CARD_ROWS;
        let selected = stage == model.stage && cursor.top + n == cursor.row;
        card(model, &stories[*at], selected, Rect { y, height: CARD_ROWS, ..area }, buffer);
    }
    if cards.len() > fits {
        let above = cursor.top;
        let below = cards.len().saturating_sub(cursor.top + fits);
        let mut text = match (above, below) {
            (0, below) => format!("↓ {below} more"),
            (above, 0) => format!("↑ {above} above"),
            (above, below) => format!("↑ {above} above  ↓ {below} more"),
        };
        let hidden = cards.iter().skip(cursor.top + fits).map(|at| &stories[*at]);
        if let Some(story) = hidden.into_iter().find(|story| needs_person(story.state) && !is_archived(story))
        {
            text = format!("{text} · {} {} below", sign(story.state, false), short(story));
        }
        put(buffer, (area.x + 1, area.bottom() - 1), area.width - 1, &text, model.look.faint());
    }
}

/// An empty column says so; an empty board says what to do.
fn empty(model: &Model, stage: Stage, area: Rect, buffer: &mut Buffer) {
    if stage != Stage::Backlog || model.seen.is_none() || area.height < 4 {
        return;
    }
    let lines: &[&str] = if !model.filter.is_empty() && !model.stories().is_empty() {
        &["Nothing fits the filter", "here. Esc clears it."]
    } else if model.stories().is_empty() {
        &["No stories.", "Press c, or save a .md", "file in 1_backlog/."]
    } else {
        &[]
    };
    for (n, line) in lines.iter().enumerate() {
        put(buffer, (area.x + 1, area.y + cells(n)), area.width - 2, line, model.look.faint());
    }
}

fn card(model: &Model, story: &StoryView, selected: bool, area: Rect, buffer: &mut Buffer) {
    let look = model.look;
    let archived = is_archived(story);
    let (x, y, room) = (area.x + 1, area.y, area.width.saturating_sub(2));
    if selected {
        buffer.set_style(area, look.card());
        let mark = if look.has_color() { "▌" } else { ">" };
        for row in 0..CARD_ROWS {
            set(buffer, (area.x, y + row), mark, look.title());
        }
    }
    let age = story.since.as_deref().map(|since| age(since, model.now)).unwrap_or_default();
    let right = put_right(buffer, (area.right() - 1, y), room, &age, look.faint());
    let end = right.saturating_sub(1);
    let at = put(buffer, (x, y), end.saturating_sub(x), &short(story), look.title());
    let figures = figures(model, story);
    let mut state = format!("{} {}", sign(story.state, archived), word(story.state, archived));
    if let Some((gate, of)) = figures.gates {
        state = format!("{state} {gate}/{of}");
    }
    let at = put(buffer, (at + 1, y), end.saturating_sub(at + 1), &state, look.state(story.state));
    if let Some(agent) =
        story.agent.as_deref().filter(|agent| works(story) && at + 2 + cells(width(agent)) <= end)
    {
        put(buffer, (at + 2, y), end - at - 2, agent, look.faint());
    }
    let title = if selected { look.title() } else { Style::new() };
    put(buffer, (x, y + 1), room, &story.name, title);
    put(buffer, (x, y + 2), room, &reason(model, story), look.faint());
}

fn figures(model: &Model, story: &StoryView) -> Figures {
    model.seen.as_ref().and_then(|seen| seen.figures.get(&story.id)).copied().unwrap_or_default()
}

fn works(story: &StoryView) -> bool {
    matches!(
        story.state,
        State::Preparing | State::Running | State::Gating | State::Merging | State::Question
    )
}

/// The third line: why it stands, or what it is.
fn reason(model: &Model, story: &StoryView) -> String {
    if let (State::Review, Some((added, removed, files))) = (story.state, figures(model, story).diff) {
        return format!("+{added} -{removed} in {}", count(files, "file"));
    }
    if let Some(reason) = &story.reason {
        return reason.clone();
    }
    let mut words = Vec::new();
    if works(story) {
        words.extend(story.agent.clone());
        if story.attempt > 1 {
            words.push(detail::tries(model, story));
        }
        words.extend(story.cost_usd.map(|usd| format!("${usd:.2}")));
    } else if story.state == State::Idle {
        words.push(format!("P{}", story.priority));
        if story.kind != "story" {
            words.push(story.kind.clone());
        }
        words.extend(story.labels.iter().cloned());
    } else {
        words.extend(story.cost_usd.map(|usd| format!("${usd:.2}")));
        words.extend(story.labels.iter().cloned());
    }
    words.join(" · ")
}
