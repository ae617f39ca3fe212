//! Real agents against the scripted model: first each by itself, then stories that storkit builds with them.
//!
//! `script/e2e` installs the agents, makes a network of loopback alone, and runs these; nothing else should. Each
//! test's name ends with the agent's, so that `script/e2e codex` runs what is Codex's.
#![cfg(test)]

mod acp;
mod api;
mod check;
mod limits;
mod mcp;
mod night;
mod play;
mod raw;
mod stories;
