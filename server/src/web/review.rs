//! The page of a story's work against base: files, hunks, lines, and the verdict.

use askama::Template;
use storkit_core::snapshot::State;

use super::diff::{File, parse};
use super::story::{Head, StoryPage};

#[derive(Template)]
#[template(path = "diff.html")]
struct Review<'a> {
    head: Head<'a>,
    compared: &'a Compared,
    tip: &'a str,
    files: Vec<File>,
    added: usize,
    removed: usize,
    verdict: bool,
    folded: bool,
}

/// A commit that work can be compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Its id.
    pub commit: String,
    /// When, RFC 3339.
    pub at: String,
    /// Its message's first line.
    pub title: String,
    /// Whether it is what the work is compared with.
    pub is_shown: bool,
}

/// With what work is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// The branch that it left.
    pub base: String,
    /// Its own commits, the oldest first.
    pub tries: Vec<Left>,
    /// Whether lines that differ in white space alone are left out.
    pub ignore_space: bool,
}

/// The page of what git's diff says.
pub fn diff_page(page: StoryPage<'_>, diff: &str, compared: &Compared) -> String {
    let files = parse(diff);
    let review = Review {
        head: Head::new(page, "diff"),
        compared,
        tip: compared.tries.last().map_or("", |left| left.commit.as_str()),
        added: files.iter().map(|file| file.added).sum(),
        removed: files.iter().map(|file| file.removed).sum(),
        folded: files.iter().any(|file| !file.folded.is_empty()),
        files,
        verdict: page.story.state == State::Review,
    };
    review.render().expect("writing to a string does not fail")
}
