//! A story by the name that a person gave it, looked up among the files of the board. Reads names only.

use std::path::{Path, PathBuf};

use storkit_core::ids::StoryId;
use storkit_core::stage::Stage;

use super::exit::{Exit, Failure};

/// A story's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: StoryId,
    pub(super) stage: Stage,
    /// The file, absolute.
    pub(super) path: PathBuf,
}

/// All files that are stories by their names, in the order of the board.
pub(super) fn all(root: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for stage in Stage::ALL {
        let folder = root.join(".storkit/work").join(stage.folder());
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_suffix(".md"))
                .and_then(|stem| StoryId::new(stem).ok());
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if let Some(id) = id.filter(|id| is_file && id.folded() != "readme") {
                found.push(Found { id, stage, path: entry.path() });
            }
        }
    }
    found.sort_by(|a, b| (a.stage, a.id.number(), &a.id).cmp(&(b.stage, b.id.number(), &b.id)));
    found
}

/// The one story of that id or number.
pub(super) fn story(root: &Path, name: &str) -> Result<Found, Failure> {
    let stories = all(root);
    let folded = name.to_ascii_lowercase();
    let number: Option<u64> = name.parse().ok();
    let by_id: Vec<&Found> = stories.iter().filter(|found| found.id.folded() == folded).collect();
    let found = if by_id.is_empty() {
        stories.iter().filter(|found| number.is_some() && found.id.number() == number).collect()
    } else {
        by_id
    };
    match found[..] {
        [one] => Ok(one.clone()),
        [] => Err(none(name, &stories)),
        [first, .., last] if first.id == last.id => {
            let stages: Vec<&str> = found.iter().map(|found| found.stage.name()).collect();
            Err(Failure::new(format!("{} is in several stages: {}", first.id, stages.join(", ")))
                .hint("remove the file that is too many"))
        }
        [..] => {
            let ids: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
            Err(Failure::new(format!("{name} is the number of several stories: {}", ids.join(", ")))
                .hint("name it by its id"))
        }
    }
}

fn none(name: &str, stories: &[Found]) -> Failure {
    let failure = Failure::new(format!("there is no story {name}")).exit(Exit::NotFound);
    let near = stories.iter().find(|found| found.id.folded().contains(&name.to_ascii_lowercase()));
    match near.filter(|_| name.len() > 2) {
        Some(found) => failure.hint(format!("did you mean {}?", found.id)),
        None => failure.hint("storkit status --all lists all stories"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_are_found_by_id_and_by_number() {
        let temp = tempfile::tempdir().expect("a folder");
        let work = temp.path().join(".storkit/work");
        let files = [
            "1_backlog/42_story_login.md",
            "2_current/7_a.md",
            "3_qa/7_b.md",
            "3_qa/twice.md",
            "5_done/Twice.md",
            "4_merge/README.md",
            "4_merge/.hidden.md",
            "4_merge/no id.md",
        ];
        for file in files {
            std::fs::create_dir_all(work.join(file).parent().expect("a parent")).expect("a folder");
            std::fs::write(work.join(file), "").expect("a file");
        }
        let root = temp.path();
        assert_eq!(all(root).len(), 5);
        let login = story(root, "42").expect("found");
        assert_eq!((login.id.as_str(), login.stage), ("42_story_login", Stage::Backlog));
        assert_eq!(story(root, "42_STORY_login").expect("found"), login);
        assert_eq!(
            story(root, "7").expect_err("ambiguous").error,
            "7 is the number of several stories: 7_a, 7_b"
        );
        assert_eq!(story(root, "twice").expect_err("ambiguous").code, 1);
        let missing = story(root, "login").expect_err("missing");
        assert_eq!((missing.code, missing.hint.as_deref()), (3, Some("did you mean 42_story_login?")));
    }
}
