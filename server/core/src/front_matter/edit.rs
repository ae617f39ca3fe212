//! Applies storkit's edits to a story's bytes: keys of the front matter and sections of the text.
//!
//! Pure: bytes in, bytes out. Every byte that is not the edit's own stays, or the edit is refused.

use super::FILE_BYTES_MAX;
use super::append::{append_question, append_rejection, write_answer};
use super::convention::block_as_others_read_it;
use super::fence::{self, FenceError, Parts};
use super::keys::{Block, Value};
use super::lines::{one_line, place_of};
use super::yaml::{self, Entry, Node};
use crate::facts::{Edit, Part};
use crate::story::{HOLD_MOVED_BACK, HOLD_STOPPED, Place};
use crate::story_file::{content_hash, doc};

/// Longest reason that is written into a key, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// Why an edit was not made. The file stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file does not parse; the edit can be tried again when a person has mended it.
    #[error("editing the front matter: line {}, column {}: {message}", place.line, place.column)]
    Broken {
        /// What is wrong.
        message: String,
        /// Where, in the file.
        place: Place,
    },
    /// The file is over 1 MiB, or would be.
    #[error("editing the story: it would be larger than 1 MiB")]
    TooLarge,
    /// No way was found to change this key alone.
    #[error("editing the front matter: `{key}` cannot be changed without touching something else")]
    Refused {
        /// The key.
        key: &'static str,
    },
    /// The file is not the one that was seen.
    #[error("editing the story: somebody has changed it since it was read")]
    Changed,
    /// It has fewer criteria.
    #[error("editing the story: it has no acceptance criterion {0}")]
    NoCriterion(u32),
}

/// The file's bytes with the edits made, in order. Where all is as asked for already, they are the same bytes.
///
/// A file without front matter gets a block at its top, and loses it again with its last key.
pub fn edit(bytes: &[u8], edits: &[Edit]) -> Result<Vec<u8>, EditError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(EditError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        EditError::Broken { message: "it is not UTF-8".to_owned(), place: place_of(&good, good.len()) }
    })?;
    let mut text = text.to_owned();
    for edit in edits {
        text = apply(&text, edit)?;
        if text.len() > FILE_BYTES_MAX {
            return Err(EditError::TooLarge);
        }
    }
    Ok(text.into_bytes())
}

/// The text of a file with a `name`, where it has none.
///
/// # Errors
/// Its front matter cannot be read.
pub fn with_name(text: &str, name: &str) -> Result<String, EditError> {
    let (_, entries) = parsed(text)?;
    if entries.iter().any(|entry| entry.name() == Some("name")) {
        return Ok(text.to_owned());
    }
    set(text, "name", &Value::Text(name.to_owned()))
}

fn apply(text: &str, edit: &Edit) -> Result<String, EditError> {
    match edit {
        Edit::Priority(priority) => set(text, "priority", &Value::Number(u32::from(*priority))),
        Edit::Blocked(Some(why)) => set(text, "blocked", &reason(why)),
        Edit::Blocked(None) => {
            let text = remove(text, "blocked")?;
            remove(&text, "merge_failure")
        }
        Edit::ReviewHold(true) => set(text, "review_hold", &Value::True),
        Edit::ReviewHold(false) => remove(text, "review_hold"),
        Edit::Question(Some(number)) => set(text, "question", &Value::Number(*number)),
        Edit::Question(None) => remove(text, "question"),
        Edit::Hold(Some(why)) => set(text, "hold", &reason(why)),
        Edit::Hold(None) => remove(text, "hold"),
        Edit::OwnHold(_) if has_own_words(text)? => Ok(text.to_owned()),
        Edit::OwnHold(why) => apply(text, &Edit::Hold(why.clone())),
        Edit::AppendQuestion { number, text: question } => {
            parsed(text)?;
            Ok(append_question(text, *number, question))
        }
        Edit::AppendRejection { number, text: rejection } => {
            let (parts, _) = parsed(text)?;
            Ok(append_rejection(text, parts.body, *number, rejection))
        }
        Edit::Answer { number, text: answer } => {
            let (parts, _) = parsed(text)?;
            Ok(write_answer(text, parts.body, *number, answer))
        }
        Edit::Criterion { number, done } => {
            parsed(text)?;
            doc::tick(text, *number, *done).ok_or(EditError::NoCriterion(*number))
        }
        Edit::Text { seen, .. } if content_hash(text.as_bytes()) != *seen => Err(EditError::Changed),
        Edit::Text { part: Part::Whole, text: new, .. } => Ok(new.clone()),
        Edit::Text { part: Part::Body, text: new, .. } => {
            let (parts, _) = parsed(text)?;
            // Without a fence of its own, a text that begins with one would become front matter.
            let fence = if parts.block.is_none() && new.starts_with("---") { parts.eol.as_str() } else { "" };
            Ok(format!("{}{fence}{new}", &text[..parts.body]))
        }
    }
}

/// Whether the file has a hold that storkit did not write.
fn has_own_words(text: &str) -> Result<bool, EditError> {
    let (_, entries) = parsed(text)?;
    let hold = entries.iter().find(|entry| entry.name() == Some("hold")).map(|entry| &entry.value.node);
    Ok(match hold {
        None | Some(Node::Null | Node::Bool(false, _)) => false,
        Some(Node::Text(why)) => ![HOLD_STOPPED, HOLD_MOVED_BACK].contains(&why.as_str()),
        Some(_) => true,
    })
}

/// A reason as a value: one line without control characters; an empty one is `true`.
fn reason(why: &str) -> Value {
    let line = one_line(why, REASON_CHARS_MAX);
    if line.is_empty() { Value::True } else { Value::Text(line) }
}

fn parsed(text: &str) -> Result<(Parts, Vec<Entry>), EditError> {
    let parts = fence::split(text).map_err(|error: FenceError| EditError::Broken {
        message: error.to_string(),
        place: Place { line: 1, column: 1 },
    })?;
    let entries = yaml::read(parts.block_of(text)).map_err(|error| EditError::Broken {
        message: error.message,
        place: Place { line: error.place.line + 1, column: error.place.column },
    })?;
    Ok((parts, entries))
}

fn set(text: &str, key: &'static str, value: &Value) -> Result<String, EditError> {
    let (parts, entries) = parsed(text)?;
    let eol = parts.eol.as_str();
    let old = entries.iter().find(|entry| entry.name() == Some(key));
    if old.is_some_and(|entry| value.is(&entry.value.node)) {
        return Ok(text.to_owned());
    }
    let new = match &parts.block {
        None => {
            let (mark, rest) = text.split_at(parts.start);
            format!("{mark}---{eol}{key}: {}{eol}---{eol}{rest}", value.yaml())
        }
        Some(range) => {
            let block = Block { text: &text[range.clone()], entries: &entries, eol: parts.eol };
            let block = block.with(key, value).ok_or(EditError::Refused { key })?;
            format!("{}{block}{}", &text[..range.start], &text[range.end..])
        }
    };
    proven(text, &parts, new, key)
}

/// Takes a key away; one that says nothing (`blocked: false`) is left, as it is a person's.
fn remove(text: &str, key: &'static str) -> Result<String, EditError> {
    let (parts, entries) = parsed(text)?;
    let old = entries.iter().find(|entry| entry.name() == Some(key));
    let says_something =
        old.is_some_and(|entry| !matches!(entry.value.node, Node::Null | Node::Bool(false, _)));
    let (Some(range), true) = (&parts.block, says_something) else {
        return Ok(text.to_owned());
    };
    let block = Block { text: &text[range.clone()], entries: &entries, eol: parts.eol };
    let block = block.without(key).ok_or(EditError::Refused { key })?;
    if block.is_empty()
        && let Some(bare) = without_block(text, &parts)
    {
        return Ok(bare);
    }
    let new = format!("{}{block}{}", &text[..range.start], &text[range.end..]);
    proven(text, &parts, new, key)
}

/// The file without its block, where the fences are such as storkit writes and the rest does not begin with another.
fn without_block(text: &str, parts: &Parts) -> Option<String> {
    let range = parts.block.clone()?;
    let fence = format!("---{}", parts.eol.as_str());
    let ours = text[parts.start..range.start] == fence && text[range.end..parts.body] == fence;
    let bare = format!("{}{}", &text[..parts.start], &text[parts.body..]);
    let plain = fence::split(&bare).is_ok_and(|parts| parts.block.is_none());
    (ours && plain).then_some(bare)
}

/// The last look at an edited file: it still splits where it did, and other tools see the block too where they did.
fn proven(old: &str, parts: &Parts, new: String, key: &'static str) -> Result<String, EditError> {
    let refused = EditError::Refused { key };
    let Ok(now) = fence::split(&new) else { return Err(refused) };
    if now.body_of(&new) != parts.body_of(old) || now.block.is_none() {
        return Err(refused);
    }
    let seen = |text: &str, parts: &Parts| block_as_others_read_it(&text[..parts.body]);
    if parts.block.is_some() && seen(old, parts).is_some() {
        let block = now.block_of(&new).replace("\r\n", "\n");
        let theirs = seen(&new, &now).unwrap_or_default();
        if theirs != block.trim() {
            return Err(refused);
        }
    }
    Ok(new)
}
