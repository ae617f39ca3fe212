//! Gates: shell commands that must pass, held one after the other in a worktree, under the same supervision as
//! agents. The first failure ends the round.
//!
//! Which gates, and what red or green means for the story, is the core's; whether a tracked file changed is
//! asked of the caller, who knows git.

mod expect;
mod shell;

use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use storkit_core::config::Gate;
use storkit_core::facts::{GateResult, GatesEnd, ProcessEnd, RunFacts};

use crate::sys::failpoint::reach;
use crate::sys::trace;

pub use shell::{ShellContext, ShellFailure, ShellOrder, run_shell};

/// Longest part of a log's name that a gate's name makes, in bytes.
const LOG_NAME_LEN_MAX: usize = 60;
/// Most logs of one gate in one run; the last is replaced then.
const LOGS_MAX: u32 = 50;
/// File systems stamp files by a coarser clock than the daemon's.
const CLOCK_SLACK: Duration = Duration::from_millis(500);
/// How many changed files a failure names.
const CHANGED_NAMED_MAX: usize = 10;

/// One round of gates.
#[derive(Debug, Clone, Copy)]
pub struct GateRound<'a> {
    /// The gates, in order.
    pub gates: &'a [Gate],
    /// The folder that they run in, a git worktree, absolute.
    pub worktree: &'a Path,
    /// The project's root, absolute: results name logs relative to it.
    pub root: &'a Path,
    /// The folder of the logs, `<run>.<gate>.log`, absolute.
    pub log_dir: &'a Path,
}

/// Holds a round. `changed_tracked` names the tracked files that differ now; it is asked after each gate.
pub fn run_round(
    round: &GateRound<'_>,
    context: &ShellContext<'_>,
    changed_tracked: &dyn Fn() -> Vec<String>,
) -> GatesEnd {
    let mut results: Vec<GateResult> = Vec::with_capacity(round.gates.len());
    for gate in round.gates {
        if let Some(why) = context.disk_full(round.worktree) {
            return GatesEnd::Waits(why);
        }
        let log = log_path(round, context, gate);
        let begun = Instant::now();
        let order = shell::ShellOrder {
            command: &gate.run,
            folder: round.worktree,
            is_worktree: true,
            log: &log,
            timeout_ms: gate.timeout_ms,
        };
        reach("gate.begun");
        let span = trace::gate(&context.run.to_string(), &gate.name);
        let facts = span.in_scope(|| shell::supervise(&order, context));
        reach("gate.ended");
        if facts.cancelled {
            return GatesEnd::Cancelled;
        }
        if facts.worktree_lost {
            return GatesEnd::Waits(format!("the worktree {} is gone", round.worktree.display()));
        }
        if let Some(why) = facts.not_startable {
            return GatesEnd::Waits(format!("gate `{}` cannot start: {why}", gate.name));
        }
        let failure = end_in_words(&facts)
            .or_else(|| changed(&changed_tracked()))
            .or_else(|| expect::failure(&gate.expect, &log, &facts.tail));
        let failed = failure.is_some();
        trace::judged(&span, !failed);
        results.push(GateResult {
            name: gate.name.clone(),
            failure,
            tail: facts.tail,
            log: log.strip_prefix(round.root).unwrap_or(&log).to_string_lossy().into_owned(),
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        if failed {
            break;
        }
    }
    GatesEnd::Ran(results)
}

fn changed(files: &[String]) -> Option<String> {
    let more = files.len().saturating_sub(CHANGED_NAMED_MAX);
    let named = files.get(..CHANGED_NAMED_MAX).unwrap_or(files).join(", ");
    match (files.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("changed tracked files: {named}")),
        (false, more) => Some(format!("changed tracked files: {named} and {more} more")),
    }
}

/// A gate's log, by a name that is safe in any file system. An earlier round's log of the same run stays: the
/// story's history names it.
fn log_path(round: &GateRound<'_>, context: &ShellContext<'_>, gate: &Gate) -> PathBuf {
    let stem = format!("{}.{}", context.run, safe_name(&gate.name));
    let numbered = (2..=LOGS_MAX).map(|n| format!("{stem}-{n}.log"));
    let mut paths =
        std::iter::once(format!("{stem}.log")).chain(numbered).map(|name| round.log_dir.join(name));
    let last = round.log_dir.join(format!("{stem}-{LOGS_MAX}.log"));
    paths.find(|path| !path.exists()).unwrap_or(last)
}

/// How many gates after a run were begun in the round that is held since then: so many have a log of it in `log_dir`.
pub fn begun(log_dir: &Path, run: &str, since: Timestamp) -> usize {
    let Some(since) = SystemTime::from(since).checked_sub(CLOCK_SLACK) else { return 0 };
    let is_of_round =
        |entry: &DirEntry| entry.metadata().and_then(|data| data.modified()).is_ok_and(|at| at >= since);
    logs(log_dir, run).filter(|(_, entry)| is_of_round(entry)).count()
}

/// What lies in `log_dir` under the name of a gate's log after a run, each with its round: `<gate>`, `<gate>-2`.
pub fn logs(log_dir: &Path, run: &str) -> impl Iterator<Item = (String, DirEntry)> {
    let entries = std::fs::read_dir(log_dir).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let name = entry.file_name();
        let round = name.to_str()?.strip_prefix(run)?.strip_prefix('.')?.strip_suffix(".log")?;
        Some((round.to_owned(), entry))
    })
}

fn safe_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = name.chars().take(LOG_NAME_LEN_MAX).map(safe).collect();
    if name.is_empty() { "gate".to_owned() } else { name }
}

/// How a process that did not pass ended, in words; none where it exited 0.
fn end_in_words(facts: &RunFacts) -> Option<String> {
    if let Some(limit) = &facts.time_limit {
        return Some(limit.clone());
    }
    match facts.process {
        Some(ProcessEnd::Exited(0)) => None,
        Some(ProcessEnd::Exited(127)) => Some("exit 127: command not found".to_owned()),
        Some(ProcessEnd::Exited(126)) => Some("exit 126: command not executable".to_owned()),
        Some(ProcessEnd::Exited(status)) => Some(format!("exit {status}")),
        Some(ProcessEnd::Signalled(signal)) => Some(format!("killed by signal {signal}")),
        Some(ProcessEnd::Lost) | None => Some("its supervisor was killed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_logs_are_safe_whatever_a_gate_is_called() {
        assert_eq!(safe_name("script/test"), "script_test");
        assert_eq!(safe_name("../../etc/x y\n"), ".._.._etc_x_y_");
        assert_eq!(safe_name(""), "gate");
        assert_eq!(safe_name(&"ü".repeat(500)).len(), LOG_NAME_LEN_MAX);
    }

    #[test]
    fn the_gates_of_a_round_are_those_with_a_log_of_it() {
        let temp = tempfile::tempdir().expect("a folder");
        let log = |name: &str| std::fs::write(temp.path().join(name), "").expect("written");
        log("r.lint.log");
        let old = std::fs::File::options().write(true).open(temp.path().join("r.lint.log")).expect("a log");
        old.set_modified(SystemTime::now() - Duration::from_mins(1)).expect("a time");
        let since = Timestamp::now();
        assert_eq!(begun(temp.path(), "r", since), 0, "an earlier round");
        log("r.lint-2.log");
        log("r.tests.log");
        log("s.tests.log");
        log("r.log");
        assert_eq!(begun(temp.path(), "r", since), 2);
    }

    #[test]
    fn changed_files_are_named_up_to_a_limit() {
        assert_eq!(changed(&[]), None);
        assert_eq!(
            changed(&["a.txt".into(), "b".into()]).as_deref(),
            Some("changed tracked files: a.txt, b")
        );
        let many: Vec<String> = (0..12).map(|i| i.to_string()).collect();
        let text = changed(&many).expect("changed");
        assert_eq!(text, "changed tracked files: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }

    #[test]
    fn ends_are_told_in_words() {
        let facts = |process| RunFacts { process: Some(process), ..RunFacts::default() };
        assert_eq!(end_in_words(&facts(ProcessEnd::Exited(0))), None);
        assert_eq!(end_in_words(&facts(ProcessEnd::Exited(2))).as_deref(), Some("exit 2"));
        assert_eq!(end_in_words(&facts(ProcessEnd::Signalled(9))).as_deref(), Some("killed by signal 9"));
        assert_eq!(end_in_words(&facts(ProcessEnd::Lost)).as_deref(), Some("its supervisor was killed"));
        let timed = RunFacts { time_limit: Some("timeout 20m".into()), ..facts(ProcessEnd::Exited(0)) };
        assert_eq!(end_in_words(&timed).as_deref(), Some("timeout 20m"), "an exit 0 after TERM is no pass");
    }
}
