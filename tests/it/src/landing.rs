//! From a file in `2_current/` to a commit on base.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::checkout::Checkout;
use storkit_testkit::{AgentSpec, CEILING, TestProject, wait_for};

fn trailer(project: &TestProject, commit: &str, key: &str) -> String {
    project.git().run(&[
        "log",
        "-1",
        &format!("--format=%(trailers:key={key},valueonly,separator=%x2c)"),
        commit,
    ])
}

#[test]
fn a_story_moved_to_current_lands_as_one_commit_with_its_name_and_trailers() {
    let project = TestProject::builder()
        .agent(&AgentSpec::diligent("coder-1"))
        .gate("test -f 1_story_a.txt")
        .story(Stage::Backlog, "1_story_a", "---\nname: Write the file\n---\nPlease.\n")
        .build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    project.mv("1_story_a", Stage::Backlog, Stage::Current);
    daemon.wait_story("1_story_a", "is done", |story| story.stage == "done");

    let git = project.git();
    assert_eq!(git.lines(&["log", "--format=%s", &format!("{from}..main")]), ["Write the file"]);
    assert_eq!(git.run(&["show", "main:1_story_a.txt"]), "1_story_a, attempt 1");
    assert_eq!(trailer(&project, "main", "Storkit-Story"), "1_story_a");
    assert!(!trailer(&project, "main", "Storkit-Run").is_empty());
    assert_ne!(trailer(&project, "main", "Storkit-Gates"), "none");
    assert!(project.root().join("1_story_a.txt").is_file(), "the checkout follows base");
    wait_for(CEILING, "worktree and branch to go", || {
        let gone = git.commit_of("refs/heads/feature/story-1_story_a").is_none();
        (gone && !project.root().join(".storkit/worktrees/1_story_a").exists()).then_some(())
    });
    assert!(git.commit_of("refs/storkit/landed/1_story_a").is_some());
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
    assert_none(&check::no_survivors(&project));
}

#[test]
fn without_a_gate_the_commit_says_so() {
    let project = TestProject::builder()
        .agent(&AgentSpec::diligent("coder-1"))
        .story(Stage::Current, "1_story_a", "# A title\n")
        .build();
    let daemon = project.up();
    daemon.wait_story("1_story_a", "is done", |story| story.stage == "done");
    assert_eq!(project.git().run(&["log", "-1", "--format=%s", "main"]), "A title");
    assert_eq!(trailer(&project, "main", "Storkit-Gates"), "none");
    daemon.stop();
}

#[test]
fn what_an_agent_leaves_uncommitted_lands_and_the_board_of_its_branch_does_not() {
    let agent = AgentSpec::shell(
        "coder-1",
        "echo x > left.txt\nmkdir -p .storkit/work/5_done\necho y > .storkit/work/5_done/9_story_forged.md",
    );
    let project =
        TestProject::builder().agent(&agent).story(Stage::Current, "1_story_a", "a").board_tracked().build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    daemon.wait_story("1_story_a", "is done", |story| story.stage == "done");
    let changed = project.git().lines(&["diff", "--name-only", &from, "main"]);
    assert_eq!(changed, ["left.txt"]);
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
}

#[test]
fn many_stories_land_one_after_another_each_on_the_one_before() {
    let ids: Vec<String> = (1..=8).map(|number| format!("{number}_story_s")).collect();
    let mut builder = TestProject::builder().agent(&AgentSpec::diligent("coder-1").with("instances", 4));
    for id in &ids {
        builder = builder.story(Stage::Current, id, "s");
    }
    let project = builder.gate("true").build();
    let (from, bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    daemon.wait_for("all stories are done", |status| {
        status.stories.iter().all(|story| story.stage == "done").then_some(())
    });
    assert_eq!(project.git().lines(&["rev-list", &format!("{from}..main")]).len(), ids.len());
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
}

#[test]
fn a_landing_waits_for_an_edit_in_its_way_names_it_and_leaves_every_edit_alone() {
    let agent = AgentSpec::shell("coder-1", "echo theirs > shared.txt");
    let project = TestProject::builder()
        .agent(&agent)
        .file("shared.txt", "1\n")
        .file("other.txt", "1\n")
        .story(Stage::Backlog, "1_story_a", "a")
        .build();
    project.git().write("shared.txt", "mine\n");
    project.git().write("other.txt", "mine too\n");
    let (before, from) = (Checkout::take(&project), project.base());
    let daemon = project.up();
    project.mv("1_story_a", Stage::Backlog, Stage::Current);
    daemon.wait_story("1_story_a", "waits and names the file", |story| {
        let named = story.reason.as_deref().is_some_and(|reason| reason.contains("shared.txt"));
        story.stage == "merge" && story.state == State::Waiting && named
    });
    assert_eq!(project.base(), from);
    assert_none(&before.violations(&project));

    project.git().run(&["checkout", "--quiet", "--", "shared.txt"]);
    let between = Checkout::take(&project);
    daemon.wait_story("1_story_a", "is done", |story| story.stage == "done");
    assert_none(&between.violations(&project));
    daemon.stop();
}

#[test]
fn a_spike_goes_to_a_person_and_an_approval_closes_it() {
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", "true"))
        .story(Stage::Current, "1_spike_a", "a")
        .build();
    let daemon = project.up();
    daemon.wait_story("1_spike_a", "waits for a person", |story| {
        story.stage == "qa" && story.state == State::Review
    });
    assert!(project.read_story("1_spike_a").contains("review_hold: true"));
    project.storkit(&["approve", "1"]).ok();
    daemon.wait_story("1_spike_a", "is done", |story| story.stage == "done");
    assert!(!project.read_story("1_spike_a").contains("review_hold"));
    daemon.stop();
}

#[test]
fn a_rejection_gives_the_coder_its_notes() {
    let agent = AgentSpec::shell("coder-1", "cp \"$STORKIT_PROMPT\" \"prompt-$(date +%N).txt\"");
    let project = TestProject::builder()
        .setting("qa = \"human\"")
        .agent(&agent)
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let daemon = project.up();
    let in_review = |story: &storkit_core::snapshot::StoryView| story.stage == "qa";
    daemon.wait_story("1_story_a", "waits for a person", in_review);
    project.storkit(&["reject", "1", "-m", "The colour is wrong"]).ok();
    daemon.wait_story("1_story_a", "is back with its coder", |story| story.stage == "current");
    daemon.wait_story("1_story_a", "waits for a person again", in_review);
    assert!(project.read_story("1_story_a").contains("## Review notes"));
    let found = project.git().try_run(&[
        "grep",
        "-c",
        "The colour is wrong",
        "feature/story-1_story_a",
        "--",
        "prompt-*",
    ]);
    found.expect_code(0);
    daemon.stop();
}
