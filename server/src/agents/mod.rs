//! Agents are processes: this starts them under a supervisor of their own, listens, and says how they ended.
//!
//! Gates and hooks run the same way, without a terminal. Nothing here judges a run; that is the core's.

pub mod acp;
mod bounded;
mod cast;
pub mod env;
pub mod exec;
mod lines;
mod log;
mod pty;
mod redact;
mod run;
pub mod shim;
mod spec;
mod sweep;
pub mod text;
pub mod transcript;

pub use cast::cast_of;
pub use log::LOG_LEN_MAX;
pub use run::{Control, RunEvent, probe, run, run_in};
pub use spec::{Container, How, LogHead, LogSpec, REPO_VARIABLE, RUN_VARIABLE, RunSpec, repo_marker};
pub use sweep::{Marked, sweep};

/// The order that a supervisor was started with.
fn read_order(path: &std::path::Path) -> Option<spec::ShimSpec> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
