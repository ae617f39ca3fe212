//! Landings against real repositories: what lands, what waits, and what a crash leaves.

use std::time::Duration;

use storkit_core::config::model::Strategy;
use storkit_core::facts::{AdvanceEnd, SquashEnd};
use storkit_core::ids::Oid;
use storkit_testkit::poll_until;

use super::record::{Process, Record, lock_of};
use super::{AdvanceOrder, Recovery, advance, finish_landing, recover, squash};
use crate::git::command::Pinned;
use crate::git::refs::{self, Transaction};
use crate::git::testing::{World, id, read, squash_order, write};
use crate::worktrees::Mode;

fn main_pins(world: &World) -> Pinned {
    let common = world.root.join(".git");
    Pinned { git_dir: common.clone(), common, work_tree: world.root.clone() }
}

fn land(world: &World, story: &str) -> AdvanceEnd {
    let order = world.landing(story);
    let end = advance(&world.repo(), &order).unwrap();
    finish_landing(&world.repo(), &order.story).unwrap();
    end
}

#[test]
fn a_story_lands_as_one_commit_with_trailers_and_leaves_its_marks() {
    let world = World::new();
    let worktree = world.story("1_x", "new.txt", "n\n");
    let tip = world.commit(&worktree, "a.txt", "one\n");
    let old = world.rev(&world.root, "main");
    let order = world.landing("1_x");
    assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Advanced);
    assert_eq!(world.rev(&world.root, "main"), order.commit);
    assert_eq!(world.rev(&world.root, "main^"), old);
    assert_eq!(read(&world.root.join("new.txt")), "n\n");
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
    let text = world.git(&world.root, &["log", "-1", "--format=%B%an <%ae>"]);
    insta::assert_snapshot!(text, @r"
    Log in

    It logs in.

    Storkit-Story: 1_x
    Storkit-Run: run-1
    Storkit-Gates: tests
    storkit <storkit@localhost>
    ");
    assert_eq!(world.rev(&world.root, "refs/storkit/landing/1_x"), order.commit);
    assert_eq!(world.rev(&world.root, "refs/storkit/landed/1_x"), tip);
    assert_eq!(world.rev(&world.root, "refs/storkit/landed-as/1_x"), order.commit);
    finish_landing(&world.repo(), &order.story).unwrap();
    assert!(!world.exists("refs/storkit/landing/1_x") && !world.exists("refs/storkit/landing-tip/1_x"));
    assert_eq!(world.squash("1_x"), SquashEnd::Nothing);
}

#[test]
fn the_users_identity_signs_where_there_is_one() {
    let world = World::new();
    world.git(&world.root, &["config", "user.name", "Ann"]);
    world.git(&world.root, &["config", "user.email", "ann@localhost"]);
    world.story("1_x", "n.txt", "n\n");
    let order = world.landing("1_x");
    let who = world.git(&world.root, &["show", "-s", "--format=%an %ce", order.commit.as_str()]);
    assert_eq!(who, "Ann ann@localhost");
}

#[test]
fn what_a_branch_changes_of_the_board_never_lands_and_never_conflicts() {
    let world = World::new();
    let card = ".storkit/work/2_current/1_x.md";
    world.commit(&world.root, card, "base\n");
    let worktree = world.story("1_x", "new.txt", "n\n");
    world.commit(&worktree, card, "agent\n");
    world.commit(&worktree, ".storkit/work/5_done/other.md", "forged\n");
    world.commit(&world.root, card, "person\n");
    assert_eq!(land(&world, "1_x"), AdvanceEnd::Advanced);
    assert_eq!(read(&world.root.join(card)), "person\n");
    let files = world.git(&world.root, &["show", "--name-only", "--format=", "main"]);
    assert_eq!(files, "new.txt");
}

#[test]
fn a_branch_that_changes_only_the_board_has_nothing_to_land() {
    let world = World::new();
    let worktree = world.story("1_x", ".storkit/work/2_current/1_x.md", "n\n");
    assert_eq!(world.squash("1_x"), SquashEnd::Nothing);
    world.commit(&worktree, "new.txt", "n\n");
    let SquashEnd::Ready { tree, .. } = world.squash("1_x") else { panic!("not ready") };
    let (found, _) = world.try_git(&world.root, &["cat-file", "-e", &format!("{tree}:.storkit")]);
    assert!(!found, "an empty .storkit was left");
}

#[test]
fn conflicts_name_their_files_and_change_nothing() {
    let world = World::new();
    for story in ["1_text", "2_delete", "3_binary", "4_kind"] {
        world.prepare(story);
    }
    let odd = "sp ace\u{fc}\n.txt";
    for (story, file, text) in
        [("1_text", "a.txt", "agent\n"), ("3_binary", "bin", "\0a"), ("4_kind", odd, "x\n")]
    {
        world.commit(&world.worktree(story), file, text);
    }
    std::fs::remove_file(world.worktree("2_delete").join("dir/b.txt")).unwrap();
    world.commit_all(&world.worktree("2_delete"), "delete");
    world.commit(&world.root, "a.txt", "person\n");
    world.commit(&world.root, "dir/b.txt", "person\n");
    world.commit(&world.root, "bin", "\0b");
    let base = world.commit(&world.root, odd, "y\n");
    for (story, file) in
        [("1_text", "a.txt"), ("2_delete", "dir/b.txt"), ("3_binary", "bin"), ("4_kind", odd)]
    {
        assert_eq!(world.squash(story), SquashEnd::Conflict(vec![file.to_owned()]), "{story}");
    }
    assert_eq!(world.rev(&world.root, "main"), base);
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
}

#[test]
fn a_persons_edit_of_another_file_is_left_and_the_landing_goes_through() {
    let world = World::new();
    world.story("1_x", "a.txt", "agent\n");
    write(&world.root.join("dir/b.txt"), "mine\n");
    write(&world.root.join("staged.txt"), "mine\n");
    world.git(&world.root, &["add", "staged.txt"]);
    write(&world.root.join("untracked.txt"), "mine\n");
    assert_eq!(land(&world, "1_x"), AdvanceEnd::Advanced);
    assert_eq!(read(&world.root.join("a.txt")), "agent\n");
    for file in ["dir/b.txt", "staged.txt", "untracked.txt"] {
        assert_eq!(read(&world.root.join(file)), "mine\n");
    }
    let status = world.git(&world.root, &["status", "--porcelain"]);
    assert_eq!(status, " M dir/b.txt\nA  staged.txt\n?? untracked.txt");
}

/// Lets a person do something in the checkout, and expects both looks to see these files.
fn expect_overlap(person: impl Fn(&World), files: &[&str]) {
    let world = World::new();
    let worktree = world.story("1_x", "a.txt", "agent\n");
    write(&worktree.join("x.ignored"), "agent\n");
    world.git(&worktree, &["add", "--force", "x.ignored"]);
    world.commit(&worktree, "deep/new.txt", "agent\n");
    let order = world.landing("1_x");
    person(&world);
    let before = world.git(&world.root, &["status", "--porcelain", "--ignored"]);
    let SquashEnd::Overlap(overlap) = world.squash("1_x") else { panic!("squash saw no overlap") };
    assert_eq!(overlap.files, files);
    assert_eq!(overlap.folder, world.root.to_str().unwrap());
    assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Overlap(overlap));
    assert_eq!(world.rev(&world.root, "main"), order.base);
    assert_eq!(world.git(&world.root, &["status", "--porcelain", "--ignored"]), before);
    assert!(!world.exists("refs/storkit/landing/1_x"));
}

#[test]
fn overlapping_edits_of_every_kind_are_named_and_left() {
    expect_overlap(|world| write(&world.root.join("a.txt"), "mine\n"), &["a.txt"]);
    let staged = |world: &World| {
        write(&world.root.join("a.txt"), "mine\n");
        world.git(&world.root, &["add", "a.txt"]);
        write(&world.root.join("a.txt"), "one\ntwo\nthree\n");
    };
    expect_overlap(staged, &["a.txt"]);
    expect_overlap(|world| write(&world.root.join("x.ignored"), "mine\n"), &["x.ignored"]);
    expect_overlap(|world| write(&world.root.join("deep/new.txt"), "mine\n"), &["deep/new.txt"]);
    expect_overlap(|world| write(&world.root.join("deep/new.txt/inner"), "mine\n"), &["deep/new.txt/inner"]);
    expect_overlap(|world| write(&world.root.join("deep"), "mine\n"), &["deep"]);
    let link = |world: &World| std::os::unix::fs::symlink("/nowhere", world.root.join("deep")).unwrap();
    expect_overlap(link, &["deep"]);
    expect_overlap(|world| std::fs::remove_file(world.root.join("a.txt")).unwrap(), &["a.txt"]);
}

#[test]
fn operations_in_progress_on_base_make_it_wait_and_can_be_finished() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    world.git(&world.root, &["switch", "--quiet", "-c", "other"]);
    world.commit(&world.root, "a.txt", "other\n");
    world.git(&world.root, &["switch", "--quiet", "main"]);
    world.commit(&world.root, "a.txt", "main\n");
    let order = world.landing("1_x");
    for (begin, end, why) in [
        (["rebase", "other"].as_slice(), ["rebase", "--abort"].as_slice(), "a rebase is in progress"),
        (&["merge", "other"], &["merge", "--abort"], "a merge is in progress"),
        (&["cherry-pick", "other"], &["cherry-pick", "--abort"], "a cherry-pick is in progress"),
        (&["bisect", "start", "main", "main~1"], &["bisect", "reset"], "a bisect is in progress"),
    ] {
        world.try_git(&world.root, begin);
        let SquashEnd::Overlap(overlap) = world.squash("1_x") else { panic!("{begin:?}: no wait") };
        assert_eq!((overlap.why.as_str(), overlap.files.len()), (why, 0));
        assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Overlap(overlap));
        world.git(&world.root, end);
    }
    assert_eq!(world.rev(&world.root, "main"), order.base);
    assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Advanced);
}

#[test]
fn base_that_is_checked_out_nowhere_moves_by_its_ref_alone() {
    for detach in [&["switch", "--quiet", "--detach"], &["switch", "--quiet", "-cother"]] {
        let world = World::new();
        world.story("1_x", "n.txt", "n\n");
        world.git(&world.root, detach);
        let order = world.landing("1_x");
        assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Advanced);
        assert_eq!(world.rev(&world.root, "main"), order.commit);
        assert!(!world.root.join("n.txt").exists());
        assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
        assert!(world.exists("refs/storkit/landed/1_x"));
    }
}

#[test]
fn base_in_a_second_worktree_is_fast_forwarded_there() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    world.git(&world.root, &["switch", "--quiet", "--detach"]);
    let second = world.folder().join("second");
    world.git(&world.root, &["worktree", "add", "--quiet", second.to_str().unwrap(), "main"]);
    write(&second.join("n.txt"), "mine\n");
    let SquashEnd::Overlap(overlap) = world.squash("1_x") else { panic!("no overlap") };
    assert_eq!(overlap.folder, second.to_str().unwrap());
    std::fs::remove_file(second.join("n.txt")).unwrap();
    assert_eq!(land(&world, "1_x"), AdvanceEnd::Advanced);
    assert_eq!(read(&second.join("n.txt")), "n\n");
    assert_eq!(world.git(&second, &["status", "--porcelain"]), "");
}

#[test]
fn a_base_that_moved_or_is_gone_is_told_apart() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    let order = world.landing("1_x");
    let moved = world.commit(&world.root, "a.txt", "person\n");
    assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::BaseMoved);
    assert_eq!(world.rev(&world.root, "main"), moved);
    world.git(&world.root, &["branch", "--move", "main", "trunk"]);
    let missing = "base branch main does not exist".to_owned();
    assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::BaseMissing(missing.clone()));
    assert_eq!(world.squash("1_x"), SquashEnd::Waits(missing));
    assert!(!world.exists("refs/heads/main") && !world.exists("refs/storkit/landing/1_x"));
}

#[test]
fn a_locked_ref_is_a_failure_and_base_stays() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    world.git(&world.root, &["switch", "--quiet", "--detach"]);
    let order = world.landing("1_x");
    let lock = world.root.join(".git/refs/heads/main.lock");
    write(&lock, "");
    let end = advance(&world.repo(), &order).unwrap();
    assert!(matches!(&end, AdvanceEnd::Failed(why) if why.contains("main.lock")), "{end:?}");
    assert_eq!(world.rev(&world.root, "main"), order.base);
    std::fs::remove_file(lock).unwrap();
    assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Advanced);
}

#[test]
fn base_moves_only_from_the_tip_that_was_gated() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    world.git(&world.root, &["switch", "--quiet", "-c", "other"]);
    let order = world.landing("1_x");
    let moved = world.commit(&world.root, "a.txt", "person\n");
    world.git(&world.root, &["update-ref", "refs/heads/main", moved.as_str()]);
    assert!(super::advance::move_refs(&world.repo(), &order).is_err());
    assert_eq!(world.rev(&world.root, "main"), moved);
    assert!(!world.exists("refs/storkit/landed/1_x"), "all or nothing");
}

#[test]
fn landing_twice_gives_one_commit() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    let order = world.landing("1_x");
    for _ in 0..2 {
        assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Advanced);
    }
    assert_eq!(world.git(&world.root, &["rev-list", "--count", "main"]), "2");
}

#[test]
fn a_persons_hooks_and_merge_options_do_not_take_part() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    let mark = world.folder().join("ran");
    for hook in ["post-merge", "reference-transaction", "post-checkout", "pre-commit"] {
        let path = world.root.join(".git/hooks").join(hook);
        write(&path, format!("#!/bin/sh\ntouch {}\nexit 1\n", mark.display()));
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    world.git(&world.root, &["config", "branch.main.mergeOptions", "--squash"]);
    world.git(&world.root, &["config", "merge.ff", "false"]);
    assert_eq!(land(&world, "1_x"), AdvanceEnd::Advanced);
    assert!(!mark.exists());
}

#[test]
fn another_storys_unlanded_commits_wait_for_that_story() {
    let world = World::new();
    let first = world.story("1_a", "a1.txt", "a\n");
    let second = world.story("2_b", "b1.txt", "b\n");
    world.git(&second, &["merge", "--quiet", "--no-edit", "feature/story-1_a"]);
    assert_eq!(world.squash("2_b"), SquashEnd::Foreign(id("1_a")));
    world.commit(&first, "a2.txt", "more\n");
    assert_eq!(world.squash("2_b"), SquashEnd::Foreign(id("1_a")));
    assert_eq!(land(&world, "1_a"), AdvanceEnd::Advanced);
    assert_eq!(land(&world, "2_b"), AdvanceEnd::Advanced);
    let files = world.git(&world.root, &["show", "--name-only", "--format=", "main"]);
    assert_eq!(files, "b1.txt");
}

#[test]
fn a_later_story_built_on_an_earlier_one_waits_and_never_the_other_way() {
    let world = World::new();
    world.story("1_a", "a.txt", "a\n");
    let second = world.story("2_b", "b.txt", "b\n");
    world.git(&second, &["reset", "--quiet", "--hard", "feature/story-1_a"]);
    assert!(matches!(world.squash("1_a"), SquashEnd::Ready { .. }));
    assert_eq!(world.squash("2_b"), SquashEnd::Foreign(id("1_a")));
    world.commit(&second, "b2.txt", "b\n");
    assert!(matches!(world.squash("1_a"), SquashEnd::Ready { .. }));
    assert_eq!(world.squash("2_b"), SquashEnd::Foreign(id("1_a")));
}

#[test]
fn unrelated_history_is_blocked() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    world.git(&worktree, &["checkout", "--quiet", "--orphan", "lone"]);
    let lone = world.commit_all(&worktree, "lone");
    world.git(&worktree, &["update-ref", "refs/heads/feature/story-1_x", lone.as_str()]);
    assert!(matches!(world.squash("1_x"), SquashEnd::Blocked(why) if why.contains("no common ancestor")));
}

#[test]
fn merge_and_rebase_keep_a_first_parent_chain_with_the_gated_tree() {
    for strategy in [Strategy::Merge, Strategy::Rebase] {
        let world = World::new();
        let worktree = world.story("1_x", "n1.txt", "1\n");
        world.commit(&worktree, "n2.txt", "2\n");
        world.commit(&world.root, "person.txt", "p\n");
        world.git(&worktree, &["merge", "--quiet", "--no-edit", "main"]);
        world.commit(&worktree, "n3.txt", "3\n");
        world.commit(&world.root, "person2.txt", "p\n");
        let SquashEnd::Ready { commit, tree, base, tip, .. } = world.squash_by("1_x", strategy) else {
            panic!()
        };
        assert_eq!(world.rev(&world.root, &format!("{commit}^{{tree}}")), tree);
        let order = AdvanceOrder { story: id("1_x"), base_branch: "main".to_owned(), commit, base, tip };
        assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Advanced);
        let log = world.git(&world.root, &["log", "--first-parent", "--format=%s", "main"]);
        let expected = match strategy {
            Strategy::Merge => "Log in\nchange person2.txt\nchange person.txt\nfirst",
            _ => "change n3.txt\nchange n2.txt\nchange n1.txt\nchange person2.txt\nchange person.txt\nfirst",
        };
        assert_eq!(log, expected);
        let trailer =
            world.git(&world.root, &["log", "-1", "--format=%(trailers:key=Storkit-Story,valueonly)"]);
        assert_eq!(trailer, "1_x");
    }
}

#[test]
fn a_rebase_that_cannot_replay_lands_as_one_commit() {
    let world = World::new();
    let worktree = world.story("1_x", "a.txt", "agent\n");
    world.commit(&world.root, "a.txt", "person\n");
    world.try_git(&worktree, &["merge", "main"]);
    world.commit(&worktree, "a.txt", "both\n");
    let SquashEnd::Ready { commit, base, .. } = world.squash_by("1_x", Strategy::Rebase) else { panic!() };
    assert_eq!(world.rev(&world.root, &format!("{commit}^")), base);
    assert_eq!(world.git(&world.root, &["show", &format!("{commit}:a.txt")]), "both");
}

#[test]
fn hostile_names_and_summaries_are_text() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    let mut order = squash_order("1_x", Strategy::Squash);
    order.message.name = "-m evil\n\nStorkit-Gates: all\u{1b}]0;x\u{7}".to_owned();
    order.message.summary = "a\0b\u{1b}[31m".to_owned();
    let SquashEnd::Ready { commit, .. } = squash(&world.repo(), &order).unwrap() else { panic!() };
    let subject = world.git(&world.root, &["show", "-s", "--format=%s", commit.as_str()]);
    assert_eq!(subject, "-m evil  Storkit-Gates: all ]0;x");
    let body = world.git(&world.root, &["show", "-s", "--format=%b", commit.as_str()]);
    assert!(body.starts_with("ab[31m\n"), "{body}");
}

/// A landing as a killed git leaves it: intent and note written, some files new.
fn cut_short(world: &World) -> (AdvanceOrder, Record) {
    let worktree = world.story("1_x", "a.txt", "agent\n");
    world.commit(&worktree, "new/n.txt", "n\n");
    world.git(&worktree, &["rm", "--quiet", "dir/b.txt"]);
    world.commit_all(&worktree, "remove");
    let order = world.landing("1_x");
    let refs = Transaction::new()
        .set(&refs::landing(&order.story), &order.commit)
        .set(&refs::landing_tip(&order.story), &order.tip);
    refs.commit(&world.repo(), "test").unwrap();
    let mut child = crate::sys::process::command("sleep").arg("60").spawn().unwrap();
    let process = Process::look(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    let record = Record { pins: main_pins(world), old: order.base.clone(), process, lock: None };
    record.write(&world.repo(), &order.story).unwrap();
    (order, record)
}

fn recovered(world: &World) -> Recovery {
    recover(&world.repo(), "main").unwrap()
}

#[test]
fn a_fast_forward_cut_short_is_put_back_path_by_path() {
    let world = World::new();
    let (order, mut record) = cut_short(&world);
    write(&world.root.join("a.txt"), "agent\n");
    write(&world.root.join("new/n.txt"), "n\n");
    std::fs::remove_file(world.root.join("dir/b.txt")).unwrap();
    write(&world.root.join(".git/index.lock"), "half");
    record.lock = lock_of(&record.pins);
    record.write(&world.repo(), &order.story).unwrap();
    let recovery = recovered(&world);
    assert_eq!(recovery.notes, Vec::<String>::new());
    assert_eq!(recovery.intents.len(), 1);
    assert!(!recovery.intents[0].landed);
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
    assert!(!world.root.join("new").exists() && !world.exists("refs/storkit/landing/1_x"));
    assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Advanced);
    assert!(recovered(&world).intents[0].landed);
}

#[test]
fn a_fast_forward_cut_short_after_the_index_is_put_back_too() {
    let world = World::new();
    let (order, _) = cut_short(&world);
    world.git(&world.root, &["read-tree", "-m", "-u", "main", order.commit.as_str()]);
    assert_eq!(recovered(&world).notes, Vec::<String>::new());
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
    assert_eq!(read(&world.root.join("a.txt")), "one\ntwo\nthree\n");
}

#[test]
fn files_that_git_had_removed_or_half_written_are_put_back_too() {
    let world = World::new();
    let (order, _) = cut_short(&world);
    std::fs::remove_file(world.root.join("a.txt")).unwrap();
    write(&world.root.join("new/n.txt"), "");
    assert_eq!(recovered(&world).notes, Vec::<String>::new());
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
    write(&world.root.join("a.txt"), "ag");
    let again = Transaction::new().set(&refs::landing(&order.story), &order.commit);
    again.commit(&world.repo(), "test").unwrap();
    Record { pins: main_pins(&world), old: order.base, process: None, lock: None }
        .write(&world.repo(), &order.story)
        .unwrap();
    assert_eq!(recovered(&world).notes, Vec::<String>::new());
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
}

#[test]
fn what_is_neither_old_nor_new_is_left_and_named() {
    let world = World::new();
    cut_short(&world);
    write(&world.root.join("a.txt"), "mine\n");
    write(&world.root.join("new/n.txt"), "n\n");
    let recovery = recovered(&world);
    assert_eq!(recovery.notes.len(), 1);
    assert!(recovery.notes[0].contains("a.txt"), "{:?}", recovery.notes);
    assert_eq!(read(&world.root.join("a.txt")), "mine\n");
    assert!(!world.root.join("new").exists());
}

#[test]
fn an_index_lock_of_another_owner_is_never_removed() {
    let world = World::new();
    let (order, mut record) = cut_short(&world);
    write(&world.root.join("a.txt"), "agent\n");
    let lock = world.root.join(".git/index.lock");
    write(&lock, "");
    assert!(recovered(&world).notes[0].contains("index.lock"));
    assert!(lock.exists());
    // The same inode, but a process that lives: this one.
    record.lock = lock_of(&record.pins);
    record.process = Process::look(std::process::id());
    record.write(&world.repo(), &order.story).unwrap();
    Transaction::new()
        .set(&refs::landing(&order.story), &order.commit)
        .commit(&world.repo(), "test")
        .unwrap();
    assert!(recovered(&world).notes[0].contains("index.lock"));
    assert!(lock.exists());
    assert_eq!(read(&world.root.join("a.txt")), "agent\n");
}

#[test]
fn a_landing_that_reached_base_is_finished_forward() {
    let world = World::new();
    let (order, _) = cut_short(&world);
    // A power cut kept the ref and lost the files.
    world.git(&world.root, &["update-ref", "refs/heads/main", order.commit.as_str()]);
    let recovery = recovered(&world);
    assert_eq!((recovery.notes.len(), recovery.intents[0].landed), (0, true));
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
    assert_eq!(read(&world.root.join("new/n.txt")), "n\n");
    assert_eq!(world.rev(&world.root, "refs/storkit/landed/1_x"), order.tip);
    assert!(world.exists("refs/storkit/landing/1_x"), "the file has not moved yet");
    finish_landing(&world.repo(), &order.story).unwrap();
    assert!(recovered(&world).intents.is_empty());
}

#[test]
fn two_stories_that_land_at_once_give_two_commits_or_one_that_starts_again() {
    let world = World::new();
    world.story("1_a", "a1.txt", "a\n");
    world.story("2_b", "b1.txt", "b\n");
    let orders = [world.landing("1_a"), world.landing("2_b")];
    let ends: Vec<AdvanceEnd> = std::thread::scope(|scope| {
        let threads = orders.each_ref().map(|order| scope.spawn(|| advance(&world.repo(), order).unwrap()));
        threads.map(|thread| thread.join().unwrap()).to_vec()
    });
    assert!(ends.contains(&AdvanceEnd::Advanced) && ends.contains(&AdvanceEnd::BaseMoved), "{ends:?}");
    assert_eq!(world.git(&world.root, &["rev-list", "--count", "main"]), "2");
}

#[test]
fn objects_are_read_the_same_without_libgit2() {
    let world = World::with(&["--ref-format=reftable"]);
    assert!(git2::Repository::open(&world.root).is_err(), "this test needs what libgit2 cannot open");
    let worktree = world.story("1_x", "n.txt", "n\n");
    world.commit(&worktree, "secret/key", "k\n");
    world.commit(&worktree, ".storkit/work/1_backlog/z.md", "z\n");
    let facts =
        crate::worktrees::settle(&world.ground(), &crate::git::testing::settle_order("1_x", Mode::Commit))
            .unwrap();
    assert_eq!((facts.ahead, facts.protected, facts.broken), (2, vec!["secret/key".to_owned()], None));
    assert_eq!(land(&world, "1_x"), AdvanceEnd::Advanced);
    let state = world.repo().head_state().unwrap();
    assert_eq!(state.branch.as_deref(), Some("refs/heads/main"));
    assert_eq!(state.commit, Some(world.rev(&world.root, "main")) as Option<Oid>);
}

#[test]
fn a_git_that_is_killed_while_it_moves_the_checkout_leaves_it_as_it_was() {
    let world = World::new();
    world.commit(&world.root, ".gitattributes", "*.slow filter=slow\n");
    let worktree = world.story("1_x", "a.txt", "agent\n");
    world.commit(&worktree, "b/new.txt", "n\n");
    world.commit(&worktree, "z.slow", "s\n");
    let order = world.landing("1_x");
    // One file of the checkout waits: others are gone or new by then, and the index is locked.
    let (begun, gate) = (world.folder().join("begun"), world.folder().join("gate"));
    let wait = format!("touch {}; while test ! -e {}; do sleep 0.01; done", begun.display(), gate.display());
    let filter = format!("{wait}; cat");
    world.git(&world.root, &["config", "filter.slow.smudge", &filter]);
    let end = std::thread::scope(|scope| {
        let thread = scope.spawn(|| advance(&world.repo(), &order).unwrap());
        let locked = || {
            let record = Record::read(&world.repo(), &order.story);
            record.filter(|record| record.lock.is_some() && begun.exists())
        };
        let record = poll_until(Duration::from_secs(20), locked);
        if record.is_none() {
            write(&gate, "");
        }
        let record = record.expect("git locked the index");
        let pid = i32::try_from(record.process.unwrap().pid).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        write(&gate, "");
        thread.join().unwrap()
    });
    assert!(matches!(&end, AdvanceEnd::Failed(why) if why.contains("signal 9")), "{end:?}");
    assert!(!world.root.join(".git/index.lock").exists());
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
    assert_eq!(read(&world.root.join("a.txt")), "one\ntwo\nthree\n");
    assert_eq!(advance(&world.repo(), &order).unwrap(), AdvanceEnd::Advanced);
    assert_eq!(read(&world.root.join("z.slow")), "s\n");
}
