//! What a look finds, and what it does not trip over.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

#[test]
fn stories_are_found_and_everything_else_is_left_alone() {
    let project = Project::new();
    project.write(Stage::Backlog, "1_story_a.md", "# A\n");
    project.write(Stage::Current, "2_bug_b.md", "---\nname: B\n---\n");
    for odd in [".hidden.md", "3_x.md.swp", "3_x.md~", "README.md", "4913", "notes.txt", ".3_x.md.swp"] {
        project.write(Stage::Current, odd, "x");
    }
    std::fs::create_dir(project.path(Stage::Current, "4_folder.md")).expect("made");
    symlink("/dev/zero", project.path(Stage::Current, "5_zero.md")).expect("linked");
    symlink("../1_backlog/1_story_a.md", project.path(Stage::Current, "6_link.md")).expect("linked");
    symlink("7_loop.md", project.path(Stage::Current, "7_loop.md")).expect("linked");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        project.path(Stage::Current, "8_pipe.md"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a pipe");
    let scan = project.board().scan_all(7);
    assert_eq!(names(&scan), ["backlog/1_story_a.md", "current/2_bug_b.md"]);
    assert_eq!((scan.begin, scan.complete), (7, true));
    assert_eq!((scan.problems.len(), scan.missing_folders.len(), scan.by_git), (0, 0, false));
}

#[test]
fn a_bad_file_is_a_problem_of_its_own() {
    let project = Project::new();
    project.write(Stage::Current, "1_good.md", "");
    project.write(Stage::Current, "2 bad name.md", "x");
    project.write(Stage::Current, "3_latin.md", b"caf\xe9");
    project.write(Stage::Current, "4_open.md", "---\nname: x\n");
    let huge = std::fs::File::create(project.path(Stage::Current, "5_huge.md")).expect("made");
    huge.set_len(1 << 40).expect("sparse");
    let odd = std::ffi::OsStr::from_bytes(b"6_\xff.md");
    std::fs::write(project.layout.stage(Stage::Current).join(odd), "x").expect("written");
    project.write(Stage::Current, "7_rights.md", "x");
    let rights = project.path(Stage::Current, "7_rights.md");
    std::fs::set_permissions(&rights, std::fs::Permissions::from_mode(0o000)).expect("set");
    let board = project.board();
    let scan = board.scan_all(0);
    let seen = names(&scan);
    for problem in ["2 bad name.md", "3_latin.md", "4_open.md", "5_huge.md", "6_\\xff.md"] {
        assert!(seen.contains(&format!("!current/{problem}")), "{problem}: {seen:?}");
    }
    assert!(seen.contains(&"current/1_good.md".to_owned()));
    // A file without rights is a problem too, but not for root.
    assert!(seen.iter().any(|name| name.ends_with("current/7_rights.md")));
    let again = board.scan_paths(1, &[key(Stage::Current, "6_\\xff.md"), key(Stage::Current, "9_none.md")]);
    assert_eq!(names(&again), ["!current/6_\\xff.md"]);
    assert_eq!(again.absent, [key(Stage::Current, "9_none.md")]);
}

#[test]
fn an_unchanged_file_is_not_read_again() {
    let project = Project::new();
    project.write(Stage::Done, "1_a.md", "# A\n");
    project.write(Stage::Done, "2_b.md", "# B\n");
    let board = project.board();
    let first = board.scan_all(0);
    project.write(Stage::Done, "2_b.md", "# Bee\n");
    let second = board.scan_all(1);
    assert!(Arc::ptr_eq(&first.present[0].what, &second.present[0].what));
    assert!(!Arc::ptr_eq(&first.present[1].what, &second.present[1].what));
    let name = |scan: &Scan| scan.present[1].what.as_ref().clone().map(|story| story.name);
    assert_eq!(name(&second).as_deref(), Ok("Bee"));
    // The same length within the clock's grain: the young file is read again all the same.
    for text in ["# Bew\n", "# Bex\n", "# Bey\n"] {
        project.write(Stage::Done, "2_b.md", text);
        assert_eq!(name(&board.scan_all(2)).as_deref(), Ok(&text[2..5]));
    }
}

#[test]
fn both_ends_of_a_move_are_seen_in_one_look_at_either() {
    let project = Project::new();
    project.write(Stage::Backlog, "1_a.md", "# A\n");
    let board = project.board();
    board.scan_all(0);
    std::fs::rename(project.path(Stage::Backlog, "1_a.md"), project.path(Stage::Merge, "1_a.md"))
        .expect("moved");
    let scan = board.scan_paths(1, &[key(Stage::Backlog, "1_a.md")]);
    assert_eq!(names(&scan), ["merge/1_a.md"]);
    assert_eq!(scan.absent, [key(Stage::Backlog, "1_a.md")]);
    assert!(!scan.complete);
}

#[test]
fn an_empty_folder_that_git_took_away_is_made_again_and_one_with_a_story_never() {
    let project = Project::new();
    let board = project.board();
    board.scan_all(0);
    project.write(Stage::Qa, "1_a.md", "# A\n");
    board.scan_paths(1, &[key(Stage::Qa, "1_a.md")]);
    std::fs::remove_dir_all(project.layout.stage(Stage::Qa)).expect("removed");
    std::fs::remove_dir(project.layout.stage(Stage::Merge)).expect("removed");
    for begin in 2..4 {
        assert_eq!(board.scan_all(begin).missing_folders, [Stage::Qa]);
        assert!(project.layout.stage(Stage::Merge).is_dir());
    }
    let aside = project.layout.root().join("aside");
    std::fs::rename(project.layout.work(), &aside).expect("moved away");
    assert_eq!(board.scan_all(4).missing_folders.len(), 6);
    assert!(!project.layout.work().exists(), "nothing is made in the place of the whole board");
    std::fs::rename(&aside, project.layout.work()).expect("moved back");
    std::fs::remove_dir(project.layout.stage(Stage::Done)).expect("removed");
    assert_eq!(board.scan_all(5).missing_folders, [Stage::Qa]);
}

#[test]
fn a_folder_that_vanishes_is_named_and_one_made_anew_is_read() {
    let project = Project::new();
    project.write(Stage::Qa, "1_a.md", "# A\n");
    let board = project.board();
    board.scan_all(0);
    assert!(!board.folders_changed());
    std::fs::remove_dir_all(project.layout.stage(Stage::Qa)).expect("removed");
    assert!(board.folders_changed());
    let scan = board.scan_all(1);
    assert_eq!(scan.missing_folders, [Stage::Qa]);
    assert!(scan.absent.is_empty(), "nothing is known of its files");
    assert_eq!(board.scan_paths(2, &[key(Stage::Qa, "1_a.md")]).missing_folders, [Stage::Qa]);
    symlink(project.layout.stage(Stage::Done), project.layout.stage(Stage::Qa)).expect("linked");
    let scan = board.scan_all(3);
    assert_eq!((scan.missing_folders, scan.problems.len()), (vec![Stage::Qa], 1));
    std::fs::remove_file(project.layout.stage(Stage::Qa)).expect("removed");
    std::fs::create_dir(project.layout.stage(Stage::Qa)).expect("made");
    project.write(Stage::Qa, "2_b.md", "# B\n");
    assert_eq!(names(&board.scan_all(4)), ["qa/2_b.md"]);
}

#[test]
fn a_save_that_is_not_over_is_waited_for() {
    let project = Project::new();
    project.write(Stage::Current, "1_a.md", "---\nhold: true\n---\n");
    let board = project.board();
    board.scan_all(0);
    let path = project.path(Stage::Current, "1_a.md");
    project.write(Stage::Current, "1_a.md", "");
    let (begun, begin) = std::sync::mpsc::channel();
    let writer = crate::sys::task::spawn("test", move || {
        begin.recv().expect("told to begin");
        std::fs::write(path, "---\nhold: true\n---\nmore\n").expect("written");
    })
    .expect("a thread");
    begun.send(()).expect("it waits");
    let scan = board.scan_paths(1, &[key(Stage::Current, "1_a.md")]);
    writer.join().expect("written");
    let story = scan.present[0].what.as_ref().as_ref().expect("a story");
    assert!(story.hold.is_some(), "the empty file in between was taken for a story");
}

#[test]
fn a_hard_link_is_one_more_story() {
    let project = Project::new();
    project.write(Stage::Backlog, "1_a.md", "# A\n");
    std::fs::hard_link(project.path(Stage::Backlog, "1_a.md"), project.path(Stage::Done, "1_a.md"))
        .expect("linked");
    assert_eq!(names(&project.board().scan_all(0)), ["backlog/1_a.md", "done/1_a.md"]);
}

#[test]
fn ten_thousand_stories_are_looked_at_in_a_fraction_of_reading_them() {
    let project = Project::new();
    for n in 0..10_000 {
        project.write(
            Stage::ALL[n % 6],
            &format!("{n}_story_x.md"),
            format!("---\nname: Story {n}\n---\nText.\n"),
        );
    }
    // Young files are read again: wait until they are not.
    let board = project.board();
    assert_eq!(board.scan_all(0).present.len(), 10_000);
    let written = Instant::now();
    wait_for("the files are old enough", || written.elapsed() > Duration::from_millis(120));
    board.scan_all(1);
    let begin = Instant::now();
    for stage in Stage::ALL {
        for entry in std::fs::read_dir(project.layout.stage(stage)).expect("listed") {
            std::fs::read(entry.expect("listed").path()).expect("read");
        }
    }
    let reading = begin.elapsed();
    let begin = Instant::now();
    let scan = board.scan_all(2);
    let cached = begin.elapsed();
    assert_eq!(scan.present.len(), 10_000);
    assert!(cached < reading * 10, "cached {cached:?}, reading {reading:?}");
}
