//! What a message changes, and what is to be done for it. Pure: the world is changed by effects alone.

mod acts;
mod find;
mod menu;
mod mouse;
mod over;
mod prompt;
mod results;
mod walk;

pub(super) use menu::items;
pub(super) use over::found;

use ratatui::crossterm::event::{Event, KeyEvent, KeyEventKind};

use storkit_core::snapshot::{State, StoryView};

use super::areas::Areas;
use super::keys::{self, Action};
use super::look::Colors;
use super::model::{Effect, Live, Model, Msg, Over, Prefix, is_live};
use super::page::Tab;
use super::screen::Screen;
use super::view::question;

/// Takes a message.
pub(super) fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let mut effects = match msg {
        Msg::Input(event) => input(model, event),
        Msg::Tick(now) => {
            model.now = now;
            // The state may be known before the words are in the file, and of those nobody tells.
            let asks = |story: &StoryView| story.state == State::Question;
            let is_unread =
                model.subject().is_some_and(|story| asks(story) && question(model, story).is_none());
            model.detail.stale |= is_unread;
            Vec::new()
        }
        Msg::Ground(ground) => {
            // Who has waited too long for the answer does not change its colours any more.
            if model.look.colors == Colors::Deep(None) {
                model.look.colors = Colors::Deep(Some(ground));
            }
            Vec::new()
        }
        other => results::take(model, other),
    };
    settle(model, &mut effects);
    effects
}

fn input(model: &mut Model, event: Event) -> Vec<Effect> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => press(model, key),
        Event::Mouse(mouse) => mouse::take(model, mouse),
        Event::Resize(columns, rows) => {
            model.size = (columns, rows);
            vec![Effect::Redraw]
        }
        Event::Paste(text) => {
            prompt::paste(model, &text);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn press(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if model.prompt.is_some() {
        return prompt::press(model, key);
    }
    if let Some(prefix) = model.prefix.take() {
        return acts::second(model, prefix, key);
    }
    match &model.over {
        Some(Over::Help(_)) => return over::help(model, key),
        Some(Over::Menu(_)) => {
            if let Some(effects) = menu::press(model, key) {
                return effects;
            }
        }
        Some(Over::Sheet(_)) => {
            if let Some(effects) = over::sheet(model, key) {
                return effects;
            }
        }
        None => {}
    }
    match keys::action(keys::scene(model), key) {
        Some(action) => act(model, action),
        None => Vec::new(),
    }
}

/// Does what a key, a click or the help's list asks for.
fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if !matches!(action, Action::Undo | Action::Redraw | Action::Suspend) {
        model.message = super::model::Message::default();
    }
    match action {
        Action::Prefix(prefix) => {
            model.prefix = Some(prefix);
            model.say(prefix_words(prefix));
            Vec::new()
        }
        Action::Help => {
            model.over = Some(Over::Help(super::model::Help::default()));
            Vec::new()
        }
        Action::Mouse => {
            model.mouse = !model.mouse;
            model.say(if model.mouse { "mouse on" } else { "mouse off: the terminal selects text" });
            vec![Effect::Mouse(model.mouse)]
        }
        Action::Redraw => vec![Effect::Redraw],
        Action::Suspend => vec![Effect::Suspend],
        action if walk::walks(action) => walk::go(model, action),
        action => acts::act(model, action),
    }
}

const fn prefix_words(prefix: Prefix) -> &'static str {
    match prefix {
        Prefix::Go => "go to: g top  b board  a agents  q queue  u usage  p problems",
        Prefix::Move => "move to: 1 backlog  2 current  3 qa  4 merge  5 done  6 archived",
        Prefix::Priority => "priority: 1 the most urgent  2  3 as usual  4  5 the least",
        Prefix::Copy => "copy: i id  b branch  p path  c command",
    }
}

/// After every message: cursors in their windows, and what is looked at is read and watched.
fn settle(model: &mut Model, effects: &mut Vec<Effect>) {
    let areas = Areas::of(model);
    let lengths: Vec<usize> = model.cards.columns.iter().map(Vec::len).collect();
    model.scroll(|column| areas.fits(lengths[column]));
    // The file of the story that is looked at.
    let subject = model.subject().cloned();
    let stale = std::mem::take(&mut model.detail.stale);
    let asked = model.detail.of.as_ref();
    if stale || subject.as_ref() != asked {
        let same = subject.as_ref().map(|story| &story.id) == asked.map(|story| &story.id);
        if !same {
            model.detail.file = None;
        }
        if let Some(story) = &subject {
            effects.push(Effect::File(story.id.clone()));
        }
        model.detail.of.clone_from(&subject);
    }
    // The terminal of its run.
    let looks = areas.live.height > 0 || model.page.as_ref().is_some_and(|page| page.tab == Tab::Live);
    let run = subject.filter(|story| looks && is_live(story)).and_then(|story| story.run);
    let watched = model.live.as_ref().map(|live| live.run.clone());
    if let Some(run) = run.filter(|run| watched.as_ref() != Some(run)) {
        let screen = Screen::new();
        model.live = Some(Live { run: run.clone(), screen, over: false, trouble: None });
        effects.push(Effect::Watch(Some(run)));
    } else if watched.is_some() && !looks {
        model.live = None;
        effects.push(Effect::Watch(None));
    }
}
