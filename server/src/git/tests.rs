//! The git command's wrapper against programs that only pretend to be git, and the opening of repositories.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use storkit_testkit::wait_for;

use super::command::{Environment, Git};
use super::testing::{World, read, write};
use super::{GitError, Repo};
use crate::sys::cancel::{Cancel, How};

/// A folder with a `git` that is this shell script, and the environment that finds it.
fn fake(script: &str) -> (tempfile::TempDir, Environment) {
    let folder = tempfile::tempdir().unwrap();
    let git = folder.path().join("git");
    write(&git, format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&git, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    (folder, Environment::new([(OsString::from("PATH"), path.into())]))
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    wait_for(Duration::from_secs(20), what, || done().then_some(()));
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn a_missing_and_an_old_git_are_named() {
    let empty = tempfile::tempdir().unwrap();
    let environment = Environment::new([(OsString::from("PATH"), empty.path().into())]);
    let error = Repo::open_in(empty.path(), environment).err().unwrap();
    assert!(matches!(error, GitError::Missing), "{error}");
    let (folder, environment) = fake("echo git version 2.37.1");
    let error = Repo::open_in(folder.path(), environment).err().unwrap();
    assert_eq!(error.to_string(), "git 2.37.1 is too old; 2.38 or newer is needed");
}

#[test]
fn a_git_that_hangs_is_ended_with_its_children() {
    let (folder, environment) = fake("sleep 60 & echo $! > child; trap '' TERM; sleep 60");
    let git = Git::discovering(&environment, folder.path()).arg("status");
    let error = git.timeout(Duration::from_millis(300)).run().unwrap_err();
    assert!(matches!(error, GitError::Timeout { .. }), "{error}");
    let child = read(&folder.path().join("child"));
    wait_until("its child still runs", || !is_alive(&child));
}

#[test]
fn a_cancelled_git_is_ended() {
    let (folder, environment) = fake("echo $$ > pid; sleep 60");
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let thread =
            scope.spawn(|| Git::discovering(&environment, folder.path()).arg("x").cancel(&cancel).run());
        wait_until("it never began", || folder.path().join("pid").exists());
        cancel.raise(How::Now);
        assert!(matches!(thread.join().unwrap().unwrap_err(), GitError::Cancelled));
    });
}

#[test]
fn what_git_leaves_behind_does_not_hold_the_answer() {
    let (folder, environment) = fake("sleep 60 & echo $! > child; echo answer");
    let begin = Instant::now();
    let output = Git::discovering(&environment, folder.path()).arg("x").run().unwrap();
    assert_eq!(output.line(), "answer");
    assert!(begin.elapsed() < Duration::from_secs(20));
    let child: i32 = read(&folder.path().join("child")).trim().parse().unwrap();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn failures_carry_the_command_and_the_end_of_what_it_said() {
    let (folder, environment) = fake("seq 1 20000 >&2; echo the reason >&2; exit 3");
    let error = Git::discovering(&environment, folder.path()).args(["x", "y"]).run().unwrap_err();
    let GitError::Failed { command, end, stderr } = error else { panic!("{error}") };
    assert_eq!((command.as_str(), end.as_str()), ("git x y", "exit 3"));
    assert!(stderr.ends_with("the reason") && stderr.len() < 5000);
}

#[test]
fn input_and_output_larger_than_a_pipe_do_not_block() {
    let (folder, environment) = fake("cat");
    let bytes = vec![b'x'; 1 << 20];
    let output = Git::discovering(&environment, folder.path()).arg("x").stdin(bytes.clone()).run().unwrap();
    assert!(output.stdout == bytes);
}

#[test]
fn git_sees_a_chosen_environment_and_has_its_own_process_group() {
    let (folder, environment) = fake("env; echo pgid=$(ps -o pgid= -p $$) pid=$$; cat");
    let output = Git::discovering(&environment, folder.path()).arg("x").run().unwrap();
    let text = output.line();
    for line in ["LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let names = ["PATH", "HOME", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_", "pgid"];
    for line in text.lines() {
        let name = line.split('=').next().unwrap();
        assert!(names.contains(&name) || name.starts_with("GIT_"), "{line}");
    }
}

fn open(root: &Path, world: &World) -> Result<PathBuf, GitError> {
    Repo::open_in(root, world.environment()).map(|repo| repo.root().to_owned())
}

#[test]
fn only_the_top_of_a_work_tree_is_opened() {
    let world = World::new();
    assert_eq!(open(&world.root, &world).unwrap(), world.root);
    assert!(matches!(open(&world.root.join("dir"), &world).unwrap_err(), GitError::NotTop { .. }));
    let plain = world.folder().join("plain");
    std::fs::create_dir_all(&plain).unwrap();
    assert!(matches!(open(&plain, &world).unwrap_err(), GitError::NotARepository { .. }));
    world.git(&plain, &["init", "--quiet", "--bare"]);
    assert!(matches!(open(&plain, &world).unwrap_err(), GitError::Bare { .. }));
    let link = world.folder().join("link");
    std::os::unix::fs::symlink(&world.root, &link).unwrap();
    assert_eq!(open(&link, &world).unwrap(), world.root);
}

#[test]
fn a_persons_worktree_is_opened_with_the_common_directory() {
    let world = World::new();
    let second = world.folder().join("second");
    world.git(&world.root, &["worktree", "add", "--quiet", second.to_str().unwrap()]);
    let repo = Repo::open_in(&second, world.environment()).unwrap();
    assert_eq!(repo.common(), world.root.join(".git"));
    assert_eq!(repo.base_default().unwrap().as_deref(), Some("second"));
    let folders: Vec<_> =
        repo.checkouts().unwrap().into_iter().map(|checkout| checkout.pins.work_tree).collect();
    assert_eq!(folders, [world.root.clone(), second]);
}

#[test]
fn head_and_stash_are_seen() {
    let world = World::new();
    let repo = world.repo();
    let before = repo.head_state().unwrap();
    assert_eq!(before.branch.as_deref(), Some("refs/heads/main"));
    assert_eq!((before.commit, before.stash), (Some(world.rev(&world.root, "main")), None));
    write(&world.root.join("a.txt"), "x");
    world.git(&world.root, &["stash", "--quiet"]);
    assert_eq!(repo.head_state().unwrap().stash, Some(world.rev(&world.root, "stash")));
    world.git(&world.root, &["switch", "--quiet", "--detach"]);
    assert_eq!((repo.head_state().unwrap().branch, repo.base_default().unwrap()), (None, None));
}

#[test]
fn other_kinds_of_repositories_work_too() {
    for init in [&["--object-format=sha256"], &["--ref-format=reftable"]] {
        let world = World::with(init);
        world.story("1_x", "n.txt", "n\n");
        let order = world.landing("1_x");
        let end = super::landing::advance(&world.repo(), &order).unwrap();
        assert_eq!(end, storkit_core::facts::AdvanceEnd::Advanced, "{init:?}");
    }
}

#[test]
fn shallow_and_partial_clones_work_too() {
    let origin = World::new();
    origin.commit(&origin.root, "a.txt", "second\n");
    origin.git(&origin.root, &["config", "uploadpack.allowFilter", "true"]);
    for how in ["--depth=1", "--filter=blob:none"] {
        let world = World::new();
        std::fs::remove_dir_all(&world.root).unwrap();
        let url = format!("file://{}", origin.root.display());
        world.git(&world.folder(), &["clone", "--quiet", how, &url, world.root.to_str().unwrap()]);
        world.story("1_x", "n.txt", "n\n");
        let order = world.landing("1_x");
        let end = super::landing::advance(&world.repo(), &order).unwrap();
        assert_eq!(end, storkit_core::facts::AdvanceEnd::Advanced, "{how}");
    }
}
