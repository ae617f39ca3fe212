//! `storkit replay`: a run's terminal again, as it was recorded.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::Context;
use super::args::ReplayArgs;
use super::exit::{Exit, Failure, Outcome, io};
use super::logs::{choose, story_of_logs};
use super::screen::{Drawing, RESET};
use crate::agents::cast_of;
use crate::ledger::runs_of_logs;

/// Longest line of a recording, in bytes.
const LINE_LEN_MAX: u64 = 4 << 20;

/// Runs the command.
pub(super) fn run(context: &Context, args: &ReplayArgs) -> Outcome {
    if !(args.speed.is_finite() && args.speed > 0.0) {
        return Err(Failure::usage("--speed is a number above 0, such as 2"));
    }
    let project = context.project()?;
    let id = story_of_logs(&project.root, &args.story)?;
    let runs = runs_of_logs(&project.logs_dir(), Some(&id));
    let run = choose(&runs, args.run.as_deref(), &id)?;
    let cast = cast_of(&project.root.join(&run.log));
    if args.path {
        context.out.data(&format!("{}\n", cast.display()))?;
        return Ok(Exit::Done);
    }
    let file = File::open(&cast).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(format!("run {} of {id} was not recorded", run.number))
            .hint(format!("storkit logs {id} --run {}", run.number)),
        _ => io("read", &cast)(error),
    })?;
    let ended = play(BufReader::new(file), &cast, args);
    if context.out.is_terminal() {
        let _ = std::io::stdout().write_all(RESET.as_bytes());
    }
    ended?;
    Ok(Exit::Done)
}

fn play(mut lines: impl BufRead, path: &Path, args: &ReplayArgs) -> Result<(), Failure> {
    let mut drawing = Drawing::default();
    let mut line = Vec::new();
    let begun = Instant::now();
    // Pauses that are cut short bring everything after them forward.
    let (mut before, mut at) = (0.0_f64, 0.0_f64);
    loop {
        line.clear();
        if (&mut lines).take(LINE_LEN_MAX).read_until(b'\n', &mut line).map_err(io("read", path))? == 0 {
            return Ok(());
        }
        let Ok((t, code, text)) = serde_json::from_slice::<(f64, String, String)>(&line) else { continue };
        if code != "o" {
            continue;
        }
        at += (t - before).max(0.0).min(args.idle_max) / args.speed;
        before = t;
        let due = Duration::try_from_secs_f64(at).unwrap_or_default();
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        let mut drawn = String::with_capacity(text.len());
        drawing.feed(&text, &mut drawn);
        let mut stdout = std::io::stdout().lock();
        if stdout.write_all(drawn.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            return Err(Failure::closed_output());
        }
    }
}
