//! `storkit down`: ends the daemon, and returns when it has ended.

use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};

use super::exit::{Exit, Failure, Outcome};
use super::{Context, ask};
use crate::http::client::{Client, ClientError};

/// Longest wait for the daemon's end; it promises 10 s.
const END_WAIT: Duration = Duration::from_secs(20);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs the command.
pub(super) fn run(context: &Context, now: bool) -> Outcome {
    let Some(client) = ask::daemon(context)? else {
        context.out.say("no daemon is running");
        return Ok(Exit::Done);
    };
    end(&client, now)?;
    context.out.say("the daemon has ended");
    Ok(Exit::Done)
}

/// Tells the daemon to end and waits until its process is gone.
pub(super) fn end(client: &Client, now: bool) -> Result<(), Failure> {
    let pid = match client.status(false) {
        Ok(status) => status.daemon.map(|daemon| daemon.pid),
        Err(ClientError::NotRunning) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match client.down(now) {
        // It may end before its answer has come.
        Ok(()) | Err(ClientError::NotRunning | ClientError::Broken(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return Ok(()) };
    let deadline = Instant::now() + END_WAIT;
    while is_alive(pid) {
        if Instant::now() > deadline {
            return Err(
                Failure::new(format!("the daemon (pid {pid}) has not ended")).hint("storkit down --now")
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Whether the process runs; one that has ended and waits for its parent to notice does not.
fn is_alive(pid: Pid) -> bool {
    if test_kill_process(pid).is_err() {
        return false;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) S …`; the name may hold anything.
    !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}
