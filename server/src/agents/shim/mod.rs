//! `storkit __supervise`: one thread that stands between the daemon and one program, and outlives neither.
//!
//! It makes the container, starts the program, keeps its output, decides the end by the process and never by the
//! end of the output, and does not leave before everything of the run has ended. What it found it says in one
//! message; what that means is decided elsewhere.

mod container;
mod link;
mod sink;
mod watch;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use storkit_core::facts::ProcessEnd;
use storkit_core::runtime::AgentEvent;

use super::exec::{REST_GRACE, new_pid_namespace};
use super::pty::{Console, Got};
use super::spec::{Container, EXEC_ERROR_FILE, EXIT_FILE, Ended, ExecError, How, Message, ShimSpec};
use container::{Tree, own_pid};
use link::{Link, Order};
use sink::Sink;
use watch::Watch;

/// How much output one turn of the loop takes, in bytes.
const TURN_LEN_MAX: usize = 64 << 10;
/// Input that waits for the terminal, in bytes; more is dropped.
const INPUT_LEN_MAX: usize = 64 << 10;
/// The grace when the daemon is gone.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);
/// How often the container is looked at while it is being emptied.
const EMPTYING_EACH: Duration = Duration::from_millis(20);
/// How long an output that nobody holds open is left alone before it is tried again.
const HUNG_UP_EACH: Duration = Duration::from_millis(250);
/// How long output may come in after everything has ended.
const DRAIN_SPAN_MAX: Duration = Duration::from_millis(500);
/// How long a program that waits for a person, and shows it, is left at that.
const SCREEN_SPAN_MAX: Duration = Duration::from_secs(10);
/// How long strays are hunted that carry the run's mark.
const STRAYS_SPAN_MAX: Duration = Duration::from_secs(5);

/// The entry of `storkit __supervise SPEC.json`. It exits 0 once it has said how the run ended.
pub fn main(spec_path: &Path) -> ExitCode {
    match supervise(spec_path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is a file in the run's folder.
            let _ = writeln!(io::stderr(), "storkit supervisor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn supervise(spec_path: &Path) -> io::Result<()> {
    // The end of a run is the daemon's to say, also when a terminal or a session around both goes. Handlers and
    // not SIG_IGN, which the program would inherit.
    let noticed = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&noticed))?;
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut link = Link::open()?;
    let order = super::read_order(spec_path).ok_or_else(|| io::Error::other("the order cannot be read"))?;
    let begun = Instant::now();
    let mut sink = Sink::open(&order.spec, begun);
    let ended = match Shim::start(&order, spec_path, (begun, &mut link, &mut sink)) {
        Ok(mut shim) => shim.attend(),
        Err(how) => {
            let (how, text) = how;
            let tail = sink.close(how, None);
            Ended { how, process: None, not_startable: text, told: sink.told.clone(), ending: None, tail }
        }
    };
    let _ = std::fs::remove_file(spec_path);
    link.send(&Message::Ended(Box::new(ended)));
    link.finish();
    Ok(())
}

struct Shim<'a> {
    order: &'a ShimSpec,
    link: &'a mut Link,
    sink: &'a mut Sink,
    console: Console,
    tree: Tree,
    watch: Watch,
    input: Vec<u8>,
    buffer: Vec<u8>,
    hung_up_until: Option<Instant>,
    how: How,
    kill_at: Option<Instant>,
    end: Option<ProcessEnd>,
    /// When there was output last, and whether a person has typed into the terminal.
    spoke: Instant,
    attended: bool,
    /// Whether it was ended because it stood at a screen that waits for a person.
    stood: bool,
}

impl<'a> Shim<'a> {
    /// Makes the container and starts the program in it.
    fn start(
        order: &'a ShimSpec,
        spec_path: &Path,
        (begun, link, sink): (Instant, &'a mut Link, &'a mut Sink),
    ) -> Result<Self, (How, Option<String>)> {
        let spec = &order.spec;
        for file in [EXEC_ERROR_FILE, EXIT_FILE] {
            let _ = std::fs::remove_file(spec.run_dir.join(file));
        }
        let watch = Watch::begin(order, begun).ok_or((How::WorktreeLost, None))?;
        let namespace = order.container == Container::PidNamespace && new_pid_namespace().is_ok();
        let (kind, entry) =
            if namespace { (Container::PidNamespace, "init") } else { (Container::Subreaper, "run") };
        let (path, parent) = (spec_path.to_string_lossy(), own_pid().to_string());
        let args = ["__exec", entry, &path, &parent];
        let (console, pid) = Console::spawn(spec, Path::new("/proc/self/exe"), &args)
            .map_err(|error| (How::NotStartable, Some(format!("cannot make its terminal: {error}"))))?;
        let tree = Tree::new(kind, pid, spec);
        link.send(&Message::Started { pid, container: kind });
        let (input, buffer, how) = (Vec::new(), vec![0; TURN_LEN_MAX], How::Exited);
        let (hung_up_until, kill_at, end) = (None, None, None);
        let (spoke, attended, stood) = (begun, false, false);
        Ok(Self {
            order,
            link,
            sink,
            console,
            tree,
            watch,
            input,
            buffer,
            hung_up_until,
            how,
            kill_at,
            end,
            spoke,
            attended,
            stood,
        })
    }

    /// Attends the run until everything of it has ended.
    fn attend(&mut self) -> Ended {
        loop {
            self.wait();
            self.obey();
            self.pump();
            if let Some(end) = self.tree.reap() {
                self.end = Some(end);
            }
            if self.end.is_none() {
                self.look();
            }
            if self.end.is_some() {
                if self.tree.is_empty() {
                    break;
                }
                self.begin_end(None, REST_GRACE);
            }
            if self.kill_at.is_some_and(|at| Instant::now() >= at) {
                self.tree.hard();
            }
        }
        self.hunt_strays();
        self.drain();
        self.report()
    }

    /// Sleeps until something happens or is due.
    fn wait(&mut self) {
        let now = Instant::now();
        if self.hung_up_until.is_some_and(|until| now >= until) {
            self.hung_up_until = None;
        }
        let due = match self.kill_at {
            Some(_) => now + EMPTYING_EACH,
            None => self.watch.next(),
        };
        let timeout = timespec(due.saturating_duration_since(now));
        let mut fds = Vec::with_capacity(4);
        if self.hung_up_until.is_none() {
            let typing = if self.input.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            fds.push(PollFd::new(&self.console, PollFlags::IN | typing));
        }
        if !self.link.orphaned {
            fds.push(PollFd::from_borrowed_fd(self.link.input(), PollFlags::IN));
        }
        fds.extend(self.link.output().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)));
        fds.extend(self.tree.end_fd().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        // An error here is an interruption: the loop looks at everything anyway.
        let _ = poll(&mut fds, Some(&timeout));
    }

    fn obey(&mut self) {
        self.link.flush();
        for order in self.link.orders() {
            match order {
                Order::Stop(grace_ms) => self.begin_end(Some(How::Stopped), Duration::from_millis(grace_ms)),
                Order::Kill => self.begin_end(Some(How::Stopped), Duration::ZERO),
                Order::Resize(columns, rows) => {
                    self.console.resize(columns, rows);
                    self.sink.resized(columns, rows);
                }
                Order::Input(bytes) if self.input.len() + bytes.len() <= INPUT_LEN_MAX => {
                    self.attended = true;
                    self.input.extend_from_slice(&bytes);
                }
                Order::Input(_) => {}
            }
        }
        if self.link.orphaned {
            self.begin_end(Some(How::Stopped), ORPHAN_GRACE);
        }
    }

    /// Moves input and output, a bounded piece of each.
    fn pump(&mut self) {
        if !self.input.is_empty() {
            let taken = self.console.write(&self.input);
            self.input.drain(..taken);
        }
        if self.hung_up_until.is_none() && self.read_turn() == Got::HungUp {
            self.hung_up_until = Some(Instant::now() + HUNG_UP_EACH);
        }
    }

    fn read_turn(&mut self) -> Got {
        let mut len = 0;
        let mut got = Got::Nothing;
        while len < TURN_LEN_MAX {
            got = self.console.read(&mut self.buffer[len..]);
            match got {
                Got::Bytes(more) => len += more,
                Got::Nothing | Got::HungUp => break,
            }
        }
        if len > 0 {
            self.spoke = Instant::now();
            self.watch.active(self.spoke);
            let events = self.sink.feed(&self.buffer[..len]);
            self.tell(events);
        }
        got
    }

    fn tell(&mut self, events: Vec<AgentEvent>) {
        for event in events {
            self.sink.keep(&event);
            self.link.send(&Message::Event { event });
        }
    }

    fn look(&mut self) {
        if self.kill_at.is_none()
            && let Some(how) = self.watch.look(Instant::now(), || self.tree.cpu_ticks())
        {
            // A screen that it stands at says more than the clock.
            self.stood = how != How::WorktreeLost && self.sink.screen().is_some();
            self.begin_end((!self.stood).then_some(how), REST_GRACE);
        }
        let waits = !self.attended && self.spoke.elapsed() >= SCREEN_SPAN_MAX;
        if waits && self.kill_at.is_none() && self.sink.screen().is_some() {
            self.stood = true;
            self.begin_end(None, REST_GRACE);
        }
    }

    /// TERM now and KILL after the grace; a shorter grace than before counts. The first cause is the cause, and
    /// none is where the program ended before it.
    fn begin_end(&mut self, cause: Option<How>, grace: Duration) {
        let kill_at = Instant::now() + grace;
        if let Some(cause) = cause
            && self.how == How::Exited
            && !self.tree.program_ended()
        {
            self.how = cause;
        }
        if let Some(at) = &mut self.kill_at {
            *at = kill_at.min(*at);
        } else {
            self.kill_at = Some(kill_at);
            self.tree.soft();
        }
    }

    fn hunt_strays(&mut self) {
        let deadline = Instant::now() + STRAYS_SPAN_MAX;
        while self.tree.kill_strays() > 0 && Instant::now() < deadline {
            self.pump();
            self.tree.reap();
        }
    }

    /// Takes what is still in the terminal or pipe. Its writers are dead, so that is little.
    fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN_SPAN_MAX;
        while self.read_turn() != Got::HungUp && Instant::now() < deadline {
            let mut fds = [PollFd::new(&self.console, PollFlags::IN)];
            let _ = poll(&mut fds, Some(&timespec(EMPTYING_EACH)));
        }
        let events = self.sink.finish();
        self.tell(events);
    }

    fn report(&mut self) -> Ended {
        let path = self.order.spec.run_dir.join(EXEC_ERROR_FILE);
        let error: Option<ExecError> =
            std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let mut not_startable = None;
        if let Some(error) = error.filter(|_| self.how == How::Exited) {
            self.how = if error.worktree_lost { How::WorktreeLost } else { How::NotStartable };
            not_startable = (!error.worktree_lost).then_some(error.text);
            self.end = None;
        }
        let (ending, events) = self.sink.judge(self.end, self.stood);
        self.tell(events);
        let tail = self.sink.close(self.how, self.end);
        Ended { how: self.how, process: self.end, not_startable, told: self.sink.told.clone(), ending, tail }
    }
}

/// A span as the kernel takes it; longer than it can is as long as it can.
fn timespec(span: Duration) -> Timespec {
    // Rounded up to a millisecond, so that the loop does not spin before a moment.
    Timespec::try_from(span + Duration::from_micros(999)).unwrap_or(Timespec { tv_sec: 60, tv_nsec: 0 })
}
