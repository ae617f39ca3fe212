//! Which agent takes a story: a choice over values, with the reason where there is none.

use std::collections::BTreeMap;

use crate::config::{Agent, Config, Role};
use crate::ids::AgentName;

/// How busy the agents are, and which may not be used.
#[derive(Debug, Default)]
pub struct Load {
    /// Stories that each works on.
    pub busy: BTreeMap<AgentName, u32>,
    /// Agents that may not be used now, and why.
    pub unavailable: BTreeMap<AgentName, String>,
}

impl Load {
    fn of(&self, agent: &Agent) -> u32 {
        self.busy.get(&agent.name).copied().unwrap_or_default()
    }

    fn is_free(&self, agent: &Agent) -> bool {
        self.of(agent) < agent.instances && !self.unavailable.contains_key(&agent.name)
    }
}

/// Why no agent takes a story, in words that name the agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAgent {
    /// The role has no agent.
    NoneConfigured(Role),
    /// The wanted one is not configured.
    Unknown(String),
    /// The wanted one does other work.
    WrongRole(String, Role),
    /// The wanted one is at work.
    Busy(String),
    /// All of the role are at work.
    AllBusy(Role, Vec<String>),
    /// Those of the role that would be free may not be used, and why.
    Unavailable(Vec<String>),
}

impl NoAgent {
    /// The reason in a sentence.
    pub fn words(&self) -> String {
        match self {
            Self::NoneConfigured(role) => format!("no {} agent is configured", role.name()),
            Self::Unknown(name) => format!("agent `{name}` is not configured"),
            Self::WrongRole(name, role) => {
                format!("agent `{name}` works in stage {}, not here", role.name())
            }
            Self::Busy(name) => format!("waits until agent {name} is free"),
            Self::AllBusy(role, names) => {
                format!("all {} agents are busy ({})", role.name(), names.join(", "))
            }
            Self::Unavailable(whys) => whys.join("; "),
        }
    }
}

/// Chooses the agent for a role: the wanted one, else the least busy, ties in the order of project.toml.
pub fn choose<'a>(
    config: &'a Config,
    role: Role,
    wanted: Option<&str>,
    load: &Load,
) -> Result<&'a Agent, NoAgent> {
    if let Some(name) = wanted {
        return wanted_one(config, role, name, load);
    }
    let free = config.agents_of(role).filter(|agent| load.is_free(agent));
    if let Some(agent) = free.min_by_key(|agent| load.of(agent)) {
        return Ok(agent);
    }
    let names: Vec<_> = config.agents_of(role).map(|agent| agent.name.to_string()).collect();
    if names.is_empty() {
        return Err(NoAgent::NoneConfigured(role));
    }
    let whys: Vec<_> = config
        .agents_of(role)
        .filter(|agent| load.of(agent) < agent.instances)
        .filter_map(|agent| load.unavailable.get(&agent.name))
        .cloned()
        .collect();
    Err(if whys.is_empty() { NoAgent::AllBusy(role, names) } else { NoAgent::Unavailable(whys) })
}

fn wanted_one<'a>(config: &'a Config, role: Role, name: &str, load: &Load) -> Result<&'a Agent, NoAgent> {
    let agent = config
        .agents
        .iter()
        .find(|agent| agent.name.as_str() == name)
        .ok_or_else(|| NoAgent::Unknown(name.to_owned()))?;
    if agent.role != role {
        return Err(NoAgent::WrongRole(name.to_owned(), agent.role));
    }
    if let Some(why) = load.unavailable.get(&agent.name) {
        return Err(NoAgent::Unavailable(vec![why.clone()]));
    }
    if load.is_free(agent) { Ok(agent) } else { Err(NoAgent::Busy(name.to_owned())) }
}
