//! The one way to run `git`: a chosen environment, no hooks, no prompts, a time limit, an output limit.
//!
//! Where a repository and a work tree are named, they are pinned by `GIT_DIR`, `GIT_COMMON_DIR` and `GIT_WORK_TREE`, so that
//! nothing that an agent wrote into its worktree decides what git reads its configuration from.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{Seek as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::error::GitError;
use crate::sys::cancel::Cancel;
use crate::sys::process;

/// How long a command may take where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_mins(2);
/// How long a command that writes a whole tree of files may take.
pub const CHECKOUT_TIMEOUT: Duration = Duration::from_mins(30);
/// Most bytes of standard output.
pub const OUTPUT_MAX: usize = 256 << 20;
/// Bytes of standard error that are kept: the last ones.
const STDERR_KEPT: usize = 4 << 10;
/// How often a cancellation and the time limit are looked at.
const SLICE: Duration = Duration::from_millis(50);
/// How often `tick` is called at least, where somebody watches.
const WATCHED_SLICE: Duration = Duration::from_millis(2);
/// How long a pipe may stay silent after git has ended, before what holds it is taken for something that git left behind.
const SILENCE: Duration = Duration::from_millis(100);
/// Longest command line in an error.
const SHOWN_MAX: usize = 300;

/// Configuration that no repository may change for storkit's own commands.
const SETTINGS: [&str; 13] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.fsync=committed,reference",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "commit.gpgSign=false",
    "color.ui=false",
    "advice.detachedHead=false",
    "worktree.useRelativePaths=false",
    "core.editor=true",
];

/// The variables that git is given: where the user's configuration is, and nothing else.
#[derive(Debug, Clone)]
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// The names that are passed on from this process.
    const NAMES: [&'static str; 7] = [
        "HOME",
        "XDG_CONFIG_HOME",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "TMPDIR",
        "USER",
    ];

    /// This process's own.
    pub fn of_process() -> Self {
        let value = |name: &str| std::env::var_os(name).map(|value| (name.into(), value));
        Self(Self::NAMES.iter().filter_map(|name| value(name)).collect())
    }

    /// These alone.
    pub fn new(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(vars.into_iter().collect())
    }
}

/// A git directory and its work tree, both known without asking the work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// `GIT_DIR`: the common directory, or a worktree's folder below it.
    pub git_dir: PathBuf,
    /// `GIT_COMMON_DIR`.
    pub common: PathBuf,
    /// `GIT_WORK_TREE`, and the working directory.
    pub work_tree: PathBuf,
}

/// What a command wrote.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub code: i32,
    /// All of standard output.
    pub stdout: Vec<u8>,
    /// The end of standard error, as text.
    pub stderr: String,
    command: String,
}

impl Output {
    /// Standard output as one line of text.
    pub fn line(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches(['\n', '\0']).to_owned()
    }

    /// Standard output as records that end in NUL.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.stdout.split(|byte| *byte == 0).filter(|record| !record.is_empty())
    }

    /// Standard output as one object id.
    pub fn oid(&self) -> Result<storkit_core::ids::Oid, GitError> {
        let line = self.line();
        storkit_core::ids::Oid::new(&line).ok_or_else(|| self.odd(&format!("{line:?} is no object id")))
    }

    /// An error that says that this output was not understood.
    pub fn odd(&self, what: &str) -> GitError {
        GitError::Odd { command: self.command.clone(), what: what.to_owned() }
    }

    /// This output as an error: the command failed.
    pub fn failure(&self) -> GitError {
        GitError::Failed {
            command: self.command.clone(),
            end: format!("exit {}", self.code),
            stderr: self.stderr.clone(),
        }
    }
}

/// One git command, being put together.
pub struct Git {
    environment: Environment,
    cwd: PathBuf,
    pins: Option<Pinned>,
    args: Vec<OsString>,
    vars: Vec<(OsString, OsString)>,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
    cancel: Option<Cancel>,
}

impl Git {
    /// A command in a folder whose repository is still to be found.
    pub fn discovering(environment: &Environment, cwd: &Path) -> Self {
        Self {
            environment: environment.clone(),
            cwd: cwd.to_owned(),
            pins: None,
            args: Vec::new(),
            vars: Vec::new(),
            stdin: None,
            timeout: TIMEOUT,
            cancel: None,
        }
    }

    /// A command on a known repository and work tree.
    pub fn pinned(environment: &Environment, pins: Pinned) -> Self {
        let mut git = Self::discovering(environment, &pins.work_tree);
        git.pins = Some(pins);
        git
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// One more variable.
    #[must_use]
    pub fn var(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.vars.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// What the command reads on standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Another time limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Ends the command when `cancel` is raised.
    #[must_use]
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// Runs it; any exit status but 0 is an error.
    pub fn run(self) -> Result<Output, GitError> {
        let output = self.run_any()?;
        if output.code == 0 { Ok(output) } else { Err(output.failure()) }
    }

    /// Runs it; the exit status is the caller's to read.
    pub fn run_any(self) -> Result<Output, GitError> {
        self.run_by(SLICE, &mut |_| {})
    }

    /// Runs it, and calls `tick` with its pid often while it runs.
    pub fn run_watched(self, tick: &mut dyn FnMut(u32)) -> Result<Output, GitError> {
        self.run_by(WATCHED_SLICE, tick)
    }

    fn run_by(self, slice: Duration, tick: &mut dyn FnMut(u32)) -> Result<Output, GitError> {
        let shown = self.shown();
        let path = self.environment.0.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
        let path = path.or_else(|| std::env::var_os("PATH"));
        let mut command = process::command_on("git", path.as_deref());
        command.current_dir(&self.cwd).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command.envs(self.environment.0.iter().map(|(name, value)| (name, value)));
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0");
        command.env("GIT_EDITOR", "true");
        if let Some(pins) = &self.pins {
            command.env("GIT_CEILING_DIRECTORIES", self.cwd.parent().unwrap_or(&self.cwd));
            command.env("GIT_DIR", &pins.git_dir).env("GIT_COMMON_DIR", &pins.common);
            command.env("GIT_WORK_TREE", &pins.work_tree);
        }
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        command.arg("--no-pager");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(&self.args);
        if let Some(bytes) = &self.stdin {
            command.stdin(input(bytes).map_err(GitError::io("hand input to git in", &self.cwd))?);
        }
        let child = command.spawn().map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound && self.cwd.is_dir() {
                GitError::Missing
            } else {
                GitError::Io { action: "start git in", path: self.cwd.clone(), source: error }
            }
        })?;
        let limit = Limit { shown, slice, timeout: self.timeout, cancel: self.cancel };
        limit.collect(child, tick)
    }

    fn shown(&self) -> String {
        let mut text = String::from("git");
        for arg in &self.args {
            let _ = write!(text, " {}", arg.to_string_lossy());
            if text.len() > SHOWN_MAX {
                text.truncate(text.floor_char_boundary(SHOWN_MAX));
                text.push('…');
                break;
            }
        }
        text
    }
}

/// A file without a name that holds `bytes`: unlike a pipe it can never fill up and block both sides.
fn input(bytes: &[u8]) -> std::io::Result<Stdio> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

struct Limit {
    shown: String,
    slice: Duration,
    timeout: Duration,
    cancel: Option<Cancel>,
}

impl Limit {
    /// Reads both streams to their end, and waits.
    fn collect(self, mut child: Child, tick: &mut dyn FnMut(u32)) -> Result<Output, GitError> {
        match self.read(&mut child, tick) {
            Ok((status, stdout, stderr)) => {
                let stderr = String::from_utf8_lossy(&stderr).trim().to_owned();
                let Some(code) = status.code() else {
                    let end = format!("signal {}", status.signal().unwrap_or_default());
                    return Err(GitError::Failed { command: self.shown, end, stderr });
                };
                Ok(Output { code, stdout, stderr, command: self.shown })
            }
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    fn read(
        &self,
        child: &mut Child,
        tick: &mut dyn FnMut(u32),
    ) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), GitError> {
        let io = |source| GitError::Io { action: "read from", path: "git".into(), source };
        let begin = Instant::now();
        let mut stdout = child.stdout.take();
        let mut stderr = child.stderr.take();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut buffer = vec![0; 64 << 10];
        let mut silent = begin;
        while stdout.is_some() || stderr.is_some() {
            tick(child.id());
            let ready = wait_for(stdout.as_ref(), stderr.as_ref(), self.slice).map_err(io)?;
            if ready.0 {
                pump(&mut stdout, &mut out, &mut buffer).map_err(io)?;
            }
            if ready.1 {
                pump(&mut stderr, &mut err, &mut buffer).map_err(io)?;
                let surplus = err.len().saturating_sub(STDERR_KEPT);
                err.drain(..surplus);
            }
            if out.len() > OUTPUT_MAX {
                return Err(GitError::TooMuchOutput { command: self.shown.clone(), limit: OUTPUT_MAX });
            }
            self.check(begin)?;
            if ready != (false, false) || child.try_wait().map_err(io)?.is_none() {
                silent = Instant::now();
            } else if silent.elapsed() > SILENCE {
                // git has ended and what it left behind holds the pipes: all of git's own bytes are read.
                break;
            }
        }
        loop {
            if let Some(status) = child.try_wait().map_err(io)? {
                return Ok((status, out, err));
            }
            tick(child.id());
            self.check(begin)?;
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn check(&self, begin: Instant) -> Result<(), GitError> {
        if self.cancel.as_ref().is_some_and(|cancel| cancel.raised().is_some()) {
            return Err(GitError::Cancelled);
        }
        if begin.elapsed() > self.timeout {
            let seconds = self.timeout.as_secs();
            return Err(GitError::Timeout { command: self.shown.clone(), seconds });
        }
        Ok(())
    }
}

/// Whether standard output and standard error have something to read, at the latest after one slice.
fn wait_for(
    stdout: Option<&std::process::ChildStdout>,
    stderr: Option<&std::process::ChildStderr>,
    slice: Duration,
) -> std::io::Result<(bool, bool)> {
    let mut fds = Vec::with_capacity(2);
    fds.extend(stdout.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    fds.extend(stderr.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    let slice = Timespec::try_from(slice).map_err(std::io::Error::other)?;
    match rustix::event::poll(&mut fds, Some(&slice)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
    let first = stdout.is_some() && ready.next().unwrap_or(false);
    let second = stderr.is_some() && ready.next().unwrap_or(false);
    Ok((first, second))
}

/// Reads once; at its end the pipe is closed.
fn pump<R: std::io::Read>(
    pipe: &mut Option<R>,
    into: &mut Vec<u8>,
    buffer: &mut [u8],
) -> std::io::Result<()> {
    let Some(reader) = pipe else { return Ok(()) };
    match reader.by_ref().read(buffer) {
        Ok(0) => *pipe = None,
        Ok(count) => into.extend_from_slice(&buffer[..count]),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Ends git and everything in its process group, and reaps it.
fn end(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}
