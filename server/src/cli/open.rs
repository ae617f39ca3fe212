//! `storkit open`: the board in the browser, let in by a code that works once.
//!
//! The code stands in the address's fragment, which no browser sends and no server logs.

use std::process::Stdio;

use super::Context;
use super::ask;
use super::exit::{Exit, Failure, Outcome};
use crate::sys::process;

/// What opens an address, the first that there is.
const OPENERS: [&str; 3] = ["xdg-open", "open", "wslview"];

/// Runs the command.
pub(super) fn run(context: &Context, print: bool) -> Outcome {
    let Some(client) = ask::daemon(context)? else { return Err(Failure::no_daemon("open")) };
    let url = client.status(false)?.daemon.and_then(|daemon| daemon.url);
    let url = url.ok_or_else(|| Failure::new("the daemon does not listen on TCP"))?;
    let url = format!("{url}/#code={}", client.code()?);
    if context.out.json {
        context.out.json(&serde_json::json!({ "url": url }))?;
        return Ok(Exit::Done);
    }
    context.out.data(&format!("{url}\n"))?;
    if !print && !show(&url) {
        context.out.say("no browser was found: open the address by hand, within a minute");
    }
    Ok(Exit::Done)
}

/// Hands the address to the desktop. Whether anything took it.
fn show(url: &str) -> bool {
    OPENERS.into_iter().any(|opener| {
        let mut command = process::command(opener);
        command.arg(url).envs(std::env::vars_os()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}
