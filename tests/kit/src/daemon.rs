//! A daemon that runs as long as its guard: `storkit up` in the foreground, in a process group of its own.

use std::fmt::Write;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use storkit_core::snapshot::{Condition, State, Status, StoryView};

use crate::command::ended;
use crate::processes;
use crate::project::TestProject;
use crate::wait::{CEILING, poll_until};

/// How much of the daemon's log a failure shows, from its end, in bytes.
const LOG_TAIL: usize = 8_000;
/// The most that `down` may take, as it is promised.
const DOWN_WITHIN: Duration = Duration::from_secs(10);

/// A running `storkit up`. When the guard goes, so do the daemon and every process of the test.
pub struct Daemon<'p> {
    project: &'p TestProject,
    child: Child,
    log: PathBuf,
}

impl<'p> Daemon<'p> {
    /// Starts `storkit up --trust` with more arguments, and returns when it answers.
    ///
    /// # Panics
    /// When it ends instead, or does not answer.
    #[track_caller]
    pub fn start(project: &'p TestProject, args: &[&str]) -> Self {
        let mut daemon = Self::spawn(project, args);
        let serving = poll_until(CEILING, || {
            let exited = daemon.exited();
            (exited.is_some() || daemon.answers()).then_some(exited)
        });
        match serving {
            Some(None) => daemon,
            Some(Some(status)) => panic!("the daemon ended: {status}\n{}", daemon.log()),
            None => panic!("the daemon does not answer\n{}", daemon.log()),
        }
    }

    /// Starts it, and does not wait until it answers.
    #[track_caller]
    pub fn spawn(project: &'p TestProject, args: &[&str]) -> Self {
        Self::spawn_with(project, args, &[])
    }

    /// [`Daemon::spawn`] with more variables in its environment.
    #[track_caller]
    pub fn spawn_with(project: &'p TestProject, args: &[&str], variables: &[(&str, &str)]) -> Self {
        // A log for each daemon of the test, in the order of their starts.
        let number = fs::read_dir(project.top()).expect("the test's folder").count();
        let log = project.top().join(format!("daemon-{number}.log"));
        let output = File::create(&log).expect("the daemon's log");
        let child = project
            .storkit_command(&["up", "--trust"])
            .args(args)
            .envs(variables.iter().copied())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .process_group(0)
            .spawn()
            .expect("storkit starts");
        Self { project, child, log }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The token of its API.
    ///
    /// # Panics
    /// When it has written none yet.
    pub fn token(&self) -> String {
        fs::read_to_string(self.project.root().join(".storkit/run/token")).expect("the token")
    }

    /// How it ended; none while it runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of this process")
    }

    /// Whether `run/server.json` names this process, and `run/socket` takes a connection.
    pub fn answers(&self) -> bool {
        let run = self.project.root().join(".storkit/run");
        let Ok(text) = fs::read_to_string(run.join("server.json")) else { return false };
        let Ok(server) = serde_json::from_str::<serde_json::Value>(&text) else { return false };
        server["pid"].as_u64() == Some(u64::from(self.pid())) && connects(&run)
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The board now.
    #[track_caller]
    pub fn status(&self) -> Status {
        self.project.status()
    }

    /// Waits until `condition` gives a value for the board.
    ///
    /// # Panics
    /// After [`CEILING`], with the board, the log and the processes of the test.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, mut condition: impl FnMut(&Status) -> Option<T>) -> T {
        match poll_until(CEILING, || condition(&self.status())) {
            Some(value) => value,
            None => panic!("waited {CEILING:?} in vain: {what}\n{}", self.diagnosis()),
        }
    }

    /// Waits until a story is as `condition` wants it.
    #[track_caller]
    pub fn wait_story(&self, id: &str, what: &str, condition: impl Fn(&StoryView) -> bool) -> StoryView {
        self.wait_for(&format!("{id}: {what}"), |status| {
            status.stories.iter().find(|story| story.id == id).filter(|story| condition(story)).cloned()
        })
    }

    /// Waits until some condition of `why` is of that kind and has that text in its sentence.
    #[track_caller]
    pub fn wait_why(&self, id: &str, what: &str, text: &str) -> Condition {
        let found = || {
            let why = self.project.why(id);
            why.conditions.into_iter().find(|one| one.what == what && one.detail.contains(text))
        };
        poll_until(CEILING, found).unwrap_or_else(|| {
            let why = self.project.why(id);
            panic!("waited {CEILING:?} in vain: {what} {text:?} for {id}\n{why:#?}\n{}", self.diagnosis())
        })
    }

    /// Waits until a story is in that stage, by the name that status gives it.
    #[track_caller]
    pub fn wait_stage(&self, id: &str, stage: &str) -> StoryView {
        self.wait_story(id, &format!("is in {stage}"), |story| story.stage == stage)
    }

    /// Waits until a story is in that state.
    #[track_caller]
    pub fn wait_state(&self, id: &str, state: State) -> StoryView {
        self.wait_story(id, &format!("is {}", state.name()), |story| story.state == state)
    }

    /// Waits until the file of a story holds `text`.
    #[track_caller]
    pub fn wait_text(&self, id: &str, text: &str) -> String {
        let read = || {
            let [stage] = self.project.stages_of(id)[..] else { return None };
            fs::read_to_string(self.project.story_path(stage, id)).ok().filter(|read| read.contains(text))
        };
        poll_until(CEILING, read)
            .unwrap_or_else(|| panic!("waited {CEILING:?} in vain: {text:?} in {id}\n{}", self.diagnosis()))
    }

    /// Sends a signal to the daemon alone.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a process number fits"));
        kill_process(pid.expect("a process number is not 0"), signal).expect("the daemon runs");
    }

    /// Ends it as a crash would: KILL, to the daemon alone. What it started is left to itself.
    pub fn kill9(mut self) {
        self.child.kill().expect("the daemon runs");
        self.child.wait().expect("a child of this process");
    }

    /// `storkit down`: it must return 0 within the promised time, with the daemon gone and its exit status 0.
    #[track_caller]
    pub fn stop(mut self) {
        let down = self.project.storkit(&["down"]);
        assert!(down.took <= DOWN_WITHIN, "down took too long\n{down:?}");
        down.expect_code(0);
        let status = ended(Duration::from_secs(1), &mut self.child);
        assert!(
            status.is_some_and(|status| status.success()),
            "down returned, and: {status:?}\n{}",
            self.log()
        );
    }

    /// Waits for the daemon to end by itself, as `up --once` does.
    #[track_caller]
    pub fn wait_ended(mut self) -> ExitStatus {
        ended(CEILING, &mut self.child).unwrap_or_else(|| panic!("the daemon runs on\n{}", self.diagnosis()))
    }

    fn diagnosis(&self) -> String {
        let mut text = String::new();
        let status = serde_json::to_string_pretty(&self.status()).unwrap_or_default();
        let log = self.log();
        let tail = tail(&log);
        let _ = writeln!(text, "--- board\n{status}\n--- the end of the daemon's log\n{tail}\n--- processes");
        for process in processes::of_test(self.project.top()) {
            let _ = writeln!(text, "{} {}", process.pid, process.command);
        }
        for path in run_logs(self.project.root()) {
            let run = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            let _ = writeln!(text, "--- {}\n{}", path.display(), self::tail(&run));
        }
        text
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if self.exited().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn connects(run: &Path) -> bool {
    // The folder's descriptor makes a path that is short enough wherever the temporary folder is.
    let Ok(folder) = File::open(run) else { return false };
    let short = PathBuf::from(format!("/proc/self/fd/{}/socket", folder.as_raw_fd()));
    [run.join("socket"), short].iter().any(|path| UnixStream::connect(path).is_ok())
}

fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(LOG_TAIL))..]
}

/// The logs of gates and runs, for a failure's message.
fn run_logs(root: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(root.join(".storkit/logs")).into_iter().flatten().flatten();
    let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
    let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "ndjson" || kind == "log"));
    paths.sort();
    paths
}
