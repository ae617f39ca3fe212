//! A unified diff as rows that can be walked. Pure.

use storkit_core::patch;

/// What a row of a diff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The head of a file.
    File,
    /// What git says of a file: renamed, binary, new mode.
    Note,
    /// The head of a hunk.
    Hunk,
    /// A line on both sides.
    Same,
    /// A line that is new.
    Added,
    /// A line that is gone.
    Removed,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// What it is.
    pub(super) kind: Kind,
    /// The line's number on its side, from 1; 0 where it has none.
    pub(super) number: u32,
    /// The text, without the sign; the path of a file.
    pub(super) text: String,
    /// The file that it belongs to, an index into [`Diff::files`].
    pub(super) file: usize,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Its path: the new one, of one that is gone the old one.
    pub(super) path: String,
    /// Lines added.
    pub(super) added: usize,
    /// Lines removed.
    pub(super) removed: usize,
    /// The row of its head.
    pub(super) row: usize,
}

/// A whole diff.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Diff {
    /// The files, in order.
    pub(super) files: Vec<File>,
    /// All rows.
    pub(super) rows: Vec<Row>,
}

impl Diff {
    /// Reads what `git diff` prints.
    pub(super) fn parse(text: &str) -> Self {
        let mut diff = Self::default();
        for file in patch::files(text) {
            let (added, removed) = file.size();
            let head = File { path: file.path.clone(), added, removed, row: diff.rows.len() };
            diff.files.push(head);
            diff.push(Kind::File, 0, &file.path);
            for note in &file.notes {
                diff.push(Kind::Note, 0, note);
            }
            for row in file.rows() {
                match row {
                    patch::Row::Hunk(head) => diff.push(Kind::Hunk, 0, head),
                    patch::Row::Remark(text) => diff.push(Kind::Note, 0, text),
                    patch::Row::Line(line) => {
                        let kind = match (line.old, line.new) {
                            (None, _) => Kind::Added,
                            (_, None) => Kind::Removed,
                            _ => Kind::Same,
                        };
                        diff.push(kind, line.new.or(line.old).unwrap_or(0), line.text);
                    }
                }
            }
        }
        diff
    }

    fn push(&mut self, kind: Kind, number: u32, text: &str) {
        let file = self.files.len().saturating_sub(1);
        self.rows.push(Row { kind, number, text: text.to_owned(), file });
    }

    /// Lines added and removed, over all files.
    pub(super) fn size(&self) -> (usize, usize) {
        self.files.iter().fold((0, 0), |sum, file| (sum.0 + file.added, sum.1 + file.removed))
    }

    /// The next row of that kind behind `row`, or before it.
    pub(super) fn step(&self, row: usize, kind: Kind, forward: bool) -> Option<usize> {
        let is = |at: &usize| self.rows[*at].kind == kind;
        if forward {
            (row + 1..self.rows.len()).find(is)
        } else {
            (0..row.min(self.rows.len())).rev().find(is)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "diff --git a/src/a.rs b/src/a.rs\nindex 1..2 100644\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,2 +1,3 @@ fn x\n one\n-two\n+--- a/zwei\n+drei\n\\ No newline at end of file\ndiff --git a/old b/new\nsimilarity index 90%\nrename from old\nrename to new\ndiff --git a/p.png b/p.png\nBinary files a/p.png and b/p.png differ\n";

    #[test]
    fn files_hunks_and_lines_are_told_apart() {
        let diff = Diff::parse(TEXT);
        let files: Vec<_> = diff.files.iter().map(|f| (f.path.as_str(), f.added, f.removed)).collect();
        assert_eq!(files, [("src/a.rs", 2, 1), ("new", 0, 0), ("p.png", 0, 0)]);
        assert_eq!(diff.size(), (2, 1));
        let rows: Vec<_> = diff.rows.iter().map(|r| (r.kind, r.number, r.text.as_str())).collect();
        assert_eq!(rows[0], (Kind::File, 0, "src/a.rs"));
        assert_eq!(rows[2], (Kind::Same, 1, "one"));
        assert_eq!(rows[3], (Kind::Removed, 2, "two"));
        assert_eq!(rows[4], (Kind::Added, 2, "--- a/zwei"), "a line is no head");
        assert_eq!(rows[5], (Kind::Added, 3, "drei"));
        assert_eq!(diff.step(0, Kind::File, true), Some(7));
        assert_eq!(diff.step(7, Kind::Hunk, false), Some(1));
        assert_eq!(diff.step(11, Kind::File, true), None);
    }
}
