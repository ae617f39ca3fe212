//! `storkit doctor`: what of git, agents, gates, configuration and this machine does not work, and what would mend it.
//! Looks only.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;
use storkit_core::config::{Agent, Config, Gate, SandboxMode, render};
use storkit_core::prompt::check;
use storkit_core::stage::Stage;

use super::agent::{Finding, Look};
use super::exit::{Exit, Outcome};
use super::style::{self, paint};
use super::text::{clean, clean_lines};
use super::{Context, ask, config, lint, path, trust};
use crate::agents::{Container, env, probe};
use crate::board::Layout;
use crate::daemon::template;
use crate::git::Repo;
use crate::git::command::{Environment, Git};
use crate::sys::mount::{Events, events};

/// Fewer watches than this may not do for the board and the editors beside it.
const WATCHES_MIN: u64 = 8_192;
/// Fewer inotify instances than this are soon used up.
const INSTANCES_MIN: u64 = 64;

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Good,
    Odd,
    Bad,
}

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
struct Check {
    health: Health,
    what: &'static str,
    detail: String,
    /// What would mend it.
    fix: Option<String>,
}

fn good(what: &'static str, detail: impl Into<String>) -> Check {
    Check { health: Health::Good, what, detail: detail.into(), fix: None }
}

fn odd(what: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { health: Health::Odd, what, detail: detail.into(), fix: Some(fix.into()) }
}

fn bad(what: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { health: Health::Bad, ..odd(what, detail, fix) }
}

/// Runs the command.
pub(super) fn run(context: &Context) -> Outcome {
    let root = &context.project()?.root;
    let (parsed, mut checks) = configuration(root);
    let base = git(root, &parsed, &mut checks);
    programs(root, &parsed, &mut checks);
    machine(root, &parsed, &mut checks);
    board(context, root, &mut checks);
    notifications(root, &parsed, &mut checks);
    if let Some(base) = base {
        checks.push(base);
    }
    if context.out.json {
        context.out.json(&checks)?;
    } else {
        context.out.data(&checks.iter().map(line).collect::<String>())?;
    }
    Ok(if checks.iter().any(|check| check.health == Health::Bad) { Exit::Failed } else { Exit::Done })
}

/// Who is told of what happens, and what went wrong with it last.
fn notifications(root: &Path, config: &Config, checks: &mut Vec<Check>) {
    if config.notify.is_empty() {
        return;
    }
    let failed = crate::notify::failures(&root.join(".storkit/run"));
    let count = failed.len();
    for rule in &config.notify {
        let label = rule.channel.label();
        if let Some(failure) = failed.get(&label) {
            let detail = format!("{label} failed at {}: {}", failure.at, failure.why);
            checks.push(odd("notify", detail, "mend it; the next message that is told takes this away"));
        }
    }
    if count == 0 {
        checks.push(good("notify", super::text::count(config.notify.len(), "rule")));
    }
}

fn line(check: &Check) -> String {
    let (look, mark) = match check.health {
        Health::Good => (style::GOOD, "✓"),
        Health::Odd => (style::WARN, "!"),
        Health::Bad => (style::ERROR, "✗"),
    };
    let mut text =
        format!("{} {:<13} {}\n", paint(look, mark), check.what, clean_lines(check.detail.trim_end()));
    if let Some(fix) = &check.fix {
        text = format!("{text}{:16}{}\n", "", paint(style::HINT, &format!("→ {}", clean(fix))));
    }
    text
}

fn configuration(root: &Path) -> (Config, Vec<Check>) {
    let mut checks = Vec::new();
    match config::read(root) {
        Ok(parsed) => {
            if parsed.warnings.is_empty() {
                checks.push(good("configuration", "project.toml is good"));
            }
            for warning in parsed.warnings {
                let place = warning.line.map(|line| format!(":{line}")).unwrap_or_default();
                let detail = format!("{}{place}: {}", warning.path, warning.message);
                checks.push(odd("configuration", detail, warning.hint.unwrap_or_default()));
            }
            (parsed.config, checks)
        }
        Err(unread) => {
            let detail = config::rendered(&unread);
            checks.push(bad(
                "configuration",
                detail,
                "mend .storkit/project.toml; storkit config schema prints what may be in it",
            ));
            (config::in_force(root).0, checks)
        }
    }
}

/// Git itself; answers with the check of the base branch, which is told last of git.
fn git(root: &Path, config: &Config, checks: &mut Vec<Check>) -> Option<Check> {
    let version = Git::discovering(&Environment::of_process(), root).arg("version").run();
    let version = version.map(|output| output.line());
    let repo = match Repo::open(root) {
        Ok(repo) => repo,
        Err(error) => {
            checks.push(bad(
                "git",
                error.to_string(),
                "storkit needs git 2.38 or newer and a work tree whose top is the project's root",
            ));
            return None;
        }
    };
    checks.push(good("git", version.unwrap_or_else(|error| error.to_string())));
    match repo.identity() {
        Ok(vars) if vars.is_empty() => checks.push(good("identity", "git knows who commits")),
        Ok(_) => checks.push(odd(
            "identity",
            "git knows no name and address: commits will be by storkit <storkit@localhost>",
            "git config --global user.name \"…\"; git config --global user.email \"…\"",
        )),
        Err(error) => checks.push(bad("identity", error.to_string(), "git var GIT_COMMITTER_IDENT")),
    }
    match repo.clash() {
        Ok(None) => {}
        Ok(Some(why)) => checks.push(bad("branches", why, "git branch -m feature another-name")),
        Err(error) => checks.push(bad("branches", error.to_string(), "git fsck")),
    }
    let base = config.base_branch.clone().or_else(|| repo.base_default().ok().flatten());
    let Some(base) = base else {
        return Some(bad(
            "base branch",
            "HEAD is detached, and project.toml names no base_branch",
            "base_branch = \"main\" in .storkit/project.toml",
        ));
    };
    Some(match repo.branch_tip(&base) {
        Ok(Some(tip)) => good("base branch", format!("{base} at {}", tip.short())),
        Ok(None) => bad(
            "base branch",
            format!("base branch {base} does not exist"),
            "commit something to it, or set base_branch in .storkit/project.toml",
        ),
        Err(error) => bad("base branch", error.to_string(), "git fsck"),
    })
}

fn programs(root: &Path, config: &Config, checks: &mut Vec<Check>) {
    if config.agents.is_empty() {
        checks.push(odd(
            "agents",
            "none: stories in current wait",
            "write an [[agent]] into .storkit/project.toml",
        ));
    }
    let source = env::of_this_process();
    checks.extend(config.agents.iter().flat_map(|agent| agent_checks(root, agent, &source)));
    prompts(root, config, checks);
    if config.gates.is_empty() {
        checks.push(odd(
            "gates",
            "none: stories land ungated",
            "write a [[gate]] into .storkit/project.toml",
        ));
    }
    checks.extend(config.gates.iter().map(|gate| gate_check(root, gate)));
}

fn agent_checks(root: &Path, agent: &Agent, source: &BTreeMap<String, String>) -> Vec<Check> {
    let trusted = trust::common_dir(root).is_ok_and(|common| trust::is_trusted(&common, root));
    let ready = Look { root, agent, trusted, source }.ready();
    let mut checks = Vec::new();
    if ready.is_found() {
        checks.push(good("agents", format!("{}: {}", agent.name, ready.words())));
    }
    for Finding { bad, text, fix } in ready.findings {
        let health = if bad { Health::Bad } else { Health::Odd };
        checks.push(Check { health, ..odd("agents", format!("{}: {text}", agent.name), fix) });
    }
    checks
}

/// The templates that agents use, and those that wait for an agent.
fn prompts(root: &Path, config: &Config, checks: &mut Vec<Check>) {
    let layout = Layout::new(root);
    let mut templates = BTreeMap::new();
    for agent in &config.agents {
        match template(&layout, agent) {
            Ok((path, text)) => drop(templates.insert(path, text)),
            Err(error) => {
                let fix = format!("write that file, or change `prompt` of {}", agent.name);
                checks.push(bad("prompts", error.to_string(), fix));
            }
        }
    }
    for entry in fs::read_dir(layout.prompts()).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_template = path.extension().is_some_and(|extension| extension == "md");
        if let (true, Ok(text)) = (is_template && !templates.contains_key(&path), fs::read_to_string(&path)) {
            templates.insert(path, text);
        }
    }
    let before = checks.len();
    for (path, text) in &templates {
        if let Err(error) = check(text) {
            let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
            let detail = render(&error.problem(&shown), text);
            checks.push(bad("prompts", detail, "mend it; storkit show STORY --prompt shows the result"));
        }
    }
    if checks.len() == before && !templates.is_empty() {
        checks.push(good("prompts", super::text::count(templates.len(), "template")));
    }
}

fn gate_check(root: &Path, gate: &Gate) -> Check {
    let first = gate.run.split_whitespace().next().unwrap_or_default();
    // What begins as a shell construct is the shell's to find.
    let plain = !first.is_empty()
        && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    let builtin = [
        "cd", "test", "exit", "set", "export", "if", "for", "while", "true", "false", "echo", "exec",
        "command", "eval",
    ];
    if !plain || builtin.contains(&first) || path::program(first, root).is_some() {
        return good("gates", format!("{}: {}", gate.name, gate.run));
    }
    bad(
        "gates",
        format!("{}: there is no program {first}", gate.name),
        format!("install {first}, or change run in .storkit/project.toml"),
    )
}

fn machine(root: &Path, config: &Config, checks: &mut Vec<Check>) {
    inotify(checks);
    let work = root.join(".storkit/work");
    checks.push(match events(&work) {
        Events::Told => good("file system", "changes are seen at once"),
        Events::NotTold(kind) => odd(
            "file system",
            format!("{kind}: changes made elsewhere are seen within 30 s"),
            "keep the repository on a local disk",
        ),
    });
    checks.push(match std::env::current_exe().map(|exe| probe(&exe)) {
        Ok(Container::PidNamespace) => good("containment", "a PID namespace for each run"),
        Ok(Container::Subreaper) => odd(
            "containment",
            "no PID namespace can be made: a supervisor follows each run's processes instead",
            "allow unprivileged user namespaces: sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces",
        ),
        Err(error) => bad("containment", format!("this program cannot be found: {error}"), "install storkit again"),
    });
    checks.push(match config.sandbox.mode {
        SandboxMode::Required => bad(
            "sandbox",
            "required, and this version has none: nothing will start",
            "sandbox.mode = \"auto\"",
        ),
        SandboxMode::Auto | SandboxMode::None => odd(
            "sandbox",
            "none: agents and gates may write what you may",
            "run storkit as a user of its own",
        ),
    });
    disk(root, config.limits.disk_reserve_bytes, checks);
    permissions(&root.join(".storkit/run"), checks);
    if root.join("node_modules").is_dir() && config.worktrees.setup.is_empty() {
        checks.push(odd(
            "worktrees",
            "worktrees lie inside this checkout and will find its node_modules",
            "worktrees.setup = [\"npm ci\"] gives each its own",
        ));
    }
    if cfg!(not(target_os = "linux")) {
        checks.push(odd(
            "platform",
            "not every promise holds here: runs are followed by a supervisor alone",
            "use Linux for unattended work",
        ));
    }
}

fn inotify(checks: &mut Vec<Check>) {
    let limit = |name: &str| {
        fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse::<u64>().ok()
    };
    let (Some(watches), Some(instances)) = (limit("max_user_watches"), limit("max_user_instances")) else {
        return;
    };
    let detail = format!("{watches} watches, {instances} instances");
    if watches < WATCHES_MIN || instances < INSTANCES_MIN {
        let fix = "sysctl fs.inotify.max_user_watches=65536 fs.inotify.max_user_instances=256";
        checks.push(odd("inotify", format!("few: {detail}"), fix));
    } else {
        checks.push(good("inotify", detail));
    }
}

fn disk(root: &Path, reserve: u64, checks: &mut Vec<Check>) {
    let Ok(stat) = rustix::fs::statvfs(root) else { return };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let detail = format!("{} free, {} are kept in reserve", gigabytes(free), gigabytes(reserve));
    checks.push(if free < reserve {
        bad("disk", format!("{detail}: nothing starts"), "free some space, or lower limits.disk_reserve")
    } else {
        good("disk", detail)
    });
}

/// `25.3 GB`: near enough for a person.
fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000)
}

fn permissions(run_dir: &Path, checks: &mut Vec<Check>) {
    let Ok(meta) = fs::symlink_metadata(run_dir) else { return };
    let mode = meta.permissions().mode() & 0o777;
    checks.push(if !meta.is_dir() {
        bad("run folder", ".storkit/run is not a folder", "remove it: storkit makes it again")
    } else if mode & 0o077 != 0 {
        bad("run folder", format!(".storkit/run is open to others (mode {mode:o})"), "chmod 700 .storkit/run")
    } else {
        good("run folder", "for its owner alone")
    });
}

fn board(context: &Context, root: &Path, checks: &mut Vec<Check>) {
    for stage in Stage::ALL {
        if !root.join(".storkit/work").join(stage.folder()).is_dir() {
            checks.push(bad(
                "board",
                format!("there is no folder {}", stage.folder()),
                "storkit init makes it",
            ));
        }
    }
    match lint::count_board(root) {
        Ok(0) => {}
        Ok(n) => checks.push(odd("board", super::text::count(n, "problem"), "storkit lint")),
        Err(failure) => checks.push(bad("board", failure.error, failure.hint.unwrap_or_default())),
    }
    match ask::daemon(context) {
        Ok(Some(_)) => checks.push(good("daemon", "runs")),
        Ok(None) => checks.push(good("daemon", "none is running")),
        Err(failure) => checks.push(bad("daemon", failure.error, failure.hint.unwrap_or_default())),
    }
}
