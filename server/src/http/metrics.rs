//! Figures in the text format of Prometheus. Pure: what is counted comes in, text goes out.
//!
//! Names of agents, models and gates are people's and programs' words: escaped, and so many of them at most.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use storkit_core::snapshot::Status;
use storkit_core::usage::RunUsed;

use super::events::Tally;
use crate::ledger::RunRow;

/// Most series of one figure; what sorts behind is left out.
const SERIES_MAX: usize = 500;

/// All figures.
pub(super) fn text(status: &Status, runs: &[RunRow], used: &[RunUsed], tally: &Tally) -> String {
    let mut out = String::new();
    board(&mut out, status);
    over(&mut out, runs);
    spent(&mut out, used);
    happened(&mut out, tally);
    out
}

fn board(out: &mut String, status: &Status) {
    let mut stories: Series<u64> = BTreeMap::new();
    for story in &status.stories {
        *stories.entry(vec![story.stage.clone(), story.state.name().to_owned()]).or_default() += 1;
    }
    head(out, "storkit_stories", "gauge", "Stories by stage and state.");
    figure(out, "storkit_stories", &["stage", "state"], stories);
    let mut agents: Series<u64> = BTreeMap::new();
    for agent in &status.agents {
        *agents.entry(vec![agent.state.clone()]).or_default() += 1;
    }
    head(out, "storkit_agents", "gauge", "Agents by state.");
    figure(out, "storkit_agents", &["state"], agents);
    one(out, "storkit_problems", "gauge", "Problems of files, configuration and git.", status.problems.len());
    let paused = u8::from(status.paused.is_some());
    one(out, "storkit_paused", "gauge", "Whether nothing new starts.", paused);
}

fn over(out: &mut String, runs: &[RunRow]) {
    let running = runs.iter().filter(|run| run.ended.is_none()).count();
    one(out, "storkit_runs_running", "gauge", "Runs in flight.", running);
    let mut ended: Series<u64> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.ended.is_some()) {
        let how = run.how.as_deref().unwrap_or("unknown");
        let how = how.split(':').next().unwrap_or_default().to_owned();
        *ended.entry(vec![run.agent.clone(), how]).or_default() += 1;
    }
    head(out, "storkit_runs_ended_total", "counter", "Runs of the ledger, by how they ended.");
    figure(out, "storkit_runs_ended_total", &["agent", "how"], ended);
}

fn spent(out: &mut String, used: &[RunUsed]) {
    let (mut tokens, mut cost): (Series<u64>, Series<f64>) = Default::default();
    for row in used {
        let model = row.model.as_deref().unwrap_or("unknown");
        let mut count = |kind: &str, count: u64| {
            let key = vec![row.agent.clone(), model.to_owned(), kind.to_owned()];
            let sum = tokens.entry(key).or_default();
            *sum = sum.saturating_add(count);
        };
        if let Some(tokens) = row.tokens {
            count("input", tokens.input_tokens);
            count("output", tokens.output_tokens);
            count("cache_read", tokens.cache_read_tokens);
            count("cache_write", tokens.cache_write_tokens);
        }
        if let Some(usd) = row.cost_usd {
            *cost.entry(vec![row.agent.clone(), model.to_owned()]).or_default() += usd;
        }
    }
    let labels = ["agent", "model", "kind"];
    head(out, "storkit_tokens_total", "counter", "Tokens that were reported.");
    figure(out, "storkit_tokens_total", &labels, tokens);
    let help = "US dollars that were reported.";
    head(out, "storkit_cost_usd_total", "counter", help);
    figure(out, "storkit_cost_usd_total", &labels[..2], cost);
}

fn happened(out: &mut String, tally: &Tally) {
    let kinds: Series<u64> = tally.kinds.iter().map(|(kind, count)| (vec![kind.clone()], *count)).collect();
    let landed = tally.kinds.get("landed").copied().unwrap_or(0);
    head(out, "storkit_events_total", "counter", "Events since the daemon began.");
    figure(out, "storkit_events_total", &["kind"], kinds);
    one(out, "storkit_landings_total", "counter", "Stories landed since the daemon began.", landed);
    let of = |pick: &dyn Fn(&(u64, f64)) -> f64| -> Series<f64> {
        let gates = tally.gates.iter();
        gates
            .map(|((gate, passed), sum)| {
                let result = if *passed { "passed" } else { "failed" };
                (vec![gate.clone(), result.to_owned()], pick(sum))
            })
            .collect()
    };
    let labels = ["gate", "result"];
    #[expect(clippy::cast_precision_loss, reason = "as far as gates are ever counted, a float is exact")]
    let rounds = of(&|sum| sum.0 as f64);
    head(out, "storkit_gate_seconds", "summary", "How long gates took since the daemon began.");
    figure(out, "storkit_gate_seconds_count", &labels, rounds);
    let seconds = of(&|sum| sum.1);
    figure(out, "storkit_gate_seconds_sum", &labels, seconds);
    one(
        out,
        "storkit_event_listeners",
        "gauge",
        "Who listens to events, the daemon itself included.",
        tally.listeners,
    );
    one(out, "storkit_uptime_seconds", "gauge", "How long the daemon has been up.", tally.uptime_s);
}

type Series<T> = BTreeMap<Vec<String>, T>;

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn one(out: &mut String, name: &str, kind: &str, help: &str, value: impl Display) {
    head(out, name, kind, help);
    let _ = writeln!(out, "{name} {value}");
}

fn figure<T: Display>(out: &mut String, name: &str, labels: &[&str], series: Series<T>) {
    for (values, value) in series.into_iter().take(SERIES_MAX) {
        let pairs =
            labels.iter().zip(&values).map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
        let _ = writeln!(out, "{name}{{{}}} {value}", pairs.collect::<Vec<_>>().join(","));
    }
}

/// A label's value: backslash, quote and line feed in their escapes.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars().take(128) {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use storkit_core::usage::Tokens;

    #[test]
    fn what_others_name_stays_inside_its_quotes_and_within_limits() {
        let row = |agent: String| RunUsed {
            agent,
            model: Some("m\"} 1\nevil\\".to_owned()),
            tokens: Some(Tokens { input_tokens: 7, ..Tokens::default() }),
            cost_usd: Some(0.5),
            ..RunUsed::default()
        };
        let mut out = String::new();
        spent(&mut out, &[row("a".to_owned()), row("a".to_owned())]);
        let label = "agent=\"a\",model=\"m\\\"} 1\\nevil\\\\\"";
        assert!(out.contains(&format!("storkit_tokens_total{{{label},kind=\"input\"}} 14\n")), "{out}");
        assert!(out.contains(&format!("storkit_cost_usd_total{{{label}}} 1\n")), "{out}");
        let many: Vec<RunUsed> = (0..2_000).map(|at| row(format!("agent{at}"))).collect();
        let mut out = String::new();
        spent(&mut out, &many);
        assert_eq!(out.matches("storkit_cost_usd_total{").count(), SERIES_MAX);
    }
}
