//! An agent's terminal: watched while it runs, typed into, and shown again afterwards.

use std::io::{Read, Write};
use std::process::Stdio;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, CEILING, TestProject, programs, wait_for};

/// Prints with sequences that must not reach a person's terminal, asks for a word and says it back.
const AGENT: &str =
    "printf 'ready\\033]0;evil\\007\\n'; read word; echo \"heard $word\"; echo \"$word\" > word.txt";

fn project() -> TestProject {
    TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", AGENT))
        .story(Stage::Current, "1_story_a", "a\n")
        .build()
}

#[test]
fn a_terminal_is_watched_by_one_and_typed_into_by_another() {
    let project = project();
    let daemon = project.up();
    daemon.wait_state("1_story_a", State::Running);
    // Typed into a terminal of its own, as by a person.
    let attach = format!("{} attach 1", programs::storkit().display());
    let mut person = project.surroundings().command("script");
    person.args(["-qfec", &attach, "/dev/null"]).current_dir(project.root());
    let Ok(mut person) = person.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        return eprintln!("skipped: `script` is not here");
    };
    let mut watcher = project.storkit_command(&["attach", "1", "--read-only"]);
    let watcher = watcher.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let watcher = watcher.expect("a watcher");
    let mut seen = Vec::new();
    let out = person.stdout.as_mut().expect("its screen");
    let mut piece = [0; 1024];
    while !String::from_utf8_lossy(&seen).contains("ready") {
        let len = out.read(&mut piece).expect("read");
        assert!(len > 0, "it ended: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..len]);
    }
    let keys = person.stdin.as_mut().expect("its keyboard");
    keys.write_all(b"passw\xc3\xb6rd\r").expect("typed");
    daemon.wait_stage("1_story_a", "done");
    assert_eq!(project.git().run(&["show", "main:word.txt"]), "passwörd");
    let watched = watcher.wait_with_output().expect("watched");
    let text = String::from_utf8_lossy(&watched.stdout);
    assert!(watched.status.success() && text.contains("ready") && text.contains("heard passwörd"), "{text}");
    assert!(!text.contains("evil"), "{text:?}");
    drop(person.stdin.take());
    let over = wait_for(CEILING, "attach to end", || person.try_wait().expect("waited"));
    assert!(over.success());
    project.storkit(&["attach", "1"]).expect_code(1);
    let again = project.storkit(&["replay", "1", "--speed", "100"]).ok();
    assert!(again.contains("heard passwörd") && !again.contains("evil"), "{again:?}");
    let path = project.storkit(&["replay", "1", "--path"]).ok();
    assert!(path.contains("/1_story_a/"), "{path}");
    project.storkit(&["replay", "1", "--run", "7"]).expect_code(3);
    project.storkit(&["replay", "1", "--speed", "0"]).expect_code(2);
    daemon.stop();
}

#[test]
fn a_watcher_may_leave_and_the_agent_goes_on() {
    let project = project();
    let daemon = project.up();
    daemon.wait_state("1_story_a", State::Running);
    let mut watcher = project.storkit_command(&["attach", "1", "--read-only"]);
    let mut watcher = watcher.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a watcher");
    let mut piece = [0; 5];
    watcher.stdout.as_mut().expect("its screen").read_exact(&mut piece).expect("read");
    assert_eq!(&piece, b"ready");
    watcher.kill().expect("killed");
    watcher.wait().expect("gone");
    assert_eq!(daemon.wait_story("1_story_a", "is there", |_| true).state, State::Running);
    project.storkit(&["stop", "1"]).ok();
    daemon.stop();
}
