//! What an agent needs before it can work, as far as it can be seen without asking a model: its program, a version, a
//! login or a key, an identity for git. `doctor` and `agent check` tell the same.
//!
//! It looks at files and variables, and asks a program for its version where the clone is trusted; nothing else runs.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use storkit_core::config::{Agent, Runtime};
use storkit_core::ids::RunId;
use storkit_core::leave::Leave;
use storkit_core::runtime::{self, LaunchOrder, Needs, Version, version_in, version_text};

use crate::agents::env::{self, EnvOrder};
use crate::cli::path;
use crate::git::Repo;
use crate::sys::process::command_on;

/// Longest time for a program to tell its version.
const VERSION_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const LOOK_EACH: Duration = Duration::from_millis(20);
/// Most bytes of that, and of a program's own settings, that are read.
const TEXT_LEN_MAX: u64 = 256 << 10;

/// Something that is missing, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Finding {
    /// Whether the agent cannot work so.
    pub bad: bool,
    /// What is missing.
    pub text: String,
    /// A command, or a line of project.toml.
    pub fix: String,
}

impl Finding {
    fn bad(text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { bad: true, text: text.into(), fix: fix.into() }
    }

    fn odd(text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { bad: false, text: text.into(), fix: fix.into() }
    }
}

/// What was found of an agent.
#[derive(Debug, Default)]
pub(in crate::cli) struct Ready {
    /// Its program; none where it has none, or it is not there.
    pub program: Option<PathBuf>,
    /// Its version, where it tells one.
    pub version: Option<Version>,
    /// All that is missing.
    pub findings: Vec<Finding>,
}

impl Ready {
    /// The program and its version, in words.
    pub(in crate::cli) fn words(&self) -> String {
        let path = self.program.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        match self.version {
            Some(version) => format!("{path} {}", version_text(version)),
            None => path,
        }
    }

    /// Whether its program is there.
    pub(in crate::cli) fn is_found(&self) -> bool {
        self.program.is_some()
    }
}

/// An agent, and what is looked at for it.
pub(in crate::cli) struct Look<'a> {
    /// The project's root.
    pub root: &'a Path,
    /// The agent.
    pub agent: &'a Agent,
    /// Whether a person has said that the agents of this clone may run.
    pub trusted: bool,
    /// storkit's own environment.
    pub source: &'a BTreeMap<String, String>,
}

impl Look<'_> {
    /// Looks at all of it.
    pub(in crate::cli) fn ready(&self) -> Ready {
        let mut ready = Ready::default();
        if !self.find_program(&mut ready) {
            return ready;
        }
        let vars = self.vars();
        if let Some(needs) = runtime::needs(self.agent) {
            self.version(needs, &vars, &mut ready);
            ready.findings.extend(self.way_in(needs, &vars));
            ready.findings.extend(self.surroundings(needs, &vars));
        }
        ready
    }

    /// The variable by which the agent is given a key, where it is given one.
    pub(in crate::cli) fn key(&self) -> Option<String> {
        let vars = self.vars();
        let needs = runtime::needs(self.agent)?;
        let own = codex_key(needs, &vars);
        let mut keys = own.iter().map(String::as_str).chain(needs.keys.iter().copied());
        keys.find(|key| is_set(&vars, key)).map(str::to_owned)
    }

    /// The environment that it would run in, but for what is a run's own.
    fn vars(&self) -> BTreeMap<String, String> {
        let launch = runtime::adapter(self.agent.runtime).map(|adapter| {
            (adapter.launch)(&LaunchOrder {
                agent: self.agent,
                run: RunId(uuid::Uuid::nil()),
                resume: None,
                leave: &Leave::default(),
                prompt: "",
                mcp_url: None,
                is_root: rustix::process::geteuid().is_root(),
                tmp: None,
                exe: "storkit",
                sessions: "",
            })
        });
        env::build(self.source, &EnvOrder::of(self.agent, &launch.unwrap_or_default())).vars
    }

    fn find_program(&self, ready: &mut Ready) -> bool {
        let agent = self.agent;
        let Some(adapter) = runtime::adapter(agent.runtime) else {
            let why = format!("the runtime {} has no adapter yet", agent.runtime.name());
            ready.findings.push(Finding::bad(why, "use another runtime"));
            return false;
        };
        if matches!(agent.runtime, Runtime::OpenAi | Runtime::GeminiApi) {
            ready.program = std::env::current_exe().ok();
            return true;
        }
        let command = if agent.command.is_empty() { adapter.command } else { &agent.command };
        if command.is_empty() {
            let fix = format!("write a command for {} into .storkit/project.toml", agent.name);
            ready.findings.push(Finding::bad("it has no command, and is drained", fix));
            return false;
        }
        let path = agent.env.get("PATH").or_else(|| self.source.get("PATH")).map_or("", String::as_str);
        ready.program = path::program_on(command, self.root, OsStr::new(path));
        if ready.program.is_none() {
            let fix = match runtime::needs(agent) {
                Some(needs) => needs.way_here(agent),
                None => {
                    format!("install {command}, or set command of {} in .storkit/project.toml", agent.name)
                }
            };
            ready.findings.push(Finding::bad(format!("there is no program {command}"), fix));
        }
        ready.is_found()
    }

    fn version(&self, needs: &Needs, vars: &BTreeMap<String, String>, ready: &mut Ready) {
        let (Some(oldest), Some(program), true) = (needs.oldest, &ready.program, self.trusted) else {
            return;
        };
        let Some(text) = ask_version(program, vars, self.root) else {
            let text = format!(
                "{} does not tell its version within {} s",
                program.display(),
                VERSION_WITHIN.as_secs()
            );
            ready.findings.push(Finding::odd(text, needs.way_here(self.agent)));
            return;
        };
        ready.version = version_in(&text);
        if ready.version.is_some_and(|version| version < oldest) {
            let text = format!("it is older than {}, whose ways are known", version_text(oldest));
            ready.findings.push(Finding::odd(text, needs.install));
        }
    }

    /// A login or a key, where it can be told that there is neither.
    fn way_in(&self, needs: &Needs, vars: &BTreeMap<String, String>) -> Option<Finding> {
        if let Some(key) = codex_key(needs, vars) {
            return (!is_set(vars, &key))
                .then(|| self.missing_key(&key, "its config.toml takes its key from"));
        }
        let elsewhere = ["ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"];
        let open = needs.keys.iter().any(|key| is_set(vars, key))
            || needs.address.into_iter().chain(elsewhere).any(|address| is_set(vars, address))
            || has_login(needs, vars);
        // A Mac keeps logins where no file tells of them.
        if open || (cfg!(target_os = "macos") && needs.state.is_some()) {
            return None;
        }
        if let Some(key) = needs.keys.iter().find(|key| is_set(self.source, key)) {
            return Some(self.missing_key(key, "it is not logged in, and is not let through"));
        }
        let text = format!("{} is not logged in, and no key reaches it", needs.label);
        Some(Finding::bad(text, needs.way_in(self.agent)))
    }

    fn missing_key(&self, key: &str, why: &str) -> Finding {
        let agent = self.agent;
        let set = if is_set(self.source, key) { "" } else { ", and set it where storkit is started" };
        let mut pass = agent.env_pass.clone();
        pass.push(key.to_owned());
        pass.dedup();
        let fix = format!("env_pass = {pass:?} for {} in .storkit/project.toml{set}", agent.name);
        Finding::bad(format!("{why} {key}"), fix)
    }

    fn surroundings(&self, needs: &Needs, vars: &BTreeMap<String, String>) -> Vec<Finding> {
        let agent = self.agent;
        let mut findings = Vec::new();
        if needs.hides_git_config && !has_identity(self.root) {
            findings.push(Finding::odd(
                format!("{} hides git's settings of the home folder from its shell: its commits need a name in this repository", needs.label),
                "git config user.name \"…\"; git config user.email \"…\"",
            ));
        }
        if needs.minds_root
            && agent.runtime == Runtime::Command
            && rustix::process::geteuid().is_root()
            && !is_set(vars, "IS_SANDBOX")
        {
            let fix = format!("env = {{ IS_SANDBOX = \"1\" }} for {} in .storkit/project.toml", agent.name);
            findings.push(Finding::odd(format!("{} refuses to work freely as root", needs.label), fix));
        }
        if let Some(state) = state_dir(needs, vars).filter(|_| needs.label == "Codex") {
            let tmp = vars.get("TMPDIR").map_or("/tmp", String::as_str);
            if state.starts_with(tmp) {
                findings.push(Finding::odd(
                    format!(
                        "its folder {} lies in that for temporary files, where Codex works badly",
                        state.display()
                    ),
                    format!(
                        "env = {{ CODEX_HOME = \"/another/folder\" }} for {} in .storkit/project.toml",
                        agent.name
                    ),
                ));
            }
        }
        let says = |option: &str| agent.args.iter().any(|arg| arg == option);
        if agent.runtime == Runtime::Acp && says("--acp") && !says("--skip-trust") && needs.hides_git_config {
            let fix =
                format!("args = [\"--acp\", \"--skip-trust\"] for {} in .storkit/project.toml", agent.name);
            findings.push(Finding::odd("it does not work freely in a folder that is not trusted", fix));
        }
        if matches!(agent.runtime, Runtime::OpenAi | Runtime::GeminiApi) && agent.model.is_empty() {
            let fix = format!("model = \"…\" for {} in .storkit/project.toml", agent.name);
            findings.push(Finding::bad("it has no model", fix));
        }
        findings
    }
}

fn is_set(vars: &BTreeMap<String, String>, name: &str) -> bool {
    vars.get(name).is_some_and(|value| !value.trim().is_empty())
}

/// What a program prints when it is asked for its version; none where it fails or takes too long.
fn ask_version(program: &Path, vars: &BTreeMap<String, String>, folder: &Path) -> Option<String> {
    let mut command = command_on(program, vars.get("PATH").map(OsStr::new));
    command.arg("--version").env_clear().envs(vars).current_dir(folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let begun = Instant::now();
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if begun.elapsed() < VERSION_WITHIN => std::thread::sleep(LOOK_EACH),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break false;
            }
        }
    };
    let mut text = Vec::new();
    // A version fits into the pipe; whoever holds it open still is not waited for.
    let mut out = child.stdout.take().filter(|_| ended)?;
    rustix::io::ioctl_fionbio(&out, true).ok()?;
    let mut piece = [0; 4096];
    while let Ok(len @ 1..) = out.read(&mut piece) {
        text.extend_from_slice(&piece[..len]);
        if text.len() as u64 > TEXT_LEN_MAX {
            break;
        }
    }
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The folder in which a program keeps its settings.
fn state_dir(needs: &Needs, vars: &BTreeMap<String, String>) -> Option<PathBuf> {
    let state = needs.state?;
    if let Some(dir) = state.variable.and_then(|name| vars.get(name)).filter(|dir| !dir.is_empty()) {
        return Some(PathBuf::from(dir));
    }
    Some(Path::new(vars.get("HOME")?).join(state.usual.strip_prefix("~/")?))
}

fn has_login(needs: &Needs, vars: &BTreeMap<String, String>) -> bool {
    let Some(dir) = state_dir(needs, vars) else { return false };
    let by_settings = ["settings.json", "settings.local.json"]
        .iter()
        .any(|name| small_text(&dir.join(name)).is_some_and(|text| text.contains("apiKeyHelper")));
    by_settings || needs.logins.iter().any(|name| dir.join(name).is_file())
}

/// The variable that Codex's own config.toml takes its key from, where it names one.
fn codex_key(needs: &Needs, vars: &BTreeMap<String, String>) -> Option<String> {
    let dir = state_dir(needs, vars).filter(|_| needs.label == "Codex")?;
    let settings: toml::Table = small_text(&dir.join("config.toml"))?.parse().ok()?;
    let provider = settings.get("model_provider")?.as_str()?;
    let key = settings.get("model_providers")?.get(provider)?.get("env_key")?.as_str()?;
    Some(key.to_owned())
}

fn small_text(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(TEXT_LEN_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Whether the repository itself says who commits.
fn has_identity(root: &Path) -> bool {
    let Ok(repo) = Repo::open(root) else { return false };
    let says = |key: &str| {
        let output = repo.git().args(["config", "--local", "--get", key]).run_any();
        output.is_ok_and(|output| output.code == 0)
    };
    says("user.name") && says("user.email")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
        source: BTreeMap<String, String>,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let path = |name: &str| dir.path().join(name).display().to_string();
            let source = [("PATH", path("bin")), ("HOME", path("home")), ("TMPDIR", path("tmp"))];
            let source = source.map(|(name, value)| (name.to_owned(), value)).into();
            let place = Self { dir, source };
            for name in ["claude", "codex"] {
                place.write(&format!("bin/{name}"), "#!/bin/sh\necho 3.0.0\n");
                let program = place.dir.path().join("bin").join(name);
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                std::fs::set_permissions(program, mode).expect("a program");
            }
            place
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, text).expect("written");
        }

        fn ready(&self, agent: &str) -> Ready {
            let text = format!("[[agent]]\nname = \"coder-1\"\n{agent}\n");
            let config = storkit_core::config::parse(&text).expect("good").config;
            let agent = &config.agents[0];
            Look { root: self.dir.path(), agent, trusted: true, source: &self.source }.ready()
        }

        fn found(&self, agent: &str) -> Vec<String> {
            let found = self.ready(agent).findings;
            found.into_iter().map(|one| format!("{} → {}", one.text, one.fix)).collect()
        }
    }

    #[test]
    fn a_program_its_version_and_a_way_in_are_looked_for() {
        let mut place = Place::new();
        let claude = "runtime = \"claude-code\"";
        assert_eq!(place.ready(claude).version, Some([3, 0, 0]));
        let found = place.found(claude);
        assert!(found.len() == 1 && found[0].starts_with("Claude Code is not logged in"), "{found:?}");
        place.source.insert("ANTHROPIC_API_KEY".to_owned(), "k".to_owned());
        let found = place.found(claude);
        assert!(
            found[0].ends_with("→ env_pass = [\"ANTHROPIC_API_KEY\"] for coder-1 in .storkit/project.toml"),
            "{found:?}"
        );
        assert_eq!(
            place.found(&format!("{claude}\nenv_pass = [\"ANTHROPIC_API_KEY\"]")),
            Vec::<String>::new()
        );
        place.write("home/.claude/.credentials.json", "{}");
        assert_eq!(place.found(claude), Vec::<String>::new());
        let found = place.found("runtime = \"gemini\"");
        assert!(
            found[0].starts_with("there is no program gemini → npm install -g @google/gemini-cli"),
            "{found:?}"
        );
        assert!(place.found("runtime = \"openai\"").iter().any(|one| one.starts_with("it has no model")));
        assert!(place.found("runtime = \"command\"")[0].starts_with("it has no command"));
    }

    #[test]
    fn codex_says_itself_where_its_key_comes_from() {
        let place = Place::new();
        place.write(
            "home/.codex/config.toml",
            "model_provider = \"p\"\n[model_providers.p]\nenv_key = \"P_KEY\"\n",
        );
        let codex = "runtime = \"codex\"";
        let found = place.found(codex);
        assert!(
            found[0].starts_with("its config.toml takes its key from P_KEY → env_pass = [\"P_KEY\"]"),
            "{found:?}"
        );
        assert_eq!(place.found(&format!("{codex}\nenv = {{ P_KEY = \"k\" }}")), Vec::<String>::new());
    }
}
