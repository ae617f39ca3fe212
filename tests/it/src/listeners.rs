//! Listeners to events: those who take nothing are told so, and cost the others nothing.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::listeners::{Door, Listener, Maker, read_until};
use storkit_testkit::{AgentSpec, TestProject};

/// Events in one go, far fewer than the daemon remembers.
const BURST: u64 = 100;
/// Altogether more than it remembers and the system holds; soon over, as one who takes nothing is dropped after 30 s.
const BURSTS: u64 = 14;
/// The length of an event's text: with it the system's buffers are full soon.
const TEXT_LEN: usize = 2_000;
/// What the daemon may hold more than before, in KiB: a buffer for each of the listeners, and the events it remembers.
const GROWTH_KIB: u64 = 24 * 1024;

#[test]
fn those_who_listen_get_every_event_while_others_take_nothing_and_agents_print() {
    let agent = AgentSpec::fake("coder-1", "chatter 10 {home}/enough").with("instances", 4);
    let mut builder = TestProject::builder().agent(&agent);
    for n in 1..=4 {
        builder = builder.story(Stage::Current, &format!("{n}_story_talks"), "Talk.\n");
    }
    let project = builder.build();
    let daemon = project.up();
    daemon.wait_for("four agents that print", |status| {
        let running = status.stories.iter().filter(|story| story.state == State::Running);
        (running.count() == 4).then_some(())
    });
    let door = Door::of(&daemon);
    let mut maker = Maker::new(&door);
    let mut readers: Vec<Listener> = (0..24).map(|_| Listener::new(&door, None)).collect();
    let mut stalled: Vec<Listener> = (0..6).map(|_| Listener::stalled(&door)).collect();
    let before = resident_kib(daemon.pid());
    for burst in 1..=BURSTS {
        maker.make(BURST, TEXT_LEN);
        read_until(&mut readers, |one| one.count >= burst * BURST || one.over);
    }
    let grown = resident_kib(daemon.pid()).saturating_sub(before);
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
    for one in &readers {
        assert_eq!((one.count, one.resyncs, one.over), (BURSTS * BURST, 0, false));
    }
    let last = readers[0].last;
    read_until(&mut stalled, |one| one.last >= last || one.over);
    for one in &stalled {
        assert_eq!((one.resyncs, one.over), (1, false), "it is told once, and goes on");
        assert!(one.count < BURSTS * BURST, "it has missed some");
    }
    // One who comes back after all that is told as well.
    let mut back = [Listener::new(&door, Some(1))];
    read_until(&mut back, |one| one.count == 1 || one.over);
    assert_eq!((back[0].resyncs, back[0].over), (1, false));
    project.signal_file("enough");
    daemon.stop();
}

/// Resident memory of a process, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    line.split_ascii_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}
