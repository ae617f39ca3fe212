//! Looks at the board: on hints of the watcher, on orders of the pipeline, and now and then unasked. One look at a
//! time, off the loop.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use storkit_core::event::Event;
use storkit_core::sighting::{FileKey, Scan};

use super::world::Shared;
use super::{UpError, janitor, service, settings};
use crate::sys::failpoint::reach;
use crate::sys::task;
use crate::watch::{Due, Hint, Rescan, Watcher};

/// How often late saves of edited files are looked for, while there may be some.
const KEPT_EVERY_MS: u64 = 500;
/// How often free disk space is looked at, at most.
const DISK_EVERY_MS: u64 = 5_000;
/// A change of free disk space that is worth an event, in bytes.
const DISK_STEP: u64 = 16 << 20;

/// An order to look.
#[derive(Debug)]
pub(super) enum Look {
    /// At these files.
    Files(Vec<FileKey>),
    /// At everything.
    All,
    /// At the configuration.
    Config,
    /// No more.
    Stop,
}

/// What is to be looked at next.
#[derive(Default)]
struct Wanted {
    all: bool,
    files: BTreeSet<FileKey>,
    config: bool,
    stop: bool,
}

impl Wanted {
    fn add(&mut self, look: Look) {
        match look {
            Look::Files(keys) => self.files.extend(keys),
            Look::All => self.all = true,
            Look::Config => self.config = true,
            Look::Stop => self.stop = true,
        }
    }
}

/// The scanner's thread.
pub(super) struct Scanner {
    thread: JoinHandle<()>,
}

impl Scanner {
    /// Begins to watch and to take orders.
    pub(super) fn start(world: &Shared, orders: Receiver<Look>) -> Result<Self, UpError> {
        let looks = world.scanner.clone();
        let watcher = Watcher::start(&world.layout, world.repo.git_dir(), move |hint| {
            // The daemon may have ended.
            let _ = looks.send(look_for(hint));
        });
        let world = Arc::clone(world);
        let work = move || {
            Work { rescan: Rescan::new(0), disk: None, disk_at: 0, kept_at: 0, watcher, world }.run(&orders)
        };
        let thread =
            task::spawn("scanner", work).map_err(|error| UpError::System("cannot start a thread", error))?;
        Ok(Self { thread })
    }

    /// Waits for its end.
    pub(super) fn join(self) {
        // A panic there was printed where it happened.
        let _ = self.thread.join();
    }
}

fn look_for(hint: Hint) -> Look {
    match hint {
        Hint::Paths(keys) => Look::Files(keys.into_iter().collect()),
        Hint::Folder(_) | Hint::All(_) | Hint::Head => Look::All,
        Hint::Config => Look::Config,
    }
}

struct Work {
    world: Shared,
    watcher: Watcher,
    rescan: Rescan,
    disk: Option<u64>,
    disk_at: u64,
    kept_at: u64,
}

impl Work {
    fn run(mut self, orders: &Receiver<Look>) {
        loop {
            let mut wanted = Wanted::default();
            match orders.recv_timeout(self.patience()) {
                Ok(look) => wanted.add(look),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for look in orders.try_iter() {
                wanted.add(look);
            }
            if wanted.stop {
                return;
            }
            self.unasked(&mut wanted);
            self.look(wanted);
        }
    }

    fn patience(&self) -> Duration {
        let now = self.world.now().mono_ms;
        let mut wait = self.rescan.next(self.degraded()).saturating_sub(now).max(1);
        if self.world.board.has_kept() {
            wait = wait.min(KEPT_EVERY_MS);
        }
        Duration::from_millis(wait)
    }

    fn degraded(&self) -> bool {
        self.watcher.health().degraded.is_some()
    }

    fn unasked(&mut self, wanted: &mut Wanted) {
        let now = self.world.now().mono_ms;
        service::mend(&self.world);
        if self.world.board.has_kept() && now >= self.kept_at + KEPT_EVERY_MS {
            self.kept_at = now;
            wanted.files.extend(self.world.board.reconcile_kept());
        }
        match self.rescan.due(now, self.degraded()) {
            Due::Nothing => {}
            Due::Folders => wanted.all |= self.world.board.folders_changed(),
            Due::Full => wanted.all = true,
        }
        if now >= self.disk_at + DISK_EVERY_MS {
            self.disk_at = now;
            self.look_at_disk();
        }
    }

    fn look(&mut self, wanted: Wanted) {
        if wanted.config {
            let event = settings::again(&self.world.layout, &self.world.base_branch);
            if let Event::Configured(config, _) = &event {
                self.world.configure(config);
            }
            self.world.send(event);
        }
        let begin = self.world.begin();
        let scan = if wanted.all {
            self.rescan.did_full(self.world.now().mono_ms);
            self.look_at_disk();
            janitor::bound_logs(&self.world.layout);
            self.world.board.scan_all(begin)
        } else if wanted.files.is_empty() {
            return;
        } else {
            let keys: Vec<_> = wanted.files.into_iter().collect();
            self.world.board.scan_paths(begin, &keys)
        };
        self.report(scan);
    }

    fn report(&self, scan: Scan) {
        self.world.history.touch();
        self.world.send(Event::Scanned(scan));
        reach("scan.reported");
    }

    fn look_at_disk(&mut self) {
        let Some(free) = free_bytes(self.world.layout.root()) else { return };
        if self.disk.is_none_or(|before| before.abs_diff(free) >= DISK_STEP) {
            self.disk = Some(free);
            self.world.send(Event::DiskFree(free));
        }
    }
}

fn free_bytes(root: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(root).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
