//! What a story's file says: the board's one door to the core's reading and editing of text.
//!
//! It judges bytes only and touches no file.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use storkit_core::facts::Edit;
use storkit_core::front_matter::{self, EditError, FILE_BYTES_MAX};
use storkit_core::sighting::name_bytes;
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

/// The name on disk of a file of the board.
pub(crate) fn name_of(text: &str) -> Option<OsString> {
    name_bytes(text).map(OsString::from_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

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
