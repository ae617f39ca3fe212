//! `storkit prune`: removes worktrees and branches of stories that are over. What may go is `worktrees`' to say.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use storkit_core::config::Config;
use storkit_core::duration::parse_ms;
use storkit_core::ids::{RunId, StoryId};

use super::args::PruneArgs;
use super::diff::failed;
use super::exit::{Exit, Failure, Outcome};
use super::text::clean;
use super::{Context, ask, config, find};
use crate::agents;
use crate::agents::env::{self, EnvOrder};
use crate::gates::{self, ShellContext, ShellOrder};
use crate::git::Repo;
use crate::sys::cancel::Cancel;
use crate::sys::layout::Layout;
use crate::worktrees::{
    CloseOrder, CommandFailed, Ground, Pinning, PruneItem, PruneOrder, plan_prune, prune,
};

/// Longest teardown command, in milliseconds.
const TIMEOUT_MS: u64 = 30 * 60 * 1000;

#[derive(Serialize)]
struct View {
    what: &'static str,
    name: String,
    why: Option<String>,
}

/// Runs the command.
pub(super) fn run(context: &Context, args: &PruneArgs) -> Outcome {
    let root = &context.project()?.root;
    let (config, _) = config::in_force(root);
    let base_branch = ask::status(context, false)?.base_branch;
    let repo = Repo::open(root).map_err(failed)?;
    let ground = Ground::new(&repo, &config.worktrees.dir).map_err(failed)?;
    let Some(order) = order(root, &config, base_branch, args)? else {
        return Err(Failure::new("there is no story and no branch to look at"));
    };
    let items = if args.dry_run {
        plan_prune(&ground, &order)
    } else {
        let teardown = Teardown::new(&ground, root, &config, &order.close.base_branch)?;
        prune(&ground, &order, &mut |folder: &Path, command: &str| teardown.run(folder, command))
    };
    let views: Vec<View> = items.map_err(failed)?.into_iter().map(view).collect();
    if context.out.json {
        context.out.json(&views)?;
        return Ok(Exit::Done);
    }
    let verb = if args.dry_run { "would go" } else { "gone" };
    for view in &views {
        match &view.why {
            None => context.out.data(&format!("{verb}: {} {}\n", view.what, view.name))?,
            Some(why) => context.out.data(&format!("kept: {} ({})\n", view.name, clean(why)))?,
        }
    }
    if views.is_empty() {
        context.out.say("nothing to clean up");
    }
    Ok(Exit::Done)
}

fn order(
    root: &Path,
    config: &Config,
    base_branch: String,
    args: &PruneArgs,
) -> Result<Option<PruneOrder>, Failure> {
    let stories: Vec<_> = find::all(root).into_iter().map(|found| (found.id, found.stage)).collect();
    let pins = args.older_than.as_deref().filter(|_| args.pins).map(pinning).transpose()?;
    // The order's own story is not looked at; any id will do.
    let any = StoryId::new("0").ok();
    Ok(any.map(|story| PruneOrder {
        stories,
        close: CloseOrder {
            story,
            base_branch,
            worktrees: config.worktrees.clone(),
            components: config.components.clone(),
        },
        all: args.all,
        pins,
    }))
}

fn pinning(age: &str) -> Result<Pinning, Failure> {
    let wrong = || Failure::usage(format!("{} is no age such as 30d", clean(age)));
    let ms = parse_ms(age).map_err(|_| wrong())?;
    let seconds = i64::try_from(ms / 1_000).map_err(|_| wrong())?;
    Ok(Pinning { before: Timestamp::now().as_second().saturating_sub(seconds) })
}

/// Teardown commands, supervised and in the gates' environment, as the daemon runs them.
struct Teardown<'a> {
    ground: &'a Ground,
    layout: Layout,
    config: &'a Config,
    base_branch: &'a str,
    exe: PathBuf,
}

impl<'a> Teardown<'a> {
    fn new(
        ground: &'a Ground,
        root: &Path,
        config: &'a Config,
        base_branch: &'a str,
    ) -> Result<Self, Failure> {
        let exe = std::env::current_exe()
            .map_err(|error| Failure::new(format!("storkit cannot find its own program: {error}")))?;
        Ok(Self { ground, layout: Layout::new(root), config, base_branch, exe })
    }

    fn run(&self, folder: &Path, command: &str) -> Result<(), CommandFailed> {
        let below = folder.strip_prefix(self.ground.dir()).ok();
        let first = below.and_then(|below| below.components().next()?.as_os_str().to_str());
        let Some(story) = first.and_then(|name| StoryId::new(name).ok()) else {
            return Err(CommandFailed(format!("{} is in no story's worktree", folder.display())));
        };
        let run = RunId(uuid::Uuid::new_v4());
        let ceiling = self.ground.dir().display().to_string();
        let own = vec![("STORKIT_STORY", story.to_string()), ("STORKIT_BASE", self.base_branch.to_owned())];
        let order = EnvOrder { pass: self.config.gate_env_pass.clone(), own, ceiling, ..EnvOrder::default() };
        let env = env::build(&env::of_this_process(), &order);
        let log = self.layout.logs_of(&story).join(format!("{run}.teardown.log"));
        let context = ShellContext {
            run,
            story: &story,
            repo: &agents::repo_marker(&self.layout.run()),
            env: &env,
            run_dir: &self.layout.run_of(run),
            disk_reserve_bytes: self.config.limits.disk_reserve_bytes,
            exe: &self.exe,
            cancel: &Cancel::new(),
        };
        let shell = ShellOrder { command, folder, is_worktree: false, log: &log, timeout_ms: TIMEOUT_MS };
        gates::run_shell(&shell, &context).map_err(|failure| CommandFailed(failure.to_string()))
    }
}

fn view(item: PruneItem) -> View {
    match item {
        PruneItem::Story(story) => View { what: "story", name: story.to_string(), why: None },
        PruneItem::Kept(story, why) => View { what: "story", name: story.to_string(), why: Some(why) },
        PruneItem::Pin(name) => View { what: "pin", name, why: None },
    }
}
