//! A worktree that its agent turned against storkit: no program of its choice runs, nothing outside is touched.

use std::path::{Path, PathBuf};

use crate::git::testing::{World, facts_order, settle_order, write};
use crate::worktrees::{Found, Mode, inspect, settle};

/// A repository whose filter, fsmonitor and hooks leave a mark when they run.
fn evil(world: &World) -> (PathBuf, PathBuf) {
    let (evil, mark) = (world.folder().join("evil"), world.folder().join("ran"));
    std::fs::create_dir_all(&evil).unwrap();
    world.git(&evil, &["init", "--quiet"]);
    let program = world.folder().join("program");
    write(&program, format!("#!/bin/sh\ntouch {}\ncat\n", mark.display()));
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    for key in ["filter.x.clean", "filter.x.smudge", "filter.x.process", "core.fsmonitor", "diff.x.textconv"]
    {
        world.git(&evil, &["config", key, program]);
    }
    write(&evil.join(".git/hooks/post-checkout"), program);
    (evil.join(".git"), mark)
}

fn leave_work(worktree: &Path) {
    write(&worktree.join(".gitattributes"), "* filter=x diff=x\n");
    write(&worktree.join("left.txt"), "l\n");
}

#[test]
fn a_replaced_git_file_decides_nothing() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    let (evil, mark) = evil(&world);
    leave_work(&worktree);
    write(&worktree.join(".git"), format!("gitdir: {}\n", evil.display()));
    for mode in [Mode::Commit, Mode::Keep, Mode::KeepAndUndo] {
        let facts = settle(&world.ground(), &settle_order("1_x", mode)).unwrap();
        assert!(facts.broken.unwrap().contains("the worktree is lost"));
    }
    assert!(worktree.join("left.txt").exists());
    assert_eq!(world.git(&world.root, &["show", "refs/storkit/snap/r1/1:left.txt"]), "l");
    assert!(inspect(&world.ground(), &facts_order("1_x")).unwrap().broken.is_some());
    world.prepare("1_x");
    assert!(matches!(world.ground().find("1_x").unwrap(), Found::Tree(_)));
    assert!(!mark.exists(), "the agent's program ran");
}

#[test]
fn a_git_file_that_became_a_folder_decides_nothing() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    let (evil, mark) = evil(&world);
    leave_work(&worktree);
    std::fs::remove_file(worktree.join(".git")).unwrap();
    std::fs::rename(evil, worktree.join(".git")).unwrap();
    settle(&world.ground(), &settle_order("1_x", Mode::Commit)).unwrap();
    world.prepare("1_x");
    assert!(!mark.exists(), "the agent's program ran");
}

#[test]
fn a_changed_record_of_the_worktree_is_refused() {
    let changes: [fn(&World, &Path, &Path); 5] = [
        |_, admin, evil| write(&admin.join("commondir"), format!("{}\n", evil.display())),
        |_, admin, evil| write(&admin.join("gitdir"), format!("{}\n", evil.display())),
        |world, admin, evil| {
            world.git(&world.root, &["config", "extensions.worktreeConfig", "true"]);
            std::fs::copy(evil.join("config"), admin.join("config.worktree")).unwrap();
        },
        |_, admin, evil| {
            std::fs::remove_dir_all(admin).unwrap();
            std::os::unix::fs::symlink(evil, admin).unwrap();
        },
        |world, admin, _| {
            let other = world.root.join(".git/worktrees/other");
            std::fs::create_dir_all(&other).unwrap();
            for file in ["gitdir", "commondir", "HEAD"] {
                std::fs::copy(admin.join(file), other.join(file)).unwrap();
            }
        },
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let world = World::new();
        let worktree = world.story("1_x", "n.txt", "n\n");
        let (evil, mark) = evil(&world);
        leave_work(&worktree);
        change(&world, &world.root.join(".git/worktrees/1_x"), &evil);
        let found = world.ground().find("1_x").unwrap();
        assert!(matches!(found, Found::Damaged { pins: None, .. }), "{n}: {found:?}");
        let facts = settle(&world.ground(), &settle_order("1_x", Mode::Commit)).unwrap();
        assert!(facts.broken.is_some() && worktree.join("left.txt").exists(), "{n}");
        let end = world.prepare("1_x");
        assert!(!mark.exists(), "{n}: the agent's program ran");
        let kept = world.try_git(&world.root, &["show", "refs/storkit/snap/1_x/1:left.txt"]).0;
        assert!(kept || worktree.join("left.txt").exists(), "{n}: {end:?}");
    }
}

#[test]
fn a_worktree_without_its_git_file_never_becomes_the_users_checkout() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    write(&world.root.join("a.txt"), "the user's edit\n");
    let main = world.rev(&world.root, "main");
    std::fs::remove_file(worktree.join(".git")).unwrap();
    settle(&world.ground(), &settle_order("1_x", Mode::Commit)).unwrap();
    settle(&world.ground(), &settle_order("1_x", Mode::KeepAndUndo)).unwrap();
    assert_eq!(world.rev(&world.root, "main"), main);
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), " M a.txt");
}

#[test]
fn the_users_own_filters_do_run() {
    let world = World::new();
    world.git(&world.root, &["config", "filter.up.clean", "tr a-z A-Z"]);
    let worktree = world.story("1_x", ".gitattributes", "*.up filter=up\n");
    write(&worktree.join("f.up"), "shout\n");
    settle(&world.ground(), &settle_order("1_x", Mode::Commit)).unwrap();
    assert_eq!(world.git(&worktree, &["show", "HEAD:f.up"]), "SHOUT");
}

#[test]
fn sparse_checkout_settings_of_a_worktree_are_harmless() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    world.git(&worktree, &["sparse-checkout", "set", "dir"]);
    assert!(world.root.join(".git/worktrees/1_x/config.worktree").exists());
    assert!(matches!(world.ground().find("1_x").unwrap(), Found::Tree(_)));
    let facts = settle(&world.ground(), &settle_order("1_x", Mode::Commit)).unwrap();
    assert_eq!((facts.ahead, facts.broken), (1, None));
}
