//! storkit's functional core: it decides, and touches nothing.
//!
//! Files, processes, the clock and random numbers are the shell's; they enter here as values. Everything that
//! happens is an event, `Pipeline::handle` answers with effects, and the shell carries them out.

pub mod assign;
pub mod board;
pub mod config;
pub mod context;
pub mod duration;
pub mod effect;
pub mod event;
pub mod facts;
pub mod front_matter;
pub mod graph;
pub mod hints;
pub mod ids;
pub mod invariants;
pub mod leave;
pub mod memory;
pub mod message;
pub mod notify;
pub mod patch;
pub mod pipeline;
pub mod price;
pub mod prompt;
pub mod request;
pub mod run;
pub mod runtime;
pub mod sighting;
pub mod snapshot;
pub mod stage;
pub mod story;
pub mod story_file;
pub mod time;
pub mod usage;
