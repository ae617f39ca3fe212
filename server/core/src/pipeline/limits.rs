//! What keeps agents from work: limits of their accounts, which end by themselves, and drains, which a person ends.

use std::collections::{BTreeMap, BTreeSet};

use super::{Drain, Pipeline};
use crate::config::{Agent, Role, Runtime};
use crate::effect::{Effect, Topic};
use crate::ids::{AgentName, StoryId};
use crate::memory::LimitMemo;
use crate::stage::Stage;
use crate::time::{WAIT_MAX_MS, Wall, words};

/// Failed runs on so many different stories, with none that went well between, drain an agent.
const STRIKES_MAX: usize = 3;

#[derive(Debug, Clone)]
pub(super) struct Limit {
    memo: LimitMemo,
    until_ms: u64,
}

/// The limits in force, and who has failed lately.
#[derive(Debug, Default)]
pub(super) struct Limits {
    by_account: BTreeMap<String, Limit>,
    strikes: BTreeMap<AgentName, BTreeSet<StoryId>>,
}

impl Pipeline {
    /// Takes up limits that an earlier daemon wrote down.
    pub(super) fn take_limits(&mut self, memos: Vec<LimitMemo>) {
        for memo in memos {
            let left = u64::try_from(memo.until.0.saturating_sub(self.now.wall.0)).unwrap_or(0);
            let left = left.min(memo.span_ms).min(WAIT_MAX_MS);
            if left > 0 {
                let until_ms = self.now.mono_ms.saturating_add(left);
                self.limits.by_account.insert(memo.account.clone(), Limit { memo, until_ms });
            }
        }
    }

    /// Nothing more is started on the account of the run's agent for so long.
    pub(super) fn limit(&mut self, id: &StoryId, agent: &AgentName, wait_ms: u64, why: &str) {
        let Some((account, runtime)) = self.config.agent(agent).map(|agent| (account(agent), agent.runtime))
        else {
            return;
        };
        let span_ms = wait_ms.clamp(1, WAIT_MAX_MS);
        let until_ms = self.now.mono_ms.saturating_add(span_ms);
        let until = Wall(self.now.wall.0.saturating_add(i64::try_from(span_ms).unwrap_or(i64::MAX)));
        let why = format!("{} is limited: {why}", runtime.name());
        let longer = |limit: &Limit| limit.until_ms >= until_ms;
        if self.limits.by_account.get(&account).is_some_and(longer) {
            return;
        }
        self.tell(Topic::Agent, Some(id), format!("{why}; it goes on in {}", words(span_ms)));
        let memo = LimitMemo { account: account.clone(), until, span_ms, why };
        self.limits.by_account.insert(account, Limit { memo, until_ms });
        self.limits_changed();
    }

    /// Ends what is over.
    pub(super) fn expire_limits(&mut self) {
        let now = self.now;
        let before = self.limits.by_account.len();
        self.limits
            .by_account
            .retain(|_, limit| limit.until_ms > now.mono_ms && limit.memo.until.0 > now.wall.0);
        if self.limits.by_account.len() < before {
            self.limits_changed();
        }
    }

    /// Ends the limit of an agent's account, as a person asked. Whether there was one.
    pub(super) fn unlimit(&mut self, agent: &AgentName) -> bool {
        let Some(account) = self.config.agent(agent).map(account) else { return false };
        let was = self.limits.by_account.remove(&account).is_some();
        if was {
            self.limits_changed();
        }
        was
    }

    fn limits_changed(&mut self) {
        let memos = self.limits.by_account.values().map(|limit| limit.memo.clone()).collect();
        self.out.push(Effect::RememberLimits(memos));
        self.touch_restless();
    }

    /// The limit that an agent is under: why, and until when.
    pub(super) fn limit_of(&self, agent: &Agent) -> Option<(&str, Wall)> {
        let limit = self.limits.by_account.get(&account(agent))?;
        Some((&limit.memo.why, limit.memo.until))
    }

    /// When the next limit is over, in milliseconds of the monotonic clock.
    pub(super) fn next_limit_ms(&self) -> Option<u64> {
        let wall = self.now.wall.0;
        let ends = |limit: &Limit| {
            let left = u64::try_from(limit.memo.until.0.saturating_sub(wall)).unwrap_or(0);
            limit.until_ms.min(self.now.mono_ms.saturating_add(left.max(1)))
        };
        self.limits.by_account.values().map(ends).min()
    }

    /// Whether a story waits for nothing but the end of a limit.
    pub(super) fn waits_for_limit(&self, id: &StoryId) -> bool {
        let role = match self.board.stage(id) {
            Some(Stage::Current) => Role::Coder,
            Some(Stage::Qa) => Role::Qa,
            Some(Stage::Merge) => Role::Mergemaster,
            _ => return false,
        };
        let limited = |agent: &Agent| agent.role == role && self.limit_of(agent).is_some();
        !self.limits.by_account.is_empty()
            && self.config.agents.iter().any(limited)
            && self.obstacles(id).iter().all(|obstacle| obstacle.what == "agent")
    }

    /// Counts a run that failed, and drains an agent that fails on everything.
    pub(super) fn strike(&mut self, id: &StoryId, agent: &AgentName, why: &str) {
        let stories = self.limits.strikes.entry(agent.clone()).or_default();
        stories.insert(id.clone());
        if stories.len() < STRIKES_MAX {
            return;
        }
        let names: Vec<_> = std::mem::take(stories).iter().map(ToString::to_string).collect();
        let why = format!(
            "it failed on {} stories one after the other ({}), last: {why}",
            names.len(),
            names.join(", ")
        );
        self.drain_agent(id, agent.clone(), why);
    }

    /// Forgets an agent's failures: a run of it went well, or a person says so.
    pub(super) fn forget_strikes(&mut self, agent: &AgentName) {
        self.limits.strikes.remove(agent);
    }

    /// Nothing more is started with the agent until a person says so, or configures it otherwise.
    pub(super) fn drain_agent(&mut self, id: &StoryId, name: AgentName, why: String) {
        if let Some(agent) = self.config.agent(&name).cloned() {
            self.tell(Topic::Drained, Some(id), format!("agent {name} is drained: {why}"));
            self.drained.insert(name, Drain { why, agent });
            self.touch_restless();
        }
    }

    fn touch_restless(&mut self) {
        let all: Vec<_> = self.restless.iter().cloned().collect();
        self.touched.extend(all);
    }
}

/// What is limited together: a runtime, as it has one account; of those that may be anybody's, the program or address.
fn account(agent: &Agent) -> String {
    let of = |what: &str| format!("{} {what}", agent.runtime.name());
    let address = |variable: &str| agent.env.get(variable).map_or_else(String::new, Clone::clone);
    match agent.runtime {
        Runtime::Acp => of(&agent.command),
        Runtime::OpenAi => of(&address("OPENAI_BASE_URL")),
        Runtime::GeminiApi => of(&address("GEMINI_BASE_URL")),
        Runtime::ClaudeCode | Runtime::Codex | Runtime::Gemini | Runtime::Command => {
            agent.runtime.name().to_owned()
        }
    }
}
