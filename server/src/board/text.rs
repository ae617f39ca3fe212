//! What a story's file says: the board's one door to the core's reading and editing of text.
//!
//! It judges bytes only and touches no file.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use storkit_core::facts::Edit;
use storkit_core::front_matter::{self, EditError, FILE_BYTES_MAX};
use storkit_core::stage::Stage;
use storkit_core::story::{Problem, Story};
use storkit_core::story_file::{self, NameKind, classify_name};

/// Most bytes of a story's file.
pub(crate) const STORY_BYTES_MAX: u64 = FILE_BYTES_MAX as u64;

/// What a file's name makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// Not a story, and left alone.
    Ignored,
    /// A story's file, by its name.
    Story,
    /// Meant as a story, but its name is no id.
    Bad(Problem),
}

/// What a file of this name in this stage is.
pub(crate) fn classify(stage: Stage, name: &[u8]) -> Name {
    match classify_name(stage, name) {
        NameKind::Ignored => Name::Ignored,
        NameKind::Story(_) => Name::Story,
        NameKind::Problem(problem) => Name::Bad(problem),
    }
}

/// The story in these bytes, or what is wrong with them.
pub(crate) fn parse(stage: Stage, name: &str, bytes: &[u8]) -> Result<Story, Problem> {
    story_file::parse(stage, name, bytes)
}

/// The bytes with these keys in them.
pub(crate) fn edit(bytes: &[u8], edits: &[Edit]) -> Result<Vec<u8>, EditError> {
    front_matter::edit(bytes, edits)
}

/// The same on a text that may hold some of it already: a question that is in it is not appended again.
pub(crate) fn edit_again(bytes: &[u8], edits: &[Edit]) -> Result<Vec<u8>, EditError> {
    let has = |heading: String| {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        lines.any(|line| line.trim_ascii_end() == heading.as_bytes())
    };
    let missing = |edit: &&Edit| match edit {
        Edit::AppendQuestion { number, .. } => !has(format!("## Question {number}")),
        Edit::AppendRejection { number, .. } => !has(format!("### Rejection {number}")),
        _ => true,
    };
    let edits: Vec<Edit> = edits.iter().filter(missing).cloned().collect();
    edit(bytes, &edits)
}

/// Whether a file looks like a save that is not over: empty, or a front matter that is opened and not closed.
pub(crate) fn is_half_written(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    text.is_empty() || (lines.next() == Some(b"---") && !lines.any(|line| line == b"---"))
}

/// A name on disk as text, so that two names are never the same text: `\xNN` for a byte that is not UTF-8, `\\`
/// for a backslash.
pub(crate) fn key_of(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The name on disk behind [`key_of`]'s text; none where the text is not one of its.
pub(crate) fn name_of(key: &str) -> Option<OsString> {
    let mut name = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            name.push(byte);
        } else if let Some(tail) = tail.strip_prefix(b"\\") {
            name.push(b'\\');
            rest = tail;
        } else {
            let digits = tail.strip_prefix(b"x").and_then(|hex| hex.get(..2))?;
            name.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &tail[3..];
        }
    }
    let name = OsString::from_vec(name);
    crate::sys::fs::is_plain_name(&name).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn every_name_has_a_text_that_leads_back_to_it() {
        for name in [&b"42_story_x.md"[..], b"a\\b.md", b"\xff\xfe.md", b"a\\x41.md", "\u{3000}ü.md".as_bytes()] {
            let key = key_of(name);
            assert_eq!(name_of(&key).as_deref().map(OsStrExt::as_bytes), Some(name), "{key}");
        }
        for key in ["", "..", "a/b", "a\\q", "\\x0", "\\x00"] {
            assert_eq!(name_of(key), None, "{key}");
        }
    }

    #[test]
    fn a_save_that_is_not_over_is_empty_or_has_an_open_fence() {
        for half in ["", "---", "---\nname: x\n", "\u{feff}---\r\nname: x\r\n"] {
            assert!(is_half_written(half.as_bytes()), "{half:?}");
        }
        for whole in ["# x", "---\n---\n", "---\r\nname: x\r\n---\r\nx", "text\n---\n"] {
            assert!(!is_half_written(whole.as_bytes()), "{whole:?}");
        }
    }
}
