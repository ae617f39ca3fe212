//! A throw-away project: a git repository with a board, in a temporary folder of its own.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use storkit_core::snapshot::{Status, Why};
use storkit_core::stage::Stage;

use crate::agent::AgentSpec;
use crate::command::{Outcome, Surroundings, run};
use crate::daemon::Daemon;
use crate::git::Git;
use crate::{processes, programs};

/// A folder in memory, on Linux.
const MEMORY: &str = "/dev/shm";
/// What must be free there, in bytes.
const MEMORY_ROOM: u64 = 2 << 30;

fn has_room(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) > MEMORY_ROOM)
}

/// What a project is to hold; [`ProjectBuilder::build`] makes it.
#[derive(Debug, Default)]
pub struct ProjectBuilder {
    settings: String,
    tables: String,
    files: Vec<(String, Vec<u8>)>,
    stories: Vec<(Stage, String, Vec<u8>)>,
    board_tracked: bool,
    in_memory: bool,
}

impl ProjectBuilder {
    /// Top-level lines of project.toml, such as `qa = "human"`.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings += line;
        self.settings.push('\n');
        self
    }

    /// A whole table of project.toml, such as `"[limits]\nagents = 2"`.
    #[must_use]
    pub fn table(mut self, text: &str) -> Self {
        self.tables += text;
        self.tables.push('\n');
        self
    }

    /// An agent.
    #[must_use]
    pub fn agent(self, agent: &AgentSpec) -> Self {
        let text = agent.to_toml();
        self.table(&text)
    }

    /// A gate with nothing but its command.
    #[must_use]
    pub fn gate(self, run: &str) -> Self {
        let run = toml::Value::from(run);
        self.table(&format!("[[gate]]\nrun = {run}"))
    }

    /// A file of the first commit.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), bytes.as_ref().to_owned()));
        self
    }

    /// A story's file, with these bytes.
    #[must_use]
    pub fn story(mut self, stage: Stage, id: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.stories.push((stage, id.to_owned(), bytes.as_ref().to_owned()));
        self
    }

    /// The stories are part of the first commit; else they are untracked.
    #[must_use]
    pub fn board_tracked(mut self) -> Self {
        self.board_tracked = true;
        self
    }

    /// The folder lies in memory where the machine has such a place with room: for tests that sync by the thousand.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Makes the folders, the repository with one commit on `main`, and the stories.
    #[track_caller]
    pub fn build(self) -> TestProject {
        let mut place = tempfile::Builder::new();
        let place = place.prefix("storkit-");
        let dir = match Path::new(MEMORY) {
            memory if self.in_memory && has_room(memory) => place.tempdir_in(memory),
            _ => place.tempdir(),
        };
        let dir = dir.expect("a temporary folder");
        let top = dir.path().canonicalize().expect("the temporary folder's path");
        let surroundings = Surroundings::below(&top);
        let root = top.join("repo");
        fs::create_dir(&root).expect("the repository's folder");
        let project =
            TestProject { git: Git::new(&root, &surroundings), root, top, surroundings, dir: Some(dir) };
        project.git.run(&["init", "--quiet", "--initial-branch=main"]);
        for (path, bytes) in &self.files {
            project.git.write(path, bytes);
        }
        project.git.write(".storkit/.gitignore", "/run/\n/logs/\n/worktrees/\n");
        project.git.write(".storkit/AGENT.md", "");
        project.git.write(".storkit/project.toml", format!("{}\n{}", self.settings, self.tables));
        for stage in Stage::ALL {
            fs::create_dir_all(project.stage_dir(stage)).expect("a stage folder");
        }
        let write_stories = || {
            for (stage, id, bytes) in &self.stories {
                project.write_story(*stage, id, bytes);
            }
        };
        if self.board_tracked {
            write_stories();
            project.git.commit_all("Begin");
        } else {
            project.git.commit_all("Begin");
            write_stories();
        }
        project
    }
}

/// A git repository with a board, in a folder that goes with it; so does every process of the test.
///
/// `STORKIT_TEST_KEEP=1` keeps the folder and names it on standard error.
#[derive(Debug)]
pub struct TestProject {
    git: Git,
    root: PathBuf,
    top: PathBuf,
    surroundings: Surroundings,
    dir: Option<tempfile::TempDir>,
}

impl TestProject {
    /// Begins a project: base `main`, no agent, no gate, no story.
    pub fn builder() -> ProjectBuilder {
        ProjectBuilder::default()
    }

    /// The main checkout, absolute and without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The test's own folder, with the repository, home and temporary files in it.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// What the test's programs see as their environment.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Git in the main checkout.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// The folder of a stage.
    pub fn stage_dir(&self, stage: Stage) -> PathBuf {
        self.root.join(".storkit/work").join(stage.folder())
    }

    /// The file of a story, were it in `stage`.
    pub fn story_path(&self, stage: Stage, id: &str) -> PathBuf {
        self.stage_dir(stage).join(format!("{id}.md"))
    }

    /// The stages that hold a file of that story: one, if all is well.
    pub fn stages_of(&self, id: &str) -> Vec<Stage> {
        Stage::ALL.into_iter().filter(|stage| self.story_path(*stage, id).is_file()).collect()
    }

    /// Writes a story as a program would that writes in place.
    pub fn write_story(&self, stage: Stage, id: &str, bytes: impl AsRef<[u8]>) {
        let path = self.story_path(stage, id);
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Saves a story as an editor would that writes beside it and renames.
    pub fn save_story(&self, stage: Stage, id: &str, bytes: impl AsRef<[u8]>) {
        let path = self.story_path(stage, id);
        let beside = path.with_file_name(format!(".{id}.md.swp"));
        fs::write(&beside, bytes).expect("a file beside the story");
        fs::rename(&beside, &path).expect("a rename over the story");
    }

    /// The text of a story, wherever it is.
    ///
    /// # Panics
    /// When it is in no stage, or in more than one.
    #[track_caller]
    pub fn read_story(&self, id: &str) -> String {
        let stages = self.stages_of(id);
        let [stage] = stages[..] else { panic!("{id} is in {stages:?}") };
        fs::read_to_string(self.story_path(stage, id)).expect("a readable story")
    }

    /// Moves a story as `mv` does: one rename.
    #[track_caller]
    pub fn mv(&self, id: &str, from: Stage, to: Stage) {
        fs::rename(self.story_path(from, id), self.story_path(to, id))
            .unwrap_or_else(|error| panic!("cannot move {id} from {from} to {to}: {error}"));
    }

    /// Puts an executable script in front of the programs' `PATH`.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.surroundings.bin.join(name);
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("an executable script");
        path
    }

    /// `storkit` in the main checkout, not yet run.
    pub fn storkit_command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = self.surroundings.command(programs::storkit());
        command.current_dir(&self.root).args(args);
        command
    }

    /// Runs `storkit` in the main checkout to its end.
    #[track_caller]
    pub fn storkit<S: AsRef<OsStr>>(&self, args: &[S]) -> Outcome {
        run(&mut self.storkit_command(args))
    }

    /// What `storkit status --json --all` prints, as bare JSON.
    #[track_caller]
    pub fn status_json(&self) -> serde_json::Value {
        let text = self.storkit(&["status", "--json", "--all"]).ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("status is no JSON: {error}\n{text}"))
    }

    /// What `storkit status --json --all` prints.
    #[track_caller]
    pub fn status(&self) -> Status {
        let json = self.status_json();
        serde_json::from_value(json).unwrap_or_else(|error| panic!("status lacks a key: {error}"))
    }

    /// What `storkit why --json` prints of a story.
    #[track_caller]
    pub fn why(&self, story: &str) -> Why {
        let text = self.storkit(&["why", story, "--json"]).ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("why lacks a key: {error}\n{text}"))
    }

    /// Where a story's worktree is, or would be.
    pub fn worktree(&self, id: &str) -> PathBuf {
        self.root.join(".storkit/worktrees").join(id)
    }

    /// Writes project.toml anew, as an editor would that writes in place.
    #[track_caller]
    pub fn configure(&self, change: impl FnOnce(String) -> String) {
        let path = self.root.join(".storkit/project.toml");
        let text = fs::read_to_string(&path).expect("project.toml");
        fs::write(&path, change(text)).expect("project.toml is written");
    }

    /// Makes the empty file `name` in the home of the test's programs, for which a script may wait.
    pub fn signal_file(&self, name: &str) {
        fs::write(self.surroundings.home.join(name), "").expect("a file in the test's home");
    }

    /// Whether a script has made that file.
    pub fn signalled(&self, name: &str) -> bool {
        self.surroundings.home.join(name).exists()
    }

    /// Starts the daemon, and returns when it answers.
    #[track_caller]
    pub fn up(&self) -> Daemon<'_> {
        Daemon::start(self, &[])
    }

    /// The commit that base points to.
    #[track_caller]
    pub fn base(&self) -> String {
        self.git.commit_of("refs/heads/main").expect("base is there")
    }
}

impl Drop for TestProject {
    fn drop(&mut self) {
        processes::end_all(&self.top);
        if std::env::var_os("STORKIT_TEST_KEEP").is_some()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("kept: {}", dir.keep().display());
        }
    }
}
