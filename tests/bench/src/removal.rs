//! From the `mv` into `5_done/` to the worktree's being gone, against `git worktree remove`.

use std::time::Duration;

use storkit_core::stage::Stage;
use storkit_testkit::{CEILING, TestProject, poll_each};

use crate::Plan;
use crate::clock::{stamping_agent, timed};
use crate::first_byte::project_of;
use crate::report::{Report, Row, Target, median, ms};

const PAUSE: Duration = Duration::from_micros(200);

/// Measures closing at 10,000 files.
pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let stamps = tempfile::tempdir().expect("a temporary folder");
    let files = 10_000;
    let project = project_of(files, |builder| builder.agent(&stamping_agent(stamps.path())));
    let daemon = project.up();
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for round in 0..plan.of(7, 3) {
        let path = project.top().join(format!("raw-{round}")).to_string_lossy().into_owned();
        project.git().run(&["worktree", "add", "--quiet", "--detach", &path, "main"]);
        raw.push(ms(timed(|| {
            project.git().run(&["worktree", "remove", "--force", &path]);
        })));
        ours.push(ms(remove(&project, round)));
    }
    daemon.stop();
    let (what, against) =
        (format!("mv to done until the worktree is gone, {files} files"), "git worktree remove");
    let (ours, reference) = (median(&ours), Some(median(&raw)));
    report.add(Row { what, unit: "ms", ours, reference, against, target: Target::None });
}

fn remove(project: &TestProject, round: usize) -> Duration {
    let id = format!("{}_spike_end", round + 1);
    project.write_story(Stage::Backlog, &id, "---\nkind: spike\n---\n");
    project.mv(&id, Stage::Backlog, Stage::Current);
    let at_qa = || project.story_path(Stage::Qa, &id).is_file().then_some(());
    poll_each(PAUSE, CEILING, at_qa).expect("the run ends");
    let folder = project.root().join(".storkit/worktrees").join(&id);
    timed(|| {
        project.mv(&id, Stage::Qa, Stage::Done);
        poll_each(PAUSE, CEILING, || (!folder.exists()).then_some(())).expect("the worktree goes");
    })
}
