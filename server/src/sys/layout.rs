//! Where everything of a project lies: the one table of paths below `.storkit/`.
//!
//! It builds paths and makes the folders of `run/`; it reads nothing.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use storkit_core::ids::{RunId, StoryId};
use storkit_core::stage::Stage;

use super::fs::FsError;

/// The paths of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout of the project at `root`, the main checkout's folder, absolute.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The main checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `.storkit/`.
    pub fn dot(&self) -> PathBuf {
        self.root.join(".storkit")
    }

    /// `.storkit/project.toml`.
    pub fn config(&self) -> PathBuf {
        self.dot().join("project.toml")
    }

    /// `.storkit/AGENT.md`.
    pub fn agent_md(&self) -> PathBuf {
        self.dot().join("AGENT.md")
    }

    /// `.storkit/context.md`.
    pub fn context(&self) -> PathBuf {
        self.dot().join("context.md")
    }

    /// `.storkit/prompts/`.
    pub fn prompts(&self) -> PathBuf {
        self.dot().join("prompts")
    }

    /// `.storkit/.gitignore`.
    pub fn gitignore(&self) -> PathBuf {
        self.dot().join(".gitignore")
    }

    /// `.storkit/work/`.
    pub fn work(&self) -> PathBuf {
        self.dot().join("work")
    }

    /// The folder of a stage.
    pub fn stage(&self, stage: Stage) -> PathBuf {
        self.work().join(stage.folder())
    }

    /// The file of a story in a stage.
    pub fn story(&self, stage: Stage, id: &StoryId) -> PathBuf {
        self.stage(stage).join(id.file_name())
    }

    /// `.storkit/run/`.
    pub fn run(&self) -> PathBuf {
        self.dot().join("run")
    }

    /// Files on their way into a stage folder.
    pub fn tmp(&self) -> PathBuf {
        self.run().join("tmp")
    }

    /// Old versions of stories, for ten minutes.
    pub fn kept(&self) -> PathBuf {
        self.run().join("kept")
    }

    /// The last good version of project.toml.
    pub fn last_good_config(&self) -> PathBuf {
        self.run().join("config.toml")
    }

    /// What a running daemon says of itself.
    pub fn server_json(&self) -> PathBuf {
        self.run().join("server.json")
    }

    /// The token for TCP.
    pub fn token(&self) -> PathBuf {
        self.run().join("token")
    }

    /// The daemon's Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.run().join("socket")
    }

    /// The ledger.
    pub fn ledger(&self) -> PathBuf {
        self.run().join("ledger.db")
    }

    /// The folder of all runs' files.
    pub fn runs(&self) -> PathBuf {
        self.run().join("runs")
    }

    /// The folder of one run's files.
    pub fn run_of(&self, run: RunId) -> PathBuf {
        self.runs().join(run.to_string())
    }

    /// The sessions of storkit's own tool loop.
    pub fn sessions(&self) -> PathBuf {
        self.run().join("sessions")
    }

    /// The folder of all logs.
    pub fn logs(&self) -> PathBuf {
        self.dot().join("logs")
    }

    /// The folder of a story's logs.
    pub fn logs_of(&self, story: &StoryId) -> PathBuf {
        self.logs().join(story.as_str())
    }

    /// Where worktrees lie: `configured`, relative to the root where it is not absolute.
    pub fn worktrees(&self, configured: &str) -> PathBuf {
        self.root.join(configured)
    }

    /// Makes `run/` and its folders, for their owner alone; what is there stays, but for its permissions.
    pub fn make_run(&self) -> Result<(), FsError> {
        for path in [self.run(), self.tmp(), self.kept(), self.runs()] {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.and_then(|()| only_owner(&path)).map_err(|source| FsError::of("make", &path, source))?;
        }
        Ok(())
    }
}

fn only_owner(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::symlink_metadata(path)?;
    if !meta.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "is a link or a file, not a folder"));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}
