//! A story's difference to base, file by file: what `git diff` wrote, bounded.

use serde::Serialize;
use storkit_core::patch;

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
    for file in patch::files(text) {
        if path.is_some_and(|path| path != file.path) {
            continue;
        }
        if diff.files.len() == FILES_MAX {
            diff.cut = true;
            break;
        }
        let shown = cut(file.text, left.min(FILE_LEN_MAX));
        left -= shown.len();
        let (added, removed) = file.size();
        diff.files.push(FileDiff {
            path: file.path.clone(),
            added: added as u64,
            removed: removed as u64,
            patch: shown.to_owned(),
            cut: shown.len() < file.text.len(),
        });
    }
    diff
}

fn cut(text: &str, len_max: usize) -> &str {
    &text[..text.floor_char_boundary(len_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_shown_by_its_path() {
        let text = "diff --git a/a b/a\n@@ -1 +1 @@\n-x\n+y\ndiff --git a/b b/b\nnew file mode 100644\n";
        let diff = parse("1_a", text, Some("a"));
        let file = &diff.files[0];
        assert_eq!((diff.files.len(), file.added, file.removed), (1, 1, 1));
        assert_eq!((file.patch.as_str(), file.cut), ("diff --git a/a b/a\n@@ -1 +1 @@\n-x\n+y\n", false));
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
