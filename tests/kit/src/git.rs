//! Git for tests: its own configuration, a fixed identity and fixed dates, nothing of the machine's.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Outcome, Surroundings, run};

/// The date of every commit that a test makes by itself.
pub const DATE: &str = "2026-01-01T12:00:00Z";

/// Git in one folder.
#[derive(Debug, Clone)]
pub struct Git {
    dir: PathBuf,
    surroundings: Surroundings,
}

impl Git {
    /// Git in `dir`.
    pub fn new(dir: &Path, surroundings: &Surroundings) -> Self {
        Self { dir: dir.to_owned(), surroundings: surroundings.clone() }
    }

    /// The command, not yet run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.surroundings.command("git");
        command
            .current_dir(&self.dir)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_DATE", DATE)
            .env("GIT_COMMITTER_DATE", DATE)
            .env("LC_ALL", "C")
            .args(args);
        command
    }

    /// Runs git, however it ends.
    #[track_caller]
    pub fn try_run(&self, args: &[&str]) -> Outcome {
        run(&mut self.command(args))
    }

    /// The standard output of git, without its last line end.
    ///
    /// # Panics
    /// When git fails.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        self.try_run(args).ok().trim_end_matches('\n').to_owned()
    }

    /// The lines of git's standard output.
    #[track_caller]
    pub fn lines(&self, args: &[&str]) -> Vec<String> {
        self.run(args).lines().map(str::to_owned).collect()
    }

    /// The commit that `name` names; none where there is none.
    pub fn commit_of(&self, name: &str) -> Option<String> {
        let outcome = self.try_run(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &format!("{name}^{{commit}}"),
        ]);
        (outcome.code() == 0).then(|| outcome.stdout.trim().to_owned())
    }

    /// Whether `ancestor` is `commit` or comes before it.
    pub fn is_ancestor(&self, ancestor: &str, commit: &str) -> bool {
        self.try_run(&["merge-base", "--is-ancestor", ancestor, commit]).code() == 0
    }

    /// Writes a file below the folder, with the folders above it.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().expect("a path below the folder")).expect("a folder");
        std::fs::write(&path, bytes)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Commits everything that is in the folder, and gives the new commit.
    #[track_caller]
    pub fn commit_all(&self, message: &str) -> String {
        self.run(&["add", "--all"]);
        self.run(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.run(&["rev-parse", "HEAD"])
    }
}
