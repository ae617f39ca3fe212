//! What a run costs while it goes on: read off its events, and told where a budget may be near.

use storkit_core::effect::RunOrder;
use storkit_core::price::{self, Price};
use storkit_core::runtime::{AgentEvent, Told};

/// The least part of the smallest budget that is worth telling: an agent that prints its usage over and over makes few
/// events of it.
const STEP: f64 = 1.0 / 200.0;

/// Reads a run's events.
pub(super) struct Meter<'a> {
    prices: &'a [Price],
    model: &'a str,
    /// How much more it must be to be told, in US dollars; none where no budget is in force.
    step_usd: Option<f64>,
    told: Told,
    told_usd: f64,
}

impl<'a> Meter<'a> {
    /// For a run.
    pub(super) fn new(order: &'a RunOrder) -> Self {
        let limits = &order.config.limits;
        let budgets = [order.agent.max_budget_usd, limits.story_budget_usd, limits.budget_usd];
        let smallest = budgets.into_iter().filter(|usd| *usd > 0.0).reduce(f64::min);
        Self {
            prices: &order.config.prices,
            model: &order.agent.model,
            step_usd: smallest.map(|usd| usd * STEP),
            told: Told::default(),
            told_usd: 0.0,
        }
    }

    /// Takes an event: what the run has cost so far, in US dollars, where that is known and noticeably more than before.
    pub(super) fn read(&mut self, event: &AgentEvent) -> Option<f64> {
        let step = self.step_usd?;
        if !matches!(event, AgentEvent::Usage { .. } | AgentEvent::Turn { .. }) {
            return None;
        }
        self.told.absorb(event);
        let usd = price::cost(&price::priced(self.prices, self.model, self.told.used()))?;
        let is_more = usd >= self.told_usd + step;
        is_more.then(|| std::mem::replace(&mut self.told_usd, usd)).map(|_| usd)
    }
}
