//! Landing: a story's work becomes a commit on base's tip in memory, is gated, and then base moves to exactly that commit.
//!
//! `squash` makes the commit, `advance` moves base, `recover` finishes or drops what a crash left. No step here touches a
//! person's uncommitted bytes.

mod advance;
mod foreign;
mod overlap;
mod push;
mod record;
mod recover;
mod replay;
mod squash;
#[cfg(test)]
mod tests;

pub use advance::{AdvanceOrder, advance, finish_landing};
pub use overlap::overlap;
pub use push::push;
pub use recover::{Recovery, recover};
pub use squash::{Message, SquashOrder, squash};
