//! Large boards: the start, memory, a full scan, `status`, and what an idle daemon costs.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use storkit::board::Board;
use storkit::http::client::Client;
use storkit::sys::layout::Layout;
use storkit_core::stage::Stage;
use storkit_testkit::{CEILING, Daemon, TestProject, command, poll_each};

use crate::Plan;
use crate::clock::{cpu_of_threads, resident_kib, timed};
use crate::report::{Report, Row, Target, median, ms};

const PAUSE: Duration = Duration::from_micros(200);
/// Backlog.md 1.52's `task list --plain` at 5,000 tasks, in milliseconds: measured on another day, on a machine of
/// two cores at 2.5 GHz.
const BACKLOG_MD_LIST_MS: f64 = 4_400.0;

/// Measures starts, memory, scans and `status`.
pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    for stories in [1_000, 10_000] {
        let project = board_of(stories);
        scan(&project, stories, plan.of(15, 3), report);
        start(&project, stories, plan.of(7, 2), report);
    }
    let project = board_of(5_000);
    status(&project, plan.of(15, 3), report);
}

/// Measures the CPU time of a daemon that nothing happens to.
pub(crate) fn measure_idle(plan: &Plan, report: &mut Report) {
    let stories = 10_000;
    let seconds = plan.of(30, 10);
    let project = board_of(stories);
    let daemon = project.up();
    settled(&daemon);
    let before = cpu_of_threads(daemon.pid());
    let span = Duration::from_secs(u64::try_from(seconds).unwrap_or(30));
    // The condition never comes: a measure of nothing's happening has to wait.
    let nothing: Option<()> = poll_each(span, span, || None);
    assert_eq!(nothing, None);
    let spent = cpu_of_threads(daemon.pid()).saturating_sub(before);
    daemon.stop();
    let what = format!("idle CPU in {seconds} s, {stories} stories");
    let target = if plan.quick { Target::None } else { Target::Value(5.0) };
    report.add(Row { what, unit: "ms", ours: ms(spent), reference: None, against: "", target });
}

/// A board of so many stories of about 1.2 kB, most of them in the backlog and some done.
pub(crate) fn board_of(stories: usize) -> TestProject {
    let mut builder = TestProject::builder();
    for n in 1..=stories {
        let mut text = format!("---\nname: Story number {n}\npriority: {}\nlabels: [a, b]\n---\n", 1 + n % 5);
        for line in 0..18 {
            let _ = writeln!(text, "Line {line} of what story {n} wants, in words that nobody reads.");
        }
        let stage = if n % 4 == 0 { Stage::Done } else { Stage::Backlog };
        builder = builder.story(stage, &format!("{n}_story_of_a_large_board"), text);
    }
    builder.build()
}

/// Waits until the daemon has used no CPU for a while.
pub(crate) fn settled(daemon: &Daemon<'_>) {
    let mut before = Duration::ZERO;
    let calm = poll_each(Duration::from_millis(1_500), CEILING, || {
        let now = cpu_of_threads(daemon.pid());
        let spent = now.saturating_sub(std::mem::replace(&mut before, now));
        (spent < Duration::from_millis(2)).then_some(())
    });
    calm.expect("the daemon comes to rest");
}

fn scan(project: &TestProject, stories: usize, rounds: usize, report: &mut Report) {
    let (mut ours, mut again, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        plain.push(ms(timed(|| assert_eq!(read_all(project), stories))));
        let board = Board::open(Layout::new(project.root())).expect("a board");
        ours.push(ms(timed(|| assert_eq!(black_box(board.scan_all(0)).present.len(), stories))));
        again.push(ms(timed(|| drop(black_box(board.scan_all(1))))));
    }
    let reference = Some(median(&plain));
    for (what, values, target) in
        [("first", ours, Target::Ratio(10.0)), ("again, nothing changed", again, Target::None)]
    {
        let (what, ours) = (format!("full scan of {stories} stories, {what}"), median(&values));
        report.add(Row { what, unit: "ms", ours, reference, against: "reading the files", target });
    }
}

/// Lists the stage folders and reads every file; how many there were.
fn read_all(project: &TestProject) -> usize {
    let mut count = 0;
    for stage in Stage::ALL {
        for entry in fs::read_dir(project.stage_dir(stage)).expect("a stage folder") {
            black_box(fs::read(entry.expect("an entry").path()).expect("a story"));
            count += 1;
        }
    }
    count
}

fn start(project: &TestProject, stories: usize, rounds: usize, report: &mut Report) {
    let (mut answering, mut complete, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    let run = project.root().join(".storkit/run");
    for _ in 0..rounds {
        let begun = Instant::now();
        let mut child = up(project);
        let socket = run.join("socket");
        poll_each(PAUSE, CEILING, || UnixStream::connect(&socket).ok()).expect("the socket answers");
        answering.push(ms(begun.elapsed()));
        let shown = poll_each(PAUSE, CEILING, || {
            let status = Client::connect(&run).ok()?.status(true).ok()?;
            (status.stories.len() == stories).then_some(())
        });
        shown.expect("the board is shown");
        complete.push(ms(begun.elapsed()));
        resident.push(f64::from(u32::try_from(resident_kib(child.id())).unwrap_or(u32::MAX)) / 1024.0);
        project.storkit(&["down"]).ok();
        child.wait().expect("a child of this process");
    }
    let each_mb = 1.2 * f64::from(u32::try_from(stories).unwrap_or(u32::MAX)) / 1000.0;
    for (what, unit, values, target) in [
        ("start to the socket's answering", "ms", answering, Target::None),
        ("start to the whole board in status", "ms", complete, Target::Value(2_000.0)),
        ("resident memory after the start and one status", "MB", resident, Target::Value(15.0 + each_mb)),
    ] {
        let what = format!("{what}, {stories} stories");
        report.add(Row { what, unit, ours: median(&values), reference: None, against: "", target });
    }
}

fn up(project: &TestProject) -> Child {
    let mut command = project.storkit_command(&["up", "--trust"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("storkit starts")
}

fn status(project: &TestProject, rounds: usize, report: &mut Report) {
    let daemon = project.up();
    daemon.wait_for("the whole board", |status| (status.stories.len() == 5_000).then_some(()));
    settled(&daemon);
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        plain.push(ms(timed(|| {
            let mut grep = project.surroundings().command("grep");
            grep.args(["-rh", "^name:", ".storkit/work"]).current_dir(project.root());
            command::run(&mut grep).ok();
        })));
        ours.push(ms(timed(|| drop(project.storkit(&["status", "--json", "--all"]).ok()))));
    }
    daemon.stop();
    let ours = median(&ours);
    let what = "storkit status --json, 5000 stories".to_owned();
    let row = Row {
        what,
        unit: "ms",
        ours,
        reference: Some(BACKLOG_MD_LIST_MS),
        against: "Backlog.md's list (another day)",
        target: Target::Ratio(0.05),
    };
    report.add(row.clone());
    report.add(Row {
        reference: Some(median(&plain)),
        against: "grep -r ^name: on the board",
        target: Target::None,
        ..row
    });
}
