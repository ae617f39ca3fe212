//! Effects of landing: in memory, and then base itself.

use storkit_core::effect::{AdvanceOrder, Notice, SquashOrder, Topic};
use storkit_core::event::Outcome;
use storkit_core::facts::{AdvanceEnd, SquashEnd};
use storkit_core::ids::StoryId;

use super::records;
use crate::daemon::world::World;
use crate::git::landing::{self, Message};

/// Puts a story's work onto base's tip, in memory.
pub(in crate::daemon) fn squash(world: &World, order: &SquashOrder) -> Outcome {
    let wanted = landing::SquashOrder {
        story: order.story.clone(),
        base_branch: world.base_branch.clone(),
        strategy: order.strategy,
        message: Message {
            name: order.subject.clone(),
            summary: order.body.clone().unwrap_or_default(),
            run: order.run.map(|run| run.to_string()).unwrap_or_default(),
            gates: order.gates.join(", "),
        },
    };
    let end = landing::squash(&world.repo, &wanted);
    Outcome::Squash(end.unwrap_or_else(|error| SquashEnd::Waits(error.to_string())))
}

/// Moves base to a gated commit.
pub(in crate::daemon) fn advance(world: &World, order: &AdvanceOrder) -> Outcome {
    let wanted = landing::AdvanceOrder {
        story: order.story.clone(),
        base_branch: world.base_branch.clone(),
        commit: order.new.clone(),
        base: order.old.clone(),
        tip: order.tip.clone(),
    };
    let end = landing::advance(&world.repo, &wanted);
    world.board.forgive_git();
    Outcome::Advance(end.unwrap_or_else(|error| AdvanceEnd::Failed(error.to_string())))
}

/// Drops the record of intent of a landing that is finished, and pushes base where that is asked for.
pub(in crate::daemon) fn landed(world: &World, story: &StoryId, remote: Option<&str>) {
    if let Err(error) = landing::finish_landing(&world.repo, story) {
        tracing::warn!(%story, "the landing's record stays until the next start: {error}");
    }
    let Some(remote) = remote else { return };
    let text = match landing::push(&world.repo, remote, &world.base_branch) {
        Ok(()) => format!("{} pushed to {remote}", world.base_branch),
        Err(error) => format!("{} is not pushed to {remote}: {error}", world.base_branch),
    };
    let (at, story) = (world.now().wall, Some(story.clone()));
    records::tell(world, Notice { at, topic: Topic::Landed, story, text, gates: Vec::new() });
}
