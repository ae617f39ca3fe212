//! Runs as their logs tell them: the first and the last line of each `logs/<story>/<run>.ndjson`. Reads only.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use storkit_core::ids::StoryId;

use super::RunRow;

/// Longest first or last line that is read, in bytes.
const LINE_LEN_MAX: u64 = 64 * 1024;
/// Most logs that are read in all.
const LOGS_MAX: usize = 50_000;

#[derive(Deserialize)]
struct Start {
    ev: String,
    run: uuid::Uuid,
    story: StoryId,
    stage: String,
    agent: String,
    attempt: u32,
    #[serde(default)]
    number: u32,
    at: Timestamp,
}

#[derive(Deserialize)]
struct End {
    ev: String,
    t: Option<f64>,
    how: serde_json::Value,
    exit: Option<i32>,
    signal: Option<i32>,
    summary: Option<String>,
}

/// All runs that have a log below `logs_dir`, or those of one story, oldest first. What is no log is passed over.
pub fn runs_of_logs(logs_dir: &Path, story: Option<&StoryId>) -> Vec<RunRow> {
    let folders = match story {
        Some(story) => vec![logs_dir.join(story.as_str())],
        None => entries(logs_dir).filter(|path| path.is_dir()).collect(),
    };
    let mut runs: Vec<RunRow> = folders
        .iter()
        .flat_map(|folder| entries(folder))
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .take(LOGS_MAX)
        .filter_map(|path| run_of_log(&path))
        .collect();
    runs.sort_by(|a, b| (&a.started, &a.run).cmp(&(&b.started, &b.run)));
    runs
}

fn entries(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The run of one log; none where its first line is not that of a run, or names another folder's story.
pub fn run_of_log(path: &Path) -> Option<RunRow> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let mut first = Vec::new();
    BufReader::new((&mut file).take(LINE_LEN_MAX)).read_until(b'\n', &mut first).ok()?;
    let start: Start = serde_json::from_slice(&first).ok()?;
    let folder = path.parent()?.file_name()?.to_str()?;
    if start.ev != "start" || start.story.as_str() != folder {
        return None;
    }
    let run = start.run.to_string();
    let mut row = RunRow {
        prompt: format!(".storkit/logs/{folder}/{run}.prompt.md"),
        log: format!(".storkit/logs/{folder}/{}", path.file_name()?.to_str()?),
        run,
        story: folder.to_owned(),
        stage: start.stage,
        agent: start.agent,
        number: start.number,
        attempt: start.attempt,
        started: start.at.to_string(),
        ended: None,
        how: None,
        exit: None,
        signal: None,
        summary: None,
    };
    if let Some(end) = last_line(&mut file) {
        row.ended = end
            .t
            .and_then(|t| SignedDuration::try_from_secs_f64(t).ok())
            .and_then(|span| start.at.checked_add(span).ok().map(|at| at.to_string()));
        row.how = Some(match end.how {
            serde_json::Value::String(how) => how,
            other => other.to_string(),
        });
        (row.exit, row.signal, row.summary) = (end.exit, end.signal, end.summary);
    }
    Some(row)
}

fn last_line(file: &mut File) -> Option<End> {
    let len = file.metadata().ok()?.len();
    let from = len.saturating_sub(LINE_LEN_MAX);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut tail = Vec::new();
    file.take(LINE_LEN_MAX).read_to_end(&mut tail).ok()?;
    let tail = tail.strip_suffix(b"\n")?;
    let line = tail.rsplit(|byte| *byte == b'\n').next()?;
    let end: End = serde_json::from_slice(line).ok()?;
    (end.ev == "end").then_some(end)
}
