//! Closing and pruning: what goes, what stays, and that no byte is lost by it.

use storkit_core::config::model::Worktrees;
use storkit_core::facts::CloseEnd;
use storkit_core::stage::Stage;

use crate::git::DiffOrder;
use crate::git::landing::{advance, finish_landing};
use crate::git::testing::{World, id, read, write};
use crate::sys::cancel::Cancel;
use crate::sys::process;
use crate::worktrees::setup::CommandFailed;
use crate::worktrees::{
    CloseOrder, Pinning, PruneItem, PruneOrder, close, diff, empty_trash, plan_prune, prune,
};

fn close_order(story: &str) -> CloseOrder {
    CloseOrder {
        story: id(story),
        base_branch: "main".to_owned(),
        worktrees: Worktrees { teardown: vec!["down".to_owned()], ..Worktrees::default() },
        components: Vec::new(),
    }
}

fn closed(world: &World, story: &str) -> CloseEnd {
    close(&world.ground(), &close_order(story), &mut |_, _| Ok(()))
}

fn landed(world: &World, story: &str) -> std::path::PathBuf {
    let worktree = world.story(story, &format!("{story}.txt"), "n\n");
    advance(&world.repo(), &world.landing(story)).unwrap();
    finish_landing(&world.repo(), &id(story)).unwrap();
    worktree
}

fn kept(end: CloseEnd) -> String {
    match end {
        CloseEnd::Kept(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn landed_work_is_closed_and_its_tip_stays() {
    let world = World::new();
    let worktree = landed(&world, "1_x");
    let tip = world.rev(&worktree, "HEAD");
    write(&worktree.join("left"), "l\n");
    write(&worktree.join("x.ignored"), "i\n");
    let mut ran = Vec::new();
    let end = close(&world.ground(), &close_order("1_x"), &mut |cwd, command| {
        ran.push((cwd.to_owned(), command.to_owned()));
        Err(CommandFailed("teardown fails".to_owned()))
    });
    assert_eq!(end, CloseEnd::Closed);
    assert_eq!(ran, [(worktree.clone(), "down".to_owned())]);
    assert!(!worktree.exists() && !world.exists("refs/heads/feature/story-1_x"));
    assert!(!world.root.join(".git/worktrees/1_x").exists());
    assert_eq!(world.rev(&world.root, "refs/storkit/landed/1_x"), tip);
    assert_eq!(world.git(&world.root, &["show", "refs/storkit/snap/1_x/1:left"]), "l");
    empty_trash(&world.ground(), &Cancel::new()).unwrap();
    assert_eq!(std::fs::read_dir(world.worktree(".trash")).unwrap().count(), 0);
    assert_eq!(closed(&world, "1_x"), CloseEnd::Nothing);
}

#[test]
fn unlanded_work_is_kept_and_counted() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    assert_eq!(kept(closed(&world, "1_x")), "feature/story-1_x has 1 commit that main does not have");
    advance(&world.repo(), &world.landing("1_x")).unwrap();
    world.commit(&worktree, "after.txt", "a\n");
    assert_eq!(kept(closed(&world, "1_x")), "feature/story-1_x has 1 commit that main does not have");
    world.git(&world.root, &["branch", "--move", "main", "trunk"]);
    assert_eq!(kept(closed(&world, "1_x")), "base branch main does not exist");
    assert!(worktree.join("n.txt").exists());
}

#[test]
fn landed_means_an_ancestor_of_base_and_nothing_less() {
    let world = World::new();
    landed(&world, "1_x");
    world.git(&world.root, &["reset", "--quiet", "--hard", "main~1"]);
    assert!(kept(closed(&world, "1_x")).contains("has 1 commit"));
}

#[test]
fn a_branch_with_nothing_on_it_is_closed() {
    let world = World::new();
    world.prepare("1_x");
    assert_eq!(closed(&world, "1_x"), CloseEnd::Closed);
    assert!(!world.exists("refs/heads/feature/story-1_x"));
}

#[test]
fn a_branch_of_a_persons_own_is_kept() {
    let world = World::new();
    world.git(&world.root, &["branch", "feature/story-1_x"]);
    assert!(kept(closed(&world, "1_x")).contains("was not made by storkit"));
    assert!(world.exists("refs/heads/feature/story-1_x"));
}

#[test]
fn a_process_that_stands_in_it_is_named_and_lives() {
    let world = World::new();
    let worktree = landed(&world, "1_x");
    let mut shell = process::command("sleep").arg("60").current_dir(worktree.join("dir")).spawn().unwrap();
    let why = kept(closed(&world, "1_x"));
    assert!(why.contains(&format!("(pid {})", shell.id())), "{why}");
    assert!(shell.try_wait().unwrap().is_none());
    shell.kill().unwrap();
    shell.wait().unwrap();
    assert_eq!(closed(&world, "1_x"), CloseEnd::Closed);
}

#[test]
fn nested_repositories_huge_files_and_unfinished_merges_keep_it() {
    let world = World::new();
    let worktree = landed(&world, "1_x");
    let nested = worktree.join("nested");
    std::fs::create_dir_all(&nested).unwrap();
    world.git(&nested, &["init", "--quiet"]);
    assert!(kept(closed(&world, "1_x")).contains("nested"));
    std::fs::remove_dir_all(&nested).unwrap();
    let file = std::fs::File::create(worktree.join("huge")).unwrap();
    file.set_len((100 << 20) + 1).unwrap();
    assert!(kept(closed(&world, "1_x")).contains("huge"));
    std::fs::remove_file(worktree.join("huge")).unwrap();
    world.git(&worktree, &["bisect", "start"]);
    assert!(kept(closed(&world, "1_x")).contains("a bisect is in progress"));
    world.git(&worktree, &["bisect", "reset"]);
    assert_eq!(closed(&world, "1_x"), CloseEnd::Closed);
}

#[test]
fn emptying_the_trash_follows_no_link_and_reaches_the_deep_and_the_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let outside = world.folder().join("outside");
    write(&outside.join("precious"), "p\n");
    let worktree = landed(&world, "1_x");
    std::os::unix::fs::symlink(&outside, worktree.join("link.ignored")).unwrap();
    write(&worktree.join("cache.ignored/f"), "f");
    std::fs::set_permissions(worktree.join("cache.ignored"), PermissionsExt::from_mode(0o555)).unwrap();
    let mut deep = worktree.join("deep.ignored");
    for _ in 0..1500 {
        deep.push("d");
    }
    std::fs::create_dir_all(&deep).unwrap();
    assert_eq!(closed(&world, "1_x"), CloseEnd::Closed);
    empty_trash(&world.ground(), &Cancel::new()).unwrap();
    assert_eq!(std::fs::read_dir(world.worktree(".trash")).unwrap().count(), 0);
    assert_eq!(read(&outside.join("precious")), "p\n");
}

fn prune_order(stories: &[(&str, Stage)]) -> PruneOrder {
    let stories = stories.iter().map(|(story, stage)| (id(story), *stage)).collect();
    PruneOrder { stories, close: close_order("none"), all: false, pins: None }
}

#[test]
fn prune_takes_what_is_over_and_landed_and_nothing_else() {
    let world = World::new();
    landed(&world, "1_done");
    landed(&world, "2_deleted");
    landed(&world, "3_current");
    world.story("4_unlanded", "u.txt", "u\n");
    world.git(&world.root, &["branch", "feature/story-5_foreign"]);
    let mut order = prune_order(&[
        ("1_done", Stage::Done),
        ("3_current", Stage::Current),
        ("4_unlanded", Stage::Archived),
    ]);
    let expected = [
        PruneItem::Story(id("1_done")),
        PruneItem::Story(id("2_deleted")),
        PruneItem::Kept(
            id("4_unlanded"),
            "feature/story-4_unlanded has 1 commit that main does not have".into(),
        ),
    ];
    assert_eq!(plan_prune(&world.ground(), &order).unwrap(), expected);
    assert!(world.worktree("1_done").exists(), "a plan changes nothing");
    assert_eq!(prune(&world.ground(), &order, &mut |_, _| Ok(())).unwrap(), expected);
    for (story, there) in [("1_done", false), ("2_deleted", false), ("3_current", true), ("4_unlanded", true)]
    {
        assert_eq!(world.worktree(story).exists(), there, "{story}");
        assert_eq!(world.exists(&format!("refs/heads/feature/story-{story}")), there, "{story}");
    }
    order.all = true;
    let tip = world.rev(&world.root, "feature/story-4_unlanded");
    assert_eq!(
        prune(&world.ground(), &order, &mut |_, _| Ok(())).unwrap(),
        [PruneItem::Story(id("4_unlanded"))]
    );
    assert!(!world.exists("refs/storkit/landed/4_unlanded"));
    assert_eq!(world.rev(&world.root, "refs/storkit/old/4_unlanded/1"), tip);
    assert!(world.exists("refs/heads/feature/story-5_foreign"));
}

#[test]
fn only_asked_for_do_old_pins_go_and_never_those_of_a_living_branch() {
    let world = World::new();
    landed(&world, "1_done");
    world.story("2_current", "c.txt", "c\n");
    let mut order = prune_order(&[("1_done", Stage::Done), ("2_current", Stage::Current)]);
    prune(&world.ground(), &order, &mut |_, _| Ok(())).unwrap();
    assert!(world.exists("refs/storkit/old/1_done/1"));
    order.pins = Some(Pinning { before: 0 });
    assert_eq!(prune(&world.ground(), &order, &mut |_, _| Ok(())).unwrap(), []);
    order.pins = Some(Pinning { before: i64::MAX });
    let gone = [PruneItem::Pin("refs/storkit/old/1_done/1".to_owned())];
    assert_eq!(prune(&world.ground(), &order, &mut |_, _| Ok(())).unwrap(), gone);
    assert!(world.exists("refs/storkit/old/2_current/1") && world.exists("refs/storkit/landed/1_done"));
}

#[test]
fn diff_shows_the_work_with_what_is_uncommitted_and_without_the_board() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "committed\n");
    world.commit(&worktree, ".storkit/work/5_done/1_x.md", "board\n");
    write(&worktree.join("u.txt"), "uncommitted\n");
    world.commit(&world.root, "main.txt", "m\n");
    let mut order = DiffOrder {
        story: id("1_x"),
        base_branch: "main".to_owned(),
        stat: false,
        tree: None,
        since: None,
        ignore_space: false,
    };
    let text = diff(&world.ground(), &order).unwrap();
    assert!(text.contains("+committed") && text.contains("+uncommitted"));
    assert!(!text.contains("board") && !text.contains("main.txt"));
    order.stat = true;
    assert!(diff(&world.ground(), &order).unwrap().contains("2 files changed"));
    assert!(!world.exists("refs/storkit/snap/1_x/1"), "looking writes no ref");
}
