//! The terminal board on a terminal of its own: its first frame, a key to its frame, memory, and what it costs at rest.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use storkit_testkit::{CEILING, TestProject};

use crate::Plan;
use crate::board::{board_of, settled};
use crate::clock::{cpu_of_threads, resident_kib};
use crate::report::{Report, Row, Target, median, ms, quantile};

/// Stories of the small board, which the large one is compared with.
const FEW: usize = 100;
const MANY: usize = 10_000;
/// So long without a byte is a board at rest.
const QUIET: Duration = Duration::from_millis(120);
/// So long without a byte is a board whose ages are told in minutes.
const AGES: Duration = Duration::from_millis(2_500);
/// Columns and rows.
const SIZE: (u16, u16) = (120, 40);

/// What was measured on one board.
struct Figures {
    first: f64,
    shown: f64,
    keys: Vec<f64>,
    resident_mb: f64,
    snapshot_mb: f64,
    idle_cpu: f64,
    idle_bytes: usize,
}

/// Measures the board with few stories and with many.
pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let few = of_board(plan, FEW);
    let many = of_board(plan, MANY);
    let row = |what: &str, unit, ours, reference, target| Row {
        what: format!("terminal board, {MANY} stories: {what}"),
        unit,
        ours,
        reference: Some(reference),
        against: "100 stories",
        target,
    };
    report.add(row("start to the first frame", "ms", many.first, few.first, Target::Value(50.0)));
    report.add(row("start to the whole board", "ms", many.shown, few.shown, Target::None));
    report.add(row("key to frame, median", "ms", median(&many.keys), median(&few.keys), Target::Value(30.0)));
    let late = |keys: &[f64]| quantile(keys, 0.95);
    report.add(row("key to frame, 95th of 100", "ms", late(&many.keys), late(&few.keys), Target::None));
    let above = many.resident_mb - few.resident_mb;
    let memory = "memory above the small board";
    let row_of =
        Row { against: "its snapshot as JSON", ..row(memory, "MB", above, many.snapshot_mb, Target::None) };
    report.add(row_of);
    let rest = |what: &str, unit, ours, reference, target| {
        row(&format!("{what} in ten seconds at rest"), unit, ours, reference, target)
    };
    report.add(rest("CPU", "ms", many.idle_cpu, few.idle_cpu, Target::None));
    let bytes = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    report.add(rest("writing", "B", bytes(many.idle_bytes), bytes(few.idle_bytes), Target::Value(0.0)));
}

fn of_board(plan: &Plan, stories: usize) -> Figures {
    let project = board_of(stories);
    let daemon = project.up();
    daemon.wait_for("the whole board", |status| (status.stories.len() == stories).then_some(()));
    settled(&daemon);
    let snapshot = project.storkit(&["status", "--json", "--all"]).ok().len();
    let (mut first, mut shown) = (Vec::new(), Vec::new());
    for _ in 0..plan.of(9, 3) {
        let mut terminal = Terminal::open(&project);
        first.push(ms(terminal.until("storkit")));
        shown.push(ms(terminal.until("● live")));
        terminal.leave();
    }
    let mut terminal = Terminal::open(&project);
    terminal.until("● live");
    terminal.rest();
    // To the column that has stories.
    terminal.key("1");
    let keys = (0..plan.of(60, 20)).map(|n| ms(terminal.key(if n % 2 == 0 { "j" } else { "k" })));
    let keys = keys.collect();
    // Ages below a minute are counted in seconds.
    while terminal.read(AGES).is_some() {}
    let pid = terminal.board.id();
    let before = cpu_of_threads(pid);
    let idle_bytes = terminal.listen(Duration::from_secs(10));
    let idle_cpu = ms(cpu_of_threads(pid).saturating_sub(before));
    let mb = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0;
    let resident_mb = mb(resident_kib(pid));
    terminal.leave();
    daemon.stop();
    let snapshot_mb = mb(u64::try_from(snapshot / 1024).unwrap_or(0));
    Figures {
        first: median(&first),
        shown: median(&shown),
        keys,
        resident_mb,
        snapshot_mb,
        idle_cpu,
        idle_bytes,
    }
}

/// A board on a terminal that this program reads.
struct Terminal {
    board: Child,
    master: File,
    begun: Instant,
    seen: Vec<u8>,
}

impl Terminal {
    fn open(project: &TestProject) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("it is this user's");
        unlockpt(&master).expect("it can be opened");
        let (columns, rows) = SIZE;
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("it has a size");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let slave =
            File::options().read(true).write(true).open(name.to_str().expect("a path")).expect("it opens");
        let side = || Stdio::from(OwnedFd::from(slave.try_clone().expect("a second handle")));
        let mut command = project.storkit_command(&["board"]);
        command.stdin(side()).stdout(side()).stderr(Stdio::null());
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("COLORTERM");
        let begun = Instant::now();
        let board = command.spawn().expect("the board starts");
        Self { board, master: File::from(master), begun, seen: Vec::new() }
    }

    /// Waits for bytes, reads them; none where nothing comes for so long.
    fn read(&mut self, wait: Duration) -> Option<Vec<u8>> {
        let timeout = Timespec::try_from(wait).expect("a short time");
        let ready = poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&timeout))
            .expect("it can be waited for");
        if ready == 0 {
            return None;
        }
        let mut piece = [0; 16_384];
        let len = self.master.read(&mut piece).unwrap_or(0);
        (len > 0).then(|| piece[..len].to_vec())
    }

    /// How long after the start the words were written.
    fn until(&mut self, words: &str) -> Duration {
        // Words of one style are written in one piece.
        while !String::from_utf8_lossy(&self.seen).contains(words) {
            let piece = self.read(CEILING).expect("the board draws");
            self.seen.extend(piece);
        }
        self.begun.elapsed()
    }

    /// Reads until nothing more comes.
    fn rest(&mut self) {
        while self.read(QUIET).is_some() {}
    }

    /// How long a key takes to show something.
    fn key(&mut self, key: &str) -> Duration {
        let begun = Instant::now();
        self.master.write_all(key.as_bytes()).expect("the terminal takes keys");
        self.read(CEILING).expect("the key shows");
        let took = begun.elapsed();
        self.rest();
        took
    }

    /// How many bytes come in that time.
    fn listen(&mut self, span: Duration) -> usize {
        let begun = Instant::now();
        let mut bytes = 0;
        while let Some(left) = span.checked_sub(begun.elapsed()) {
            bytes += self.read(left).map_or(0, |piece| piece.len());
        }
        bytes
    }

    fn leave(mut self) {
        self.master.write_all(b"q").expect("the terminal takes keys");
        while self.read(Duration::from_secs(2)).is_some()
            && self.board.try_wait().is_ok_and(|end| end.is_none())
        {}
        self.board.wait().expect("a child of this process");
    }
}
