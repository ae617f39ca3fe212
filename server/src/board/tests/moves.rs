//! Moving, making and deleting stories.

use storkit_core::facts::MoveEnd;
use storkit_core::story::Kind;

use super::*;

#[test]
fn a_move_replaces_nothing_and_names_its_source() {
    let project = Project::new();
    let board = project.board();
    let story = id("1_a");
    project.write(Stage::Backlog, "1_a.md", "mine\n");
    assert_eq!(board.move_story(&story, Stage::Backlog, Stage::Current), MoveEnd::Moved);
    assert_eq!(project.read(Stage::Current, "1_a.md"), "mine\n");
    assert_eq!(board.move_story(&story, Stage::Backlog, Stage::Qa), MoveEnd::SourceGone);
    project.write(Stage::Qa, "1_a.md", "theirs\n");
    assert_eq!(board.move_story(&story, Stage::Current, Stage::Qa), MoveEnd::TargetTaken);
    project.write(Stage::Done, "1_A.md", "other case\n");
    assert_eq!(board.move_story(&story, Stage::Current, Stage::Done), MoveEnd::TargetTaken);
    assert_eq!(project.read(Stage::Current, "1_a.md"), "mine\n");
    assert_eq!(project.read(Stage::Qa, "1_a.md"), "theirs\n");
    assert_eq!(board.move_story(&story, Stage::Current, Stage::Current), MoveEnd::Moved);
    std::fs::remove_dir(project.layout.stage(Stage::Archived)).expect("removed");
    assert!(matches!(board.move_story(&story, Stage::Current, Stage::Archived), MoveEnd::Failed(_)));
    std::os::unix::fs::symlink("/etc/passwd", project.path(Stage::Backlog, "9_l.md")).expect("linked");
    assert_eq!(board.move_story(&id("9_l"), Stage::Backlog, Stage::Current), MoveEnd::SourceGone);
}

#[test]
fn of_two_movers_one_moves() {
    let project = Project::new();
    let board = project.board();
    for round in 0..50 {
        let name = format!("{round}_a.md");
        project.write(Stage::Current, &name, "x");
        let path = project.path(Stage::Current, &name);
        let by_hand = project.path(Stage::Backlog, &name);
        let (end, hand) = std::thread::scope(|scope| {
            let hand = scope.spawn(|| std::fs::rename(path, by_hand).is_ok());
            let end = board.move_story(&id(&format!("{round}_a")), Stage::Current, Stage::Qa);
            (end, hand.join().expect("done"))
        });
        assert_eq!(end == MoveEnd::Moved, !hand, "{end:?}");
        assert_eq!(board.stages_of(&id(&format!("{round}_a"))).len(), 1);
    }
}

#[test]
fn new_stories_get_different_numbers_and_none_twice() {
    let project = Project::new();
    project.write(Stage::Archived, "41_story_old.md", "x");
    project.write(Stage::Backlog, "99999999999999_story_joke.md", "x");
    let boards = [project.board(), project.board()];
    let new = |title: &str| NewStory {
        title: title.to_owned(),
        kind: Kind::Bug,
        stage: Stage::Backlog,
        body: None,
    };
    let mut ids: Vec<StoryId> = std::thread::scope(|scope| {
        let makers: Vec<_> = boards
            .iter()
            .map(|board| {
                scope.spawn(|| {
                    (0..20).map(|_| board.create(&new("It: breaks"), 0).expect("made")).collect::<Vec<_>>()
                })
            })
            .collect();
        makers.into_iter().flat_map(|maker| maker.join().expect("done")).collect()
    });
    ids.sort_by_key(StoryId::number);
    let numbers: Vec<_> = ids.iter().filter_map(StoryId::number).collect();
    assert_eq!(numbers, (42..82).collect::<Vec<_>>());
    assert_eq!(ids[0], id("42_bug_it_breaks"));
    let scan = boards[0].scan_paths(0, &[key(Stage::Backlog, "42_bug_it_breaks.md")]);
    let story = scan.present[0].what.as_ref().as_ref().expect("a story");
    assert_eq!((story.name.as_str(), story.kind), ("It: breaks", Kind::Bug));
    // A number that was given is not given again, and one that the history knows is passed over.
    assert!(boards[0].delete(&ids[39], Stage::Backlog).expect("deleted"));
    assert!(!boards[0].delete(&ids[39], Stage::Backlog).expect("gone"));
    assert_eq!(boards[1].create(&new("x"), 0).expect("made").number(), Some(82));
    assert_eq!(boards[1].create(&new("x"), 100).expect("made").number(), Some(101));
    assert!(matches!(boards[0].create(&new(" \n"), 0), Err(CreateError::NoTitle)));
    // A text with front matter of its own has the title all the same, where it names none.
    let with = |body: &str| NewStory { body: Some(body.to_owned()), ..new("My: title") };
    let made = boards[0].create(&with("---\nqa: human\n---\nx\n"), 0).expect("made");
    let text = boards[0].read(&made, Stage::Backlog).expect("read").expect("a story");
    assert_eq!(text, b"---\nqa: human\nname: 'My: title'\n---\nx\n");
    let broken = boards[0].create(&with("---\nqa: [\n---\n"), 0);
    assert!(matches!(broken, Err(CreateError::FrontMatter(_))), "{broken:?}");
}

#[test]
fn a_board_over_two_file_systems_is_refused() {
    let project = Project::new();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let device =
        |path: &std::path::Path| std::os::unix::fs::MetadataExt::dev(&path.metadata().expect("there"));
    if device(other.path()) == device(project.dir.path()) {
        return;
    }
    std::fs::remove_dir(project.layout.stage(Stage::Qa)).expect("removed");
    std::os::unix::fs::symlink(other.path(), project.layout.stage(Stage::Qa)).expect("linked");
    assert!(matches!(Board::open(project.layout.clone()), Err(BoardError::OtherFileSystem(_))));
}
