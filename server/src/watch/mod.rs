//! Watching the board's folders, the configuration and HEAD: hints about where to look, never about what is there.
//!
//! A move, a deletion and the end of a save are told of at once; a file that is still written, when it comes to
//! rest. Where events may be missing, that is told too, and [`Rescan`] says when to look without being told.

mod rescan;
mod settle;
mod sign;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use storkit_core::sighting::FileKey;
use storkit_core::stage::Stage;

pub use rescan::{Due, FULL_EVERY_MS, LOOK_EVERY_MS, Rescan};
use settle::Settle;
use sign::{Places, Sign};

use crate::sys::fs::Dir;
use crate::sys::layout::Layout;
use crate::sys::mount::{Events, events};

/// How often a folder that could not be watched is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(30);
/// How often folders that change while they are armed are armed again before the timer takes over.
const ARM_ROUNDS: u32 = 4;

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// At these files.
    Paths(BTreeSet<FileKey>),
    /// At all files of a stage: its folder came, went or was replaced.
    Folder(Stage),
    /// At everything, and why.
    All(String),
    /// At project.toml, AGENT.md and the prompts.
    Config,
    /// At HEAD and the index of the main checkout.
    Head,
}

/// How well the board is watched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Why changes may go unseen until the next rescan; none when all is well.
    pub degraded: Option<String>,
}

type Tell = Box<dyn Fn(Hint) + Send + Sync>;

#[derive(Default)]
struct State {
    settle: Settle,
    /// Folders that came or went.
    lost: BTreeSet<PathBuf>,
    stop: bool,
    degraded: Option<String>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    places: Places,
    tell: Tell,
    begin: Instant,
}

/// The watching of one board. It ends when dropped.
pub struct Watcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Watches the board of `layout`, whose main checkout has the git folder `git_dir`. Returns when the folders are
    /// watched, so that a scan made after it misses nothing. What cannot be watched is in [`Watcher::health`].
    ///
    /// `tell` is called on threads of the watcher, and may block for a while: events wait in the kernel meanwhile,
    /// and when they are too many for it, that comes as one [`Hint::All`].
    pub fn start(layout: &Layout, git_dir: &Path, tell: impl Fn(Hint) + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            places: Places::new(layout, git_dir),
            tell: Box::new(tell),
            begin: Instant::now(),
        });
        let mut arms = Arms::new(Arc::clone(&shared));
        arms.arm(None);
        let theirs = Arc::clone(&shared);
        let spawned =
            std::thread::Builder::new().name("storkit-watch".to_owned()).spawn(move || work(&theirs, arms));
        let thread = match spawned {
            Ok(thread) => Some(thread),
            Err(error) => {
                shared.lock().degraded = Some(format!("watching cannot be started: {error}"));
                None
            }
        };
        Self { shared, thread }
    }

    /// How well the board is watched now.
    pub fn health(&self) -> Health {
        Health { degraded: self.shared.lock().degraded.clone() }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed where it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// One event of the file system, on the watching library's thread.
    fn event(&self, event: notify::Result<notify::Event>) {
        let event = match event {
            // The flag first: such an event has no paths.
            Ok(event) if event.need_rescan() => {
                self.lock().settle.clear();
                return (self.tell)(Hint::All("more changes at once than the kernel remembers".to_owned()));
            }
            Ok(event) => event,
            Err(error) => return (self.tell)(Hint::All(format!("watching stumbled: {error}"))),
        };
        for sign in self.places.signs(&event) {
            match sign {
                Sign::Whole(key) => {
                    self.lock().settle.drop(&key);
                    (self.tell)(Hint::Paths(BTreeSet::from([key])));
                }
                Sign::Written(key) => self.written(key),
                Sign::Folder(path) => {
                    self.lock().lost.insert(path);
                    self.wake.notify_one();
                }
                Sign::Config => (self.tell)(Hint::Config),
                Sign::Head => (self.tell)(Hint::Head),
            }
        }
    }

    fn written(&self, key: FileKey) {
        let now = self.now_ms();
        let mut state = self.lock();
        let was_idle = state.settle.is_empty();
        if state.settle.touch(key, now) {
            drop(state);
            if was_idle {
                self.wake.notify_one();
            }
        } else {
            state.settle.clear();
            drop(state);
            (self.tell)(Hint::All("more files are written at once than are waited for".to_owned()));
        }
    }
}

/// The watcher's thread: tells of files that came to rest, and watches folders anew that were replaced.
fn work(shared: &Shared, mut arms: Arms) {
    let mut retry = Instant::now() + RETRY_EVERY;
    loop {
        let mut state = shared.lock();
        if state.stop {
            return;
        }
        if !state.lost.is_empty() || (arms.incomplete && Instant::now() >= retry) {
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            arms.arm(Some(&lost));
            retry = Instant::now() + RETRY_EVERY;
            continue;
        }
        let now = shared.now_ms();
        let due = state.settle.due(now);
        if !due.is_empty() {
            drop(state);
            (shared.tell)(Hint::Paths(due));
            continue;
        }
        let rest = state.settle.next().map(|at| Duration::from_millis(at.saturating_sub(now).max(1)));
        let again = arms.incomplete.then(|| retry.saturating_duration_since(Instant::now()));
        match rest.into_iter().chain(again).min() {
            Some(pause) => {
                drop(shared.wake.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner));
            }
            None => drop(shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// The folders that are watched, and which folder each of them was.
struct Arms {
    shared: Arc<Shared>,
    library: Option<RecommendedWatcher>,
    armed: BTreeMap<PathBuf, (u64, u64)>,
    /// Something that should be watched is not.
    incomplete: bool,
}

impl Arms {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, library: None, armed: BTreeMap::new(), incomplete: false }
    }

    /// Watches what is there and not yet watched. `lost` came or went since the last time: those, and what is below
    /// them, are watched anew, and told of; none at the start.
    fn arm(&mut self, lost: Option<&BTreeSet<PathBuf>>) {
        let mut fresh: BTreeSet<Stage> = BTreeSet::new();
        for above in lost.into_iter().flatten() {
            // The inode says nothing here: a folder made anew may have that of the one that went.
            let below: Vec<PathBuf> =
                self.armed.keys().filter(|path| path.starts_with(above)).cloned().collect();
            for path in below {
                self.disarm(&path);
                let stages = Stage::ALL.into_iter().zip(&self.shared.places.stages);
                fresh.extend(stages.filter(|(_, stage)| **stage == path).map(|(stage, _)| stage));
            }
        }
        let mut trouble = None;
        for _ in 0..ARM_ROUNDS {
            let before = self.armed.clone();
            trouble = self.arm_once(&mut fresh);
            if self.armed == before {
                break;
            }
        }
        let degraded = trouble.or_else(|| match events(&self.shared.places.work) {
            Events::Told => None,
            Events::NotTold(kind) => Some(format!(
                "{kind} does not tell of changes that others make; the board is looked at every 30 s"
            )),
        });
        self.incomplete = self.library.is_none() || degraded.is_some();
        self.shared.lock().degraded = degraded;
        if lost.is_some() {
            for stage in fresh {
                (self.shared.tell)(Hint::Folder(stage));
            }
        }
    }

    /// One round; the first thing that cannot be watched, in words.
    fn arm_once(&mut self, fresh: &mut BTreeSet<Stage>) -> Option<String> {
        if self.library.is_none() {
            let shared = Arc::clone(&self.shared);
            match notify::recommended_watcher(move |event| shared.event(event)) {
                Ok(library) => self.library = Some(library),
                Err(error) => return Some(reason(&error)),
            }
        }
        let places = self.shared.places.clone();
        let mut trouble = None;
        // Where `.storkit` is missing, the folder above tells when it comes.
        let above = !places.dot.is_dir();
        let root = std::slice::from_ref(&places.root);
        let root = if above {
            root
        } else {
            self.disarm(&places.root);
            &[]
        };
        let others = [&places.dot, &places.work, &places.prompts, &places.git_dir];
        for path in root.iter().chain(others) {
            trouble = trouble.or(self.arm_one(path).1);
        }
        for (stage, path) in Stage::ALL.into_iter().zip(&places.stages) {
            let (changed, failed) = self.arm_one(path);
            if changed {
                fresh.insert(stage);
            }
            trouble = trouble.or(failed);
        }
        trouble
    }

    /// Watches one folder where it is another than before; whether it is, and what failed.
    fn arm_one(&mut self, path: &Path) -> (bool, Option<String>) {
        let now = Dir::open(path).and_then(|dir| dir.stamp()).ok().map(|stamp| (stamp.dev, stamp.ino));
        if now.as_ref() == self.armed.get(path) {
            return (false, None);
        }
        let was = self.disarm(path);
        let (Some(identity), Some(library)) = (now, self.library.as_mut()) else {
            return (was, None);
        };
        match library.watch(path, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.armed.insert(path.to_owned(), identity);
                (true, None)
            }
            // It went again: its parent tells when it comes back.
            Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => (true, None),
            Err(error) => (true, Some(reason(&error))),
        }
    }

    fn disarm(&mut self, path: &Path) -> bool {
        let was = self.armed.remove(path).is_some();
        if let Some(library) = self.library.as_mut().filter(|_| was) {
            // The library forgets a folder that was removed by itself, and then answers that it knows none.
            let _ = library.unwatch(path);
        }
        was
    }
}

fn reason(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "the system's limit of watches is reached (fs.inotify.max_user_watches)".to_owned()
        }
        notify::ErrorKind::Io(source) if source.raw_os_error() == Some(libc::EMFILE) => {
            "the system's limit of watchers is reached (fs.inotify.max_user_instances)".to_owned()
        }
        _ => format!("folders cannot be watched: {error}"),
    }
}

#[cfg(test)]
mod tests;
