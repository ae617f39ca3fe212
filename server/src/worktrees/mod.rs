//! TODO(worktrees)
