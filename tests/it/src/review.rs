//! `3_qa`: who looks at a story, and what yes and no mean; epics, and stories that move on by themselves.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, TestProject, wait_for};

use crate::common::{WORK, on_branch, until};

#[test]
fn an_agent_reviews_passes_and_rejects_with_notes_and_its_own_leftovers_are_undone() {
    let coder = format!("cp \"$STORKIT_PROMPT\" \"$HOME/coder-$STORKIT_STORY\"\n{WORK}");
    let qa = "echo mess > mess.txt\necho mess >> \"$STORKIT_STORY.txt\"\ncase \"$STORKIT_STORY\" in\n\
              2_*) [ -e \"$HOME/seen\" ] || { echo > \"$HOME/seen\"; echo '{\"storkit\":\"reject\",\"text\":\"The tests are missing\"}'; exit 1; };;\n\
              3_*) echo '{\"storkit\":\"reject\",\"text\":\"Never good\"}';; 4_*) exit 5;; esac";
    let project = TestProject::builder()
        .setting("qa = \"agent\"\nmax_rejections = 2\nmax_retries = 2")
        .agent(&AgentSpec::shell("coder-1", &coder).with("instances", 4))
        .agent(&AgentSpec::shell("qa-1", qa).with("instances", 4))
        .story(Stage::Current, "1_story_good", "a\n")
        .story(Stage::Current, "2_story_mended", "a\n")
        .story(Stage::Current, "3_story_bad", "a\n")
        .story(Stage::Current, "4_story_crash", "a\n")
        .story(Stage::Current, "5_story_server", "---\nqa: server\n---\na\n")
        .story(Stage::Current, "6_story_human", "---\nqa: human\n---\na\n")
        .build();
    let from = project.base();
    let daemon = project.up();
    for id in ["1_story_good", "2_story_mended", "5_story_server"] {
        daemon.wait_stage(id, "done");
        assert_eq!(on_branch(&project, "main", "mess.txt"), None, "what a reviewer left does not land");
        let work = on_branch(&project, "main", &format!("{id}.txt")).expect("landed");
        assert!(!work.contains("mess"), "{work}");
    }
    let notes = daemon.wait_text("2_story_mended", "## Review notes");
    assert!(notes.contains("### Rejection 1") && notes.contains("The tests are missing"), "{notes}");
    let prompt = std::fs::read_to_string(project.surroundings().home.join("coder-2_story_mended"));
    assert!(prompt.expect("a prompt").contains("The tests are missing"));
    let bad = daemon.wait_state("3_story_bad", State::Blocked);
    assert_eq!(bad.stage, "qa");
    let text = daemon.wait_text("3_story_bad", "\nblocked: ");
    assert!(text.contains("rejected 2 times") && text.contains("### Rejection 2"), "{text}");
    let crash = daemon.wait_state("4_story_crash", State::Blocked);
    assert!(crash.reason.is_some_and(|why| why.contains("failed 2 times in qa")));
    daemon.wait_state("6_story_human", State::Review);
    daemon.stop();
    assert_none(&check::history(&project, &from));
}

#[test]
fn rejections_by_hand_give_the_notes_and_the_last_one_blocks() {
    let coder = format!("cp \"$STORKIT_PROMPT\" \"$HOME/prompt\"\n{WORK}");
    let project = TestProject::builder()
        .setting("qa = \"human\"\nmax_rejections = 3")
        .agent(&AgentSpec::shell("coder-1", &coder))
        .story(Stage::Current, "1_story_a", "---\nname: A\n---\nText\n")
        .build();
    let daemon = project.up();
    let prompt = || std::fs::read_to_string(project.surroundings().home.join("prompt")).unwrap_or_default();
    daemon.wait_text("1_story_a", "review_hold: true");
    project.storkit(&["reject", "1", "-m", "First: too slow"]).ok();
    wait_for(CEILING, "the coder to be told", || prompt().contains("First: too slow").then_some(()));
    daemon.wait_text("1_story_a", "review_hold: true");
    // By hand: the notes are written in the file, and the file is moved.
    let text = project.read_story("1_story_a") + "\nSecond: too loud\n";
    project.save_story(Stage::Qa, "1_story_a", &text);
    project.mv("1_story_a", Stage::Qa, Stage::Current);
    wait_for(CEILING, "the coder to be told again", || {
        (prompt().contains("First: too slow") && prompt().contains("Second: too loud")).then_some(())
    });
    daemon.wait_text("1_story_a", "review_hold: true");
    project.storkit(&["reject", "1", "-m", "Third: too late"]).ok();
    let blocked = daemon.wait_state("1_story_a", State::Blocked);
    assert_eq!(blocked.stage, "current");
    let text = daemon.wait_text("1_story_a", "\nblocked: ");
    assert!(text.contains("rejected 3 times") && text.contains("Second: too loud"), "{text}");
    assert!(!text.contains("review_hold"), "{text}");
    daemon.stop();
}

#[test]
fn removing_review_hold_approves_nothing() {
    let project = TestProject::builder()
        .setting("qa = \"human\"")
        .agent(&AgentSpec::diligent("coder-1"))
        .story(Stage::Current, "1_story_a", "---\nname: A\n---\nText\n")
        .story(Stage::Backlog, "2_story_b", "Text\n")
        .build();
    let from = project.base();
    let daemon = project.up();
    daemon.wait_text("1_story_a", "review_hold: true");
    project.save_story(Stage::Qa, "1_story_a", "---\nname: A changed\n---\nText\n");
    daemon.wait_story("1_story_a", "was read again", |story| story.name == "A changed");
    // The machine had its turns: another story went all the way to qa meanwhile.
    project.mv("2_story_b", Stage::Backlog, Stage::Current);
    daemon.wait_state("2_story_b", State::Review);
    daemon.wait_state("1_story_a", State::Review);
    assert_eq!((project.stages_of("1_story_a"), project.base()), (vec![Stage::Qa], from));
    assert!(!project.read_story("1_story_a").contains("review_hold"), "a dropped key is not written again");
    daemon.stop();
}

#[test]
fn an_epic_gives_its_text_and_closes_with_its_stories_and_dependants_move_on() {
    let coder = format!(
        "cp \"$STORKIT_PROMPT\" \"$HOME/prompt-$STORKIT_STORY\"\n[ \"$STORKIT_STORY\" != 3_story_one ] || {{ {} }}\n{WORK}",
        until("go")
    );
    let project = TestProject::builder()
        .table("[board]\narchive_after = \"1h\"")
        .agent(&AgentSpec::shell("coder-1", &coder).with("instances", 3))
        .story(Stage::Current, "1_epic_big", "# The big one\nThe whole is blue.\n")
        .story(Stage::Backlog, "2_epic_empty", "nothing\n")
        .story(Stage::Current, "3_story_one", "---\nepic: 1\n---\na\n")
        .story(Stage::Backlog, "4_story_two", "---\nepic: 1_epic_big\ndepends_on: [3]\n---\na\n")
        .story(Stage::Backlog, "5_story_back", "---\ndepends_on: [3]\n---\na\n")
        .story(Stage::Backlog, "6_story_alone", "a\n")
        .build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    daemon.wait_state("3_story_one", State::Running);
    assert_eq!(daemon.wait_stage("1_epic_big", "current").state, State::Idle);
    // Moved on and back by a person: from now on the machine leaves it alone.
    project.mv("5_story_back", Stage::Backlog, Stage::Current);
    daemon.wait_why("5_story_back", "dependency", "3_story_one");
    project.mv("5_story_back", Stage::Current, Stage::Backlog);
    daemon.wait_text("5_story_back", "hold: moved back by hand");
    project.signal_file("go");
    daemon.wait_stage("3_story_one", "done");
    daemon.wait_stage("4_story_two", "done");
    daemon.wait_stage("1_epic_big", "done");
    let read = |id: &str| {
        std::fs::read_to_string(project.surroundings().home.join(format!("prompt-{id}"))).expect("a prompt")
    };
    assert!(read("3_story_one").contains("The whole is blue."));
    assert!(read("4_story_two").contains("The whole is blue."));
    for id in ["5_story_back", "6_story_alone", "2_epic_empty"] {
        assert_eq!(project.stages_of(id), [Stage::Backlog], "{id}");
    }
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
}
