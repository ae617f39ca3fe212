//! A unified diff as `git diff` prints it, taken apart: files, hunks, lines with their numbers.
//!
//! The text may hold whatever an agent wrote: nothing is refused, and no line of a file is taken for a head.

/// What begins a file.
const HEAD: &str = "diff --git ";

/// What a patch changes in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePatch<'a> {
    /// Its path as git writes it, in quotes where it holds what would not be seen; the old one of a file that is gone.
    pub path: String,
    /// Where it was before, when it was renamed or copied.
    pub from: Option<&'a str>,
    /// What its content was and is hashed to, shortened: `1a2b3c..4d5e6f`; empty where git does not say.
    pub blob: &'a str,
    /// What else git says of it: a new file, its mode, that it is binary.
    pub notes: Vec<&'a str>,
    /// Everything that git says of it: a patch of its own.
    pub text: &'a str,
    /// The hunks, within `text`.
    hunks: &'a str,
}

/// One row of a hunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row<'a> {
    /// The head of a hunk: `@@ -1,2 +1,3 @@ fn x`.
    Hunk(&'a str),
    /// A line of the file.
    Line(Line<'a>),
    /// What git says of the line before: that it does not end.
    Remark(&'a str),
}

/// One line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number before, from 1; none of a line that is new.
    pub old: Option<u32>,
    /// Its number now, from 1; none of a line that is gone.
    pub new: Option<u32>,
    /// Its text, without the sign.
    pub text: &'a str,
}

impl Line<'_> {
    /// Whether it is new.
    pub const fn is_added(&self) -> bool {
        self.old.is_none()
    }

    /// Whether it is gone.
    pub const fn is_removed(&self) -> bool {
        self.new.is_none()
    }
}

/// The files of a patch, in order. What stands before the first is passed over.
pub fn files(text: &str) -> impl Iterator<Item = FilePatch<'_>> {
    // A line of a file's own is never at the beginning of a line: it follows ` `, `+` or `-`.
    let before = format!("\n{HEAD}");
    let next = move |text: &str| text.find(&before).map(|at| at + 1);
    let first = if text.starts_with(HEAD) { Some(0) } else { next(text) };
    let mut rest = first.map(|at| &text[at..]);
    std::iter::from_fn(move || {
        let now = rest?;
        let (file, more) = now.split_at(next(now).unwrap_or(now.len()));
        rest = Some(more).filter(|more| !more.is_empty());
        Some(FilePatch::read(file))
    })
}

impl<'a> FilePatch<'a> {
    fn read(text: &'a str) -> Self {
        let (head, hunks) = match text.find("\n@@ ") {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, ""),
        };
        let mut lines = head.lines();
        let names = lines.next().and_then(|line| line.strip_prefix(HEAD)).unwrap_or_default();
        let mut file = Self { path: String::new(), from: None, blob: "", notes: Vec::new(), text, hunks };
        let (mut new, mut old, mut renamed) = (None, None, None);
        for line in lines {
            if let Some(path) = line.strip_prefix("+++ ") {
                new = name(path, "b/");
            } else if let Some(path) = line.strip_prefix("--- ") {
                old = name(path, "a/");
            } else if let Some(blob) = line.strip_prefix("index ") {
                file.blob = blob.split(' ').next().unwrap_or_default();
            } else if !line.is_empty() {
                let word = |one, other| line.strip_prefix(one).or_else(|| line.strip_prefix(other));
                file.from = file.from.or(word("rename from ", "copy from "));
                renamed = renamed.or(word("rename to ", "copy to "));
                file.notes.push(line);
            }
        }
        let renamed = || renamed.map(str::to_owned);
        file.path = new.or(old).or_else(renamed).unwrap_or_else(|| second_name(names));
        file
    }

    /// Heads of hunks and lines, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> {
        let mut at = (0_u32, 0_u32);
        self.hunks.lines().map(move |line| {
            if line.starts_with("@@ ") {
                at = starts(line).unwrap_or(at);
                return Row::Hunk(line);
            }
            let (sign, text) = line.split_at_checked(1).unwrap_or(("", line));
            let (old, new) = match sign {
                "\\" => return Row::Remark(line),
                "+" => (None, Some(at.1)),
                "-" => (Some(at.0), None),
                _ => (Some(at.0), Some(at.1)),
            };
            at = (at.0.saturating_add(old.is_some().into()), at.1.saturating_add(new.is_some().into()));
            Row::Line(Line { old, new, text })
        })
    }

    /// How many lines are new, and how many are gone.
    pub fn size(&self) -> (usize, usize) {
        let lines = self.rows().filter_map(|row| if let Row::Line(line) = row { Some(line) } else { None });
        lines.fold((0, 0), |(added, removed), line| {
            (added + usize::from(line.is_added()), removed + usize::from(line.is_removed()))
        })
    }
}

/// A path behind `+++` or `---`; none for a file that is not there.
fn name(said: &str, side: &str) -> Option<String> {
    let said = said.strip_suffix('\t').unwrap_or(said);
    if said == "/dev/null" {
        return None;
    }
    let quoted = said.strip_prefix('"').and_then(|inner| inner.strip_prefix(side));
    let plain = || said.strip_prefix(side).unwrap_or(said).to_owned();
    Some(quoted.map_or_else(plain, |inner| format!("\"{inner}")))
}

/// The path of a file without lines (binary, empty, its mode alone): `a/x b/x`, the same twice.
fn second_name(names: &str) -> String {
    let half = names.len() / 2;
    let second = names.is_char_boundary(half).then(|| names[half..].trim_start());
    second.and_then(|path| name(path, "b/")).unwrap_or_else(|| names.to_owned())
}

/// The first line of a hunk, before and now: of `@@ -41,7 +41,12 @@ …`.
fn starts(line: &str) -> Option<(u32, u32)> {
    let mut words = line.strip_prefix("@@ -")?.split(' ');
    let start = |range: &str| range.split(',').next()?.parse().ok();
    Some((start(words.next()?)?, start(words.next()?.strip_prefix('+')?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "diff --git a/a.txt b/a.txt\nindex 1..2 100644\n--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,3 @@ fn x\n one\n--- two\n+++ two\n+diff --git a/x b/x\n\\ No newline at end of file\n@@ -9 +10 @@\n-@@ -1 +1 @@\ndiff --git a/old b/old\ndeleted file mode 100644\n--- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\ndiff --git a/my pic.png b/my pic.png\nnew file mode 100644\nBinary files /dev/null and b/my pic.png differ\ndiff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\ndiff --git \"a/t\\ta\" \"b/t\\ta\"\n--- \"a/t\\ta\"\n+++ \"b/t\\ta\"\n@@ -1 +1 @@\n-a\n+b\n";

    #[test]
    fn a_patch_is_taken_apart_by_file() {
        let files: Vec<FilePatch<'_>> = files(TEXT).collect();
        let sizes: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.size())).collect();
        assert_eq!(
            sizes,
            [
                ("a.txt", (2, 2)),
                ("old", (0, 1)),
                ("my pic.png", (0, 0)),
                ("y", (0, 0)),
                ("\"t\\ta\"", (1, 1))
            ]
        );
        assert_eq!((files[0].blob, files[3].from), ("1..2", Some("x")));
        let notes = ["new file mode 100644", "Binary files /dev/null and b/my pic.png differ"];
        assert_eq!(files[2].notes, notes);
    }

    #[test]
    fn lines_have_their_numbers_and_are_never_taken_for_heads() {
        let file = files(TEXT).next().expect("a file");
        let rows: Vec<Row<'_>> = file.rows().collect();
        let line = |old, new, text| Row::Line(Line { old, new, text });
        let wanted = [
            Row::Hunk("@@ -1,2 +1,3 @@ fn x"),
            line(Some(1), Some(1), "one"),
            line(Some(2), None, "-- two"),
            line(None, Some(2), "++ two"),
            line(None, Some(3), "diff --git a/x b/x"),
            Row::Remark("\\ No newline at end of file"),
            Row::Hunk("@@ -9 +10 @@"),
            line(Some(9), None, "@@ -1 +1 @@"),
        ];
        assert_eq!(rows, wanted);
    }

    #[test]
    fn nothing_is_refused() {
        for text in ["", "@@ -1 +1 @@", "x\n\ndiff --git", "diff --git é", "diff --git a\n@@ -x,1 +1 @@\né"]
        {
            assert!(files(text).map(|file| file.rows().count()).sum::<usize>() <= 2, "{text:?}");
        }
        let last = format!("diff --git a/a b/a\n@@ -{0} +{0} @@\n x\n x\n", u32::MAX);
        assert_eq!(files(&last).map(|file| file.rows().count()).sum::<usize>(), 3);
    }
}
