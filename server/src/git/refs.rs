//! The names of storkit's refs, and changes of refs: always compared with the old value, several at once or none.
//!
//! | ref | what it holds |
//! | --- | --- |
//! | `refs/storkit/old/<id>/<n>` | tips that the story's branch had; the first is the base that it was made from |
//! | `refs/storkit/snap/<run>/<n>` | bytes that lay uncommitted in a worktree |
//! | `refs/storkit/landing/<id>` | the commit that is being landed: the intent |
//! | `refs/storkit/landing-tip/<id>` | the branch's tip that this commit holds |
//! | `refs/storkit/landed/<id>` | the branch's tip that landed last |
//! | `refs/storkit/landed-as/<id>` | the commit as which it landed; landed means that this is an ancestor of base |
//!
//! A branch `feature/story-<id>` is storkit's own when a pin `old/<id>/…` or `landed/<id>` exists; pins are written before the branch is made.

use std::io::Write as _;

use storkit_core::ids::{Oid, StoryId};

use super::command::Pinned;
use super::error::GitError;
use super::repo::Repo;

/// Where the pins of a story's tips are.
pub fn old_prefix(story: &StoryId) -> String {
    format!("refs/storkit/old/{story}/")
}

/// Where the snapshots of a run, or of whatever `owner` names, are.
pub fn snap_prefix(owner: &str) -> String {
    format!("refs/storkit/snap/{owner}/")
}

/// The intent of a landing.
pub fn landing(story: &StoryId) -> String {
    format!("refs/storkit/landing/{story}")
}

/// The branch's tip that a landing holds.
pub fn landing_tip(story: &StoryId) -> String {
    format!("refs/storkit/landing-tip/{story}")
}

/// The branch's tip that landed last.
pub fn landed(story: &StoryId) -> String {
    format!("refs/storkit/landed/{story}")
}

/// The commit as which it landed.
pub fn landed_as(story: &StoryId) -> String {
    format!("refs/storkit/landed-as/{story}")
}

/// The ref of a branch.
pub fn head(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// Changes of refs that happen all together or not at all.
#[derive(Debug, Default)]
pub struct Transaction {
    /// What is on disk before the rest of it is begun.
    first: Vec<u8>,
    lines: Vec<u8>,
}

impl Transaction {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a ref that must not exist.
    #[must_use]
    pub fn create(self, name: &str, new: &Oid) -> Self {
        self.line(&["create ", name], &[new.as_str()])
    }

    /// Moves a ref that must be at `old`.
    #[must_use]
    pub fn update(self, name: &str, new: &Oid, old: &Oid) -> Self {
        self.line(&["update ", name], &[new.as_str(), old.as_str()])
    }

    /// Sets a ref of storkit's own, whatever it was.
    #[must_use]
    pub fn set(self, name: &str, new: &Oid) -> Self {
        self.line(&["update ", name], &[new.as_str(), ""])
    }

    /// Removes a ref that must be at `old`.
    #[must_use]
    pub fn delete(self, name: &str, old: &Oid) -> Self {
        self.line(&["delete ", name], &[old.as_str()])
    }

    /// This one and after it, by the same process, another: an error of that leaves this one done.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self { first: [self.steps(), next.first].concat(), lines: next.lines }
    }

    /// Does it; an error means that nothing changed.
    pub fn commit(self, repo: &Repo, why: &str) -> Result<(), GitError> {
        let input = self.steps();
        if input.is_empty() {
            return Ok(());
        }
        let git = repo.git().args(["update-ref", "--no-deref", "-m", why, "-z", "--stdin"]);
        git.stdin(input).run().map(drop)
    }

    fn steps(self) -> Vec<u8> {
        let mut steps = self.first;
        if !self.lines.is_empty() {
            steps.extend(b"start\0");
            steps.extend(self.lines);
            steps.extend(b"prepare\0commit\0");
        }
        steps
    }

    fn line(mut self, head: &[&str], values: &[&str]) -> Self {
        self.lines.extend(head.concat().bytes());
        self.lines.push(0);
        for value in values {
            self.lines.extend(value.bytes());
            self.lines.push(0);
        }
        self
    }
}

/// Keeps `tip` reachable for ever: a pin that it descends from moves forward to it, and where there is none a new pin is made.
pub fn pin(repo: &Repo, story: &StoryId, tip: &Oid) -> Result<(), GitError> {
    pinning(repo, story, tip)?.commit(repo, "storkit: pin")
}

/// What [`pin`] does, to be followed by other changes; nothing where the tip is kept already.
pub fn pinning(repo: &Repo, story: &StoryId, tip: &Oid) -> Result<Transaction, GitError> {
    let prefix = old_prefix(story);
    let pins = numbered(repo, &prefix)?;
    if pins.iter().any(|(_, pinned)| pinned == tip) {
        return Ok(Transaction::new());
    }
    let mut behind = None;
    for (n, pinned) in pins.iter().rev() {
        if repo.objects().is_ancestor(pinned, tip)? {
            behind = Some((n, pinned));
            break;
        }
    }
    Ok(if let Some((n, pinned)) = behind {
        Transaction::new().update(&format!("{prefix}{n}"), tip, pinned)
    } else {
        let n = pins.last().map_or(1, |(n, _)| n + 1);
        Transaction::new().create(&format!("{prefix}{n}"), tip)
    })
}

/// Makes the next ref below `prefix` point to `commit`; its name.
pub fn append(repo: &Repo, prefix: &str, commit: &Oid) -> Result<String, GitError> {
    let n = numbered(repo, prefix)?.last().map_or(1, |(n, _)| n + 1);
    let name = format!("{prefix}{n}");
    Transaction::new().create(&name, commit).commit(repo, "storkit: keep")?;
    Ok(name)
}

/// Whether storkit made the branch of that story, by its own refs.
pub fn is_ours(repo: &Repo, story: &StoryId) -> Result<bool, GitError> {
    Ok(!numbered(repo, &old_prefix(story))?.is_empty() || repo.objects().reference(&landed(story))?.is_some())
}

/// The story's tip that is on base, where there is one: `landed/<id>`, while `landed-as/<id>` is an ancestor of base.
pub fn landed_tip(repo: &Repo, story: &StoryId, base: &Oid) -> Result<Option<Oid>, GitError> {
    let objects = repo.objects();
    let (Some(tip), Some(commit)) =
        (objects.reference(&landed(story))?, objects.reference(&landed_as(story))?)
    else {
        return Ok(None);
    };
    Ok(objects.is_ancestor(&commit, base)?.then_some(tip))
}

/// Makes HEAD of a worktree name a branch (a full ref name): under HEAD's own lock, as git does it, and by git itself where refs
/// are not files.
pub fn point_head(repo: &Repo, pins: &Pinned, branch: &str) -> Result<(), GitError> {
    let head = pins.git_dir.join("HEAD");
    let text = std::fs::read_to_string(&head).map_err(GitError::io("read", &head))?;
    if text.trim_end() == "ref: refs/heads/.invalid" {
        return repo.git_in(pins).args(["symbolic-ref", "HEAD", branch]).run().map(drop);
    }
    let lock = pins.git_dir.join("HEAD.lock");
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&lock);
    let mut file = file.map_err(GitError::io("make", &lock))?;
    let written = writeln!(file, "ref: {branch}").and_then(|()| std::fs::rename(&lock, &head));
    written.map_err(|error| {
        // It is ours.
        let _ = std::fs::remove_file(&lock);
        GitError::io("write", &head)(error)
    })
}

/// The refs `<prefix><n>`, by number.
fn numbered(repo: &Repo, prefix: &str) -> Result<Vec<(u64, Oid)>, GitError> {
    let refs = repo.objects().references(prefix)?;
    let number = |name: &str| name.strip_prefix(prefix)?.parse().ok();
    let mut found: Vec<_> = refs.into_iter().filter_map(|(name, oid)| Some((number(&name)?, oid))).collect();
    found.sort_unstable();
    Ok(found)
}
