//! Talking to agents: answers, messages, one more prompt, and the context that all prompts share.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use clap::Subcommand;
use serde::Serialize;
use storkit_core::context as shared;
use storkit_core::message::Message;
use storkit_core::request::Request;

use super::ask::{self, Done};
use super::exit::{Exit, Failure, Outcome, io};
use super::style::{self, paint};
use super::text::{clean, clean_lines};
use super::{Context, offline, stories};
use crate::board::{ChangeError, Layout, change_context, read_context};

/// Most bytes that are read from standard input; no text may be as long.
const INPUT_BYTES_MAX: u64 = 1024 * 1024;
/// What is said of an answer that no daemon hears yet.
const LATER: &str = "no daemon runs: it takes the answer after storkit up";

/// `storkit context`.
#[derive(Debug, Subcommand)]
pub(super) enum ContextCommand {
    /// Write an entry, in the place of the one of that name
    Set {
        /// Its name, which becomes its heading
        key: String,
        /// Its text; - reads standard input
        text: String,
    },
    /// Take an entry away
    Unset {
        /// Its name
        key: String,
    },
}

/// Runs `storkit answer`. Without a daemon the answer is written into the file.
pub(super) fn answer(context: &Context, story: String, message: &str) -> Outcome {
    let request = Request::Answer { story, text: said(message)? };
    ask::act(context, &request, || stories::by_files(context, request.clone(), Some(LATER)))
}

/// Runs `storkit send`.
pub(super) fn send(context: &Context, story: String, from: Option<String>, message: &str) -> Outcome {
    stories::needs_daemon(context, "send", &Request::Send { story, from, text: said(message)? })
}

/// Runs `storkit continue`.
pub(super) fn go_on(context: &Context, story: String, message: &str) -> Outcome {
    stories::needs_daemon(context, "continue", &Request::Continue { story, text: said(message)? })
}

/// The text of `-m`; `-` is standard input. An empty one is wrong usage.
fn said(message: &str) -> Result<String, Failure> {
    let mut text = message.to_owned();
    if message == "-" {
        text.clear();
        let input = std::io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut text);
        input.map_err(io("read", Path::new("standard input")))?;
    }
    if text.chars().all(|c| c.is_control() || c.is_whitespace()) {
        return Err(Failure::usage("the text is empty").hint("-m TEXT, or -m - for standard input"));
    }
    Ok(text)
}

/// Runs `storkit context`.
pub(super) fn context(context: &Context, story: Option<&str>, what: Option<ContextCommand>) -> Outcome {
    let layout = Layout::new(&context.project()?.root);
    match what {
        None => show(context, &layout, story),
        Some(ContextCommand::Set { key, text }) => {
            let text = said(&text)?;
            change_context(&layout, |old| shared::set(old, &key, &text).map(Some)).map_err(failure)?;
            tell(context, format!("{}: set in .storkit/context.md", key.trim()))
        }
        Some(ContextCommand::Unset { key }) => {
            let was = change_context(&layout, |old| Ok(shared::unset(old, &key))).map_err(failure)?;
            let said = if was { "taken out of" } else { "was not in" };
            tell(context, format!("{}: {said} .storkit/context.md", key.trim()))
        }
    }
}

fn failure(error: ChangeError) -> Failure {
    let said = error.to_string();
    match error {
        ChangeError::Context(shared::ContextError::Key | shared::ContextError::Empty) => Failure::usage(said),
        ChangeError::Context(_) | ChangeError::NotText => {
            Failure::new(said).hint("shorten .storkit/context.md in an editor")
        }
        ChangeError::Fs(_) => Failure::new(said),
    }
}

fn tell(context: &Context, message: String) -> Outcome {
    if context.out.json {
        context.out.json(&Done { id: None, message })?;
    } else {
        context.out.say(&clean(&message));
    }
    Ok(Exit::Done)
}

/// An entry of the shared context.
#[derive(Serialize)]
struct Entry<'a> {
    key: &'a str,
    text: &'a str,
}

/// What all prompts hold, and what waits for one story.
#[derive(Serialize)]
struct Shown<'a> {
    text: &'a str,
    entries: Vec<Entry<'a>>,
    messages: Vec<Waiting>,
}

/// A message that waits.
#[derive(Serialize)]
struct Waiting {
    from: Option<String>,
    at: String,
    text: String,
}

impl From<Message> for Waiting {
    fn from(message: Message) -> Self {
        let from = message.from.map(|story| story.to_string());
        Self { from, at: message.at.rfc3339(), text: message.text }
    }
}

fn show(context: &Context, layout: &Layout, story: Option<&str>) -> Outcome {
    let text = read_context(layout).map_err(|error| Failure::new(error.to_string()))?;
    let waiting = story.map(|story| offline::Offline::look(layout.root())?.waiting(story)).transpose()?;
    let messages: Vec<Waiting> = waiting.unwrap_or_default().into_iter().map(Waiting::from).collect();
    if context.out.json {
        let entries = shared::entries(&text).into_iter().map(|(key, text)| Entry { key, text }).collect();
        context.out.json(&Shown { text: &text, entries, messages })?;
        return Ok(Exit::Done);
    }
    let mut out = clean_lines(text.trim());
    if !out.is_empty() {
        out.push('\n');
    }
    for message in &messages {
        let from = message.from.as_deref().map_or("a person".to_owned(), clean);
        let head = paint(style::FAINT, &format!("message from {from}, {}", message.at));
        let _ = write!(out, "\n{head}\n{}\n", clean_lines(message.text.trim()));
    }
    if out.is_empty() {
        context.out.say("nothing is shared: storkit context set KEY TEXT");
    } else {
        context.out.data(&out)?;
    }
    Ok(Exit::Done)
}
