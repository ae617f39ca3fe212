//! Worktrees kept ready in advance: how one is made, taken, brought up and thrown away.

use std::path::{Path, PathBuf};

use storkit_core::config::model::Worktrees;
use storkit_core::facts::PrepareEnd;
use storkit_core::stage::Stage;

use crate::git::testing::{World, id, prepare_order, read, write};
use crate::sys::cancel::{Cancel, How};
use crate::sys::process;
use crate::worktrees::setup::CommandFailed;
use crate::worktrees::{CloseOrder, PruneOrder, WarmOrder, empty_trash, keep_warm, plan_prune, prepare};

fn wanted(warm: u32) -> Worktrees {
    Worktrees { warm, ..Worktrees::default() }
}

/// Keeps that many ready, and says in which folders setup commands ran.
fn keep(world: &World, worktrees: &Worktrees) -> Vec<PathBuf> {
    let order =
        WarmOrder { base_branch: "main".to_owned(), worktrees: worktrees.clone(), components: Vec::new() };
    let mut ran = Vec::new();
    let mut setup = |folder: &Path, _: &str| {
        ran.push(folder.to_owned());
        write(&folder.join("made.ignored"), "by setup\n");
        Ok(())
    };
    keep_warm(&world.ground(), &order, &mut setup, &Cancel::new()).unwrap();
    empty_trash(&world.ground(), &Cancel::new()).unwrap();
    ran
}

/// Prepares a story's worktree, which must succeed, and says in which folders setup commands ran.
fn start(world: &World, story: &str, worktrees: &Worktrees) -> Vec<PathBuf> {
    let mut ran = Vec::new();
    let mut setup = |folder: &Path, _: &str| {
        ran.push(folder.to_owned());
        Ok(())
    };
    let order = prepare_order(story, worktrees.clone());
    let end = prepare(&world.ground(), &order, &mut setup, &Cancel::new());
    let worktree = world.worktree(story);
    let base = world.rev(&world.root, &format!("refs/storkit/old/{story}/1"));
    assert_eq!(end, PrepareEnd::Ready { worktree: worktree.to_str().unwrap().to_owned(), base });
    assert_eq!(world.git(&worktree, &["symbolic-ref", "HEAD"]), format!("refs/heads/feature/story-{story}"));
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), "");
    let listed = format!("worktree {}\n", worktree.display());
    assert!(world.git(&world.root, &["worktree", "list", "--porcelain"]).contains(&listed));
    ran
}

fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap())
}

/// Git's record of the worktree in that folder.
fn record(world: &World, name: &str) -> PathBuf {
    PathBuf::from(world.git(&world.worktree(name), &["rev-parse", "--absolute-git-dir"]))
}

/// The names in the worktrees' folder.
fn names(world: &World) -> Vec<String> {
    let entries = std::fs::read_dir(world.worktree("")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".trash");
    names.sort();
    names
}

#[test]
fn a_slot_becomes_the_storys_worktree_by_a_rename_and_is_made_again() {
    let world = World::new();
    assert_eq!(keep(&world, &wanted(2)), Vec::<PathBuf>::new());
    assert_eq!(names(&world), [".slot-1", ".slot-2"]);
    let (first, second) = (inode(&world.worktree(".slot-1")), inode(&world.worktree(".slot-2")));
    start(&world, "1_x", &wanted(2));
    start(&world, "2_y", &wanted(2));
    assert_eq!(inode(&world.worktree("1_x")), first);
    assert_eq!(inode(&world.worktree("2_y")), second);
    assert_eq!(names(&world), ["1_x", "2_y"]);
    start(&world, "3_z", &wanted(2));
    assert_eq!(read(&world.worktree("3_z").join("dir/b.txt")), "b\n", "without a slot: as ever");
    keep(&world, &wanted(2));
    assert_eq!(names(&world), [".slot-1", ".slot-2", "1_x", "2_y", "3_z"]);
    // What is ready is left alone.
    let again = inode(&world.worktree(".slot-1").join("a.txt"));
    keep(&world, &wanted(2));
    assert_eq!(inode(&world.worktree(".slot-1").join("a.txt")), again);
}

#[test]
fn a_slot_behind_base_is_brought_up_when_it_is_taken_or_in_advance() {
    let world = World::new();
    keep(&world, &wanted(2));
    let kept = inode(&world.worktree(".slot-1").join("dir/b.txt"));
    world.commit(&world.root, "later.txt", "l\n");
    start(&world, "1_x", &wanted(2));
    assert_eq!(read(&world.worktree("1_x").join("later.txt")), "l\n");
    assert_eq!(inode(&world.worktree("1_x").join("dir/b.txt")), kept, "only the difference is written");
    keep(&world, &wanted(2));
    for slot in [".slot-1", ".slot-2"] {
        assert_eq!(read(&world.worktree(slot).join("later.txt")), "l\n");
        assert_eq!(world.git(&world.worktree(slot), &["status", "--porcelain"]), "");
    }
}

#[test]
fn a_branch_with_unlanded_work_gets_a_slot_too() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    world.git(&world.root, &["worktree", "remove", "--force", ".storkit/worktrees/1_x"]);
    keep(&world, &wanted(1));
    let slot = inode(&world.worktree(".slot-1"));
    start(&world, "1_x", &wanted(1));
    assert_eq!(inode(&world.worktree("1_x")), slot);
    assert_eq!(read(&world.worktree("1_x").join("n.txt")), "n\n");
}

#[test]
fn setup_runs_at_the_final_path_unless_it_bears_a_move() {
    let world = World::new();
    write(&world.root.join("env.ignored"), "v=1\n");
    let mut worktrees = Worktrees { setup: vec!["s".to_owned()], ..wanted(1) };
    worktrees.copy.push("env.ignored".to_owned());
    assert_eq!(keep(&world, &worktrees), Vec::<PathBuf>::new());
    assert_eq!(start(&world, "1_x", &worktrees), [world.worktree("1_x")]);
    assert_eq!(read(&world.worktree("1_x").join("env.ignored")), "v=1\n");

    worktrees.setup_relocatable = true;
    assert_eq!(keep(&world, &worktrees), [world.worktree(".slot-1")]);
    assert_eq!(keep(&world, &worktrees), Vec::<PathBuf>::new(), "once");
    assert_eq!(start(&world, "2_y", &worktrees), Vec::<PathBuf>::new());
    assert_eq!(read(&world.worktree("2_y").join("made.ignored")), "by setup\n");
    assert_eq!(read(&world.worktree("2_y").join("env.ignored")), "v=1\n");
}

#[test]
fn a_setup_in_advance_counts_only_for_what_it_was_run_for() {
    let world = World::new();
    write(&world.root.join("env.ignored"), "v=1\n");
    let mut worktrees = Worktrees { setup: vec!["s".to_owned()], setup_relocatable: true, ..wanted(1) };
    worktrees.copy.push("env.ignored".to_owned());
    keep(&world, &worktrees);
    // Nobody said what the setup depends on: on any change.
    world.commit(&world.root, "later.txt", "l\n");
    assert_eq!(start(&world, "1_x", &worktrees), [world.worktree("1_x")]);
    worktrees.setup_when.push("lock".to_owned());
    assert_eq!(keep(&world, &worktrees), [world.worktree(".slot-1")]);
    world.commit(&world.root, "later.txt", "m\n");
    assert_eq!(keep(&world, &worktrees), Vec::<PathBuf>::new(), "the lock file is the same");
    assert_eq!(read(&world.worktree(".slot-1").join("made.ignored")), "by setup\n");
    world.commit(&world.root, "lock", "2\n");
    assert_eq!(keep(&world, &worktrees), [world.worktree(".slot-1")]);
    write(&world.root.join("env.ignored"), "v=two\n");
    assert_eq!(start(&world, "2_y", &worktrees), [world.worktree("2_y")], "what was copied is out of date");
    assert_eq!(read(&world.worktree("2_y").join("env.ignored")), "v=two\n");
    assert_eq!(keep(&world, &worktrees), [world.worktree(".slot-1")]);
    assert_eq!(read(&world.worktree(".slot-1").join("env.ignored")), "v=two\n");
}

#[test]
fn a_slot_whose_setup_fails_is_never_used() {
    let world = World::new();
    let worktrees = Worktrees { setup: vec!["s".to_owned()], setup_relocatable: true, ..wanted(1) };
    let order =
        WarmOrder { base_branch: "main".to_owned(), worktrees: worktrees.clone(), components: vec![] };
    let mut setup = |_: &Path, _: &str| Err(CommandFailed("no".to_owned()));
    keep_warm(&world.ground(), &order, &mut setup, &Cancel::new()).unwrap();
    let slot = inode(&world.worktree(".slot-1"));
    assert_eq!(start(&world, "1_x", &worktrees), [world.worktree("1_x")]);
    assert_ne!(inode(&world.worktree("1_x")), slot);
}

/// What a crash between two steps of taking a slot leaves.
#[test]
fn a_slot_that_was_half_taken_is_no_storys_worktree() {
    for step in ["claimed", "pointed", "renamed"] {
        let world = World::new();
        keep(&world, &wanted(1));
        let (slot, tree) = (world.worktree(".slot-1"), world.worktree("1_x"));
        let admin = record(&world, ".slot-1");
        let inode_of_slot = inode(&slot);
        std::fs::remove_file(admin.join("storkit-warm")).unwrap();
        if step != "claimed" {
            write(&admin.join("gitdir"), format!("{}\n", tree.join(".git").display()));
        }
        if step == "renamed" {
            std::fs::rename(&slot, &tree).unwrap();
        }
        start(&world, "1_x", &wanted(1));
        assert_ne!(inode(&tree), inode_of_slot, "{step}");
        keep(&world, &wanted(1));
        assert_eq!(names(&world), [".slot-1", "1_x"], "{step}");
        start(&world, "2_y", &wanted(1));
        let records = std::fs::read_dir(world.root.join(".git/worktrees")).unwrap().count();
        assert_eq!(records, 2, "{step}: no record is left behind");
    }
}

#[test]
fn a_slot_that_is_not_as_storkit_left_it_is_thrown_away() {
    type Harm = fn(&World, &Path, &Path);
    let harms: [(&str, Harm); 6] = [
        ("no .git file", |_, slot, _| std::fs::remove_file(slot.join(".git")).unwrap()),
        ("on a branch", |world, slot, _| drop(world.git(slot, &["switch", "--quiet", "-c", "mine"]))),
        ("a commit on it", |world, slot, _| drop(world.commit(slot, "theirs.txt", "t\n"))),
        ("a locked index", |_, _, admin| write(&admin.join("index.lock"), "")),
        ("a locked HEAD", |_, _, admin| write(&admin.join("HEAD.lock"), "")),
        ("no index", |_, _, admin| std::fs::remove_file(admin.join("index")).unwrap()),
    ];
    for (what, harm) in harms {
        let world = World::new();
        keep(&world, &wanted(1));
        let slot = world.worktree(".slot-1");
        let before = inode(&slot);
        harm(&world, &slot, &record(&world, ".slot-1"));
        start(&world, "1_x", &wanted(1));
        assert_ne!(inode(&world.worktree("1_x")), before, "{what}");
        assert!(!world.worktree("1_x").join("theirs.txt").exists());
        keep(&world, &wanted(1));
        let next = inode(&slot);
        start(&world, "2_y", &wanted(1));
        assert_eq!(inode(&world.worktree("2_y")), next, "{what}: mended");
    }
}

#[test]
fn a_slot_that_cannot_be_brought_up_leaves_the_cold_way() {
    let world = World::new();
    keep(&world, &wanted(1));
    write(&record(&world, ".slot-1").join("index"), "no index at all");
    world.commit(&world.root, "later.txt", "l\n");
    start(&world, "1_x", &wanted(1));
    assert_eq!(names(&world), [".slot-1", "1_x"]);
}

#[test]
fn slots_that_are_too_many_go_but_not_from_under_somebody() {
    let world = World::new();
    keep(&world, &wanted(3));
    let mut shell = process::command("sleep");
    let mut person = shell.arg("600").current_dir(world.worktree(".slot-3")).spawn().unwrap();
    keep(&world, &wanted(1));
    assert_eq!(names(&world), [".slot-1", ".slot-3"]);
    person.kill().unwrap();
    person.wait().unwrap();
    keep(&world, &wanted(0));
    assert_eq!(names(&world), Vec::<String>::new());
    assert!(!world.git(&world.root, &["worktree", "list"]).contains(".slot"));
}

#[test]
fn a_cancelled_fill_leaves_no_slot_that_is_taken_for_ready() {
    let world = World::new();
    let order = WarmOrder { base_branch: "main".to_owned(), worktrees: wanted(2), components: vec![] };
    let cancel = Cancel::new();
    cancel.raise(How::Now);
    keep_warm(&world.ground(), &order, &mut |_, _| Ok(()), &cancel).unwrap();
    assert_eq!(names(&world), Vec::<String>::new());
    start(&world, "1_x", &wanted(2));
}

#[test]
fn prune_takes_no_slot_for_a_story() {
    let world = World::new();
    keep(&world, &wanted(1));
    let order = PruneOrder {
        stories: vec![(id("1_x"), Stage::Done)],
        close: CloseOrder {
            story: id("0"),
            base_branch: "main".to_owned(),
            worktrees: wanted(1),
            components: Vec::new(),
        },
        all: true,
        pins: None,
    };
    assert_eq!(plan_prune(&world.ground(), &order).unwrap(), []);
}
