//! From the text of project.toml to a [`Config`], or to everything that is wrong with it.

use core::net::IpAddr;

use toml::de::DeTable;

use super::keys::{self, COUNT_MAX};
use super::model::{
    BoardRules, Component, Config, Gate, GateStage, Limits, Merge, Sandbox, SandboxMode, Server, Strategy,
    Worktrees,
};
use super::raw::{Log, Section};
use super::{FILE_BYTES_MAX, PATH, agents, legacy, notices, prices, routes};
use crate::front_matter::lines::one_line;
use crate::story::{Problem, Qa};

/// Longest name of a gate or a component, in characters.
const NAME_CHARS_MAX: usize = 60;
/// Longest time of a gate that names none, in milliseconds.
const GATE_TIMEOUT_MS: u64 = 20 * 60_000;
/// Largest compiled regular expression of `expect`, in bytes.
const EXPECT_BYTES_MAX: usize = 1024 * 1024;

/// A configuration, and what should be changed in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The configuration.
    pub config: Config,
    /// Keys of earlier and later versions, and the like, in the file's order.
    pub warnings: Vec<Problem>,
}

/// Reads the text of project.toml. What is wrong comes all at once, in the file's order; there is at least one then.
pub fn parse(text: &str) -> Result<Parsed, Vec<Problem>> {
    if text.len() > FILE_BYTES_MAX {
        return Err(vec![Problem::of_file(
            PATH,
            "The file is larger than 256 KiB.",
            "move scripts into files of their own",
        )]);
    }
    let mut log = Log::new(text);
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (document, errors) = DeTable::parse_recoverable(bare);
    let shift = text.len() - bare.len();
    for error in errors {
        let at = error.span().map_or(0, |span| span.start + shift);
        let hint = match error.message() {
            "duplicate key" => "keep one of them",
            _ => "strings need quotes, lists `[ ]`; see https://toml.io",
        };
        log.error(at, sentence(error.message()), hint);
    }
    if !log.errors.is_empty() {
        return Err(sorted(log.errors));
    }
    let mut log = Log::new(bare);
    let top = Section::new(&document, keys::TOP, &mut log);
    let config = read(&mut log, &top);
    if log.errors.is_empty() {
        Ok(Parsed { config, warnings: sorted(log.warnings) })
    } else {
        Err(sorted(log.errors))
    }
}

/// The configuration of an empty file.
pub fn default_config() -> Config {
    Config {
        base_branch: None,
        qa: Qa::Server,
        max_retries: 3,
        max_rejections: 3,
        answer_settle_ms: 10_000,
        gate_env_pass: Vec::new(),
        limits: Limits {
            agents: 4,
            gates: 2,
            budget_usd: 0.0,
            story_budget_usd: 10.0,
            disk_reserve_bytes: 1_000_000_000,
        },
        board: BoardRules { archive_after_ms: 4 * 3_600_000, auto_promote: true, wip_current: 0, wip_qa: 0 },
        worktrees: Worktrees { dir: ".storkit/worktrees".to_owned(), ..Worktrees::default() },
        components: Vec::new(),
        routes: Vec::new(),
        prices: Vec::new(),
        classifier: None,
        notify: Vec::new(),
        gates: Vec::new(),
        merge: Merge {
            strategy: Strategy::Squash,
            protect: vec![".storkit/".to_owned()],
            push: String::new(),
        },
        sandbox: Sandbox {
            mode: SandboxMode::Auto,
            write: ["~/.cargo/registry", "~/.cargo/git", "~/.npm/_cacache"].map(str::to_owned).to_vec(),
            network: true,
            gates_network: true,
        },
        server: Server { port: 0, bind: "127.0.0.1".to_owned() },
        agents: Vec::new(),
    }
}

/// Puts a value that the file says in the place of the default.
pub(super) fn put<T>(slot: &mut T, said: Option<T>) {
    if let Some(value) = said {
        *slot = value;
    }
}

pub(super) const QA: [(&str, Qa); 3] = [("server", Qa::Server), ("agent", Qa::Agent), ("human", Qa::Human)];
pub(super) const STRATEGY: [(&str, Strategy); 3] =
    [("squash", Strategy::Squash), ("merge", Strategy::Merge), ("rebase", Strategy::Rebase)];
pub(super) const MODE: [(&str, SandboxMode); 3] =
    [("auto", SandboxMode::Auto), ("required", SandboxMode::Required), ("none", SandboxMode::None)];
pub(super) const NETWORK: [(&str, bool); 2] = [("open", true), ("none", false)];
pub(super) const GATE_STAGE: [(&str, GateStage); 2] =
    [("current", GateStage::Current), ("merge", GateStage::Merge)];

fn read(log: &mut Log<'_>, top: &Section<'_>) -> Config {
    let mut config = default_config();
    let old = legacy::read(log, top, &mut config);
    config.base_branch = base_branch(log, top);
    put(&mut config.qa, top.choice(log, "qa", &QA));
    put(&mut config.max_retries, top.count(log, "max_retries", 1, COUNT_MAX));
    put(&mut config.max_rejections, top.count(log, "max_rejections", 1, COUNT_MAX));
    put(&mut config.answer_settle_ms, top.span(log, "answer_settle"));
    put(&mut config.gate_env_pass, names(log, top, "gate_env_pass"));
    limits(log, top, &mut config.limits);
    board(log, top, &mut config.board);
    worktrees(log, top, &mut config.worktrees);
    merge(log, top, &mut config.merge);
    sandbox(log, top, &mut config.sandbox);
    server(log, top, &mut config.server);
    for section in top.sections(log, "component", keys::COMPONENT, |_, _| false) {
        config.components.extend(component(log, &section));
    }
    for section in top.sections(log, "gate", keys::GATE, |_, _| false) {
        let gate = gate(log, &section, &config.gates);
        config.gates.extend(gate);
    }
    config.agents = agents::read(log, top, &old);
    config.routes = routes::read(log, top, &config.agents);
    config.prices = prices::read(log, top);
    config.classifier = routes::classifier(log, top);
    config.notify = notices::read(log, top);
    config
}

fn base_branch(log: &mut Log<'_>, top: &Section<'_>) -> Option<String> {
    let said = top.text(log, "base_branch")?;
    let bad = |c: char| {
        c.is_control() || c.is_whitespace() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    let branch = said.value;
    if branch.is_empty() || branch.starts_with(['-', '/']) || branch.contains(bad) || branch.contains("..") {
        log.error(
            said.at,
            format!("`base_branch` (`{}`) cannot be a branch.", one_line(&branch, 60)),
            "e.g. `base_branch = \"main\"`",
        );
        return None;
    }
    Some(branch)
}

fn limits(log: &mut Log<'_>, top: &Section<'_>, limits: &mut Limits) {
    let section = top.section(log, "limits", keys::LIMITS);
    put(&mut limits.agents, section.count(log, "agents", 1, COUNT_MAX));
    put(&mut limits.gates, section.count(log, "gates", 1, COUNT_MAX));
    put(&mut limits.budget_usd, section.money(log, "budget_usd"));
    put(&mut limits.story_budget_usd, section.money(log, "story_budget_usd"));
    put(&mut limits.disk_reserve_bytes, section.size(log, "disk_reserve"));
}

fn board(log: &mut Log<'_>, top: &Section<'_>, board: &mut BoardRules) {
    let section = top.section(log, "board", keys::BOARD);
    put(&mut board.archive_after_ms, section.span(log, "archive_after"));
    put(&mut board.auto_promote, section.flag(log, "auto_promote"));
    let wip = section.section(log, "wip", keys::WIP);
    put(&mut board.wip_current, wip.count(log, "current", 0, COUNT_MAX));
    put(&mut board.wip_qa, wip.count(log, "qa", 0, COUNT_MAX));
}

fn worktrees(log: &mut Log<'_>, top: &Section<'_>, worktrees: &mut Worktrees) {
    let section = top.section(log, "worktrees", keys::WORKTREES);
    if let Some(dir) = section.text(log, "dir") {
        if dir.value.trim().is_empty() {
            log.error(dir.at, "`dir` is empty.", "e.g. `dir = \".storkit/worktrees\"`");
        }
        worktrees.dir = dir.value;
    }
    put(&mut worktrees.warm, section.count(log, "warm", 0, 100));
    put(&mut worktrees.copy, inner_paths(log, &section, "copy"));
    put(&mut worktrees.setup, section.texts(log, "setup"));
    put(&mut worktrees.setup_relocatable, section.flag(log, "setup_relocatable"));
    put(&mut worktrees.setup_when, inner_paths(log, &section, "setup_when"));
    put(&mut worktrees.teardown, section.texts(log, "teardown"));
}

fn merge(log: &mut Log<'_>, top: &Section<'_>, merge: &mut Merge) {
    let section = top.section(log, "merge", keys::MERGE);
    put(&mut merge.strategy, section.choice(log, "strategy", &STRATEGY));
    put(&mut merge.protect, section.texts(log, "protect"));
    if let Some(push) = section.text(log, "push") {
        if push.value.starts_with('-') || push.value.contains(char::is_control) {
            log.error(push.at, "`push` is no remote.", "e.g. `push = \"origin\"`");
        }
        merge.push = push.value;
    }
}

fn sandbox(log: &mut Log<'_>, top: &Section<'_>, sandbox: &mut Sandbox) {
    let section = top.section(log, "sandbox", keys::SANDBOX);
    put(&mut sandbox.mode, section.choice(log, "mode", &MODE));
    put(&mut sandbox.write, section.texts(log, "write"));
    put(&mut sandbox.network, section.choice(log, "network", &NETWORK));
    put(&mut sandbox.gates_network, section.choice(log, "gates_network", &NETWORK));
}

fn server(log: &mut Log<'_>, top: &Section<'_>, server: &mut Server) {
    let section = top.section(log, "server", keys::SERVER);
    if let Some(port) = section.count(log, "port", 0, u32::from(u16::MAX)) {
        server.port = u16::try_from(port).unwrap_or_default();
    }
    if let Some(bind) = section.text(log, "bind") {
        if bind.value != "localhost" && bind.value.parse::<IpAddr>().is_err() {
            log.error(
                bind.at,
                format!("`bind` (`{}`) is no address.", one_line(&bind.value, 60)),
                "e.g. `bind = \"127.0.0.1\"`; the port is `port`",
            );
        }
        server.bind = bind.value;
    }
}

fn component(log: &mut Log<'_>, section: &Section<'_>) -> Option<Component> {
    let name = section.text(log, "name").map(|name| one_line(&name.value, NAME_CHARS_MAX));
    let (setup, teardown) = (section.texts(log, "setup"), section.texts(log, "teardown"));
    let path = section.text(log, "path");
    if path.is_none() && section.at("path").is_none() {
        log.error(section.at, "`[[component]]` has no `path`.", "e.g. `path = \"web\"`");
    }
    let path = path?;
    if !is_inner(&path.value) {
        log.error(
            path.at,
            format!("`path` (`{}`) does not lie in the worktree.", one_line(&path.value, 60)),
            "e.g. `path = \"web\"`",
        );
    }
    Some(Component {
        name: name.unwrap_or_else(|| path.value.clone()),
        path: path.value,
        setup: setup.unwrap_or_default(),
        teardown: teardown.unwrap_or_default(),
    })
}

fn gate(log: &mut Log<'_>, section: &Section<'_>, before: &[Gate]) -> Option<Gate> {
    let run = section.text(log, "run").map(|run| run.value).unwrap_or_default();
    if run.trim().is_empty() {
        log.error(section.at, "`[[gate]]` has no `run`.", "e.g. `run = \"script/test\"`");
    }
    let stages = section.choices(log, "stages", &GATE_STAGE);
    if let (Some([]), Some(at)) = (stages.as_deref(), section.at("stages")) {
        log.warning(
            at,
            "`stages` is empty: the gate never runs.",
            "e.g. `stages = [\"current\", \"merge\"]`",
        );
    }
    let gate = Gate {
        name: gate_name(log, section, &run, before),
        stages: stages.unwrap_or_else(|| vec![GateStage::Current, GateStage::Merge]),
        timeout_ms: section.some_span(log, "timeout").unwrap_or(GATE_TIMEOUT_MS),
        expect: expect(log, section).unwrap_or_default(),
        run,
    };
    (!gate.run.trim().is_empty()).then_some(gate)
}

fn expect(log: &mut Log<'_>, section: &Section<'_>) -> Option<String> {
    let said = section.text(log, "expect")?;
    if let Err(error) = regex_lite::RegexBuilder::new(&said.value).size_limit(EXPECT_BYTES_MAX).build() {
        let hint = "put a `\\` before `. ( [ { * + ?` that stand for themselves";
        log.error(said.at, format!("`expect` is no regular expression: {error}."), hint);
    }
    Some(said.value)
}

/// The name that is given, which must be free; else the first word of the command, numbered where it is taken.
fn gate_name(log: &mut Log<'_>, section: &Section<'_>, run: &str, before: &[Gate]) -> String {
    let taken = |name: &str| before.iter().any(|gate| gate.name == name);
    if let Some(said) = section.text(log, "name") {
        let name = one_line(&said.value, NAME_CHARS_MAX);
        if name.is_empty() || taken(&name) {
            let why = if name.is_empty() { "is empty" } else { "is the name of another gate" };
            log.error(said.at, format!("`name` (`{name}`) {why}."), "give each gate a name of its own");
        }
        return name;
    }
    let word = one_line(run.split_whitespace().next().unwrap_or_default(), NAME_CHARS_MAX);
    let numbered = (2..).map(|n| format!("{word}-{n}"));
    std::iter::once(word.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(word)
}

/// Names of environment variables.
pub(super) fn names(log: &mut Log<'_>, section: &Section<'_>, key: &str) -> Option<Vec<String>> {
    let texts = section.said_texts(log, key)?;
    for said in texts.iter().filter(|said| !is_variable(&said.value)) {
        let message =
            format!("`{key}` takes names of variables, and `{}` is none.", one_line(&said.value, 60));
        log.error(said.at, message, "e.g. `[\"ANTHROPIC_API_KEY\"]`; the value stays in the environment");
    }
    Some(texts.into_iter().map(|said| said.value).collect())
}

/// Whether a text can be the name of an environment variable.
pub(super) fn is_variable(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(word)
}

fn inner_paths(log: &mut Log<'_>, section: &Section<'_>, key: &str) -> Option<Vec<String>> {
    let texts = section.said_texts(log, key)?;
    for said in texts.iter().filter(|said| !is_inner(&said.value)) {
        let message =
            format!("`{key}` has `{}`, which does not lie in the project.", one_line(&said.value, 60));
        log.error(said.at, message, "write a path relative to the project's root, without `..`");
    }
    Some(texts.into_iter().map(|said| said.value).collect())
}

/// Whether a path stays inside the folder that it is relative to.
fn is_inner(path: &str) -> bool {
    let parts = path.split('/');
    !path.is_empty()
        && !path.starts_with(['/', '~'])
        && !path.contains('\0')
        && parts.clone().all(|part| part != "..")
}

fn sentence(message: &str) -> String {
    let message = one_line(message, 200);
    let mut chars = message.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}
