//! Effects on the board's files.

use storkit_core::effect::{EditOrder, MoveOrder};
use storkit_core::event::Outcome;
use storkit_core::facts::{EditEnd, MoveEnd};

use crate::daemon::world::World;

/// Renames a story's file.
pub(in crate::daemon) fn move_story(world: &World, order: &MoveOrder) -> Outcome {
    let end = world.board.move_story(&order.story, order.from, order.to);
    if end == MoveEnd::Moved {
        world.history.touch();
    }
    Outcome::Move(end)
}

/// Changes keys or sections of a story's file.
pub(in crate::daemon) fn edit(world: &World, order: &EditOrder) -> Outcome {
    let end = world.board.edit(&order.story, order.stage, &order.edits);
    if let EditEnd::Written { .. } = end {
        world.history.touch();
    }
    Outcome::Edit(end)
}
