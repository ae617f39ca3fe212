//! The mouse: a click selects, a second one opens, the wheel scrolls, a card is dragged to a column, the footer's
//! keys are buttons.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use storkit_core::stage::Stage;

use super::super::areas::Areas;
use super::super::cards::CARD_ROWS;
use super::super::model::{Drag, Effect, Menu, Model, Over, index, stage_of};
use super::super::page::Tab;
use super::super::view::{footer_at, menu_row_at, need_at, page_row_at, tab_at};
use super::{acts, walk};

/// Takes what the mouse did.
pub(super) fn take(model: &mut Model, mouse: MouseEvent) -> Vec<Effect> {
    let areas = Areas::of(model);
    let (x, y) = (mouse.column, mouse.row);
    match mouse.kind {
        MouseEventKind::ScrollUp => walk::wheel(model, -1),
        MouseEventKind::ScrollDown => walk::wheel(model, 1),
        MouseEventKind::Down(MouseButton::Left) => return click(model, &areas, x, y),
        MouseEventKind::Down(MouseButton::Right) if model.prompt.is_none() && select(model, &areas, x, y) => {
            model.page = None;
            model.over = Some(Over::Menu(Menu { at: (x, y), row: 0 }));
        }
        MouseEventKind::Drag(MouseButton::Left) => drag(model, &areas, x, y),
        MouseEventKind::Up(MouseButton::Left) => return drop_card(model),
        _ => {}
    }
    Vec::new()
}

fn click(model: &mut Model, areas: &Areas, x: u16, y: u16) -> Vec<Effect> {
    let at = Position { x, y };
    if areas.footer.contains(at) {
        return footer_at(model, x).map_or_else(Vec::new, |action| super::act(model, action));
    }
    if model.prompt.is_some() {
        return Vec::new();
    }
    if let Some(row) = menu_row_at(model, x, y) {
        return super::menu::run(model, row);
    }
    if model.over.take().is_some() {
        return Vec::new();
    }
    if let Some(id) = need_at(model, x, y) {
        model.page = None;
        model.filter.clear();
        model.sort();
        model.go_to(&id);
        return Vec::new();
    }
    if areas.tabs.contains(at) {
        if let Some(stage) = tab_at(model, x) {
            model.stage = stage;
        }
        return Vec::new();
    }
    if areas.page.contains(at) {
        return page_row_at(model, x, y).map_or_else(Vec::new, |tab| acts::open_tab(model, tab));
    }
    let before = model.selected().map(|story| story.id.clone());
    if select(model, areas, x, y) {
        let story = model.selected().map(|story| (story.id.clone(), stage_of(story)));
        if let Some((id, from)) = story {
            let again = before.as_ref() == Some(&id) && model.drag.is_none();
            model.drag = Some(Drag { id, from, to: None });
            if again && model.page.is_none() {
                model.drag = None;
                return acts::open_tab(model, Tab::Story);
            }
        }
    }
    Vec::new()
}

/// Puts the cursor on the card under the mouse; false where there is none.
fn select(model: &mut Model, areas: &Areas, x: u16, y: u16) -> bool {
    let Some((stage, area)) =
        areas.columns.iter().find(|(_, area)| area.contains(Position { x, y })).copied()
    else {
        return false;
    };
    let row = model.cursors[index(stage)].top + usize::from((y - area.y) / CARD_ROWS);
    let stories = model.stories();
    let id = model.cards.columns[index(stage)].get(row).map(|at| stories[*at].id.clone());
    model.stage = stage;
    id.is_some_and(|id| model.go_to(&id))
}

fn drag(model: &mut Model, areas: &Areas, x: u16, y: u16) {
    let Some(drag) = &mut model.drag else { return };
    drag.to = areas.stage_at(x, y).filter(|stage| *stage != drag.from);
    let said = drag.to.map(|to| (to, hint(to)));
    match said {
        Some((to, hint)) => model.say(format!("Drop in {to}: {hint}")),
        None => model.say("Drop on another column to move it."),
    }
}

/// What a drop will do.
const fn hint(to: Stage) -> &'static str {
    match to {
        Stage::Backlog => "ends what runs, keeps its worktree",
        Stage::Current => "starts when a coder is free",
        Stage::Qa => "is looked at, as its qa says",
        Stage::Merge => "skips review, lands after its gates",
        Stage::Done => "closes it",
        Stage::Archived => "puts it away",
    }
}

fn drop_card(model: &mut Model) -> Vec<Effect> {
    let Some(Drag { id, to: Some(to), .. }) = model.drag.take() else { return Vec::new() };
    let Some(story) = model.story(&id).cloned() else { return Vec::new() };
    acts::move_to(model, &story, to)
}
