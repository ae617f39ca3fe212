//! Finds the front matter of a story, to the byte: where the fences, the YAML between them and the body are.
//!
//! A block opens on the first line with `---` and closes with `---` or `...`, each alone on its line, blanks behind it
//! aside. A byte order mark may stand before it.

use std::ops::Range;

use super::lines::{Eol, Lines};

/// Most bytes of the YAML between the fences.
pub const BLOCK_BYTES_MAX: usize = 64 * 1024;

const BOM: &str = "\u{feff}";

/// Where the parts of a story's text are, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Where the text begins, behind a byte order mark.
    pub start: usize,
    /// The YAML between the fences, its last line end included; none where the file has no front matter.
    pub block: Option<Range<usize>>,
    /// Where the body begins.
    pub body: usize,
    /// The file's own line end: that of its first line.
    pub eol: Eol,
}

impl Parts {
    /// The YAML between the fences; empty where there is none.
    pub fn block_of<'a>(&self, text: &'a str) -> &'a str {
        self.block.clone().map_or("", |block| &text[block])
    }

    /// What follows the front matter.
    pub fn body_of<'a>(&self, text: &'a str) -> &'a str {
        &text[self.body..]
    }
}

/// Why a text's front matter cannot be told from its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FenceError {
    /// The opening fence has no closing one.
    #[error("the front matter is opened with `---` and never closed")]
    Unclosed,
    /// There are more than [`BLOCK_BYTES_MAX`] bytes between the fences.
    #[error("the front matter is larger than 64 KiB")]
    TooLarge,
}

/// Splits a story's text. One without an opening fence on its first line is all body.
pub fn split(text: &str) -> Result<Parts, FenceError> {
    let start = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let mut lines = Lines::from(text, start);
    let first = lines.next();
    let eol = first.and_then(|line| line.eol).unwrap_or_default();
    let opening = first.filter(|line| is_fence(line.text, "---"));
    let Some(opening) = opening else {
        return Ok(Parts { start, block: None, body: start, eol });
    };
    let closing = lines.find(|line| is_fence(line.text, "---") || is_fence(line.text, "..."));
    let closing = closing.ok_or(FenceError::Unclosed)?;
    let block = opening.end()..closing.start;
    if block.len() > BLOCK_BYTES_MAX {
        return Err(FenceError::TooLarge);
    }
    Ok(Parts { start, block: Some(block), body: closing.end(), eol })
}

fn is_fence(line: &str, fence: &str) -> bool {
    line.strip_prefix(fence).is_some_and(|rest| rest.bytes().all(|b| matches!(b, b' ' | b'\t')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::front_matter::convention;

    fn seen(text: &str) -> Option<(&str, &str)> {
        let parts = split(text).expect("splits");
        let block = parts.block.clone()?;
        Some((&text[block], parts.body_of(text)))
    }

    #[test]
    fn blocks_are_found_to_the_byte() {
        let cases: [(&str, Option<(&str, &str)>); 18] = [
            ("", None),
            ("text\n---\na: 1\n---\n", None),
            ("\n---\na: 1\n---\n", None),
            (" ---\na: 1\n---\n", None),
            ("----\na: 1\n----\n", None),
            ("---x\na: 1\n---\n", None),
            ("---\na: 1\n---\nbody", Some(("a: 1\n", "body"))),
            ("---\na: 1\n---", Some(("a: 1\n", ""))),
            ("---\n---\n", Some(("", ""))),
            ("--- \t\na: 1\n---  \nb\n", Some(("a: 1\n", "b\n"))),
            ("---\r\na: 1\r\n---\r\nb\r\n", Some(("a: 1\r\n", "b\r\n"))),
            ("---\ra: 1\r---\rb\r", Some(("a: 1\r", "b\r"))),
            ("\u{feff}---\na: 1\n---\nb", Some(("a: 1\n", "b"))),
            ("---\na: 1\n...\nb", Some(("a: 1\n", "b"))),
            ("---\na: |\n  ---\n---\nb", Some(("a: |\n  ---\n", "b"))),
            ("---\na: 1\n---\nb\n---\nc\n", Some(("a: 1\n", "b\n---\nc\n"))),
            ("---\n\n\na: 1\n\n---\n\nb", Some(("\n\na: 1\n\n", "\nb"))),
            ("---\na: 1\n--- # no fence\n---\n", Some(("a: 1\n--- # no fence\n", ""))),
        ];
        for (text, expected) in cases {
            assert_eq!(seen(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_block_without_end_or_bounds_is_refused() {
        for text in ["---", "---\n", "---\na: 1\n", "---\na: 1\n ---\n"] {
            assert_eq!(split(text), Err(FenceError::Unclosed), "{text:?}");
        }
        let block = |len: usize| format!("---\n{}\n---\n", "#".repeat(len - 1));
        assert!(split(&block(BLOCK_BYTES_MAX)).is_ok());
        assert_eq!(split(&block(BLOCK_BYTES_MAX + 1)), Err(FenceError::TooLarge));
    }

    proptest! {
        /// On files that both know, the splitter and the format's convention see the same block.
        #[test]
        fn the_convention_sees_the_same_block(
            lines in prop::collection::vec("[a-z]{1,4}: [a-zé#\"' -]{0,9}[a-z]", 1..6),
            body in "([a-z# -]{0,9}\n){0,5}",
            crlf: bool,
        ) {
            let mut text = format!("---\n{}\n---\n{body}", lines.join("\n"));
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            let (block, _) = seen(&text).expect("a block");
            let theirs = convention::block_as_others_read_it(&text).expect("a block for others too");
            let block = block.replace("\r\n", "\n");
            prop_assert_eq!(block.trim(), theirs);
        }

        /// Every byte is in exactly one part.
        #[test]
        fn the_parts_are_the_text(text in "(\u{feff}|)(---[ ]?(\n|\r\n|\r))?([a-z.:-]{0,4}(\n|\r\n|\r)){0,9}") {
            if let Ok(parts) = split(&text) {
                prop_assert!(parts.start <= parts.body);
                match &parts.block {
                    None => prop_assert_eq!(parts.body, parts.start),
                    Some(block) => {
                        prop_assert!(text[parts.start..block.start].starts_with("---"));
                        prop_assert!(text.is_char_boundary(parts.body) && block.end < parts.body);
                    }
                }
            }
        }
    }
}
