//! What a look at the board's folders found.

use std::sync::Arc;

use crate::stage::Stage;
use crate::story::{Problem, Story};

/// A file of the board: the folder that it is in, and its name there.
///
/// In the name each byte that is not UTF-8 is written as `\xNN` and each backslash doubled, so that every name on
/// disk has exactly one key. A story's name never needs either.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey {
    /// The folder.
    pub stage: Stage,
    /// The file's name, such as `42_story_x.md`; not always a good id.
    pub name: Arc<str>,
}

impl FileKey {
    /// The key of the file `name` in `stage`.
    pub fn new(stage: Stage, name: impl Into<Arc<str>>) -> Self {
        Self { stage, name: name.into() }
    }

    /// The path relative to the project's root.
    pub fn path(&self) -> String {
        format!(".storkit/work/{}/{}", self.stage.folder(), self.name)
    }
}

/// One file that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Where it is.
    pub key: FileKey,
    /// The story in it, or what is wrong with it. Shared, so that an unchanged file costs nothing.
    pub what: Arc<Result<Story, Problem>>,
}

/// The result of one look, at the whole board or at some files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scan {
    /// The number of the last event handled when the look began: it knows nothing of what came after.
    pub begin: u64,
    /// Whether all six folders were listed: a file not in `present` is absent.
    pub complete: bool,
    /// Files that are there.
    pub present: Vec<Seen>,
    /// Files looked for that are not there; unused in a complete scan.
    pub absent: Vec<FileKey>,
    /// Stage folders that are not there or cannot be read.
    pub missing_folders: Vec<Stage>,
    /// What is wrong with the board itself.
    pub problems: Vec<Problem>,
    /// Whether git made these changes (a switch, a stash, a pull), and not a person.
    pub by_git: bool,
}

/// A name on disk as text, so that two names are never the same text: `\xNN` for a byte that is not UTF-8, `\\` for a
/// backslash.
pub fn name_text(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The name on disk behind [`name_text`]'s text; none where the text is not one of its, or no plain name.
pub fn name_bytes(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
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
    let plain =
        !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0);
    plain.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_text_that_leads_back_to_it() {
        for name in
            [&b"42_story_x.md"[..], b"a\\b.md", b"\xff\xfe.md", b"a\\x41.md", "\u{3000}\u{fc}.md".as_bytes()]
        {
            let text = name_text(name);
            assert_eq!(name_bytes(&text).as_deref(), Some(name), "{text}");
        }
        for text in ["", "..", "a/b", "a\\q", "\\x0", "\\x00"] {
            assert_eq!(name_bytes(text), None, "{text}");
        }
    }
}
