//! Rounds of gates: in a story's worktree, or in the merge worktree at exactly the commit that is to land.

use std::path::{Path, PathBuf};

use storkit_core::effect::{GatesOrder, GatesPlace};
use storkit_core::event::Outcome;
use storkit_core::facts::{GateResult, GatesEnd};
use storkit_core::ids::Oid;

use super::hooks::Hooks;
use crate::daemon::world::World;
use crate::gates::{self, GateRound};
use crate::git::GitError;
use crate::sys::cancel::Cancel;
use crate::worktrees::{self, Ground, MergeTreeEnd, MergeTreeOrder};

/// Where a round is held: which of storkit's worktrees, its folder, and the commit that must stay as it is.
struct Place {
    ground: Ground,
    name: String,
    folder: PathBuf,
    commit: Oid,
}

/// Holds one round.
pub(in crate::daemon) fn hold(world: &World, order: &GatesOrder, cancel: &Cancel) -> Outcome {
    let place = match &order.place {
        GatesPlace::Story => story_place(world, order),
        GatesPlace::Commit(commit) => merge_place(world, order, commit, cancel),
    };
    Outcome::Gates(match place {
        Ok(place) => round(world, order, &place, cancel),
        Err(end) => end,
    })
}

fn waits(error: &GitError) -> GatesEnd {
    GatesEnd::Waits(error.to_string())
}

fn story_place(world: &World, order: &GatesOrder) -> Result<Place, GatesEnd> {
    let ground = world.ground(&order.config).map_err(|error| waits(&error))?;
    let name = order.story.to_string();
    let pins = ground.tree(&name).map_err(|error| waits(&error))?;
    let commit = world.repo.head_commit(&pins).map_err(|error| waits(&error))?;
    let commit = commit.ok_or_else(|| GatesEnd::Waits("the story's branch has no commit".to_owned()))?;
    Ok(Place { folder: pins.work_tree, ground, name, commit })
}

fn merge_place(world: &World, order: &GatesOrder, commit: &Oid, cancel: &Cancel) -> Result<Place, GatesEnd> {
    let ground = world.ground(&order.config).map_err(|error| waits(&error))?;
    let wanted = MergeTreeOrder {
        commit: commit.clone(),
        worktrees: order.config.worktrees.clone(),
        components: order.config.components.clone(),
    };
    let hooks = Hooks { world, story: &order.story, run: order.run, config: &order.config, cancel };
    let mut setup = |folder: &Path, command: &str| hooks.run("merge-setup", folder, command);
    match worktrees::merge_tree_at(&ground, &wanted, &mut setup, cancel) {
        MergeTreeEnd::Ready(folder) => {
            let (folder, name) = (PathBuf::from(folder), worktrees::MERGE_TREE.to_owned());
            Ok(Place { ground, name, folder, commit: commit.clone() })
        }
        MergeTreeEnd::SetupFailed(tail) => Err(GatesEnd::Ran(vec![setup_failed(tail)])),
        MergeTreeEnd::Waits(why) => Err(GatesEnd::Waits(why)),
        MergeTreeEnd::Cancelled => Err(GatesEnd::Cancelled),
    }
}

/// A setup that fails on a commit is as red as a gate.
fn setup_failed(tail: String) -> GateResult {
    let failure = Some("the worktree's setup failed".to_owned());
    GateResult { name: "setup".to_owned(), failure, tail, log: String::new(), took_ms: 0 }
}

fn round(world: &World, order: &GatesOrder, place: &Place, cancel: &Cancel) -> GatesEnd {
    let hooks = Hooks { world, story: &order.story, run: order.run, config: &order.config, cancel };
    let held = GateRound {
        gates: &order.gates,
        worktree: &place.folder,
        root: world.layout.root(),
        log_dir: &world.layout.logs_of(&order.story),
    };
    let changed = || {
        let changed = worktrees::changed_tracked(&place.ground, &place.name, &place.commit);
        // What cannot be looked at is not as it should be.
        changed.unwrap_or_else(|error| vec![error.to_string()])
    };
    hooks.within(&place.folder, |context| gates::run_round(&held, context, &changed))
}
