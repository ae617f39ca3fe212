//! `storkit diff`: a story's work against base.

use storkit_core::ids::StoryId;

use super::exit::{Exit, Failure, Outcome};
use super::text::clean_lines;
use super::{Context, ask, config, find};
use crate::git::{DiffOrder, GitError, Repo};
use crate::worktrees::{self, Ground};

/// Runs the command.
pub(super) fn run(context: &Context, story: &str, stat: bool) -> Outcome {
    let root = &context.project()?.root;
    let id: StoryId = find::story(root, story)?.id;
    let base_branch = ask::status(context, false)?.base_branch;
    let (config, _) = config::in_force(root);
    let repo = Repo::open(root).map_err(failed)?;
    let ground = Ground::new(&repo, &config.worktrees.dir).map_err(failed)?;
    let text = worktrees::diff(
        &ground,
        &DiffOrder { story: id.clone(), base_branch, stat, tree: None, since: None, ignore_space: false },
    );
    let text = text.map_err(failed)?;
    if context.out.json {
        context.out.json(&serde_json::json!({ "id": id, "diff": text }))?;
    } else if text.is_empty() {
        context.out.say(&format!("{id} has no work that base does not have"));
    } else {
        context.out.data(&clean_lines(&text))?;
    }
    Ok(Exit::Done)
}

/// What git says, as the command's failure.
pub(super) fn failed(error: GitError) -> Failure {
    Failure::new(error.to_string())
}
