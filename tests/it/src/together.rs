//! Landing judges what base would become, and blames whom it should: the story, never base's own redness.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, TestProject, wait_for};

use crate::common::{until, wait_signal};

/// The merge gate: `one` and `two` may not both be there.
const GATE: &str = "[[gate]]\nname = \"pair\"\nrun = \"! { test -e one && test -e two; }\"";

fn green_at_every_commit(project: &TestProject, from: &str) {
    for commit in project.git().lines(&["rev-list", &format!("{from}..main")]) {
        let tree = project.git().lines(&["ls-tree", "--name-only", &commit]);
        assert!(!(tree.contains(&"one".to_owned()) && tree.contains(&"two".to_owned())), "{commit} is red");
    }
}

#[test]
fn two_that_are_green_alone_and_red_together_never_make_base_red() {
    // Both work from the same base; each prompt is kept.
    let agent = format!(
        "cp \"$STORKIT_PROMPT\" \"$HOME/prompt-$STORKIT_STAGE-$STORKIT_STORY-$(date +%s%N)\"\n\
         case \"$STORKIT_STORY\" in 1_*) echo > one;; *) echo > two; {};; esac\n\
         echo x >> \"log-$STORKIT_STORY\"",
        until("go")
    );
    let project = TestProject::builder()
        .table(GATE)
        .agent(&AgentSpec::shell("coder-1", &agent).with("instances", 2))
        .story(Stage::Current, "1_story_one", "a\n")
        .story(Stage::Current, "2_story_two", "b\n")
        .build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    daemon.wait_state("2_story_two", State::Running);
    daemon.wait_stage("1_story_one", "done");
    project.signal_file("go");
    // First the coder gets it back, then, without a mergemaster, a person.
    let blocked = daemon.wait_state("2_story_two", State::Blocked);
    assert!(blocked.reason.as_deref().is_some_and(|why| why.contains("pair")), "{blocked:?}");
    assert_eq!(blocked.stage, "merge");
    let log = project.git().run(&["show", "feature/story-2_story_two:log-2_story_two"]);
    assert_eq!(log.lines().count(), 2, "the coder had it twice");
    let prompts = std::fs::read_dir(&project.surroundings().home).expect("home").flatten();
    let told =
        prompts.filter(|entry| entry.file_name().to_string_lossy().contains("2_story_two")).any(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            text.contains("landing failed") && text.contains("pair")
        });
    assert!(told, "the coder's second prompt says what happened");
    daemon.stop();
    green_at_every_commit(&project, &from);
    assert_none(&check::always(&project, &bodies, &from));
}

#[test]
fn a_conflict_goes_to_the_coder_then_to_the_mergemaster_and_lands_when_it_is_solved() {
    let coder = format!(
        "echo \"$STORKIT_STORY\" > shared\n[ \"$STORKIT_STORY\" = 1_story_one ] || {{ {} }}\necho x >> \"log-$STORKIT_STORY\"",
        until("go")
    );
    let mergemaster = "cp \"$STORKIT_PROMPT\" \"$HOME/mergemaster\"\ngit merge --quiet \"$STORKIT_BASE\" || true\necho both > shared\ngit add shared";
    let mergemaster = format!("{mergemaster}\ngit commit --quiet --no-edit");
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", &coder).with("instances", 2))
        .agent(&AgentSpec::shell("mergemaster-1", &mergemaster))
        .story(Stage::Current, "1_story_one", "a\n")
        .story(Stage::Current, "2_story_two", "b\n")
        .build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    daemon.wait_state("2_story_two", State::Running);
    daemon.wait_stage("1_story_one", "done");
    project.signal_file("go");
    daemon.wait_stage("2_story_two", "done");
    let prompt = std::fs::read_to_string(project.surroundings().home.join("mergemaster")).expect("a prompt");
    assert!(prompt.contains("shared") && prompt.contains("main"), "{prompt}");
    assert_eq!(project.git().run(&["show", "main:shared"]), "both");
    assert_eq!(project.git().run(&["show", "main:log-2_story_two"]).lines().count(), 2);
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
}

#[test]
fn a_mergemaster_that_never_mends_it_is_tried_three_times() {
    let coder = format!(
        "echo \"$STORKIT_STORY\" > shared\n[ \"$STORKIT_STORY\" = 1_story_one ] || {{ {} }}",
        until("go")
    );
    let mergemaster =
        "echo x >> \"$HOME/tries\"\necho '{\"storkit\":\"merge_failed\",\"text\":\"too hard\"}'";
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", &coder).with("instances", 2))
        .agent(&AgentSpec::shell("mergemaster-1", mergemaster))
        .story(Stage::Current, "1_story_one", "a\n")
        .story(Stage::Current, "2_story_two", "b\n")
        .build();
    let daemon = project.up();
    daemon.wait_state("2_story_two", State::Running);
    daemon.wait_stage("1_story_one", "done");
    let landed = project.base();
    project.signal_file("go");
    let blocked = daemon.wait_state("2_story_two", State::Blocked);
    assert!(blocked.reason.as_deref().is_some_and(|why| why.contains("too hard")), "{blocked:?}");
    let tries = std::fs::read_to_string(project.surroundings().home.join("tries")).expect("tries");
    assert_eq!(tries.lines().count(), 3);
    assert_eq!(project.base(), landed);
    daemon.stop();
}

#[test]
fn a_base_that_others_move_while_gates_run_is_landed_on_and_their_commit_stays() {
    let gate = format!("echo > \"$HOME/gate\"\n{}", until("go"));
    let project = TestProject::builder()
        .table(&format!("[[gate]]\nrun = '''{gate}'''\nstages = [\"merge\"]"))
        .agent(&AgentSpec::diligent("coder-1"))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    wait_signal(&project, "gate");
    let git = project.git();
    git.write("theirs", "1\n");
    git.run(&["add", "theirs"]);
    git.run(&["commit", "--quiet", "--message", "Theirs"]);
    let theirs = project.base();
    project.signal_file("go");
    daemon.wait_stage("1_story_a", "done");
    assert_eq!(git.commit_of("main^").as_deref(), Some(theirs.as_str()), "it lands on top of theirs");
    assert_eq!(project.git().run(&["status", "--porcelain", "--", ":!.storkit"]), "");
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
}

#[test]
fn a_branch_that_rewrites_the_gates_is_judged_by_those_of_the_main_checkout_and_needs_a_person() {
    let agent = "sed -i 's/exit 1/exit 0/' .storkit/project.toml\necho x > x";
    let project = TestProject::builder()
        .setting("max_retries = 1")
        .gate("test ! -e forbidden || exit 1")
        .agent(&AgentSpec::shell(
            "coder-1",
            &format!("{agent}\n[ \"$STORKIT_STORY\" != 1_story_a ] || echo > forbidden"),
        ))
        .story(Stage::Current, "1_story_a", "a\n")
        .story(Stage::Current, "2_story_b", "b\n")
        .build();
    let from = project.base();
    let daemon = project.up();
    daemon.wait_state("1_story_a", State::Blocked);
    // What is protected goes to a person, whatever `qa` says; the person's move approves it.
    daemon.wait_story("2_story_b", "waits for a person because of project.toml", |story| {
        story.state == State::Review
            && story.reason.as_deref().is_some_and(|why| why.contains("project.toml"))
    });
    daemon.wait_text("2_story_b", "review_hold: true");
    assert_eq!(project.base(), from);
    project.mv("2_story_b", Stage::Qa, Stage::Merge);
    daemon.wait_stage("2_story_b", "done");
    wait_for(CEILING, "the checkout to follow", || {
        std::fs::read_to_string(project.root().join(".storkit/project.toml"))
            .is_ok_and(|text| text.contains("exit 0"))
            .then_some(())
    });
    daemon.stop();
}
