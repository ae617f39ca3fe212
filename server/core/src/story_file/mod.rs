//! From the bytes of a story's file to a [`Story`], or to the problem that keeps it from being one.
//!
//! Pure: who reads the file, and when, is the shell's. Only this module knows what the front matter's keys mean.

pub mod doc;
mod keys;
mod names;

pub use doc::{Criterion, Doc};
pub use names::{NameKind, classify_name, path_of};

use crate::front_matter::lines::{one_line, place_of};
use crate::front_matter::{FILE_BYTES_MAX, fence, yaml};
use crate::ids::StoryId;
use crate::leave::Verdict;
use crate::stage::Stage;
use crate::story::{Kind, Overrides, Place, Problem, Size, Story};
use keys::Keys;

/// Longest title of a story, in characters; the rest of a longer one is cut.
pub const NAME_CHARS_MAX: usize = 200;

/// Reads a story from its file's name and bytes; the problem is the first one in the file.
pub fn parse(stage: Stage, file_name: &str, bytes: &[u8]) -> Result<Story, Problem> {
    check(stage, file_name, bytes).map_err(|mut problems| problems.swap_remove(0))
}

/// Reads a story, or names all its problems in the file's order; there is at least one.
pub fn check(stage: Stage, file_name: &str, bytes: &[u8]) -> Result<Story, Vec<Problem>> {
    let path = path_of(stage, file_name.as_bytes());
    let id = match classify_name(stage, file_name.as_bytes()) {
        NameKind::Story(id) => id,
        NameKind::Problem(problem) => return Err(vec![problem]),
        NameKind::Ignored => {
            return Err(vec![Problem::of_file(path, "The file is not a story.", "stories end in `.md`")]);
        }
    };
    let text = text_of(&path, bytes).map_err(|problem| vec![problem])?;
    let parts = fence::split(text).map_err(|error| vec![fence_problem(&path, error)])?;
    let entries = yaml::read(parts.block_of(text)).map_err(|error| {
        // The block begins on the file's second line.
        let place = Place { line: error.place.line.saturating_add(1), column: error.place.column };
        vec![Problem::at(
            &*path,
            place,
            format!("The front matter cannot be read: {}.", error.message),
            error.hint,
        )]
    })?;
    let offset = parts.block.as_ref().map_or(0, |block| block.start);
    let keys = Keys::read(&path, text, offset, &entries);
    if !keys.problems.is_empty() {
        return Err(keys.problems);
    }
    Ok(story(id, stage, text, bytes, keys))
}

fn story(id: StoryId, stage: Stage, text: &str, bytes: &[u8], keys: Keys) -> Story {
    let doc = Doc::new(text);
    let named = keys.name.filter(|name| !name.is_empty());
    let titled =
        || doc.title().map(|title| one_line(title, NAME_CHARS_MAX)).filter(|title| !title.is_empty());
    let question = keys.question.as_ref().and_then(|question| doc.question(question.value));
    let answer = question.and_then(|question| question.answer);
    Story {
        name: named.or_else(titled).unwrap_or_else(|| id.words()),
        kind: keys.kind.unwrap_or_else(|| Kind::of_id(&id)),
        epic: keys.epic,
        depends_on: keys.depends_on,
        priority: keys.priority.unwrap_or(Story::PRIORITY_DEFAULT),
        agent: keys.agent,
        qa: keys.qa,
        hold: keys.hold,
        overrides: Overrides {
            model: keys.model,
            max_turns: keys.max_turns,
            max_budget_usd: keys.max_budget_usd,
            timeout_ms: keys.timeout_ms,
        },
        labels: keys.labels,
        blocked: keys.blocked,
        review_hold: keys.review_hold,
        question: keys.question,
        answered: answer.is_some(),
        verdict: answer.and_then(Verdict::of_answer),
        size: Size::of(doc.criteria().len(), doc.task().split_whitespace().count()),
        content: content_hash(bytes),
        id,
        stage,
    }
}

/// The hash of a file's bytes that [`Story::content`] holds: FNV-1a of 64 bits, the same on every machine.
pub fn content_hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn text_of<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Problem::of_file(
            path,
            "The file is larger than 1 MiB.",
            "keep large material in files of its own and name them in the story",
        ));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        Problem::at(path, place_of(good, good.len()), "The file is not UTF-8.", "save it as UTF-8")
    })
}

fn fence_problem(path: &str, error: fence::FenceError) -> Problem {
    let hint = match error {
        fence::FenceError::Unclosed => "put a line `---` after the last key",
        fence::FenceError::TooLarge => "move long texts below the front matter",
    };
    let message = error.to_string();
    let message = format!("T{}.", message.strip_prefix('t').unwrap_or(&message));
    Problem::at(path, Place { line: 1, column: 1 }, message, hint)
}

#[cfg(test)]
mod tests;
