//! The daemon's side of a run: it starts a supervisor, hands orders on, listens, and gathers the facts.
//!
//! It blocks until everything of the run has ended. Should the supervisor itself be killed, it sweeps up behind it.

use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use storkit_core::facts::{ProcessEnd, RunFacts};
use storkit_core::runtime::{AgentEvent, PROMPT_ARG_LEN_MAX, PROMPT_PLACE, Told};
use storkit_core::time::words;

use super::spec::{
    Container, Ended, How, Identity, Message, PROMPT_VARIABLE, REPO_VARIABLE, RUN_VARIABLE, RunSpec, ShimSpec,
};
use super::sweep::{Marked, sweep};
use crate::sys::cancel::{Cancel, How as CancelHow};
use crate::sys::failpoint::reach;
use crate::sys::process::command;

/// Longest message of a supervisor, in bytes.
const MESSAGE_LEN_MAX: usize = 16 << 20;
/// How often it is looked whether the supervisor is overdue.
const OVERDUE_LOOK_EACH: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// How much longer than it was given a supervisor may take before it is taken for dead.
const OVERDUE: Duration = Duration::from_secs(30);

/// What happens while a program runs.
#[derive(Debug)]
pub enum RunEvent {
    /// Its first process is there.
    Started {
        /// That process; killing it ends the run.
        pid: i32,
        /// What holds its processes together.
        container: Container,
        /// A way to type into its terminal.
        control: Control,
    },
    /// The agent said something.
    Agent(AgentEvent),
}

/// Orders to a run's supervisor. They never block, and after the run they do nothing.
#[derive(Debug, Clone)]
pub struct Control(Arc<Mutex<Option<OwnedFd>>>);

impl Control {
    /// Types bytes into the terminal. A terminal that takes nothing loses them.
    pub fn input(&self, bytes: &[u8]) {
        for piece in bytes.chunks(1024) {
            let mut line = String::from("input ");
            for byte in piece {
                // Writing to a text cannot fail.
                let _ = write!(line, "{byte:02x}");
            }
            line.push('\n');
            self.order(&line);
        }
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.order(&format!("resize {columns} {rows}\n"));
    }

    fn end(&self, how: CancelHow) {
        match how {
            CancelHow::Gently(grace_ms) => self.order(&format!("stop {grace_ms}\n")),
            CancelHow::Now => self.order("kill\n"),
        }
    }

    fn order(&self, line: &str) {
        if let Some(fd) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // A pipe takes up to 4 KiB whole or not at all.
            let _ = rustix::io::write(fd, line.as_bytes());
        }
    }

    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Why no supervisor was started.
#[derive(Debug)]
enum NotRun {
    WorktreeLost,
    NotStartable(String),
}

/// What this machine and user can make to keep a run together; tried once.
pub fn probe(exe: &Path) -> Container {
    static FOUND: OnceLock<Container> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let mut probe = command(exe);
        probe.args(["__exec", "probe"]).stdout(Stdio::null()).stderr(Stdio::null());
        match probe.status() {
            Ok(status) if status.success() => Container::PidNamespace,
            _ => Container::Subreaper,
        }
    })
}

/// Runs a program to its end, and to the end of everything that it started. `exe` is storkit's own program.
/// The facts about the branch are left for git.
pub fn run(spec: &RunSpec, exe: &Path, cancel: &Cancel, on_event: &mut dyn FnMut(RunEvent)) -> RunFacts {
    run_in(spec, exe, probe(exe), cancel, on_event)
}

/// As [`run`], in this container where it can be made.
pub fn run_in(
    spec: &RunSpec,
    exe: &Path,
    container: Container,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(RunEvent),
) -> RunFacts {
    let mut facts = RunFacts::default();
    if cancel.raised().is_some() {
        facts.cancelled = true;
        return facts;
    }
    match Supervisor::start(spec, exe, container) {
        Ok(supervisor) => supervisor.attend(spec, cancel, on_event),
        Err(NotRun::WorktreeLost) => {
            facts.worktree_lost = true;
            facts
        }
        Err(NotRun::NotStartable(text)) => {
            facts.not_startable = Some(text);
            facts
        }
    }
}

struct Supervisor {
    child: Child,
    control: Control,
    out: std::process::ChildStdout,
    order_path: PathBuf,
}

impl Supervisor {
    fn start(spec: &RunSpec, exe: &Path, container: Container) -> Result<Self, NotRun> {
        let worktree_is = Identity::of_folder(&spec.worktree).ok_or(NotRun::WorktreeLost)?;
        let mut spec = spec.clone();
        spec.args = expand(&spec.args, spec.prompt.as_deref())?;
        let failed =
            |action: &str, error: &io::Error| NotRun::NotStartable(format!("cannot {action}: {error}"));
        make_folders(&spec).map_err(|error| failed("make the run's folder", &error))?;
        if let Some(prompt) = spec.prompt.take() {
            let path = write_prompt(&spec, &prompt).map_err(|error| failed("write the prompt", &error))?;
            spec.env.insert(PROMPT_VARIABLE.to_owned(), path.to_string_lossy().into_owned());
        }
        spec.env.insert(RUN_VARIABLE.to_owned(), spec.run.to_string());
        spec.env.insert(REPO_VARIABLE.to_owned(), spec.repo.clone());
        let order_path = spec.run_dir.join("order.json");
        let stderr_path = spec.run_dir.join("supervisor.stderr");
        let order = serde_json::to_vec(&ShimSpec { spec, container, worktree_is }).map_err(io::Error::other);
        let written = order.and_then(|order| write_private(&order_path, &order));
        written.map_err(|error| failed("write the run's order", &error))?;
        reach("run.order_written");
        let stderr = std::fs::File::create(&stderr_path).map_or_else(|_| Stdio::null(), Stdio::from);
        let mut command = command(exe);
        // A process group of its own: an interrupt typed at the daemon is not for it.
        command.arg("__supervise").arg(&order_path).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().map_err(|error| failed("start the run's supervisor", &error))?;
        reach("run.supervisor_started");
        let (input, out) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(out)) = (input, out) else {
            return Err(NotRun::NotStartable("the run's supervisor has no pipes".to_owned()));
        };
        let input = OwnedFd::from(input);
        let _ = rustix::io::ioctl_fionbio(&input, true);
        Ok(Self { child, control: Control(Arc::new(Mutex::new(Some(input)))), out, order_path })
    }

    fn attend(mut self, spec: &RunSpec, cancel: &Cancel, on_event: &mut dyn FnMut(RunEvent)) -> RunFacts {
        let hook = self.control.clone();
        cancel.on_raise(move |how| hook.end(how));
        let mut told = Told::default();
        let mut ended = None;
        let mut lines = Lines::new(spec, cancel);
        while let Some(line) = lines.next(&mut self.out) {
            match serde_json::from_slice(&line) {
                Ok(Message::Started { pid, container }) => {
                    reach("run.program_started");
                    on_event(RunEvent::Started { pid, container, control: self.control.clone() });
                }
                Ok(Message::Event { event }) => {
                    told.absorb(&event);
                    on_event(RunEvent::Agent(event));
                }
                Ok(Message::Ended(end)) => ended = Some(end),
                Err(_) => {}
            }
        }
        if ended.is_none() {
            // Killed, or overdue. Its container goes with it; what has none goes by its mark.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        self.control.close();
        let facts = if let Some(ended) = ended {
            facts_of(spec, *ended)
        } else {
            sweep(Marked::Run(spec.run));
            let mut facts = RunFacts { process: Some(ProcessEnd::Lost), ..RunFacts::default() };
            facts.cancelled = cancel.raised().is_some();
            told.fill(&mut facts, None);
            facts
        };
        reach("run.ended");
        let _ = std::fs::remove_file(&self.order_path);
        facts
    }
}

fn facts_of(spec: &RunSpec, ended: Ended) -> RunFacts {
    let mut facts = RunFacts { process: ended.process, tail: ended.tail, ..RunFacts::default() };
    ended.told.fill(&mut facts, ended.ending);
    match ended.how {
        How::Exited => {}
        How::Stopped => facts.cancelled = true,
        How::TimedOut => facts.time_limit = Some(format!("timeout {}", words(spec.timeout_ms))),
        How::Inactive => facts.time_limit = Some(format!("no output for {}", words(spec.inactivity_ms))),
        How::WorktreeLost => facts.worktree_lost = true,
        How::NotStartable => {
            facts.not_startable = Some(ended.not_startable.unwrap_or_else(|| "it did not start".to_owned()));
        }
    }
    facts
}

/// The supervisor's messages, line by line, until it closes its end or is long overdue.
struct Lines<'a> {
    buffer: Vec<u8>,
    cancel: &'a Cancel,
    overdue_at: Option<Instant>,
    cancelled: bool,
}

impl<'a> Lines<'a> {
    fn new(spec: &RunSpec, cancel: &'a Cancel) -> Self {
        let limit = (spec.timeout_ms > 0).then(|| Duration::from_millis(spec.timeout_ms));
        let overdue_at = limit.and_then(|limit| Instant::now().checked_add(limit)?.checked_add(OVERDUE));
        Self { buffer: Vec::new(), cancel, overdue_at, cancelled: false }
    }

    fn next(&mut self, out: &mut std::process::ChildStdout) -> Option<Vec<u8>> {
        let mut piece = [0; 16 << 10];
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            if self.is_overdue() || self.buffer.len() > MESSAGE_LEN_MAX {
                return None;
            }
            let mut fds = [PollFd::new(&*out, PollFlags::IN)];
            if !matches!(poll(&mut fds, Some(&OVERDUE_LOOK_EACH)), Ok(1..)) {
                continue;
            }
            match out.read(&mut piece) {
                Ok(0) => return None,
                Ok(len) => self.buffer.extend_from_slice(&piece[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    fn is_overdue(&mut self) -> bool {
        let now = Instant::now();
        if let Some(how) = self.cancel.raised()
            && !std::mem::replace(&mut self.cancelled, true)
        {
            let grace =
                if let CancelHow::Gently(ms) = how { Duration::from_millis(ms) } else { Duration::ZERO };
            let at = now.checked_add(grace + OVERDUE);
            self.overdue_at = self.overdue_at.into_iter().chain(at).min();
        }
        self.overdue_at.is_some_and(|at| now >= at)
    }
}

/// Puts the prompt into the arguments.
fn expand(args: &[String], prompt: Option<&str>) -> Result<Vec<String>, NotRun> {
    if !args.iter().any(|arg| arg.contains(PROMPT_PLACE)) {
        return Ok(args.to_vec());
    }
    // No argument can hold a NUL.
    let prompt = prompt.unwrap_or_default().replace('\0', "\u{fffd}");
    if prompt.len() > PROMPT_ARG_LEN_MAX {
        return Err(NotRun::NotStartable(format!(
            "the prompt has {} KiB and `{PROMPT_PLACE}` takes {} KiB: let the agent read the file $STORKIT_PROMPT",
            prompt.len().div_ceil(1024),
            PROMPT_ARG_LEN_MAX >> 10,
        )));
    }
    Ok(args.iter().map(|arg| arg.replace(PROMPT_PLACE, &prompt)).collect())
}

fn make_folders(spec: &RunSpec) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(&spec.run_dir)?;
    // A log that cannot be made does not keep a run from running.
    let _ = spec.log.path.parent().map(std::fs::create_dir_all);
    Ok(())
}

fn write_prompt(spec: &RunSpec, prompt: &str) -> io::Result<PathBuf> {
    let path = spec.run_dir.join("prompt.md");
    write_private(&path, prompt.as_bytes())?;
    Ok(path)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_goes_into_every_place_for_it() {
        let args = ["-p".to_owned(), "{{prompt}}".to_owned(), "a {{prompt}} b".to_owned()];
        let expanded = expand(&args, Some("say \0 hi")).expect("it fits");
        assert_eq!(expanded, ["-p", "say \u{fffd} hi", "a say \u{fffd} hi b"]);
        let long = "x".repeat(PROMPT_ARG_LEN_MAX + 1);
        let Err(NotRun::NotStartable(why)) = expand(&args, Some(&long)) else { panic!("too long") };
        assert!(why.starts_with("the prompt has 121 KiB"), "{why}");
        assert_eq!(expand(&args[..1], Some(&long)).expect("not used"), ["-p"]);
    }
}
