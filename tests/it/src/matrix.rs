//! "Was here, moves there": every row and column of that table but the row of questions. A person's move is
//! always accepted, and what it means depends on where the story was and what ran.

use std::fs;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::{AgentSpec, CEILING, Daemon, ProjectBuilder, TestProject, wait_for};

use crate::common::{WORK, on_branch, until, wait_no_run, wait_signal};

const TARGETS: [(&str, Stage); 6] = [
    ("backlog", Stage::Backlog),
    ("current", Stage::Current),
    ("qa", Stage::Qa),
    ("merge", Stage::Merge),
    ("done", Stage::Done),
    ("archived", Stage::Archived),
];

fn branch(id: &str) -> String {
    format!("feature/story-{id}")
}

fn delete(project: &TestProject, stage: Stage, id: &str) {
    fs::remove_file(project.story_path(stage, id)).expect("a story to delete");
}

#[track_caller]
fn wait_gone(daemon: &Daemon<'_>, id: &str) {
    daemon.wait_for(&format!("{id} is gone"), |status| {
        status.stories.iter().all(|story| story.id != id).then_some(())
    });
}

/// Moves each `<n>_story_<prefix>_<target>` to where its name says; `deleted` goes.
fn move_all(project: &TestProject, from: Stage, ids: &[String]) {
    for id in ids {
        let target = id.rsplit('_').next().expect("a target in the name");
        match TARGETS.iter().find(|(name, _)| *name == target) {
            Some((_, to)) => project.mv(id, from, *to),
            None => delete(project, from, id),
        }
    }
}

fn ids(prefix: &str, first: usize, targets: &[&str]) -> Vec<String> {
    targets.iter().enumerate().map(|(at, to)| format!("{}_story_{prefix}_{to}", first + at)).collect()
}

fn with_stories(builder: ProjectBuilder, stage: Stage, ids: &[String]) -> ProjectBuilder {
    ids.iter().fold(builder, |builder, id| builder.story(stage, id, "text\n"))
}

#[test]
fn a_story_that_rests_goes_where_it_is_put() {
    let rests = ids("idle", 1, &["qa", "merge", "done", "archived", "deleted", "current"]);
    let waits = ids("wait", 11, &["backlog", "qa", "merge", "done", "archived", "deleted"]);
    let builder = TestProject::builder().story(Stage::Backlog, "21_spike_qa", "s\n").story(
        Stage::Backlog,
        "22_spike_merge",
        "s\n",
    );
    let project = with_stories(with_stories(builder, Stage::Backlog, &rests), Stage::Current, &waits).build();
    let (from, mut bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    daemon.wait_why("11_story_wait_backlog", "agent", "no coder agent is configured");
    move_all(&project, Stage::Backlog, &rests);
    move_all(&project, Stage::Current, &waits);
    project.mv("21_spike_qa", Stage::Backlog, Stage::Qa);
    project.mv("22_spike_merge", Stage::Backlog, Stage::Merge);

    daemon.wait_text("11_story_wait_backlog", "hold: moved back by hand");
    daemon.wait_story("6_story_idle_current", "waits for a coder", |story| {
        story.state == State::Waiting && story.reason.as_deref().is_some_and(|why| why.contains("no coder"))
    });
    for (id, why) in [
        ("1_story_idle_qa", "blocked: nothing to review"),
        ("12_story_wait_qa", "blocked: nothing to review"),
        ("2_story_idle_merge", "blocked: nothing to merge"),
        ("13_story_wait_merge", "blocked: nothing to merge"),
        ("21_spike_qa", "review_hold: true"),
    ] {
        daemon.wait_text(id, why);
    }
    daemon.wait_stage("22_spike_merge", "done");
    for id in ["3_story_idle_done", "14_story_wait_done", "4_story_idle_archived", "15_story_wait_archived"] {
        daemon.wait_state(id, State::Done);
    }
    for id in [&rests[4], &waits[5]] {
        wait_gone(&daemon, id);
        bodies.remove(id);
    }
    // A story that a person moved back does not go on by itself; the next move clears the hold.
    project.mv("11_story_wait_backlog", Stage::Backlog, Stage::Current);
    daemon.wait_story("11_story_wait_backlog", "waits without a hold", |story| story.state == State::Waiting);
    wait_for(CEILING, "the hold to go", || {
        (!project.read_story("11_story_wait_backlog").contains("hold:")).then_some(())
    });
    daemon.stop();
    assert_eq!(project.base(), from);
    assert_none(&check::always(&project, &bodies, &from));
}

#[test]
fn a_story_at_work_stops_where_it_was_and_goes_on_where_it_is_put() {
    let targets = ["backlog", "qa", "merge", "done", "archived", "deleted"];
    let (running, gating, preparing) =
        (ids("run", 1, &targets), ids("gate", 11, &targets), ids("prep", 21, &targets));
    let agent = format!(
        "{WORK}echo > \"$HOME/begun-$STORKIT_STORY\"\ncase \"$STORKIT_STORY\" in *_run_*) setsid sleep 1000 & {};; esac",
        "exec sleep 1000"
    );
    let setup =
        "case \"$PWD\" in *_prep_*) echo > \"$HOME/begun-$(basename \"$PWD\")\"; exec sleep 1000;; esac";
    let gate = "for f in *_gate_*.txt; do [ -e \"$f\" ] || continue; echo > \"$HOME/gating-${f%.txt}\"; exec sleep 1000; done";
    let builder = TestProject::builder()
        .setting("qa = \"human\"")
        .table("[limits]\nagents = 30\ngates = 30")
        .table(&format!("[worktrees]\nsetup = [{}]", toml_text(setup)))
        .table(&format!("[[gate]]\nrun = {}\nstages = [\"current\"]", toml_text(gate)))
        .agent(&AgentSpec::shell("coder-1", &agent).with("instances", 30));
    let all = [running.clone(), gating.clone(), preparing.clone()].concat();
    let project = with_stories(builder, Stage::Backlog, &all).build();
    let (from, mut bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    for id in &all {
        project.mv(id, Stage::Backlog, Stage::Current);
    }
    for id in running.iter().chain(&preparing) {
        wait_signal(&project, &format!("begun-{id}"));
    }
    for id in &gating {
        wait_signal(&project, &format!("gating-{id}"));
    }
    move_all(&project, Stage::Current, &all);

    for set in [&running, &gating, &preparing] {
        daemon.wait_text(&set[0], "hold: moved back by hand");
        assert!(project.worktree(&set[0]).is_dir(), "{}: the worktree is kept", set[0]);
        daemon.wait_state(&set[3], State::Done);
        daemon.wait_state(&set[4], State::Done);
        wait_gone(&daemon, &set[5]);
        bodies.remove(&set[5]);
    }
    for set in [&running, &gating] {
        daemon.wait_state(&set[1], State::Review);
        daemon.wait_stage(&set[2], "done");
        assert!(on_branch(&project, "main", &format!("{}.txt", set[2])).is_some(), "{} has landed", set[2]);
        assert!(on_branch(&project, &branch(&set[1]), &format!("{}.txt", set[1])).is_some());
        // Unlanded work of a closed story is kept, and said.
        for id in [&set[3], &set[5]] {
            assert!(project.git().commit_of(&branch(id)).is_some(), "{id}: the branch is kept");
            assert!(project.worktree(id).join(format!("{id}.txt")).is_file(), "{id}: the worktree is kept");
        }
        daemon.wait_why(&set[3], "kept", "");
    }
    daemon.wait_text(&preparing[1], "blocked: nothing to review");
    daemon.wait_text(&preparing[2], "blocked: nothing to merge");
    wait_no_run(&project);
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
    assert_none(&check::no_survivors(&project));
}

fn toml_text(text: &str) -> String {
    format!("'''{text}'''")
}

#[test]
fn a_story_in_review_is_rejected_approved_or_closed_by_where_it_is_put() {
    let all = ids("rev", 1, &["backlog", "current", "merge", "done", "archived", "deleted"]);
    let agent =
        format!("{WORK}cp \"$STORKIT_PROMPT\" \"$HOME/prompt-$STORKIT_STORY-$(ls \"$HOME\" | wc -l)\"");
    let builder = TestProject::builder()
        .setting("qa = \"human\"")
        .agent(&AgentSpec::shell("coder-1", &agent).with("instances", 3));
    let project = with_stories(builder, Stage::Current, &all).build();
    let (from, mut bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    for id in &all {
        daemon.wait_text(id, "review_hold: true");
    }
    let prompts = || {
        let names = fs::read_dir(&project.surroundings().home).expect("home").flatten();
        names.filter(|entry| entry.file_name().to_string_lossy().starts_with("prompt-2_")).count()
    };
    assert_eq!(prompts(), 1);
    move_all(&project, Stage::Qa, &all);

    daemon.wait_text(&all[0], "hold: moved back by hand");
    assert!(!project.read_story(&all[0]).contains("review_hold"));
    wait_for(CEILING, "the coder to run again", || (prompts() == 2).then_some(()));
    daemon.wait_state(&all[1], State::Review);
    daemon.wait_stage(&all[2], "done");
    assert!(on_branch(&project, "main", "3_story_rev_merge.txt").is_some(), "an approval lands");
    for id in [&all[3], &all[4]] {
        daemon.wait_state(id, State::Done);
        wait_for(CEILING, "review_hold to go", || {
            (!project.read_story(id).contains("review_hold")).then_some(())
        });
        assert!(project.git().commit_of(&branch(id)).is_some());
    }
    wait_gone(&daemon, &all[5]);
    bodies.remove(&all[5]);
    assert_eq!(project.git().lines(&["rev-list", &format!("{from}..main")]).len(), 1);
    daemon.stop();
    assert_none(&check::always(&project, &bodies, &from));
}

#[test]
fn a_story_in_the_queue_or_in_its_merge_gates_leaves_with_base_untouched() {
    let targets = ["backlog", "current", "qa", "done", "archived", "deleted"];
    // The queue's first one holds it up; the others wait behind it.
    let (queued, gating) = (ids("queue", 10, &targets), ids("merge", 30, &targets));
    let agent = format!("{WORK}case \"$STORKIT_STORY\" in *_current) {};; esac", until("again"));
    let gate = "echo > \"$HOME/gate-now\"; exec sleep 1000";
    let builder = TestProject::builder()
        .setting("qa = \"human\"")
        .table(&format!("[[gate]]\nrun = {}\nstages = [\"merge\"]", toml_text(gate)))
        .agent(&AgentSpec::shell("coder-1", &agent).with("instances", 4));
    let builder = with_stories(builder, Stage::Current, &queued);
    let project = with_stories(builder, Stage::Current, &gating)
        .story(Stage::Current, "1_story_first", "text\n")
        .build();
    project.signal_file("again");
    let (from, mut bodies) = (project.base(), check::bodies(&project));
    let daemon = project.up();
    for id in queued.iter().chain(&gating).map(String::as_str).chain(["1_story_first"]) {
        daemon.wait_state(id, State::Review);
    }
    fs::remove_file(project.surroundings().home.join("again")).expect("the signal");
    let merging = |id: &str| {
        daemon.wait_story(id, "is merging", |story| story.state == State::Merging);
        wait_signal(&project, "gate-now");
        fs::remove_file(project.surroundings().home.join("gate-now")).expect("the signal");
    };
    project.storkit(&["approve", "1"]).ok();
    merging("1_story_first");
    for id in &queued {
        project.mv(id, Stage::Qa, Stage::Merge);
    }
    for id in &queued {
        daemon.wait_why(id, "queue", "1_story_first");
    }
    move_all(&project, Stage::Merge, &queued);
    let left = |set: &[String]| {
        daemon.wait_text(&set[0], "hold: moved back by hand");
        daemon.wait_story(&set[1], "is worked on again", |story| {
            story.stage == "current"
                && matches!(story.state, State::Running | State::Waiting | State::Preparing)
        });
        daemon.wait_state(&set[2], State::Review);
        daemon.wait_why(&set[3], "kept", "");
        daemon.wait_state(&set[4], State::Done);
        wait_gone(&daemon, &set[5]);
    };
    left(&queued);
    bodies.remove(&queued[5]);
    // The same while the merge gates of the story itself run, one after the other.
    project.mv("1_story_first", Stage::Merge, Stage::Backlog);
    for id in &gating {
        project.mv(id, Stage::Qa, Stage::Merge);
        merging(id);
        move_all(&project, Stage::Merge, std::slice::from_ref(id));
        daemon.wait_for("no story is merging", |status| {
            status.stories.iter().all(|story| story.state != State::Merging).then_some(())
        });
        assert_eq!(project.base(), from, "{id}");
    }
    left(&gating);
    bodies.remove(&gating[5]);
    assert!(!project.read_story(&gating[1]).contains("## Review notes"));
    daemon.stop();
    assert_eq!(project.base(), from);
    assert_none(&check::always(&project, &bodies, &from));
    assert_none(&check::no_survivors(&project));
}

/// A daemon that died between moving base and moving the file leaves this: the intent, base with the commit, and
/// the story wherever a person has put it meanwhile.
#[test]
fn a_landing_that_moved_base_is_finished_wherever_its_story_was_put_meanwhile() {
    let all = ids("land", 1, &["backlog", "current", "qa", "merge", "done", "archived", "deleted"]);
    let builder = TestProject::builder()
        .gate("exec sleep 1000")
        .setting("qa = \"human\"")
        .agent(&AgentSpec::shell("coder-1", WORK).with("instances", 4));
    let project = with_stories(builder, Stage::Current, &all).build();
    project.configure(|text| text.replace("[[gate]]", "[[gate]]\nstages = [\"merge\"]"));
    let mut bodies = check::bodies(&project);
    let daemon = project.up();
    for id in &all {
        daemon.wait_state(id, State::Review);
        project.mv(id, Stage::Qa, Stage::Merge);
        daemon.wait_stage(id, "merge");
    }
    daemon.wait_story(&all[0], "its merge gates run", |story| story.state == State::Merging);
    daemon.stop();

    let git = project.git();
    let mut commits = Vec::new();
    for id in &all {
        let tree = git.run(&["merge-tree", "--write-tree", "main", &branch(id)]);
        let message = format!("{id}\n\nStorkit-Story: {id}\nStorkit-Run: r\nStorkit-Gates: sleep");
        let commit = git.run(&["commit-tree", &tree, "-p", "main", "-m", &message]);
        let tip = git.commit_of(&branch(id)).expect("a branch");
        git.run(&["update-ref", &format!("refs/storkit/landing/{id}"), &commit]);
        git.run(&["update-ref", &format!("refs/storkit/landing-tip/{id}"), &tip]);
        git.run(&["merge", "--quiet", "--ff-only", &commit]);
        commits.push(commit);
    }
    let landed = project.base();
    for (id, (_, to)) in all.iter().zip(TARGETS).filter(|(_, (_, to))| *to != Stage::Merge) {
        project.mv(id, Stage::Merge, to);
    }
    delete(&project, Stage::Merge, &all[6]);
    bodies.remove(&all[6]);
    let daemon = project.up();
    for (at, id) in all[..3].iter().enumerate() {
        let text = daemon.wait_text(id, "blocked: landed as ");
        let short = text.split("landed as ").nth(1).and_then(|rest| rest.lines().next()).expect("a commit");
        assert!(commits[at].starts_with(short), "{id}: {text}");
        assert_eq!(project.stages_of(id), [TARGETS[at].1]);
    }
    for id in &all[3..5] {
        daemon.wait_stage(id, "done");
    }
    daemon.wait_stage(&all[5], "archived");
    wait_for(CEILING, "every intent to be finished", || {
        git.run(&["for-each-ref", "refs/storkit/landing"]).is_empty().then_some(())
    });
    for id in &all {
        assert!(git.commit_of(&format!("refs/storkit/landed/{id}")).is_some(), "{id} counts as landed");
    }
    daemon.stop();
    assert_eq!(project.base(), landed);
    assert_none(&check::conservation(&project, &bodies));
    assert_none(&check::objects(&project));
}
