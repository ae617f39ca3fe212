//! Setup and teardown commands: supervised like everything else, in the gates' environment.

use std::path::Path;

use storkit_core::config::Config;
use storkit_core::ids::{RunId, StoryId};

use crate::agents;
use crate::agents::env::{self, Env, EnvOrder};
use crate::daemon::world::World;
use crate::gates::{self, ShellContext, ShellOrder};
use crate::sys::cancel::Cancel;
use crate::worktrees::CommandFailed;

/// Longest setup or teardown command, in milliseconds.
const HOOK_TIMEOUT_MS: u64 = 30 * 60 * 1000;

/// For whom commands are run.
pub(in crate::daemon) struct Hooks<'a> {
    pub(in crate::daemon) world: &'a World,
    pub(in crate::daemon) story: &'a StoryId,
    pub(in crate::daemon) run: RunId,
    pub(in crate::daemon) config: &'a Config,
    pub(in crate::daemon) cancel: &'a Cancel,
}

impl Hooks<'_> {
    /// Runs one command in a folder; its output goes to `<run>.<what>.log`.
    pub(in crate::daemon) fn run(
        &self,
        what: &str,
        folder: &Path,
        command: &str,
    ) -> Result<(), CommandFailed> {
        let log = self.world.layout.logs_of(self.story).join(format!("{}.{what}.log", self.run));
        let order =
            ShellOrder { command, folder, is_worktree: false, log: &log, timeout_ms: HOOK_TIMEOUT_MS };
        self.within(folder, |context| gates::run_shell(&order, context))
            .map_err(|failure| CommandFailed(failure.to_string()))
    }

    /// Gives `body` what all commands of this run share.
    pub(super) fn within<T>(&self, folder: &Path, body: impl FnOnce(&ShellContext<'_>) -> T) -> T {
        let env = self.env(folder);
        body(&ShellContext {
            run: self.run,
            story: self.story,
            repo: &agents::repo_marker(&self.world.layout.run()),
            env: &env,
            run_dir: &self.world.layout.run_of(self.run),
            disk_reserve_bytes: self.config.limits.disk_reserve_bytes,
            exe: &self.world.exe,
            cancel: self.cancel,
        })
    }

    /// The environment of gates and hooks: the agents', with `gate_env_pass`, and without a token.
    fn env(&self, folder: &Path) -> Env {
        let order = EnvOrder {
            pass: self.config.gate_env_pass.clone(),
            own: vec![
                ("STORKIT_STORY", self.story.to_string()),
                ("STORKIT_BASE", self.world.base_branch.clone()),
            ],
            ceiling: super::agents::ceiling(&folder.display().to_string()),
            ..EnvOrder::default()
        };
        env::build(&self.world.env, &order)
    }
}
