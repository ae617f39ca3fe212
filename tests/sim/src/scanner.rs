//! The fake watcher and scanner: hints that come late, twice or never, and looks that are not atomic. One look at a
//! time, as in the daemon; a look is stamped with the last event handled when it began.

use std::collections::{BTreeMap, BTreeSet};

use storkit_core::event::Event;
use storkit_core::invariants::Checked;
use storkit_core::sighting::{FileKey, Scan, Seen};
use storkit_core::stage::Stage;

use crate::mutant::Mutant;
use crate::world::{Task, World};

/// How often everything is looked at unasked, in milliseconds.
const ALL_EVERY_MS: u64 = 30_000;

/// What is to be looked at, and the look under way.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    wanted: BTreeSet<FileKey>,
    all: bool,
    /// Paths that git changed and no look has told of, and when it did.
    pub(crate) by_git: BTreeMap<FileKey, u64>,
    pub(crate) missing: BTreeSet<Stage>,
    waiting: bool,
    look: Option<Look>,
}

#[derive(Debug)]
struct Look {
    began: u64,
    scan: Scan,
    folders: Vec<Stage>,
    keys: Vec<FileKey>,
}

impl World {
    /// A daemon begins to look.
    pub(crate) fn scanner_up(&mut self) {
        let missing = std::mem::take(&mut self.scanner.missing);
        self.scanner = Scanner { all: true, missing, ..Scanner::default() };
        self.look_soon();
        self.later(ALL_EVERY_MS, Task::ScanAll);
    }

    /// Whether a look is under way or wanted.
    pub(crate) fn is_looking(&self) -> bool {
        self.scanner.look.is_some() || self.scanner.waiting
    }

    fn look_soon(&mut self) {
        if !self.scanner.waiting && self.scanner.look.is_none() {
            self.scanner.waiting = true;
            let after = self.small();
            self.later(after, Task::ScanBegin);
        }
    }

    pub(crate) fn look_at(&mut self, keys: Vec<FileKey>) {
        self.scanner.wanted.extend(keys);
        self.look_soon();
    }

    /// The timer's look at everything.
    pub(crate) fn scan_all(&mut self) {
        self.later(ALL_EVERY_MS, Task::ScanAll);
        if !self.is_mutant(Mutant::LostHintNeverRescanned) {
            self.scanner.all = true;
            self.look_soon();
        }
    }

    /// What changed in the world becomes hints, some of which are lost.
    pub(crate) fn note_changes(&mut self) {
        let changed = std::mem::take(&mut self.files.changed);
        if changed.is_empty() || self.pipe.is_none() {
            return;
        }
        if !self.calm && self.rng.chance(self.trouble.lost_hints) {
            return;
        }
        self.look_at(changed);
    }

    fn seq(&self) -> u64 {
        self.pipe.as_ref().map_or(0, storkit_core::pipeline::Pipeline::seq)
    }

    pub(crate) fn scan_begin(&mut self) {
        self.scanner.waiting = false;
        let scan =
            Scan { begin: self.seq(), complete: std::mem::take(&mut self.scanner.all), ..Scan::default() };
        let wanted = std::mem::take(&mut self.scanner.wanted);
        let look = if scan.complete {
            Look { began: self.now, scan, folders: Stage::ALL.to_vec(), keys: Vec::new() }
        } else {
            Look { began: self.now, scan, folders: Vec::new(), keys: wanted.into_iter().collect() }
        };
        self.scanner.look = Some(look);
        self.later(0, Task::ScanStep);
    }

    /// Looks at some more, or reports.
    pub(crate) fn scan_step(&mut self) -> Checked {
        let Some(mut look) = self.scanner.look.take() else { return Ok(()) };
        if look.folders.is_empty() && look.keys.is_empty() {
            return self.report(look);
        }
        let all_at_once = self.rng.chance(70);
        loop {
            if let Some(stage) = look.folders.pop() {
                self.list(&mut look.scan, stage);
            } else if let Some(key) = look.keys.pop() {
                self.look_one(&mut look.scan, key);
            } else {
                break;
            }
            if !all_at_once {
                break;
            }
        }
        let after = self.small();
        self.scanner.look = Some(look);
        self.later(after, Task::ScanStep);
        Ok(())
    }

    fn list(&self, scan: &mut Scan, stage: Stage) {
        if self.scanner.missing.contains(&stage) {
            scan.missing_folders.push(stage);
            return;
        }
        for key in self.files.map.keys().filter(|key| key.stage == stage) {
            let what = self.files.read(key).expect("listed");
            scan.present.push(Seen { key: key.clone(), what });
        }
    }

    fn look_one(&self, scan: &mut Scan, key: FileKey) {
        match self.files.read(&key) {
            Some(what) => scan.present.push(Seen { key, what }),
            None => scan.absent.push(key),
        }
    }

    fn report(&mut self, look: Look) -> Checked {
        let mut scan = look.scan;
        if self.is_mutant(Mutant::StaleScanNotMarked) {
            scan.begin = self.seq();
        }
        let before = self.scanner.by_git.len();
        let seen: BTreeSet<&FileKey> =
            scan.present.iter().map(|seen| &seen.key).chain(scan.absent.iter()).collect();
        self.scanner.by_git.retain(|key, at| *at >= look.began || !(scan.complete || seen.contains(key)));
        scan.by_git = self.scanner.by_git.len() < before;
        let again = (!self.calm && self.rng.chance(self.trouble.doubled)).then(|| scan.clone());
        self.deliver(Event::Scanned(scan))?;
        if let Some(scan) = again {
            self.deliver(Event::Scanned(scan))?;
        }
        if self.scanner.all || !self.scanner.wanted.is_empty() {
            self.look_soon();
        }
        Ok(())
    }
}
