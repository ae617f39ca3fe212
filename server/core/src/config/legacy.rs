//! Keys of earlier versions: read into their new place, with a warning that says where that is.

use super::keys;
use super::model::{Config, Role, Runtime};
use super::parse::{QA, put};
use super::raw::{Log, Said, Section};

/// What earlier keys say that has no place of its own in the configuration.
pub(super) struct Earlier {
    /// `default_coder_model`.
    pub(super) coder_model: Option<String>,
}

const WATCHER: &[keys::Key] = &[
    keys::Key {
        name: "sweep_interval_secs",
        takes: keys::Takes::Any,
        about: "Sweeping needs no interval any more.",
        era: keys::Era::Earlier,
    },
    keys::Key {
        name: "done_retention_secs",
        takes: keys::Takes::Any,
        about: "Now `archive_after` in `[board]`.",
        era: keys::Era::Earlier,
    },
];

/// Reads the earlier keys above the tables; what the new keys say is put over it afterwards.
pub(super) fn read(log: &mut Log<'_>, top: &Section<'_>, config: &mut Config) -> Earlier {
    if let Some(at) = top.at("default_qa") {
        put(&mut config.qa, top.choice(log, "default_qa", &QA));
        renamed(log, at, "default_qa", "write `qa = \"…\"` instead");
    }
    if let Some(at) = top.at("max_coders") {
        put(&mut config.limits.agents, top.count(log, "max_coders", 1, keys::COUNT_MAX));
        renamed(
            log,
            at,
            "max_coders",
            "write `agents = …` in `[limits]` instead; it counts all agents, not coders alone",
        );
    }
    if let Some(at) = top.at("watcher") {
        let watcher = top.section(log, "watcher", WATCHER);
        if let Some(seconds) = watcher.count(log, "done_retention_secs", 0, keys::COUNT_MAX * 1_000) {
            config.board.archive_after_ms = u64::from(seconds) * 1_000;
        }
        let _ = watcher.count(log, "sweep_interval_secs", 0, keys::COUNT_MAX * 1_000);
        renamed(log, at, "[watcher]", "write `archive_after = \"4h\"` in `[board]` instead");
    }
    let coder_model = top.text(log, "default_coder_model");
    if let Some(said) = &coder_model {
        renamed(
            log,
            said.at,
            "default_coder_model",
            "write `model` in the coders' `[[agent]]`, or in `[defaults]`",
        );
    }
    Earlier { coder_model: coder_model.map(|said| said.value) }
}

/// A lone `[agent]` table is taken for a list of one.
pub(super) fn lone_agent(log: &mut Log<'_>, at: usize) -> bool {
    renamed(log, at, "[agent]", "write `[[agent]]`: there may be several");
    true
}

/// `role`: the stage where it names one; its words were for people.
pub(super) fn role(log: &mut Log<'_>, section: &Section<'_>) -> Option<Role> {
    let said = section.text(log, "role")?;
    renamed(log, said.at, "role", "the work is `stage`, words for the agent go into its prompt's file");
    super::agents::ROLE.iter().find(|(name, _)| *name == said.value).map(|(_, role)| *role)
}

/// `system_prompt` and `allowed_tools`: the arguments of Claude Code that they were.
pub(super) fn args(log: &mut Log<'_>, section: &Section<'_>, runtime: Runtime) -> Vec<String> {
    let mut args = Vec::new();
    if let Some(said) = section.text(log, "system_prompt") {
        renamed(log, said.at, "system_prompt", "put the text into the prompt's file, or into `args`");
        args.extend(["--append-system-prompt".to_owned(), said.value]);
    }
    if let Some(at) = section.at("allowed_tools") {
        let tools = section.texts(log, "allowed_tools").unwrap_or_default();
        renamed(log, at, "allowed_tools", "write `args = [\"--allowedTools\", \"…\"]`");
        args.extend(["--allowedTools".to_owned(), tools.join(",")]);
    }
    if runtime == Runtime::ClaudeCode { args } else { Vec::new() }
}

/// Whether `prompt` holds the prompt itself, as earlier versions had it, and not a file's path.
pub(super) fn is_prompt_text(log: &mut Log<'_>, said: &Said<String>) -> bool {
    let text = said.value.trim();
    let is_text = text.contains('\n')
        || text.contains("{{")
        || (text.contains(' ') && !text.to_ascii_lowercase().ends_with(".md"));
    if is_text {
        log.warning(
            said.at,
            "`prompt` holds a prompt; now it is the path of a file, and the stage's own file is used.",
            "move the text to `.storkit/prompts/<stage>.md`",
        );
    }
    is_text
}

fn renamed(log: &mut Log<'_>, at: usize, what: &str, hint: &str) {
    log.warning(at, format!("`{what}` is a key of an earlier version."), hint);
}
