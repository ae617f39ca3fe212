//! The agent behind `runtime = "openai"` and `"gemini-api"`: a loop between a model and a few tools, in the worktree.
//!
//! An inner mode of the program, run under the supervisor like any other agent: it knows nothing of the daemon, and
//! tells what it does in lines that `storkit_core::runtime` reads. The home of the HTTP client. Besides its own tools it
//! offers those of storkit's MCP server.

mod ask;
mod gemini;
mod history;
mod http;
mod openai;
mod order;
mod session;
mod speak;
#[cfg(test)]
mod tests;
mod tools;
mod turns;

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use storkit_core::runtime::{AgentEvent, Ending};

use ask::Provider;
use history::Item;
use order::{Order, Resumed};
use session::Sessions;
use speak::Speaker;
use tools::{Remote, Workshop};

/// Longest prompt, in bytes.
const PROMPT_LEN_MAX: u64 = 4 << 20;

/// The entry of `storkit __api-agent PROVIDER …`, in the worktree; `storkit_core::runtime` documents its lines.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let speaker = Speaker::new(std::io::stdout());
    let ending = Order::read(args, &mut |name| std::env::var(name).ok())
        .and_then(|order| work(&order, Path::new("."), &speaker))
        .unwrap_or_else(|ending| ending);
    speaker.ending(&ending);
    let is_own_end = ending.is_finished() || matches!(ending, Ending::Asked { .. });
    ExitCode::from(u8::from(!is_own_end))
}

/// One run, to its end.
fn work(order: &Order, worktree: &Path, speaker: &Speaker) -> Result<Ending, Ending> {
    let sessions = Sessions::open(&order.sessions).map_err(|error| configuration(error.to_string()))?;
    let (id, mut history) = match &order.session {
        Resumed::New(id) => (id, history::History::default()),
        Resumed::Old(id) => (id, sessions.load(id, order.provider).ok_or(Ending::SessionUnknown)?),
    };
    let provider: Box<dyn Provider> = order.provider()?;
    let prompt = prompt(&order.prompt)?;
    let mut workshop = Workshop::open(worktree, order.role, order.shell_env())
        .map_err(|error| configuration(format!("cannot open the worktree: {error}")))?;
    if let Some(url) = &order.mcp_url {
        match Remote::open(url, order.mcp_token.clone()) {
            Ok(remote) => workshop.add(remote),
            // The work can be done without.
            Err(error) => speaker.notice(&format!("storkit's MCP server cannot be used: {error}")),
        }
    }
    let client = http::Client::new(order.base_url())?;
    speaker.event(AgentEvent::Session { id: id.clone(), model: Some(order.model.clone()) });
    history.push(Item::User { text: prompt });
    let save = |history: &history::History| {
        if let Err(error) = sessions.save(id, order.provider, history) {
            speaker.notice(&format!("the session is not kept: {error}"));
        }
    };
    let turns = turns::Turns { order, provider: &*provider, client: &client, workshop: &workshop, speaker };
    Ok(turns.run(&mut history, &save))
}

fn configuration(text: String) -> Ending {
    Ending::Configuration { text }
}

fn prompt(path: &Path) -> Result<String, Ending> {
    let failed = |why: String| configuration(format!("cannot read the prompt {}: {why}", path.display()));
    let bytes = File::open(path)
        .and_then(|mut file| crate::sys::fs::read_capped(&mut file, PROMPT_LEN_MAX))
        .map_err(|error| failed(error.to_string()))?
        .ok_or_else(|| failed(format!("more than {PROMPT_LEN_MAX} bytes")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
