//! storkit's shell: it looks at the outside world, acts on it, and asks the core what to do.
//!
//! Layered downward only: faces (`cli`, `tui`) → `daemon` → `http` → adapters → `sys` → core.

pub mod agents;
pub mod api_agent;
pub mod board;
pub mod cli;
pub mod daemon;
pub mod gates;
pub mod git;
pub mod http;
pub mod ledger;
pub mod mcp;
pub mod notify;
pub mod sys;
pub mod tui;
pub mod watch;
pub mod web;
pub mod worktrees;
