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

/// Measures starts in repositories of two sizes, cold and with a warm worktree.
pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    for (files, rounds, share) in [(1_000, plan.of(21, 5), 0.1), (10_000, plan.of(15, 3), 0.02)] {
        measure_at(files, rounds, share, report);
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

/// Cold starts against `git worktree add`; warm starts, `share` of a cold one at most, in turn with both.
fn measure_at(files: usize, rounds: usize, share: f64, report: &mut Report) {
    let stamps = tempfile::tempdir().expect("a temporary folder");
    let project = |warm: &str| {
        let agent = stamping_agent(stamps.path());
        project_of(files, |builder| builder.agent(&agent).table(warm))
    };
    let (cold, warm) = (project(""), project("[worktrees]\nwarm = 1"));
    let (cold_daemon, warm_daemon) = (cold.up(), warm.up());
    let (mut ours, mut raw, mut ready) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms caches on all sides, and is dropped.
    for round in 0..=rounds {
        raw.push(ms(raw_add(&cold, round)));
        ours.push(start(&cold, stamps.path(), 2 * round));
        wait_for_slot(&warm);
        ready.push(start(&warm, stamps.path(), 2 * round + 1));
    }
    cold_daemon.stop();
    warm_daemon.stop();
    let [ours, raw, ready] = [ours, raw, ready].map(|values| median(&values[1..]));
    let row = |how: &str, ours, reference, against, limit| Row {
        what: format!("mv to the agent's first instruction, {how}, {files} files"),
        unit: "ms",
        ours,
        reference: Some(reference),
        against,
        target: Target::Ratio(limit),
    };
    report.add(row("cold", ours, raw + ALLOWANCE_MS, "git worktree add + 10 ms", 0.8));
    report.add(row("warm worktree", ready, ours, "the same, cold", share));
}

/// Waits until a warm worktree is ready: git's record of it bears storkit's mark.
fn wait_for_slot(project: &TestProject) {
    let ready = || {
        let records = std::fs::read_dir(project.root().join(".git/worktrees")).ok()?;
        records.flatten().any(|record| record.path().join("storkit-warm").exists()).then_some(())
    };
    poll_each(PAUSE, CEILING, ready).expect("a warm worktree gets ready");
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
