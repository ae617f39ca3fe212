//! Moves base to the gated commit: by a transaction of refs, or by git's own fast-forward in the checkout that is on base.
//!
//! Whatever git says, how it ended is read by looking at where base is.

use std::time::{Duration, Instant};

use storkit_core::facts::{AdvanceEnd, Overlap};
use storkit_core::ids::{Oid, StoryId};

use super::overlap::{checkouts_of, overlap_in};
use super::record::{Process, Record, lock_of};
use super::recover;
use super::squash::missing;
use crate::git::command::CHECKOUT_TIMEOUT;
use crate::git::error::GitError;
use crate::git::refs::{self, Transaction};
use crate::git::repo::{Checkout, Repo};
use crate::sys::failpoint::reach;

/// How long a locked index is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often it is looked at.
const LOCK_STEP: Duration = Duration::from_millis(50);

/// What base is to move to.
#[derive(Debug, Clone)]
pub struct AdvanceOrder {
    /// The story that lands.
    pub story: StoryId,
    /// The branch that moves.
    pub base_branch: String,
    /// The commit, as `squash` made it and the gates passed it.
    pub commit: Oid,
    /// Base's tip, as `squash` found it.
    pub base: Oid,
    /// The story branch's tip that the commit holds.
    pub tip: Oid,
}

/// Moves base to the commit, if it still is where the commit was made for. The intent stays until [`finish_landing`].
pub fn advance(repo: &Repo, order: &AdvanceOrder) -> Result<AdvanceEnd, GitError> {
    let _one_at_a_time = repo.lock("landing")?;
    match place(repo, order)? {
        Place::At => {}
        other => {
            if matches!(other, Place::Reached) {
                set_landed(repo, &order.story, &order.tip, &order.commit)?;
            }
            return Ok(other.end(order, None));
        }
    }
    repo.sync()?;
    let intent = Transaction::new()
        .set(&refs::landing(&order.story), &order.commit)
        .set(&refs::landing_tip(&order.story), &order.tip);
    intent.commit(repo, "storkit: landing")?;
    reach("advance.intent_written");
    let end = go(repo, order)?;
    if !matches!(end, AdvanceEnd::Advanced) {
        finish_landing(repo, &order.story)?;
    }
    reach("advance.done");
    Ok(end)
}

/// Forgets the intent of a story's landing; called when its file has moved, and nothing is left to do for it.
pub fn finish_landing(repo: &Repo, story: &StoryId) -> Result<(), GitError> {
    let mut transaction = Transaction::new();
    for name in [refs::landing(story), refs::landing_tip(story)] {
        if let Some(old) = repo.objects().reference(&name)? {
            transaction = transaction.delete(&name, &old);
        }
    }
    // The note first: it is found by the ref.
    Record::remove(repo, story);
    reach("finish.note_removed");
    transaction.commit(repo, "storkit: landing finished")?;
    reach("finish.refs_deleted");
    Ok(())
}

/// Writes down that the story's tip is on base, and as which commit.
pub(super) fn set_landed(repo: &Repo, story: &StoryId, tip: &Oid, commit: &Oid) -> Result<(), GitError> {
    let refs = Transaction::new().set(&refs::landed(story), tip).set(&refs::landed_as(story), commit);
    refs.commit(repo, "storkit: landed")
}

/// Where base is.
enum Place {
    /// At the tip that the commit was made for.
    At,
    /// At the commit, or beyond.
    Reached,
    /// Somewhere else.
    Elsewhere,
    /// Nowhere.
    Missing,
}

impl Place {
    fn end(&self, order: &AdvanceOrder, refusal: Option<String>) -> AdvanceEnd {
        match self {
            Self::At => AdvanceEnd::Failed(refusal.unwrap_or_default()),
            Self::Reached => AdvanceEnd::Advanced,
            Self::Elsewhere => AdvanceEnd::BaseMoved,
            Self::Missing => AdvanceEnd::BaseMissing(missing(&order.base_branch)),
        }
    }
}

fn place(repo: &Repo, order: &AdvanceOrder) -> Result<Place, GitError> {
    let Some(now) = repo.branch_tip(&order.base_branch)? else { return Ok(Place::Missing) };
    Ok(if now == order.base {
        Place::At
    } else if repo.objects().is_ancestor(&order.commit, &now)? {
        Place::Reached
    } else {
        Place::Elsewhere
    })
}

fn go(repo: &Repo, order: &AdvanceOrder) -> Result<AdvanceEnd, GitError> {
    let checkouts = checkouts_of(repo, &order.base_branch)?;
    let refusal = match checkouts.as_slice() {
        [] => move_refs(repo, order).err().map(|error| error.to_string()),
        [checkout] => match fast_forward(repo, order, checkout)? {
            Ok(refusal) => refusal,
            Err(overlap) => return Ok(AdvanceEnd::Overlap(overlap)),
        },
        [_, second, ..] => {
            let folder = second.pins.work_tree.to_string_lossy().into_owned();
            let why = format!("{} is checked out there too", order.base_branch);
            return Ok(AdvanceEnd::Overlap(Overlap { folder, files: Vec::new(), why }));
        }
    };
    let place = place(repo, order)?;
    if matches!(place, Place::Reached) {
        set_landed(repo, &order.story, &order.tip, &order.commit)?;
        reach("advance.landed_set");
    }
    Ok(place.end(order, refusal))
}

/// Base is checked out nowhere: base and the landed refs change together.
pub(super) fn move_refs(repo: &Repo, order: &AdvanceOrder) -> Result<(), GitError> {
    Transaction::new()
        .update(&refs::head(&order.base_branch), &order.commit, &order.base)
        .set(&refs::landed(&order.story), &order.tip)
        .set(&refs::landed_as(&order.story), &order.commit)
        .commit(repo, &format!("storkit: land {}", order.story))?;
    reach("advance.refs_moved");
    Ok(())
}

/// git's own fast-forward, which refuses to overwrite a person's edits; what it said, where it refused.
fn fast_forward(
    repo: &Repo,
    order: &AdvanceOrder,
    checkout: &Checkout,
) -> Result<Result<Option<String>, Overlap>, GitError> {
    let folder = || checkout.pins.work_tree.to_string_lossy().into_owned();
    let begin = Instant::now();
    while lock_of(&checkout.pins).is_some() {
        if begin.elapsed() > LOCK_WAIT {
            let why = "git is at work there (index.lock)".to_owned();
            return Ok(Err(Overlap { folder: folder(), files: Vec::new(), why }));
        }
        std::thread::sleep(LOCK_STEP);
    }
    let changes = repo.objects().changes(&order.base, &order.commit)?;
    if let Some(overlap) = overlap_in(repo, checkout, &changes)? {
        return Ok(Err(overlap));
    }
    let mut record =
        Record { pins: checkout.pins.clone(), old: order.base.clone(), process: None, lock: None };
    record.write(repo, &order.story)?;
    reach("advance.noted");
    let flags =
        ["--ff-only", "--no-autostash", "--no-overwrite-ignore", "--no-verify-signatures", "--no-squash"];
    let git = repo.git_in(&checkout.pins).args(["merge", "--quiet", "--commit"]).args(flags);
    let git = git.arg(order.commit.as_str()).timeout(CHECKOUT_TIMEOUT);
    let ended = git.run_watched(&mut |pid| {
        let lock = lock_of(&checkout.pins);
        if record.process.is_none() || (record.lock.is_none() && lock.is_some()) {
            record.process = record.process.take().or_else(|| Process::look(pid));
            record.lock = lock;
            // The note is an aid after a crash; without it the lock is left alone and named.
            let _ = record.write(repo, &order.story);
            reach(if record.lock.is_some() { "advance.git_locked" } else { "advance.git_started" });
        }
    });
    match ended {
        Ok(output) if output.code == 0 => {
            reach("advance.fast_forwarded");
            Ok(Ok(None))
        }
        Ok(output) => {
            let busy = output.stderr.contains("index.lock");
            let why = output.stderr;
            if busy {
                Ok(Err(Overlap { folder: folder(), files: Vec::new(), why }))
            } else {
                Ok(Ok(Some(why)))
            }
        }
        Err(error) => {
            // It was ended in the middle: put back what it had written already.
            let left = recover::put_back(repo, &record, &order.commit)?;
            let left =
                if left.is_empty() { String::new() } else { format!("; not as before: {}", left.join(", ")) };
            Ok(Ok(Some(format!("{error}{left}"))))
        }
    }
}
