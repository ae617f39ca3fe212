//! Writing storkit's keys while people save.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};

use storkit_core::facts::{Edit, EditEnd};

use super::*;

fn blocked(why: &str) -> Vec<Edit> {
    vec![Edit::Blocked(Some(why.to_owned()))]
}

/// Reconciles until the file has what is asked for.
fn settle(board: &Board, project: &Project, name: &str, want: impl Fn(&str) -> bool) {
    wait_for("the file has what it should have", || {
        board.reconcile_kept();
        want(&project.read(Stage::Current, name))
    });
}

#[test]
fn an_edit_changes_its_key_alone_and_keeps_rights() {
    let project = Project::new();
    let board = project.board();
    let text = "---\r\nname: x # mine\r\nodd: [1,  2]\r\n---\r\nBody without an end";
    project.write(Stage::Current, "1_a.md", text);
    let path = project.path(Stage::Current, "1_a.md");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
    let EditEnd::Written { content } = board.edit(&id("1_a"), Stage::Current, &blocked("why")) else {
        panic!("it can be written");
    };
    let now = project.read(Stage::Current, "1_a.md");
    assert_eq!(now.replace("blocked: why\r\n", ""), text);
    assert_eq!(path.metadata().expect("there").mode() & 0o7777, 0o640);
    let scan = board.scan_all(0);
    assert_eq!(scan.present[0].what.as_ref().as_ref().map(|story| story.content), Ok(content));
    // Again is nothing; the other way brings the old bytes back.
    let before = path.metadata().expect("there").ino();
    assert_eq!(board.edit(&id("1_a"), Stage::Current, &blocked("why")), EditEnd::Written { content });
    assert_eq!(path.metadata().expect("there").ino(), before);
    board.edit(&id("1_a"), Stage::Current, &[Edit::Blocked(None)]);
    assert_eq!(project.read(Stage::Current, "1_a.md"), text);
    assert!(board.has_kept());
    assert!(board.reconcile_kept().is_empty());
}

#[test]
fn a_file_that_is_gone_broken_or_elsewhere_is_not_written() {
    let project = Project::new();
    let board = project.quick_board();
    assert_eq!(board.edit(&id("1_a"), Stage::Current, &blocked("x")), EditEnd::SourceGone);
    project.write(Stage::Qa, "1_a.md", "x");
    let begin = Instant::now();
    assert_eq!(board.edit(&id("1_a"), Stage::Current, &blocked("x")), EditEnd::SourceGone);
    assert!(begin.elapsed() < Duration::from_secs(1), "elsewhere is gone at once");
    project.write(Stage::Current, "2_b.md", "---\nname: [\n---\n");
    assert_eq!(board.edit(&id("2_b"), Stage::Current, &blocked("x")), EditEnd::Broken);
    assert_eq!(project.read(Stage::Current, "2_b.md"), "---\nname: [\n---\n");
    std::os::unix::fs::symlink("2_b.md", project.path(Stage::Current, "3_c.md")).expect("linked");
    assert!(matches!(board.edit(&id("3_c"), Stage::Current, &blocked("x")), EditEnd::Failed(_)));
}

#[test]
fn an_edit_waits_for_a_file_at_rest() {
    let project = Project::new();
    let board = project.board();
    project.write(Stage::Current, "1_a.md", "text\n");
    let begin = Instant::now();
    board.edit(&id("1_a"), Stage::Current, &blocked("x"));
    assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
    // storkit's own write is no unrest.
    let begin = Instant::now();
    board.edit(&id("1_a"), Stage::Current, &[Edit::Hold(Some("x".to_owned()))]);
    assert!(begin.elapsed() < Duration::from_millis(400), "{:?}", begin.elapsed());
}

#[test]
fn an_editor_that_truncated_before_and_writes_after_the_edit_loses_nothing() {
    let project = Project::new();
    let board = project.quick_board();
    project.write(Stage::Current, "1_a.md", "old\n");
    let mut editor = File::options()
        .write(true)
        .truncate(true)
        .open(project.path(Stage::Current, "1_a.md"))
        .expect("opened");
    // It stays open and empty for longer than storkit tries.
    assert!(matches!(board.edit(&id("1_a"), Stage::Current, &blocked("why")), EditEnd::Written { .. }));
    editor.write_all(b"typed\n").expect("written");
    drop(editor);
    settle(&board, &project, "1_a.md", |text| text.contains("typed\n") && text.contains("blocked: why"));
    assert!(board.reconcile_kept().is_empty());
}

#[test]
fn a_late_save_does_not_undo_a_later_one() {
    let project = Project::new();
    let board = project.quick_board();
    project.write(Stage::Current, "1_a.md", "old\n");
    let path = project.path(Stage::Current, "1_a.md");
    let mut editor = File::options().write(true).open(&path).expect("opened");
    board.edit(&id("1_a"), Stage::Current, &blocked("why"));
    editor.write_all(b"late\n").expect("written");
    // Another save, by name, after it.
    let late = editor.metadata().expect("open").modified().expect("a time");
    wait_for("the clock of files goes on", || {
        std::fs::write(&path, "latest\n").expect("written");
        path.metadata().expect("there").modified().expect("a time") > late
    });
    drop(editor);
    board.reconcile_kept();
    board.reconcile_kept();
    assert_eq!(project.read(Stage::Current, "1_a.md"), "latest\n");
}

#[test]
fn later_edits_of_storkit_stay_on_top_of_late_bytes_also_after_a_restart() {
    let project = Project::new();
    let board = project.quick_board();
    project.write(Stage::Current, "1_a.md", "old\n");
    let mut editor =
        File::options().write(true).open(project.path(Stage::Current, "1_a.md")).expect("opened");
    board.edit(&id("1_a"), Stage::Current, &blocked("why"));
    board.edit(&id("1_a"), Stage::Current, &[Edit::Hold(Some("wait".to_owned()))]);
    let question = Edit::AppendQuestion { number: 1, text: "Which?".to_owned() };
    board.edit(&id("1_a"), Stage::Current, &[Edit::Question(Some(1)), question]);
    drop(board);
    editor.write_all(b"typed on\n").expect("written");
    drop(editor);
    let board = project.quick_board();
    settle(&board, &project, "1_a.md", |text| text.contains("typed on\n"));
    let text = project.read(Stage::Current, "1_a.md");
    for part in ["blocked: why", "hold: wait", "question: 1", "## Question 1", "Which?"] {
        assert_eq!(text.matches(part).count(), 1, "{part} in {text}");
    }
}

#[test]
fn late_bytes_that_do_not_parse_go_back_as_they_are() {
    let project = Project::new();
    let board = project.quick_board();
    project.write(Stage::Current, "1_a.md", "old\n");
    let mut editor =
        File::options().write(true).open(project.path(Stage::Current, "1_a.md")).expect("opened");
    board.edit(&id("1_a"), Stage::Current, &blocked("why"));
    let broken = "---\nname: [\n---\nmy text\n";
    editor.write_all(broken.as_bytes()).expect("written");
    drop(editor);
    settle(&board, &project, "1_a.md", |text| text == broken);
}

#[test]
fn a_story_that_a_person_moves_during_an_edit_is_in_one_place() {
    let project = Project::new();
    let board = project.quick_board();
    for round in 0..40 {
        let story = id(&format!("{round}_a"));
        project.write(Stage::Current, &story.file_name(), "text\n");
        let (from, to) = (
            project.path(Stage::Current, &story.file_name()),
            project.path(Stage::Merge, &story.file_name()),
        );
        let end = std::thread::scope(|scope| {
            scope.spawn(|| {
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_micros(5_000 + 100 * round) {
                    std::hint::spin_loop();
                }
                std::fs::rename(from, to).expect("moved");
            });
            board.edit(&story, Stage::Current, &blocked("why"))
        });
        assert_eq!(board.stages_of(&story), [Stage::Merge], "{end:?}");
        let text = project.read(Stage::Merge, &story.file_name());
        assert_eq!(text.contains("blocked: why"), matches!(end, EditEnd::Written { .. }), "{end:?}");
    }
}

/// How an editor saves.
#[derive(Debug, Clone, Copy)]
enum Saves {
    /// Truncates and writes, as VS Code does.
    InPlace,
    /// Opens, writes in two steps, truncates to length, as some do.
    InSteps,
    /// Writes a file beside it and renames it over, as JetBrains does.
    Rename,
    /// Renames the old one away first, as vim does.
    Backup,
}

fn save(path: &std::path::Path, text: &str, how: Saves) -> std::io::Result<()> {
    match how {
        Saves::InPlace => std::fs::write(path, text),
        Saves::InSteps => {
            let mut file = File::options().write(true).create(true).truncate(true).open(path)?;
            let (a, b) = text.as_bytes().split_at(text.len() / 2);
            file.write_all(a)?;
            std::thread::yield_now();
            file.write_all(b)
        }
        Saves::Rename => {
            let tmp = path.with_extension("md.tmp");
            std::fs::write(&tmp, text)?;
            std::fs::rename(tmp, path)
        }
        Saves::Backup => {
            std::fs::rename(path, path.with_extension("md~"))?;
            std::fs::write(path, text)
        }
    }
}

/// An editor saves again and again while storkit edits again and again: in the end the last save is in the file,
/// and storkit's key too.
fn editor_against_edits(how: Saves, seed: u64) {
    let project = Project::new();
    let board = project.quick_board();
    let story = id("1_a");
    let path = project.path(Stage::Current, "1_a.md");
    project.write(Stage::Current, "1_a.md", "save 0\n");
    let done = AtomicBool::new(false);
    let last = std::thread::scope(|scope| {
        let editor = scope.spawn(|| {
            let mut random = seed;
            let mut last = String::new();
            for n in 1..=120 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let text = format!(
                    "save {n} of {seed}\n{}",
                    "x".repeat(usize::try_from(random % 5_000).unwrap_or(0))
                );
                // The file may be gone for the instant of another's rename; an editor asks again.
                while save(&path, &text, how).is_err() {
                    std::thread::yield_now();
                }
                last = text;
                let (pause, begin) = (Duration::from_micros(random >> 33 & 0x1fff), Instant::now());
                while begin.elapsed() < pause {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::Release);
            last
        });
        let mut n = 0;
        while !done.load(Ordering::Acquire) {
            n += 1;
            board.edit(&story, Stage::Current, &blocked(&format!("reason {n}")));
            board.reconcile_kept();
        }
        let last = editor.join().expect("saved");
        // One more edit, now that nobody saves.
        board.edit(&story, Stage::Current, &blocked("the last reason"));
        last
    });
    settle(&board, &project, "1_a.md", |text| {
        text.ends_with(&last) && text.contains("blocked: the last reason")
    });
    let text = project.read(Stage::Current, "1_a.md");
    assert_eq!(text.matches("save ").count(), 1, "{how:?}: {text:.200}");
}

#[test]
fn no_save_in_place_is_lost() {
    for seed in 1..4 {
        editor_against_edits(Saves::InPlace, seed);
        editor_against_edits(Saves::InSteps, seed);
    }
}

#[test]
fn no_save_by_rename_is_lost() {
    for seed in 1..4 {
        editor_against_edits(Saves::Rename, seed);
        editor_against_edits(Saves::Backup, seed);
    }
}

#[test]
fn whoever_watches_the_folder_sees_the_story_come_last() {
    let project = Project::new();
    let board = project.board();
    project.write(Stage::Current, "1_a.md", "text\n");
    let (tell, told) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let _ = tell.send(event);
    })
    .expect("a watcher");
    let folder = project.layout.stage(Stage::Current);
    notify::Watcher::watch(&mut watcher, &folder, notify::RecursiveMode::NonRecursive).expect("watched");
    board.edit(&id("1_a"), Stage::Current, &blocked("x"));
    let mut renames = Vec::new();
    wait_for("the story comes", || {
        for event in told.try_iter().flatten() {
            if let notify::EventKind::Modify(notify::event::ModifyKind::Name(mode)) = event.kind {
                renames.push(mode);
            }
        }
        renames.contains(&notify::event::RenameMode::To)
    });
    assert_eq!(renames.last(), Some(&notify::event::RenameMode::To));
}

/// Run by the test below, under strace, which delays the one step that puts the new file into place.
#[test]
#[ignore = "not a test: a helper process of the test below"]
fn part_one_edit() {
    let root = std::env::var_os("STORKIT_TEST_ROOT").expect("set by the other test");
    let limits = EditLimits { quiet: Duration::ZERO, tries: Duration::from_secs(5) };
    let board = Board::open_with(Layout::new(PathBuf::from(root)), limits).expect("a board");
    println!("end: {:?}", board.edit(&id("1_a"), Stage::Current, &blocked("why")));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(300) {
        board.reconcile_kept();
    }
}

/// Runs an edit and does `meanwhile` when everything is ready and nothing done. False where strace cannot run.
fn edit_with(project: &Project, meanwhile: impl FnOnce()) -> bool {
    let exe = std::env::current_exe().expect("this program");
    let inject = "inject=renameat2:delay_enter=400000:when=1";
    let child = command("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-e", inject])
        .arg(exe)
        .args(["--ignored", "--exact", "--nocapture", "board::tests::edits::part_one_edit"])
        .env("STORKIT_TEST_ROOT", project.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let ready = || {
        let notes = std::fs::read_dir(project.layout.kept()).into_iter().flatten().flatten();
        notes.into_iter().any(|note| note.path().extension().is_some_and(|end| end == "json"))
    };
    let mut ended = false;
    wait_for("the edit is ready", || {
        ended = child.try_wait().expect("asked").is_some();
        ended || ready()
    });
    if ended {
        return false;
    }
    meanwhile();
    assert!(child.wait().expect("waited").success());
    true
}

#[test]
fn what_a_person_does_in_the_last_instant_before_the_exchange_is_not_lost() {
    // A save by rename.
    let project = Project::new();
    project.write(Stage::Current, "1_a.md", "old\n");
    let path = project.path(Stage::Current, "1_a.md");
    if !edit_with(&project, || {
        std::fs::write(project.dir.path().join("new"), "saved\n").expect("written");
        std::fs::rename(project.dir.path().join("new"), &path).expect("saved");
    }) {
        return; // No strace here.
    }
    let text = project.read(Stage::Current, "1_a.md");
    assert!(text.contains("saved\n") && text.contains("blocked: why"), "{text:?}");

    // A save in place.
    let project = Project::new();
    project.write(Stage::Current, "1_a.md", "old\n");
    let path = project.path(Stage::Current, "1_a.md");
    assert!(edit_with(&project, || std::fs::write(&path, "saved in place\n").expect("saved")));
    let text = project.read(Stage::Current, "1_a.md");
    assert!(text.contains("saved in place\n") && text.contains("blocked: why"), "{text:?}");

    // A move: the story is in one place, the person's.
    let project = Project::new();
    project.write(Stage::Current, "1_a.md", "old\n");
    let (from, to) = (project.path(Stage::Current, "1_a.md"), project.path(Stage::Merge, "1_a.md"));
    assert!(edit_with(&project, || std::fs::rename(from, to).expect("moved")));
    assert_eq!(project.board().stages_of(&id("1_a")), [Stage::Merge]);
    assert_eq!(project.read(Stage::Merge, "1_a.md"), "old\n");

    // A link in its place: it is put back as it was.
    let project = Project::new();
    project.write(Stage::Current, "1_a.md", "old\n");
    let path = project.path(Stage::Current, "1_a.md");
    assert!(edit_with(&project, || {
        std::fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("elsewhere", &path).expect("linked");
    }));
    let path = project.path(Stage::Current, "1_a.md");
    assert_eq!(std::fs::read_link(path).expect("a link"), PathBuf::from("elsewhere"));
}
