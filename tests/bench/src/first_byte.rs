//! From the `mv` into `2_current/` to the agent's first instruction, against a raw `git worktree add`.

use std::path::Path;
use std::time::Duration;

use storkit_core::stage::Stage;
use storkit_testkit::{CEILING, TestProject, poll_each};

use crate::Plan;
use crate::clock::{now_ns, stamping_agent, timed};
use crate::report::{Report, Row, Target, median, ms};

/// What a start may cost beside the worktree, as the target counts it.
const ALLOWANCE_MS: f64 = 10.0;
const PAUSE: Duration = Duration::from_micros(200);
/// A spike need change nothing: the run ends well, and the file waits for a person.
const SPIKE: &str = "---\nkind: spike\n---\nSay when.\n";

/// Measures cold starts in repositories of two sizes.
pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    for (files, rounds) in [(1_000, plan.of(21, 5)), (10_000, plan.of(15, 3))] {
        cold(files, rounds, report);
    }
}

/// A project with so many small files in folders of a hundred.
pub(crate) fn project_of(
    files: usize,
    edit: impl FnOnce(storkit_testkit::ProjectBuilder) -> storkit_testkit::ProjectBuilder,
) -> TestProject {
    let mut builder = TestProject::builder();
    for n in 0..files {
        let text = format!("file {n}\n{}", "some text that makes a file of about a kilobyte\n".repeat(20));
        builder = builder.file(&format!("src/d{:03}/f{n:05}.txt", n / 100), text);
    }
    edit(builder).build()
}

fn cold(files: usize, rounds: usize, report: &mut Report) {
    let stamps = tempfile::tempdir().expect("a temporary folder");
    let project = project_of(files, |builder| builder.agent(&stamping_agent(stamps.path())));
    let daemon = project.up();
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    // The first round warms caches on both sides, and is dropped.
    for round in 0..=rounds {
        raw.push(ms(raw_add(&project, round)));
        ours.push(start(&project, stamps.path(), round));
    }
    daemon.stop();
    let (ours, raw) = (median(&ours[1..]), median(&raw[1..]));
    let (what, against) =
        (format!("mv to the agent's first instruction, cold, {files} files"), "git worktree add + 10 ms");
    report.add(Row {
        what,
        unit: "ms",
        ours,
        reference: Some(raw + ALLOWANCE_MS),
        against,
        target: Target::Ratio(0.8),
    });
}

fn raw_add(project: &TestProject, round: usize) -> Duration {
    let folder = project.top().join(format!("raw-{round}"));
    let (path, branch) = (folder.to_string_lossy().into_owned(), format!("raw/{round}"));
    let took = timed(|| {
        project.git().run(&["worktree", "add", "--quiet", "-b", &branch, &path, "main"]);
    });
    project.git().run(&["worktree", "remove", "--force", &path]);
    project.git().run(&["branch", "--quiet", "-D", &branch]);
    took
}

/// Milliseconds from the rename to the agent's stamp; then the story is closed and its worktree gone.
fn start(project: &TestProject, stamps: &Path, round: usize) -> f64 {
    let id = format!("{}_spike_start", round + 1);
    project.write_story(Stage::Backlog, &id, SPIKE);
    let begun = now_ns();
    project.mv(&id, Stage::Backlog, Stage::Current);
    let stamp = stamps.join(&id);
    let stamped = poll_each(PAUSE, CEILING, || std::fs::read_to_string(&stamp).ok()?.parse::<u64>().ok());
    let stamped = stamped.unwrap_or_else(|| panic!("the agent of {id} never ran: {:?}", project.status()));
    close(project, &id);
    #[expect(clippy::cast_precision_loss, reason = "a span of seconds at most")]
    let span = stamped.saturating_sub(begun) as f64 / 1e6;
    span
}

/// Waits for the end of the run, closes the story, and waits until its worktree is gone.
pub(crate) fn close(project: &TestProject, id: &str) {
    let at_qa = || project.story_path(Stage::Qa, id).is_file().then_some(());
    poll_each(PAUSE, CEILING, at_qa).unwrap_or_else(|| panic!("{id} did not end: {:?}", project.status()));
    project.mv(id, Stage::Qa, Stage::Done);
    let gone = || (!project.root().join(".storkit/worktrees").join(id).exists()).then_some(());
    poll_each(PAUSE, CEILING, gone).unwrap_or_else(|| panic!("{id} was not closed: {:?}", project.status()));
    std::fs::remove_file(project.story_path(Stage::Done, id)).expect("a done story");
}
