//! Money: what runs cost, and the budgets that end them or keep them from starting.

use super::conditions::condition;
use super::track::{Run, Track, Work};
use super::{GRACE_STOP_MS, Pipeline, Purpose};
use crate::effect::{Effect, Topic};
use crate::facts::Usage;
use crate::ids::{OpId, StoryId};
use crate::price;
use crate::snapshot::Condition;

impl Pipeline {
    /// The budgets of the day and of the story that are spent, with so much that is not booked yet.
    pub(super) fn spent_budgets(&self, track: &Track, unbooked_usd: f64) -> Vec<Condition> {
        let limits = &self.config.limits;
        let mut found = Vec::new();
        let running: f64 =
            self.tracks.values().filter_map(|track| track.work.run()).map(|run| run.money.spent_usd).sum();
        let booked = if self.now.wall.day() == self.spent.0 { self.spent.1 } else { 0.0 };
        let spent = booked + running;
        if limits.budget_usd > 0.0 && spent >= limits.budget_usd {
            let detail = format!("today's budget is spent: ${spent:.2} of ${:.2}", limits.budget_usd);
            let hint = "raise limits.budget_usd in .storkit/project.toml, or wait for tomorrow";
            found.push(condition("budget", detail, hint));
        }
        let cost = track.memory.cost_usd.unwrap_or_default() + unbooked_usd;
        if limits.story_budget_usd > 0.0 && cost >= limits.story_budget_usd {
            let detail =
                format!("the story's budget is spent: ${cost:.2} of ${:.2}", limits.story_budget_usd);
            found.push(condition("budget", detail, "raise limits.story_budget_usd in .storkit/project.toml"));
        }
        found
    }

    /// A run has cost that much: it is ended where a budget is spent with it.
    pub(super) fn take_run_spent(&mut self, op: OpId, usd: f64) {
        let Some(Purpose::Work(id)) = self.ops.get(&op) else { return };
        let id = id.clone();
        let Work::Running(_, run) = &mut self.track_mut(&id).work else { return };
        if !usd.is_finite() || usd <= run.money.spent_usd {
            return;
        }
        run.money.spent_usd = usd;
        let budget = run.money.budget_usd;
        if run.money.over.is_some() || self.tracks.get(&id).is_none_or(|track| track.abandoned) {
            return;
        }
        let own = (budget > 0.0 && usd >= budget)
            .then(|| format!("the run has cost ${usd:.2} of ${budget:.2} (`max_budget_usd`)"));
        let Some(track) = self.tracks.get(&id) else { return };
        let Some(why) = own.or_else(|| self.spent_budgets(track, usd).into_iter().next().map(|c| c.detail))
        else {
            return;
        };
        self.tell(Topic::Budget, Some(&id), format!("the run is ended: {why}"));
        if let Work::Running(_, run) = &mut self.track_mut(&id).work {
            run.money.over = Some(why);
        }
        self.out.push(Effect::Cancel { op, grace_ms: GRACE_STOP_MS });
    }

    /// Books what a run has cost, by what it reported or by the prices, and says what it used.
    pub(super) fn book(&mut self, id: &StoryId, run: &Run, used: Vec<Usage>) -> Vec<Usage> {
        let used = price::priced(&self.config.prices, &run.model, used);
        // What was seen while it ran counts, should its own count have been lost with it.
        let seen = Some(run.money.spent_usd).filter(|usd| *usd > 0.0);
        let Some(cost) = price::cost(&used).into_iter().chain(seen).reduce(f64::max) else { return used };
        let day = self.now.wall.day();
        // A clock set back does not open a spent day again.
        if day > self.spent.0 {
            self.spent = (day, 0.0);
        }
        let before = self.spent.1;
        self.spent.1 += cost;
        let limit = self.config.limits.budget_usd;
        // Of a run that was ended for it people were told then.
        if limit > 0.0 && before < limit && self.spent.1 >= limit && run.money.over.is_none() {
            let text = format!("today's budget is spent: ${:.2} of ${limit:.2}", self.spent.1);
            self.tell(Topic::Budget, None, text);
        }
        let memory = self.track_mut(id).change();
        memory.cost_usd = Some(memory.cost_usd.unwrap_or_default() + cost);
        used
    }

    /// A run's budget is spent. That of the story or the day keeps it waiting by itself; its own is a person's to raise.
    pub(super) fn out_of_budget(&mut self, id: &StoryId, why: String) {
        let waits = self.tracks.get(id).is_some_and(|track| !self.spent_budgets(track, 0.0).is_empty());
        if !waits {
            self.block(id, why);
        }
    }
}
