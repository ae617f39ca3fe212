//! A throw-away repository for the tests of git and worktrees: real git, no configuration of this machine's user.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use storkit_core::config::model::{Strategy, Worktrees};
use storkit_core::facts::{PrepareEnd, SquashEnd};
use storkit_core::ids::{Oid, StoryId};

use super::Repo;
use super::command::Environment;
use super::landing::{AdvanceOrder, Message, SquashOrder, squash};
use crate::sys::cancel::Cancel;
use crate::sys::process;
use crate::worktrees::{FactsOrder, Ground, Mode, PrepareOrder, SettleOrder, prepare};

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) root: PathBuf,
}

pub(crate) fn id(text: &str) -> StoryId {
    StoryId::new(text).unwrap()
}

pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

impl World {
    /// A repository with one commit on `main`: `a.txt`, `dir/b.txt`, and an ignored `*.ignored`.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same, made by `git init` with more arguments.
    pub(crate) fn with(init: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("repo");
        std::fs::create_dir_all(&root).unwrap();
        let world = Self { folder, root };
        world.git(&world.root, &[&["init", "--quiet", "--initial-branch=main"], init].concat());
        write(&world.root.join("a.txt"), "one\ntwo\nthree\n");
        write(&world.root.join("dir/b.txt"), "b\n");
        write(&world.root.join(".gitignore"), "*.ignored\n/.storkit/worktrees/\n");
        world.commit_all(&world.root, "first");
        world
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(crate) fn environment(&self) -> Environment {
        let home = self.folder().join("home");
        std::fs::create_dir_all(&home).unwrap();
        let var = |name: &str, value: &std::ffi::OsStr| (OsString::from(name), value.to_owned());
        Environment::new([
            var("HOME", home.as_os_str()),
            var("GIT_CONFIG_GLOBAL", "/dev/null".as_ref()),
            var("GIT_CONFIG_NOSYSTEM", "1".as_ref()),
        ])
    }

    /// Runs git as a person or an agent does: nothing is pinned.
    pub(crate) fn try_git(&self, cwd: &Path, args: &[&str]) -> (bool, String) {
        let mut command = process::command("git");
        command.current_dir(cwd).args(args).env("HOME", self.folder().join("home"));
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_EDITOR", "true");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@localhost");
        }
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    pub(crate) fn git(&self, cwd: &Path, args: &[&str]) -> String {
        let (success, text) = self.try_git(cwd, args);
        assert!(success, "git {args:?}: {text}");
        text
    }

    pub(crate) fn commit_all(&self, cwd: &Path, message: &str) -> Oid {
        self.git(cwd, &["add", "--all"]);
        self.git(cwd, &["commit", "--quiet", "--allow-empty", "-m", message]);
        self.rev(cwd, "HEAD")
    }

    pub(crate) fn commit(&self, cwd: &Path, file: &str, text: &str) -> Oid {
        write(&cwd.join(file), text);
        self.commit_all(cwd, &format!("change {file}"))
    }

    pub(crate) fn rev(&self, cwd: &Path, name: &str) -> Oid {
        Oid::new(&self.git(cwd, &["rev-parse", name])).unwrap()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.try_git(&self.root, &["rev-parse", "--verify", "--quiet", name]).0
    }

    pub(crate) fn repo(&self) -> Repo {
        Repo::open_in(&self.root, self.environment()).unwrap()
    }

    pub(crate) fn ground(&self) -> Ground {
        Ground::new(&self.repo(), ".storkit/worktrees").unwrap()
    }

    pub(crate) fn worktree(&self, story: &str) -> PathBuf {
        self.root.join(".storkit/worktrees").join(story)
    }

    pub(crate) fn prepare(&self, story: &str) -> PrepareEnd {
        let order = prepare_order(story, Worktrees::default());
        prepare(&self.ground(), &order, &mut |_, _| Ok(()), &Cancel::new())
    }

    /// A story with one commit that writes `file`.
    pub(crate) fn story(&self, story: &str, file: &str, text: &str) -> PathBuf {
        let end = self.prepare(story);
        assert!(matches!(end, PrepareEnd::Ready { .. }), "{end:?}");
        let worktree = self.worktree(story);
        self.commit(&worktree, file, text);
        worktree
    }

    pub(crate) fn squash(&self, story: &str) -> SquashEnd {
        self.squash_by(story, Strategy::Squash)
    }

    pub(crate) fn squash_by(&self, story: &str, strategy: Strategy) -> SquashEnd {
        squash(&self.repo(), &squash_order(story, strategy)).unwrap()
    }

    /// The order to land what `squash` makes of a story now.
    pub(crate) fn landing(&self, story: &str) -> AdvanceOrder {
        match self.squash(story) {
            SquashEnd::Ready { commit, base, tip, .. } => {
                AdvanceOrder { story: id(story), base_branch: "main".to_owned(), commit, base, tip }
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn prepare_order(story: &str, worktrees: Worktrees) -> PrepareOrder {
    PrepareOrder { story: id(story), base_branch: "main".to_owned(), worktrees, components: Vec::new() }
}

pub(crate) fn squash_order(story: &str, strategy: Strategy) -> SquashOrder {
    let message = Message {
        name: "Log in".to_owned(),
        summary: "It logs in.".to_owned(),
        run: "run-1".to_owned(),
        gates: "tests".to_owned(),
    };
    SquashOrder { story: id(story), base_branch: "main".to_owned(), strategy, message }
}

pub(crate) fn facts_order(story: &str) -> FactsOrder {
    let protect = vec![".storkit/".to_owned(), "secret".to_owned()];
    FactsOrder { story: id(story), base_branch: "main".to_owned(), protect }
}

pub(crate) fn settle_order(story: &str, mode: Mode) -> SettleOrder {
    SettleOrder { facts: facts_order(story), run: "r1".to_owned(), agent: "coder-1".to_owned(), mode }
}
