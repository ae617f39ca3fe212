//! Who speaks to the daemon: a person with all rights, or the agent of one run with those of its story.

use storkit_core::config::Role;
use storkit_core::ids::{RunId, StoryId};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The owner of the daemon, or a program of theirs.
    Owner,
    /// The agent of one run.
    Run(Grant),
}

/// What a run's own token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The run.
    pub run: RunId,
    /// Its story, the only one that it reaches.
    pub story: StoryId,
    /// What sort of agent it is: a QA run may reject, a mergemaster may give up.
    pub role: Role,
}
