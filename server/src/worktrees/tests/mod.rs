//! Worktrees against real repositories, agents that misbehave among them.

mod ending;
mod hostile;
mod preparing;
mod removing;
mod warm;
