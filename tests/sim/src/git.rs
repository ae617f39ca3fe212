//! The fake git: base as a chain of commits, a branch per story, and the truth about what the gates say of a tree.

use std::collections::{BTreeMap, BTreeSet};

use storkit_core::facts::{BranchFacts, Intent};
use storkit_core::ids::{Oid, StoryId};

use crate::rng::mix;

/// Files that changes touch.
pub(crate) const FILES: usize = 6;
/// What the gates are called, and the bit that makes each red.
pub(crate) const GATES: [(&str, u8); 2] = [("tests", 1), ("lint", 2)];

/// One commit's worth of a story's work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) id: u32,
    pub(crate) file: usize,
    /// The gates that it fails.
    pub(crate) red: u8,
    /// Two changes of one group fail the tests together; 0 is no group.
    pub(crate) clash: u8,
    pub(crate) protected: bool,
}

/// What a commit holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tree {
    pub(crate) changes: BTreeMap<u32, Change>,
    /// What others broke.
    pub(crate) red: u8,
    /// How often each file was changed on base.
    pub(crate) versions: [u32; FILES],
}

impl Tree {
    /// Whether a gate passes on it: the truth.
    pub(crate) fn passes(&self, gate: &str) -> bool {
        let bit = GATES.iter().find(|(name, _)| *name == gate).map_or(0, |(_, bit)| *bit);
        let red = self.changes.values().fold(self.red, |red, change| red | change.red);
        let mut groups = BTreeSet::new();
        let clash = self.changes.values().any(|change| change.clash > 0 && !groups.insert(change.clash));
        red & bit == 0 && !(bit == 1 && clash)
    }

    fn oid(&self) -> Oid {
        oid(format!("{self:?}").bytes().fold(7, |hash, byte| mix(hash ^ u64::from(byte))))
    }
}

/// A commit of base, or one that may become one.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) parent: Option<Oid>,
    pub(crate) tree: Oid,
}

/// A story's branch.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    /// Where it left base, or met it last.
    pub(crate) fork: Oid,
    pub(crate) changes: BTreeMap<u32, Change>,
    pub(crate) tip: Oid,
}

/// The repository.
#[derive(Debug)]
pub(crate) struct Git {
    pub(crate) commits: BTreeMap<Oid, Commit>,
    pub(crate) trees: BTreeMap<Oid, Tree>,
    pub(crate) base: Oid,
    pub(crate) branches: BTreeMap<StoryId, Branch>,
    /// `refs/storkit/landing/<id>`.
    pub(crate) landing: BTreeMap<StoryId, Oid>,
    /// Files that a person edits in the checkout of base.
    pub(crate) dirty: BTreeSet<usize>,
    /// Whether base's branch is there.
    pub(crate) base_there: bool,
    made: u64,
}

/// An object id made from a number.
fn oid(number: u64) -> Oid {
    Oid::new(&format!("{number:016x}{:016x}{:08x}", mix(number), mix(number + 1) >> 32))
        .expect("forty hex digits")
}

impl Git {
    pub(crate) fn new() -> Self {
        let mut git = Self {
            commits: BTreeMap::new(),
            trees: BTreeMap::new(),
            base: oid(0),
            branches: BTreeMap::new(),
            landing: BTreeMap::new(),
            dirty: BTreeSet::new(),
            base_there: true,
            made: 0,
        };
        git.base = git.commit(None, Tree::default());
        git
    }

    pub(crate) fn new_oid(&mut self) -> Oid {
        self.made += 1;
        oid(mix(self.made))
    }

    pub(crate) fn commit(&mut self, parent: Option<Oid>, tree: Tree) -> Oid {
        let id = tree.oid();
        self.trees.insert(id.clone(), tree);
        let commit = self.new_oid();
        self.commits.insert(commit.clone(), Commit { parent, tree: id });
        commit
    }

    pub(crate) fn tree(&self, commit: &Oid) -> &Tree {
        &self.trees[&self.commits[commit].tree]
    }

    /// Whether base has a commit.
    pub(crate) fn on_base(&self, commit: &Oid) -> bool {
        let mut at = Some(&self.base);
        while let Some(here) = at {
            if here == commit {
                return true;
            }
            at = self.commits[here].parent.as_ref();
        }
        false
    }

    /// What a branch has that base does not.
    pub(crate) fn ahead(&self, story: &StoryId) -> Vec<Change> {
        let base = self.tree(&self.base);
        let Some(branch) = self.branches.get(story) else { return Vec::new() };
        branch.changes.values().filter(|change| !base.changes.contains_key(&change.id)).cloned().collect()
    }

    /// The tree of a branch, as it is in the story's worktree.
    pub(crate) fn branch_tree(&self, story: &StoryId) -> Tree {
        let Some(branch) = self.branches.get(story) else { return self.tree(&self.base).clone() };
        let mut tree = self.tree(&branch.fork).clone();
        tree.changes.extend(branch.changes.clone());
        tree
    }

    /// The files in which a branch does not go together with base.
    pub(crate) fn conflicts(&self, story: &StoryId) -> Vec<usize> {
        let Some(branch) = self.branches.get(story) else { return Vec::new() };
        let (base, fork) = (self.tree(&self.base), self.tree(&branch.fork));
        let changes = self.ahead(story);
        let clash = |file: &usize| base.versions[*file] != fork.versions[*file];
        changes.iter().map(|change| change.file).filter(clash).collect()
    }

    /// The tree that base has when a story has landed.
    pub(crate) fn landed_tree(&self, story: &StoryId) -> Tree {
        let mut tree = self.tree(&self.base).clone();
        for change in self.ahead(story) {
            tree.versions[change.file] += 1;
            tree.changes.insert(change.id, change);
        }
        tree
    }

    pub(crate) fn facts(&self, story: &StoryId) -> BranchFacts {
        let ahead = self.ahead(story);
        let protected = ahead.iter().filter(|change| change.protected).take(10);
        BranchFacts {
            tip: self.branches.get(story).map(|branch| branch.tip.clone()),
            ahead: u32::try_from(ahead.len()).expect("few"),
            protected: protected.map(|change| format!(".storkit/{}", change.id)).collect(),
            broken: None,
            unsafe_to_remove: None,
        }
    }

    /// The landings that were on their way: finished ones, and those to be dropped.
    pub(crate) fn intents(
        &mut self,
        stage: impl Fn(&StoryId) -> Option<storkit_core::stage::Stage>,
    ) -> Vec<Intent> {
        let landing = std::mem::take(&mut self.landing);
        let mut intents = Vec::new();
        for (story, commit) in landing {
            let landed = self.on_base(&commit);
            intents.push(Intent {
                stage: stage(&story),
                story: story.clone(),
                commit: commit.clone(),
                landed,
            });
            if landed {
                self.landing.insert(story, commit);
            }
        }
        intents
    }
}
