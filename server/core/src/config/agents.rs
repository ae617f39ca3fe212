//! `[[agent]]` and `[defaults]`: who works, as what, with which bounds.

use super::keys::{self, COUNT_MAX};
use super::legacy::{self, Earlier};
use super::model::{Agent, Permissions, Role, Runtime};
use super::parse::{is_variable, names};
use super::raw::{Log, Section};
use crate::front_matter::lines::one_line;
use crate::ids::AgentName;

/// Longest run of an agent that names none, in milliseconds.
pub(super) const TIMEOUT_MS: u64 = 2 * 3_600_000;
/// Longest silence of an agent that names none, in milliseconds.
pub(super) const INACTIVITY_MS: u64 = 15 * 60_000;

pub(super) const ROLE: [(&str, Role); 4] =
    [("coder", Role::Coder), ("qa", Role::Qa), ("mergemaster", Role::Mergemaster), ("other", Role::Other)];

/// What `[defaults]` and an `[[agent]]` both may say.
#[derive(Default, Clone)]
struct Bounds {
    model: Option<String>,
    max_turns: Option<u32>,
    max_budget_usd: Option<f64>,
    timeout_ms: Option<u64>,
}

impl Bounds {
    fn read(log: &mut Log<'_>, section: &Section<'_>) -> Self {
        Self {
            model: section.text(log, "model").map(|model| model.value),
            max_turns: section.count(log, "max_turns", 0, COUNT_MAX),
            max_budget_usd: section.money(log, "max_budget_usd"),
            timeout_ms: section.some_span(log, "timeout"),
        }
    }
}

/// The agents in the file's order, with the defaults merged in.
pub(super) fn read(log: &mut Log<'_>, top: &Section<'_>, old: &Earlier) -> Vec<Agent> {
    let defaults = top.section(log, "defaults", keys::DEFAULTS);
    let defaults = Bounds::read(log, &defaults);
    let mut agents: Vec<Agent> = Vec::new();
    for section in top.sections(log, "agent", keys::AGENT, legacy::lone_agent) {
        let name = name(log, &section, &agents);
        // Without a name the rest is read for its mistakes alone.
        let agent = agent(log, &section, name.as_ref(), (&defaults, old));
        agents.extend(agent);
    }
    agents
}

fn name(log: &mut Log<'_>, section: &Section<'_>, before: &[Agent]) -> Option<AgentName> {
    let said = section.text(log, "name");
    if said.is_none() && section.at("name").is_none() {
        log.error(section.at, "`[[agent]]` has no `name`.", "e.g. `name = \"coder-1\"`");
    }
    let said = said?;
    match AgentName::new(&said.value) {
        Ok(name) if before.iter().any(|agent| agent.name == name) => {
            log.error(
                said.at,
                format!("`name` (`{name}`) is the name of another agent."),
                "for more at a time of the same, set `instances`",
            );
            None
        }
        Ok(name) => Some(name),
        Err(error) => {
            log.error(
                said.at,
                format!("`name` (`{}`) {error}.", one_line(&said.value, 60)),
                "e.g. `name = \"coder-1\"`",
            );
            None
        }
    }
}

fn agent(
    log: &mut Log<'_>,
    section: &Section<'_>,
    name: Option<&AgentName>,
    ours: (&Bounds, &Earlier),
) -> Option<Agent> {
    let (defaults, old) = ours;
    let own = Bounds::read(log, section);
    let runtimes = Runtime::NAMES.map(|(runtime, name)| (name, runtime));
    let runtime = section.choice(log, "runtime", &runtimes).unwrap_or_default();
    let role = section.choice(log, "stage", &ROLE);
    let role = legacy::role(log, section).filter(|_| role.is_none()).or(role);
    let role = role.unwrap_or_else(|| Role::of_name(name.map_or("", AgentName::as_str)));
    let coders_model = old.coder_model.clone().filter(|_| role == Role::Coder);
    let mut args = section.texts(log, "args").unwrap_or_default();
    args.extend(legacy::args(log, section, runtime));
    let instances = section.count(log, "instances", 1, 1_000).unwrap_or(1);
    let prompt = prompt(log, section);
    let command = section.text(log, "command").map(|command| command.value).unwrap_or_default();
    let (env, env_pass) = (env(log, section), names(log, section, "env_pass").unwrap_or_default());
    let inactivity_timeout_ms = inactivity(log, section);
    let permissions = permissions(log, section, runtime);
    Some(Agent {
        name: name?.clone(),
        role,
        runtime,
        instances,
        model: own.model.or(coders_model).or_else(|| defaults.model.clone()).unwrap_or_default(),
        prompt,
        command,
        args,
        env,
        env_pass,
        permissions,
        max_turns: own.max_turns.or(defaults.max_turns).unwrap_or(0),
        max_budget_usd: own.max_budget_usd.or(defaults.max_budget_usd).unwrap_or(0.0),
        timeout_ms: own.timeout_ms.or(defaults.timeout_ms).unwrap_or(TIMEOUT_MS),
        inactivity_timeout_ms,
    })
}

fn permissions(log: &mut Log<'_>, section: &Section<'_>, runtime: Runtime) -> Permissions {
    let words = Permissions::NAMES.map(|(permissions, name)| (name, permissions));
    let Some(said) = section.choice(log, "permissions", &words) else { return Permissions::default() };
    let at = section.at("permissions").unwrap_or_default();
    match (runtime, said) {
        (Runtime::Codex | Runtime::Gemini, Permissions::Ask) => {
            let what = format!("`permissions` (`ask`): {} never asks when nobody is there.", runtime.name());
            log.warning(at, what, "it is held as by `deny`; with runtime `acp` it asks");
        }
        (Runtime::Command, Permissions::Ask | Permissions::Deny) => {
            let what = "`permissions` says nothing to an agent of runtime `command`.";
            log.warning(at, what, "leave it out");
        }
        _ => {}
    }
    said
}

fn prompt(log: &mut Log<'_>, section: &Section<'_>) -> Option<String> {
    let said = section.text(log, "prompt")?;
    if legacy::is_prompt_text(log, &said) {
        return None;
    }
    (!said.value.is_empty()).then_some(said.value)
}

fn env(log: &mut Log<'_>, section: &Section<'_>) -> std::collections::BTreeMap<String, String> {
    let env = section.map(log, "env").unwrap_or_default();
    let at = section.at("env").unwrap_or_default();
    for name in env.keys().filter(|name| !is_variable(name)) {
        log.error(
            at,
            format!("`env` has `{}`, which is no name of a variable.", one_line(name, 60)),
            "letters, digits and `_`",
        );
    }
    for (name, _) in env.iter().filter(|(_, value)| value.contains('\0')) {
        log.error(at, format!("`env` has a NUL character in `{}`.", one_line(name, 60)), "leave it out");
    }
    env
}

fn inactivity(log: &mut Log<'_>, section: &Section<'_>) -> u64 {
    let seconds =
        section.count(log, "inactivity_timeout_secs", 1, COUNT_MAX).map(|seconds| u64::from(seconds) * 1_000);
    let span = section.some_span(log, "inactivity_timeout");
    if let (Some(_), Some(_), Some(at)) = (seconds, span, section.at("inactivity_timeout_secs")) {
        log.warning(at, "`inactivity_timeout` is there too, and counts.", "keep one of them");
    }
    span.or(seconds).unwrap_or(INACTIVITY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn permissions_that_a_runtime_cannot_ask_for_are_warned_of() {
        let of = |runtime: &str, permissions: &str| {
            let text = format!(
                "[[agent]]\nname = \"coder-1\"\nruntime = \"{runtime}\"\npermissions = \"{permissions}\"\n"
            );
            let parsed = parse(&text).expect("it is good");
            (
                parsed.config.agents[0].permissions,
                parsed.warnings.iter().filter(|w| w.line == Some(4)).count(),
            )
        };
        assert_eq!(
            parse("[[agent]]\nname = \"coder-1\"\n").expect("good").config.agents[0].permissions,
            Permissions::Allow
        );
        for runtime in ["claude-code", "acp", "openai", "gemini-api"] {
            assert_eq!(of(runtime, "ask"), (Permissions::Ask, 0), "{runtime}");
        }
        for runtime in ["codex", "gemini", "command"] {
            assert_eq!(of(runtime, "ask"), (Permissions::Ask, 1), "{runtime}");
        }
        assert_eq!((of("codex", "deny"), of("command", "deny").1), ((Permissions::Deny, 0), 1));
        assert!(parse("[[agent]]\nname = \"coder-1\"\npermissions = \"yolo\"\n").is_err());
    }
}
