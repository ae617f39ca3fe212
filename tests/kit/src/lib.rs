//! What tests stand on: a throw-away project, the built program, a daemon that cannot outlive its test, and
//! checkers of the promises.
//!
//! Everything is hermetic: an environment that was chosen, `HOME` and `TMPDIR` in the test's own temporary
//! folder, git with its own configuration, identity and dates. Nothing here reaches into storkit's code beyond
//! the types of `storkit-core`: what a test sees is what a user sees.

pub mod agent;
pub mod check;
pub mod checkout;
pub mod command;
pub mod daemon;
pub mod git;
pub mod listeners;
pub mod model;
pub mod processes;
pub mod programs;
pub mod project;
pub mod real;
pub mod views;
pub mod wait;

pub use agent::AgentSpec;
pub use command::Outcome;
pub use daemon::Daemon;
pub use git::Git;
pub use model::{ModelServer, Script, Turn};
pub use project::{ProjectBuilder, TestProject};
pub use real::RealAgent;
pub use wait::{CEILING, poll_each, poll_until, wait_for};
