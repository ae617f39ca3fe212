//! `storkit prune`: removes worktrees and branches of stories that are over. What may go is `worktrees`' to say.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use storkit_core::config::Config;
use storkit_core::duration::parse_ms;
use storkit_core::ids::StoryId;

use super::args::PruneArgs;
use super::diff::failed;
use super::exit::{Exit, Failure, Outcome};
use super::text::clean;
use super::{Context, ask, config, find};
use crate::git::Repo;
use crate::sys::process;
use crate::worktrees::{
    CloseOrder, CommandFailed, Ground, Pinning, PruneItem, PruneOrder, plan_prune, prune,
};

/// How much of a failed teardown's words is shown, in bytes.
const SAID_MAX: usize = 1_000;

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
        prune(&ground, &order, &mut |folder: &Path, command: &str| teardown(folder, command))
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

/// Runs one teardown command as a person would, in the worktree, without an input.
fn teardown(folder: &Path, command: &str) -> Result<(), CommandFailed> {
    let output = process::command("sh").args(["-c", command]).current_dir(folder).output();
    let output = output.map_err(|error| CommandFailed(format!("cannot start sh: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.truncate(said.floor_char_boundary(SAID_MAX));
    Err(CommandFailed(format!("{}: {said}", output.status)))
}

fn view(item: PruneItem) -> View {
    match item {
        PruneItem::Story(story) => View { what: "story", name: story.to_string(), why: None },
        PruneItem::Kept(story, why) => View { what: "story", name: story.to_string(), why: Some(why) },
        PruneItem::Pin(name) => View { what: "pin", name, why: None },
    }
}
