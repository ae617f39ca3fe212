//! `storkit init`: what a project needs, written where it is missing. Nothing is overwritten, nothing is committed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use storkit_core::config;
use storkit_core::stage::Stage;

use super::args::{InitAgent, InitArgs};
use super::exit::{Exit, Failure, Outcome, io};
use super::{Context, path, trust};
use crate::git::Repo;
use crate::git::command::{Environment, Git};

const GITIGNORE: &str = include_str!("../../../templates/gitignore");
const AGENT_MD: &str = include_str!("../../../templates/AGENT.md");
const PROMPTS: [(&str, &str); 3] = [
    ("prompts/coder.md", include_str!("../../../templates/prompts/coder.md")),
    ("prompts/qa.md", include_str!("../../../templates/prompts/qa.md")),
    ("prompts/mergemaster.md", include_str!("../../../templates/prompts/mergemaster.md")),
];

/// Agents that may be on `PATH`: the command, the runtime.
const KNOWN: [(&str, &str); 3] = [("claude", "claude-code"), ("codex", "codex"), ("gemini", "gemini")];

/// Runs the command.
pub(super) fn run(context: &Context, args: &InitArgs) -> Outcome {
    if !args.command.is_empty() && args.agent != Some(InitAgent::Command) {
        return Err(Failure::usage("a command after -- needs --agent command"));
    }
    let root = work_tree(&context.start)?;
    let repo = Repo::open(&root).map_err(|error| Failure::new(error.to_string()))?;
    let base = repo.base_default().map_err(|error| Failure::new(error.to_string()))?;
    let gate = gate(&root);
    let agent = agent(args, &root);
    let mut made = Vec::new();
    let dot = root.join(".storkit");
    for stage in Stage::ALL {
        make_folder(&root, &dot.join("work").join(stage.folder()), &mut made)?;
    }
    let agents: Vec<config::InitAgent> = agent.clone().into_iter().collect();
    let project = config::init_text(base.as_deref(), gate, &agents);
    let files = [(".gitignore", GITIGNORE), ("project.toml", project.as_str()), ("AGENT.md", AGENT_MD)];
    let mut wrote_config = false;
    for (name, text) in files.into_iter().chain(PROMPTS) {
        let wrote = make_file(&root, &dot.join(name), text, &mut made)?;
        wrote_config |= wrote && name == "project.toml";
    }
    trust::trust(repo.common(), &root)?;
    if context.out.json {
        let agent = agent.as_ref().filter(|_| wrote_config).map(|agent| &agent.runtime);
        let gate = gate.filter(|_| wrote_config);
        context.out.json(&serde_json::json!({
            "root": root, "made": made, "base_branch": base.filter(|_| wrote_config), "gate": gate, "agent": agent,
        }))?;
        return Ok(Exit::Done);
    }
    for path in &made {
        context.out.say(&format!("made {path}"));
    }
    if made.is_empty() {
        context.out.say("everything is there already");
    }
    if wrote_config {
        tell(context, gate, agent.as_ref());
    }
    Ok(Exit::Done)
}

/// What was found, and what to do next.
fn tell(context: &Context, gate: Option<&str>, agent: Option<&config::InitAgent>) {
    match gate {
        Some(gate) => context.out.say(&format!("gate: {gate}")),
        None => {
            context.out.say("no gate was found: until .storkit/project.toml has one, stories land unjudged");
        }
    }
    match agent {
        Some(agent) if agent.runtime == "command" && agent.command.is_empty() => {
            context.out.say("agent: coder-1, still without a command: write it into .storkit/project.toml");
        }
        Some(agent) => context.out.say(&format!("agent: {} ({})", agent.name, agent.runtime)),
        None => context.out.say("no agent was found on PATH (claude, codex, gemini): write an [[agent]] into .storkit/project.toml"),
    }
    context.out.say("next: storkit new \"A title\", storkit up");
}

/// The top of the git work tree that `start` is in.
fn work_tree(start: &Path) -> Result<PathBuf, Failure> {
    let start = start.canonicalize().map_err(io("find", start))?;
    let none = || {
        Failure::new(format!("{} is not in a git work tree", start.display()))
            .hint("git init makes one; storkit works beside a git repository")
    };
    let output = Git::discovering(&Environment::of_process(), &start)
        .args(["rev-parse", "--path-format=absolute", "--show-toplevel"])
        .run_any()
        .map_err(|error| Failure::new(error.to_string()))?;
    let top = output.line();
    if output.code != 0 || top.is_empty() {
        return Err(none());
    }
    // A worktree of storkit's own is a part of its owner's project.
    match super::project::Project::find(&start) {
        Ok(project)
            if project.root.join(".storkit/worktrees").as_path()
                == Path::new(&top).parent().unwrap_or(&start) =>
        {
            Ok(project.root)
        }
        _ => PathBuf::from(&top).canonicalize().map_err(io("find", Path::new(&top))),
    }
}

/// The agent to write: the one asked for, else the first one on `PATH`.
fn agent(args: &InitArgs, root: &Path) -> Option<config::InitAgent> {
    let of = |runtime: &str| config::InitAgent {
        name: "coder-1".to_owned(),
        runtime: runtime.to_owned(),
        ..config::InitAgent::default()
    };
    match args.agent {
        Some(InitAgent::ClaudeCode) => Some(of("claude-code")),
        Some(InitAgent::Codex) => Some(of("codex")),
        Some(InitAgent::Gemini) => Some(of("gemini")),
        Some(InitAgent::Command) => {
            let mut words = args.command.iter().cloned();
            let command = words.next().unwrap_or_default();
            let note =
                if command.is_empty() { "Any program can be an agent: write its command here." } else { "" };
            Some(config::InitAgent { command, args: words.collect(), note: note.to_owned(), ..of("command") })
        }
        None => KNOWN
            .into_iter()
            .find(|(command, _)| path::program(command, root).is_some())
            .map(|(_, runtime)| of(runtime)),
    }
}

/// The first way of testing this project that is there.
fn gate(root: &Path) -> Option<&'static str> {
    let has = |name: &str| root.join(name).is_file();
    let holds = |name: &str, found: &dyn Fn(&str) -> bool| {
        fs::read_to_string(root.join(name)).is_ok_and(|text| found(&text))
    };
    let npm = |text: &str| {
        serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|package| package["scripts"]["test"].is_string())
    };
    let make = |text: &str| text.lines().any(|line| line.starts_with("test:"));
    let pytest = |text: &str| text.contains("pytest");
    if path::program("script/test", root).is_some() {
        Some("script/test")
    } else if has("Cargo.toml") {
        Some("cargo test")
    } else if holds("package.json", &npm) {
        Some("npm test")
    } else if holds("Makefile", &make) || holds("makefile", &make) {
        Some("make test")
    } else if has("pytest.ini")
        || has("conftest.py")
        || holds("pyproject.toml", &pytest)
        || holds("setup.cfg", &pytest)
    {
        Some("pytest")
    } else if has("go.mod") {
        Some("go test ./...")
    } else {
        None
    }
}

fn make_folder(root: &Path, path: &Path, made: &mut Vec<String>) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(io("make", path))?;
    made.push(format!("{}/", shown(root, path)));
    Ok(())
}

/// Writes the file where nothing of that name is; whether it did.
fn make_file(root: &Path, path: &Path, text: &str, made: &mut Vec<String>) -> Result<bool, Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io("make", folder))?;
    }
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(io("make", path)(error)),
    };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write", path))?;
    made.push(shown(root, path));
    Ok(true)
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_of_testing_is_the_gate() {
        let temp = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(temp.path().join(name), text).expect("written");
        assert_eq!(gate(temp.path()), None);
        write("go.mod", "");
        assert_eq!(gate(temp.path()), Some("go test ./..."));
        write("pyproject.toml", "[tool.pytest.ini_options]\n");
        assert_eq!(gate(temp.path()), Some("pytest"));
        write("Makefile", "all:\n\techo\ntest: all\n");
        assert_eq!(gate(temp.path()), Some("make test"));
        write("package.json", r#"{"scripts":{"build":"x"}}"#);
        assert_eq!(gate(temp.path()), Some("make test"));
        write("package.json", r#"{"scripts":{"test":"x"}}"#);
        assert_eq!(gate(temp.path()), Some("npm test"));
        write("Cargo.toml", "");
        assert_eq!(gate(temp.path()), Some("cargo test"));
        fs::create_dir(temp.path().join("script")).expect("a folder");
        write("script/test", "");
        assert_eq!(gate(temp.path()), Some("cargo test"), "a script that cannot be run is no gate");
    }
}
