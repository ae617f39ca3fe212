//! Rounds of gates: in a story's worktree, or in the merge worktree at exactly the commit that is to land.

use std::path::{Path, PathBuf};

use storkit_core::effect::{GatesOrder, GatesPlace};
use storkit_core::event::Outcome;
use storkit_core::facts::{GateResult, GatesEnd};

use super::hooks::Hooks;
use crate::agents;
use crate::daemon::world::World;
use crate::gates::{self, RoundOrder};
use crate::sys::cancel::Cancel;
use crate::worktrees::{self, Ground, MergeTreeEnd, MergeTreeOrder};

/// Holds one round.
pub(in crate::daemon) fn hold(world: &World, order: &GatesOrder, cancel: &Cancel) -> Outcome {
    Outcome::Gates(match place(world, order, cancel) {
        Ok((ground, folder)) => round(world, order, (&ground, &folder), cancel),
        Err(end) => end,
    })
}

/// The folder that the gates run in.
fn place(world: &World, order: &GatesOrder, cancel: &Cancel) -> Result<(Ground, PathBuf), GatesEnd> {
    let ground = world.ground(&order.config).map_err(|error| GatesEnd::Waits(error.to_string()))?;
    let commit = match &order.place {
        GatesPlace::Story => {
            let pins = ground.tree(order.story.as_str()).map_err(|error| GatesEnd::Waits(error.to_string()))?;
            return Ok((ground, pins.work_tree));
        }
        GatesPlace::Commit(commit) => commit.clone(),
    };
    let wanted = MergeTreeOrder {
        commit,
        worktrees: order.config.worktrees.clone(),
        components: order.config.components.clone(),
    };
    let hooks = Hooks { world, story: &order.story, run: order.run, config: &order.config, cancel };
    let mut setup = |folder: &Path, command: &str| hooks.run("merge-setup", folder, command);
    match worktrees::merge_tree_at(&ground, &wanted, &mut setup, cancel) {
        MergeTreeEnd::Ready(folder) => Ok((ground, folder.into())),
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

fn round(world: &World, order: &GatesOrder, place: (&Ground, &Path), cancel: &Cancel) -> GatesEnd {
    let (ground, folder) = place;
    let hooks = Hooks { world, story: &order.story, run: order.run, config: &order.config, cancel };
    let merge = matches!(order.place, GatesPlace::Commit(_));
    let round = RoundOrder {
        run: order.run,
        story: order.story.clone(),
        repo: agents::repo_marker(&world.layout.run()),
        root: world.layout.root().to_path_buf(),
        worktree: folder.to_path_buf(),
        run_dir: world.layout.run_of(order.run),
        logs: world.layout.logs_of(&order.story),
        prefix: if merge { format!("{}.merge", order.run) } else { order.run.to_string() },
        gates: order.gates.clone(),
        env: hooks.env(folder),
        disk_reserve_bytes: order.config.limits.disk_reserve_bytes,
    };
    let changed = || worktrees::changed_tracked(ground, folder);
    gates::run_round(&round, &world.exe, cancel, &changed)
}
