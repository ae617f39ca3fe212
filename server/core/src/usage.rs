//! What runs used, summed up: by story, agent, model, day or label.
//!
//! Pure: rows come in, groups go out. What nobody reported is unknown and never counted as nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What runs are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// Their story.
    #[default]
    Story,
    /// Their agent.
    Agent,
    /// The model that they used.
    Model,
    /// The calendar day on which they began.
    Day,
    /// Their story's labels; a run counts for each.
    Label,
}

impl GroupBy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Story, Self::Agent, Self::Model, Self::Day, Self::Label];

    /// Its name, as a person types it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Story => "story",
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Day => "day",
            Self::Label => "label",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.name() == name)
    }
}

/// What one run used, of one model where it used several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunUsed {
    /// The run.
    pub run: String,
    /// Its story.
    pub story: String,
    /// Its agent.
    pub agent: String,
    /// The model; none where nobody said.
    pub model: Option<String>,
    /// The calendar day, such as `2026-11-21`.
    pub day: String,
    /// Its story's labels.
    pub labels: Vec<String>,
    /// How long it took, in milliseconds; none while it runs or where that is unknown.
    pub took_ms: Option<u64>,
    /// Turns of the model.
    pub turns: Option<u64>,
    /// Tokens; none where nobody reported them.
    pub tokens: Option<Tokens>,
    /// US dollars.
    pub cost_usd: Option<f64>,
}

/// Tokens, each counted in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// Read by the model, and neither from a cache nor into one.
    pub input_tokens: u64,
    /// Written by the model.
    pub output_tokens: u64,
    /// Read from a cache.
    pub cache_read_tokens: u64,
    /// Written into a cache.
    pub cache_write_tokens: u64,
}

/// A figure over the runs of which it is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Spread {
    /// Their average.
    pub average: f64,
    /// Their median; of two in the middle, what lies between.
    pub median: f64,
    /// The largest.
    pub maximum: f64,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Group {
    /// The story, agent, model, day or label; `unknown` or `none` where a run has none.
    pub key: String,
    /// Runs.
    pub runs: u64,
    /// Runs of which nobody reported tokens.
    pub unreported: u64,
    /// Tokens, summed.
    #[serde(flatten)]
    pub tokens: Tokens,
    /// US dollars, summed; none where no run's cost is known.
    pub cost_usd: Option<f64>,
    /// How long runs took, in seconds.
    pub seconds: Option<Spread>,
    /// Turns of a run.
    pub turns: Option<Spread>,
    /// US dollars of a run.
    pub cost: Option<Spread>,
}

/// Usage, by groups in the order of their keys, and all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageReport {
    /// What the groups are.
    pub by: GroupBy,
    /// The groups.
    pub groups: Vec<Group>,
    /// All runs.
    pub total: Group,
    /// Whether money or runs of before are missing, since a ledger was lost.
    pub complete: bool,
}

/// Sums up.
pub fn report(rows: &[RunUsed], by: GroupBy, complete: bool) -> UsageReport {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let mut total = Sum::default();
    for row in rows {
        total.add(row);
        for key in keys(row, by) {
            sums.entry(key).or_default().add(row);
        }
    }
    let groups = sums.into_iter().map(|(key, sum)| sum.group(key)).collect();
    UsageReport { by, groups, total: total.group("total".to_owned()), complete }
}

fn keys(row: &RunUsed, by: GroupBy) -> Vec<String> {
    match by {
        GroupBy::Story => vec![row.story.clone()],
        GroupBy::Agent => vec![row.agent.clone()],
        GroupBy::Model => vec![row.model.clone().unwrap_or_else(|| "unknown".to_owned())],
        GroupBy::Day => vec![row.day.clone()],
        GroupBy::Label if row.labels.is_empty() => vec!["none".to_owned()],
        GroupBy::Label => row.labels.clone(),
    }
}

/// A run's figures, added up over its models.
#[derive(Debug, Default)]
struct OfRun {
    took_ms: Option<u64>,
    turns: Option<u64>,
    cost_usd: Option<f64>,
    reported: bool,
}

#[derive(Debug, Default)]
struct Sum {
    runs: BTreeMap<String, OfRun>,
    tokens: Tokens,
}

impl Sum {
    fn add(&mut self, row: &RunUsed) {
        let run = self.runs.entry(row.run.clone()).or_default();
        run.took_ms = run.took_ms.or(row.took_ms);
        if let Some(turns) = row.turns {
            run.turns = Some(run.turns.unwrap_or(0).saturating_add(turns));
        }
        if let Some(cost) = row.cost_usd {
            run.cost_usd = Some(run.cost_usd.unwrap_or(0.0) + cost);
        }
        if let Some(tokens) = row.tokens {
            run.reported = true;
            let sum = &mut self.tokens;
            sum.input_tokens = sum.input_tokens.saturating_add(tokens.input_tokens);
            sum.output_tokens = sum.output_tokens.saturating_add(tokens.output_tokens);
            sum.cache_read_tokens = sum.cache_read_tokens.saturating_add(tokens.cache_read_tokens);
            sum.cache_write_tokens = sum.cache_write_tokens.saturating_add(tokens.cache_write_tokens);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people; runs take no millions of years")]
    fn group(self, key: String) -> Group {
        let runs = self.runs.len() as u64;
        let each =
            |figure: &dyn Fn(&OfRun) -> Option<f64>| spread(self.runs.values().filter_map(figure).collect());
        let costs: Vec<f64> = self.runs.values().filter_map(|run| run.cost_usd).collect();
        Group {
            key,
            runs,
            unreported: self.runs.values().filter(|run| !run.reported).count() as u64,
            tokens: self.tokens,
            cost_usd: (!costs.is_empty()).then(|| costs.iter().sum()),
            seconds: each(&|run| run.took_ms.map(|ms| ms as f64 / 1000.0)),
            turns: each(&|run| run.turns.map(|turns| turns as f64)),
            cost: each(&|run| run.cost_usd),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the number of runs is small")]
fn spread(mut figures: Vec<f64>) -> Option<Spread> {
    figures.sort_by(f64::total_cmp);
    let maximum = *figures.last()?;
    let middle = figures.len() / 2;
    let median = if figures.len() % 2 == 1 {
        figures[middle]
    } else {
        f64::midpoint(figures[middle - 1], figures[middle])
    };
    Some(Spread { average: figures.iter().sum::<f64>() / figures.len() as f64, median, maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: &str, story: &str, model: &str, cost: Option<f64>, took_ms: u64) -> RunUsed {
        RunUsed {
            run: run.to_owned(),
            story: story.to_owned(),
            agent: "coder-1".to_owned(),
            model: Some(model.to_owned()).filter(|model| !model.is_empty()),
            day: "2026-11-21".to_owned(),
            labels: vec!["ui".to_owned(), "night".to_owned()],
            took_ms: Some(took_ms),
            turns: None,
            tokens: cost.map(|_| Tokens { input_tokens: 10, output_tokens: 1, ..Tokens::default() }),
            cost_usd: cost,
        }
    }

    #[test]
    fn groups_are_summed_and_what_is_unknown_stays_so() {
        let rows = [
            row("r1", "1_a", "m", Some(0.5), 1000),
            row("r2", "1_a", "m", Some(1.5), 3000),
            row("r3", "2_b", "", None, 2000),
        ];
        let report = report(&rows, GroupBy::Story, true);
        assert_eq!(report.groups.len(), 2);
        let (a, b) = (&report.groups[0], &report.groups[1]);
        assert_eq!((a.key.as_str(), a.runs, a.unreported, a.cost_usd), ("1_a", 2, 0, Some(2.0)));
        assert_eq!(a.tokens.input_tokens, 20);
        assert_eq!(a.seconds, Some(Spread { average: 2.0, median: 2.0, maximum: 3.0 }));
        assert_eq!((b.runs, b.unreported, b.cost_usd, b.turns), (1, 1, None, None));
        assert_eq!((report.total.runs, report.total.cost_usd), (3, Some(2.0)));
    }

    #[test]
    fn a_run_of_two_models_is_one_run_and_counts_for_each() {
        let rows = [row("r1", "1_a", "big", Some(1.0), 1000), row("r1", "1_a", "small", Some(0.25), 1000)];
        let by_model = report(&rows, GroupBy::Model, true);
        let costs: Vec<_> =
            by_model.groups.iter().map(|group| (group.key.as_str(), group.cost_usd)).collect();
        assert_eq!(costs, [("big", Some(1.0)), ("small", Some(0.25))]);
        assert_eq!((by_model.total.runs, by_model.total.cost_usd), (1, Some(1.25)));
        assert_eq!(by_model.total.cost.map(|cost| cost.maximum), Some(1.25));
        let by_label = report(&rows, GroupBy::Label, true);
        assert_eq!(by_label.groups.iter().map(|group| group.runs).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn names_go_both_ways() {
        for by in GroupBy::ALL {
            assert_eq!(GroupBy::from_name(by.name()), Some(by));
        }
        assert_eq!(GroupBy::from_name("size"), None);
    }
}
