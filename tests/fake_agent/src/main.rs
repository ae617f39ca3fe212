//! A scripted agent for tests: it does exactly what a script says, the nasty things too.
//!
//! The script is the text of `FAKE_AGENT_SCRIPT`, else the arguments, a line each. Lines are done in order in the
//! current folder; at the end it exits 0. Blank lines and lines that begin with `#` are nothing.
//!
//! | line | does |
//! | --- | --- |
//! | `write PATH TEXT`, `append PATH TEXT`, `remove PATH` | files; folders are made; `\n \t \e \\` are understood |
//! | `commit MESSAGE` | `git add -A` and a commit under a name of its own |
//! | `git ARGS…` | any other git command; its failure is the agent's, exit 1 |
//! | `print TEXT`, `event JSON` | a line on standard output |
//! | `echo-prompt`, `echo-env NAME` | the prompt's file; a variable |
//! | `flood N` | N bytes of lines of 100 |
//! | `chatter MS PATH` | a line of 100 bytes every MS, until there is such a file (ten minutes at most, then exit 70) |
//! | `sleep MS`, `spin MS` | waits; uses CPU time |
//! | `wait-for PATH` | waits until there is such a file (a minute at most, then exit 70) |
//! | `own PATH BREACH` | locks PATH for itself and all that it starts; held by others, a line in BREACH |
//! | `pid PATH` | writes its process number |
//! | `exit N`, `signal N`, `hang` | ends so, or never |
//! | `ignore-term` | TERM, HUP and INT do nothing from now on |
//! | `background BEAT` | leaves a child that ignores TERM and writes into the file BEAT over and over |
//! | `daemonize BEAT`, `daemonize-scrubbed BEAT` | the same in a session of its own, forked twice; without environment |
//! | `rm-worktree` | removes the current folder with all that is in it |
//!
//! Before any line: `on-attempt 1:`, `on-attempt 2\|3:`, `on-stage qa:`, `on-story ID:`, `on-agent NAME:`, also
//! several; the line counts when all hold. `{story} {stage} {agent} {run} {attempt} {home}` are filled in everywhere.

#![expect(
    clippy::disallowed_methods,
    reason = "an agent is not storkit: its children get its own environment"
)]

mod script;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, getpid, kill_process, setsid};
use script::{About, Step};

/// How often a left-over process writes that it lives.
const BEAT_EACH: Duration = Duration::from_millis(20);
/// How often a file is looked for.
const LOOK_EACH: Duration = Duration::from_millis(5);
/// Longest wait for a file.
const WAIT_SPAN_MAX: Duration = Duration::from_mins(1);
/// Longest chatter.
const CHATTER_SPAN_MAX: Duration = Duration::from_mins(10);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["__beat", path] => return beat(Path::new(path)),
        ["__fork", path] => return fork(path),
        _ => {}
    }
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let about = About {
        story: var("STORKIT_STORY"),
        stage: var("STORKIT_STAGE"),
        agent: var("STORKIT_AGENT"),
        run: var("STORKIT_RUN"),
        attempt: var("STORKIT_ATTEMPT"),
        home: var("HOME"),
    };
    let text = std::env::var("FAKE_AGENT_SCRIPT").unwrap_or_else(|_| args.join("\n"));
    let steps = match script::read(&text, &about) {
        Ok(steps) => steps,
        Err(why) => {
            let _ = writeln!(io::stderr(), "fake agent: {why}");
            return ExitCode::from(64);
        }
    };
    for step in steps {
        match run(&step) {
            Ok(None) => {}
            Ok(Some(code)) => return code,
            Err(why) => {
                let _ = writeln!(io::stderr(), "fake agent: {step:?}: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Does one step; a code ends the agent.
fn run(step: &Step) -> io::Result<Option<ExitCode>> {
    match step {
        Step::Write { path, text } => write(path, text, OpenOptions::new().write(true).truncate(true))?,
        Step::Append { path, text } => write(path, text, OpenOptions::new().append(true))?,
        Step::Remove(path) => std::fs::remove_file(path)?,
        Step::Commit(message) => {
            git(&["add", "-A"])?;
            git(&["-c", "user.name=Fake", "-c", "user.email=fake@localhost", "commit", "-q", "-m", message])?;
        }
        Step::Git(args) => git(&args.iter().map(String::as_str).collect::<Vec<_>>())?,
        Step::Print(text) | Step::Event(text) => print(text)?,
        Step::EchoPrompt => {
            let path = std::env::var_os("STORKIT_PROMPT").unwrap_or_default();
            print(&std::fs::read_to_string(path)?)?;
        }
        Step::EchoEnv(name) => print(&std::env::var(name).unwrap_or_default())?,
        Step::Flood(len) => flood(*len)?,
        Step::Chatter { each, until } => {
            let done = chatter(Duration::from_millis(*each), Path::new(until))?;
            return Ok((!done).then_some(ExitCode::from(70)));
        }
        Step::Sleep(ms) => std::thread::sleep(Duration::from_millis(*ms)),
        Step::Spin(ms) => {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(*ms) {}
        }
        Step::WaitFor(path) => return Ok((!wait_for(Path::new(path))).then_some(ExitCode::from(70))),
        Step::Own { path, breach } => own(path, breach)?,
        Step::Pid(path) => write(path, &std::process::id().to_string(), OpenOptions::new().write(true))?,
        Step::Exit(code) => return Ok(Some(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)))),
        Step::Signal(number) => {
            let signal = Signal::from_named_raw(*number).ok_or_else(|| io::Error::other("no such signal"))?;
            kill_process(getpid(), signal)?;
            hang();
        }
        Step::Hang => hang(),
        Step::IgnoreTerm => ignore_term()?,
        Step::Background(path) => leave("__beat", path, false)?,
        Step::Daemonize { beat, scrub } => leave("__fork", beat, *scrub)?,
        Step::RemoveWorktree => std::fs::remove_dir_all(std::env::current_dir()?)?,
    }
    Ok(None)
}

fn write(path: &str, text: &str, options: &mut OpenOptions) -> io::Result<()> {
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder)?;
    }
    options.create(true).open(path)?.write_all(text.as_bytes())
}

/// Locks a file for as long as this process or anything that it starts lives.
fn own(path: &str, breach: &str) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let run = std::env::var("STORKIT_RUN").unwrap_or_default();
        let text = format!("{path} is held by another run than {run}\n");
        write(breach, &text, OpenOptions::new().append(true))?;
    }
    // Children inherit the lock with the descriptor, which nothing closes.
    fcntl_setfd(&file, FdFlags::empty())?;
    std::mem::forget(file);
    Ok(())
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

fn git(args: &[&str]) -> io::Result<()> {
    let status = Command::new("git").args(args).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("git {args:?}: {status}"))) }
}

fn flood(len: u64) -> io::Result<()> {
    let line = [[b'x'; 99].as_slice(), b"\n"].concat();
    let mut out = io::stdout().lock();
    for _ in 0..len.div_ceil(line.len() as u64) {
        out.write_all(&line)?;
    }
    out.flush()
}

fn chatter(each: Duration, until: &Path) -> io::Result<bool> {
    let begun = Instant::now();
    while begun.elapsed() < CHATTER_SPAN_MAX {
        if until.exists() {
            return Ok(true);
        }
        flood(100)?;
        std::thread::sleep(each);
    }
    Ok(false)
}

fn wait_for(path: &Path) -> bool {
    let begun = Instant::now();
    while !path.exists() {
        if begun.elapsed() > WAIT_SPAN_MAX {
            return false;
        }
        std::thread::sleep(LOOK_EACH);
    }
    true
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

fn ignore_term() -> io::Result<()> {
    let noticed = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&noticed))?;
    }
    Ok(())
}

/// Leaves a child behind, and returns when it beats.
fn leave(mode: &str, beat: &str, scrub: bool) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([mode, beat]).stdin(Stdio::null());
    if scrub {
        command.env_clear();
    }
    command.spawn()?;
    if wait_for(Path::new(beat)) { Ok(()) } else { Err(io::Error::other("it does not beat")) }
}

fn fork(path: &str) -> ExitCode {
    let left = setsid()
        .map_err(io::Error::from)
        .and_then(|_| Command::new(std::env::current_exe()?).args(["__beat", path]).spawn());
    ExitCode::from(u8::from(left.is_err()))
}

/// Writes its process number and a count until it is killed, or the file can no longer be written.
fn beat(path: &Path) -> ExitCode {
    let begun = ignore_term();
    let mut count = 0_u64;
    while begun.is_ok() {
        count += 1;
        let text = format!("{} {count}\n", std::process::id());
        if File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).is_err() {
            break;
        }
        std::thread::sleep(BEAT_EACH);
    }
    ExitCode::SUCCESS
}
