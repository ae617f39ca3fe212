//! Fills in a template, strictly: a variable that does not exist is an error with its place.

use minijinja::{AutoEscape, Environment, ErrorKind, Template, UndefinedBehavior};
use serde::Serialize;

use super::parts::{Epic, PromptParts, StoryPart};
use super::sections::{answer, around, context, events, failures, landing, messages, review_notes};
use super::{PROMPT_BYTES_MAX, TEMPLATE_BYTES_MAX};
use crate::front_matter::lines::{Lines, one_line};
use crate::hints;
use crate::story::{Place, Problem};

/// The variables of a template.
pub const VARIABLES: [&str; 23] = [
    "story",
    "epic",
    "agent",
    "stage",
    "run",
    "attempt",
    "max_retries",
    "base_branch",
    "branch",
    "worktree",
    "gates",
    "failures",
    "landing",
    "review_notes",
    "answer",
    "messages",
    "context",
    "events",
    "agent_md",
    "nonce",
    "story_id",
    "worktree_path",
    "loop",
];
/// What `story` has.
const STORY: [&str; 8] = ["id", "number", "name", "kind", "body", "criteria", "labels", "path"];
/// What `epic` has.
const EPIC: [&str; 3] = ["id", "name", "body"];

/// Why a template cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filling in the prompt's template: {}{message}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct PromptError {
    /// Line in the template, from 1, where known.
    pub line: Option<u32>,
    /// Column in the template, from 1, in characters, where known.
    pub column: Option<u32>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What would mend it.
    pub hint: String,
}

impl PromptError {
    /// The error as a problem of the template's file.
    pub fn problem(&self, path: &str) -> Problem {
        Problem {
            line: self.line,
            column: self.column,
            ..Problem::of_file(path, &*self.message, &*self.hint)
        }
    }

    fn whole(message: &str, hint: &str) -> Self {
        Self { line: None, column: None, message: message.to_owned(), hint: hint.to_owned() }
    }
}

/// What templates see.
#[derive(Serialize)]
struct Vars<'a> {
    story: &'a StoryPart,
    epic: &'a Option<Epic>,
    agent: &'a str,
    stage: &'a str,
    run: &'a str,
    attempt: u32,
    max_retries: u32,
    base_branch: &'a str,
    branch: &'a str,
    worktree: &'a str,
    gates: &'a [String],
    failures: String,
    landing: String,
    review_notes: String,
    answer: String,
    messages: String,
    context: String,
    events: String,
    agent_md: String,
    nonce: &'a str,
    story_id: &'a str,
    worktree_path: &'a str,
}

/// Fills in a template. What applies and the template does not place is put around it: the epic before, failures,
/// review notes and answers behind, AGENT.md last.
pub fn render(template: &str, parts: &PromptParts) -> Result<String, PromptError> {
    let env = environment();
    let placed = known(&env, template)?;
    let compiled =
        env.template_from_named_str("prompt", template).map_err(|error| refusal(template, &error))?;
    let rendered = bounded(&compiled, parts).map_err(|error| refusal(template, &error))?;
    let around = around(parts, |name| placed.iter().any(|placed| placed == name));
    let mut sections = around.before;
    sections.push(rendered);
    sections.extend(around.after);
    if !placed.iter().any(|placed| placed == "agent_md") {
        sections.push(without_comments(&parts.agent_md));
    }
    let sections: Vec<&str> =
        sections.iter().map(|section| section.trim()).filter(|s| !s.is_empty()).collect();
    let prompt = sections.join("\n\n") + "\n";
    if prompt.len() > PROMPT_BYTES_MAX { Err(too_long()) } else { Ok(prompt) }
}

/// Looks for mistakes in a template, by filling it in for a story that says nothing.
pub fn check(template: &str) -> Result<(), PromptError> {
    render(template, &PromptParts::default()).map(|_| ())
}

fn vars(parts: &PromptParts) -> Vars<'_> {
    Vars {
        story: &parts.story,
        epic: &parts.epic,
        agent: &parts.agent,
        stage: &parts.stage,
        run: &parts.run,
        attempt: parts.attempt,
        max_retries: parts.max_retries,
        base_branch: &parts.base_branch,
        branch: &parts.branch,
        worktree: &parts.worktree,
        gates: &parts.gates,
        failures: failures(parts),
        landing: parts
            .landing
            .as_ref()
            .map(|failure| landing(failure, &parts.base_branch))
            .unwrap_or_default(),
        review_notes: some(&parts.review_notes)
            .map(|notes| review_notes(notes, &parts.nonce))
            .unwrap_or_default(),
        answer: parts.answer.as_ref().map(|said| answer(said, &parts.nonce)).unwrap_or_default(),
        messages: messages(&parts.messages, &parts.nonce),
        context: context(&parts.context, &parts.nonce),
        events: events(&parts.events, &parts.nonce),
        agent_md: without_comments(&parts.agent_md).trim().to_owned(),
        nonce: &parts.nonce,
        story_id: &parts.story.id,
        worktree_path: &parts.worktree,
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.trim().is_empty()).then_some(text)
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env
}

/// The variables that a template uses, all of which there are. Also those in branches that are not taken now: a
/// mistake shows at the first run, not at the third.
fn known(env: &Environment<'_>, template: &str) -> Result<Vec<String>, PromptError> {
    if template.len() > TEMPLATE_BYTES_MAX {
        return Err(PromptError::whole(
            "The template is larger than 256 KiB.",
            "long material belongs in the repository",
        ));
    }
    let compiled =
        env.template_from_named_str("prompt", template).map_err(|error| refusal(template, &error))?;
    let mut paths: Vec<String> = compiled.undeclared_variables(true).into_iter().collect();
    paths.sort();
    let functions: Vec<&str> = env.globals().map(|(name, _)| name).collect();
    let mut wrong: Vec<PromptError> = Vec::new();
    for path in &paths {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let field = rest.split('.').next().unwrap_or_default();
        let fields: &[&str] = match name {
            "story" => &STORY,
            "epic" => &EPIC,
            _ => &[],
        };
        if !VARIABLES.contains(&name) && !functions.contains(&name) {
            wrong.push(unknown(template, name, &VARIABLES));
        } else if !field.is_empty() && !fields.is_empty() && !fields.contains(&field) {
            wrong.push(unknown(template, &format!("{name}.{field}"), fields));
        }
    }
    wrong.sort_by_key(|error| (error.line, error.column));
    match wrong.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(paths.iter().map(|path| path.split('.').next().unwrap_or_default().to_owned()).collect()),
    }
}

fn unknown(template: &str, name: &str, names: &[&str]) -> PromptError {
    let place = place_of_name(template, name);
    let last = name.rsplit('.').next().unwrap_or(name);
    let name = one_line(name, 60);
    PromptError {
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        message: format!("There is no variable `{name}`."),
        hint: hints::did_you_mean(last, names),
    }
}

/// Where a name first stands as a word between `{` and `}`.
fn place_of_name(template: &str, name: &str) -> Option<Place> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    for (index, line) in Lines::new(template).enumerate() {
        for (at, _) in line.text.match_indices(name) {
            let (before, after) = (&line.text[..at], &line.text[at + name.len()..]);
            let alone = !before.ends_with(word) && !after.starts_with(word);
            let inside = before.rfind(['{', '}']).is_none_or(|brace| before[brace..].starts_with('{'));
            if alone && inside {
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
                return Some(Place { line: count(index), column: count(before.chars().count()) });
            }
        }
    }
    None
}

fn refusal(template: &str, error: &minijinja::Error) -> PromptError {
    if error.kind() == ErrorKind::WriteFailure {
        return too_long();
    }
    let line = error.line().and_then(|line| u32::try_from(line).ok());
    let column = error.range().and_then(|range| template.get(..range.start)).map(|before| {
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        u32::try_from(before[line_start..].chars().count()).unwrap_or(u32::MAX).saturating_add(1)
    });
    let said = error
        .detail()
        .map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    PromptError {
        line,
        column: line.and(column),
        message: format!("The template is not right: {}.", one_line(&said, 300)),
        hint: "templates are Jinja: `{{ story.name }}`, `{% if failures %} … {% endif %}`, text with braces in `{% raw %}`".to_owned(),
    }
}

fn too_long() -> PromptError {
    PromptError::whole("The prompt is larger than 4 MiB.", "shorten the story, its epic or AGENT.md")
}

/// Text without HTML comments, which are for people.
pub(super) fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        let Some((_, after)) = after.split_once("-->") else {
            return out + "<!--" + after;
        };
        rest = after;
    }
    out + rest
}

/// Renders into a buffer that takes no more than a prompt may have: loops in loops end there.
fn bounded(template: &Template<'_, '_>, parts: &PromptParts) -> Result<String, minijinja::Error> {
    let mut buffer = vec![0; PROMPT_BYTES_MAX];
    let mut rest: &mut [u8] = &mut buffer;
    template.render_captured_to(vars(parts), &mut rest)?;
    let written = PROMPT_BYTES_MAX - rest.len();
    buffer.truncate(written);
    Ok(String::from_utf8_lossy(&buffer).into_owned())
}
