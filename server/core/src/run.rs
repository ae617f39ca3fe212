//! How a run ended: the first rule that applies, in the order that the interface names.

use crate::config::{Permissions, Role};
use crate::facts::{BranchFacts, ProcessEnd, RunFacts};
use crate::leave::{Leave, Verdict};
use crate::runtime::{Ending, Reset, clip};

/// The exit status that asks for another try later: `EX_TEMPFAIL` of sysexits.h.
pub const EXIT_TRY_LATER: i32 = 75;
/// What a run that exits 0 with nothing ahead of base has failed by.
pub const NOTHING_DONE: &str = "nothing was done";
/// Most bytes of an agent's own words in a reason.
const WORDS_LEN_MAX: usize = 300;

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
    /// The network or the provider, in words: to be tried again; it costs nothing.
    Transient(String),
    /// Too many requests, in words: to be tried again; it costs nothing.
    RateLimited(Reset, String),
    /// The account's allowance is used up, in words: to be tried again; it costs nothing.
    Quota(Reset, String),
    /// It ended before there was a session, in words: again without the old one; it costs nothing.
    CrashedEarly(String),
    /// The session that was to be resumed is not there: again without it; it costs nothing.
    SessionUnknown,
    /// It could not be started: the agent is drained; it costs nothing.
    NotStartable(String),
    /// No key, or a wrong one, in words: the agent is drained; it costs nothing.
    Authentication(String),
    /// It cannot run as it is configured, in words: the agent is drained; it costs nothing.
    Configuration(String),
    /// It was refused a tool and did nothing: a question to a person.
    PermissionWanted(String),
    /// The model refused the work: a failure, in words.
    Refused(String),
    /// The limit of turns: a failure, in words.
    OutOfTurns(String),
    /// A budget is spent, in words: it costs no attempt, and a person raises it or a day goes by.
    OutOfBudget(String),
    /// The model's context is full: a failure, in words.
    ContextTooLong(String),
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
            Self::Transient(_) => "transient",
            Self::RateLimited(..) => "rate_limited",
            Self::Quota(..) => "quota",
            Self::CrashedEarly(_) => "crashed_early",
            Self::SessionUnknown => "session_unknown",
            Self::NotStartable(_) => "not_startable",
            Self::Authentication(_) => "authentication",
            Self::Configuration(_) => "configuration",
            Self::PermissionWanted(_) => "permission_wanted",
            Self::Refused(_) => "refused",
            Self::OutOfTurns(_) => "out_of_turns",
            Self::OutOfBudget(_) => "out_of_budget",
            Self::ContextTooLong(_) => "context_too_long",
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
            | Self::Transient(why)
            | Self::RateLimited(_, why)
            | Self::Quota(_, why)
            | Self::CrashedEarly(why)
            | Self::NotStartable(why)
            | Self::Authentication(why)
            | Self::Configuration(why)
            | Self::PermissionWanted(why)
            | Self::Refused(why)
            | Self::OutOfTurns(why)
            | Self::OutOfBudget(why)
            | Self::ContextTooLong(why) => Some(why.clone()),
            Self::TryLater(Some(ms)) => {
                Some(format!("asked to be tried again in {}", crate::time::words(*ms)))
            }
            Self::Cancelled
            | Self::WorktreeLost
            | Self::TryLater(None)
            | Self::SessionUnknown
            | Self::Done => None,
        }
    }

    /// Why it counts as a failure, where it does.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(why)
            | Self::MergeFailed(why)
            | Self::Refused(why)
            | Self::OutOfTurns(why)
            | Self::ContextTooLong(why) => Some(why),
            _ => None,
        }
    }

    /// Whether it says nothing about the agent's work, and the same is simply tried again.
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Cancelled
                | Self::WorktreeLost
                | Self::TryLater(_)
                | Self::Transient(_)
                | Self::RateLimited(..)
                | Self::Quota(..)
                | Self::CrashedEarly(_)
                | Self::SessionUnknown
        )
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
    if let Some(end) = facts.ending.as_ref().and_then(unfinished) {
        return end;
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
        Some(ProcessEnd::Signalled(signal)) => return RunEnd::Failed(by_signal(signal)),
        Some(ProcessEnd::Lost) => return RunEnd::Failed("the run's supervisor was killed".to_owned()),
        None => return RunEnd::Failed("the agent did not start".to_owned()),
    }
    // What it was refused counts where its work is missing: it may have found another way.
    let refused = match &facts.ending {
        Some(Ending::PermissionWanted { tool, input }) => Some(permission(tool, input)),
        _ => None,
    };
    if role == Role::Qa {
        return refused.map_or(RunEnd::Done, RunEnd::PermissionWanted);
    }
    of_branch(&facts.branch, may_do_nothing, refused)
}

/// Whether a tool that the agent was refused is a person's to decide, whatever else it did: its configuration says so,
/// and nobody has decided it yet. Its work is not finished then.
pub fn is_to_ask(ending: Option<&Ending>, permissions: Permissions, leave: &Leave) -> bool {
    let Some(Ending::PermissionWanted { tool, .. }) = ending else { return false };
    permissions == Permissions::Ask && leave.of(tool).is_none()
}

/// What a refused tool comes to, by what the configuration and people say of it.
pub fn with_leave(end: RunEnd, facts: &RunFacts, permissions: Permissions, leave: &Leave) -> RunEnd {
    let Some(Ending::PermissionWanted { tool, input }) = &facts.ending else { return end };
    match end {
        RunEnd::Done if is_to_ask(facts.ending.as_ref(), permissions, leave) => {
            RunEnd::PermissionWanted(permission(tool, input))
        }
        RunEnd::PermissionWanted(why) => match leave.of(tool) {
            None if permissions != Permissions::Deny => RunEnd::PermissionWanted(why),
            Some(Verdict::Allow) => RunEnd::Failed(format!("{why}, though a person has allowed it")),
            None | Some(Verdict::Refuse) => RunEnd::Failed(why),
        },
        end => end,
    }
}

fn of_branch(branch: &BranchFacts, may_do_nothing: bool, refused: Option<String>) -> RunEnd {
    if let Some(text) = &branch.broken {
        return RunEnd::Failed(text.clone());
    }
    match refused {
        _ if branch.ahead > 0 => RunEnd::Done,
        Some(refused) => RunEnd::PermissionWanted(refused),
        None if may_do_nothing => RunEnd::Done,
        None => RunEnd::Failed(NOTHING_DONE.to_owned()),
    }
}

/// What an ending means by itself; none for one after which the agent's work is looked at.
fn unfinished(ending: &Ending) -> Option<RunEnd> {
    Some(match ending {
        Ending::Done | Ending::PermissionWanted { .. } => return None,
        Ending::Asked { text } => RunEnd::Question(text.clone()),
        Ending::Refused { text } => RunEnd::Refused(format!("the model refused: {}", said(text))),
        Ending::RateLimited { reset, text } => RunEnd::RateLimited(*reset, said(text)),
        Ending::Quota { reset, text } => RunEnd::Quota(*reset, said(text)),
        Ending::Transient { text } => RunEnd::Transient(said(text)),
        Ending::Authentication { text } => {
            RunEnd::Authentication(format!("it cannot log in: {}", said(text)))
        }
        Ending::Configuration { text } => {
            RunEnd::Configuration(format!("it cannot run as it is configured: {}", said(text)))
        }
        Ending::OutOfTurns => RunEnd::OutOfTurns("it used all of its turns (`max_turns`)".to_owned()),
        Ending::OutOfBudget => RunEnd::OutOfBudget("it used all of its budget (`max_budget_usd`)".to_owned()),
        Ending::ContextTooLong { text } => {
            RunEnd::ContextTooLong(format!("the model's context is full: {}", said(text)))
        }
        Ending::CrashedBeforeSession { text } => RunEnd::CrashedEarly(said(text)),
        Ending::SessionUnknown => RunEnd::SessionUnknown,
        Ending::Killed { signal: Some(signal) } => RunEnd::Failed(by_signal(*signal)),
        Ending::Killed { signal: None } => RunEnd::Failed("the agent was interrupted".to_owned()),
        Ending::NoSignal => RunEnd::Failed("the agent ended without saying how".to_owned()),
        Ending::Failed { text } => RunEnd::Failed(format!("the agent failed: {}", said(text))),
    })
}

fn by_signal(signal: i32) -> String {
    format!("signal {signal} ended the agent")
}

fn permission(tool: &str, input: &str) -> String {
    format!("it may not use {tool}: {}", said(input))
}

/// The last line with something in it: what programs say last is why they end.
fn said(text: &str) -> String {
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| "it did not say why".to_owned(), |line| clip(line, WORDS_LEN_MAX))
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
    fn an_ending_counts_before_the_process_and_after_the_contract() {
        let mut facts = exited(1);
        facts.ending = Some(Ending::Quota { reset: Reset::at(5), text: "no more".to_owned() });
        assert_eq!(classify(&facts, Role::Coder, false), RunEnd::Quota(Reset::at(5), "no more".to_owned()));
        facts.question = Some("which?".to_owned());
        assert!(matches!(classify(&facts, Role::Coder, false), RunEnd::Question(_)));
        // The process may call it a success; the runtime knows better.
        let mut facts = exited(0);
        facts.ending = Some(Ending::NoSignal);
        assert!(
            matches!(classify(&facts, Role::Coder, false), RunEnd::Failed(why) if why.contains("without"))
        );
        facts.ending = Some(Ending::Authentication { text: "a\n\nNot logged in\n".to_owned() });
        let end = classify(&facts, Role::Coder, false);
        assert_eq!(end, RunEnd::Authentication("it cannot log in: Not logged in".to_owned()));
        assert_eq!(end.failure(), None);
    }

    #[test]
    fn a_refused_tool_is_told_where_nothing_was_done() {
        let mut facts = exited(0);
        facts.ending = Some(Ending::PermissionWanted { tool: "Bash".to_owned(), input: "git".to_owned() });
        assert_eq!(classify(&facts, Role::Coder, false), RunEnd::Done);
        facts.branch.ahead = 0;
        let end = classify(&facts, Role::Coder, true);
        assert_eq!(end, RunEnd::PermissionWanted("it may not use Bash: git".to_owned()));
        assert_eq!(end.failure(), None, "it costs no attempt");
        assert!(matches!(classify(&facts, Role::Qa, false), RunEnd::PermissionWanted(_)));
    }

    #[test]
    fn seventy_five_means_later() {
        assert_eq!(classify(&exited(75), Role::Coder, false), RunEnd::TryLater(None));
    }
}
