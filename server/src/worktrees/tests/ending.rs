//! After a run: what is committed, kept, undone, and what is found wrong.

use std::path::Path;

use storkit_core::facts::{BranchFacts, PrepareEnd};

use crate::git::testing::{World, facts_order, id, read, settle_order, write};
use crate::worktrees::{Mode, inspect, mark_running, settle};

fn settled(world: &World, mode: Mode) -> BranchFacts {
    settle(&world.ground(), &settle_order("1_x", mode)).unwrap()
}

fn prepared() -> (World, std::path::PathBuf) {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    (world, worktree)
}

fn dirty(worktree: &Path) {
    write(&worktree.join("a.txt"), "changed\n");
    std::fs::remove_file(worktree.join("dir/b.txt")).unwrap();
    write(&worktree.join("new/u \u{fc}.txt"), "u\n");
    write(&worktree.join("x.ignored"), "i\n");
}

#[test]
fn what_a_coder_left_is_committed() {
    let (world, worktree) = prepared();
    let before = world.rev(&worktree, "HEAD");
    dirty(&worktree);
    let facts = settled(&world, Mode::Commit);
    let tip = world.rev(&world.root, "feature/story-1_x");
    assert_eq!((facts.tip.as_ref(), facts.ahead, facts.broken), (Some(&tip), 2, None));
    assert_eq!(world.rev(&world.root, &format!("{tip}^")), before);
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), "");
    let subject = world.git(&worktree, &["log", "-1", "--format=%s|%an"]);
    assert_eq!(subject, "storkit: work left uncommitted by coder-1|storkit");
    let files = world.git(&worktree, &["show", "--name-status", "--format=", "--no-renames", "-z"]);
    assert_eq!(files, "M\0a.txt\0D\0dir/b.txt\0A\0new/u \u{fc}.txt\0");
    assert_eq!(world.rev(&world.root, "refs/storkit/old/1_x/1"), tip);
    assert_eq!(settled(&world, Mode::Commit).tip, Some(tip), "nothing is left for a second commit");
}

#[test]
fn what_another_end_left_is_kept_and_stays() {
    let (world, worktree) = prepared();
    dirty(&worktree);
    write(&worktree.join("a.txt"), "staged\n");
    world.git(&worktree, &["add", "a.txt"]);
    write(&worktree.join("a.txt"), "changed\n");
    let status = world.git(&worktree, &["status", "--porcelain"]);
    let facts = settled(&world, Mode::Keep);
    assert_eq!((facts.ahead, facts.broken), (1, None));
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), status);
    let show = |name: &str| world.try_git(&world.root, &["show", &format!("refs/storkit/snap/r1/1{name}")]);
    assert_eq!(show(":a.txt"), (true, "changed".to_owned()));
    assert_eq!(show("^2:a.txt"), (true, "staged".to_owned()));
    assert_eq!(show(":new/u \u{fc}.txt"), (true, "u".to_owned()));
    assert!(!show(":dir/b.txt").0 && !show(":x.ignored").0);
    settled(&world, Mode::Keep);
    assert!(world.exists("refs/storkit/snap/r1/2"));
}

#[test]
fn a_clean_worktree_leaves_no_snapshot() {
    let (world, _) = prepared();
    settled(&world, Mode::Keep);
    settled(&world, Mode::KeepAndUndo);
    assert!(!world.exists("refs/storkit/snap/r1/1"));
}

#[test]
fn what_a_qa_run_left_is_kept_and_undone() {
    let (world, worktree) = prepared();
    dirty(&worktree);
    write(&worktree.join("added"), "a\n");
    world.git(&worktree, &["add", "added"]);
    let facts = settled(&world, Mode::KeepAndUndo);
    assert_eq!((facts.ahead, facts.broken), (1, None));
    assert_eq!(world.git(&worktree, &["status", "--porcelain", "--ignored"]), "!! x.ignored");
    assert!(!worktree.join("new").exists());
    assert_eq!(world.git(&world.root, &["show", "refs/storkit/snap/r1/1:added"]), "a");
}

#[test]
fn a_qa_run_that_left_a_merge_or_a_rebase_or_another_head_is_undone() {
    for what in [&["merge", "main"], &["rebase", "main"], &["checkout", "main~1"]] {
        let world = World::new();
        let worktree = world.story("1_x", "a.txt", "agent\n");
        let tip = world.rev(&worktree, "HEAD");
        world.commit(&world.root, "a.txt", "person\n");
        world.try_git(&worktree, what);
        let facts = settled(&world, Mode::KeepAndUndo);
        assert_eq!((facts.tip, facts.broken), (Some(tip), None), "{what:?}");
        assert_eq!(world.git(&worktree, &["status", "--porcelain", "--branch"]), "## feature/story-1_x");
        assert_eq!(read(&worktree.join("a.txt")), "agent\n");
    }
}

#[test]
fn unfinished_operations_are_named_and_nothing_is_committed() {
    for (what, why) in [
        (&["merge", "main"], "a merge is in progress"),
        (&["rebase", "main"], "a rebase is in progress"),
        (&["cherry-pick", "main"], "a cherry-pick is in progress"),
    ] {
        let world = World::new();
        let worktree = world.story("1_x", "a.txt", "agent\n");
        let tip = world.rev(&worktree, "HEAD");
        world.commit(&world.root, "a.txt", "person\n");
        world.try_git(&worktree, what);
        let status = world.git(&worktree, &["status"]);
        let facts = settled(&world, Mode::Commit);
        assert_eq!((facts.tip, facts.broken.as_deref()), (Some(tip), Some(why)));
        assert_eq!(world.git(&worktree, &["status"]), status);
        assert!(world.exists("refs/storkit/snap/r1/1"), "{what:?}");
        assert_eq!(inspect(&world.ground(), &facts_order("1_x")).unwrap().broken.as_deref(), Some(why));
    }
}

#[test]
fn unmerged_paths_without_a_merge_are_named() {
    let (world, worktree) = prepared();
    write(&worktree.join("a.txt"), "stashed\n");
    world.git(&worktree, &["stash", "--quiet"]);
    world.commit(&worktree, "a.txt", "committed\n");
    world.try_git(&worktree, &["stash", "pop"]);
    assert_eq!(settled(&world, Mode::Commit).broken.as_deref(), Some("unmerged paths: a.txt"));
}

#[test]
fn a_head_that_descends_from_the_branch_becomes_the_branch() {
    for begin in [["checkout", "--quiet", "--detach"].as_slice(), &["checkout", "--quiet", "-b", "own"]] {
        let (world, worktree) = prepared();
        world.git(&worktree, begin);
        let tip = world.commit(&worktree, "more.txt", "m\n");
        write(&worktree.join("left"), "l\n");
        let facts = settled(&world, Mode::Commit);
        assert_eq!((facts.ahead, facts.broken), (3, None));
        assert_eq!(world.rev(&world.root, "feature/story-1_x^"), tip);
        assert_eq!(world.git(&worktree, &["status", "--porcelain", "--branch"]), "## feature/story-1_x");
    }
}

#[test]
fn a_head_that_does_not_descend_is_named_and_its_commits_are_pinned() {
    let (world, worktree) = prepared();
    let branch = world.rev(&worktree, "HEAD");
    world.git(&worktree, &["checkout", "--quiet", "-b", "own", "main"]);
    let own = world.commit(&worktree, "own.txt", "o\n");
    write(&worktree.join("left"), "l\n");
    let facts = settled(&world, Mode::Commit);
    assert_eq!(facts.tip, Some(branch.clone()));
    assert!(facts.broken.unwrap().contains("does not descend from feature/story-1_x"));
    assert_eq!(world.rev(&worktree, "own"), own, "nothing was committed there");
    world.git(&world.root, &["update-ref", "-d", "refs/heads/own"]);
    let pins = world.git(&world.root, &["for-each-ref", "--format=%(objectname)", "refs/storkit/old/"]);
    assert!(pins.contains(own.as_str()) && pins.contains(branch.as_str()));
    // The next run begins on the branch; what lay there is kept.
    assert!(matches!(world.prepare("1_x"), storkit_core::facts::PrepareEnd::Ready { .. }));
    assert_eq!(world.rev(&worktree, "HEAD"), branch);
    assert_eq!(world.git(&world.root, &["show", "refs/storkit/snap/1_x/1:left"]), "l");
}

#[test]
fn a_branch_that_the_agent_deleted_is_made_again_from_head() {
    for detach in [true, false] {
        let (world, worktree) = prepared();
        let tip = world.rev(&worktree, "HEAD");
        if detach {
            world.git(&worktree, &["checkout", "--quiet", "--detach"]);
            world.git(&worktree, &["branch", "--quiet", "-D", "feature/story-1_x"]);
        } else {
            world.git(&worktree, &["update-ref", "-d", "refs/heads/feature/story-1_x"]);
        }
        let facts = settled(&world, Mode::Commit);
        assert_eq!((facts.tip, facts.ahead, facts.broken), (Some(tip), 1, None), "detach: {detach}");
        assert_eq!(world.git(&worktree, &["status", "--porcelain", "--branch"]), "## feature/story-1_x");
    }
}

#[test]
fn a_rewritten_branch_keeps_its_old_tips() {
    let (world, worktree) = prepared();
    let first = settled(&world, Mode::Commit).tip.unwrap();
    world.git(&worktree, &["reset", "--quiet", "--hard", "main"]);
    let second = world.commit(&worktree, "other.txt", "o\n");
    assert_eq!(settled(&world, Mode::Commit).tip.as_ref(), Some(&second));
    world.git(&worktree, &["commit", "--quiet", "--amend", "-m", "amended"]);
    let third = settled(&world, Mode::Commit).tip.unwrap();
    let pins = world.git(&world.root, &["for-each-ref", "--format=%(objectname)", "refs/storkit/old/1_x/"]);
    for tip in [first, second, third] {
        assert!(pins.contains(tip.as_str()));
    }
}

#[test]
fn a_lock_that_a_killed_agent_left_does_not_stop_the_commit() {
    let (world, worktree) = prepared();
    write(&worktree.join("left"), "l\n");
    write(&world.root.join(".git/worktrees/1_x/index.lock"), "");
    write(&world.root.join(".git/refs/heads/feature/story-1_x.lock"), "");
    let facts = settled(&world, Mode::Commit);
    assert_eq!((facts.ahead, facts.broken), (2, None));
}

#[test]
fn a_lock_that_is_held_is_left() {
    let (world, worktree) = prepared();
    write(&worktree.join("left"), "l\n");
    let lock = world.root.join(".git/worktrees/1_x/index.lock");
    let held = std::fs::File::create(&lock).unwrap();
    let error = settle(&world.ground(), &settle_order("1_x", Mode::Commit)).unwrap_err();
    assert!(error.to_string().contains("index.lock"), "{error}");
    assert!(lock.exists() && worktree.join("left").exists());
    drop(held);
}

#[test]
fn nested_repositories_are_left_out_named_and_not_destroyed() {
    let (world, worktree) = prepared();
    for (name, commit) in [("nested", true), ("deep/empty", false)] {
        let nested = worktree.join(name);
        std::fs::create_dir_all(&nested).unwrap();
        world.git(&nested, &["init", "--quiet"]);
        write(&nested.join("file"), "precious\n");
        if commit {
            world.commit_all(&nested, "nested");
        }
    }
    write(&worktree.join("left"), "l\n");
    for mode in [Mode::Keep, Mode::Commit, Mode::KeepAndUndo] {
        let facts = settled(&world, mode);
        let why = facts.unsafe_to_remove.unwrap();
        assert!(why.contains("nested/") && why.contains("deep/empty/"), "{why}");
        assert_eq!(facts.broken, None);
    }
    assert_eq!(world.git(&worktree, &["show", "HEAD:left"]), "l");
    assert_eq!(world.git(&worktree, &["ls-files", "--stage", "nested", "deep"]), "");
    assert_eq!(read(&worktree.join("nested/file")), "precious\n");
    assert_eq!(read(&worktree.join("deep/empty/file")), "precious\n");
}

#[test]
fn a_nested_repository_that_the_agent_committed_is_named() {
    let (world, worktree) = prepared();
    let nested = worktree.join("nested");
    std::fs::create_dir_all(&nested).unwrap();
    world.git(&nested, &["init", "--quiet"]);
    world.commit(&nested, "file", "precious\n");
    world.git(&worktree, &["add", "nested"]);
    world.git(&worktree, &["commit", "--quiet", "-m", "link"]);
    assert!(settled(&world, Mode::Commit).unsafe_to_remove.unwrap().contains("nested"));
}

#[test]
fn a_huge_untracked_file_is_left_out_and_named() {
    let (world, worktree) = prepared();
    std::fs::File::create(worktree.join("huge")).unwrap().set_len((100 << 20) + 1).unwrap();
    write(&worktree.join("left"), "l\n");
    let facts = settled(&world, Mode::Commit);
    assert!(facts.unsafe_to_remove.unwrap().contains("huge"));
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), "?? huge");
}

#[test]
fn work_is_counted_without_the_board_and_protected_paths_are_named() {
    let world = World::new();
    let worktree = world.story("1_x", ".storkit/work/5_done/1_x.md", "moved\n");
    assert_eq!(settled(&world, Mode::Commit).ahead, 0);
    world.commit(&worktree, ".storkit/project.toml", "evil\n");
    world.commit(&worktree, "secret.key", "s\n");
    world.git(&worktree, &["merge", "--quiet", "--no-edit", "main"]);
    let facts = inspect(&world.ground(), &facts_order("1_x")).unwrap();
    assert_eq!(facts.ahead, 2);
    assert_eq!(facts.protected, [".storkit/project.toml", "secret.key"]);
}

#[test]
fn landed_work_is_not_ahead_any_more() {
    let (world, worktree) = prepared();
    let order = world.landing("1_x");
    crate::git::landing::advance(&world.repo(), &order).unwrap();
    assert_eq!(inspect(&world.ground(), &facts_order("1_x")).unwrap().ahead, 0);
    world.commit(&worktree, "more.txt", "m\n");
    assert_eq!(inspect(&world.ground(), &facts_order("1_x")).unwrap().ahead, 1);
}

#[test]
fn gc_at_any_moment_loses_nothing_that_was_kept() {
    let (world, worktree) = prepared();
    dirty(&worktree);
    settled(&world, Mode::KeepAndUndo);
    world.git(&worktree, &["reset", "--quiet", "--hard", "main"]);
    settled(&world, Mode::Keep);
    world.git(&world.root, &["reflog", "expire", "--expire=now", "--all"]);
    world.git(&world.root, &["gc", "--quiet", "--prune=now"]);
    assert_eq!(world.git(&world.root, &["show", "refs/storkit/snap/r1/1:a.txt"]), "changed");
    assert_eq!(world.git(&world.root, &["show", "refs/storkit/snap/r1/1:n.txt"]), "n");
    world.git(&world.root, &["fsck", "--strict"]);
}

#[test]
fn a_worktree_that_was_left_on_base_lets_go_of_it() {
    let (world, worktree) = prepared();
    world.git(&worktree, &["checkout", "--quiet", "--ignore-other-worktrees", "main"]);
    write(&worktree.join("left.txt"), "left\n");
    let facts = settled(&world, Mode::Commit);
    assert!(facts.broken.is_some_and(|why| why.contains("does not descend")));
    assert_eq!(world.git(&worktree, &["branch", "--show-current"]), "", "it is on no branch");
    assert_eq!(world.rev(&worktree, "HEAD"), world.rev(&world.root, "main"));
    assert_eq!(read(&worktree.join("left.txt")), "left\n");
    assert!(world.exists("refs/storkit/snap/r1/1"));
}

#[test]
fn a_rebase_of_base_that_was_left_open_lets_go_of_it() {
    let (world, worktree) = prepared();
    world.git(&worktree, &["checkout", "--quiet", "--ignore-other-worktrees", "main"]);
    let stop = "sequence.editor=sed -i 1ibreak";
    world.git(&worktree, &["-c", stop, "rebase", "--quiet", "--interactive", "--root"]);
    let facts = settled(&world, Mode::Keep);
    assert_eq!(facts.broken.as_deref(), Some("a rebase is in progress"));
    let listed = world.git(&world.root, &["worktree", "list", "--porcelain"]);
    assert_eq!(listed.matches("branch refs/heads/main").count(), 1, "{listed}");
    assert!(!crate::git::repo::busy(&world.root.join(".git/worktrees/1_x")).is_some_and(|_| true));
}

fn lost_run(world: &World, mode: Mode) -> storkit_core::ids::RunId {
    let run = storkit_core::ids::RunId(uuid::Uuid::new_v4());
    mark_running(&world.ground(), &id("1_x"), run, mode).unwrap();
    run
}

#[test]
fn what_a_run_left_whose_daemon_died_is_kept_before_the_next_one() {
    let (world, worktree) = prepared();
    let run = lost_run(&world, Mode::Commit);
    dirty(&worktree);
    let before = world.git(&worktree, &["status", "--porcelain"]);
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), before, "it stays as it was");
    let kept = format!("refs/storkit/snap/{run}/1");
    assert_eq!(world.git(&world.root, &["show", &format!("{kept}:a.txt")]), "changed");
    world.prepare("1_x");
    assert_eq!(world.git(&world.root, &["for-each-ref", "refs/storkit/snap"]).lines().count(), 1, "once");
}

#[test]
fn what_a_qa_run_left_whose_daemon_died_is_kept_and_undone() {
    let (world, worktree) = prepared();
    let run = lost_run(&world, Mode::KeepAndUndo);
    dirty(&worktree);
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), "");
    assert!(!world.rev(&world.root, &format!("refs/storkit/snap/{run}/1")).as_str().is_empty());
}

#[test]
fn a_settled_run_leaves_no_mark() {
    let (world, worktree) = prepared();
    lost_run(&world, Mode::Keep);
    settled(&world, Mode::Keep);
    dirty(&worktree);
    world.prepare("1_x");
    assert_eq!(world.git(&world.root, &["for-each-ref", "refs/storkit/snap"]), "");
}

#[test]
fn a_change_in_the_moment_of_the_checkout_is_kept() {
    let (world, worktree) = prepared();
    world.git(&worktree, &["config", "core.trustctime", "false"]);
    let file = worktree.join("a.txt");
    let moment = std::time::SystemTime::now() - std::time::Duration::from_secs(10);
    let at_that_moment = |path: &Path| {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(moment).unwrap();
    };
    at_that_moment(&file);
    world.git(&worktree, &["add", "--renormalize", "a.txt"]);
    world.git(&worktree, &["update-index", "--really-refresh"]);
    let length = read(&file).len();
    write(&file, "x".repeat(length));
    at_that_moment(&file);
    at_that_moment(&world.root.join(".git/worktrees/1_x/index"));
    write(&worktree.join("other"), "makes it dirty\n");
    settled(&world, Mode::Keep);
    let name = world.git(&world.root, &["for-each-ref", "--format=%(refname)", "refs/storkit/snap"]);
    assert_eq!(world.git(&world.root, &["show", &format!("{name}:a.txt")]), "x".repeat(length));
}
