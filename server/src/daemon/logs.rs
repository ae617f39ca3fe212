//! Runs' logs as faces show them: in pieces, by their ends, with the logs of the gates beside them. Every look is bounded.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::agents::text::plain;
use crate::agents::transcript::Transcript;
use crate::gates;
use crate::http::{Found, LogAt, Printed};
use crate::mcp::{Output, Wanted};
use crate::sys::fs::last_lines;

/// Most bytes of a log that one piece holds.
const PIECE_LEN_MAX: u64 = 256 * 1024;
/// How many bytes of a log's end are shown where no place is named.
const END_LEN: u64 = 64 * 1024;
/// How much of the end of a log a page shows, in bytes.
const PAGE_LEN: u64 = 256 * 1024;
/// How much of the end of a log is looked at for what an agent did last, in bytes.
const ACTIVITY_LEN: u64 = 8 * 1024;
/// Longest piece of a log that a page leafs by, in bytes.
const LEAF_LEN: u64 = 64 * 1024;
/// Longest line that a piece is made longer for, in bytes; of a longer one nothing is shown.
const LINE_LEAF_MAX: u64 = 4 << 20;
/// How long a log is searched, and in how many pieces a text is found.
const FIND_WAIT_MAX: Duration = Duration::from_secs(3);
const FOUND_MAX: usize = 1_000;
/// How many lines of a log a page shows.
const LINES_MAX: usize = 2_000;
/// Longest line of a log that a page shows, in characters.
const LINE_LEN_MAX: usize = 2_000;
/// Most gates of a run that a page shows.
const GATES_MAX: usize = 20;

/// A piece of a run's log, or of a gate's after it, as text: from a place on, or its end.
///
/// # Errors
/// There is no such log, or it cannot be read.
pub(super) fn piece(log: &Path, run: &str, wanted: &Wanted) -> io::Result<Output> {
    let Some(gate) = &wanted.gate else { return piece_of(log, wanted, Log::Run) };
    let found = gate_log(log, run, gate).ok_or(io::ErrorKind::NotFound)?;
    piece_of(&found, wanted, Log::Gate)
}

/// A page of a log: whole lines, wherever it begins.
///
/// # Errors
/// There is no such log, or it cannot be read.
pub(super) fn page(log: &Path, run: &str, gate: Option<&str>, at: LogAt) -> io::Result<Output> {
    let (path, kind) = named(log, run, gate)?;
    let mut file = std::fs::File::open(path)?;
    page_of(&mut file, kind, at)
}

/// Where a text is in all of a log, case aside.
///
/// # Errors
/// There is no such log, or it cannot be read.
pub(super) fn find(log: &Path, run: &str, gate: Option<&str>, text: &str) -> io::Result<Found> {
    let (path, kind) = named(log, run, gate)?;
    let mut file = std::fs::File::open(path)?;
    let (text, began) = (text.to_lowercase(), Instant::now());
    let (mut found, mut from) = (Found::default(), 0);
    loop {
        let page = page_of(&mut file, kind, LogAt::From(from))?;
        let lines = page.text.lines().filter(|line| line.to_lowercase().contains(&text)).count();
        if lines > 0 {
            found.pieces.push((from, lines));
            found.lines += lines;
        }
        if page.next >= page.size || page.next == from {
            return Ok(found);
        }
        from = page.next;
        found.cut = began.elapsed() > FIND_WAIT_MAX || found.pieces.len() >= FOUND_MAX;
        if found.cut {
            return Ok(found);
        }
    }
}

fn named(log: &Path, run: &str, gate: Option<&str>) -> io::Result<(PathBuf, Log)> {
    let Some(gate) = gate else { return Ok((log.to_owned(), Log::Run)) };
    // By the name of a round, as pages show it, else the last round of the gate.
    let round = rounds(log, run).find(|(round, _)| round == gate).map(|(_, path)| path);
    Ok((round.or_else(|| gate_log(log, run, gate)).ok_or(io::ErrorKind::NotFound)?, Log::Gate))
}

fn page_of(file: &mut std::fs::File, kind: Log, at: LogAt) -> io::Result<Output> {
    let size = file.metadata()?.len();
    let end = if let LogAt::Before(end) = at { end.min(size) } else { size };
    let mut len = LEAF_LEN;
    // A line may be longer than a piece: then the piece is as long as that, and shows more than what is beside it.
    loop {
        let from = if let LogAt::From(from) = at { from.min(size) } else { end.saturating_sub(len) };
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(len.min(end - from)).read_to_end(&mut bytes)?;
        let whole = whole_lines(&bytes, from, matches!(at, LogAt::From(_)), end);
        let (skipped, kept) = if len >= LINE_LEAF_MAX {
            whole.unwrap_or((0, bytes.len()))
        } else if let Some(whole) = whole.filter(|(begin, stop)| (stop - begin) * 2 >= bytes.len()) {
            whole
        } else {
            len *= 4;
            continue;
        };
        let from = from + skipped as u64;
        let text = kind.text(&bytes[skipped..kept]);
        return Ok(Output { text, from, next: from + (kept - skipped) as u64, size });
    }
}

/// Where the whole lines begin and end in bytes that were read at `from` of a log's first `end` bytes; none where there
/// is none that is whole.
fn whole_lines(bytes: &[u8], from: u64, is_start: bool, end: u64) -> Option<(usize, usize)> {
    let line_end = |byte: &u8| *byte == b'\n';
    let begin = if is_start || from == 0 { 0 } else { bytes.iter().position(line_end)? + 1 };
    let is_end = from + bytes.len() as u64 >= end;
    let stop = if is_end { bytes.len() } else { bytes.iter().rposition(line_end)? + 1 };
    (begin < stop || bytes.is_empty()).then_some((begin, stop))
}

/// What a run and its gates printed, the end of it.
pub(super) fn printed(log: &Path, run: &str) -> Printed {
    let (entries, skipped) = last_lines(log, PAGE_LEN).unwrap_or_default();
    let text = Transcript::of(&entries);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES_MAX);
    let short = |line: &&str| line.chars().take(LINE_LEN_MAX).collect();
    Printed {
        transcript: lines[from..].iter().map(short).collect(),
        gates: printed_by_gates(log, run),
        cut: skipped > 0 || from > 0,
    }
}

/// The last line that a run printed; none where it has printed nothing.
pub(super) fn activity(log: &Path) -> Option<String> {
    let text = Transcript::of(&last_lines(log, ACTIVITY_LEN).ok()?.0);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// The gates of a run and the end of what each printed, in the order in which they ran.
fn printed_by_gates(log: &Path, run: &str) -> Vec<(String, String)> {
    let mut found: Vec<(SystemTime, String, PathBuf)> = rounds(log, run)
        .filter_map(|(round, path)| Some((path.metadata().ok()?.modified().ok()?, round, path)))
        .collect();
    found.sort();
    let newest = found.len().saturating_sub(GATES_MAX);
    let text = |path: &Path| Some(as_text(&last_lines(path, PAGE_LEN).ok()?.0));
    found.into_iter().skip(newest).filter_map(|(_, round, path)| Some((round, text(&path)?))).collect()
}

/// The last log of a gate after a run.
fn gate_log(log: &Path, run: &str, gate: &str) -> Option<PathBuf> {
    let logs = rounds(log, run).filter_map(|(round, path)| {
        let rest = round.strip_prefix(gate)?;
        let again = rest.strip_prefix('-').and_then(|rest| rest.parse::<u32>().ok());
        Some((if rest.is_empty() { 1 } else { again? }, path))
    });
    logs.max().map(|(_, path)| path)
}

/// The gates' logs beside a run's, by their rounds.
fn rounds(log: &Path, run: &str) -> impl Iterator<Item = (String, PathBuf)> {
    log.parent()
        .into_iter()
        .flat_map(move |folder| gates::logs(folder, run))
        .filter_map(|(round, entry)| entry.file_type().ok()?.is_file().then(|| (round, entry.path())))
}

/// What a gate printed, as text.
fn as_text(bytes: &[u8]) -> String {
    plain(&String::from_utf8_lossy(bytes)).replace('\r', "")
}

/// What a log is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    /// Entries, a line each.
    Run,
    /// What was printed, as it was.
    Gate,
}

impl Log {
    fn text(self, bytes: &[u8]) -> String {
        match self {
            Self::Run => Transcript::of(bytes),
            Self::Gate => as_text(bytes),
        }
    }
}

fn piece_of(log: &Path, wanted: &Wanted, kind: Log) -> io::Result<Output> {
    let len_max = wanted.len.unwrap_or(PIECE_LEN_MAX).clamp(1, PIECE_LEN_MAX);
    let from = wanted.from;
    let mut file = std::fs::File::open(log)?;
    let size = file.metadata()?.len();
    let from = from.unwrap_or(size.saturating_sub(END_LEN)).min(size);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(len_max).read_to_end(&mut bytes)?;
    // Whole lines alone, unless one is longer than a piece.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let is_end = kind == Log::Gate && from + bytes.len() as u64 >= size;
    if !is_end && (whole > 0 || (bytes.len() as u64) < len_max) {
        bytes.truncate(whole);
    }
    let next = from + bytes.len() as u64;
    Ok(Output { text: kind.text(&bytes), from, next, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(log: &Path, from: Option<u64>) -> io::Result<Output> {
        piece(log, "r", &Wanted { from, ..Wanted::default() })
    }

    #[test]
    fn a_gates_last_log_is_found_and_read_in_pieces() {
        let temp = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("r.tests.log", "old\n"),
            ("r.tests-2.log", "\u{1b}[1mnew\u{1b}[0m\nend"),
            ("r.tests-x.log", ""),
            ("s.tests-3.log", ""),
        ] {
            std::fs::write(temp.path().join(name), text).expect("written");
        }
        let log = temp.path().join("r.log");
        let ask = |gate: &str, from, len| {
            piece(&log, "r", &Wanted { gate: Some(gate.to_owned()), from, len, ..Wanted::default() })
        };
        assert!(ask("../s", None, None).is_err() && ask("", None, None).is_err());
        let read = |from, len| ask("tests", from, len).expect("a log");
        assert_eq!(read(None, None).text, "new\nend");
        let part = read(Some(0), Some(14));
        assert_eq!((part.text.as_str(), part.next, part.size), ("new\n", 12, 15));
        let part = read(Some(12), Some(2));
        assert_eq!((part.text.as_str(), part.next), ("en", 14));
    }

    #[test]
    fn a_log_is_read_in_pieces_of_whole_lines_without_control_sequences() {
        let temp = tempfile::tempdir().expect("a folder");
        let log = temp.path().join("log");
        let lines = [
            r#"{"t":0,"ev":"turn"}"#,
            r#"{"t":1,"ev":"out","text":"a\u001b[31mb\u001b[0m\r\n"}"#,
            r#"{"t":2,"ev":"tool_use","id":"1","tool":"shell","input":"ls"}"#,
            r#"{"t":3,"ev":"out","text":"half"#,
        ];
        std::fs::write(&log, lines.join("\n")).expect("written");
        let whole = at(&log, None).expect("a log");
        assert_eq!(whole.text, "ab\n— tool_use: shell ls\n");
        assert_eq!(whole.size - whole.next, lines[3].len() as u64);
        let rest = at(&log, Some(whole.next)).expect("a log");
        assert_eq!((rest.text.as_str(), rest.next), ("", whole.next));
        assert_eq!(at(&log, Some(u64::MAX)).expect("a log").from, whole.size);
        let second = at(&log, Some(lines[0].len() as u64 + 1)).expect("a log");
        assert_eq!(second.text, whole.text);
    }

    #[test]
    fn a_log_is_leafed_through_both_ways_and_searched_whole() {
        let temp = tempfile::tempdir().expect("a folder");
        let log = temp.path().join("r.log");
        let text = (0..20_000).fold(String::new(), |text, n| text + &format!("line {n}\n"));
        std::fs::write(temp.path().join("r.tests.log"), &text).expect("written");
        let page = |at| page(&log, "r", Some("tests"), at).expect("a log");
        let (mut forth, mut back) = (String::new(), String::new());
        let mut from = 0;
        while from < text.len() as u64 {
            let piece = page(LogAt::From(from));
            forth += &piece.text;
            from = piece.next;
        }
        let mut piece = page(LogAt::End);
        while piece.from > 0 {
            back.insert_str(0, &piece.text);
            piece = page(LogAt::Before(piece.from));
        }
        back.insert_str(0, &piece.text);
        assert!(forth == text && back == text, "each line once, in order");
        let found = find(&log, "r", Some("tests"), "LINE 1999").expect("a log");
        assert_eq!((found.lines, found.cut), (11, false));
        let first = page(LogAt::From(found.pieces[0].0));
        assert!(first.text.contains("line 1999\n"));
        // A line that is longer than a piece is whole all the same, and a short one beside it is no page of its own.
        std::fs::write(temp.path().join("r.long.log"), format!("a\n{}\nb\n", "x".repeat(300_000)))
            .expect("written");
        let long = |at| super::page(&log, "r", Some("long"), at).expect("a log");
        let (first, last) = (long(LogAt::From(0)), long(LogAt::End));
        assert_eq!((first.text.len(), first.next), (300_005, first.size));
        assert_eq!((last.text.len(), last.from), (300_005, 0));
        let before = long(LogAt::Before(last.size - 2));
        assert_eq!((before.text.len(), before.from), (300_003, 0));
        assert!(
            find(&log, "r", Some("lint"), "x").is_err() && super::page(&log, "r", None, LogAt::End).is_err()
        );
    }

    #[test]
    fn a_line_longer_than_a_piece_is_passed_over_piece_by_piece() {
        let temp = tempfile::tempdir().expect("a folder");
        let log = temp.path().join("log");
        std::fs::write(&log, "x".repeat(300 * 1024) + "\n").expect("written");
        let first = at(&log, Some(0)).expect("a log");
        assert_eq!(first.next, PIECE_LEN_MAX);
        assert_eq!(at(&log, Some(first.next)).expect("a log").next, first.size);
    }
}
