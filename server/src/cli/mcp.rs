//! `storkit mcp`: the daemon's MCP server on standard input and output.

use super::exit::{Exit, Failure, Outcome};
use super::{Context, ask};

/// The variable by which an agent's run is known.
const TOKEN_VARIABLE: &str = "STORKIT_TOKEN";

/// Runs the command, until standard input or the daemon ends.
pub(super) fn run(context: &Context) -> Outcome {
    let Some(client) = ask::daemon(context)? else { return Err(Failure::no_daemon("mcp")) };
    let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
    client.mcp(token.as_deref(), std::io::stdin(), std::io::stdout())?;
    Ok(Exit::Done)
}
