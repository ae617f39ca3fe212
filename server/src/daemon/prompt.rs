//! The prompt of a run: its parts gathered from the project's files, and the result kept where people find it.

use std::path::{Path, PathBuf};

use storkit_core::config::{Agent, GateStage};
use storkit_core::context;
use storkit_core::effect::RunOrder;
use storkit_core::front_matter::lines::one_line;
use storkit_core::hints;
use storkit_core::memory::{Note, Warm};
use storkit_core::message::Message;
use storkit_core::prompt::{
    self, Answer, Epic, Failure, LandingFailure, MessagePart, PromptParts, StoryPart,
};
use storkit_core::sighting::FileKey;
use storkit_core::stage::Stage;
use storkit_core::story_file::{self, Doc};

use super::world::World;
use crate::board::read_context;
use crate::ledger::EventRow;
use crate::sys::fs::write_atomic;
use crate::sys::layout::Layout;

/// Most bytes of AGENT.md that are read.
const AGENT_MD_MAX: usize = 256 * 1024;
/// Longest line about an event, in characters.
const EVENT_CHARS_MAX: usize = 300;

/// Why a run cannot be ordered.
#[derive(Debug, thiserror::Error)]
pub enum NoPrompt {
    /// The agent has no program.
    #[error("{0}")]
    NoCommand(String),
    /// A file that must be there cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The story's file is no longer in the stage that the run is for: somebody moved it.
    #[error("{0} has been moved")]
    Moved(String),
    /// The story's file does not parse at this moment, or cannot be read.
    #[error("{0}")]
    Story(String),
    /// The template is wrong; shown with its place.
    #[error("{0}")]
    Template(String),
}

/// What a prompt is made from, besides the run's order.
#[derive(Debug)]
pub struct Sources<'a> {
    /// Where the project's files lie.
    pub layout: &'a Layout,
    /// The branch that the story is to land on.
    pub base_branch: &'a str,
    /// What happened to the story since its last run.
    pub news: Vec<EventRow>,
}

/// The text that an agent gets.
pub(super) fn text(world: &World, order: &RunOrder, warm: Option<&Warm>) -> Result<String, NoPrompt> {
    let news = world.ledger.news(&order.story);
    let sources = Sources { layout: &world.layout, base_branch: &world.base_branch, news };
    compose(&sources, order, warm)
}

/// What of the shared context an agent knows that is told of it now.
pub(super) fn context_marks(layout: &Layout) -> Vec<u64> {
    read_context(layout).map(|text| context::marks(&context::for_prompt(&text))).unwrap_or_default()
}

/// The answer to a question of the story, as its file has it.
pub(super) fn answer_in_file(layout: &Layout, order: &RunOrder, number: u32) -> Option<String> {
    let text = story_text(layout, order).ok()?;
    answer(&Doc::new(&text), number).map(|answer| answer.answer)
}

/// The text that an agent gets: all of it, or in a session that goes on what is new to it. It is made from files
/// alone, also where no daemon runs.
pub fn compose(sources: &Sources<'_>, order: &RunOrder, warm: Option<&Warm>) -> Result<String, NoPrompt> {
    if let Some(warm) = warm {
        return Ok(prompt::resume(&news(parts(sources, order)?, order, warm)));
    }
    let (path, template) = template(sources.layout, &order.agent)?;
    let parts = parts(sources, order)?;
    prompt::render(&template, &parts).map_err(|error| {
        let problem = error.problem(&path.display().to_string());
        NoPrompt::Template(hints::render(&problem, &template))
    })
}

/// Of all that a prompt may say, what the session does not know yet.
fn news(all: PromptParts, order: &RunOrder, warm: &Warm) -> PromptParts {
    let new = |note: &&Note| note.at >= warm.since;
    PromptParts {
        epic: None,
        context: context::news(&all.context, &warm.context),
        agent_md: String::new(),
        failures: order.notes.iter().filter(new).filter(|note| note.landing.is_none()).map(failure).collect(),
        landing: order.notes.iter().filter(new).rev().find_map(landing),
        review_notes: if warm.notes_are_new { all.review_notes } else { String::new() },
        ..all
    }
}

/// The template: the one that the agent names, which must be there; else the role's, or the built-in one.
pub fn template(layout: &Layout, agent: &Agent) -> Result<(PathBuf, String), NoPrompt> {
    let named = agent.prompt.is_some();
    let name = agent.prompt.clone().unwrap_or_else(|| format!("prompts/{}.md", agent.role.name()));
    let path = layout.dot().join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => {
            Ok((path, prompt::builtin(agent.role).to_owned()))
        }
        Err(source) => Err(NoPrompt::Unreadable { path, source }),
    }
}

fn parts(sources: &Sources<'_>, order: &RunOrder) -> Result<PromptParts, NoPrompt> {
    let layout = sources.layout;
    let text = story_text(layout, order)?;
    let name = order.story.file_name();
    let story = story_file::parse(order.stage, &name, text.as_bytes())
        .map_err(|problem| NoPrompt::Story(format!("{}: {}", problem.path, problem.message)))?;
    let doc = Doc::new(&text);
    let stage = if order.stage == Stage::Merge { GateStage::Merge } else { GateStage::Current };
    Ok(PromptParts {
        epic: order.epic.as_ref().and_then(|key| epic(layout, key)),
        agent: order.agent.name.to_string(),
        stage: order.stage.name().to_owned(),
        run: order.run.to_string(),
        attempt: order.attempt,
        max_retries: order.config.max_retries,
        base_branch: sources.base_branch.to_owned(),
        branch: order.story.branch(),
        worktree: order.worktree.clone(),
        gates: order.config.gates_at(stage).map(|gate| gate.run.clone()).collect(),
        failures: order.notes.iter().filter(|note| note.landing.is_none()).map(failure).collect(),
        landing: order.notes.iter().rev().find_map(landing),
        review_notes: doc.review_notes().unwrap_or_default().trim().to_owned(),
        // An answer given in another stage than the one that asked goes into the next prompt as well.
        answer: order
            .answer
            .or(story.question.as_ref().map(|asked| asked.value))
            .and_then(|n| answer(&doc, n)),
        messages: order.messages.iter().map(message).collect(),
        // A context that cannot be read is no reason not to run.
        context: read_context(layout).map(|text| context::for_prompt(&text)).unwrap_or_default(),
        events: sources.news.iter().map(event).collect(),
        agent_md: agent_md(layout),
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        story: StoryPart::new(&story, &text),
    })
}

fn story_text(layout: &Layout, order: &RunOrder) -> Result<String, NoPrompt> {
    let path = layout.story(order.stage, &order.story);
    std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => NoPrompt::Moved(order.story.to_string()),
        _ => NoPrompt::Story(format!("cannot read {}: {error}", path.display())),
    })
}

fn failure(note: &Note) -> Failure {
    Failure { attempt: note.attempt, at: note.at.rfc3339(), what: note.what.clone(), tail: note.tail.clone() }
}

fn landing(note: &Note) -> Option<LandingFailure> {
    let files = note.landing.clone()?;
    Some(LandingFailure { what: note.what.clone(), files, tail: note.tail.clone() })
}

fn message(message: &Message) -> MessagePart {
    let from = message.from.as_ref().map(ToString::to_string);
    MessagePart { from, at: message.at.rfc3339(), text: message.text.clone() }
}

fn event(event: &EventRow) -> String {
    format!("- {} {}: {}\n", event.at, event.kind, one_line(&event.text, EVENT_CHARS_MAX))
}

fn epic(layout: &Layout, key: &FileKey) -> Option<Epic> {
    let path = layout.root().join(key.path());
    let text = std::fs::read_to_string(path).ok()?;
    let story = story_file::parse(key.stage, &key.name, text.as_bytes()).ok()?;
    let body = Doc::new(&text).body().trim().to_owned();
    Some(Epic { id: story.id.to_string(), name: story.name, body })
}

fn answer(doc: &Doc<'_>, number: u32) -> Option<Answer> {
    let question = doc.question(number)?;
    let answer = question.answer?.trim().to_owned();
    Some(Answer { question: question.text.trim().to_owned(), answer })
}

/// The project's notes; nothing where there are none.
fn agent_md(layout: &Layout) -> String {
    let mut text = std::fs::read_to_string(layout.agent_md()).unwrap_or_default();
    text.truncate(text.floor_char_boundary(AGENT_MD_MAX));
    text
}

/// Keeps a prompt beside the run's log. That it cannot be kept is no reason not to run.
pub(super) fn keep(world: &World, path: &Path, text: &str) {
    let kept = path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(|error| error.to_string());
    let kept = kept.and_then(|()| {
        write_atomic(path, text.as_bytes(), &world.layout.tmp(), 0o600).map_err(|error| error.to_string())
    });
    if let Err(error) = kept {
        tracing::warn!("the prompt is not kept: {error}");
    }
}
