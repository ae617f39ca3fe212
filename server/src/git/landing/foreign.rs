//! Whether a story's branch carries commits of another story that has not landed.

use storkit_core::ids::{Oid, StoryId};

use crate::git::error::GitError;
use crate::git::refs;
use crate::git::repo::Repo;

/// The other story whose unlanded commits `tip` has, and that must land first; none where all are the story's own.
///
/// Of two branches that share commits, the one that merged them waits for the one that made them; where history does not
/// tell, the one that holds the whole other branch waits, and else the later id: never both for each other.
pub(super) fn owner_of_commits(
    repo: &Repo,
    story: &StoryId,
    tip: &Oid,
    base: &Oid,
) -> Result<Option<StoryId>, GitError> {
    let objects = repo.objects();
    for (name, other_tip) in objects.references("refs/heads/feature/")? {
        let Some(other) = name.strip_prefix("refs/heads/feature/story-") else { continue };
        let Ok(other) = StoryId::new(other) else { continue };
        if other == *story || objects.is_ancestor(&other_tip, base)? {
            continue;
        }
        let Some(shared) = objects.merge_base(tip, &other_tip)? else { continue };
        if objects.is_ancestor(&shared, base)? || !refs::is_ours(repo, &other)? {
            continue;
        }
        let landed = |story: &StoryId| -> Result<bool, GitError> {
            let landed = refs::landed_tip(repo, story, base)?;
            landed.map_or(Ok(false), |landed| objects.is_ancestor(&shared, &landed))
        };
        if landed(&other)? || landed(story)? {
            continue;
        }
        let own = objects.commits(tip, base, true)?.contains(&shared);
        let theirs = objects.commits(&other_tip, base, true)?.contains(&shared);
        let waits = match (own, theirs) {
            (true, false) => false,
            (false, true) => true,
            _ => match (shared == other_tip, shared == *tip) {
                (true, false) => true,
                (false, true) => false,
                _ => *story > other,
            },
        };
        if waits {
            return Ok(Some(other));
        }
    }
    Ok(None)
}
