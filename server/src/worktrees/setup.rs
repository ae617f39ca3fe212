//! What a new worktree needs besides its checkout: files that git ignores, and the setup commands.
//!
//! Nothing is written or run outside of the worktree, whatever links its branch holds.

use std::path::{Component as Part, Path, PathBuf};

use storkit_core::config::model::{Component, Worktrees};

use crate::git::GitError;

/// A command that failed, with the end of its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFailed(pub String);

/// Runs one shell command in a folder; the caller decides how it is supervised, limited and cancelled.
pub type RunCommand<'a> = dyn FnMut(&Path, &str) -> Result<(), CommandFailed> + 'a;

/// What of the configuration makes a worktree ready.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs {
    /// Files to copy, relative.
    pub(super) copy: Vec<String>,
    /// Folders relative to the worktree and the commands to run there, in order.
    pub(super) setup: Vec<(String, String)>,
    /// The same before it is removed.
    pub(super) teardown: Vec<(String, String)>,
}

impl Needs {
    /// The needs that the configuration says.
    pub(super) fn new(worktrees: &Worktrees, components: &[Component]) -> Self {
        let at = |path: &str, commands: &[String]| -> Vec<(String, String)> {
            commands.iter().map(|command| (path.to_owned(), command.clone())).collect()
        };
        let mut setup = at("", &worktrees.setup);
        let mut teardown = Vec::new();
        for component in components {
            setup.extend(at(&component.path, &component.setup));
            teardown.extend(at(&component.path, &component.teardown));
        }
        teardown.extend(at("", &worktrees.teardown));
        Self { copy: worktrees.copy.clone(), setup, teardown }
    }
}

/// Copies the files that are there in `from` and not yet in `to`.
pub(super) fn copy_files(from: &Path, to: &Path, files: &[String]) -> Result<(), GitError> {
    for file in files {
        let source = from.join(file);
        if !is_inner(file) || !source.is_file() {
            tracing::warn!(path = %source.display(), "worktrees.copy names what is no file of the project");
            continue;
        }
        let Some(target) = place(to, file)? else { continue };
        let exists = std::fs::symlink_metadata(&target).is_ok();
        if !exists {
            std::fs::copy(&source, &target).map_err(GitError::io("copy", &source))?;
        }
    }
    Ok(())
}

/// Runs commands in their folders, in order; the first that fails ends it.
pub(super) fn run_all(
    worktree: &Path,
    commands: &[(String, String)],
    run: &mut RunCommand<'_>,
) -> Result<(), CommandFailed> {
    for (folder, command) in commands {
        let cwd = worktree.join(folder);
        let inside = cwd.canonicalize().is_ok_and(|cwd| cwd.is_dir() && cwd.starts_with(worktree));
        if !inside {
            return Err(CommandFailed(format!("{folder} is no folder of the worktree")));
        }
        run(&cwd, command)
            .map_err(|CommandFailed(tail)| CommandFailed(format!("`{command}` failed\n{tail}")))?;
    }
    Ok(())
}

/// Whether a configured path stays below the folder that it is relative to.
fn is_inner(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path).components().all(|part| matches!(part, Part::Normal(_) | Part::CurDir))
}

/// Where `file` goes below `root`, with its folders made; none where a link or a file stands in the way.
fn place(root: &Path, file: &str) -> Result<Option<PathBuf>, GitError> {
    let mut at = root.to_owned();
    let folders = Path::new(file).parent().unwrap_or(Path::new(""));
    for part in folders.components() {
        at.push(part);
        match std::fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                tracing::warn!(path = %at.display(), "not copied: a link or file stands in the way");
                return Ok(None);
            }
            Err(_) => std::fs::create_dir(&at).map_err(GitError::io("make", &at))?,
        }
    }
    Ok(Some(root.join(file)))
}

#[cfg(test)]
mod tests {
    use super::is_inner;

    #[test]
    fn configured_paths_stay_inside() {
        assert!(is_inner(".env") && is_inner("web/.env") && is_inner("./x"));
        assert!(!is_inner("../x") && !is_inner("/etc/passwd") && !is_inner("a/../../x") && !is_inner(""));
    }
}
