//! A story's page: its head, its tabs, and what the open tab shows.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use storkit_core::snapshot::StoryView;

use super::super::areas::Areas;
use super::super::look::{Look, sign, word};
use super::super::model::{Model, is_archived, short};
use super::super::page::{Loaded, Page, Tab};
use super::ink::{cells, frame, mark, put, put_right};
use super::{detail, review};
use crate::sys::text::{age, clean, clean_lines, span, width, wrap};

/// Draws the page.
pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let Some(page) = &model.page else { return };
    let Some(story) = model.story(&page.id) else { return };
    let look = model.look;
    frame(buffer, area, "", (look.lines(), look.lines()));
    let inner = inside(area);
    let archived = is_archived(story);
    let state = format!("{} {}", sign(story.state, archived), word(story.state, archived));
    let age = story.since.as_deref().map(|since| age(since, model.now)).unwrap_or_default();
    let y = inner.y;
    let right = put_right(buffer, (inner.right(), y), 8, &age, look.faint()).saturating_sub(2);
    let right = put_right(buffer, (right, y), 14, &state, look.state(story.state)).saturating_sub(2);
    let title = format!("{} {}", short(story), clean(&story.name));
    put(buffer, (inner.x, y), right.saturating_sub(inner.x), &title, look.title());
    for (tab, x, text) in tabs(model, page, inner) {
        let style = if tab == page.tab { look.title() } else { Style::new() };
        put(buffer, (x, y + 1), inner.right().saturating_sub(x), &text, style);
    }
    let body = Rect { y: y + 2, height: inner.height.saturating_sub(2), ..inner };
    match page.tab {
        Tab::Live if !page.reads => live(model, story, body, buffer),
        Tab::Diff => review::draw(model, page, body, buffer),
        Tab::Story | Tab::Runs | Tab::Live | Tab::History => lines(model, page, body, buffer),
    }
}

fn inside(area: Rect) -> Rect {
    Rect::new(area.x + 2, area.y + 1, area.width.saturating_sub(4), area.height.saturating_sub(2))
}

/// The tabs and where each begins.
fn tabs(model: &Model, page: &Page, inner: Rect) -> Vec<(Tab, u16, String)> {
    let mut x = inner.x;
    let place = |tab: Tab| {
        let mut word = if tab == page.tab { tab.word().to_uppercase() } else { tab.word().to_owned() };
        match (tab, &page.review) {
            (Tab::Diff, Loaded::Here(review)) if !review.diff.files.is_empty() => {
                word = format!("{word} {}/{} viewed", review.viewed.len(), review.diff.files.len());
            }
            (Tab::Runs, _) => {
                let runs = model.detail.file.as_ref().map_or(0, |file| file.runs.len());
                word = format!("{word} {runs}");
            }
            _ => {}
        }
        let text = format!("[{word}]");
        let at = x;
        x += cells(width(&text)) + 1;
        (tab, at, text)
    };
    Tab::ALL.into_iter().map(place).collect()
}

/// The tab at that place of the screen.
pub(in crate::tui) fn row_at(model: &Model, x: u16, y: u16) -> Option<Tab> {
    let page = model.page.as_ref()?;
    let inner = inside(Areas::of(model).page);
    let hit = |(_, from, text): &&(Tab, u16, String)| (*from..from + cells(width(text))).contains(&x);
    if y != inner.y + 1 {
        return None;
    }
    tabs(model, page, inner).iter().find(hit).map(|(tab, ..)| *tab)
}

type Styled = (String, Style);

/// The lines of an open tab that is text.
pub(in crate::tui) enum Body<'m> {
    /// Lines with a style each.
    Styled(Vec<Styled>),
    /// Lines of a text that was read.
    Plain(&'m [String]),
}

impl Body<'_> {
    /// How many there are.
    pub(in crate::tui) fn len(&self) -> usize {
        match self {
            Self::Styled(lines) => lines.len(),
            Self::Plain(lines) => lines.len(),
        }
    }

    /// One of them.
    pub(in crate::tui) fn line(&self, at: usize) -> (&str, Style) {
        match self {
            Self::Styled(lines) => (&lines[at].0, lines[at].1),
            Self::Plain(lines) => (&lines[at], Style::new()),
        }
    }
}

/// What the open tab shows, where that is text; nothing where it is a diff or a terminal.
pub(in crate::tui) fn body(model: &Model) -> Body<'_> {
    let none = Body::Styled(Vec::new());
    let Some(page) = &model.page else { return none };
    let Some(story) = model.story(&page.id) else { return none };
    let look = model.look;
    match page.tab {
        Tab::Story => Body::Styled(text_lines(model, story, inside(Areas::of(model).page).width)),
        Tab::Runs => Body::Styled(run_lines(model, story)),
        Tab::Live if page.reads => loaded(look, &page.transcript, "Nothing was printed."),
        Tab::History => loaded(look, &page.history, "Nothing happened to it yet."),
        Tab::Live | Tab::Diff => none,
    }
}

/// Draws lines from `top` on, no further than that the last one is at the end.
fn lines(model: &Model, page: &Page, area: Rect, buffer: &mut Buffer) {
    let body = body(model);
    let top = page.top.min(body.len().saturating_sub(area.height.into()));
    for n in 0..usize::from(area.height).min(body.len() - top) {
        let (line, style) = body.line(top + n);
        let row = Rect { y: area.y + cells(n), height: 1, ..area };
        put(buffer, (row.x, row.y), row.width, line, style);
        if let Some(find) = &page.find {
            mark(buffer, row, &find.text, model.look.hit());
        }
    }
}

/// What keeps the story or what it asks, then its text.
fn text_lines(model: &Model, story: &StoryView, columns: u16) -> Vec<Styled> {
    let look = model.look;
    let mut lines = Vec::new();
    let columns = usize::from(columns);
    if let Some(said) = detail::question(model, story).or_else(|| story.reason.clone()) {
        for line in wrap(&clean(&said), columns) {
            lines.push((line, look.said(story.state)));
        }
        lines.push((String::new(), Style::new()));
    }
    let Some(file) = &model.detail.file else {
        lines.push(("reading…".to_owned(), look.faint()));
        return lines;
    };
    let text = clean_lines(&file.text);
    let mut is_front = false;
    for (n, line) in text.lines().enumerate() {
        let fence = line.trim_end() == "---" && (n == 0 || is_front);
        if fence {
            is_front = n == 0;
        }
        let style = if fence || is_front {
            look.faint()
        } else if line.starts_with('#') {
            Style::new().add_modifier(Modifier::BOLD)
        } else {
            Style::new()
        };
        let line = line.replace('\t', "    ");
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let mut wrapped = wrap(&line, columns.saturating_sub(indent.len()));
        if wrapped.is_empty() {
            wrapped.push(String::new());
        }
        lines.extend(wrapped.into_iter().map(|part| (format!("{indent}{part}"), style)));
    }
    if text.trim().is_empty() {
        lines.push(("This story has only a title. e edits it.".to_owned(), look.faint()));
    }
    lines
}

fn run_lines(model: &Model, story: &StoryView) -> Vec<Styled> {
    let look = model.look;
    let runs = model.detail.file.as_ref().map_or(&[][..], |file| &file.runs);
    let mut lines = Vec::new();
    for run in runs.iter().rev() {
        let now = model.now.to_string();
        let took = span(&run.started, run.ended.as_deref().unwrap_or(&now)).unwrap_or_default();
        let how = run.how.as_deref().unwrap_or("running");
        let line = format!(
            "run {} · {} · {} · try {} · {took} · {how}",
            run.number, run.stage, run.agent, run.attempt
        );
        let good = matches!(how, "done" | "finished" | "running");
        lines.push((clean(&line), if good { look.title() } else { look.bad() }));
        if let Some(summary) = &run.summary {
            lines
                .extend(clean_lines(summary).lines().take(6).map(|line| (format!("  {line}"), Style::new())));
        }
    }
    if lines.is_empty() {
        let why = story.reason.as_deref().unwrap_or("it was not started");
        lines.push((clean(&format!("No run yet: {why}.")), look.faint()));
    }
    lines
}

fn live(model: &Model, story: &StoryView, area: Rect, buffer: &mut Buffer) {
    let look = model.look;
    let head = Rect { height: 1, ..area };
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let said = match model.live.as_ref().filter(|live| story.run.as_ref() == Some(&live.run)) {
        None => "Nothing runs for it now.".to_owned(),
        Some(live) => {
            detail::terminal(model, live, body, buffer);
            match (&live.trouble, live.over, live.screen.follows()) {
                (Some(trouble), ..) => trouble.clone(),
                (None, true, _) => "over".to_owned(),
                (None, false, true) => "following".to_owned(),
                (None, false, false) => "scrolled back: f follows".to_owned(),
            }
        }
    };
    put(buffer, (head.x, head.y), head.width, &said, look.faint());
}

fn loaded<'m>(look: Look, what: &'m Loaded<Vec<String>>, nothing: &str) -> Body<'m> {
    match what {
        Loaded::Not | Loaded::Coming => Body::Styled(vec![("reading…".to_owned(), look.faint())]),
        Loaded::Failed(why) => Body::Styled(vec![(why.clone(), look.alert())]),
        Loaded::Here(lines) if lines.iter().all(|line| line.trim().is_empty()) => {
            Body::Styled(vec![(nothing.to_owned(), look.faint())])
        }
        Loaded::Here(lines) => Body::Plain(lines),
    }
}
