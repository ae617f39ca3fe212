//! A unified diff of git's as files, hunks and lines, with the words that changed and the code coloured.
//!
//! It reads text that agents wrote: a line that makes no sense is shown as it is, never trusted.

use storkit_core::patch::{self, FilePatch, Row};

use super::highlight::{Language, Span, spans};

/// Most lines of one file that are shown; more are counted.
const FILE_LINES_MAX: usize = 3_000;
/// Most lines of all files that are shown.
const LINES_MAX: usize = 20_000;
/// Longest line that is shown, in bytes.
const LINE_LEN_MAX: usize = 2_000;
/// Files with more lines than this start folded.
const FOLD_AT: usize = 400;

/// One file of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct File {
    pub(super) path: String,
    /// Where it was before, when it was renamed.
    pub(super) from: Option<String>,
    pub(super) added: usize,
    pub(super) removed: usize,
    /// What git says instead of lines, or besides.
    pub(super) note: String,
    pub(super) hunks: Vec<Hunk>,
    /// Why it starts folded; empty where it does not.
    pub(super) folded: &'static str,
    /// Lines that are left out.
    pub(super) left_out: usize,
    /// What its content was hashed to: a viewed mark lasts as long.
    pub(super) blob: String,
}

/// Lines that stand together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Hunk {
    pub(super) head: String,
    pub(super) lines: Vec<Line>,
}

/// Lines that stand together and are all changed, or all not: a change is shown side by side.
pub(super) struct Group<'a> {
    pub(super) changed: bool,
    pub(super) lines: &'a [Line],
}

impl Hunk {
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let alike = |one: &Line, other: &Line| one.class.is_empty() == other.class.is_empty();
        let group = |lines: &'_ [Line]| -> bool { lines.first().is_some_and(|line| !line.class.is_empty()) };
        self.lines.chunk_by(alike).map(move |lines| Group { changed: group(lines), lines })
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// `a` added, `d` deleted, empty unchanged.
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) old: Option<u32>,
    pub(super) new: Option<u32>,
    pub(super) spans: Vec<Span>,
}

impl Line {
    /// How a comment names the line.
    pub(super) fn number(&self) -> u32 {
        self.new.or(self.old).unwrap_or(0)
    }
}

/// Reads what `git diff` prints.
pub(super) fn parse(text: &str) -> Vec<File> {
    let mut left = LINES_MAX;
    patch::files(text).map(|patch| file(&patch, &mut left)).collect()
}

/// One file, of which no more lines are shown than are left for all.
fn file(patch: &FilePatch<'_>, left: &mut usize) -> File {
    let (added, removed) = patch.size();
    let language = Language::of(&patch.path);
    let mut file = File {
        path: patch.path.clone(),
        from: patch.from.map(str::to_owned),
        blob: patch.blob.to_owned(),
        note: patch.notes.iter().filter_map(|note| said(note)).next_back().unwrap_or_default(),
        added,
        removed,
        ..File::default()
    };
    let mut room = FILE_LINES_MAX.min(*left);
    for row in patch.rows() {
        match row {
            Row::Hunk(head) => file.hunks.push(Hunk { head: head.to_owned(), lines: Vec::new() }),
            Row::Remark(_) => {}
            Row::Line(_) if room == 0 => file.left_out += 1,
            Row::Line(line) => {
                (room, *left) = (room - 1, *left - 1);
                if let Some(hunk) = file.hunks.last_mut() {
                    hunk.lines.push(shown(&line, language));
                }
            }
        }
    }
    file.folded = fold(&file);
    for hunk in &mut file.hunks {
        mark_words(&mut hunk.lines);
    }
    file
}

/// What git says of a file, in words for a person; none where its lines say it.
fn said(note: &str) -> Option<String> {
    if let Some(mode) = note.strip_prefix("new mode ") {
        return Some(format!("Mode {mode}."));
    }
    let words = [("Binary files", "A binary file."), ("new file", "New file."), ("deleted file", "Deleted.")];
    words.iter().find(|(begin, _)| note.starts_with(begin)).map(|(_, words)| (*words).to_owned())
}

fn shown(line: &patch::Line<'_>, language: Language) -> Line {
    let (class, sign) = match (line.old, line.new) {
        (None, _) => ("a", "+"),
        (_, None) => ("d", "−"),
        _ => ("", ""),
    };
    let text = &line.text[..line.text.floor_char_boundary(LINE_LEN_MAX)];
    Line { class, sign, old: line.old, new: line.new, spans: spans(text, language) }
}

fn fold(file: &File) -> &'static str {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let locked = matches!(
        name,
        "Cargo.lock" | "package-lock.json" | "yarn.lock" | "pnpm-lock.yaml" | "go.sum" | "poetry.lock"
    );
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let generated = name.ends_with(".min.js") || end == "snap" || file.path.starts_with("dist/");
    match file.added + file.removed {
        _ if locked => "a lock file",
        _ if generated => "a generated file",
        lines if lines > FOLD_AT => "a long one",
        _ => "",
    }
}

/// Marks, in a line deleted and the one added for it, what is between their common beginning and end.
fn mark_words(lines: &mut [Line]) {
    let mut at = 0;
    while at < lines.len() {
        let deleted = lines[at..].iter().take_while(|line| line.class == "d").count();
        let added = lines[at + deleted..].iter().take_while(|line| line.class == "a").count();
        if deleted > 0 && deleted == added {
            for pair in at..at + deleted {
                let (one, other) = (text(&lines[pair]), text(&lines[pair + deleted]));
                let (start, ends) = common(&one, &other);
                // Lines that share little are simply different.
                if start + ends.2 > one.len().max(other.len()) / 3 {
                    mark(&mut lines[pair].spans, start, ends.0);
                    mark(&mut lines[pair + deleted].spans, start, ends.1);
                }
            }
        }
        at += (deleted + added).max(1);
    }
}

fn text(line: &Line) -> String {
    line.spans.iter().map(|span| span.text.as_str()).collect()
}

/// The length of the common beginning; where the common end begins in both, and its length.
fn common(one: &str, other: &str) -> (usize, (usize, usize, usize)) {
    let start: usize =
        one.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let (rest, other_rest) = (&one[start..], &other[start..]);
    let end: usize = rest
        .chars()
        .rev()
        .zip(other_rest.chars().rev())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    (start, (one.len() - end, other.len() - end, end))
}

/// Splits spans so that those within the bytes are marked.
fn mark(spans: &mut Vec<Span>, from: usize, to: usize) {
    if from >= to {
        return;
    }
    let mut at = 0;
    let mut split = Vec::with_capacity(spans.len() + 2);
    for span in spans.drain(..) {
        let (begin, end) = (at, at + span.text.len());
        at = end;
        let cuts = [begin, from.clamp(begin, end), to.clamp(begin, end), end];
        for (index, pair) in cuts.windows(2).enumerate() {
            let piece = &span.text[pair[0] - begin..pair[1] - begin];
            if !piece.is_empty() {
                split.push(Span { class: span.class, text: piece.to_owned(), marked: index == 1 });
            }
        }
    }
    *spans = split;
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "diff --git a/src/a.rs b/src/a.rs\nindex 1111111..2222222 100644\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,3 +1,4 @@ fn x\n use a;\n-    let tz = Utc;\n+    let tz = account.zone();\n+    // new\n }\n\\ No newline at end of file\ndiff --git a/x.png b/x.png\nnew file mode 100644\nindex 0000000..3333333\nBinary files /dev/null and b/x.png differ\ndiff --git a/old name b/new name\nsimilarity index 100%\nrename from old name\nrename to new name\n";

    #[test]
    fn a_diff_is_read_into_files_and_numbered_lines() {
        let files = parse(DIFF);
        let heads: Vec<_> = files
            .iter()
            .map(|file| (file.path.as_str(), file.added, file.removed, file.note.as_str()))
            .collect();
        assert_eq!(
            heads,
            [("src/a.rs", 2, 1, ""), ("x.png", 0, 0, "A binary file."), ("new name", 0, 0, "")]
        );
        assert_eq!(
            (files[2].from.as_deref(), files[0].blob.as_str()),
            (Some("old name"), "1111111..2222222")
        );
        let lines: Vec<_> =
            files[0].hunks[0].lines.iter().map(|line| (line.class, line.old, line.new)).collect();
        let wanted = [
            ("", Some(1), Some(1)),
            ("d", Some(2), None),
            ("a", None, Some(2)),
            ("a", None, Some(3)),
            ("", Some(3), Some(4)),
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn words_that_changed_are_marked() {
        let diff = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-let tz = Utc;\n+let tz = Local;\n";
        let files = parse(diff);
        let marked = |line: &Line| -> String {
            line.spans.iter().filter(|span| span.marked).map(|span| span.text.as_str()).collect()
        };
        let lines = &files[0].hunks[0].lines;
        assert_eq!((marked(&lines[0]).as_str(), marked(&lines[1]).as_str()), ("Utc", "Local"));
    }

    #[test]
    fn long_and_locked_files_start_folded_and_are_cut() {
        let mut diff =
            String::from("diff --git a/b.txt b/b.txt\n--- a/b.txt\n+++ b/b.txt\n@@ -0,0 +1,5000 @@\n");
        diff.push_str(&"+x\n".repeat(5_000));
        diff.push_str(
            "diff --git a/Cargo.lock b/Cargo.lock\n--- a/Cargo.lock\n+++ b/Cargo.lock\n@@ -1 +1 @@\n-a\n+b\n",
        );
        let files = parse(&diff);
        assert_eq!((files[0].added, files[0].left_out, files[0].folded), (5_000, 2_000, "a long one"));
        assert_eq!(files[1].folded, "a lock file");
    }
}
