//! The board's history in real repositories, by the library and by the command.

use super::*;
use crate::board::objects::Objects;
use crate::board::record::Recorder;

/// A recorder that uses the git command, as where git2 cannot open the repository.
fn by_command(project: &Project) -> Recorder {
    let mut recorder = Recorder::open(&project.layout, None).expect("opened");
    recorder.objects = Objects::Command(project.run_git());
    recorder
}

fn subjects(project: &Project) -> Vec<String> {
    project.git(&["log", "--format=%s", BOARD_REF]).lines().map(str::to_owned).collect()
}

#[test]
fn every_change_is_a_commit_and_no_change_is_none() {
    for command in [false, true] {
        let project = Project::with_git();
        let mut recorder = if command {
            by_command(&project)
        } else {
            Recorder::open(&project.layout, None).expect("opened")
        };
        let board = project.board();
        project.write(Stage::Backlog, "42_story_x.md", "one\n");
        assert!(recorder.commit().expect("committed").is_some());
        assert!(recorder.commit().expect("looked").is_none());
        board.move_story(&id("42_story_x"), Stage::Backlog, Stage::Current);
        recorder.commit().expect("committed");
        project.write(Stage::Current, "42_story_x.md", "two\n");
        project.write(Stage::Done, "7_a b.md", "a problem\n");
        recorder.commit().expect("committed");
        std::fs::remove_file(project.path(Stage::Current, "42_story_x.md")).expect("removed");
        recorder.commit().expect("committed");
        assert_eq!(
            subjects(&project),
            [
                "42_story_x: gone from current",
                "2 changes",
                "42_story_x: backlog → current",
                "42_story_x: new in backlog"
            ],
            "by command: {command}"
        );
        assert_eq!(
            project.git(&["log", "-1", "--format=%an <%ae>", BOARD_REF]).trim(),
            "storkit <storkit@localhost>"
        );
        let show = project.git(&["show", &format!("{BOARD_REF}~1:.storkit/work/2_current/42_story_x.md")]);
        assert_eq!(show, "two\n");
        project.git(&["fsck", "--strict"]);
        // The number of a story that is gone is not forgotten.
        assert_eq!(Recorder::open(&project.layout, None).expect("opened").highest(), 42);
        assert!(project.git(&["status", "--porcelain", "-uno"]).is_empty());
    }
}

#[test]
fn two_writers_of_the_history_lose_no_change() {
    let project = Project::with_git();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let project = &project;
            scope.spawn(move || {
                let mut recorder = Recorder::open(&project.layout, None).expect("opened");
                for n in 0..10 {
                    project.write(Stage::Backlog, &format!("{n}_{writer}.md"), "x");
                    // Beaten five times over is an error, and the next commit has it.
                    let _ = recorder.commit();
                }
            });
        }
    });
    Recorder::open(&project.layout, None).expect("opened").commit().expect("committed");
    let files = project.git(&["ls-tree", "-r", "--name-only", BOARD_REF]);
    assert_eq!(files.lines().count(), 20);
}

#[test]
fn the_thread_commits_at_once_then_at_most_once_a_second_and_the_rest_at_the_end() {
    let project = Project::with_git();
    let history = History::start(&project.layout, None).expect("started");
    history.flush().expect("written");
    for n in 1..=20 {
        project.write(Stage::Backlog, &format!("{n}_a.md"), "x");
        history.touch();
        std::thread::yield_now();
    }
    drop(history);
    assert!(subjects(&project).len() <= 3, "{:?}", subjects(&project));
    assert_eq!(project.git(&["ls-tree", "-r", "--name-only", BOARD_REF]).lines().count(), 20);
}

#[test]
fn log_restore_and_undo() {
    let project = Project::with_git();
    let board = project.quick_board();
    let (a, b) = (id("1_a"), id("2_b"));
    project.write(Stage::Backlog, "1_a.md", "first text\n");
    project.write(Stage::Backlog, "2_b.md", "b\n");
    let mut past = Past::open(&project.layout, None).expect("opened");
    // Moments are told apart by their second.
    let early = past.log(None, 1).expect("read")[0].at;
    wait_for("the second is over", || jiff::Timestamp::now().as_second() > early.as_second());
    board.move_story(&a, Stage::Backlog, Stage::Current);
    past.commit().expect("committed");
    project.write(Stage::Current, "1_a.md", "second text\n");
    past.commit().expect("committed");

    let told: Vec<String> =
        past.log(Some(&a), 10).expect("read").into_iter().map(|change| change.message).collect();
    assert_eq!(told, ["1_a: edited in current", "1_a: backlog → current", "1_a: new in backlog"]);
    assert_eq!(past.log(None, 2).expect("read").len(), 2);
    assert_eq!(past.log(Some(&b), 10).expect("read").len(), 1);

    // Undo takes the move back, and again.
    let undone = past.undo(&board, Some(&a)).expect("done").expect("there was a move");
    assert_eq!((undone.from, undone.to), (Stage::Current, Stage::Backlog));
    assert_eq!(project.read(Stage::Backlog, "1_a.md"), "second text\n");
    let undone = past.undo(&board, None).expect("done").expect("there was a move");
    assert_eq!((undone.id, undone.to), (a.clone(), Stage::Current));
    assert!(past.undo(&board, Some(&b)).expect("done").is_none());

    // What has landed stays closed.
    board.move_story(&b, Stage::Backlog, Stage::Done);
    project.git(&["update-ref", "refs/storkit/landed-as/2_b", BOARD_REF]);
    for story in [Some(&b), None] {
        let refused = past.undo(&board, story).expect_err("closed");
        assert!(refused.to_string().contains("git revert"), "{refused}");
    }
    assert_eq!(board.stages_of(&b), [Stage::Done]);

    // What is gone comes back where it was, as it was.
    std::fs::remove_file(project.path(Stage::Current, "1_a.md")).expect("removed");
    assert_eq!(past.restore(&board, &a, None).expect("done"), Restored::Created(Stage::Current));
    assert_eq!(project.read(Stage::Current, "1_a.md"), "second text\n");
    assert_eq!(past.restore(&board, &a, None).expect("done"), Restored::Unchanged(Stage::Current));
    assert_eq!(past.restore(&board, &id("9_z"), None).expect("done"), Restored::Unknown);

    // An unsaved change is in the history before it is replaced.
    project.write(Stage::Current, "1_a.md", "precious\n");
    project.git(&["update-ref", "refs/test/then", &format!("{BOARD_REF}~1")]);
    let end = past.restore(&board, &a, Some(early)).expect("done");
    assert_eq!(end, Restored::Moved { from: Stage::Current, to: Stage::Backlog, rewritten: true });
    assert_eq!(project.read(Stage::Backlog, "1_a.md"), "first text\n");
    let all = project.git(&["log", "-p", "--format=", BOARD_REF]);
    assert!(all.contains("precious"));
}

#[test]
fn a_lock_that_a_killed_storkit_left_does_not_end_the_history() {
    let project = Project::with_git();
    project.write(Stage::Backlog, "1_a.md", "text\n");
    let mut past = Past::open(&project.layout, None).expect("opened");
    let lock = project.layout.root().join(".git").join(format!("{BOARD_REF}.lock"));
    std::fs::write(&lock, "").expect("a lock");
    project.write(Stage::Backlog, "2_b.md", "text\n");
    assert!(past.commit().expect("committed").is_some());
    assert!(!lock.exists());
}

#[test]
fn a_board_that_was_taken_away_comes_back_whole() {
    let project = Project::with_git();
    let board = project.quick_board();
    for n in 1..=5 {
        project.write(Stage::ALL[n], &format!("{n}_a.md"), format!("text {n}\n"));
    }
    let mut past = Past::open(&project.layout, None).expect("opened");
    let at = past.log(None, 1).expect("read")[0].at;
    // The next commit must be in another second to be told from this one by its time.
    wait_for("the second is over", || jiff::Timestamp::now().as_second() > at.as_second());
    project.git(&["clean", "-fdqx"]);
    let scan = board.scan_all(0);
    assert_eq!(scan.missing_folders.len(), 6);
    project.layout.make_run().expect("made again");
    let restored = past.restore_all(&board, at).expect("done");
    assert_eq!(restored.len(), 5);
    assert!(restored.iter().all(|(_, end)| matches!(end, Restored::Created(_))), "{restored:?}");
    assert_eq!(project.read(Stage::Done, "4_a.md"), "text 4\n");
}
