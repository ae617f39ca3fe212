//! The configuration in force as the text of a project.toml: what `storkit config show` prints.

use std::fmt::Write as _;

use toml::Value;

use super::model::{Agent, Config, Gate, Route};
use super::parse::{GATE_STAGE, MODE, NETWORK, STRATEGY};
use crate::duration::{format_bytes, format_ms};
use crate::ids::AgentName;
use crate::notify::{Channel, Rule};
use crate::price::Price;
use crate::story::{Kind, Size};

/// Every key with its value, defaults too, in the order of the file that `init` writes. It reads back as it is.
pub fn show(config: &Config) -> String {
    let mut out = Lines(String::new());
    match &config.base_branch {
        Some(branch) => out.set("base_branch", text(branch)),
        None => out.0.push_str("# base_branch: what HEAD of the main checkout is when the daemon starts\n"),
    }
    out.set("qa", text(config.qa.name()));
    out.set("max_retries", config.max_retries);
    out.set("max_rejections", config.max_rejections);
    out.set("answer_settle", span(config.answer_settle_ms));
    out.set("gate_env_pass", texts(&config.gate_env_pass));
    tables(&mut out, config);
    for component in &config.components {
        out.table("[[component]]");
        out.set("name", text(&component.name));
        out.set("path", text(&component.path));
        out.set("setup", texts(&component.setup));
        out.set("teardown", texts(&component.teardown));
    }
    config.gates.iter().for_each(|each| gate(&mut out, each));
    config.agents.iter().for_each(|each| agent(&mut out, each));
    config.routes.iter().for_each(|each| route(&mut out, each));
    if let Some(classifier) = &config.classifier {
        out.table("[classifier]");
        out.set("command", text(&classifier.command));
        out.set("timeout", span(classifier.timeout_ms));
    }
    config.prices.iter().for_each(|each| price(&mut out, each));
    config.notify.iter().for_each(|each| rule(&mut out, each));
    out.0
}

fn route(out: &mut Lines, route: &Route) {
    out.table("[[route]]");
    let texts = [
        ("label", route.label.as_deref()),
        ("kind", route.kind.map(Kind::name)),
        ("size", route.size.map(Size::name)),
        ("agent", route.agent.as_ref().map(AgentName::as_str)),
        ("model", route.model.as_deref()),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            out.set(name, text(value));
        }
    }
    for (name, value) in [("priority", route.priority.map(u32::from)), ("attempt", route.attempt)] {
        if let Some(value) = value {
            out.set(name, value);
        }
    }
}

fn price(out: &mut Lines, price: &Price) {
    out.table("[[price]]");
    out.set("model", text(&price.model));
    let amounts = [
        ("input", Some(price.input)),
        ("output", Some(price.output)),
        ("cache_read", price.cache_read),
        ("cache_write", price.cache_write),
    ];
    for (name, amount) in amounts {
        if let Some(amount) = amount {
            out.set(name, Value::Float(amount));
        }
    }
}

fn tables(out: &mut Lines, config: &Config) {
    let (limits, board, worktrees) = (&config.limits, &config.board, &config.worktrees);
    out.table("[limits]");
    out.set("agents", limits.agents);
    out.set("gates", limits.gates);
    out.set("budget_usd", Value::Float(limits.budget_usd));
    out.set("story_budget_usd", Value::Float(limits.story_budget_usd));
    out.set("disk_reserve", text(&format_bytes(limits.disk_reserve_bytes)));
    out.table("[board]");
    out.set("archive_after", span(board.archive_after_ms));
    out.set("auto_promote", board.auto_promote);
    out.set("wip", format!("{{ current = {}, qa = {} }}", board.wip_current, board.wip_qa));
    out.table("[worktrees]");
    out.set("dir", text(&worktrees.dir));
    out.set("warm", worktrees.warm);
    out.set("copy", texts(&worktrees.copy));
    out.set("setup", texts(&worktrees.setup));
    out.set("setup_relocatable", worktrees.setup_relocatable);
    out.set("setup_when", texts(&worktrees.setup_when));
    out.set("teardown", texts(&worktrees.teardown));
    out.table("[merge]");
    out.set("strategy", word(&STRATEGY, config.merge.strategy));
    out.set("protect", texts(&config.merge.protect));
    out.set("push", text(&config.merge.push));
    out.table("[sandbox]");
    out.set("mode", word(&MODE, config.sandbox.mode));
    out.set("write", texts(&config.sandbox.write));
    out.set("network", word(&NETWORK, config.sandbox.network));
    out.set("gates_network", word(&NETWORK, config.sandbox.gates_network));
    out.table("[server]");
    out.set("port", config.server.port);
    out.set("bind", text(&config.server.bind));
}

fn rule(out: &mut Lines, rule: &Rule) {
    out.table("[[notify]]");
    out.set("on", Value::Array(rule.on.iter().map(|on| text(on.name())).collect()));
    match &rule.channel {
        Channel::Command(command) => out.set("command", text(command)),
        Channel::Webhook(url) => out.set("webhook", text(url)),
        Channel::Desktop => out.set("desktop", true),
    }
    if let Some(quiet) = rule.quiet {
        out.set("quiet", text(&quiet.to_string()));
    }
}

fn gate(out: &mut Lines, gate: &Gate) {
    let stages: Vec<Value> = gate.stages.iter().map(|stage| word(&GATE_STAGE, *stage)).collect();
    out.table("[[gate]]");
    out.set("run", text(&gate.run));
    out.set("name", text(&gate.name));
    out.set("stages", Value::Array(stages));
    out.set("timeout", span(gate.timeout_ms));
    out.set("expect", text(&gate.expect));
}

fn agent(out: &mut Lines, agent: &Agent) {
    out.table("[[agent]]");
    out.set("name", text(agent.name.as_str()));
    out.set("stage", text(agent.role.name()));
    out.set("runtime", text(agent.runtime.name()));
    out.set("instances", agent.instances);
    out.set("model", text(&agent.model));
    if let Some(prompt) = &agent.prompt {
        out.set("prompt", text(prompt));
    }
    out.set("command", text(&agent.command));
    out.set("args", texts(&agent.args));
    let env = agent.env.iter().map(|(name, value)| (name.clone(), text(value)));
    out.set("env", Value::Table(env.collect()));
    out.set("env_pass", texts(&agent.env_pass));
    out.set("permissions", text(agent.permissions.name()));
    out.set("max_turns", agent.max_turns);
    out.set("max_budget_usd", Value::Float(agent.max_budget_usd));
    out.set("timeout", span(agent.timeout_ms));
    out.set("inactivity_timeout", span(agent.inactivity_timeout_ms));
}

struct Lines(String);

impl Lines {
    fn table(&mut self, header: &str) {
        let _ = write!(self.0, "\n{header}\n");
    }

    fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn texts(items: &[String]) -> Value {
    Value::Array(items.iter().map(|item| text(item)).collect())
}

fn span(ms: u64) -> Value {
    text(&format_ms(ms))
}

fn word<T: PartialEq>(words: &[(&str, T)], value: T) -> Value {
    text(words.iter().find(|(_, each)| *each == value).map_or("", |(name, _)| name))
}
