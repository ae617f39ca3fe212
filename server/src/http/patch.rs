//! A story's difference to base, file by file: what `git diff` wrote, taken apart and bounded.

use serde::Serialize;

/// Longest patch of one file, in bytes, and of all files together.
const FILE_LEN_MAX: usize = 256 * 1024;
const ALL_LEN_MAX: usize = 2 * 1024 * 1024;
/// Most files.
const FILES_MAX: usize = 1_000;

/// What a story changes.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(super) struct Diff {
    /// The story.
    pub(super) id: String,
    /// The files.
    pub(super) files: Vec<FileDiff>,
    /// Whether there are more files than are shown.
    pub(super) cut: bool,
}

/// What a story changes in one file.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(super) struct FileDiff {
    /// Its path as git writes it: in quotes where it holds what would not be seen.
    pub(super) path: String,
    /// Lines that are new.
    pub(super) added: u64,
    /// Lines that are gone.
    pub(super) removed: u64,
    /// The patch as git writes it.
    pub(super) patch: String,
    /// Whether the patch is longer than what is shown of it; the lines are counted all the same.
    pub(super) cut: bool,
}

/// Takes a patch apart; only the file `path`, where one is named.
pub(super) fn parse(id: &str, text: &str, path: Option<&str>) -> Diff {
    let mut diff = Diff { id: id.to_owned(), files: Vec::new(), cut: false };
    let mut left = ALL_LEN_MAX;
    for part in parts(text) {
        let file = file(part, left.min(FILE_LEN_MAX));
        if path.is_some_and(|path| path != file.path) {
            continue;
        }
        if diff.files.len() == FILES_MAX {
            diff.cut = true;
            break;
        }
        left -= file.patch.len();
        diff.files.push(file);
    }
    diff
}

/// The patch of each file. A line of a file's own is never at the beginning of a line: it follows ` `, `+` or `-`.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.strip_prefix("diff --git ");
    std::iter::from_fn(move || {
        let now = rest?;
        let (part, next) = match now.split_once("\ndiff --git ") {
            Some((part, next)) => (part, Some(next)),
            None => (now, None),
        };
        rest = next;
        Some(part)
    })
}

fn file(part: &str, len_max: usize) -> FileDiff {
    let (mut added, mut removed, mut in_lines) = (0, 0, false);
    let (mut new, mut old, mut renamed) = (None, None, None);
    for line in part.split('\n').skip(1) {
        if line.starts_with("@@ ") {
            in_lines = true;
        } else if in_lines {
            added += u64::from(line.starts_with('+'));
            removed += u64::from(line.starts_with('-'));
        } else if let Some(path) = line.strip_prefix("+++ ") {
            new = name(path, "b/");
        } else if let Some(path) = line.strip_prefix("--- ") {
            old = name(path, "a/");
        } else if let Some(path) = line.strip_prefix("rename to ").or(line.strip_prefix("copy to ")) {
            renamed = Some(path.to_owned());
        }
    }
    let path =
        new.or(old).or(renamed).unwrap_or_else(|| of_head(part.split('\n').next().unwrap_or_default()));
    let mut len = part.len().min(len_max);
    while !part.is_char_boundary(len) {
        len -= 1;
    }
    FileDiff { path, added, removed, patch: part[..len].to_owned(), cut: len < part.len() }
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
fn of_head(head: &str) -> String {
    let half = head.len() / 2;
    let second = head.is_char_boundary(half).then(|| head[half..].trim_start());
    second.and_then(|path| name(path, "b/")).unwrap_or_else(|| head.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "diff --git a/a.txt b/a.txt\nindex 1..2 100644\n--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,3 @@\n one\n--- two\n+++ two\n+diff --git a/x b/x\ndiff --git a/old b/old\ndeleted file mode 100644\n--- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\ndiff --git a/my pic.png b/my pic.png\nnew file mode 100644\nBinary files /dev/null and b/my pic.png differ\ndiff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\ndiff --git \"a/t\\ta\" \"b/t\\ta\"\n--- \"a/t\\ta\"\n+++ \"b/t\\ta\"\n@@ -1 +1 @@\n-a\n+b\n";

    #[test]
    fn a_patch_is_taken_apart_by_file() {
        let diff = parse("1_a", TEXT, None);
        let files: Vec<(&str, u64, u64)> =
            diff.files.iter().map(|file| (file.path.as_str(), file.added, file.removed)).collect();
        assert_eq!(
            files,
            [("a.txt", 2, 1), ("old", 0, 1), ("my pic.png", 0, 0), ("y", 0, 0), ("\"t\\ta\"", 1, 1)]
        );
        assert!(!diff.cut && diff.files.iter().all(|file| !file.cut));
        assert_eq!(parse("1_a", TEXT, Some("old")).files.len(), 1);
        assert_eq!(parse("1_a", "", None).files, []);
    }

    #[test]
    fn what_is_too_long_is_cut_and_still_counted() {
        let long = "+".to_owned() + &"é".repeat(FILE_LEN_MAX);
        let text = format!("diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -0,0 +1,2 @@\n{long}\n+end\n");
        let many = text.repeat(40);
        let diff = parse("1_a", &many, None);
        assert_eq!(diff.files.len(), 40);
        assert!(diff.files.iter().all(|file| file.cut && file.added == 2));
        assert!(diff.files.iter().map(|file| file.patch.len()).sum::<usize>() <= ALL_LEN_MAX);
        let small = "diff --git a/a b/a\nnew file mode 100644\n".repeat(FILES_MAX + 1);
        let diff = parse("1_a", &small, None);
        assert!(diff.cut && diff.files.len() == FILES_MAX);
    }
}
