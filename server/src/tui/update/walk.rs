//! Walking: among cards and columns, lines of a page, hunks and files of a diff.

use storkit_core::stage::Stage;

use super::super::areas::Areas;
use super::super::diff::Kind;
use super::super::keys::Action;
use super::super::model::{Effect, Model, Over, index};
use super::super::page::{Loaded, Review, Tab};
use super::acts;

/// Whether an action only walks.
pub(super) const fn walks(action: Action) -> bool {
    matches!(
        action,
        Action::Left
            | Action::Right
            | Action::Up
            | Action::Down
            | Action::Top
            | Action::Bottom
            | Action::HalfUp
            | Action::HalfDown
            | Action::Stage(_)
            | Action::NextPane
            | Action::NextNeed
            | Action::LastNeed
            | Action::Back
            | Action::Hunk(_)
            | Action::File(_)
            | Action::Viewed
            | Action::Follow
            | Action::Transcript
    )
}

/// Walks.
pub(super) fn go(model: &mut Model, action: Action) -> Vec<Effect> {
    // Who walks is not carried along.
    model.follow = None;
    match action {
        Action::NextNeed | Action::LastNeed if super::find::walk(model, action == Action::NextNeed) => {}
        Action::NextNeed => next_need(model, true),
        Action::LastNeed => next_need(model, false),
        Action::Back => return back(model),
        _ if model.page.is_some() => return on_page(model, action),
        _ => on_board(model, action),
    }
    Vec::new()
}

fn back(model: &mut Model) -> Vec<Effect> {
    if model.over.take().is_some() {
        return Vec::new();
    }
    if model.page.as_mut().is_some_and(|page| page.find.take().is_some()) {
        return Vec::new();
    }
    if model.page.take().is_some() {
        return Vec::new();
    }
    if !model.filter.is_empty() {
        model.filter.clear();
        model.sort();
        return Vec::new();
    }
    vec![Effect::Quit]
}

fn next_need(model: &mut Model, forward: bool) {
    let needs: Vec<String> = model.needs().iter().map(|story| story.id.clone()).collect();
    if needs.is_empty() {
        return model.say("Nothing needs you.");
    }
    let here = model.subject().and_then(|story| needs.iter().position(|id| *id == story.id));
    let len = needs.len();
    let at = match (here, forward) {
        (None, _) => 0,
        (Some(at), true) => (at + 1) % len,
        (Some(at), false) => (at + len - 1) % len,
    };
    if !model.go_to(&needs[at]) {
        model.filter.clear();
        model.sort();
        model.go_to(&needs[at]);
    }
    if let Some(page) = &mut model.page {
        *page = super::super::page::Page::new(&needs[at], Tab::Story);
    }
}

fn on_board(model: &mut Model, action: Action) {
    let at = index(model.stage);
    let half = isize::try_from(Areas::of(model).fits(usize::MAX) / 2 + 1).unwrap_or(1);
    match action {
        Action::Left => model.stage = Stage::ALL[at.saturating_sub(1)],
        Action::Right => model.stage = Stage::ALL[(at + 1).min(5)],
        Action::NextPane => model.stage = Stage::ALL[(at + 1) % 6],
        Action::Stage(stage) => model.stage = Stage::ALL[stage.min(5)],
        Action::Up => model.step(-1),
        Action::Down => model.step(1),
        Action::HalfUp => model.step(-half),
        Action::HalfDown => model.step(half),
        Action::Top => model.step(isize::MIN),
        Action::Bottom => model.step(isize::MAX),
        _ => {}
    }
}

fn on_page(model: &mut Model, action: Action) -> Vec<Effect> {
    let height = isize::try_from(Areas::of(model).page.height).unwrap_or(20);
    let Some(page) = &mut model.page else { return Vec::new() };
    let at = Tab::ALL.iter().position(|tab| *tab == page.tab).unwrap_or(0);
    match action {
        Action::Left => return acts::open_tab(model, Tab::ALL[at.saturating_sub(1)]),
        Action::Right => return acts::open_tab(model, Tab::ALL[(at + 1).min(4)]),
        Action::NextPane => return acts::open_tab(model, Tab::ALL[(at + 1) % 5]),
        Action::Stage(tab) => return acts::open_tab(model, Tab::ALL[tab.min(4)]),
        Action::Transcript => {
            page.reads = !page.reads;
            (page.top, page.find) = (0, None);
            return acts::open_tab(model, Tab::Live);
        }
        _ => {}
    }
    let by = match action {
        Action::Up => -1,
        Action::Down => 1,
        Action::HalfUp => -height / 2,
        Action::HalfDown => height / 2,
        Action::Top => isize::MIN,
        Action::Bottom => isize::MAX,
        _ => 0,
    };
    match (&mut page.review, page.tab) {
        (Loaded::Here(review), Tab::Diff) => in_diff(review, action, by),
        (_, Tab::Live) if !page.reads => {
            if let Some(live) = &mut model.live {
                if action == Action::Follow {
                    live.screen.follow();
                } else {
                    live.screen.scroll(by.saturating_neg());
                }
            }
        }
        // How far it goes, the drawing knows; what is too much is cut there.
        _ if action == Action::Follow => page.top = usize::MAX,
        _ => page.top = page.top.saturating_add_signed(by),
    }
    Vec::new()
}

fn in_diff(review: &mut Review, action: Action, by: isize) {
    let last = review.diff.rows.len().saturating_sub(1);
    let step = |kind, forward| review.diff.step(review.row, kind, forward);
    match action {
        Action::Hunk(forward) => review.row = step(Kind::Hunk, forward).unwrap_or(review.row),
        Action::File(forward) => review.row = step(Kind::File, forward).unwrap_or(review.row),
        Action::Viewed => review.toggle_viewed(),
        _ => review.row = review.row.saturating_add_signed(by).min(last),
    }
}

/// Scrolls what lies over the board, or the page, or a column, by the mouse's wheel.
pub(super) fn wheel(model: &mut Model, by: isize) {
    if let Some(Over::Sheet(sheet)) = &mut model.over {
        sheet.top = sheet.top.saturating_add_signed(by * 3);
    } else if model.page.is_some() {
        for _ in 0..3 {
            on_page(model, if by < 0 { Action::Up } else { Action::Down });
        }
    } else {
        model.step(by);
    }
}
