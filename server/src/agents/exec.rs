//! `storkit __exec`: the last step before a program, and the first process of a container.
//!
//! It runs on the program's own terminal, looks that the worktree is the one that was meant, and becomes the
//! program; or, in a PID namespace, stays as its number 1, reaps, and leaves how the program ended in a file.

#![expect(unsafe_code, reason = "leaving namespaces is unsafe in rustix where threads share descriptors")]

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, setsid, wait};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use storkit_core::facts::ProcessEnd;
use storkit_core::runtime::PromptBy;

use super::spec::{EXEC_ERROR_FILE, EXIT_FILE, ExecError, Identity, PROMPT_VARIABLE, RunSpec, ShimSpec};
use crate::sys::proc_tree;
use crate::sys::process::command;

/// What a run that never started exits with, as a shell does.
const NOT_STARTED: u8 = 127;
/// How long the rest of a container has between TERM and KILL once the program has ended.
pub(super) const REST_GRACE: Duration = Duration::from_secs(3);
/// How often number 1 looks whether the rest has gone.
const REST_LOOK: Duration = Duration::from_millis(10);

/// The entry of `storkit __exec`: `run SPEC PARENT`, `init SPEC PARENT`, `probe` or `probe-init`.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    match words.as_slice() {
        ["probe"] => probe(),
        ["probe-init"] => ExitCode::from(u8::from(enter_namespace().is_err())),
        [kind @ ("run" | "init"), path, parent] => {
            let Some(order) = super::read_order(Path::new(path)) else { return ExitCode::from(NOT_STARTED) };
            let is_init = *kind == "init";
            let result = prepare(&order, parent, is_init)
                .and_then(|()| if is_init { init(&order.spec) } else { Err(become_program(&order.spec)) });
            result.unwrap_or_else(|error| report(&order.spec, &error))
        }
        _ => ExitCode::from(2),
    }
}

/// Whether this process may make a PID namespace with a `/proc` of its own: found out by making one.
fn probe() -> ExitCode {
    let made = new_pid_namespace().is_ok()
        && command("/proc/self/exe")
            .args(["__exec", "probe-init"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    ExitCode::from(u8::from(!made))
}

/// Puts the children made from now on into a PID namespace of their own; the first of them is its number 1.
pub(super) fn new_pid_namespace() -> io::Result<()> {
    // SAFETY: no descriptor table is unshared.
    Ok(unsafe { unshare_unsafe(UnshareFlags::NEWPID) }?)
}

/// As number 1: a `/proc` that shows this namespace, in a mount namespace that follows the machine's mounts and
/// hands none back.
fn enter_namespace() -> io::Result<()> {
    // SAFETY: no descriptor table is unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("proc", "/proc", "proc", flags, None)?)
}

fn prepare(order: &ShimSpec, parent: &str, is_init: bool) -> Result<(), ExecError> {
    // Without its supervisor nothing of this may live. It may have gone before the kernel was told so.
    let told = set_parent_process_death_signal(Some(Signal::KILL));
    if told.is_err() || !parent.parse().is_ok_and(|pid| proc_tree::find(pid).is_some()) {
        return Err(not_started("its supervisor is gone".to_owned()));
    }
    if is_init {
        enter_namespace().map_err(|error| not_started(format!("cannot make its container: {error}")))?;
    }
    if !order.spec.terminal {
        // A prompt of git or ssh must find no terminal; else portable-pty has made the session already.
        let _ = setsid();
    }
    let worktree = &order.spec.worktree;
    let lost = |why: &str| ExecError { worktree_lost: true, text: format!("{} {why}", worktree.display()) };
    enter(worktree).map_err(|error| lost(&format!("cannot be entered: {error}")))?;
    if Identity::of_folder(Path::new(".")) != Some(order.worktree_is) {
        return Err(lost("is another folder than before"));
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this process is nothing but the program's beginning")]
fn enter(worktree: &Path) -> io::Result<()> {
    std::env::set_current_dir(worktree)
}

fn program(spec: &RunSpec) -> Result<Command, ExecError> {
    let path = spec.env.get("PATH").map_or("", String::as_str);
    let found = resolve(&spec.command, path)?;
    let mut command = command(found);
    command.arg0(&spec.command).args(&spec.args).env_clear().envs(&spec.env).stdin(input(spec)?);
    Ok(command)
}

/// The terminal, or the prompt's file.
fn input(spec: &RunSpec) -> Result<Stdio, ExecError> {
    match spec.env.get(PROMPT_VARIABLE).filter(|_| spec.prompt_by == PromptBy::Stdin) {
        None => Ok(Stdio::inherit()),
        Some(path) => std::fs::File::open(path)
            .map(Stdio::from)
            .map_err(|error| not_started(format!("cannot open its prompt: {error}"))),
    }
}

fn become_program(spec: &RunSpec) -> ExecError {
    match program(spec) {
        Ok(mut command) => {
            let error = command.exec();
            exec_failed(spec, &command, &error)
        }
        Err(error) => error,
    }
}

fn init(spec: &RunSpec) -> Result<ExitCode, ExecError> {
    let mut command = program(spec)?;
    let child = command.spawn().map_err(|error| exec_failed(spec, &command, &error))?;
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let status = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if Some(pid) == child => break ExitStatus::from_raw(status.as_raw()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(not_started(format!("cannot wait for it: {error}"))),
        }
    };
    let end = status.signal().map_or(ProcessEnd::Exited(status.code().unwrap_or(-1)), ProcessEnd::Signalled);
    let text = serde_json::to_vec(&end).unwrap_or_default();
    // The exit status below says nearly the same, should the disk be full.
    let _ = std::fs::write(spec.run_dir.join(EXIT_FILE), text);
    end_rest();
    // Where number 1 ends, the kernel ends whatever is left.
    let code = status.code().unwrap_or(128 + status.signal().unwrap_or(0));
    Ok(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)))
}

/// TERM to all others of the namespace, and a grace in which they may end.
fn end_rest() {
    let deadline = Instant::now() + REST_GRACE;
    let mut told = false;
    while Instant::now() < deadline {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        let others: Vec<_> = proc_tree::all().into_iter().filter(|p| p.pid != 1).collect();
        if others.is_empty() {
            return;
        }
        if !std::mem::replace(&mut told, true) {
            for process in others {
                proc_tree::signal(process, Signal::TERM);
                proc_tree::signal(process, Signal::CONT);
            }
        }
        std::thread::sleep(REST_LOOK);
    }
}

/// Finds a command as a shell does, but says why not.
fn resolve(command: &str, path: &str) -> Result<PathBuf, ExecError> {
    if command.is_empty() {
        return Err(not_started("no command is configured".to_owned()));
    }
    if command.contains('/') {
        return match why_not_executable(Path::new(command)) {
            None => Ok(PathBuf::from(command)),
            Some(why) => Err(not_started(format!("command `{command}`: {why}"))),
        };
    }
    let mut refused = None;
    for folder in std::env::split_paths(path) {
        let candidate = folder.join(command);
        match why_not_executable(&candidate) {
            None => return Ok(candidate),
            Some(why) if candidate.is_file() => refused = Some(format!("`{}`: {why}", candidate.display())),
            Some(_) => {}
        }
    }
    Err(not_started(refused.unwrap_or_else(|| {
        let hint = if command.contains(' ') { "; its arguments belong into `args`" } else { "" };
        format!("command `{command}` is not on PATH{hint}")
    })))
}

fn why_not_executable(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("there is no such file".to_owned()),
        Err(error) => Some(error.to_string()),
        Ok(meta) if !meta.is_file() => Some("is not a file".to_owned()),
        Ok(_) => {
            let refused = rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err();
            refused.then(|| "is not executable".to_owned())
        }
    }
}

fn exec_failed(spec: &RunSpec, command: &Command, error: &io::Error) -> ExecError {
    let file = Path::new(command.get_program());
    // The kernel says the same of a script whose interpreter is missing.
    let text = if error.kind() == io::ErrorKind::NotFound && file.is_file() {
        format!("the interpreter that `{}` names in its first line is missing", file.display())
    } else {
        format!("cannot execute `{}`: {error}", spec.command)
    };
    not_started(text)
}

fn not_started(text: String) -> ExecError {
    ExecError { worktree_lost: false, text }
}

fn report(spec: &RunSpec, error: &ExecError) -> ExitCode {
    let written =
        serde_json::to_vec(error).map(|text| std::fs::write(spec.run_dir.join(EXEC_ERROR_FILE), text));
    if !matches!(written, Ok(Ok(()))) {
        let _ = writeln!(io::stderr(), "storkit: {}", error.text);
    }
    ExitCode::from(NOT_STARTED)
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn a_command_is_found_or_said_why_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let plain = dir.path().join("plain");
        std::fs::write(&plain, "x").expect("written");
        let path = format!("/nowhere:{}:/bin:/usr/bin", dir.path().display());
        assert!(resolve("sh", &path).is_ok());
        assert!(resolve("/bin/sh", "").is_ok());
        let why = |command: &str| resolve(command, &path).expect_err("not startable").text;
        assert_eq!(why(""), "no command is configured");
        assert_eq!(why("no-such"), "command `no-such` is not on PATH");
        assert!(why("sh -c x").ends_with("belong into `args`"));
        assert!(why("plain").ends_with("plain`: is not executable"));
        assert_eq!(why("/no/such"), "command `/no/such`: there is no such file");
        assert_eq!(why("/bin"), "command `/bin`: is not a file");
    }
}
