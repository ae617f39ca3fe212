//! Telling git's changes of the board from a person's, with real git.

use super::*;

fn eye(project: &Project) -> GitEye {
    GitEye::open(&project.layout, project.dir.path().join(".git"), None).expect("opened")
}

/// A project with a tracked board of three stories, and a branch `old` where they are in other stages.
fn tracked() -> Project {
    let project = Project::with_git();
    for n in 1..=3 {
        project.write(Stage::Current, &format!("{n}_a.md"), format!("text {n}\n"));
    }
    project.git(&["add", "-A", ".storkit/work"]);
    project.git(&["commit", "-q", "-m", "board"]);
    project.git(&["branch", "old"]);
    for n in 1..=3 {
        let name = format!("{n}_a.md");
        std::fs::rename(project.path(Stage::Current, &name), project.path(Stage::Done, &name))
            .expect("moved");
    }
    project.git(&["add", "-A", ".storkit/work"]);
    project.git(&["commit", "-q", "-m", "done"]);
    for stage in Stage::ALL {
        std::fs::create_dir_all(project.layout.stage(stage)).expect("made");
    }
    project
}

#[test]
fn a_switch_is_gits_doing_and_a_move_after_it_is_a_persons() {
    for run in [false, true] {
        let project = tracked();
        let mut its = eye(&project);
        if run {
            let run_git = project.run_git();
            its = GitEye::open(&project.layout, project.dir.path().join(".git"), Some(&run_git))
                .expect("opened");
        }
        let board = project.board().with_eye(its);
        assert!(!board.scan_all(0).by_git);
        project.git(&["switch", "-q", "old"]);
        let scan = board.scan_all(1);
        assert!(scan.by_git, "{:?}", names(&scan));
        let (from, to) = (project.path(Stage::Current, "1_a.md"), project.path(Stage::Qa, "1_a.md"));
        std::fs::create_dir_all(project.layout.stage(Stage::Qa)).expect("made");
        std::fs::rename(from, to).expect("moved");
        assert!(!board.scan_all(2).by_git);
    }
}

#[test]
fn a_switch_seen_while_it_happens_is_gits_doing() {
    let project = tracked();
    let board = project.board().with_eye(eye(&project));
    board.scan_all(0);
    // As git does it: the index is locked, then files are written, and HEAD moves last.
    let lock = project.dir.path().join(".git/index.lock");
    std::fs::write(&lock, "").expect("written");
    for n in 1..=3 {
        std::fs::remove_file(project.path(Stage::Done, &format!("{n}_a.md"))).expect("removed");
        project.write(Stage::Current, &format!("{n}_a.md"), format!("text {n}\n"));
    }
    let (begun, begin) = std::sync::mpsc::channel();
    let scan = std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            begun.send(()).expect("heard");
            board.scan_all(1)
        });
        begin.recv().expect("begun");
        project.git(&["symbolic-ref", "HEAD", "refs/heads/old"]);
        std::fs::remove_file(&lock).expect("removed");
        looker.join().expect("looked")
    });
    assert_eq!(scan.absent.len(), 3);
    assert!(scan.by_git);
}

#[test]
fn a_real_switch_is_never_taken_for_a_persons() {
    let project = tracked();
    let board = project.board().with_eye(eye(&project));
    board.scan_all(0);
    let mut scans = Vec::new();
    std::thread::scope(|scope| {
        let git = scope.spawn(|| project.git(&["switch", "-q", "old"]));
        while !git.is_finished() {
            scans.push(board.scan_all(1));
        }
    });
    scans.push(board.scan_all(2));
    // git removes folders that it emptied: those are told of by themselves.
    let first = scans.iter().find(|scan| {
        scan.present.iter().any(|seen| seen.key.stage == Stage::Current)
            || scan.absent.iter().any(|key| key.stage == Stage::Done)
    });
    assert!(first.expect("the change was seen").by_git);
}

#[test]
fn a_stash_takes_the_board_away_and_is_gits_doing() {
    let project = Project::with_git();
    for stage in Stage::ALL {
        // A file that git leaves there keeps the folder.
        project.write(stage, ".gitkeep", "");
    }
    project.git(&["add", "-f", ".storkit"]);
    project.git(&["commit", "-q", "-m", "folders"]);
    project.write(Stage::Current, "1_a.md", "text\n");
    let board = project.board().with_eye(eye(&project));
    board.scan_all(0);
    project.git(&["stash", "-q", "-u", "--", ".storkit/work"]);
    let scan = board.scan_all(1);
    assert_eq!(scan.absent, [key(Stage::Current, "1_a.md")]);
    assert!(scan.by_git);
}

#[test]
fn a_fast_forward_by_pull_is_gits_doing() {
    let project = tracked();
    project.git(&["switch", "-q", "old"]);
    for stage in Stage::ALL {
        std::fs::create_dir_all(project.layout.stage(stage)).expect("made");
    }
    let board = project.board().with_eye(eye(&project));
    board.scan_all(0);
    project.git(&["pull", "-q", "--ff-only", ".", "main"]);
    assert!(board.scan_all(1).by_git);
}

#[test]
fn a_persons_commit_of_what_was_seen_is_nothing() {
    let project = tracked();
    let board = project.board().with_eye(eye(&project));
    board.scan_all(0);
    std::fs::rename(project.path(Stage::Done, "1_a.md"), project.path(Stage::Archived, "1_a.md"))
        .expect("moved");
    assert!(!board.scan_all(1).by_git);
    project.git(&["add", "-A", ".storkit/work"]);
    project.git(&["commit", "-q", "-m", "archive"]);
    assert!(!board.scan_all(2).by_git);
    // Moved and committed before anyone looked: still a person's move.
    std::fs::rename(project.path(Stage::Done, "2_a.md"), project.path(Stage::Archived, "2_a.md"))
        .expect("moved");
    project.git(&["add", "-A", ".storkit/work"]);
    project.git(&["commit", "-q", "-m", "archive"]);
    let scan = board.scan_all(3);
    assert_eq!(scan.absent, [key(Stage::Done, "2_a.md")]);
    assert!(!scan.by_git);
    // Deleted by hand after a commit: HEAD moved, and yet git did not do it.
    std::fs::remove_file(project.path(Stage::Done, "3_a.md")).expect("removed");
    assert!(!board.scan_all(4).by_git);
}

#[test]
fn new_stories_beside_someone_elses_commit_are_a_persons() {
    let project = tracked();
    let board = project.board().with_eye(eye(&project));
    board.scan_all(0);
    project.git(&["commit", "-q", "--allow-empty", "-m", "something else"]);
    project.write(Stage::Backlog, "9_new.md", "text\n");
    let scan = board.scan_all(1);
    assert!(names(&scan).contains(&"backlog/9_new.md".to_owned()));
    assert!(!scan.by_git);
}
