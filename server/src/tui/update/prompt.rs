//! Lines that are typed: what a key does to them, and what happens when they are done.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use storkit_core::request::Request;

use super::super::model::{Effect, Model, Over, Purpose, Undo};
use super::super::page::Loaded;
use super::acts;

/// Commands that need the terminal for themselves, or go on until they are ended.
const IN_TERMINAL: &[&str] = &["attach", "edit", "replay", "demo", "init", "man"];

/// Takes a key while a line is typed.
pub(super) fn press(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Some(prompt) = &mut model.prompt else { return Vec::new() };
    let leaves = key.code == KeyCode::Esc
        || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL));
    if leaves {
        if prompt.purpose == Purpose::Filter {
            model.filter.clear();
            model.sort();
        }
        model.prompt = None;
        return Vec::new();
    }
    if key.code == KeyCode::Enter && !key.modifiers.contains(KeyModifiers::ALT) {
        return done(model);
    }
    if prompt.line.key(key) {
        typed(model);
    } else if prompt.purpose == Purpose::Filter {
        // What is found can be walked while the filter is open.
        match key.code {
            KeyCode::Up => model.step(-1),
            KeyCode::Down => model.step(1),
            _ => {}
        }
    }
    Vec::new()
}

/// Takes pasted text.
pub(super) fn paste(model: &mut Model, text: &str) {
    match (&mut model.prompt, &mut model.over) {
        (Some(prompt), _) => {
            prompt.line.insert(text);
            typed(model);
        }
        (None, Some(Over::Help(help))) => help.line.insert(text),
        // Text that is pasted elsewhere is not a row of commands.
        _ => {}
    }
}

/// A filter is in force while it is typed.
fn typed(model: &mut Model) {
    if let Some(prompt) = &model.prompt
        && prompt.purpose == Purpose::Filter
    {
        prompt.line.text().clone_into(&mut model.filter);
        model.sort();
        // Where the column shows nothing, the first that does is gone to.
        let column = super::super::model::index(model.stage);
        if model.cards.columns[column].is_empty()
            && let Some(first) = model.cards.columns.iter().position(|column| !column.is_empty())
        {
            model.stage = storkit_core::stage::Stage::ALL[first];
        }
    }
}

fn done(model: &mut Model) -> Vec<Effect> {
    let Some(prompt) = model.prompt.take() else { return Vec::new() };
    let text = prompt.line.text().trim().to_owned();
    if text.is_empty() && !matches!(prompt.purpose, Purpose::Filter | Purpose::Find | Purpose::Hold(_)) {
        return Vec::new();
    }
    match prompt.purpose {
        Purpose::Filter => {
            model.filter = text;
            model.sort();
            Vec::new()
        }
        Purpose::Find => {
            super::find::search(model, &text);
            Vec::new()
        }
        Purpose::Command => command(model, &text),
        Purpose::Create => {
            model.asked = Some(Undo::Never("A new story stays; m 6 puts it away."));
            model.say("Writing…");
            vec![Effect::Create(text)]
        }
        Purpose::Answer(story) => acts::ask(model, Request::Answer { story, text }),
        Purpose::Reject(story) => acts::ask(model, Request::Reject { story, text }),
        Purpose::Hold(story) => {
            acts::ask(model, Request::Hold { story, why: Some(text).filter(|text| !text.is_empty()) })
        }
        Purpose::Comment(row) => {
            if let Some(Loaded::Here(review)) = model.page.as_mut().map(|page| &mut page.review) {
                review.comments.retain(|(at, _)| *at != row);
                review.comments.push((row, text));
                review.comments.sort_unstable();
                let count = review.comments.len();
                model.say(format!(
                    "{}. R sends back with all of them.",
                    crate::sys::text::count(count, "comment")
                ));
            }
            Vec::new()
        }
    }
}

fn command(model: &mut Model, text: &str) -> Vec<Effect> {
    let mut words = split(text);
    if words.first().is_some_and(|first| first == "storkit") {
        words.remove(0);
    }
    let Some(first) = words.first().cloned() else { return Vec::new() };
    match first.as_str() {
        "q" | "quit" => vec![Effect::Quit],
        "board" => {
            model.say("This is the board.");
            Vec::new()
        }
        "up" if !words.iter().any(|word| word == "--detach" || word == "--help") => {
            words.push("--detach".to_owned());
            vec![Effect::Command(words)]
        }
        first if IN_TERMINAL.contains(&first) => vec![Effect::InTerminal(words)],
        "new" if words.iter().any(|word| word == "--edit") => vec![Effect::InTerminal(words)],
        "logs" if words.iter().any(|word| word == "-f" || word == "--follow") => {
            vec![Effect::InTerminal(words)]
        }
        _ => {
            model.say("Running…");
            vec![Effect::Command(words)]
        }
    }
}

/// Splits words at blanks, as a shell does where nothing but quotes is special.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_in_a_shell() {
        assert_eq!(
            split(r#"reject 42 -m "it's not  done" ''"#),
            ["reject", "42", "-m", "it's not  done", ""]
        );
        assert_eq!(split("  move 42 qa "), ["move", "42", "qa"]);
        assert!(split("").is_empty());
    }
}
