//! What may not grow for ever: old logs, and the folders of runs that are over.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::sys::layout::Layout;

/// Most bytes of all logs together; the oldest go first.
const LOGS_BYTES_MAX: u64 = 5_000_000_000;
/// A log that was written to so recently may belong to a run that still goes on.
const LOG_IN_USE: Duration = Duration::from_hours(3);

/// Removes the folders of runs, for a start, when none is in flight. They hold orders with secrets.
pub(super) fn forget_runs(layout: &Layout) {
    let Ok(entries) = fs::read_dir(layout.runs()) else { return };
    for entry in entries.flatten() {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!("{} stays: {error}", entry.path().display());
        }
    }
}

/// Removes the oldest logs where all together are too large.
pub(super) fn bound_logs(layout: &Layout) {
    bound(&layout.logs(), LOGS_BYTES_MAX, SystemTime::now());
}

struct Log {
    path: PathBuf,
    len: u64,
    written: SystemTime,
}

fn bound(folder: &Path, bytes_max: u64, now: SystemTime) {
    let mut logs = logs(folder);
    let mut total: u64 = logs.iter().map(|log| log.len).sum();
    logs.sort_by_key(|log| log.written);
    for log in logs {
        let in_use = now.duration_since(log.written).map_or(true, |age| age < LOG_IN_USE);
        if total <= bytes_max || in_use {
            return;
        }
        match fs::remove_file(&log.path) {
            Ok(()) => total -= log.len,
            Err(error) => tracing::warn!("{} stays: {error}", log.path.display()),
        }
    }
}

/// All files one folder down; links are neither followed nor counted.
fn logs(folder: &Path) -> Vec<Log> {
    let folders = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let files = folders.flat_map(|entry| fs::read_dir(entry.path()).into_iter().flatten().flatten());
    let log = |entry: fs::DirEntry| {
        let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some(Log { path: entry.path(), len: meta.len(), written: meta.modified().ok()? })
    };
    files.filter_map(log).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_logs_go_until_the_rest_fits_and_new_ones_stay() {
        let temp = tempfile::tempdir().expect("a folder");
        let story = temp.path().join("1_a");
        fs::create_dir(&story).expect("a folder");
        let now = SystemTime::now();
        for (name, age_h) in [("a.ndjson", 30), ("b.ndjson", 20), ("c.ndjson", 10), ("d.ndjson", 0)] {
            let file = fs::File::create(story.join(name)).expect("a file");
            file.set_len(100).expect("its length");
            file.set_modified(now - Duration::from_hours(age_h)).expect("its time");
        }
        let left = || {
            let names = logs(temp.path()).into_iter().map(|log| log.path);
            let mut names: Vec<_> =
                names.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect();
            names.sort();
            names
        };
        bound(temp.path(), 250, now);
        assert_eq!(left(), ["c.ndjson", "d.ndjson"]);
        bound(temp.path(), 0, now);
        assert_eq!(left(), ["d.ndjson"], "it may be in use");
    }
}
