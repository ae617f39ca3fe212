//! Files that are no stories, or hostile ones: each is shown or left alone, and disturbs no other.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, TestProject};

/// Files that somebody who means ill, or an accident, could leave in a stage.
fn put_all(dir: &Path) {
    let put = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).expect("a file");
    put("-rf.md", b"x\n");
    put("a b;c.md", b"x\n");
    put("$(touch pwned).md", b"x\n");
    put("..md", b"x\n");
    put("99_story_utf8.md", b"---\nname: \xff\xfe\n---\n");
    put("98_story_front.md", format!("---\nname: {}\n---\n", "x".repeat(70_000)).as_bytes());
    let mut bomb = String::from("---\na: &a [x,x,x,x,x,x,x,x,x]\n");
    for (one, other) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        bomb += &format!(
            "{one}: &{one} [*{other},*{other},*{other},*{other},*{other},*{other},*{other},*{other}]\n"
        );
    }
    put("97_story_bomb.md", (bomb + "name: bomb\n---\n").as_bytes());
    put("96_story_twice.md", b"---\nname: a\nname: b\n---\n");
    put("95_story_type.md", b"---\npriority: high\n---\n");
    fs::File::create(dir.join("94_story_big.md"))
        .and_then(|file| file.set_len(100 << 20))
        .expect("a big file");
    symlink("/etc/passwd", dir.join("93_story_link.md")).expect("a link");
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("92_story_pipe.md"), rustix::fs::Mode::RWXU)
        .expect("a pipe");
    fs::create_dir(dir.join("91_story_folder.md")).expect("a folder");
    fs::write(dir.join(std::ffi::OsStr::from_bytes(b"90_\xff.md")), "x\n").expect("a file");
    for name in ["README.md", ".hidden.md", "1_story_x.md~", "#1_story_x.md#", "notes.txt"] {
        put(name, b"not a story\n");
    }
}

#[test]
fn names_sizes_bombs_bytes_links_and_pipes_disturb_nobody() {
    let project = TestProject::builder()
        .agent(&AgentSpec::diligent("coder-1"))
        .story(Stage::Backlog, "1_story_good", "fine\n")
        .build();
    let dir = project.stage_dir(Stage::Current);
    put_all(&dir);
    let listing = || {
        let mut names: Vec<_> =
            fs::read_dir(&dir).expect("a stage").flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let (before, from) = (listing(), project.base());

    let daemon = project.up();
    project.mv("1_story_good", Stage::Backlog, Stage::Current);
    daemon.wait_stage("1_story_good", "done");
    let status = daemon.status();
    for name in [
        "-rf.md",
        "a b;c.md",
        "$(touch pwned).md",
        "99_story_utf8.md",
        "98_story_front.md",
        "97_story_bomb.md",
        "96_story_twice.md",
        "95_story_type.md",
        "94_story_big.md",
    ] {
        let shown = status.problems.iter().find(|problem| problem.path.ends_with(&format!("/{name}")));
        assert!(shown.is_some(), "{name} is no problem: {:#?}", status.problems);
    }
    for (name, line) in [("96_story_twice.md", 3), ("95_story_type.md", 2)] {
        let shown = status.problems.iter().find(|problem| problem.path.ends_with(name)).expect(name);
        assert_eq!((shown.line, shown.column.is_some()), (Some(line), true), "{shown:?}");
    }
    for id in ["93_story_link", "92_story_pipe", "91_story_folder", "README", ".hidden", "notes"] {
        assert!(status.stories.iter().all(|story| story.id != id), "{id} is no story");
    }
    assert!(
        status
            .stories
            .iter()
            .filter(|story| story.stage == "current")
            .all(|story| story.state == State::Problem)
    );
    project.storkit(&["lint"]).expect_code(1);
    // The ways of commands too.
    for args in [["move", "94_story_big", "qa"], ["move", "../../etc/passwd", "qa"], ["move", "-rf", "qa"]] {
        let outcome = project.storkit(&args);
        assert!(outcome.code() <= 3, "{outcome:?}");
    }
    assert!(!project.root().join("pwned").exists() && !dir.join("pwned").exists());
    // A problem that is mended is a story.
    fs::write(dir.join("95_story_type.md"), "---\npriority: 1\nhold: true\n---\n").expect("mended");
    daemon.wait_state("95_story_type", State::Held);
    daemon.stop();
    let after = listing();
    for name in before {
        assert!(after.contains(&name) || name == "94_story_big.md", "{} was touched", name.display());
    }
    assert_none(&check::history(&project, &from));
}
