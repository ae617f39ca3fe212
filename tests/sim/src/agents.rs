//! Fake agents: what each run does to its branch, how it ends, and how long that takes.

use storkit_core::config::Role;
use storkit_core::effect::RunOrder;
use storkit_core::event::Outcome;
use storkit_core::facts::{ProcessEnd, RunFacts, Usage};
use storkit_core::ids::{OpId, StoryId};
use storkit_core::invariants::Violation;
use storkit_core::runtime::{Ending, Reset};

use crate::exec::{Flight, Then};
use crate::git::{Change, FILES};
use crate::world::{Task, World};

/// How a run will go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Done,
    Nothing,
    Fail,
    Signal,
    Later,
    Limited,
    Account,
    Provider,
    Cold,
    Spent,
    Refused,
    NoKey,
    Question,
    Reject,
    MergeFailed,
    Hang,
    Lost,
    NotStartable,
    WorktreeLost,
    Broken,
}

/// How a run goes wrong, and how often.
const WRONG: [(u64, Plan); 19] = [
    (4, Plan::Nothing),
    (6, Plan::Fail),
    (2, Plan::Signal),
    (3, Plan::Later),
    (2, Plan::Limited),
    (2, Plan::Account),
    (2, Plan::Provider),
    (3, Plan::Cold),
    (2, Plan::Spent),
    (2, Plan::Refused),
    (1, Plan::NoKey),
    (5, Plan::Question),
    (5, Plan::Reject),
    (3, Plan::MergeFailed),
    (3, Plan::Hang),
    (2, Plan::Lost),
    (1, Plan::NotStartable),
    (2, Plan::WorktreeLost),
    (2, Plan::Broken),
];

impl World {
    /// One part of a run: its start, then its end.
    pub(crate) fn run_part(
        &mut self,
        op: OpId,
        order: &RunOrder,
        flight: &mut Flight,
    ) -> Result<Then, Violation> {
        if flight.part == 0 && !flight.cancelled {
            let wrong = !self.calm && self.rng.chance(self.trouble.agents);
            let plan = if wrong { self.rng.weighed(&WRONG) } else { Plan::Done };
            flight.plan = Some(plan);
            if plan == Plan::NotStartable {
                let facts =
                    RunFacts { not_startable: Some("no such command".to_owned()), ..RunFacts::default() };
                return Ok(Then::Ends(Outcome::Run(Box::new(facts))));
            }
            flight.pid = Some(self.process_starts(&order.story)?);
            let after = self.small();
            self.later(after, Task::RunStarted(op));
            let most = self.rng.pick(&[100, 3_000, 90_000]);
            let long = if plan == Plan::Hang {
                order.agent.inactivity_timeout_ms
            } else {
                self.rng.between(1, most)
            };
            return Ok(Then::More(long));
        }
        let facts = self.run_ends(order, flight);
        self.process_ends(flight);
        Ok(Then::Ends(Outcome::Run(Box::new(facts))))
    }

    fn run_ends(&mut self, order: &RunOrder, flight: &Flight) -> RunFacts {
        let plan = flight.plan.unwrap_or(Plan::Done);
        let story = &order.story;
        let mut facts = RunFacts { process: Some(ProcessEnd::Exited(0)), ..RunFacts::default() };
        match plan {
            _ if flight.cancelled => {
                facts.cancelled = true;
                facts.process = flight.pid.map(|_| ProcessEnd::Signalled(15));
            }
            Plan::Done | Plan::Reject if order.agent.role == Role::Qa => {
                if plan == Plan::Reject {
                    *self.watch.rejected.entry(story.clone()).or_default() += 1;
                    facts.reject = Some("not like this".to_owned());
                }
            }
            Plan::Done | Plan::Reject | Plan::MergeFailed => {
                self.work(story, order.agent.role);
                facts.merge_failed = (plan == Plan::MergeFailed).then(|| "too hard".to_owned());
                facts.usage = vec![Usage { cost_usd: Some(0.01), ..Usage::default() }];
            }
            Plan::Fail => facts.process = Some(ProcessEnd::Exited(1)),
            Plan::Signal => facts.process = Some(ProcessEnd::Signalled(11)),
            Plan::Later => facts.process = Some(ProcessEnd::Exited(75)),
            Plan::Limited => facts.rate_limited_s = Some(self.rng.between(1, 120)),
            Plan::Account | Plan::Provider | Plan::Cold | Plan::Spent | Plan::Refused | Plan::NoKey => {
                facts.ending = Some(self.ending(plan));
                facts.process = Some(ProcessEnd::Exited(i32::from(plan != Plan::Refused)));
            }
            Plan::Question => {
                self.work(story, order.agent.role);
                facts.question = Some("which?".to_owned());
            }
            Plan::Hang => facts.time_limit = Some("no output for 15m".to_owned()),
            Plan::Lost => facts.process = Some(ProcessEnd::Lost),
            Plan::NotStartable => facts.process = None,
            Plan::WorktreeLost => facts.worktree_lost = true,
            Plan::Nothing | Plan::Broken => {}
        }
        facts.branch = self.git.facts(story);
        if plan == Plan::Broken && !flight.cancelled {
            facts.branch.broken = Some("a rebase is unfinished".to_owned());
        }
        facts
    }

    /// How a runtime says that its run went wrong.
    fn ending(&mut self, plan: Plan) -> Ending {
        let text = "so it says".to_owned();
        let reset = match self.rng.index(3) {
            0 => Reset::default(),
            1 => Reset::after(self.rng.between(1, 120)),
            // The world began in 2026: a moment long gone, as a wrong clock has it.
            _ => Reset::at(self.rng.between(1, 1_000_000)),
        };
        match (plan, self.rng.chance(50)) {
            (Plan::Account, true) => Ending::RateLimited { reset, text },
            // One that does not say for how long is waited for longer than the world goes on.
            (Plan::Account, false) if reset != Reset::default() => Ending::Quota { reset, text },
            (Plan::Account, false) => Ending::Quota { reset: Reset::after(60), text },
            (Plan::Provider, _) => Ending::Transient { text },
            (Plan::Cold, true) => Ending::CrashedBeforeSession { text },
            (Plan::Cold, false) => Ending::SessionUnknown,
            (Plan::Spent, true) => Ending::OutOfTurns,
            (Plan::Spent, false) => Ending::ContextTooLong { text },
            (Plan::NoKey, true) => Ending::Authentication { text },
            (Plan::NoKey, false) => Ending::Configuration { text },
            (_, true) => Ending::PermissionWanted { tool: "Bash".to_owned(), input: text },
            (_, false) => Ending::NoSignal,
        }
    }

    /// An agent changes its branch, for better or worse.
    pub(crate) fn work(&mut self, story: &StoryId, role: Role) {
        if role == Role::Qa {
            return;
        }
        let base = self.git.base.clone();
        let landed = self.git.tree(&base).changes.clone();
        let merges = self.calm || role == Role::Mergemaster || self.rng.chance(40);
        let mends = self.calm || self.rng.chance(60);
        let ahead = self.git.ahead(story).len();
        let tip = self.git.new_oid();
        let fresh = (ahead == 0 || self.rng.chance(20)).then(|| self.new_change());
        let Some(branch) = self.git.branches.get_mut(story) else { return };
        if merges {
            branch.fork = base;
        }
        if mends {
            for change in branch.changes.values_mut().filter(|change| !landed.contains_key(&change.id)) {
                (change.red, change.clash) = (0, 0);
            }
        }
        if let Some(change) = fresh {
            branch.changes.insert(change.id, change);
        }
        branch.tip = tip;
    }

    fn new_change(&mut self) -> Change {
        let good = self.calm;
        self.pids += 1;
        Change {
            id: self.pids,
            file: self.rng.index(FILES),
            red: if !good && self.rng.chance(25) {
                u8::try_from(self.rng.between(1, 2)).expect("small")
            } else {
                0
            },
            clash: if !good && self.rng.chance(20) {
                u8::try_from(self.rng.between(1, 2)).expect("small")
            } else {
                0
            },
            protected: !good && self.rng.chance(12),
        }
    }
}
