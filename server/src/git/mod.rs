//! git: the repository beside which storkit stands, its refs, and the landing of stories on base.
//!
//! The only home of libgit2 and of the git command. It knows nothing of the board, and of worktrees only where one is.

pub mod command;
pub mod diff;
pub mod error;
pub mod landing;
pub mod objects;
pub mod refs;
pub mod repo;
pub mod settings;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use diff::{DiffOrder, Step, diff, diff_size, steps};
pub use error::GitError;
pub use repo::{HeadState, Repo};
