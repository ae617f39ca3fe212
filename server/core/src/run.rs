//! How a run ended: the first rule that applies, in the order that the interface names.

use crate::config::Role;
use crate::facts::{ProcessEnd, RunFacts};

/// The exit status that asks for another try later: `EX_TEMPFAIL` of sysexits.h.
pub const EXIT_TRY_LATER: i32 = 75;
/// What a run that exits 0 with nothing ahead of base has failed by.
pub const NOTHING_DONE: &str = "nothing was done";

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// storkit ended it; it costs nothing.
    Cancelled,
    /// The worktree was replaced or gone; it costs nothing.
    WorktreeLost,
    /// A failure, in words.
    Failed(String),
    /// The agent asks a person.
    Question(String),
    /// A QA run's no.
    Rejected(String),
    /// A mergemaster's failure, in words.
    MergeFailed(String),
    /// To be tried again, after so many milliseconds where the agent said so; it costs nothing.
    TryLater(Option<u64>),
    /// It could not be started: the agent is drained; it costs nothing.
    NotStartable(String),
    /// It did what it had to; the gates decide.
    Done,
}

impl RunEnd {
    /// One word for the ledger and the log.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::WorktreeLost => "worktree_lost",
            Self::Failed(_) => "failed",
            Self::Question(_) => "question",
            Self::Rejected(_) => "rejected",
            Self::MergeFailed(_) => "merge_failed",
            Self::TryLater(_) => "try_later",
            Self::NotStartable(_) => "not_startable",
            Self::Done => "done",
        }
    }

    /// Why, in words, where there is more to say than the word.
    pub fn why(&self) -> Option<String> {
        match self {
            Self::Failed(why)
            | Self::Question(why)
            | Self::Rejected(why)
            | Self::MergeFailed(why)
            | Self::NotStartable(why) => Some(why.clone()),
            Self::TryLater(Some(ms)) => {
                Some(format!("asked to be tried again in {}", crate::time::words(*ms)))
            }
            Self::Cancelled | Self::WorktreeLost | Self::TryLater(None) | Self::Done => None,
        }
    }
}

/// Decides how a run ended. `may_do_nothing` is for spikes, whose work may be an answer.
pub fn classify(facts: &RunFacts, role: Role, may_do_nothing: bool) -> RunEnd {
    if facts.cancelled {
        return RunEnd::Cancelled;
    }
    if facts.worktree_lost {
        return RunEnd::WorktreeLost;
    }
    if let Some(limit) = &facts.time_limit {
        return RunEnd::Failed(limit.clone());
    }
    if let Some(text) = &facts.question {
        return RunEnd::Question(text.clone());
    }
    if let (Role::Qa, Some(text)) = (role, &facts.reject) {
        return RunEnd::Rejected(text.clone());
    }
    if let (Role::Mergemaster, Some(text)) = (role, &facts.merge_failed) {
        return RunEnd::MergeFailed(text.clone());
    }
    if facts.rate_limited_s.is_some() || facts.process == Some(ProcessEnd::Exited(EXIT_TRY_LATER)) {
        return RunEnd::TryLater(facts.rate_limited_s.map(|seconds| seconds.saturating_mul(1000)));
    }
    if let Some(text) = &facts.not_startable {
        return RunEnd::NotStartable(text.clone());
    }
    match facts.process {
        Some(ProcessEnd::Exited(0)) => {}
        Some(ProcessEnd::Exited(status)) => return RunEnd::Failed(format!("the agent exited with {status}")),
        Some(ProcessEnd::Signalled(signal)) => {
            return RunEnd::Failed(format!("signal {signal} ended the agent"));
        }
        Some(ProcessEnd::Lost) => return RunEnd::Failed("the run's supervisor was killed".to_owned()),
        None => return RunEnd::Failed("the agent did not start".to_owned()),
    }
    if role == Role::Qa {
        return RunEnd::Done;
    }
    if let Some(text) = &facts.branch.broken {
        return RunEnd::Failed(text.clone());
    }
    if facts.branch.ahead == 0 && !may_do_nothing {
        return RunEnd::Failed(NOTHING_DONE.to_owned());
    }
    RunEnd::Done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::BranchFacts;

    fn exited(status: i32) -> RunFacts {
        let branch = BranchFacts { ahead: 1, ..BranchFacts::default() };
        RunFacts { process: Some(ProcessEnd::Exited(status)), branch, ..RunFacts::default() }
    }

    #[test]
    fn the_first_rule_that_applies_wins() {
        let mut facts = exited(1);
        assert!(
            matches!(classify(&facts, Role::Coder, false), RunEnd::Failed(why) if why.contains("exited with 1"))
        );
        facts.not_startable = Some("no such command".to_owned());
        assert!(matches!(classify(&facts, Role::Coder, false), RunEnd::NotStartable(_)));
        facts.rate_limited_s = Some(60);
        assert_eq!(classify(&facts, Role::Coder, false), RunEnd::TryLater(Some(60_000)));
        facts.question = Some("which?".to_owned());
        assert!(matches!(classify(&facts, Role::Coder, false), RunEnd::Question(_)));
        facts.time_limit = Some("timeout 2h".to_owned());
        assert!(matches!(classify(&facts, Role::Coder, false), RunEnd::Failed(_)));
        facts.worktree_lost = true;
        assert_eq!(classify(&facts, Role::Coder, false), RunEnd::WorktreeLost);
        facts.cancelled = true;
        assert_eq!(classify(&facts, Role::Coder, false), RunEnd::Cancelled);
    }

    #[test]
    fn exit_zero_with_nothing_ahead_is_a_failure_but_for_a_spike() {
        let mut facts = exited(0);
        assert_eq!(classify(&facts, Role::Coder, false), RunEnd::Done);
        facts.branch.ahead = 0;
        assert_eq!(classify(&facts, Role::Coder, false), RunEnd::Failed(NOTHING_DONE.to_owned()));
        assert_eq!(classify(&facts, Role::Coder, true), RunEnd::Done);
        assert_eq!(classify(&facts, Role::Qa, false), RunEnd::Done);
    }

    #[test]
    fn a_reject_counts_from_a_qa_run_alone_whatever_its_exit() {
        let mut facts = exited(1);
        facts.reject = Some("no tests".to_owned());
        assert!(matches!(classify(&facts, Role::Qa, false), RunEnd::Rejected(_)));
        assert!(matches!(classify(&facts, Role::Coder, false), RunEnd::Failed(_)));
    }

    #[test]
    fn seventy_five_means_later() {
        assert_eq!(classify(&exited(75), Role::Coder, false), RunEnd::TryLater(None));
    }
}
