//! Searching a page: its diff, its log, its text. Hits are lines; the case of letters does not matter.

use super::super::model::{Effect, Model, Purpose};
use super::super::page::{Find, Loaded, Page, Tab};
use super::super::view;
use super::acts;

/// Begins to type what is searched for. A terminal is not searched: what was printed is.
pub(super) fn begin(model: &mut Model) -> Vec<Effect> {
    let Some(page) = &mut model.page else { return Vec::new() };
    let mut effects = Vec::new();
    if page.tab == Tab::Live && !page.reads {
        page.reads = true;
        effects = acts::open_tab(model, Tab::Live);
    }
    acts::type_line(model, Purpose::Find, "");
    effects
}

/// Searches for a text from what is shown on; an empty one ends the search.
pub(super) fn search(model: &mut Model, text: &str) {
    let Some(page) = &mut model.page else { return };
    page.find = None;
    if text.is_empty() {
        return;
    }
    let find = Find { text: text.to_lowercase(), line: here(page) };
    if is_coming(page) {
        page.find = Some(find);
        return model.say("Reading…");
    }
    let hits = hits(model, &find.text);
    if hits.is_empty() {
        let text = find.text;
        return model.fail(format!("{text}: nowhere on this page"));
    }
    let first = hits.iter().position(|line| *line >= find.line).unwrap_or(0);
    if let Some(page) = &mut model.page {
        page.find = Some(find);
    }
    go(model, &hits, first);
}

/// Goes to the next hit or the one before; false where nothing is searched for.
pub(super) fn walk(model: &mut Model, forward: bool) -> bool {
    let Some(find) = model.page.as_ref().and_then(|page| page.find.clone()) else { return false };
    let hits = hits(model, &find.text);
    if hits.is_empty() {
        model.fail(format!("{}: no longer on this page", find.text));
        return true;
    }
    let next = if forward {
        hits.iter().position(|line| *line > find.line).unwrap_or(0)
    } else {
        hits.iter().rposition(|line| *line < find.line).unwrap_or(hits.len() - 1)
    };
    go(model, &hits, next);
    true
}

/// What was read meanwhile is searched for what was asked for before it came.
pub(super) fn again(model: &mut Model) {
    if let Some(find) = model.page.as_ref().and_then(|page| page.find.clone()) {
        search(model, &find.text);
    }
}

/// Whether the open tab is still being read.
fn is_coming(page: &Page) -> bool {
    match page.tab {
        Tab::Diff => page.review == Loaded::Coming,
        Tab::Live => page.transcript == Loaded::Coming,
        Tab::History => page.history == Loaded::Coming,
        Tab::Story | Tab::Runs => false,
    }
}

/// The line where the reader is.
fn here(page: &Page) -> usize {
    match (&page.review, page.tab) {
        (Loaded::Here(review), Tab::Diff) => review.row,
        // A log is read from its end.
        _ if page.top == usize::MAX => 0,
        _ => page.top,
    }
}

/// The lines that hold the text.
fn hits(model: &Model, text: &str) -> Vec<usize> {
    let Some(page) = &model.page else { return Vec::new() };
    let holds = |line: &str| line.to_lowercase().contains(text);
    match (&page.review, page.tab) {
        (Loaded::Here(review), Tab::Diff) => {
            let rows = review.diff.rows.iter().enumerate();
            rows.filter(|(_, row)| holds(&row.text)).map(|(at, _)| at).collect()
        }
        (_, Tab::Diff) => Vec::new(),
        _ => {
            let body = view::page_body(model);
            (0..body.len()).filter(|line| holds(body.line(*line).0)).collect()
        }
    }
}

fn go(model: &mut Model, hits: &[usize], at: usize) {
    let line = hits[at];
    let Some(page) = &mut model.page else { return };
    if let Some(find) = &mut page.find {
        find.line = line;
    }
    match (&mut page.review, page.tab) {
        (Loaded::Here(review), Tab::Diff) => review.row = line,
        // With some lines above it.
        _ => page.top = line.saturating_sub(3),
    }
    model.say(format!("hit {} of {}", at + 1, hits.len()));
}
