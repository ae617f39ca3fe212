//! What comes back from the world: the board, what was read, what was done, what terminals show.

use storkit_core::snapshot::Why;

use super::super::diff::Diff;
use super::super::host::{Answer, Seen, StoryFile, Trouble};
use super::super::model::{Effect, Message, Model, Msg, Over, Part, Sheet, Undo};
use super::super::page::{Loaded, Review, bounded};
use crate::http::{Shown, WatchEnd};
use crate::sys::text::{clean, clean_lines};

/// Lines of a command's output that are shown over the board rather than in the message line.
const LINES_IN_MESSAGE: usize = 1;

/// Takes a result.
pub(super) fn take(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Board(seen) => board(model, *seen),
        Msg::Acted(answer) => acted(model, answer),
        Msg::Loaded(part, id, answer) => loaded(model, part, &id, answer),
        Msg::File(id, answer) => file(model, &id, answer),
        Msg::Why(answer) => why(model, answer),
        Msg::Printed(title, answer) => printed(model, title, answer),
        Msg::Shown(run, shown) => terminal(model, &run, shown),
        Msg::Watched(run, end) => watched(model, &run, end),
        Msg::Input(_) | Msg::Tick(_) | Msg::Ground(_) => {}
    }
    Vec::new()
}

fn board(model: &mut Model, answer: Answer<Seen>) {
    match answer {
        Ok(seen) => {
            model.seen = Some(seen);
            model.trouble = None;
            model.seen_at = Some(model.now);
            model.detail.stale = true;
            model.sort();
            if model.page.as_ref().is_some_and(|page| model.story(&page.id).is_none()) {
                model.page = None;
                model.fail("That story is gone.");
            }
        }
        Err(trouble) => model.trouble = Some(words(&trouble)),
    }
}

fn acted(model: &mut Model, answer: Answer<String>) {
    if let Some(Loaded::Here(review)) = model.page.as_mut().map(|page| &mut page.review)
        && std::mem::take(&mut review.sending)
        && answer.is_ok()
    {
        review.comments.clear();
    }
    match answer {
        Ok(said) => {
            if let Some(undo) = model.asked.take() {
                model.undo = Some(undo);
            } else if !said.is_empty() {
                // What was taken back is not taken back once more.
                model.undo = None;
            }
            let undo = model.undo.as_ref().is_some_and(|undo| !matches!(undo, Undo::Never(_)));
            model.message = Message { text: clean(&said), bad: false, undo };
            // What was shown may no longer be so.
            if let Some(page) = &mut model.page
                && page.review != Loaded::Coming
                && page.tab != super::super::page::Tab::Diff
            {
                page.review = Loaded::Not;
            }
        }
        Err(trouble) => {
            (model.follow, model.asked) = (None, None);
            model.fail(words(&trouble));
        }
    }
}

fn loaded(model: &mut Model, part: Part, id: &str, answer: Answer<String>) {
    let Some(page) = model.page.as_mut().filter(|page| page.id == id) else { return };
    match part {
        Part::Diff => {
            let review = |text: String| Review { diff: Diff::parse(&text), ..Review::default() };
            page.review = read(answer, review);
        }
        Part::History => page.history = read(answer, |text| bounded(&text)),
        Part::Transcript => page.transcript = read(answer, |text| bounded(&text)),
    }
    super::find::again(model);
}

fn read<T>(answer: Answer<String>, take: impl FnOnce(String) -> T) -> Loaded<T> {
    match answer {
        Ok(text) => Loaded::Here(take(text)),
        Err(trouble) => Loaded::Failed(words(&trouble)),
    }
}

fn file(model: &mut Model, id: &str, answer: Answer<StoryFile>) {
    if model.detail.of.as_ref().is_some_and(|story| story.id == id) {
        model.detail.file = answer.ok();
    }
}

fn why(model: &mut Model, answer: Answer<Why>) {
    let why = match answer {
        Ok(why) => why,
        Err(trouble) => return model.fail(words(&trouble)),
    };
    let mut lines = Vec::new();
    for condition in &why.conditions {
        lines.push(format!("- {}", clean(&condition.detail)));
        if let Some(path) = &condition.path {
            let line = condition.line.map(|line| format!(":{line}")).unwrap_or_default();
            lines.push(format!("  {}{line}", clean(path)));
        }
        lines.extend(condition.hint.as_deref().map(|hint| format!("  → {}", clean(hint))));
    }
    if lines.is_empty() {
        lines.push("Nothing keeps it.".to_owned());
    }
    let title = format!("Why {}", clean(&why.id));
    model.over = Some(Over::Sheet(Sheet { title, lines, top: 0 }));
}

fn printed(model: &mut Model, title: String, answer: Answer<String>) {
    let text = match answer {
        Ok(text) => clean_lines(&text),
        Err(trouble) => return model.fail(words(&trouble)),
    };
    let lines = bounded(&text);
    if lines.len() <= LINES_IN_MESSAGE {
        return model.say(lines.first().cloned().unwrap_or_else(|| "Done.".to_owned()));
    }
    model.say("");
    model.over = Some(Over::Sheet(Sheet { title, lines, top: 0 }));
}

fn terminal(model: &mut Model, run: &str, shown: Shown) {
    let Some(live) = model.live.as_mut().filter(|live| live.run == run) else { return };
    match shown {
        Shown::Out(text) => live.screen.feed(&text),
        Shown::Size(columns, rows) => live.screen.resize(columns, rows),
        Shown::Over => live.over = true,
        Shown::Writer(_) => {}
    }
}

fn watched(model: &mut Model, run: &str, end: Answer<WatchEnd>) {
    let Some(live) = model.live.as_mut().filter(|live| live.run == run) else { return };
    live.over = true;
    live.trouble = match end {
        Ok(_) => None,
        Err(trouble) => Some(words(&trouble)),
    };
}

/// What is wrong, and the way out, in one clean line.
fn words(trouble: &Trouble) -> String {
    match &trouble.hint {
        Some(hint) => clean(&format!("{}; {hint}", trouble.said)),
        None => clean(&trouble.said),
    }
}
