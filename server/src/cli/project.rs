//! Which project a command is about: the nearest folder upward with `.storkit/project.toml`, or, from inside a
//! worktree that storkit made, the project that it was made for. Looks only.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::exit::Failure;

/// A project that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Project {
    /// The main checkout's folder, absolute.
    pub root: PathBuf,
}

impl Project {
    /// Finds the project of the folder `start`.
    pub(super) fn find(start: &Path) -> Result<Self, Failure> {
        let start = start.canonicalize().map_err(super::exit::io("find", start))?;
        for folder in start.ancestors() {
            if let Some(owner) = owner_of_worktree(folder).filter(|owner| has_config(owner)) {
                return Ok(Self { root: owner });
            }
            if has_config(folder) {
                return Ok(Self { root: folder.to_owned() });
            }
        }
        Err(Failure::new(format!("there is no storkit project in {} or above", start.display()))
            .hint("storkit init makes one; -C DIR looks elsewhere"))
    }

    /// `.storkit/run/`.
    pub(super) fn run_dir(&self) -> PathBuf {
        self.root.join(".storkit/run")
    }

    /// `.storkit/logs/`.
    pub(super) fn logs_dir(&self) -> PathBuf {
        self.root.join(".storkit/logs")
    }
}

const CONFIG: &str = ".storkit/project.toml";

fn has_config(folder: &Path) -> bool {
    folder.join(CONFIG).is_file()
}

/// The main checkout of the repository that `folder` is a linked worktree of, where storkit made that worktree.
fn owner_of_worktree(folder: &Path) -> Option<PathBuf> {
    let admin = linked_admin_dir(folder)?;
    let common = admin.parent()?.parent()?;
    let owner = common.parent().filter(|_| common.file_name().is_some_and(|name| name == ".git"))?;
    let head = fs::read_to_string(admin.join("HEAD")).unwrap_or_default();
    let ours = head.starts_with("ref: refs/heads/feature/story-")
        || folder.starts_with(owner.join(".storkit/worktrees"))
        || configured_dir(owner).is_some_and(|dir| folder.starts_with(dir));
    ours.then(|| owner.to_owned())
}

/// `<common>/worktrees/<name>`, as the `.git` file of a linked worktree says.
fn linked_admin_dir(folder: &Path) -> Option<PathBuf> {
    let file = folder.join(".git");
    if !file.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let admin = folder.join(text.strip_prefix("gitdir: ")?.trim_end_matches(['\n', '\r']));
    let admin = admin.canonicalize().ok()?;
    let is_worktree = admin.parent()?.file_name()? == "worktrees";
    is_worktree.then_some(admin)
}

fn configured_dir(owner: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(owner.join(CONFIG)).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let dir = table.get("worktrees")?.get("dir")?.as_str()?;
    let dir = owner.join(dir);
    if dir.components().any(|part| part == Component::ParentDir) {
        dir.canonicalize().ok()
    } else {
        Some(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("written");
    }

    /// A project with a linked worktree at `worktree`, whose HEAD is `head`, in which the configuration is tracked.
    fn linked(worktree: &str, head: &str, config: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let temp = tempfile::tempdir().expect("a folder");
        let top = temp.path().canonicalize().expect("a path");
        let root = top.join("repo");
        write(&root.join(CONFIG), config);
        write(&root.join(".git/worktrees/w/HEAD"), head);
        let tree = root.join(worktree);
        write(&tree.join(CONFIG), config);
        fs::create_dir_all(tree.join("src/deep")).expect("folders");
        fs::write(tree.join(".git"), format!("gitdir: {}\n", root.join(".git/worktrees/w").display()))
            .expect("written");
        (temp, root, tree)
    }

    #[test]
    fn the_nearest_project_upward_is_found() {
        let temp = tempfile::tempdir().expect("a folder");
        let root = temp.path().canonicalize().expect("a path");
        write(&root.join(CONFIG), "");
        write(&root.join("a/b/c.txt"), "");
        assert_eq!(Project::find(&root.join("a/b")).expect("found").root, root);
        write(&root.join("a").join(CONFIG), "");
        assert_eq!(Project::find(&root.join("a/b")).expect("found").root, root.join("a"));
        let elsewhere = tempfile::tempdir().expect("a folder");
        assert_eq!(Project::find(elsewhere.path()).expect_err("none").code, 1);
    }

    #[test]
    fn from_inside_storkits_worktrees_it_is_their_owners() {
        let cases = [
            (".storkit/worktrees/42", "ref: refs/heads/feature/story-42\n", ""),
            (".storkit/worktrees/.merge", "0123\n", ""),
            ("../elsewhere/42", "ref: refs/heads/feature/story-42\n", ""),
            ("../elsewhere/.merge", "0123\n", "[worktrees]\ndir = \"../elsewhere\"\n"),
        ];
        for (worktree, head, config) in cases {
            let (_temp, root, tree) = linked(worktree, head, config);
            assert_eq!(Project::find(&tree.join("src/deep")).expect("found").root, root, "{worktree}");
        }
    }

    #[test]
    fn a_persons_own_worktree_is_a_project_of_its_own() {
        let (_temp, _, tree) = linked("../mine", "ref: refs/heads/topic\n", "");
        let tree = tree.canonicalize().expect("a path");
        assert_eq!(Project::find(&tree.join("src/deep")).expect("found").root, tree);
    }
}
