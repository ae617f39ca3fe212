//! Many listeners to events while agents print: what those that take nothing cost the others, and memory.

use std::time::{Duration, Instant};

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::listeners::{Door, Listener, Maker, read_until};
use storkit_testkit::{AgentSpec, TestProject};

use crate::Plan;
use crate::clock::resident_kib;
use crate::report::{Report, Row, Target, median, ms};

const AGENTS: usize = 20;
const READERS: usize = 240;
const STALLED: usize = 60;
/// Events that are made at once; the next ones when all readers have these.
const BURST: u64 = 32;
const BURSTS: u64 = 16;
/// The length of an event's text.
const TEXT_LEN: usize = 1_000;
/// More than the system holds for one who takes nothing.
const FILL_BURSTS: u64 = 16;
/// With those before more than the daemon remembers.
const LOSE_BURSTS: u64 = 24;
/// The others may lose a tenth of their speed.
const RATIO: f64 = 1.11;
/// What the daemon may hold: itself, and for each listener a buffer of 64 KiB.
const RESIDENT_MB: f64 = 20.0 + 300.0 * 0.064;

/// Measures the time of an event on its way to 240 listeners, without and with 60 more that take nothing.
pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let agent = AgentSpec::fake("coder-1", "chatter 10 {home}/enough").with("instances", 20);
    let mut builder = TestProject::builder().agent(&agent).table("[limits]\nagents = 20");
    for n in 1..=AGENTS {
        builder = builder.story(Stage::Current, &format!("{n}_story_talks"), "Talk.\n");
    }
    let project = builder.build();
    let daemon = project.up();
    daemon.wait_for("20 agents that print", |status| {
        let running = status.stories.iter().filter(|story| story.state == State::Running);
        (running.count() == AGENTS).then_some(())
    });
    let door = Door::of(&daemon);
    let nobody = resident(daemon.pid());
    let mut maker = Maker::new(&door);
    let mut readers: Vec<Listener> = (0..READERS).map(|_| Listener::new(&door, None)).collect();
    run(&mut maker, &mut readers, 4);
    let (mut alone, mut beside, mut most) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..plan.of(5, 2) {
        alone.push(run(&mut maker, &mut readers, BURSTS));
        let stalled: Vec<Listener> = (0..STALLED).map(|_| Listener::stalled(&door)).collect();
        run(&mut maker, &mut readers, FILL_BURSTS);
        beside.push(run(&mut maker, &mut readers, BURSTS));
        most = resident(daemon.pid()).max(most);
        run(&mut maker, &mut readers, LOSE_BURSTS);
        all_are_told(&door, stalled);
    }
    assert!(readers.iter().all(|one| one.resyncs == 0 && !one.over), "those who read lose nothing");
    drop(readers);
    project.signal_file("enough");
    daemon.stop();
    let what = format!("an event to {READERS} listeners, {AGENTS} agents print, {STALLED} more take nothing");
    let (ours, reference, against) = (median(&beside), Some(median(&alone)), "without those");
    report.add(Row { what, unit: "ms", ours, reference, against, target: Target::Ratio(RATIO) });
    let what = "resident memory with these 300 listeners".to_owned();
    let (reference, against, target) = (Some(nobody), "with none", Target::Value(RESIDENT_MB));
    report.add(Row { what, unit: "MB", ours: most, reference, against, target });
}

/// Resident memory of a process, in MB.
fn resident(pid: u32) -> f64 {
    f64::from(u32::try_from(resident_kib(pid)).unwrap_or(u32::MAX)) / 1024.0
}

/// Each one that fell behind is told to read again: where it was left, or, where it was dropped, when it comes back.
fn all_are_told(door: &Door, mut stalled: Vec<Listener>) {
    read_until(&mut stalled, |one| one.resyncs > 0 || one.over);
    let dropped = stalled.iter().filter(|one| one.resyncs == 0);
    let mut back: Vec<Listener> = dropped.map(|one| Listener::new(door, Some(one.last))).collect();
    read_until(&mut back, |one| one.resyncs > 0 || one.over);
    assert!(back.iter().all(|one| one.resyncs == 1), "each one is told to read again");
}

/// Makes so many bursts of events; the time of one event to a reader, the median of all of these, in milliseconds.
fn run(maker: &mut Maker, readers: &mut [Listener], bursts: u64) -> f64 {
    let mut spent = vec![Duration::ZERO; readers.len()];
    for _ in 0..bursts {
        let begun = Instant::now();
        let from: u64 = readers.iter().map(|one| one.count).max().unwrap_or(0);
        let ends = std::thread::scope(|scope| {
            scope.spawn(|| maker.make(BURST, TEXT_LEN));
            read_until(readers, |one| one.count >= from + BURST || one.over)
        });
        for (spent, end) in spent.iter_mut().zip(ends) {
            *spent += end.saturating_duration_since(begun);
        }
    }
    let events = f64::from(u32::try_from(bursts * BURST).unwrap_or(u32::MAX));
    median(&spent.into_iter().map(|spent| ms(spent) / events).collect::<Vec<_>>())
}
