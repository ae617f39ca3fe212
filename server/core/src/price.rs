//! What tokens cost: `[[price]]` of project.toml, for runtimes that report tokens and no money.
//!
//! Pure. What is not in the table has no price, and what nobody counted costs nobody knows how much: unknown is never 0.

use serde::{Deserialize, Serialize};

use crate::facts::Usage;

/// Tokens that a price is for.
const TOKENS: f64 = 1_000_000.0;

/// What a model's tokens cost, in US dollars for a million.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// The model's name, in which `*` stands for any text.
    pub model: String,
    /// Input that comes from no cache.
    pub input: f64,
    /// Output.
    pub output: f64,
    /// Input read from a cache; none is as `input`.
    pub cache_read: Option<f64>,
    /// Input written to a cache; none is as `input`.
    pub cache_write: Option<f64>,
}

impl Price {
    /// What that many tokens cost, in US dollars.
    #[expect(clippy::cast_precision_loss, reason = "money for people; nobody pays for 2^53 tokens")]
    fn cost(&self, used: &Usage) -> f64 {
        let parts = [
            (used.input_tokens, self.input),
            (used.output_tokens, self.output),
            (used.cache_read_tokens, self.cache_read.unwrap_or(self.input)),
            (used.cache_write_tokens, self.cache_write.unwrap_or(self.input)),
        ];
        parts.into_iter().map(|(tokens, price)| tokens as f64 / TOKENS * price).sum()
    }
}

/// What was used, with its model and its cost where they can be known: what the runtime reported stands; a run that
/// names no model used the one that it was started with; the first price that fits it counts.
pub fn priced(prices: &[Price], started_with: &str, used: Vec<Usage>) -> Vec<Usage> {
    let mut used = used;
    for used in &mut used {
        if used.model.is_none() && !started_with.is_empty() {
            used.model = Some(started_with.to_owned());
        }
        if used.cost_usd.is_none() {
            let model = used.model.as_deref().unwrap_or_default();
            used.cost_usd =
                prices.iter().find(|price| fits(&price.model, model)).map(|price| price.cost(used));
        }
    }
    used
}

/// What all of it cost, in US dollars; none where no part's cost is known.
pub fn cost(used: &[Usage]) -> Option<f64> {
    used.iter().filter_map(|used| used.cost_usd).reduce(|sum, cost| sum + cost)
}

/// Whether a name fits a pattern, without regard to case.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(model: Option<&str>, cost_usd: Option<f64>) -> Usage {
        Usage {
            input_tokens: 1_000_000,
            output_tokens: 500_000,
            cache_read_tokens: 2_000_000,
            cache_write_tokens: 0,
            cost_usd,
            model: model.map(str::to_owned),
            ..Usage::default()
        }
    }

    fn table() -> Vec<Price> {
        let price = |model: &str, input, cache_read| Price {
            model: model.to_owned(),
            input,
            output: 10.0,
            cache_read,
            cache_write: None,
        };
        vec![price("gpt-5-mini*", 0.25, None), price("gpt-5*", 1.25, Some(0.125))]
    }

    fn costs(started_with: &str, parts: Vec<Usage>) -> Vec<Option<f64>> {
        priced(&table(), started_with, parts).into_iter().map(|used| used.cost_usd).collect()
    }

    #[test]
    fn names_fit_patterns() {
        for (pattern, name) in [
            ("gpt-5", "GPT-5"),
            ("gpt-5*", "gpt-5"),
            ("gpt-5*", "gpt-5.5-codex"),
            ("*", ""),
            ("*sonnet*", "claude-sonnet-4-5"),
            ("a*b*c", "a-b-b-c"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("gpt-5", "gpt-5.5"), ("gpt-5*", "o-gpt-5"), ("a*b", "a"), ("ab*b", "ab"), ("", "x")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn the_first_price_that_fits_counts_and_cached_input_costs_as_input_where_nothing_is_said() {
        let used = |model| vec![used(Some(model), None)];
        assert_eq!(costs("", used("gpt-5.5")), [Some(1.25 + 5.0 + 0.25)]);
        assert_eq!(costs("", used("gpt-5-mini")), [Some(0.25 + 5.0 + 0.5)]);
    }

    #[test]
    fn a_reported_cost_stands_and_an_unknown_one_stays_unknown() {
        assert_eq!(costs("", vec![used(Some("gpt-5"), Some(7.0))]), [Some(7.0)]);
        assert_eq!(costs("", vec![used(Some("gemini-2.5-pro"), None), used(None, None)]), [None, None]);
        assert_eq!(cost(&priced(&table(), "", vec![used(None, None)])), None);
        assert_eq!(cost(&[]), None);
    }

    #[test]
    fn a_run_that_names_no_model_used_the_one_that_it_was_started_with() {
        let priced = priced(&table(), "gpt-5.5", vec![used(None, None), used(Some("gpt-5-mini"), None)]);
        assert_eq!(priced[0].model.as_deref(), Some("gpt-5.5"));
        assert_eq!(cost(&priced), Some(6.5 + 5.75));
    }
}
