//! Being told of what needs a person: by a real daemon, once, and never in the way.

use std::fs;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, CEILING, TestProject, wait_for};

#[test]
fn people_are_told_once_also_over_a_restart_and_doctor_tells_of_failures() {
    let project = TestProject::builder()
        .setting("max_retries = 1")
        .table("[[notify]]\ncommand = \"cat >> \\\"$HOME/told\\\"; echo \\\"$STORKIT_STORY\\\" >> \\\"$HOME/who\\\"\"")
        .table("[[notify]]\non = [\"blocked\"]\ncommand = \"echo no route; exit 3\"")
        .table("[[notify]]\non = [\"blocked\"]\ncommand = \"sleep 600\"")
        .agent(&AgentSpec::shell("coder-1", "exit 1"))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let told = || fs::read_to_string(project.surroundings().home.join("told")).unwrap_or_default();
    let daemon = project.up();
    daemon.wait_state("1_story_a", State::Blocked);
    let line = wait_for(CEILING, "somebody to be told", || {
        told().lines().next().filter(|line| line.ends_with('}')).map(str::to_owned)
    });
    let message: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&message["event"], &message["story"]), (&"blocked".into(), &"1_story_a".into()));
    assert_eq!(message["hint"], "storkit why 1_story_a");
    wait_for(CEILING, "doctor to tell", || {
        let doctor = project.storkit(&["doctor"]);
        doctor.stdout.contains("it ended with exit status: 3: no route").then_some(())
    });
    // One that hangs holds up neither the board nor the end.
    daemon.stop();
    let daemon = project.up();
    daemon.wait_state("1_story_a", State::Blocked);
    project.storkit(&["retry", "1"]).ok();
    wait_for(CEILING, "the second time", || (told().lines().count() > 1).then_some(()));
    daemon.stop();
    assert_eq!(told().lines().count(), 2, "{}", told());
    let who = fs::read_to_string(project.surroundings().home.join("who")).expect("told");
    assert_eq!(who, "1_story_a\n1_story_a\n");
}
