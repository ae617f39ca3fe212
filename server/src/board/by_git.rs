//! Telling whether git changed the board: a switch, a stash or a pull in the main checkout, not a person's hand.
//!
//! It reads refs and trees; it changes nothing.

use std::time::{Duration, Instant, SystemTime};

use storkit_core::ids::Oid;
use storkit_core::sighting::FileKey;

use super::objects::{GitError, Objects, RunGit};
use crate::sys::layout::Layout;

/// How long after a change of HEAD or the stash git may still be writing files.
const HEAD_GRACE: Duration = Duration::from_secs(3);
/// How long a git command that holds the index is waited for, and how often it is looked at.
const INDEX_WAIT: Duration = Duration::from_secs(5);
const INDEX_EVERY: Duration = Duration::from_millis(10);
/// An `index.lock` older than this is left over, or held by a commit whose message is being written.
const INDEX_LOCK_YOUNG: Duration = Duration::from_mins(1);
/// How long after git wrote the index it may not yet have moved HEAD.
const INDEX_FRESH: Duration = Duration::from_secs(2);
const HEAD_FOLLOWS: Duration = Duration::from_millis(200);

/// Where HEAD and the stash of the main checkout stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeadState {
    /// The branch that HEAD names; none where it is detached.
    pub branch: Option<String>,
    /// HEAD's commit; none on an unborn branch.
    pub commit: Option<Oid>,
    /// The newest stash.
    pub stash: Option<Oid>,
}

/// A file of the board that changed since it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Which.
    pub key: FileKey,
    /// Whether it is there now.
    pub there: bool,
    /// It came from, or went to, another folder as the same inode with the same times. git never moves a file: it
    /// removes the old one and writes a new one.
    pub renamed: bool,
}

/// Whether git made one of these changes: HEAD or the stash moved, and a file now is as the new commit says and not
/// as the old one said, or is as a stash says.
///
/// `now` reads a file of the board, `then` a path in a commit's tree.
pub fn by_git(
    before: &HeadState,
    after: &HeadState,
    touched: &[Touched],
    now: impl Fn(&FileKey) -> Option<Vec<u8>>,
    then: impl Fn(&str, &FileKey) -> Option<Vec<u8>>,
) -> bool {
    if before == after {
        return false;
    }
    let at = |commit: Option<&Oid>, key: &FileKey| commit.and_then(|oid| then(oid.as_str(), key));
    // A stash of new files keeps them in its third parent.
    let stashed = |stash: Option<&Oid>, key: &FileKey| {
        stash.and_then(|oid| then(&format!("{oid}^3"), key).or_else(|| then(oid.as_str(), key)))
    };
    touched.iter().filter(|change| !change.renamed).any(|change| {
        let key = &change.key;
        let old = at(before.commit.as_ref(), key);
        let new = at(after.commit.as_ref(), key);
        let stash_moved = before.stash != after.stash;
        if change.there {
            let Some(bytes) = now(key) else {
                return false;
            };
            let is = |other: &Option<Vec<u8>>| other.as_ref().is_some_and(|other| same_text(&bytes, other));
            let as_committed = is(&new) && (!is(&old) || stash_moved);
            as_committed || (stash_moved && is(&stashed(before.stash.as_ref(), key)))
        } else {
            let taken_out = old.is_some() && new.is_none();
            taken_out || (stash_moved && stashed(after.stash.as_ref(), key).is_some())
        }
    })
}

/// Equal but for line ends, which git may have converted on the way out.
fn same_text(a: &[u8], b: &[u8]) -> bool {
    let plain = |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != b'\r').collect::<Vec<_>>();
    a == b || plain(a) == plain(b)
}

/// Watches HEAD and the stash from one look at the board to the next.
pub struct GitEye {
    objects: Objects,
    git_dir: std::path::PathBuf,
    now: HeadState,
    before: HeadState,
    changed: Option<Instant>,
}

impl GitEye {
    /// Begins to watch the main checkout, whose git folder is `git_dir`.
    pub fn open(
        layout: &Layout,
        git_dir: std::path::PathBuf,
        run: Option<&RunGit>,
    ) -> Result<Self, GitError> {
        let objects = Objects::open(layout, run)?;
        let now = head_state(&objects)?;
        Ok(Self { objects, git_dir, before: now.clone(), now, changed: None })
    }

    /// Where HEAD and the stash stood at the last look.
    pub fn state(&self) -> &HeadState {
        &self.now
    }

    /// Takes what stands now as known: for storkit's own fast-forward of the main checkout.
    pub fn forgive(&mut self) {
        if let Ok(state) = head_state(&self.objects) {
            self.now = state;
            self.changed = None;
        }
    }

    /// Whether git made one of these changes. Where a git command is at work, its end is waited for, for at most
    /// five seconds: git writes files first and moves HEAD last.
    pub fn did(&mut self, touched: &[Touched], now: impl Fn(&FileKey) -> Option<Vec<u8>>) -> bool {
        self.look();
        let doubtful: Vec<Touched> = touched.iter().filter(|change| !change.renamed).cloned().collect();
        if doubtful.is_empty() {
            return false;
        }
        self.wait_for_git();
        let recent = self.changed.is_some_and(|at| at.elapsed() < HEAD_GRACE);
        let then = |commit: &str, key: &FileKey| {
            let commit = self.objects.resolve(commit).ok()??;
            let tree = self.objects.commit(&commit).ok()?.tree;
            let (oid, folder) = self.objects.at_path(&tree, &key.path()).ok()??;
            if folder { None } else { self.objects.blob(&oid).ok() }
        };
        recent && by_git(&self.before, &self.now, &doubtful, now, then)
    }

    /// Notes a change of HEAD or the stash.
    fn look(&mut self) {
        let Ok(state) = head_state(&self.objects) else {
            return;
        };
        if state != self.now {
            let since_last = self.changed.is_some_and(|at| at.elapsed() < HEAD_GRACE);
            let old = std::mem::replace(&mut self.now, state);
            if !since_last {
                self.before = old;
            }
            self.changed = Some(Instant::now());
        }
    }

    fn wait_for_git(&mut self) {
        let begin = Instant::now();
        let lock = self.git_dir.join("index.lock");
        let index = self.git_dir.join("index");
        let younger = |path: &std::path::Path, limit: Duration| {
            let written = std::fs::metadata(path).and_then(|meta| meta.modified());
            written.is_ok_and(|at| SystemTime::now().duration_since(at).map_or(true, |age| age < limit))
        };
        let mut busy = false;
        while younger(&lock, INDEX_LOCK_YOUNG) && begin.elapsed() < INDEX_WAIT {
            busy = true;
            std::thread::sleep(INDEX_EVERY);
        }
        self.look();
        let freed = Instant::now();
        while self.changed.is_none_or(|at| at.elapsed() >= HEAD_GRACE)
            && (busy || younger(&index, INDEX_FRESH))
            && freed.elapsed() < HEAD_FOLLOWS
        {
            std::thread::sleep(INDEX_EVERY);
            self.look();
        }
    }
}

fn head_state(objects: &Objects) -> Result<HeadState, GitError> {
    Ok(HeadState {
        branch: objects.head_branch(),
        commit: objects.resolve("HEAD")?,
        stash: objects.resolve("refs/stash")?,
    })
}
