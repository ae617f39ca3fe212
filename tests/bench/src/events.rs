//! How soon a `mv` is known: the watcher against a raw inotify read, and `status` as a program sees it.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use storkit::http::client::Client;
use storkit::sys::layout::Layout;
use storkit::watch::{Hint, Watcher};
use storkit_core::stage::Stage;
use storkit_testkit::{CEILING, TestProject, poll_each};

use crate::Plan;
use crate::report::{Report, Row, Target, ms, quantile};

/// Before each move, so that one's end does not hide in the other's beginning.
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
const ID: &str = "1_story_moved";

/// Measures both.
pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let project = TestProject::builder().story(Stage::Backlog, ID, "Moved about.\n").build();
    hints(&project, plan.of(1_000, 200), report);
    shown(&project, plan.of(300, 50), report);
}

fn hints(project: &TestProject, rounds: usize, report: &mut Report) {
    let layout = Layout::new(project.root());
    let (told, hints) = mpsc::channel();
    let watcher = Watcher::start(&layout, &project.root().join(".git"), move |hint| {
        // The measure may be over.
        let _ = told.send((Instant::now(), hint));
    });
    assert_eq!(watcher.health().degraded, None, "the folders are watched");
    let plain = project.top().join("plain");
    let (one, two) = (plain.join("one"), plain.join("two"));
    for folder in [&one, &two] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    std::fs::write(one.join("file"), "x").expect("a file");
    let raw = raw_watch(&two);
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        reference.push(raw_move(&raw, &one.join("file"), &two.join("file")));
        std::fs::rename(two.join("file"), one.join("file")).expect("moved back");
        let (from, to) =
            if round % 2 == 0 { (Stage::Backlog, Stage::Done) } else { (Stage::Done, Stage::Backlog) };
        ours.push(hinted_move(project, &hints, from, to));
    }
    if rounds % 2 == 1 {
        project.mv(ID, Stage::Done, Stage::Backlog);
    }
    drop(watcher);
    for (part, name, target) in
        [(0.5, "median", Target::Ratio(3.0)), (0.99, "99th of 100", Target::Value(1.0))]
    {
        let (what, against) = (format!("mv to the hint in the daemon, {name}"), "raw inotify");
        let (ours, reference) = (quantile(&ours, part), Some(quantile(&reference, part)));
        report.add(Row { what, unit: "ms", ours, reference, against, target });
    }
}

fn pause() {
    // An error here is an interruption.
    let _ = poll(&mut [], Some(&QUIET));
}

fn raw_watch(folder: &Path) -> OwnedFd {
    let raw = inotify::init(inotify::CreateFlags::CLOEXEC).expect("inotify");
    inotify::add_watch(&raw, folder, inotify::WatchFlags::MOVED_TO).expect("a watch");
    raw
}

fn raw_move(raw: &OwnedFd, from: &Path, to: &Path) -> f64 {
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut buffer = [0; 4096];
            let len = rustix::io::read(raw, &mut buffer).expect("an event");
            assert!(len > 0);
            Instant::now()
        });
        pause();
        let begun = Instant::now();
        std::fs::rename(from, to).expect("moved");
        let seen = reader.join().expect("the reader");
        let mut fds = [PollFd::new(raw, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0), "one move, one event");
        ms(seen.saturating_duration_since(begun))
    })
}

fn hinted_move(
    project: &TestProject,
    hints: &mpsc::Receiver<(Instant, Hint)>,
    from: Stage,
    to: Stage,
) -> f64 {
    pause();
    for _ in hints.try_iter() {}
    let begun = Instant::now();
    project.mv(ID, from, to);
    loop {
        let (at, hint) = hints.recv_timeout(CEILING).expect("a hint");
        if let Hint::Paths(keys) = &hint
            && keys.iter().any(|key| key.stage == to && key.name.starts_with(ID))
        {
            return ms(at.saturating_duration_since(begun));
        }
    }
}

fn shown(project: &TestProject, rounds: usize, report: &mut Report) {
    let daemon = project.up();
    let run = project.root().join(".storkit/run");
    let client = Client::connect(&run).expect("the daemon's socket");
    let mut spans = Vec::new();
    for round in 0..rounds {
        let (from, to) = if round % 2 == 0 {
            (Stage::Backlog, Stage::Archived)
        } else {
            (Stage::Archived, Stage::Backlog)
        };
        pause();
        let begun = Instant::now();
        project.mv(ID, from, to);
        let seen = poll_each(Duration::ZERO, CEILING, || {
            let status = client.status(true).expect("a status");
            status.stories.iter().any(|story| story.stage == to.name()).then(Instant::now)
        });
        spans.push(ms(seen.expect("it shows").saturating_duration_since(begun)));
    }
    daemon.stop();
    for (part, name) in [(0.5, "median"), (0.99, "99th of 100")] {
        let what = format!("mv to its showing in the API's status, {name}");
        let (ours, target) = (quantile(&spans, part), Target::Value(1_000.0));
        report.add(Row { what, unit: "ms", ours, reference: None, against: "", target });
    }
}
