//! What may end a run from outside: time, silence, and a worktree that is no longer the one it was.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::super::spec::{How, Identity, RunSpec, ShimSpec};

/// How often the worktree is looked at.
const LOOK_EACH: Duration = Duration::from_millis(250);
/// How often CPU time is summed: a tenth of the silence that is allowed, within these.
const CPU_EACH: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// A worktree's `.git` file is a line; more of it is not read.
const GIT_FILE_LEN_MAX: u64 = 4096;

/// The limits of one run, on the monotonic clock.
#[derive(Debug)]
pub(super) struct Watch {
    timeout_at: Option<Instant>,
    inactivity: Option<Duration>,
    active: Instant,
    cpu: Option<u64>,
    next_cpu: Instant,
    next_look: Instant,
    worktree: PathBuf,
    worktree_is: Identity,
    git: Option<GitFile>,
}

impl Watch {
    /// Begins to watch now. None where the worktree is lost already.
    pub(super) fn begin(order: &ShimSpec, now: Instant) -> Option<Self> {
        let RunSpec { timeout_ms, inactivity_ms, worktree, needs_git, .. } = &order.spec;
        let limit = |ms: u64| (ms > 0).then(|| Duration::from_millis(ms));
        let git = GitFile::read(worktree);
        if Identity::of_folder(worktree) != Some(order.worktree_is) || (*needs_git && git.is_none()) {
            return None;
        }
        Some(Self {
            timeout_at: limit(*timeout_ms).and_then(|span| now.checked_add(span)),
            inactivity: limit(*inactivity_ms),
            active: now,
            cpu: None,
            next_cpu: now,
            next_look: now,
            worktree: worktree.clone(),
            worktree_is: order.worktree_is,
            git,
        })
    }

    /// There was output.
    pub(super) fn active(&mut self, now: Instant) {
        self.active = now;
    }

    /// When the next look is due, at the latest.
    pub(super) fn next(&self) -> Instant {
        let inactivity = self.inactivity.map(|_| self.next_cpu);
        [self.timeout_at, inactivity].into_iter().flatten().fold(self.next_look, Instant::min)
    }

    /// Looks at what is due. `cpu` sums the CPU time of the run.
    pub(super) fn look(&mut self, now: Instant, cpu: impl FnOnce() -> u64) -> Option<How> {
        if self.timeout_at.is_some_and(|at| now >= at) {
            return Some(How::TimedOut);
        }
        if now >= self.next_look {
            self.next_look = now + LOOK_EACH;
            if self.is_lost() {
                return Some(How::WorktreeLost);
            }
        }
        let inactivity = self.inactivity.filter(|_| now >= self.next_cpu)?;
        self.next_cpu = now + (inactivity / 10).clamp(CPU_EACH.0, CPU_EACH.1);
        let spent = cpu();
        if self.cpu.replace(spent).is_some_and(|before| before != spent) {
            self.active = now;
        }
        (now.saturating_duration_since(self.active) >= inactivity).then_some(How::Inactive)
    }

    fn is_lost(&mut self) -> bool {
        if Identity::of_folder(&self.worktree) != Some(self.worktree_is) {
            return true;
        }
        let Some(git) = &mut self.git else { return false };
        match GitFile::read(&self.worktree) {
            // Written again with the same bytes it is the same; in another file it is not.
            Some(found) if found.ino == git.ino && found.content == git.content => {
                *git = found;
                false
            }
            _ => true,
        }
    }
}

/// The `.git` of a worktree: which file it is, and where it points.
#[derive(Debug, PartialEq, Eq)]
struct GitFile {
    ino: (u64, u64),
    content: Vec<u8>,
}

impl GitFile {
    fn read(worktree: &std::path::Path) -> Option<Self> {
        use std::io::Read;
        let path = worktree.join(".git");
        let meta = std::fs::symlink_metadata(&path).ok()?;
        let mut content = Vec::new();
        if meta.is_file() {
            let file = std::fs::File::open(&path).ok()?;
            file.take(GIT_FILE_LEN_MAX).read_to_end(&mut content).ok()?;
        }
        Some(Self { ino: (meta.dev(), meta.ino()), content })
    }
}
