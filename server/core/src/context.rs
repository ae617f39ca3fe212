//! The project's shared context: plain Markdown in which each entry is a heading of level 2 and the text below it.
//!
//! Text in, text out. People edit the file as they like; what is changed here leaves every other byte as it is.

use std::ops::Range;

use crate::front_matter::append::quoted;
use crate::front_matter::lines::Eol;
use crate::story_file::content_hash;
use crate::story_file::doc::headings;

/// Most bytes of the file that an entry may make, and that a prompt gets of it.
pub const CONTEXT_BYTES_MAX: usize = 32 * 1024;
/// Longest key, in characters.
pub const KEY_CHARS_MAX: usize = 100;
/// Most parts that are told apart; the rest is told as one with the last of them.
const PARTS_MAX: usize = 500;
/// What stands above the first entry of a file that is begun.
const HEAD: &str = "# Shared context\n\n<!-- Every agent's prompt holds what stands here. -->\n";

/// Why an entry is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The key cannot be a heading.
    #[error("a key is one line of 1 to {KEY_CHARS_MAX} characters, without `#` at its ends")]
    Key,
    /// The text says nothing.
    #[error("the text is empty")]
    Empty,
    /// The file would be too long for prompts.
    #[error("the shared context would be larger than 32 KiB, and goes into every prompt")]
    TooLong,
}

/// The entries, in order: key and text.
pub fn entries(text: &str) -> Vec<(&str, &str)> {
    let keys: Vec<_> = headings(text).filter(|heading| heading.level <= 2).collect();
    let ends = keys.iter().skip(1).map(|next| next.start).chain([text.len()]);
    let entry = keys.iter().zip(ends).filter(|(key, _)| key.level == 2);
    entry.map(|(key, end)| (key.title, text[key.end..end].trim())).collect()
}

/// The text with the entry `key` saying `said`: in the place of the one that is there, else at the end.
pub fn set(text: &str, key: &str, said: &str) -> Result<String, ContextError> {
    let key = key.trim();
    let plain = !key.starts_with('#') && !key.ends_with('#') && !key.chars().any(char::is_control);
    if !plain || !(1..=KEY_CHARS_MAX).contains(&key.chars().count()) {
        return Err(ContextError::Key);
    }
    if said.chars().all(|c| c.is_control() || c.is_whitespace()) {
        return Err(ContextError::Empty);
    }
    if said.len() > CONTEXT_BYTES_MAX {
        return Err(ContextError::TooLong);
    }
    let eol = Eol::of(text);
    let e = eol.as_str();
    let entry = format!("## {key}{e}{e}{}", quoted(said, eol));
    let new = if let Some(range) = range(text, key) {
        let gap = if range.end < text.len() { e } else { "" };
        format!("{}{entry}{gap}{}", &text[..range.start], &text[range.end..])
    } else if text.trim().is_empty() {
        format!("{HEAD}\n{entry}")
    } else {
        let gap = if text.ends_with(['\n', '\r']) { e.to_owned() } else { format!("{e}{e}") };
        format!("{text}{gap}{entry}")
    };
    if new.len() > CONTEXT_BYTES_MAX { Err(ContextError::TooLong) } else { Ok(new) }
}

/// The text without the entry `key`; none where it has no such entry.
pub fn unset(text: &str, key: &str) -> Option<String> {
    let range = range(text, key.trim())?;
    Some(format!("{}{}", &text[..range.start], &text[range.end..]))
}

/// What a prompt gets of a file: at most [`CONTEXT_BYTES_MAX`], with a word on what is left out.
pub fn for_prompt(text: &str) -> String {
    if text.len() <= CONTEXT_BYTES_MAX {
        return text.to_owned();
    }
    let cut = text.floor_char_boundary(CONTEXT_BYTES_MAX);
    format!("{}\n(The rest is left out: the file is larger than 32 KiB.)\n", &text[..cut])
}

/// What a prompt gets of a file, in parts: what stands above the first entry, and each entry with its heading.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<usize> =
        headings(text).filter(|heading| heading.level == 2).map(|heading| heading.start).collect();
    let begins: Vec<usize> = std::iter::once(0).chain(starts).collect();
    let ends = begins.clone().into_iter().skip(1).chain([text.len()]);
    let ranges: Vec<_> = begins.into_iter().zip(ends).take(PARTS_MAX).collect();
    ranges.into_iter().map(|(begin, end)| &text[begin..end]).filter(|part| !part.trim().is_empty())
}

fn mark(part: &str) -> u64 {
    content_hash(part.trim().as_bytes())
}

/// By what is known again what a session was told: a hash of each part.
pub fn marks(text: &str) -> Vec<u64> {
    parts(text).map(mark).collect()
}

/// What a session does not know that was told the parts of these marks.
pub fn news(text: &str, told: &[u64]) -> String {
    parts(text).filter(|part| !told.contains(&mark(part))).collect()
}

/// The bytes of an entry, its heading among them, up to the next heading of level 1 or 2.
fn range(text: &str, key: &str) -> Option<Range<usize>> {
    let start = headings(text).find(|heading| heading.level == 2 && heading.title == key)?;
    let next = headings(text).find(|heading| heading.level <= 2 && heading.start > start.start);
    Some(start.start..next.map_or(text.len(), |next| next.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_set_replaced_and_taken_away_and_the_rest_stays_as_it_is() {
        let one = set("", "database", "We use\nPostgres 17.\n").expect("set");
        assert_eq!(one, format!("{HEAD}\n## database\n\nWe use\nPostgres 17.\n"));
        let two = set(&one, "api", "# No heading\n```\n## code").expect("set");
        assert_eq!(
            entries(&two),
            [("database", "We use\nPostgres 17."), ("api", "\\# No heading\n```\n## code\n```")]
        );
        let changed = set(&two, " database ", "SQLite").expect("set");
        assert_eq!(entries(&changed)[0], ("database", "SQLite"));
        assert_eq!(entries(&changed)[1], entries(&two)[1]);
        assert_eq!(set(&changed, "database", "SQLite").as_ref(), Ok(&changed), "twice is as good as once");
        assert_eq!(unset(&two, "api").as_deref(), Some(format!("{one}\n").as_str()));
        assert_eq!(unset(&two, "nothing"), None);
        let byhand = "Mine  \r\n\r\n## a\r\nb\r\n# End\r\nx";
        let set = set(byhand, "a", "c\nd").expect("set");
        assert_eq!(set, "Mine  \r\n\r\n## a\r\n\r\nc\r\nd\r\n\r\n# End\r\nx");
    }

    #[test]
    fn a_session_is_told_what_it_was_not_told_before() {
        let first = set(&set("", "database", "Postgres").expect("set"), "api", "REST").expect("set");
        let told = marks(&first);
        assert_eq!(news(&first, &told), "");
        assert_eq!(news(&first, &[]), first);
        let changed = set(&set(&first, "api", "gRPC").expect("set"), "ui", "none").expect("set");
        assert_eq!(entries(&news(&changed, &told)), [("api", "gRPC"), ("ui", "none")]);
        assert_eq!(
            news(&unset(&changed, "ui").expect("unset"), &marks(&changed)),
            "",
            "what is gone is not told"
        );
        assert_eq!(news("By hand.", &marks("By hand.\n")), "");
        let many = "## a\nx\n".repeat(PARTS_MAX + 9);
        assert_eq!(marks(&many).len(), PARTS_MAX - 1);
    }

    #[test]
    fn keys_and_lengths_are_held() {
        let too_long = "k".repeat(KEY_CHARS_MAX + 1);
        for key in ["", " ", "a\nb", "# a", "a #", &too_long, "a\u{1b}b"] {
            assert_eq!(set("", key, "x"), Err(ContextError::Key), "{key:?}");
        }
        assert_eq!(set("", "a", " \u{1} \n"), Err(ContextError::Empty));
        let long = "x".repeat(CONTEXT_BYTES_MAX - 100);
        assert!(set("", "a", &long).is_ok());
        assert_eq!(set(&long, "a", &long), Err(ContextError::TooLong));
        let cut = for_prompt(&"ä".repeat(CONTEXT_BYTES_MAX));
        assert!(cut.len() < CONTEXT_BYTES_MAX + 100 && cut.ends_with("32 KiB.)\n"), "{}", cut.len());
    }

    #[test]
    fn what_is_set_is_what_is_read_whatever_it_says() {
        for said in ["## b\n## c", "```\n## b", "~~~~\nx\n~~~", "    ## b", "a\r## b\r\nc", "<!-- x"] {
            let text = set("## z\nlast\n", "a", said).expect("set");
            let keys: Vec<&str> = entries(&text).into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, ["z", "a"], "{said:?}");
            assert_eq!(unset(&text, "a").as_deref(), Some("## z\nlast\n\n"), "{said:?}");
        }
    }
}
