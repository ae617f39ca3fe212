//! `project.toml`: its model, and how its text becomes one. Pure: who reads the file, and when, is the shell's.

mod agents;
mod init;
pub mod keys;
mod legacy;
pub mod model;
mod notices;
mod parse;
mod prices;
mod raw;
mod routes;
mod schema;
mod show;

pub use init::{InitAgent, init_text};
pub use model::*;
pub use parse::{Parsed, default_config, parse};
pub use schema::schema;
pub use show::show;

pub use crate::hints::render;

/// The file's path as problems show it, relative to the project's root.
pub const PATH: &str = ".storkit/project.toml";
/// Most bytes of the file.
pub const FILE_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests;
