//! `storkit down`: ends the daemon, and returns when it has ended.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::exit::{Exit, Failure, Outcome};
use super::{Context, ask};
use crate::git::Repo;
use crate::http::client::{Client, ClientError};
use crate::sys::lock;

/// Longest wait for the daemon's end; it promises 10 s.
const END_WAIT: Duration = Duration::from_secs(20);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs the command.
pub(super) fn run(context: &Context, now: bool) -> Outcome {
    if let Some(client) = ask::daemon(context)? {
        end(&client, now)?
    } else {
        let Some(holder) = holder(context)? else {
            context.out.say("no daemon is running");
            return Ok(Exit::Done);
        };
        signal(holder, now)?;
    }
    context.out.say("the daemon has ended");
    Ok(Exit::Done)
}

/// The daemon that holds the repository's lock though its socket does not answer: `run/` may have been removed.
fn holder(context: &Context) -> Result<Option<Pid>, Failure> {
    let repo = Repo::open(&context.project()?.root).map_err(|error| Failure::new(error.to_string()))?;
    let holder = lock::holder(repo.common()).map_err(|error| Failure::new(error.to_string()))?;
    Ok(holder.and_then(|holder| Pid::from_raw(holder.pid.cast_signed())))
}

/// Ends a daemon by signals: a second one means at once.
fn signal(pid: Pid, now: bool) -> Result<(), Failure> {
    for _ in 0..=u8::from(now) {
        if kill_process(pid, Signal::TERM).is_err() {
            return Ok(());
        }
    }
    wait(pid)
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
    pid.and_then(|pid| Pid::from_raw(pid.cast_signed())).map_or(Ok(()), wait)
}

fn wait(pid: Pid) -> Result<(), Failure> {
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
