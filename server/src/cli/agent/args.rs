//! What may be typed behind `storkit agent`.

use std::time::Duration;

use clap::{Args, Subcommand};
use storkit_core::duration::{UnitError, parse_ms};

/// `storkit agent`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AgentCommand {
    /// Start an agent once, on a task of a minute in a scratch worktree, and say what works and what mends the rest
    #[command(
        after_help = "It asks the model three things, which costs a little. No daemon is needed, and no branch is touched.\n\n\
                      Examples:\n  storkit agent check coder-1\n  storkit agent check coder-1 --timeout 30s --json"
    )]
    Check(AgentCheckArgs),
}

/// `storkit agent check`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AgentCheckArgs {
    /// The agent's name in project.toml
    pub name: String,
    /// Longest time for each thing that it is asked
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "2m")]
    pub timeout: Duration,
    /// Run this project's agents without asking
    #[arg(long)]
    pub trust: bool,
}

fn span(text: &str) -> Result<Duration, UnitError> {
    parse_ms(text).map(|ms| Duration::from_millis(ms.max(1)))
}
