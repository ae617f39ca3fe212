//! What a seed makes of a world: the configuration of the board, and which faults there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use storkit_core::config::{
    Agent, BoardRules, Config, Gate, GateStage, Limits, Merge, Permissions, Role, Runtime, Sandbox, Server,
    Worktrees,
};
use storkit_core::ids::AgentName;
use storkit_core::story::Qa;

use crate::rng::Rng;

/// How often each kind of trouble comes, in percent; each seed has its own mix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) stories: u64,
    pub(crate) steps: u64,
    pub(crate) people: u64,
    pub(crate) people_every: u64,
    pub(crate) agents: u64,
    pub(crate) slow: u64,
    pub(crate) lost_hints: u64,
    pub(crate) doubled: u64,
    pub(crate) crashes: u64,
    pub(crate) downs: u64,
    pub(crate) lost_ledger: u64,
    pub(crate) others: u64,
    pub(crate) base_red: u64,
    pub(crate) configs: u64,
    pub(crate) git_switches: u64,
    pub(crate) panics: u64,
    pub(crate) waits: u64,
    pub(crate) clocks: u64,
}

impl Trouble {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let some = |rng: &mut Rng, most: u64| if rng.chance(50) { rng.between(1, most) } else { 0 };
        Self {
            stories: rng.between(1, 6),
            steps: rng.between(60, 420),
            people: rng.between(0, 60),
            people_every: rng.pick(&[60, 1_000, 10_000, 30_000]),
            agents: rng.between(0, 70),
            slow: some(rng, 25),
            lost_hints: some(rng, 40),
            doubled: some(rng, 30),
            crashes: some(rng, 12),
            downs: some(rng, 8),
            lost_ledger: some(rng, 50),
            others: some(rng, 25),
            base_red: some(rng, 50),
            configs: some(rng, 8),
            git_switches: some(rng, 6),
            panics: some(rng, 6),
            waits: some(rng, 10),
            clocks: some(rng, 6),
        }
    }
}

fn agent(name: &str, instances: u32) -> Agent {
    Agent {
        name: AgentName::new(name).expect("a good name"),
        role: Role::of_name(name),
        runtime: Runtime::Command,
        instances,
        model: String::new(),
        prompt: None,
        command: "agent".to_owned(),
        args: Vec::new(),
        env: BTreeMap::new(),
        env_pass: Vec::new(),
        permissions: Permissions::Allow,
        max_turns: 0,
        max_budget_usd: 0.0,
        timeout_ms: 20 * 60_000,
        inactivity_timeout_ms: 15 * 60_000,
    }
}

fn gate(name: &str, stages: &[GateStage]) -> Gate {
    Gate {
        name: name.to_owned(),
        run: format!("script/{name}"),
        stages: stages.to_vec(),
        timeout_ms: 60_000,
        expect: String::new(),
    }
}

/// A configuration. There is always a coder; the rest may come and go.
pub(crate) fn config(rng: &mut Rng) -> Arc<Config> {
    let mut agents = vec![agent("coder-1", 1 + u32::from(rng.chance(40)))];
    let mut gates = Vec::new();
    for (percent, name) in [(50, "coder-2"), (60, "qa-1"), (60, "mergemaster")] {
        if rng.chance(percent) {
            agents.push(agent(name, 1));
        }
    }
    if rng.chance(75) {
        let stages: &[GateStage] =
            if rng.chance(80) { &[GateStage::Current, GateStage::Merge] } else { &[GateStage::Merge] };
        gates.push(gate("tests", stages));
    }
    if rng.chance(35) {
        gates.push(gate("lint", &[GateStage::Merge]));
    }
    Arc::new(Config {
        base_branch: Some("main".to_owned()),
        qa: rng.pick(&[Qa::Server, Qa::Server, Qa::Agent, Qa::Human]),
        max_retries: u32::try_from(rng.between(1, 3)).expect("small"),
        max_rejections: u32::try_from(rng.between(1, 3)).expect("small"),
        answer_settle_ms: 10_000,
        gate_env_pass: Vec::new(),
        limits: Limits {
            agents: u32::try_from(rng.between(1, 4)).expect("small"),
            gates: u32::try_from(rng.between(1, 2)).expect("small"),
            budget_usd: 0.0,
            story_budget_usd: 0.0,
            disk_reserve_bytes: 1_000,
        },
        board: BoardRules {
            archive_after_ms: rng.pick(&[4 * 3_600_000, 30_000]),
            auto_promote: rng.chance(85),
            wip_current: u32::try_from(rng.pick(&[0, 0, 1, 2])).expect("small"),
            wip_qa: 0,
        },
        worktrees: Worktrees::default(),
        components: Vec::new(),
        routes: Vec::new(),
        prices: Vec::new(),
        classifier: None,
        notify: Vec::new(),
        gates,
        merge: Merge { protect: vec![".storkit/".to_owned()], ..Merge::default() },
        sandbox: Sandbox::default(),
        server: Server::default(),
        agents,
    })
}

/// The same with all agents, so that every story can be worked on.
pub(crate) fn full(config: &Config) -> Arc<Config> {
    let mut config = config.clone();
    for name in ["coder-2", "qa-1", "mergemaster"] {
        if !config.agents.iter().any(|agent| agent.name.as_str() == name) {
            config.agents.push(agent(name, 1));
        }
    }
    Arc::new(config)
}
