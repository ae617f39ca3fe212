//! A unified diff, read into rows that can be walked: files, hunks, lines with their numbers. Pure.

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
    /// Reads what `git diff` prints. Nothing of it is refused: what is not understood is a note.
    pub(super) fn parse(text: &str) -> Self {
        let mut diff = Self::default();
        // How many lines of the hunk are still to come, on either side; then the next numbers.
        let (mut left, mut at) = ((0_u32, 0_u32), (0_u32, 0_u32));
        for line in text.lines() {
            if left == (0, 0) {
                if let Some(rest) = line.strip_prefix("diff --git ") {
                    diff.begin(rest);
                } else if let Some((old, new)) = hunk(line) {
                    (left, at) = ((old.1, new.1), (old.0, new.0));
                    diff.push(Kind::Hunk, 0, line);
                } else {
                    diff.head(line);
                }
                continue;
            }
            let (sign, rest) = line.split_at_checked(1).unwrap_or(("", line));
            match sign {
                "+" => {
                    diff.push(Kind::Added, at.1, rest);
                    (left.1, at.1) = (left.1.saturating_sub(1), at.1 + 1);
                }
                "-" => {
                    diff.push(Kind::Removed, at.0, rest);
                    (left.0, at.0) = (left.0.saturating_sub(1), at.0 + 1);
                }
                "\\" => diff.push(Kind::Note, 0, line),
                _ => {
                    diff.push(Kind::Same, at.1, rest);
                    left = (left.0.saturating_sub(1), left.1.saturating_sub(1));
                    at = (at.0 + 1, at.1 + 1);
                }
            }
        }
        diff
    }

    fn begin(&mut self, paths: &str) {
        // `a/x b/x`: the half behind the blank in the middle, until a `+++` says it better.
        let half = paths.len() / 2;
        let path = paths.get(half..).unwrap_or(paths).trim().trim_start_matches("b/").to_owned();
        self.files.push(File { path: path.clone(), added: 0, removed: 0, row: self.rows.len() });
        self.push(Kind::File, 0, &path);
    }

    /// A line between a file's head and its first hunk.
    fn head(&mut self, line: &str) {
        let named = line.strip_prefix("+++ b/").or_else(|| line.strip_prefix("--- a/"));
        if let (Some(path), Some(file)) = (named, self.files.last_mut()) {
            path.trim_end_matches('\t').clone_into(&mut file.path);
            file.path.clone_into(&mut self.rows[file.row].text);
        } else if !["index ", "--- ", "+++ "].iter().any(|word| line.starts_with(word)) && !line.is_empty() {
            self.push(Kind::Note, 0, line);
        }
    }

    fn push(&mut self, kind: Kind, number: u32, text: &str) {
        if let Some(file) = self.files.last_mut() {
            file.added += usize::from(kind == Kind::Added);
            file.removed += usize::from(kind == Kind::Removed);
        }
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

/// First line and number of lines, on either side, of `@@ -41,7 +41,12 @@ …`.
fn hunk(line: &str) -> Option<((u32, u32), (u32, u32))> {
    let (old, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let side = |text: &str| match text.split_once(',') {
        Some((from, count)) => Some((from.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    };
    Some((side(old)?, side(new)?))
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

    #[test]
    fn nothing_is_refused() {
        for text in ["", "@@ -1 +1 @@", "@@ -9,9 +9,9 @@\nx", "diff --git", "diff --git é", "@@ -x,1 +1 @@"]
        {
            let diff = Diff::parse(text);
            assert!(diff.rows.len() <= 2, "{text:?}");
        }
    }
}
