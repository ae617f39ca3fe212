//! Looking at the stage folders: what is there, reading only what changed since the last look. Nothing is written but
//! an empty stage folder that git took away.
//!
//! Nothing is written here. A file is known by inode, size and times; one whose times are so young that another
//! write could hide behind them is read again the next time.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use storkit_core::sighting::{FileKey, Scan, Seen, name_text};
use storkit_core::stage::Stage;
use storkit_core::story::{Problem, Story};

use super::by_git::Touched;
use super::text::{self, Name, STORY_BYTES_MAX};
use super::{Board, lock};
use crate::sys::fs::{Dir, Entry, Stamp, read_capped};

/// Most files of one stage folder that are looked at.
const FILES_MAX: usize = 200_000;
/// A file that was read sooner than this after its last change is read again at the next look.
const RACY_NS: i128 = 100_000_000;
/// How long a save that looks unfinished is waited for, and how often it is looked at.
const HALF_FOR: Duration = Duration::from_millis(500);
const HALF_EVERY: Duration = Duration::from_millis(50);
/// How often a file that is leased for an instant is tried.
const BUSY_TRIES: u32 = 20;
const BUSY_EVERY: Duration = Duration::from_millis(5);

/// A file that changed: its stamp before and now, where it was there.
type Change = (FileKey, Option<Stamp>, Option<Stamp>);
type What = Arc<Result<Story, Problem>>;

/// One file as it was last read.
struct Known {
    stamp: Stamp,
    racy: bool,
    what: What,
}

/// What was last seen of the board.
#[derive(Default)]
pub(super) struct Cache {
    files: [BTreeMap<Arc<str>, Known>; 6],
    folders: [Option<Stamp>; 6],
    /// Folders that held nothing at all at the last whole look that found them.
    was_empty: [bool; 6],
}

/// A file whose bytes have to be looked at again, since its save does not look finished.
struct Half {
    key: FileKey,
    stamp: Stamp,
}

/// One look under way.
struct Look<'a> {
    cache: &'a mut Cache,
    scan: Scan,
    touched: Vec<Change>,
    half: Vec<Half>,
}

impl Board {
    /// Looks at the whole board. Only files that changed are read; the others cost one `stat`.
    pub fn scan_all(&self, begin: u64) -> Scan {
        let mut cache = lock(&self.cache);
        let mut look = Look::new(&mut cache, begin, true);
        for (stage, dir) in self.stage_dirs() {
            match dir.or_else(|error| self.made_again(look.cache, stage, error)) {
                Ok(dir) => look.folder(stage, &dir),
                Err(error) => look.missing(stage, &error),
            }
        }
        self.finish(look)
    }

    /// Looks at these files, and at the same names in the other folders, so that both ends of a move are seen in
    /// one look. Of the other folders only what changed is told.
    pub fn scan_paths(&self, begin: u64, keys: &[FileKey]) -> Scan {
        let mut cache = lock(&self.cache);
        let mut look = Look::new(&mut cache, begin, false);
        let names: BTreeSet<&Arc<str>> = keys.iter().map(|key| &key.name).collect();
        let asked: BTreeSet<&FileKey> = keys.iter().collect();
        for (stage, dir) in self.stage_dirs() {
            let dir = match dir {
                Ok(dir) => dir,
                Err(error) => {
                    look.missing(stage, &error);
                    continue;
                }
            };
            for name in &names {
                let key = FileKey::new(stage, Arc::clone(name));
                let told = asked.contains(&key);
                look.one(&dir, key, told);
            }
        }
        self.finish(look)
    }

    /// Whether any stage folder got or lost a name since the last whole look; costs six `stat`s.
    pub fn folders_changed(&self) -> bool {
        let cache = lock(&self.cache);
        self.stage_dirs().any(|(stage, dir)| {
            let now = dir.and_then(|dir| dir.stamp()).ok();
            now != cache.folders[stage as usize]
        })
    }

    /// A stage folder that was empty when it was last seen, made again: git removes empty folders, and brings none back.
    fn made_again(&self, cache: &Cache, stage: Stage, error: io::Error) -> io::Result<Dir> {
        let at = stage as usize;
        let was_empty = cache.was_empty[at] && cache.files[at].is_empty();
        if error.kind() != io::ErrorKind::NotFound || !was_empty {
            return Err(error);
        }
        // Without the folder of all stages the whole board is away: none is made in its place.
        std::fs::create_dir(self.layout.stage(stage)).map_err(|_| error)?;
        self.stage_dir(stage)
    }

    fn finish(&self, mut look: Look<'_>) -> Scan {
        self.reread_half(&mut look);
        let mut eye = lock(&self.eye);
        if let Some(eye) = eye.as_mut() {
            let touched = std::mem::take(&mut look.touched);
            let touched = changes(&look, touched);
            look.scan.by_git = eye.did(&touched, |key| self.bytes(key));
        }
        look.scan.present.sort_by(|a, b| a.key.cmp(&b.key));
        look.scan.absent.sort();
        look.scan
    }

    /// Reads again what looked half written, until it does not or the time for it is over.
    fn reread_half(&self, look: &mut Look<'_>) {
        let end = Instant::now() + HALF_FOR;
        while !look.half.is_empty() && Instant::now() < end {
            std::thread::sleep(HALF_EVERY);
            for half in std::mem::take(&mut look.half) {
                let stage = half.key.stage;
                let Some(name) = text::name_of(&half.key.name) else { continue };
                let Ok(dir) = self.stage_dir(stage) else { continue };
                match dir.look(&name) {
                    Ok(Entry::File(stamp)) if stamp == half.stamp => look.half.push(half),
                    _ => {
                        look.scan.present.retain(|seen| seen.key != half.key);
                        look.scan.absent.retain(|key| *key != half.key);
                        look.one(&dir, half.key, true);
                    }
                }
            }
        }
    }

    /// A story file's bytes as they are now.
    fn bytes(&self, key: &FileKey) -> Option<Vec<u8>> {
        let dir = self.stage_dir(key.stage).ok()?;
        let (mut file, _) = dir.open_file(text::name_of(&key.name)?).ok()?;
        read_capped(&mut file, STORY_BYTES_MAX).ok().flatten()
    }
}

impl<'a> Look<'a> {
    fn new(cache: &'a mut Cache, begin: u64, complete: bool) -> Self {
        let scan = Scan { begin, complete, ..Scan::default() };
        Self { cache, scan, touched: Vec::new(), half: Vec::new() }
    }

    fn missing(&mut self, stage: Stage, error: &io::Error) {
        self.scan.missing_folders.push(stage);
        self.cache.was_empty[stage as usize] &= self.cache.files[stage as usize].is_empty();
        self.cache.files[stage as usize].clear();
        self.cache.folders[stage as usize] = None;
        if error.kind() != io::ErrorKind::NotFound {
            let path = format!(".storkit/work/{}", stage.folder());
            let hint = "make it a plain folder that storkit may read and write";
            self.scan.problems.push(Problem::of_file(path, format!("cannot be read: {error}"), hint));
        }
    }

    /// Looks at every file of a folder.
    fn folder(&mut self, stage: Stage, dir: &Dir) {
        // The folder's times are taken first: a name that comes meanwhile shows as a change at the next look.
        let stamp = dir.stamp().ok();
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut more = 0_usize;
        let mut empty = true;
        let listed = dir.entries(|name, maybe_file| {
            empty = false;
            if maybe_file && text::classify(stage, name) != Name::Ignored {
                if names.len() < FILES_MAX { names.push(name.to_vec()) } else { more += 1 }
            }
        });
        if let Err(error) = listed {
            self.missing(stage, &error);
            return;
        }
        if more > 0 {
            let path = format!(".storkit/work/{}", stage.folder());
            let message = format!("holds {more} files more than the {FILES_MAX} that are looked at");
            self.scan.problems.push(Problem::of_file(path, message, "archive stories elsewhere"));
        }
        self.cache.folders[stage as usize] = stamp;
        self.cache.was_empty[stage as usize] = empty;
        let before = std::mem::take(&mut self.cache.files[stage as usize]);
        let mut gone: BTreeMap<Arc<str>, Known> = before;
        for name in names {
            let text_name = name_text(&name);
            let key = match gone.remove_entry(text_name.as_str()) {
                Some((shared, known)) => {
                    self.cache.files[stage as usize].insert(Arc::clone(&shared), known);
                    FileKey::new(stage, shared)
                }
                None => FileKey::new(stage, text_name),
            };
            self.one(dir, key, true);
        }
        for (name, known) in gone {
            let key = FileKey::new(stage, name);
            self.touched.push((key.clone(), Some(known.stamp), None));
            self.scan.absent.push(key);
        }
    }

    /// Looks at one file; `told` whether it is reported even when nothing changed.
    fn one(&mut self, dir: &Dir, key: FileKey, told: bool) {
        let Some(name) = text::name_of(&key.name) else {
            return;
        };
        let class = text::classify(key.stage, name.as_bytes());
        let found = if class == Name::Ignored { None } else { self.read(dir, &name, &key, class) };
        let files = &mut self.cache.files[key.stage as usize];
        let before = files.get(&key.name);
        let known_stamp = before.map(|known| known.stamp);
        let Some(found) = found else {
            if files.remove(&key.name).is_some() {
                self.touched.push((key.clone(), known_stamp, None));
                self.scan.absent.push(key);
            } else if told {
                self.scan.absent.push(key);
            }
            return;
        };
        let same_text = before.is_some_and(|known| known.what == found.what);
        let what = match before {
            // An equal reading keeps the pointer: who compares pointers sees that nothing changed.
            Some(known) if same_text => Arc::clone(&known.what),
            _ => Arc::clone(&found.what),
        };
        if !same_text {
            self.touched.push((key.clone(), known_stamp, Some(found.stamp)));
        }
        files.insert(Arc::clone(&key.name), Known { what: Arc::clone(&what), ..found });
        if told || !same_text {
            self.scan.present.push(Seen { key, what });
        }
    }

    /// The file as it is now, from the cache where its stamp is the same; none where there is no regular file.
    fn read(&mut self, dir: &Dir, name: &OsStr, key: &FileKey, class: Name) -> Option<Known> {
        let Ok(Entry::File(stamp)) = dir.look(name) else {
            return None;
        };
        let known = self.cache.files[key.stage as usize].get(&key.name);
        if let Some(known) = known.filter(|known| known.stamp == stamp && !known.racy) {
            return Some(Known { stamp, racy: false, what: Arc::clone(&known.what) });
        }
        let trouble = |message: String, hint: &str| Err(Problem::of_file(key.path(), message, hint));
        let (stamp, what) = match class {
            Name::Bad(problem) => (stamp, Err(problem)),
            _ => match open(dir, name) {
                Ok((stamp, Some(bytes))) => {
                    if text::is_half_written(&bytes) && now_ns() - stamp.modified_ns < 500_000_000 {
                        self.half.push(Half { key: key.clone(), stamp });
                    }
                    (stamp, text::parse(key.stage, &key.name, &bytes))
                }
                Ok((stamp, None)) => {
                    (stamp, trouble("is larger than 1 MiB".into(), "shorten it or link to files"))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return None,
                Err(error) => {
                    (stamp, trouble(format!("cannot be read: {error}"), "make it readable for storkit"))
                }
            },
        };
        let racy = now_ns() - stamp.changed_ns < RACY_NS;
        Some(Known { stamp, racy, what: Arc::new(what) })
    }
}

/// What changed, for the question whether git did it.
fn changes(look: &Look<'_>, touched: Vec<Change>) -> Vec<Touched> {
    let vanished: Vec<Stamp> =
        touched.iter().filter(|change| change.2.is_none()).filter_map(|change| change.1).collect();
    let renamed = |key: &FileKey, before: Option<Stamp>, now: Option<Stamp>| match (before, now) {
        // It stands elsewhere now, with its inode and times: git would have written a new file.
        (Some(before), None) => look.cache.files.iter().enumerate().any(|(place, files)| {
            let there = files.get(&key.name);
            Stage::ALL[place] != key.stage && there.is_some_and(|known| known.stamp.same_bytes(&before))
        }),
        (None, Some(now)) => vanished.iter().any(|old| old.same_bytes(&now)),
        _ => false,
    };
    touched
        .into_iter()
        .map(|(key, before, now)| Touched { renamed: renamed(&key, before, now), there: now.is_some(), key })
        .collect()
}

/// The file's bytes with the stamp they had, or none when they are too many. A lease that is held for an instant
/// is waited for.
fn open(dir: &Dir, name: &OsStr) -> io::Result<(Stamp, Option<Vec<u8>>)> {
    for _ in 0..BUSY_TRIES {
        match dir.open_file(name) {
            Ok((mut file, stamp)) => return Ok((stamp, read_capped(&mut file, STORY_BYTES_MAX)?)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(BUSY_EVERY),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "another program holds it"))
}

/// The wall clock, in nanoseconds since 1970: compared with a file's times only.
fn now_ns() -> i128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(now.as_nanos()).unwrap_or(i128::MAX)
}
