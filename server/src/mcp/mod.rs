//! MCP: storkit's tools for agents and for programs of people, over whatever carries them. The home of `rmcp`.
//!
//! What the tools ask of the daemon is a trait of this module's own; who may call what is decided here.

mod call;
mod caller;
mod desk;
mod list;
mod server;

pub use caller::{Caller, Grant};
pub use desk::{Desk, Output, Said, StoryFile, Wanted};
pub use server::{Tools, over_http, over_stream};
