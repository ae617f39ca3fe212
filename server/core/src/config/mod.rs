//! `project.toml`: its model, and how it is read.

pub mod model;

pub use model::*;
