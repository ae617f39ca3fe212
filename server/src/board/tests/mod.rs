//! The board on real folders and real repositories.

mod by_git;
mod edits;
mod history;
mod moves;
mod scan;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use storkit_core::ids::StoryId;
use storkit_core::sighting::{FileKey, Scan};
use storkit_core::stage::Stage;
use tempfile::TempDir;

use super::*;
use crate::sys::process::command;

/// A project in a folder of its own.
struct Project {
    dir: TempDir,
    layout: Layout,
}

impl Project {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(dir.path());
        for stage in Stage::ALL {
            std::fs::create_dir_all(layout.stage(stage)).expect("made");
        }
        Self { dir, layout }
    }

    /// One that is a repository with a first commit; the board is untracked.
    fn with_git() -> Self {
        let project = Self::new();
        project.git(&["init", "-q", "-b", "main"]);
        project.git(&["config", "user.name", "A Person"]);
        project.git(&["config", "user.email", "person@example.org"]);
        std::fs::write(project.dir.path().join("README"), "text\n").expect("written");
        project.git(&["add", "README"]);
        project.git(&["commit", "-q", "-m", "first"]);
        project
    }

    fn git(&self, args: &[&str]) -> String {
        let out = command("git")
            .args(args)
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stderr(Stdio::piped())
            .output()
            .expect("git runs");
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text")
    }

    fn run_git(&self) -> RunGit {
        let dir = self.dir.path().to_owned();
        Arc::new(move |args, input| {
            let failed = |message: String| GitError::Command { command: args[0].to_owned(), message };
            let mut child = command("git")
                .args(args)
                .current_dir(&dir)
                .env("HOME", &dir)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| failed(error.to_string()))?;
            let mut stdin = child.stdin.take().expect("piped");
            std::io::Write::write_all(&mut stdin, input).map_err(|error| failed(error.to_string()))?;
            drop(stdin);
            let out = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
            if out.status.success() {
                Ok(out.stdout)
            } else {
                Err(failed(String::from_utf8_lossy(&out.stderr).into_owned()))
            }
        })
    }

    fn board(&self) -> Board {
        Board::open(self.layout.clone()).expect("a board")
    }

    /// A board whose edits do not wait long for a quiet moment.
    fn quick_board(&self) -> Board {
        let limits = EditLimits { quiet: Duration::from_millis(5), tries: Duration::from_millis(60) };
        Board::open_with(self.layout.clone(), limits).expect("a board")
    }

    fn path(&self, stage: Stage, name: &str) -> PathBuf {
        self.layout.stage(stage).join(name)
    }

    fn write(&self, stage: Stage, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(stage, name), text).expect("written");
    }

    fn read(&self, stage: Stage, name: &str) -> String {
        std::fs::read_to_string(self.path(stage, name)).expect("read")
    }
}

fn id(text: &str) -> StoryId {
    StoryId::new(text).expect("a good id")
}

fn key(stage: Stage, name: &str) -> FileKey {
    FileKey::new(stage, name)
}

/// What a scan saw, as text: `current/1_a.md`, with `!` before a problem.
fn names(scan: &Scan) -> Vec<String> {
    let name = |seen: &storkit_core::sighting::Seen| {
        format!("{}{}/{}", if seen.what.is_err() { "!" } else { "" }, seen.key.stage, seen.key.name)
    };
    scan.present.iter().map(name).collect()
}

/// Waits for a condition, for at most ten seconds.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::yield_now();
    }
}
