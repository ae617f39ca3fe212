//! What the name of a file in a stage folder says: a story, something to leave alone, or a problem.
//!
//! Names are bytes and hostile: whatever is shown of them is escaped.

use crate::ids::{IdError, StoryId};
use crate::stage::Stage;
use crate::story::Problem;

/// Most characters of a file's name that are shown.
const SHOWN_CHARS_MAX: usize = 120;

/// What a file in a stage folder is, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameKind {
    /// A story.
    Story(StoryId),
    /// Not a story: a dot file, an editor's or a sync tool's own, README.md, a file without `.md`.
    Ignored,
    /// Meant as a story, and its name does not do.
    Problem(Problem),
}

/// Says what a file is by its name, given as the bytes of the directory entry.
pub fn classify_name(stage: Stage, file_name: &[u8]) -> NameKind {
    let Some(stem) = file_name.strip_suffix(b".md") else {
        return NameKind::Ignored;
    };
    if file_name.starts_with(b".") || is_readme(stem) {
        return NameKind::Ignored;
    }
    let Ok(stem) = std::str::from_utf8(stem) else {
        return NameKind::Problem(Problem::of_file(
            path_of(stage, file_name),
            "The file's name is not UTF-8.",
            "rename it, e.g. to `42_story_login.md`",
        ));
    };
    if is_editors_own(stem) {
        return NameKind::Ignored;
    }
    match StoryId::new(stem) {
        Ok(id) => NameKind::Story(id),
        Err(error) => NameKind::Problem(Problem::of_file(
            path_of(stage, file_name),
            format!("The file's name cannot be a story's id: it {error}."),
            format!("rename it, e.g. to `{}.md`", suggestion(stem, error)),
        )),
    }
}

/// The path of a file in a stage folder as problems show it, relative to the project's root.
pub fn path_of(stage: Stage, file_name: &[u8]) -> String {
    format!(".storkit/work/{}/{}", stage.folder(), shown(file_name))
}

fn shown(file_name: &[u8]) -> String {
    let name = String::from_utf8_lossy(file_name);
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::new();
    for c in name.chars().take(SHOWN_CHARS_MAX) {
        if invisible(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if name.chars().count() > SHOWN_CHARS_MAX {
        out.push('…');
    }
    out
}

fn is_readme(stem: &[u8]) -> bool {
    stem.eq_ignore_ascii_case(b"readme")
}

/// Names that editors, merge tools and sync tools give to files of their own that still end in `.md`.
fn is_editors_own(stem: &str) -> bool {
    let lower = stem.to_lowercase();
    let merge_tool = ["_backup_", "_base_", "_local_", "_remote_"].iter().any(|mark| {
        lower.rsplit_once(mark).is_some_and(|(_, pid)| {
            !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) && stem.contains(&mark.to_uppercase())
        })
    });
    stem.starts_with(['#', '~'])
        || stem.ends_with('~')
        || lower.contains(".sync-conflict-")
        || lower.contains("conflicted copy")
        || lower.contains(" (conflict")
        || merge_tool
}

/// An id near to a stem that is none.
fn suggestion(stem: &str, error: IdError) -> String {
    let ascii = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    let mut id: String = stem.chars().map(ascii).take(crate::ids::STORY_ID_LEN_MAX).collect();
    while id.contains("..") || id.contains("__") {
        id = id.replace("..", ".").replace("__", "_");
    }
    if error == IdError::Ref && id.to_ascii_lowercase().ends_with(".lock") {
        id.truncate(id.len() - ".lock".len());
    }
    let id = id.trim_matches(['.', '_', '-']);
    match StoryId::new(id) {
        Ok(id) => id.as_str().to_owned(),
        Err(_) => "42_story_login".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn classify(name: &[u8]) -> NameKind {
        classify_name(Stage::Current, name)
    }

    #[test]
    fn stories_are_taken_by_their_stem() {
        for name in ["42_story_login.md", "a.md", "x.tmp.md", "1_LOCAL_story.md", "v1.2.md"] {
            let NameKind::Story(id) = classify(name.as_bytes()) else { panic!("{name} is a story") };
            assert_eq!(id.file_name(), name);
        }
    }

    #[test]
    fn what_is_not_meant_as_a_story_is_left_alone() {
        let names = [
            ".42_story.md",
            ".#42.md",
            ".md",
            "#42.md",
            "#42.md#",
            "42.md~",
            "42~.md",
            "~42.md",
            "42.md.swp",
            ".42.md.swp",
            "42.md.bak",
            "42.md.orig",
            "42.md.tmp",
            "4913",
            "README.md",
            "readme.md",
            "ReadMe.md",
            "42.txt",
            "42",
            "",
            "42.MD",
            "42.md.~1~",
            "42.md___jb_tmp___",
            "42.sync-conflict-20260101-120000-ABCDEF.md",
            "42 (conflicted copy 2026-01-01).md",
            "42 (Ann's conflicted copy 2026-01-01).md",
            "42 (conflict).md",
            "42_story_BACKUP_1234.md",
            "42_story_LOCAL_1234.md",
            "42_story_REMOTE_77.md",
        ];
        for name in names {
            assert_eq!(classify(name.as_bytes()), NameKind::Ignored, "{name}");
        }
        assert_eq!(classify(b"\xff.txt"), NameKind::Ignored);
    }

    #[test]
    fn names_that_do_not_do_are_problems_with_a_way_out() {
        let names: [&[u8]; 9] = [
            b"log in.md",
            b"-rf.md",
            b"a..b.md",
            b"x.lock.md",
            b"\xff\xfe.md",
            b"a\nb\x1b[31m.md",
            "\u{202e}dm.md".as_bytes(),
            "日本.md".as_bytes(),
            &[b'x'; 120],
        ];
        let said: Vec<_> = names
            .iter()
            .map(|name| {
                let mut name = name.to_vec();
                if !name.ends_with(b".md") {
                    name.extend(b".md");
                }
                let NameKind::Problem(problem) = classify(&name) else { panic!("{name:?} is a problem") };
                format!("{} | {} | {}", problem.path, problem.message, problem.hint.unwrap_or_default())
            })
            .collect();
        assert_snapshot!(said.join("\n"), @r"
        .storkit/work/2_current/log in.md | The file's name cannot be a story's id: it may only hold letters, digits, `.`, `_` and `-`. | rename it, e.g. to `log_in.md`
        .storkit/work/2_current/-rf.md | The file's name cannot be a story's id: it must begin with a letter or a digit. | rename it, e.g. to `rf.md`
        .storkit/work/2_current/a..b.md | The file's name cannot be a story's id: it may not hold `..` nor end in `.` or `.lock` (git could not name its branch). | rename it, e.g. to `a.b.md`
        .storkit/work/2_current/x.lock.md | The file's name cannot be a story's id: it may not hold `..` nor end in `.` or `.lock` (git could not name its branch). | rename it, e.g. to `x.md`
        .storkit/work/2_current/��.md | The file's name is not UTF-8. | rename it, e.g. to `42_story_login.md`
        .storkit/work/2_current/a\nb\u{1b}[31m.md | The file's name cannot be a story's id: it may only hold letters, digits, `.`, `_` and `-`. | rename it, e.g. to `a_b_31m.md`
        .storkit/work/2_current/\u{202e}dm.md | The file's name cannot be a story's id: it may only hold letters, digits, `.`, `_` and `-`. | rename it, e.g. to `dm.md`
        .storkit/work/2_current/日本.md | The file's name cannot be a story's id: it may only hold letters, digits, `.`, `_` and `-`. | rename it, e.g. to `42_story_login.md`
        .storkit/work/2_current/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… | The file's name cannot be a story's id: it is longer than 100 characters. | rename it, e.g. to `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.md`
        ");
    }
}
