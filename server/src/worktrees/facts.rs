//! A story's branch against base, read from git: the facts that the core decides on.

use storkit_core::facts::BranchFacts;
use storkit_core::ids::{Oid, StoryId};

use super::ground::{Found, Ground};
use super::snapshot::{Survey, survey};
use crate::git::command::Pinned;
use crate::git::refs;
use crate::git::repo::busy;
use crate::git::{GitError, Repo};

/// Most paths below a protected prefix that are named.
const PROTECTED_MAX: usize = 10;
/// Most unmerged paths that are named.
const UNMERGED_MAX: usize = 10;

/// Which branch is looked at, and against what.
#[derive(Debug, Clone)]
pub struct FactsOrder {
    /// The story.
    pub story: StoryId,
    /// The branch that it is to land on.
    pub base_branch: String,
    /// Path prefixes that only a person lets through (`merge.protect`).
    pub protect: Vec<String>,
}

/// Looks at a story's branch and worktree, and changes nothing.
pub fn inspect(ground: &Ground, order: &FactsOrder) -> Result<BranchFacts, GitError> {
    let repo = ground.repo();
    let mut facts = branch_facts(repo, order)?;
    match ground.find(order.story.as_str())? {
        Found::Absent => {}
        Found::Damaged { why, .. } => facts.broken = Some(format!("the worktree is lost: {why}")),
        Found::Tree(pins) => {
            let base = repo.branch_tip(&order.base_branch)?;
            let survey = survey(repo, &pins, base.as_ref())?;
            facts.broken = broken(repo, &pins, &order.story, &survey)?;
            facts.unsafe_to_remove = survey.unsafe_to_remove();
        }
    }
    Ok(facts)
}

/// What refs and objects alone say.
pub(super) fn branch_facts(repo: &Repo, order: &FactsOrder) -> Result<BranchFacts, GitError> {
    let Some(tip) = repo.branch_tip(&order.story.branch())? else { return Ok(BranchFacts::default()) };
    let base = repo.branch_tip(&order.base_branch)?;
    let ahead = ahead(repo, &order.story, &tip, base.as_ref())?;
    let mut protected = Vec::new();
    if let Some(base) = &base
        && let Some(from) = repo.objects().merge_base(base, &tip)?
    {
        let is_protected =
            |path: &[u8]| order.protect.iter().any(|prefix| path.starts_with(prefix.as_bytes()));
        let changes = repo.objects().changes(&from, &tip)?;
        let paths = changes.iter().filter(|change| !change.is_board() && is_protected(&change.path));
        protected.extend(
            paths.take(PROTECTED_MAX).map(|change| String::from_utf8_lossy(&change.path).into_owned()),
        );
    }
    Ok(BranchFacts { tip: Some(tip), ahead, protected, broken: None, unsafe_to_remove: None })
}

/// How many commits of a story's tip are work that has not landed.
pub(super) fn ahead(repo: &Repo, story: &StoryId, tip: &Oid, base: Option<&Oid>) -> Result<u32, GitError> {
    let mut hidden: Vec<Oid> = base.cloned().into_iter().collect();
    if let Some(base) = base {
        hidden.extend(refs::landed_tip(repo, story, base)?);
    }
    repo.objects().ahead(tip, &hidden)
}

/// What is not as it should be in a worktree; none where the next step can go on from it.
pub(super) fn broken(
    repo: &Repo,
    pins: &Pinned,
    story: &StoryId,
    survey: &Survey,
) -> Result<Option<String>, GitError> {
    if let Some(busy) = busy(&pins.git_dir) {
        return Ok(Some(busy.what.to_owned()));
    }
    if !survey.unmerged.is_empty() {
        let names = &survey.unmerged[..survey.unmerged.len().min(UNMERGED_MAX)];
        return Ok(Some(format!("unmerged paths: {}", names.join(", "))));
    }
    let branch = refs::head(&story.branch());
    let on = repo.head_branch(pins)?;
    if on.as_ref() == Some(&branch) {
        return Ok(None);
    }
    let (Some(head), Some(tip)) = (repo.head_commit(pins)?, repo.objects().reference(&branch)?) else {
        return Ok(None);
    };
    if repo.objects().is_ancestor(&tip, &head)? {
        return Ok(None);
    }
    let on = on.unwrap_or_else(|| "no branch".to_owned());
    let short = head.short();
    Ok(Some(format!("HEAD is at {short} ({on}), which does not descend from {}", story.branch())))
}
