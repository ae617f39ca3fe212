//! Effects around an agent's run: its worktree before, the run itself, what it left, and the end of it all.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use storkit_core::config::{Agent, Config, Role};
use storkit_core::effect::{InspectOrder, PrepareOrder, RunOrder};
use storkit_core::event::{Event, Outcome};
use storkit_core::facts::{BranchFacts, CloseEnd, PrepareEnd, ProcessEnd, RunFacts};
use storkit_core::ids::{OpId, RunId, StoryId};
use storkit_core::memory::Warm;
use storkit_core::run::is_to_ask;
use storkit_core::runtime::{self, Ending, Launch, LaunchOrder};

use super::access::Access;
use super::hooks::Hooks;
use super::meter::Meter;
use super::{classify, records};
use crate::agents::env::{self, EnvOrder};
use crate::agents::{self, LogHead, LogSpec, RunEvent, RunSpec};
use crate::daemon::prompt::{self, NoPrompt};
use crate::daemon::world::World;
use crate::http::{Live, Terminal};
use crate::sys::cancel::Cancel;
use crate::worktrees::{self, CloseOrder, Ground, Mode, SettleOrder};

/// Makes a story's worktree ready.
pub(in crate::daemon) fn prepare(world: &World, op: OpId, order: &PrepareOrder, cancel: &Cancel) -> Outcome {
    let ground = match world.ground(&order.config) {
        Ok(ground) => ground,
        Err(error) => return Outcome::Prepare(PrepareEnd::Waits(error.to_string())),
    };
    let wanted = worktrees::PrepareOrder {
        story: order.story.clone(),
        base_branch: world.base_branch.clone(),
        worktrees: order.config.worktrees.clone(),
        components: order.config.components.clone(),
    };
    let hooks = Hooks { world, story: &order.story, run: order.run, config: &order.config, cancel };
    let end = worktrees::prepare(
        &ground,
        &wanted,
        &mut |folder, command| hooks.run("setup", folder, command),
        cancel,
    );
    world.keep_warm(&order.config);
    if let (Some(agent), PrepareEnd::Ready { worktree, .. }) = (&order.classify, &end)
        && let Some(model) = classify::model(world, order, (agent, Path::new(worktree)), cancel)
    {
        world.send(Event::Classified(op, model));
    }
    Outcome::Prepare(end)
}

/// Looks at a story's branch, once what lies uncommitted in its worktree is committed where that is asked for.
pub(in crate::daemon) fn inspect(world: &World, story: &StoryId, order: &InspectOrder) -> Outcome {
    let facts = world.ground(&order.config).and_then(|ground| {
        let facts = world.facts_order(story, &order.config);
        if let Some(run) = order.gather.filter(|_| ground.tree(story.as_str()).is_ok()) {
            let (run, agent) = (run.to_string(), "a run that a person's move ended".to_owned());
            let facts = facts.clone();
            worktrees::settle(&ground, &SettleOrder { facts, run, agent, mode: Mode::Commit })?;
        }
        worktrees::inspect(&ground, &facts)
    });
    match facts {
        Ok(facts) => Outcome::Inspect(facts),
        Err(error) => Outcome::Crashed(error.to_string()),
    }
}

/// Removes a closed story's worktree and branch, where nothing is lost by it.
pub(in crate::daemon) fn close(
    world: &World,
    story: &StoryId,
    config: &Arc<Config>,
    cancel: &Cancel,
) -> Outcome {
    let ground = match world.ground(config) {
        Ok(ground) => ground,
        Err(error) => return Outcome::Close(CloseEnd::Kept(error.to_string())),
    };
    let order = CloseOrder {
        story: story.clone(),
        base_branch: world.base_branch.clone(),
        worktrees: config.worktrees.clone(),
        components: config.components.clone(),
    };
    let hooks = Hooks { world, story, run: RunId(uuid::Uuid::new_v4()), config, cancel };
    let end =
        worktrees::close(&ground, &order, &mut |folder, command| hooks.run("teardown", folder, command));
    empty_trash(&ground, cancel);
    // Base has moved on.
    world.keep_warm(config);
    Outcome::Close(end)
}

/// Deletes what was moved aside. What cannot be deleted now is tried again with the next one.
pub(in crate::daemon) fn empty_trash(ground: &Ground, cancel: &Cancel) {
    if let Err(error) = worktrees::empty_trash(ground, cancel) {
        tracing::warn!("the worktrees' trash is not empty: {error}");
    }
}

/// Runs an agent, and brings its worktree and branch in order.
pub(in crate::daemon) fn run(world: &World, op: OpId, order: &RunOrder, cancel: &Cancel) -> Outcome {
    let access = Access::grant(world, order);
    let mut spec = match spec(world, order, &access, order.resume.as_ref()) {
        Ok(spec) => spec,
        Err(NoPrompt::Story(why)) => return Outcome::Crashed(why),
        // The move itself is heard of as well; the run just never was.
        Err(NoPrompt::Moved(_)) => {
            return Outcome::Run(Box::new(RunFacts { cancelled: true, ..RunFacts::default() }));
        }
        Err(error) => {
            let facts = RunFacts { not_startable: Some(error.to_string()), ..RunFacts::default() };
            return Outcome::Run(Box::new(facts));
        }
    };
    let marked = world.ground(&order.config).and_then(|ground| {
        let mode = mode(order, &RunFacts::default());
        worktrees::mark_running(&ground, &order.story, order.run, mode)
    });
    if let Err(error) = marked {
        tracing::warn!(story = %order.story, "a crash during this run would cost its uncommitted work: {error}");
    }
    if let Some(number) = order.answer {
        records::answered(world, order, number);
    }
    let context = prompt::context_marks(&world.layout);
    let live = Arc::<Live>::default();
    let cast = agents::cast_of(&spec.log.path);
    world.terminals().insert(order.run, Terminal { cast, live: Some(Arc::clone(&live)) });
    let mut meter = Meter::new(order);
    let mut on_event = |event| match event {
        RunEvent::Started { control, .. } => {
            // The terminal of a second start is only watched.
            let _ = live.control.set(control);
            world.send(Event::RunStarted(op));
        }
        RunEvent::Agent(event) => {
            if let Some(usd) = meter.read(&event) {
                world.send(Event::RunSpent(op, usd));
            }
        }
    };
    let mut facts = agents::run(&spec, &world.exe, cancel, &mut on_event);
    if facts.ending == Some(Ending::SessionUnknown) && order.resume.is_some() && !facts.cancelled {
        // The session is gone: the same run begins anew, and is told everything.
        if let Ok(cold) = self::spec(world, order, &access, None) {
            spec = cold;
            facts = agents::run(&spec, &world.exe, cancel, &mut on_event);
        }
    }
    access.add_to(&mut facts);
    live.over.store(true, Ordering::Release);
    world.terminals().remove(&order.run);
    facts.context = context;
    match settle(world, order, &facts) {
        Ok(branch) => facts.branch = branch,
        Err(error) => facts.branch.broken = Some(error.to_string()),
    }
    Outcome::Run(Box::new(facts))
}

fn settle(world: &World, order: &RunOrder, facts: &RunFacts) -> Result<BranchFacts, crate::git::GitError> {
    let ground = world.ground(&order.config)?;
    let wanted = SettleOrder {
        facts: world.facts_order(&order.story, &order.config),
        run: order.run.to_string(),
        agent: order.agent.name.to_string(),
        mode: mode(order, facts),
    };
    worktrees::settle(&ground, &wanted)
}

/// What is to become of what a run left uncommitted.
fn mode(order: &RunOrder, facts: &RunFacts) -> Mode {
    let finished = facts.process == Some(ProcessEnd::Exited(0))
        && facts.ending.as_ref().is_none_or(Ending::is_finished)
        && !facts.cancelled
        && facts.time_limit.is_none()
        && facts.question.is_none()
        && facts.rate_limited_s.is_none()
        && !is_to_ask(facts.ending.as_ref(), order.agent.permissions, &order.leave);
    match order.agent.role {
        Role::Qa => Mode::KeepAndUndo,
        _ if finished => Mode::Commit,
        _ => Mode::Keep,
    }
}

fn spec(
    world: &World,
    order: &RunOrder,
    access: &Access<'_>,
    warm: Option<&Warm>,
) -> Result<RunSpec, NoPrompt> {
    let agent = &order.agent;
    let adapter = runtime::adapter(agent.runtime).ok_or_else(|| NoPrompt::NoCommand(no_adapter(agent)))?;
    let logs = world.layout.logs_of(&order.story);
    let text = prompt::text(world, order, warm)?;
    let run_dir = world.layout.run_of(order.run);
    let tmp = make_tmp(&run_dir);
    let launch = (adapter.launch)(&LaunchOrder {
        agent,
        run: order.run,
        resume: warm.map(|warm| &warm.resume),
        leave: &order.leave,
        prompt: &text,
        mcp_url: access.mcp_url().as_deref(),
        is_root: rustix::process::geteuid().is_root(),
        tmp: tmp.as_deref(),
        exe: world.exe.to_str().unwrap_or_default(),
        sessions: &world.layout.sessions().to_string_lossy(),
    });
    if launch.command.is_empty() {
        let why = format!("agent {} has no `command` in .storkit/project.toml", agent.name);
        return Err(NoPrompt::NoCommand(why));
    }
    prompt::keep(world, &logs.join(format!("{}.prompt.md", order.run)), &text);
    let env = env::build(&world.env, &env_order(world, order, access, &launch));
    Ok(RunSpec {
        run: order.run,
        story: order.story.clone(),
        repo: agents::repo_marker(&world.layout.run()),
        worktree: order.worktree.clone().into(),
        needs_git: true,
        run_dir,
        log: LogSpec {
            path: logs.join(format!("{}.ndjson", order.run)),
            head: Some(LogHead {
                stage: order.stage,
                agent: agent.name.to_string(),
                attempt: order.attempt,
                number: order.number,
                at: crate::daemon::world::wall().rfc3339(),
            }),
            disk_reserve_bytes: order.config.limits.disk_reserve_bytes,
        },
        runtime: agent.runtime,
        resume: warm.map(|warm| warm.resume.clone()),
        command: launch.command,
        args: launch.args,
        prompt: Some(text),
        prompt_by: launch.prompt,
        env: env.vars,
        secrets: env.secrets,
        timeout_ms: agent.timeout_ms,
        inactivity_ms: agent.inactivity_timeout_ms,
        terminal: true,
    })
}

fn no_adapter(agent: &Agent) -> String {
    let name = agent.runtime.name();
    format!("the runtime {name} has no adapter yet: use another one, or runtime = \"command\"")
}

/// The run's own folder for temporary files. Without one, the agent uses the machine's.
fn make_tmp(run_dir: &Path) -> Option<String> {
    let tmp = run_dir.join("tmp");
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&tmp);
    made.ok()?;
    tmp.to_str().map(str::to_owned)
}

/// The variables of interface.md 4 for an agent.
fn env_order(world: &World, order: &RunOrder, access: &Access<'_>, launch: &Launch) -> EnvOrder {
    let story_file = world.layout.story(order.stage, &order.story);
    EnvOrder {
        own: [
            ("STORKIT_STORY", order.story.to_string()),
            ("STORKIT_STORY_FILE", story_file.display().to_string()),
            ("STORKIT_STAGE", order.stage.name().to_owned()),
            ("STORKIT_AGENT", order.agent.name.to_string()),
            ("STORKIT_ATTEMPT", order.attempt.to_string()),
            ("STORKIT_BASE", world.base_branch.clone()),
            ("STORKIT_BASE_COMMIT", order.base.to_string()),
        ]
        .into_iter()
        .chain(access.variables())
        .collect(),
        ceiling: ceiling(&order.worktree),
        ..EnvOrder::of(&order.agent, launch)
    }
}

/// The folder above which git in a worktree looks for no repository: the one that the worktrees lie in.
pub(super) fn ceiling(worktree: &str) -> String {
    Path::new(worktree).parent().map(|dir| dir.display().to_string()).unwrap_or_default()
}
