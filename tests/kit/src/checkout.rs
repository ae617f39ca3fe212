//! The person's checkout, before and after: what a person has there, storkit leaves alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::check::Violation;
use crate::project::TestProject;

/// What a person sees in the main checkout, but for `.storkit/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// What HEAD says: a branch, or a commit.
    head: String,
    /// Changed and untracked files, as `git status` names them, and their bytes; none where the file is gone.
    dirty: BTreeMap<String, (String, Option<Vec<u8>>)>,
    /// Ignored files and their bytes.
    ignored: BTreeMap<String, Vec<u8>>,
    stashes: Vec<String>,
}

impl Checkout {
    /// Looks at the main checkout.
    #[track_caller]
    pub fn take(project: &TestProject) -> Self {
        let git = project.git();
        let head = fs::read_to_string(project.root().join(".git/HEAD")).expect("HEAD is there");
        let entries = git.run(&[
            "-c",
            "core.fsmonitor=false",
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--ignored=matching",
            "--",
            ":!.storkit",
        ]);
        let mut dirty = BTreeMap::new();
        let mut ignored = BTreeMap::new();
        for entry in entries.split('\0').filter(|entry| entry.len() > 3) {
            let (state, path) = (&entry[..2], &entry[3..]);
            let bytes = fs::read(project.root().join(path)).ok();
            if state == "!!" {
                ignored.insert(path.to_owned(), bytes.unwrap_or_default());
            } else {
                dirty.insert(path.to_owned(), (state.to_owned(), bytes));
            }
        }
        let stashes = git.lines(&["stash", "list", "--format=%H"]);
        Self { head: head.trim().to_owned(), dirty, ignored, stashes }
    }

    /// What differs now from when this was taken. Clean files may have been carried forward with base.
    #[track_caller]
    pub fn violations(&self, project: &TestProject) -> Vec<Violation> {
        let now = Self::take(project);
        let mut found = Vec::new();
        let mut differs = |what: &str, was: String, is: String| {
            if was != is {
                found.push(Violation::new("I16", format!("the checkout's {what}: was {was}, is {is}")));
            }
        };
        differs("HEAD", self.head.clone(), now.head);
        differs("stashes", format!("{:?}", self.stashes), format!("{:?}", now.stashes));
        differs("uncommitted files", shown(&self.dirty), shown(&now.dirty));
        for (path, bytes) in &self.ignored {
            if now.ignored.get(path) != Some(bytes) {
                found.push(Violation::new("I16", format!("the ignored file {path} was changed")));
            }
        }
        for lock in [PathBuf::from(".git/index.lock"), PathBuf::from(".git/HEAD.lock")] {
            if project.root().join(&lock).exists() {
                found.push(Violation::new("I16", format!("{} was left behind", lock.display())));
            }
        }
        found
    }
}

fn shown(dirty: &BTreeMap<String, (String, Option<Vec<u8>>)>) -> String {
    let line = |(path, (state, bytes)): (&String, &(String, Option<Vec<u8>>))| {
        let text = bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        format!("{state} {path} {text:?}")
    };
    dirty.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touched_edit_is_seen_and_a_fast_forward_of_clean_files_is_not() {
        let project =
            TestProject::builder().file("a", "1\n").file("b", "1\n").file(".gitignore", "*.log\n").build();
        let git = project.git();
        git.write("a", "mine\n");
        git.write("new", "mine\n");
        git.write("x.log", "mine\n");
        let before = Checkout::take(&project);
        assert_eq!(before.violations(&project), []);

        git.write("b", "2\n");
        git.run(&["commit", "--quiet", "--message", "b", "--", "b"]);
        assert_eq!(before.violations(&project), []);

        git.write("a", "theirs\n");
        assert_eq!(before.violations(&project).len(), 1);
        git.write("a", "mine\n");
        git.write("x.log", "theirs\n");
        assert_eq!(before.violations(&project).len(), 1);
        git.write("x.log", "mine\n");
        git.run(&["stash", "--quiet"]);
        assert_eq!(before.violations(&project).len(), 2);
    }
}
