//! The clock that all processes share, the agent that reads it first thing, and what processes have spent.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use storkit_testkit::AgentSpec;

/// The first argument that makes this program an agent.
pub(crate) const STAMP_WORD: &str = "stamp";

/// Nanoseconds on the machine's monotonic clock.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// As an agent: notes the moment of its first instructions, and ends.
pub(crate) fn stamp(folder: &str) -> ExitCode {
    let now = now_ns();
    let story = std::env::var("STORKIT_STORY").unwrap_or_default();
    let written = std::fs::write(Path::new(folder).join(story), now.to_string());
    ExitCode::from(u8::from(written.is_err()))
}

/// An agent that does nothing but [`stamp`].
pub(crate) fn stamping_agent(folder: &Path) -> AgentSpec {
    let own = std::env::current_exe().expect("this program's path");
    AgentSpec::command("coder-1", &own, &[STAMP_WORD, &folder.to_string_lossy()])
}

/// How long `work` took.
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// A clock tick of `/proc`, on every Linux that storkit runs on.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process and of all its children that it has waited for, theirs included; exact to a clock tick.
pub(crate) fn cpu_with_children(pid: u32) -> Duration {
    // utime, stime, cutime and cstime.
    TICK * ticks(pid, 14..18)
}

/// CPU time of this process's children that have ended, theirs included.
pub(crate) fn cpu_of_children() -> Duration {
    TICK * ticks(std::process::id(), 16..18)
}

/// The sum of some fields of `/proc/<pid>/stat`, by their numbers in proc(5).
fn ticks(pid: u32, fields: std::ops::Range<usize>) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let all = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace();
    // Behind the name comes the state, field 3.
    all.skip(fields.start - 3).take(fields.len()).filter_map(|field| field.parse::<u32>().ok()).sum()
}

/// CPU time of a process's own threads, exact to the nanosecond where the kernel counts so.
pub(crate) fn cpu_of_threads(pid: u32) -> Duration {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let spent = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}
