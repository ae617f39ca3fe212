//! Running a program to its end: a chosen environment, no standard input, a ceiling, both outputs kept.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::wait::{CEILING, poll_until};

/// How long an output may stay open after its program has ended: longer means that a child holds it.
const OUTPUT_CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// The folders of one test: what its programs see as home and for temporary files.
///
/// Every program of the test carries `home` in its environment, by which [`crate::processes`] finds it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// `HOME`, with git's configuration in it.
    pub home: PathBuf,
    /// `TMPDIR`.
    pub tmp: PathBuf,
    /// In front of `PATH`: programs of the test's own.
    pub bin: PathBuf,
}

impl Surroundings {
    /// Makes the folders below `dir`, with git's configuration.
    pub fn below(dir: &Path) -> Self {
        let made = Self { home: dir.join("home"), tmp: dir.join("tmp"), bin: dir.join("bin") };
        for folder in [&made.home, &made.tmp, &made.bin] {
            std::fs::create_dir_all(folder).expect("a folder of the test");
        }
        std::fs::write(made.home.join(".gitconfig"), GIT_CONFIG).expect("git's configuration");
        made
    }

    /// A command with nothing but these surroundings in its environment, and no standard input.
    #[expect(clippy::disallowed_methods, reason = "the tests' one home of Command::new")]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null());
        let mut path = self.bin.clone().into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        command.env("PATH", path);
        command.env("HOME", &self.home);
        command.env("TMPDIR", &self.tmp);
        command.env("USER", "tester").env("LANG", "C.UTF-8").env("TERM", "xterm").env("SHELL", "/bin/sh");
        command
    }
}

const GIT_CONFIG: &str = "\
[user]
\tname = Tester
\temail = tester@example.invalid
[init]
\tdefaultBranch = main
[gc]
\tauto = 0
[maintenance]
\tauto = false
[commit]
\tgpgSign = false
";

/// A program that has ended: its exit status and what it wrote.
pub struct Outcome {
    /// The command as it was given, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
    /// From its start to its end.
    pub took: Duration,
}

impl Outcome {
    /// The exit status; −1 where a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Goes on with this outcome where it ended with `code`.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "it is an assertion as well")]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "another exit status was expected\n{self:?}");
        self
    }

    /// The standard output of a program that must have ended with 0.
    #[track_caller]
    pub fn ok(self) -> String {
        self.expect_code(0).stdout
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "command: {}", self.command)?;
        writeln!(f, "ended: {} after {:?}", self.status, self.took)?;
        writeln!(f, "--- stdout\n{}", self.stdout)?;
        writeln!(f, "--- stderr\n{}", self.stderr)
    }
}

/// Runs `command` to its end, for at most [`CEILING`].
///
/// # Panics
/// When it cannot be started, does not end, or leaves its outputs open to a process that outlives it.
#[track_caller]
pub fn run(command: &mut Command) -> Outcome {
    run_within(CEILING, command)
}

/// [`run`] with a ceiling of its own.
#[track_caller]
pub fn run_within(ceiling: Duration, command: &mut Command) -> Outcome {
    let words = describe(command);
    let began = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {words}: {error}"));
    let stdout = collect(child.stdout.take().expect("a piped output"));
    let stderr = collect(child.stderr.take().expect("a piped output"));
    let status = ended(ceiling, &mut child);
    let took = began.elapsed();
    let text = |output: &Receiver<Vec<u8>>| {
        let bytes = output
            .recv_timeout(OUTPUT_CLOSED_WITHIN)
            .unwrap_or_else(|_| panic!("{words} has ended, but something it started holds its output open"));
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let Some(status) = status else {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{words} did not end within {ceiling:?}\n--- stderr\n{}", text(&stderr));
    };
    Outcome { stdout: text(&stdout), stderr: text(&stderr), command: words, status, took }
}

/// Waits for `child`'s end, for at most `ceiling`; none where it still runs.
pub fn ended(ceiling: Duration, child: &mut Child) -> Option<ExitStatus> {
    poll_until(ceiling, || child.try_wait().expect("a child of this process"))
}

fn describe(command: &Command) -> String {
    let mut words = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        words.push(' ');
        words.push_str(&arg.to_string_lossy());
    }
    words
}

fn collect(mut output: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("collect".into())
        .spawn(move || {
            let mut bytes = Vec::new();
            let _ = output.read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        })
        .expect("a thread");
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> (tempfile::TempDir, Command) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut command = Surroundings::below(dir.path()).command("sh");
        command.args(["-c", text]);
        (dir, command)
    }

    #[test]
    fn both_outputs_and_the_status_are_kept() {
        let (_dir, mut command) = shell("echo out; echo err >&2; exit 3");
        let outcome = run(&mut command).expect_code(3);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
    }

    #[test]
    fn the_environment_is_the_chosen_one() {
        let (dir, mut command) = shell("env");
        let mut names: Vec<String> = run(&mut command)
            .ok()
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name.to_owned())
            .filter(|name| !matches!(name.as_str(), "PWD" | "OLDPWD" | "SHLVL" | "_"))
            .collect();
        names.sort();
        assert_eq!(names, ["HOME", "LANG", "PATH", "SHELL", "TERM", "TMPDIR", "USER"]);
        assert!(dir.path().join("home/.gitconfig").is_file());
    }

    #[test]
    #[should_panic(expected = "did not end within")]
    fn a_program_that_does_not_end_is_ended() {
        let (_dir, mut command) = shell("exec sleep 1000");
        run_within(Duration::from_millis(50), &mut command);
    }
}
