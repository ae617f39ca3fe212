//! Names that are data: story, agent, run and operation ids, and commit ids.
//!
//! Every id is checked where it enters; behind that point it can be put into a path, a ref or an argument without another look.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest story id, in bytes.
pub const STORY_ID_LEN_MAX: usize = 100;
/// Longest agent name, in bytes.
pub const AGENT_NAME_LEN_MAX: usize = 64;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// There is no text.
    #[error("is empty")]
    Empty,
    /// It is longer than its limit, in bytes.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// It does not begin with an ASCII letter or digit.
    #[error("must begin with a letter or a digit")]
    Start,
    /// A character is outside `A-Z a-z 0-9 . _ -`.
    #[error("may only hold letters, digits, `.`, `_` and `-`")]
    Character,
    /// It holds `..`, or ends in `.` or `.lock`, which git refuses in a ref.
    #[error("may not hold `..` nor end in `.` or `.lock` (git could not name its branch)")]
    Ref,
}

/// A story's id: the stem of its file, `[A-Za-z0-9][A-Za-z0-9._-]{0,99}`.
///
/// Two ids that differ in case alone are equal to [`StoryId::folded`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StoryId(Arc<str>);

impl StoryId {
    /// Checks `text` against the rule of ids.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check(text, STORY_ID_LEN_MAX)?;
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The leading number of the id: `42_story_login` has 42; none where there is no number or it does not fit.
    pub fn number(&self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        self.0[..digits].parse().ok()
    }

    /// The id in lower case, by which ids are unique.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The name of the story's file.
    pub fn file_name(&self) -> String {
        format!("{}.md", self.0)
    }

    /// The story's branch, `feature/story-<id>`.
    pub fn branch(&self) -> String {
        format!("feature/story-{}", self.0)
    }

    /// The slug in words: the id without its number and kind, with spaces.
    pub fn words(&self) -> String {
        let rest = self.0.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = rest.trim_start_matches(['_', '-', '.']);
        let slug = match rest.split_once('_') {
            Some((kind, slug)) if crate::story::Kind::from_name(kind).is_some() => slug,
            _ => rest,
        };
        let words = slug.replace(['_', '-'], " ");
        if words.trim().is_empty() { self.0.to_string() } else { words.trim().to_owned() }
    }
}

impl<'de> Deserialize<'de> for StoryId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for StoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an agent of project.toml, by the same rule as a story id, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AgentName(Arc<str>);

impl AgentName {
    /// Checks `text` against the rule of names.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check(text, AGENT_NAME_LEN_MAX)?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for AgentName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One run of one agent: a UUID of version 7, so that runs sort by their start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One effect in flight. An answer that carries an id no longer awaited is late, and ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(pub u64);

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op {}", self.0)
    }
}

/// The id of a git object, in lower-case hex (40 digits, or 64 under SHA-256).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Oid(Arc<str>);

impl Oid {
    /// Takes a full object id; none where `text` is not one.
    pub fn new(text: &str) -> Option<Self> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (matches!(text.len(), 40 | 64) && hex).then(|| Self(text.into()))
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(text: &str, len_max: usize) -> Result<(), IdError> {
    let Some(first) = text.bytes().next() else {
        return Err(IdError::Empty);
    };
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err(IdError::Character);
    }
    if !first.is_ascii_alphanumeric() {
        return Err(IdError::Start);
    }
    if text.len() > len_max {
        return Err(IdError::TooLong(len_max));
    }
    let lock = text.len() >= 5 && text.as_bytes()[text.len() - 5..].eq_ignore_ascii_case(b".lock");
    if text.contains("..") || text.ends_with('.') || lock {
        return Err(IdError::Ref);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_rule() {
        for good in ["42_story_login", "a", "0", "A.b-c_d", &"x".repeat(100)] {
            assert!(StoryId::new(good).is_ok(), "{good}");
        }
        let bad = [
            ("", IdError::Empty),
            ("-rf", IdError::Start),
            (".hidden", IdError::Start),
            ("a b;c", IdError::Character),
            ("a\u{3000}b", IdError::Character),
            ("a..b", IdError::Ref),
            ("a.", IdError::Ref),
            ("a.lock", IdError::Ref),
            ("a.LOCK", IdError::Ref),
            (&"x".repeat(101), IdError::TooLong(100)),
        ];
        for (text, why) in bad {
            assert_eq!(StoryId::new(text), Err(why), "{text}");
        }
    }

    #[test]
    fn the_leading_number_and_the_words_come_from_the_id() {
        let id = |text| StoryId::new(text).expect("a good id");
        assert_eq!(id("42_story_log_in").number(), Some(42));
        assert_eq!(id("login").number(), None);
        assert_eq!(id("99999999999999999999999_x").number(), None);
        assert_eq!(id("42_story_log_in").words(), "log in");
        assert_eq!(id("7_fix-it").words(), "fix it");
        assert_eq!(id("42").words(), "42");
    }
}
