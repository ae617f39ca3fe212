//! What checkers and tests may see of the pipeline's inside; nothing here changes it.

use super::{Pause, Pipeline, Purpose};
use crate::ids::{AgentName, OpId, StoryId};
use crate::snapshot::Condition;

impl Pipeline {
    /// Why nothing starts, board-wide.
    pub fn pause(&self) -> Option<&Pause> {
        self.pause.as_ref()
    }

    /// Whether the daemon was told to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Whether the first turn is over: from then on stories are followed.
    pub fn is_awake(&self) -> bool {
        self.awake
    }

    /// Whether an agent may not be used until a person says so.
    pub fn is_drained(&self, agent: &AgentName) -> bool {
        self.drained.contains_key(agent)
    }

    /// The effects in flight, and the story whose own work each is; none for a step of a request.
    pub(crate) fn purposes(&self) -> impl Iterator<Item = (OpId, Option<&StoryId>)> {
        self.ops.iter().map(|(op, purpose)| match purpose {
            Purpose::Work(id) => (*op, Some(id)),
            Purpose::Ask(_) => (*op, None),
        })
    }

    /// What keeps anything from being started for a story.
    pub(crate) fn keeps_from_starting(&self, id: &StoryId) -> Vec<Condition> {
        self.obstacles(id)
    }

    /// The dependencies of a story that are not closed.
    pub(crate) fn open_dependencies(&self, id: &StoryId) -> Vec<Condition> {
        self.waits_for(id)
    }
}
