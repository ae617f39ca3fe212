//! `storkit up`: the daemon in this terminal with a live view, or behind it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::args::UpArgs;
use super::exit::{Exit, Failure, Outcome, io};
use super::live::Live;
use super::out::Out;
use super::text::clean_lines;
use super::{Context, config, trust};
use crate::daemon::{self, UpError};
use crate::http::ServerError;
use crate::http::client::{Client, ClientError};
use crate::sys::{process, task};

/// Longest wait for a daemon behind the terminal to answer; a board of 10,000 stories takes 2 s.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// A log of daemons that is longer becomes `daemon.log.old` at the next start, in bytes.
const LOG_LEN_MAX: u64 = 10_000_000;
/// How much of the log a failed start shows, in bytes.
const LOG_TAIL: u64 = 4_000;

/// Runs the command.
pub(super) fn run(context: &Context, args: &UpArgs) -> Outcome {
    let root = context.project()?.root.clone();
    if let Some(client) = running(&root)? {
        return Err(second(&client, &root));
    }
    let config = config::required(&root)?;
    trust::settle(context.out, &root, &config, args.trust)?;
    if args.detach { detach(context.out, &root, args) } else { here(context, args, root) }
}

/// The daemon in this process. The live view is a client like any other, on a thread of its own.
fn here(context: &Context, args: &UpArgs, root: PathBuf) -> Outcome {
    if args.session {
        // Fails only where this process leads a group already: then it is on its own anyway.
        let _ = rustix::process::setsid();
    }
    if args.with_parent {
        end_with_parent();
    }
    let over = Arc::new(AtomicBool::new(false));
    let (serving, served) = mpsc::channel();
    let watcher = watch(context.out, root.join(".storkit/run"), Arc::clone(&over), served);
    let options = daemon::Options { root, once: args.once, port: args.port, in_terminal: !args.session };
    let ended = daemon::run(
        &options,
        Box::new(move || {
            // Without a live view nobody waits for it.
            let _ = serving.send(());
        }),
    );
    over.store(true, Ordering::Relaxed);
    if let Ok(watcher) = watcher {
        // What it could not show is no reason to fail.
        let _ = watcher.join();
    }
    ended.map_err(failed)?;
    Ok(Exit::Done)
}

/// Shows what the daemon does, from when its socket answers until it is over.
fn watch(
    out: Out,
    run_dir: PathBuf,
    over: Arc<AtomicBool>,
    served: mpsc::Receiver<()>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    task::spawn("live", move || {
        if served.recv().is_err() {
            return;
        }
        out.say("storkit is up; Ctrl-C ends it");
        let mut live = Live::new(out);
        let watched =
            Client::connect(&run_dir).map_err(Failure::from).and_then(|client| live.follow(&client, &over));
        if let Err(failure) = watched {
            tracing::debug!(%failure, "the live view ended");
        }
        live.finish();
    })
}

fn failed(error: UpError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        UpError::Held(_) => failure.hint("storkit down ends it"),
        UpError::Server(ServerError::Tcp { .. }) => failure
            .hint("set server.port in .storkit/project.toml to 0 for any free one, or storkit up --port N"),
        UpError::NoBase => failure.hint("set base_branch in .storkit/project.toml"),
        _ => failure,
    }
}

/// A daemon behind the terminal: this program again, in a session of its own, with its words in run/daemon.log.
fn detach(out: Out, root: &Path, up: &UpArgs) -> Outcome {
    let run_dir = root.join(".storkit/run");
    let (log, log_path) = open_log(&run_dir)?;
    let log_from = log.metadata().map_or(0, |meta| meta.len());
    let mut args = vec!["up".to_owned(), "--trust".to_owned(), "--session".to_owned()];
    if up.once {
        args.push("--once".to_owned());
    }
    if let Some(port) = up.port {
        args.extend(["--port".to_owned(), port.to_string()]);
    }
    let mut child = spawn_self(root, &args, &log, None)?;
    let client = wait_for(&run_dir, &mut child).map_err(|failure| {
        let tail = log_tail(&log_path, log_from);
        let said = if tail.is_empty() { String::new() } else { format!("\n{tail}") };
        Failure { error: format!("{}{said}", failure.error), ..failure }
    })?;
    let pid = child.id();
    drop(client);
    if out.json {
        out.json(&serde_json::json!({ "pid": pid }))?;
    } else {
        out.say(&format!("storkit is up: pid {pid}, log .storkit/run/daemon.log"));
    }
    Ok(Exit::Done)
}

fn open_log(run_dir: &Path) -> Result<(File, PathBuf), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(run_dir).map_err(io("make", run_dir))?;
    let path = run_dir.join("daemon.log");
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_LEN_MAX) {
        fs::rename(&path, run_dir.join("daemon.log.old")).map_err(io("put away", &path))?;
    }
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(io("open", &path))?;
    Ok((log, path))
}

/// Starts this program again on the project at `root`, its words going to `log`; with a `home` other than the person's,
/// nothing of theirs is seen or touched.
pub(super) fn spawn_self(
    root: &Path,
    args: &[String],
    log: &File,
    home: Option<&Path>,
) -> Result<Child, Failure> {
    let exe = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
    let copy = || {
        log.try_clone().map(Stdio::from).map_err(|error| Failure::new(format!("cannot use the log: {error}")))
    };
    let mut command = process::command(&exe);
    match home {
        None => command.envs(std::env::vars_os()),
        Some(home) => command.env("HOME", home).env("GIT_CONFIG_NOSYSTEM", "1"),
    };
    command
        .current_dir(root)
        .arg("-C")
        .arg(root)
        .args(args)
        .stdout(copy()?)
        .stderr(copy()?)
        .spawn()
        .map_err(io("start", &exe))
}

/// Waits until the daemon that `child` is answers.
pub(super) fn wait_for(run_dir: &Path, child: &mut Child) -> Result<Client, Failure> {
    let deadline = Instant::now() + ANSWER_WAIT;
    loop {
        match Client::connect(run_dir) {
            // Another daemon's socket is no answer of this one.
            Ok(client)
                if client
                    .status(false)
                    .is_ok_and(|status| status.daemon.is_some_and(|daemon| daemon.pid == child.id())) =>
            {
                return Ok(client);
            }
            Ok(_) | Err(ClientError::NotRunning) => {}
            Err(error) => return Err(error.into()),
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(Failure::new(format!("the daemon ended: {status}")));
        }
        if Instant::now() > deadline {
            return Err(Failure::new("the daemon does not answer")
                .hint("see .storkit/run/daemon.log; storkit down ends it"));
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// The end of a log, from a place on.
pub(super) fn log_tail(path: &Path, from: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(len.saturating_sub(LOG_TAIL))))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    clean_lines(&anstream::adapter::strip_str(text.trim()).to_string())
}

fn running(root: &Path) -> Result<Option<Client>, Failure> {
    match Client::connect(&root.join(".storkit/run")) {
        Ok(client) => Ok(Some(client)),
        Err(ClientError::NotRunning) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a second daemon says of the first.
fn second(client: &Client, root: &Path) -> Failure {
    let who = client.status(false).ok().and_then(|status| status.daemon);
    let who = who.map_or_else(String::new, |daemon| {
        let port = daemon
            .url
            .as_deref()
            .and_then(|url| url.rsplit_once(':'))
            .map(|(_, port)| format!(", port {port}"));
        format!(" (pid {}{})", daemon.pid, port.unwrap_or_else(|| ", no port".to_owned()))
    });
    Failure::new(format!("a daemon runs for {} already{who}", root.display())).hint("storkit down ends it")
}

/// Asks the kernel for a TERM when the process that started this one ends.
#[cfg(target_os = "linux")]
fn end_with_parent() {
    // Without it the demo's daemon would only outlive a demo that was killed.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() {}
