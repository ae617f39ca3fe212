//! Setup and teardown commands: supervised like everything else, in the gates' environment.

use std::path::Path;

use storkit_core::config::Config;
use storkit_core::ids::{RunId, StoryId};

use crate::agents::{self, Env, EnvOrder};
use crate::daemon::world::World;
use crate::gates::{self, ShellOrder};
use crate::sys::cancel::Cancel;
use crate::worktrees::CommandFailed;

/// Longest setup or teardown command, in milliseconds.
const HOOK_TIMEOUT_MS: u64 = 30 * 60 * 1000;

/// For whom commands are run.
pub(super) struct Hooks<'a> {
    pub(super) world: &'a World,
    pub(super) story: &'a StoryId,
    pub(super) run: RunId,
    pub(super) config: &'a Config,
    pub(super) cancel: &'a Cancel,
}

impl Hooks<'_> {
    /// Runs one command in a folder; its output goes to `<run>.<what>.log`.
    pub(super) fn run(&self, what: &str, folder: &Path, command: &str) -> Result<(), CommandFailed> {
        let order = ShellOrder {
            run: self.run,
            story: self.story.clone(),
            repo: agents::repo_marker(&self.world.layout.run()),
            worktree: folder.to_path_buf(),
            run_dir: self.world.layout.run_of(self.run),
            log: self.world.layout.logs_of(self.story).join(format!("{}.{what}.log", self.run)),
            command: command.to_owned(),
            env: self.env(folder),
            timeout_ms: HOOK_TIMEOUT_MS,
            disk_reserve_bytes: self.config.limits.disk_reserve_bytes,
        };
        gates::run_shell(&order, &self.world.exe, self.cancel).map_err(|failure| CommandFailed(failure.tail))
    }

    /// The environment of gates and hooks: the agents', with `gate_env_pass`, and without a token.
    pub(super) fn env(&self, folder: &Path) -> Env {
        let order = EnvOrder {
            pass: self.config.gate_env_pass.clone(),
            own: vec![
                ("STORKIT_STORY", self.story.to_string()),
                ("STORKIT_BASE", self.world.base_branch.clone()),
            ],
            ceiling: super::agents::ceiling(&folder.display().to_string()),
            ..EnvOrder::default()
        };
        agents::build_env(&self.world.env, &order)
    }
}
