//! Making worktrees ready.

use storkit_core::config::model::{Component, Worktrees};
use storkit_core::facts::PrepareEnd;

use crate::git::testing::{World, id, prepare_order, read, write};
use crate::sys::cancel::{Cancel, How};
use crate::worktrees::setup::CommandFailed;
use crate::worktrees::{MergeTreeEnd, MergeTreeOrder, changed_tracked, merge_tree_at, prepare};

fn blocked(end: PrepareEnd) -> String {
    match end {
        PrepareEnd::Blocked(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_story_gets_a_branch_from_base_and_a_worktree() {
    let world = World::new();
    let base = world.rev(&world.root, "main");
    let end = world.prepare("1_x");
    let worktree = world.worktree("1_x");
    assert_eq!(
        end,
        PrepareEnd::Ready { worktree: worktree.to_str().unwrap().to_owned(), base: base.clone() }
    );
    assert_eq!(world.git(&worktree, &["rev-parse", "--abbrev-ref", "HEAD"]), "feature/story-1_x");
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), "");
    assert_eq!(read(&worktree.join("dir/b.txt")), "b\n");
    assert_eq!(world.rev(&world.root, "refs/storkit/old/1_x/1"), base);
    assert_eq!(world.git(&world.root, &["status", "--porcelain"]), "");
}

#[test]
fn a_worktree_that_is_there_is_used_as_it_is() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    write(&worktree.join("a.txt"), "half\n");
    write(&worktree.join("untracked"), "u\n");
    world.commit(&world.root, "later.txt", "l\n");
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert_eq!(read(&worktree.join("a.txt")), "half\n");
    assert_eq!(read(&worktree.join("untracked")), "u\n");
    assert!(!worktree.join("later.txt").exists());
}

#[test]
fn a_worktree_in_the_middle_of_a_rebase_is_used_as_it_is() {
    let world = World::new();
    let worktree = world.story("1_x", "a.txt", "agent\n");
    world.commit(&world.root, "a.txt", "person\n");
    world.try_git(&worktree, &["rebase", "main"]);
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert!(world.git(&worktree, &["status"]).contains("rebase in progress"));
}

#[test]
fn a_worktree_that_is_gone_is_made_again_from_its_branch() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    std::fs::remove_dir_all(&worktree).unwrap();
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert_eq!(read(&worktree.join("n.txt")), "n\n");
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), "");
}

#[test]
fn a_worktree_whose_git_file_is_gone_is_kept_in_git_and_made_again() {
    let world = World::new();
    let worktree = world.story("1_x", "n.txt", "n\n");
    write(&worktree.join("untracked"), "bytes\n");
    std::fs::remove_file(worktree.join(".git")).unwrap();
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert!(!worktree.join("untracked").exists());
    assert_eq!(world.git(&world.root, &["show", "refs/storkit/snap/1_x/1:untracked"]), "bytes");
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), "");
}

#[test]
fn a_strange_folder_in_its_place_is_kept_in_git_or_blocks() {
    let world = World::new();
    write(&world.worktree("1_x").join("mine"), "bytes\n");
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert_eq!(world.git(&world.root, &["show", "refs/storkit/snap/1_x/1:mine"]), "bytes");
    let own = world.worktree("2_y");
    std::fs::create_dir_all(&own).unwrap();
    world.git(&own, &["init", "--quiet"]);
    assert!(blocked(world.prepare("2_y")).contains("a repository of its own"));
    assert!(own.join(".git").exists());
    std::os::unix::fs::symlink("/tmp", world.worktree("3_z")).unwrap();
    assert!(blocked(world.prepare("3_z")).contains("is not a folder"));
}

#[test]
fn a_checkout_that_was_cut_short_is_done_again() {
    let world = World::new();
    world.prepare("1_x");
    let worktree = world.worktree("1_x");
    let admin = world.root.join(".git/worktrees/1_x");
    std::fs::remove_file(admin.join("index")).unwrap();
    write(&admin.join("index.lock"), "half");
    std::fs::remove_dir_all(worktree.join("dir")).unwrap();
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert_eq!(world.git(&worktree, &["status", "--porcelain"]), "");
    assert_eq!(read(&worktree.join("dir/b.txt")), "b\n");
}

#[test]
fn a_branch_with_unlanded_work_gets_a_worktree_and_one_without_begins_anew() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    world.git(&world.root, &["worktree", "remove", "--force", ".storkit/worktrees/1_x"]);
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert_eq!(read(&world.worktree("1_x").join("n.txt")), "n\n");
    let order = world.landing("1_x");
    crate::git::landing::advance(&world.repo(), &order).unwrap();
    world.git(&world.root, &["worktree", "remove", "--force", ".storkit/worktrees/1_x"]);
    let later = world.commit(&world.root, "later.txt", "l\n");
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert_eq!(world.rev(&world.root, "feature/story-1_x"), later);
    let pins = world.git(&world.root, &["for-each-ref", "--format=%(objectname)", "refs/storkit/old/1_x/"]);
    let reachable =
        |pin: &str| world.try_git(&world.root, &["merge-base", "--is-ancestor", order.tip.as_str(), pin]).0;
    assert!(pins.lines().any(reachable), "the old tip is not pinned");
}

#[test]
fn a_branch_that_storkit_never_made_blocks() {
    let world = World::new();
    world.git(&world.root, &["branch", "feature/story-1_x"]);
    assert!(blocked(world.prepare("1_x")).contains("storkit did not make it"));
    assert!(!world.worktree("1_x").exists());
}

#[test]
fn a_branch_that_is_checked_out_elsewhere_blocks() {
    let world = World::new();
    world.story("1_x", "n.txt", "n\n");
    world.git(&world.root, &["worktree", "remove", "--force", ".storkit/worktrees/1_x"]);
    let other = world.folder().join("other");
    world.git(&world.root, &["worktree", "add", "--quiet", other.to_str().unwrap(), "feature/story-1_x"]);
    assert!(blocked(world.prepare("1_x")).contains(other.to_str().unwrap()));
}

#[test]
fn a_branch_called_feature_blocks_and_is_named() {
    let world = World::new();
    world.git(&world.root, &["branch", "feature"]);
    assert!(world.repo().clash().unwrap().unwrap().contains("git branch -m feature"));
    assert!(blocked(world.prepare("1_x")).contains("a branch called `feature`"));
}

#[test]
fn no_base_waits_and_none_is_made() {
    let world = World::new();
    world.git(&world.root, &["branch", "--move", "main", "trunk"]);
    let waits = PrepareEnd::Waits("base branch main does not exist".to_owned());
    assert_eq!(world.prepare("1_x"), waits);
    world.git(&world.root, &["switch", "--quiet", "--orphan", "main"]);
    assert_eq!(world.repo().base_default().unwrap().as_deref(), Some("main"));
    assert_eq!(world.prepare("1_x"), waits);
    assert!(!world.exists("refs/heads/main"));
}

#[test]
fn eight_stories_at_once_all_get_their_worktree() {
    let world = World::new();
    world.git(&world.root, &["config", "branch.autoSetupMerge", "always"]);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let world = &world;
                    move || world.prepare(&format!("{n}_x"))
                })
            })
            .collect();
        for thread in threads {
            let end = thread.join().unwrap();
            assert!(matches!(end, PrepareEnd::Ready { .. }), "{end:?}");
        }
    });
    for n in 0..8 {
        assert_eq!(world.git(&world.worktree(&format!("{n}_x")), &["status", "--porcelain"]), "");
    }
    assert!(!read(&world.root.join(".git/config")).contains("branch \"feature"));
}

#[test]
fn files_are_copied_and_setup_runs_once_in_its_folders() {
    let world = World::new();
    write(&world.root.join("x.ignored"), "secret\n");
    write(&world.root.join("dir/y.ignored"), "secret\n");
    let copy = ["x.ignored", "dir/y.ignored", "../outside", "missing"].map(str::to_owned).to_vec();
    let worktrees = Worktrees { copy, setup: vec!["first".to_owned()], ..Worktrees::default() };
    let mut order = prepare_order("1_x", worktrees);
    let component = |path: &str| Component {
        name: path.to_owned(),
        path: path.to_owned(),
        setup: vec!["second".to_owned()],
        teardown: Vec::new(),
    };
    order.components.push(component("dir"));
    let mut ran = Vec::new();
    let mut fail = true;
    for _ in 0..3 {
        let end = prepare(
            &world.ground(),
            &order,
            &mut |cwd, command| {
                ran.push((cwd.to_owned(), command.to_owned()));
                if std::mem::take(&mut fail) { Err(CommandFailed("the tail".to_owned())) } else { Ok(()) }
            },
            &Cancel::new(),
        );
        if ran.len() == 1 {
            assert_eq!(end, PrepareEnd::SetupFailed("`first` failed\nthe tail".to_owned()));
        } else {
            assert!(matches!(end, PrepareEnd::Ready { .. }), "{end:?}");
        }
    }
    let at = world.worktree("1_x");
    let first = (at.clone(), "first".to_owned());
    assert_eq!(ran, [first.clone(), first, (at.join("dir"), "second".to_owned())]);
    assert_eq!(read(&at.join("x.ignored")), "secret\n");
    assert_eq!(read(&at.join("dir/y.ignored")), "secret\n");
}

#[test]
fn links_of_a_branch_lead_neither_copies_nor_setup_outside() {
    let world = World::new();
    let outside = world.folder().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    write(&world.root.join("link/x.ignored"), "secret\n");
    world.prepare("1_x");
    let worktree = world.worktree("1_x");
    std::os::unix::fs::symlink(&outside, worktree.join("link")).unwrap();
    world.commit_all(&worktree, "link");
    world.git(&world.root, &["worktree", "remove", "--force", ".storkit/worktrees/1_x"]);
    let copy = vec!["link/x.ignored".to_owned()];
    let mut order = prepare_order("1_x", Worktrees { copy, ..Worktrees::default() });
    let setup = vec!["command".to_owned()];
    order.components.push(Component { name: "c".into(), path: "link".into(), setup, teardown: Vec::new() });
    let end = prepare(&world.ground(), &order, &mut |_, _| panic!("it ran"), &Cancel::new());
    assert_eq!(end, PrepareEnd::SetupFailed("link is no folder of the worktree".to_owned()));
    assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
}

#[test]
fn a_cancelled_preparation_says_so() {
    let world = World::new();
    let cancel = Cancel::new();
    cancel.raise(How::Now);
    let order = prepare_order("1_x", Worktrees::default());
    let end = prepare(&world.ground(), &order, &mut |_, _| Ok(()), &cancel);
    assert_eq!(end, PrepareEnd::Cancelled);
    assert!(matches!(world.prepare("1_x"), PrepareEnd::Ready { .. }));
    assert_eq!(world.git(&world.worktree("1_x"), &["status", "--porcelain"]), "");
}

#[test]
fn a_worktree_folder_outside_of_the_repository_works() {
    let world = World::new();
    let elsewhere = world.folder().join("else where\u{fc}");
    let ground = crate::worktrees::Ground::new(&world.repo(), "../else where\u{fc}").unwrap();
    assert_eq!(ground.dir(), elsewhere);
    std::os::unix::fs::symlink(&elsewhere, world.root.join("link")).unwrap();
    assert!(crate::worktrees::Ground::new(&world.repo(), "link").is_err());
    let order = prepare_order("1_x", Worktrees::default());
    let end = prepare(&ground, &order, &mut |_, _| Ok(()), &Cancel::new());
    assert!(matches!(end, PrepareEnd::Ready { .. }), "{end:?}");
    assert_eq!(world.git(&elsewhere.join("1_x"), &["status", "--porcelain"]), "");
}

#[test]
fn a_submodule_is_left_empty_and_line_ends_and_odd_names_are_no_change() {
    let world = World::new();
    let sub = world.folder().join("sub");
    std::fs::create_dir_all(&sub).unwrap();
    world.git(&sub, &["init", "--quiet"]);
    world.commit(&sub, "s", "s");
    let add =
        ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", sub.to_str().unwrap(), "sub"];
    world.git(&world.root, &add);
    write(&world.root.join(".gitattributes"), "*.crlf text eol=crlf\n");
    write(&world.root.join("x.crlf"), "a\r\nb\r\n");
    write(&world.root.join("odd \"\n\t\u{e9}.txt"), "x\n");
    world.commit_all(&world.root, "odd");
    let worktree = world.story("1_x", "-n \u{fc}\n.txt", "n\n");
    assert_eq!(read(&worktree.join("x.crlf")), "a\r\nb\r\n");
    let facts = crate::worktrees::inspect(&world.ground(), &crate::git::testing::facts_order("1_x")).unwrap();
    assert_eq!((facts.ahead, facts.broken, facts.unsafe_to_remove), (1, None, None));
    let order = world.landing("1_x");
    let end = crate::git::landing::advance(&world.repo(), &order).unwrap();
    assert_eq!(end, storkit_core::facts::AdvanceEnd::Advanced);
    assert_eq!(read(&world.root.join("-n \u{fc}\n.txt")), "n\n");
}

#[test]
fn the_merge_worktree_is_reset_and_keeps_what_is_ignored() {
    let world = World::new();
    world.story("1_x", "lock", "1\n");
    let first = world.landing("1_x").commit;
    let worktrees = Worktrees {
        setup: vec!["build".to_owned()],
        setup_when: vec!["lock".to_owned()],
        ..Worktrees::default()
    };
    let mut runs = 0;
    let mut at = |commit: &storkit_core::ids::Oid| {
        let order =
            MergeTreeOrder { commit: commit.clone(), worktrees: worktrees.clone(), components: Vec::new() };
        let mut setup = |_: &std::path::Path, _: &str| {
            runs += 1;
            Ok(())
        };
        match merge_tree_at(&world.ground(), &order, &mut setup, &Cancel::new()) {
            MergeTreeEnd::Ready(path) => (std::path::PathBuf::from(path), runs),
            other => panic!("{other:?}"),
        }
    };
    let (tree, ran) = at(&first);
    assert_eq!((read(&tree.join("lock")).as_str(), ran), ("1\n", 1));
    assert_eq!(changed_tracked(&world.ground(), ".merge", &first).unwrap(), Vec::<String>::new());
    write(&tree.join("a.txt"), "gate\n");
    write(&tree.join("untracked/u"), "u");
    write(&tree.join("x.ignored"), "cache\n");
    assert_eq!(changed_tracked(&world.ground(), ".merge", &first).unwrap(), ["a.txt"]);
    world.git(&tree, &["commit", "--quiet", "-am", "a gate commits"]);
    assert_eq!(changed_tracked(&world.ground(), ".merge", &first).unwrap(), ["a.txt"]);
    let (tree, ran) = at(&first);
    assert_eq!(ran, 1);
    assert_eq!(world.git(&tree, &["status", "--porcelain", "--ignored"]), "!! x.ignored");
    assert_eq!(world.rev(&tree, "HEAD"), first);
    world.commit(&world.worktree("1_x"), "lock", "2\n");
    let (_, ran) = at(&world.landing("1_x").commit);
    assert_eq!(ran, 2);
    std::fs::remove_dir_all(&tree).unwrap();
    let (tree, ran) = at(&first);
    assert_eq!((read(&tree.join("lock")).as_str(), ran), ("1\n", 3));
    // Damaged, it is kept and made anew.
    std::fs::remove_file(tree.join(".git")).unwrap();
    write(&tree.join("stray"), "kept\n");
    let (tree, ran) = at(&first);
    assert_eq!((tree.join("stray").exists(), ran), (false, 4));
    let snaps = world.git(&world.root, &["for-each-ref", "--format=%(refname)", "refs/storkit/snap/merge/"]);
    assert_eq!(world.git(&world.root, &["show", &format!("{}:stray", snaps.trim())]), "kept");
}

#[test]
fn ids_that_differ_by_a_suffix_do_not_disturb_each_other() {
    let world = World::new();
    // git calls its record of a second worktree of the same name `x1`.
    let other = world.folder().join("elsewhere/x");
    world.git(&world.root, &["worktree", "add", "--quiet", "--detach", other.to_str().unwrap()]);
    for story in ["x", "x1", "x.y", "x-y"] {
        world.story(story, "n.txt", story);
    }
    for story in ["x", "x1", "x.y", "x-y"] {
        let pins = world.ground().tree(story).unwrap();
        assert_eq!(pins.work_tree, world.worktree(story));
        assert_eq!(read(&pins.work_tree.join("n.txt")), story);
        assert_eq!(world.landing(story).story, id(story));
    }
}
