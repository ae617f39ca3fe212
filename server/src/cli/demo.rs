//! `storkit demo`: a throw-away repository, an agent that needs no key, three stories from file to landed commit.
//!
//! The daemon that runs is the real one, in a home of its own; when the demo ends, for whatever reason, so does it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use storkit_core::snapshot::{State, Status};
use storkit_core::stage::Stage;

use super::demo_agent::{COUNT, GOODBYE, SHOUT};
use super::exit::{Exit, Failure, Outcome, io};
use super::live::{Live, Watched};
use super::out::Out;
use super::style::{self, paint};
use super::text::clean_lines;
use super::{Context, down, up};
use crate::http::client::Client;
use crate::sys::process;

/// Longest time until all three have landed; it takes a few seconds.
const LANDED_WAIT: Duration = Duration::from_secs(90);
/// Longest wait for the daemon's end before it is killed.
const END_WAIT: Duration = Duration::from_secs(12);

const STORIES: [(&str, &str); 3] = [
    (
        GOODBYE,
        "---\nname: Say goodbye\n---\n`sh bye.sh Ada` says `Goodbye, Ada!`. CHANGES.md names it.\n\n## Acceptance criteria\n- [ ] a test\n",
    ),
    (
        SHOUT,
        "---\nname: Shout louder\n---\n`sh shout.sh hey` says `HEY!`, in capitals.\n\n## Acceptance criteria\n- [ ] a test\n",
    ),
    (
        COUNT,
        "---\nname: Count visitors\n---\n`sh count.sh FILE` says how many lines FILE has. CHANGES.md names it.\n\n## Acceptance criteria\n- [ ] a test\n",
    ),
];

/// Runs the command.
pub(super) fn run(context: &Context, keep: Option<&Path>) -> Outcome {
    let out = context.out;
    let stop = on_signals()?;
    let place = Place::new(keep)?;
    build(&place)?;
    out.say(&format!(
        "a repository in {}: three stories, an agent without a model, one gate",
        place.repo.display()
    ));
    let mut daemon = Daemon::start(&place)?;
    let shown = show(out, &place, &daemon.client, &stop);
    let ended = daemon.end(stop.load(Ordering::Relaxed));
    let landed = shown?;
    ended?;
    report(out, &place, landed)
}

/// Where the demo happens. What is not kept is removed when this is dropped.
struct Place {
    repo: PathBuf,
    home: PathBuf,
    _temp: tempfile::TempDir,
    kept: bool,
}

impl Place {
    fn new(keep: Option<&Path>) -> Result<Self, Failure> {
        let temp = tempfile::Builder::new().prefix("storkit-demo-").tempdir();
        let temp = temp.map_err(|error| Failure::new(format!("cannot make a temporary folder: {error}")))?;
        let top = temp.path().canonicalize().map_err(io("find", temp.path()))?;
        let repo = keep.map_or_else(|| top.join("repo"), Path::to_owned);
        fs::create_dir_all(&repo).map_err(io("make", &repo))?;
        let repo = repo.canonicalize().map_err(io("find", &repo))?;
        if fs::read_dir(&repo).map_err(io("read", &repo))?.next().is_some() {
            return Err(Failure::new(format!("{} is not empty", repo.display()))
                .hint("--keep takes a new or empty folder"));
        }
        let home = top.join("home");
        fs::create_dir(&home).map_err(io("make", &home))?;
        Ok(Self { repo, home, _temp: temp, kept: keep.is_some() })
    }
}

/// Builds the repository: a small program in shell, its tests as the gate, three stories in the backlog.
fn build(place: &Place) -> Result<(), Failure> {
    let exe = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
    let exe = exe.to_str().ok_or_else(|| Failure::new("this program's path is not UTF-8"))?;
    let command = toml::Value::String(exe.to_owned());
    let config = format!(
        "base_branch = \"main\"\nqa = \"server\"\nmax_retries = 3\n\n[[gate]]\nname = \"tests\"\nrun = \"sh script/test\"\n\n\
         [[agent]]\nname = \"coder-1\"\nruntime = \"command\"\ninstances = 3\ncommand = {command}\nargs = [\"{}\"]\n",
        super::demo_agent::NAME
    );
    let files = [
        ("README.md", "# Greetings\n\nSmall scripts that greet people. `sh script/test` runs their tests.\n"),
        ("CHANGES.md", "# Changes\n\n- hello.sh says hello\n"),
        ("hello.sh", "#!/bin/sh\necho \"Hello, ${1:-world}!\"\n"),
        (
            "tests/hello.sh",
            "[ \"$(sh hello.sh Ada)\" = 'Hello, Ada!' ] || { echo 'hello.sh does not greet'; exit 1; }\n",
        ),
        (
            "script/test",
            "#!/bin/sh\n# Runs every test; the first failure ends it.\nset -eu\nfor test in tests/*.sh; do\n    sh \"$test\" || { echo \"FAILED $test\"; exit 1; }\n    echo \"ok $test\"\ndone\n",
        ),
        (".storkit/project.toml", &config),
        (".storkit/.gitignore", "run/\nlogs/\nworktrees/\nwork/\n"),
    ];
    let write = |path: &str, text: &str| {
        let path = place.repo.join(path);
        let folder = path.parent().unwrap_or(&place.repo);
        fs::create_dir_all(folder).map_err(io("make", folder))?;
        fs::write(&path, text).map_err(io("write", &path))
    };
    for (path, text) in files {
        write(path, text)?;
    }
    for stage in Stage::ALL {
        let folder = place.repo.join(".storkit/work").join(stage.folder());
        fs::create_dir_all(&folder).map_err(io("make", &folder))?;
    }
    for (id, text) in STORIES {
        write(&format!(".storkit/work/1_backlog/{id}.md"), text)?;
    }
    let commands: [&[&str]; 5] = [
        &["init", "--quiet", "--initial-branch=main"],
        &["config", "user.name", "storkit demo"],
        &["config", "user.email", "demo@localhost"],
        &["add", "--all"],
        &["commit", "--quiet", "--message", "Begin"],
    ];
    for args in commands {
        git(place, args)?;
    }
    Ok(())
}

/// Runs git in the demo's repository and home; its standard output.
fn git(place: &Place, args: &[&str]) -> Result<String, Failure> {
    let output = process::command("git")
        .env("HOME", &place.home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .current_dir(&place.repo)
        .args(args)
        .output()
        .map_err(|error| {
            Failure::new(format!("cannot start git: {error}")).hint("the demo needs git on PATH")
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(format!("git {} failed: {said}", args.first().copied().unwrap_or_default())))
}

/// The demo's daemon. Whatever happens, it ends before this is gone.
struct Daemon {
    child: Child,
    client: Client,
}

impl Daemon {
    fn start(place: &Place) -> Result<Self, Failure> {
        let run_dir = place.repo.join(".storkit/run");
        fs::create_dir_all(&run_dir).map_err(io("make", &run_dir))?;
        let log_path = run_dir.join("daemon.log");
        let log = File::create(&log_path).map_err(io("make", &log_path))?;
        let args = ["up", "--trust", "--session", "--with-parent"].map(str::to_owned);
        let mut child = up::spawn_self(&place.repo, &args, &log, Some(&place.home))?;
        match up::wait_for(&run_dir, &mut child) {
            Ok(client) => Ok(Self { child, client }),
            Err(failure) => {
                // It may have ended by itself; a second kill changes nothing.
                let _ = child.kill();
                let _ = child.wait();
                let tail = up::log_tail(&log_path, 0);
                Err(Failure { error: format!("{}\n{tail}", failure.error), ..failure })
            }
        }
    }

    fn end(&mut self, now: bool) -> Result<(), Failure> {
        let told = down::end(&self.client, now);
        let deadline = Instant::now() + END_WAIT;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return told;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(Failure::new("the demo's daemon did not end and was killed"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nothing more can be done for one that cannot be killed.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Moves the three files, and shows what happens until all have landed; how many have.
fn show(out: Out, place: &Place, client: &Client, stop: &AtomicBool) -> Result<usize, Failure> {
    out.say("moving the three files to 2_current/, which starts them");
    let work = place.repo.join(".storkit/work");
    for (id, _) in STORIES {
        let file = format!("{id}.md");
        let from = work.join(Stage::Backlog.folder()).join(&file);
        fs::rename(&from, work.join(Stage::Current.folder()).join(&file)).map_err(io("move", &from))?;
    }
    let deadline = Instant::now() + LANDED_WAIT;
    let mut last = None;
    let mut live = Live::new(out);
    let watched = live.watch(client, stop, |status| {
        let over = landed(status) == STORIES.len() || is_stuck(status) || Instant::now() > deadline;
        last = Some(status.clone());
        over
    });
    live.finish();
    let last = last.map_or(0, |status| landed(&status));
    match watched? {
        Watched::Reached => Ok(last),
        Watched::Stopped => Err(Failure::new("the demo was ended by hand")),
        Watched::DaemonEnded => Err(Failure::new("the demo's daemon ended by itself")),
    }
}

fn landed(status: &Status) -> usize {
    status.stories.iter().filter(|story| story.stage == Stage::Done.name()).count()
}

fn is_stuck(status: &Status) -> bool {
    status.stories.iter().any(|story| matches!(story.state, State::Blocked | State::Problem))
}

/// The commits that landed, where to look, and what to type next.
fn report(out: Out, place: &Place, landed: usize) -> Outcome {
    let log =
        git(place, &["log", "--reverse", "--format=%h %s%n  %(trailers:key=Storkit-Gates)", "main", "-4"])?;
    if out.json {
        let kept = place.kept.then(|| place.repo.display().to_string());
        out.json(&serde_json::json!({ "landed": landed, "repository": kept }))?;
    } else {
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        out.data(&format!("\n{}\n{}\n", paint(style::TITLE, "main"), clean_lines(&lines.join("\n"))))?;
    }
    if landed < STORIES.len() {
        return Err(Failure::new(format!("only {landed} of {} stories landed", STORIES.len()))
            .hint("storkit demo --keep DIR keeps the repository to look into"));
    }
    if place.kept {
        out.say(&format!(
            "\nlook around in {}: git log, storkit status, storkit logs 2",
            place.repo.display()
        ));
    }
    out.say("\nnext, in a repository of yours: storkit init, storkit new \"A title\", storkit up");
    Ok(Exit::Done)
}

/// A flag that SIGINT and SIGTERM raise.
fn on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
    }
    Ok(stop)
}
