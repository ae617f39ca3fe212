//! `storkit logs`: what agents and gates printed, from the files under logs/, also while they are written.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use storkit_core::ids::StoryId;

use super::args::LogsArgs;
use super::exit::{Exit, Failure, Outcome, io};
use super::out::Out;
use super::style::{self, paint};
use super::text::clean;
use super::{Context, ask, find};
use crate::agents::transcript::Transcript;
use crate::gates;
use crate::ledger::{RunRow, runs_of_logs};
use crate::sys::fs::last_lines;

/// How often a log that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A followed log that rests so long, while no daemon runs, has no end to wait for.
const REST_MAX: Duration = Duration::from_secs(2);
/// How much of a run's log the board shows, in bytes.
const TAIL_LEN_MAX: u64 = 1024 * 1024;
/// Longest line that is shown, in bytes.
const LINE_LEN_MAX: u64 = 4 * 1024 * 1024;

/// Runs the command.
pub(super) fn run(context: &Context, args: &LogsArgs) -> Outcome {
    let project = context.project()?;
    let id = story_of_logs(&project.root, &args.story)?;
    let folder = project.logs_dir().join(id.as_str());
    let mut runs = runs_of_logs(&project.logs_dir(), Some(&id));
    if runs.is_empty() && args.follow && ask::daemon(context)?.is_some() {
        context.out.say(&format!("waiting for a run of {id}"));
        while runs.is_empty() && ask::daemon(context)?.is_some() {
            std::thread::sleep(LOOK_EVERY);
            runs = runs_of_logs(&project.logs_dir(), Some(&id));
        }
    }
    let run = choose(&runs, args.run.as_deref(), &id)?;
    match &args.gate {
        Some(gate) => show_gate(context.out, &folder, run, gate, args.raw),
        None => show_run(context, &project.root.join(&run.log), args),
    }
}

/// The story's id: of a story on the board, or of a folder of logs whose story is gone.
pub(super) fn story_of_logs(root: &Path, name: &str) -> Result<StoryId, Failure> {
    match find::story(root, name) {
        Ok(found) => Ok(found.id),
        Err(failure) => {
            let id =
                StoryId::new(name).ok().filter(|id| root.join(".storkit/logs").join(id.as_str()).is_dir());
            id.ok_or(failure)
        }
    }
}

/// The run that was asked for; without a wish the last one.
pub(super) fn choose<'a>(
    runs: &'a [RunRow],
    wanted: Option<&str>,
    id: &StoryId,
) -> Result<&'a RunRow, Failure> {
    let Some(wanted) = wanted else {
        let none = || Failure::new(format!("{id} has not run yet")).hint(format!("storkit start {id}"));
        return runs.last().ok_or_else(none);
    };
    let number: Option<u32> = wanted.parse().ok();
    let by_number = runs.iter().rfind(|run| number == Some(run.number));
    let by_id = || runs.iter().rfind(|run| run.run.starts_with(wanted));
    by_number.or_else(by_id).ok_or_else(|| {
        let numbers: Vec<String> = runs.iter().map(|run| run.number.to_string()).collect();
        Failure::new(format!("{id} has no run {}", clean(wanted)))
            .hint(format!("its runs: {}", numbers.join(", ")))
            .exit(Exit::NotFound)
    })
}

fn show_gate(out: Out, folder: &Path, run: &RunRow, gate: &str, raw: bool) -> Outcome {
    let is_meant = |round: &str| gate.is_empty() || round == gate || round.ends_with(&format!(".{gate}"));
    let mut logs: Vec<(std::time::SystemTime, PathBuf)> = gates::logs(folder, &run.run)
        .filter(|(round, _)| is_meant(round))
        .filter_map(|(_, entry)| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    logs.sort();
    let (_, path) = logs.pop().ok_or_else(|| {
        let what = if gate.is_empty() { "no gate".to_owned() } else { format!("no gate {}", clean(gate)) };
        Failure::new(format!("{what} has run after run {} of {}", run.number, run.story)).exit(Exit::NotFound)
    })?;
    let mut bytes = Vec::new();
    File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(io("read", &path))?;
    let text = String::from_utf8_lossy(&bytes);
    out.data(&Transcript::new(raw, mark).printed(&text))?;
    Ok(Exit::Done)
}

/// The last bytes of what a story's last run printed, as text without colours.
pub(super) fn last_run(root: &Path, logs: &Path, id: &StoryId) -> Result<String, Failure> {
    let runs = runs_of_logs(logs, Some(id));
    let path = root.join(&choose(&runs, None, id)?.log);
    let (log, skipped) = last_lines(&path, TAIL_LEN_MAX).map_err(io("read", &path))?;
    let before = if skipped > 0 { format!("… {skipped} bytes before this\n") } else { String::new() };
    Ok(before + &Transcript::of(&log))
}

fn show_run(context: &Context, path: &Path, args: &LogsArgs) -> Outcome {
    let mut log = BufReader::new(File::open(path).map_err(io("read", path))?);
    let mut transcript = Transcript::new(args.raw, mark);
    let mut changed = Instant::now();
    let mut line = Vec::new();
    loop {
        let got = (&mut log).take(LINE_LEN_MAX).read_until(b'\n', &mut line).map_err(io("read", path))?;
        if got == 0 {
            let over = changed.elapsed() > REST_MAX && ask::daemon(context)?.is_none();
            if !args.follow || over {
                return Ok(Exit::Done);
            }
            std::thread::sleep(LOOK_EVERY);
            // A log that was cut short begins again.
            let len = path.metadata().map_err(io("read", path))?.len();
            if log.stream_position().is_ok_and(|position| position > len) {
                log.seek(SeekFrom::Start(0)).map_err(io("read", path))?;
                line.clear();
            }
            continue;
        }
        changed = Instant::now();
        if !line.ends_with(b"\n") && line.len() < usize::try_from(LINE_LEN_MAX).unwrap_or(usize::MAX) {
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        let shown = if context.out.json { text.clone().into_owned() } else { transcript.entry(&line) };
        let ended = is_end(&text);
        context.out.data(&shown)?;
        line.clear();
        if ended {
            return Ok(Exit::Done);
        }
    }
}

fn is_end(line: &str) -> bool {
    // Only the last line is read twice.
    line.contains(r#""ev":"end""#)
        && serde_json::from_str::<Value>(line).is_ok_and(|entry| entry["ev"] == "end")
}

fn mark(note: &str) -> String {
    paint(style::FAINT, note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entry_is_known() {
        assert!(is_end(r#"{"ev":"end","how":"done","exit":0,"signal":null}"#));
        assert!(!is_end(r#"{"t":1,"ev":"out","text":"\"ev\":\"end\""}"#));
    }

    #[test]
    fn a_run_is_chosen_by_number_or_by_the_beginning_of_its_id() {
        let row = |number: u32, run: &str| RunRow {
            run: run.to_owned(),
            story: "a".to_owned(),
            stage: String::new(),
            agent: String::new(),
            number,
            attempt: 1,
            prompt: String::new(),
            log: String::new(),
            started: String::new(),
            ended: None,
            how: None,
            exit: None,
            signal: None,
            summary: None,
        };
        let id = StoryId::new("a").expect("an id");
        let runs = [row(1, "0abc"), row(2, "0abd")];
        let number = |wanted| choose(&runs, wanted, &id).map(|run| run.number);
        assert_eq!(number(None), Ok(2));
        assert_eq!(number(Some("1")), Ok(1));
        assert_eq!(number(Some("0abc")), Ok(1));
        assert_eq!(number(Some("9")).expect_err("none").code, 3);
        assert_eq!(choose(&[], None, &id).expect_err("none").code, 1);
    }
}
