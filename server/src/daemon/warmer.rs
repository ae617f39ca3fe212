//! Keeps warm worktrees ready: a thread of its own that works when nothing starts, so that no start waits for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use storkit_core::config::Config;
use storkit_core::ids::{RunId, StoryId};

use super::UpError;
use super::acts::agents::empty_trash;
use super::acts::hooks::Hooks;
use super::world::{Shared, World};
use crate::git::GitError;
use crate::sys::cancel::{Cancel, How};
use crate::sys::task;
use crate::worktrees::{self, WarmOrder};

/// How long it is quiet before worktrees are made: what starts now goes first.
const QUIET: Duration = Duration::from_millis(500);
/// Most orders that are waited out; then worktrees are made although it is not quiet.
const ORDERS_MAX: usize = 20;
/// How much the system is to prefer everything else, as nice(1) counts.
const NICE: i32 = 10;
/// Whose logs the output of setups in advance is among.
const LOGS: &str = "storkit-warm";

/// What the thread is told.
pub(super) enum Warm {
    /// Make what is missing, by this configuration.
    Fill(Arc<Config>),
    /// No more.
    Stop,
}

/// The thread.
pub(super) struct Warmer {
    orders: Sender<Warm>,
    cancel: Cancel,
    thread: JoinHandle<()>,
}

impl Warmer {
    /// Begins to take orders, which come from `world.warm`.
    pub(super) fn start(world: &Shared, orders: Receiver<Warm>) -> Result<Self, UpError> {
        let cancel = Cancel::new();
        let (sender, shared, own) = (world.warm.clone(), Arc::clone(world), cancel.clone());
        let thread = task::spawn("warm", move || work(&shared, &orders, &own))
            .map_err(|error| UpError::System("cannot start a thread", error))?;
        Ok(Self { orders: sender, cancel, thread })
    }

    /// Ends what it does, and waits for that.
    pub(super) fn stop(self) {
        self.cancel.raise(How::Now);
        // It may have panicked, which was printed where it happened.
        let _ = self.orders.send(Warm::Stop);
        let _ = self.thread.join();
    }
}

fn work(world: &World, orders: &Receiver<Warm>, cancel: &Cancel) {
    // On Linux that is this thread's and its children's alone; elsewhere agents' as well, so it is left.
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::nice(NICE)
    {
        tracing::debug!("warm worktrees are made at full priority: {error}");
    }
    while let Ok(Warm::Fill(mut config)) = orders.recv() {
        for _ in 0..ORDERS_MAX {
            match orders.recv_timeout(QUIET) {
                Ok(Warm::Fill(newer)) => config = newer,
                Ok(Warm::Stop) => return,
                Err(_) => break,
            }
        }
        if let Err(error) = fill(world, &config, cancel)
            && cancel.raised().is_none()
        {
            tracing::warn!("warm worktrees are missing: {error}");
        }
    }
}

fn fill(world: &World, config: &Config, cancel: &Cancel) -> Result<(), GitError> {
    let ground = world.ground(config)?;
    let order = WarmOrder {
        base_branch: world.base_branch.clone(),
        worktrees: config.worktrees.clone(),
        components: config.components.clone(),
    };
    let story = StoryId::new(LOGS).expect("it is an id");
    let hooks = Hooks { world, story: &story, run: RunId(uuid::Uuid::new_v4()), config, cancel };
    let mut setup = |folder: &Path, command: &str| hooks.run("setup", folder, command);
    let filled = worktrees::keep_warm(&ground, &order, &mut setup, cancel);
    empty_trash(&ground, cancel);
    filled
}
