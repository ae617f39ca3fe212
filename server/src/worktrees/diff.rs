//! A story's work as text, with what lies uncommitted in its worktree.

use super::ground::{Found, Ground};
use super::snapshot::{content, survey};
use crate::git::{DiffOrder, GitError};

/// What the story changed since its branch left base; uncommitted and untracked files of its worktree are in it.
pub fn diff(ground: &Ground, order: &DiffOrder) -> Result<String, GitError> {
    let mut order = order.clone();
    if let Found::Tree(pins) = ground.find(order.story.as_str())? {
        let survey = survey(ground.repo(), &pins, None)?;
        if survey.dirty {
            order.tree = Some(content(ground.repo(), &pins, &survey)?.tree);
        }
    }
    crate::git::diff(ground.repo(), &order)
}
