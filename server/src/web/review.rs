//! The page of a story's work against base: files, hunks, lines, and the verdict.

use askama::Template;
use storkit_core::snapshot::State;

use super::diff::{File, parse};
use super::story::{Head, StoryPage};

#[derive(Template)]
#[template(path = "diff.html")]
struct Review<'a> {
    head: Head<'a>,
    base: &'a str,
    files: Vec<File>,
    added: usize,
    removed: usize,
    verdict: bool,
    folded: bool,
}

/// The page of what git's diff says.
pub fn diff_page(page: StoryPage<'_>, diff: &str, base: &str) -> String {
    let files = parse(diff);
    let review = Review {
        head: Head::new(page, "diff"),
        base,
        added: files.iter().map(|file| file.added).sum(),
        removed: files.iter().map(|file| file.removed).sum(),
        folded: files.iter().any(|file| !file.folded.is_empty()),
        files,
        verdict: page.story.state == State::Review,
    };
    review.render().expect("writing to a string does not fail")
}
