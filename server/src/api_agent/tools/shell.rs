//! A command of the model's: by `sh -c`, in a process group of its own, within bounds of time and output.
//!
//! What it starts is ended with it. What hides from that is ended with the run, by the run's supervisor.

use std::collections::VecDeque;
use std::io::{self, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{Args, Done, ToolError, Workshop, wrong};
use crate::sys::process::command;
use crate::sys::task;

/// Seconds that a command has where the model does not say, and at most.
const TIMEOUT_DEFAULT_S: u64 = 120;
const TIMEOUT_MAX_S: u64 = 1800;
/// How much of the output is kept from its beginning and from its end, in bytes.
const HEAD_LEN: usize = 12 << 10;
const TAIL_LEN: usize = 20 << 10;
/// How often it is looked whether the command has ended.
const LOOK: Duration = Duration::from_millis(10);
/// How long the output may take to end after the command's group was killed.
const DRAIN: Duration = Duration::from_secs(2);

/// `shell`.
pub(super) fn run(workshop: &Workshop, args: &Args<'_>) -> Result<Done, ToolError> {
    let text = args.said("command")?;
    let timeout = args.number("timeout_s", TIMEOUT_DEFAULT_S)?.clamp(1, TIMEOUT_MAX_S);
    let (end, output) = execute(workshop, &text, Duration::from_secs(timeout))
        .map_err(|error| wrong(&format!("the command could not be run: {error}")))?;
    let ok = end.is_some_and(|status| status.success());
    let mut shown = output.shown();
    match end {
        Some(_) if ok && shown.is_empty() => "[no output]".clone_into(&mut shown),
        Some(_) if ok => {}
        Some(status) => shown.push_str(&format!("\n[{status}]")),
        None => shown.push_str(&format!("\n[killed: it ran longer than {timeout} s]")),
    }
    Ok(Done { ok, text: shown, end: None })
}

/// How it ended, none where it ran too long, and what it printed.
fn execute(workshop: &Workshop, text: &str, timeout: Duration) -> io::Result<(Option<ExitStatus>, Output)> {
    let (reader, writer) = io::pipe()?;
    let mut sh = command("/bin/sh");
    sh.args(["-c", text]).env_clear().envs(workshop.env.iter().cloned()).current_dir(&workshop.path);
    sh.stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let mut child = sh.spawn()?;
    // It holds the pipe's other end.
    drop(sh);
    let output = Arc::new(Mutex::new(Output::default()));
    let (send, over) = mpsc::channel();
    let kept = Arc::clone(&output);
    let reading = task::spawn("shell-output", move || {
        Output::read(reader, &kept);
        // The command may be given up already.
        let _ = send.send(());
    });
    let ended = wait(&child, timeout);
    kill_group(&child);
    let status = child.wait()?;
    reading?;
    // A process that left the group may hold the pipe: its words are not waited for.
    let _ = over.recv_timeout(DRAIN);
    let output = std::mem::take(&mut *output.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((ended?.then_some(status), output))
}

/// Waits until the command has ended, which stays to be reaped: so its group keeps its number. False where it runs on.
fn wait(child: &Child, timeout: Duration) -> io::Result<bool> {
    let until = Instant::now() + timeout;
    let id = WaitId::Pid(pid(child));
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while waitid(id.clone(), options)?.is_none() {
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(LOOK);
    }
    Ok(true)
}

fn kill_group(child: &Child) {
    // It may have ended as a whole.
    let _ = kill_process_group(pid(child), Signal::KILL);
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// The beginning and the end of what was printed.
#[derive(Debug, Default)]
struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: usize,
}

impl Output {
    fn read(mut from: PipeReader, to: &Mutex<Self>) {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(length) = from.read(&mut buffer) {
            if length == 0 {
                return;
            }
            to.lock().unwrap_or_else(PoisonError::into_inner).take(&buffer[..length]);
        }
    }

    fn take(&mut self, piece: &[u8]) {
        let into_head = piece.len().min(HEAD_LEN - self.head.len());
        self.head.extend_from_slice(&piece[..into_head]);
        self.tail.extend(&piece[into_head..]);
        let excess = self.tail.len().saturating_sub(TAIL_LEN);
        self.tail.drain(..excess);
        self.left_out += excess;
    }

    fn shown(mut self) -> String {
        let head = String::from_utf8_lossy(&self.head);
        let tail = String::from_utf8_lossy(self.tail.make_contiguous());
        let cut =
            if self.left_out > 0 { format!("\n[… {} bytes …]\n", self.left_out) } else { String::new() };
        format!("{head}{cut}{tail}").trim_end().to_owned()
    }
}
