//! `storkit board`: the board in a terminal. A pure model, `update(model, message) -> effects`, and `view(model)`
//! into a buffer; `shell` alone knows the terminal, threads and time.
//!
//! A face beside `cli`, which starts it and stands behind the trait [`Host`]: what the board asks for is done the same
//! way as by commands. Nothing that an agent or a story says reaches the terminal as bytes: only cells are drawn.

mod areas;
mod cards;
mod diff;
mod host;
mod keys;
mod line;
mod look;
mod model;
mod page;
mod palette;
mod screen;
mod shell;
mod update;
mod view;

pub use host::{Answer, Figures, Host, Seen, StoryFile, Trouble};
pub use look::{Colors, Look};
pub use palette::Ground;
pub use shell::run;

#[cfg(test)]
mod tests;
