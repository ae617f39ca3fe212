//! Processes as `/proc` shows them: who descends from whom, who carries a variable, and a signal that cannot
//! hit a process that merely got the same number later.
//!
//! It decides nothing: who is to end is said by the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Longest environment that is looked through, in bytes; the kernel's limit for one exec is below it.
const ENVIRON_LEN_MAX: u64 = 8 << 20;

/// One live process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proc {
    /// Its number.
    pub pid: i32,
    /// Its parent's number.
    pub parent: i32,
    /// When it began, in clock ticks since boot: with the number, its identity.
    pub start: u64,
    /// User and system time so far, in clock ticks.
    pub cpu_ticks: u64,
}

/// The process of that number, where it lives (a zombie does not, unless threads of it still run).
pub fn find(pid: i32) -> Option<Proc> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// All live processes that `/proc` shows.
pub fn all() -> Vec<Proc> {
    pids().into_iter().filter_map(find).collect()
}

/// The live descendants of a process, itself not among them.
pub fn descendants(root: i32) -> Vec<Proc> {
    below(&all(), BTreeSet::from([root]))
}

/// The live descendants of a process, found by looking only at that tree. Quick enough to catch a process that
/// lives but a moment; one that changes its parent meanwhile may be missed.
pub fn descendants_quick(root: i32) -> Vec<Proc> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = children(root);
    while let Some(pid) = open.pop() {
        if seen.insert(pid) {
            found.extend(find(pid));
            open.extend(children(pid));
        }
    }
    found
}

/// The live processes of this user whose environment, as it was at their start, has this entry (`NAME=value`),
/// and whatever descends from them; never this process, its ancestors or number 1.
pub fn carrying(entry: &str) -> Vec<Proc> {
    let all = all();
    let mut spared = BTreeSet::from([1]);
    let mut next = i32::try_from(std::process::id()).unwrap_or(0);
    while next > 1 && spared.insert(next) {
        next = all.iter().find(|p| p.pid == next).map_or(0, |p| p.parent);
    }
    let carriers: Vec<Proc> =
        all.iter().copied().filter(|p| !spared.contains(&p.pid) && carries(p.pid, entry)).collect();
    let mut found = below(&all, carriers.iter().map(|p| p.pid).collect());
    found.extend(carriers);
    found.retain(|p| !spared.contains(&p.pid));
    found.sort_unstable();
    found.dedup();
    found
}

/// User and system time of a process's live descendants, in clock ticks. It looks only at that tree.
pub fn cpu_ticks_below(root: i32) -> u64 {
    descendants_quick(root).iter().fold(0, |sum, process| sum.wrapping_add(process.cpu_ticks))
}

/// Sends a signal to exactly this process. False where it is gone already or may not be signalled.
pub fn signal(process: Proc, signal: Signal) -> bool {
    let Some(pid) = Pid::from_raw(process.pid) else { return false };
    let fd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => fd,
        // No pidfd in this kernel or filter: the number is all there is.
        Err(Errno::NOSYS | Errno::PERM) => return rustix::process::kill_process(pid, signal).is_ok(),
        Err(_) => return false,
    };
    find(process.pid).is_some_and(|now| now.start == process.start) && pidfd_send_signal(&fd, signal).is_ok()
}

/// Whether this user may signal the process at all.
pub fn is_ours(process: Proc) -> bool {
    let uid = rustix::process::geteuid();
    uid.is_root() || fs::metadata(format!("/proc/{}", process.pid)).is_ok_and(|m| m.uid() == uid.as_raw())
}

fn pids() -> Vec<i32> {
    let Ok(dir) = fs::read_dir("/proc") else { return Vec::new() };
    dir.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn below(all: &[Proc], mut roots: BTreeSet<i32>) -> Vec<Proc> {
    let mut children: BTreeMap<i32, Vec<Proc>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(*process);
    }
    let mut found = Vec::new();
    while let Some(parent) = roots.pop_first() {
        for child in children.remove(&parent).unwrap_or_default() {
            roots.insert(child.pid);
            found.push(child);
        }
    }
    found
}

fn children(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return found };
    for thread in threads.flatten() {
        let Ok(text) = fs::read_to_string(thread.path().join("children")) else { continue };
        found.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found
}

fn carries(pid: i32, entry: &str) -> bool {
    use std::io::Read;
    let Ok(file) = fs::File::open(format!("/proc/{pid}/environ")) else { return false };
    let same_user = file.metadata().is_ok_and(|m| m.uid() == rustix::process::geteuid().as_raw());
    let mut environ = Vec::new();
    same_user
        && file.take(ENVIRON_LEN_MAX).read_to_end(&mut environ).is_ok()
        && environ.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
}

/// Reads `/proc/<pid>/stat`. The command's name, in brackets, may hold anything, brackets too.
fn parse_stat(text: &str) -> Option<Proc> {
    let pid = text.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // Counted from the state, which proc(5) calls field 3.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let gone = matches!(*fields.first()?, "Z" | "X" | "x");
    // A process whose first thread has ended is shown as a zombie while its other threads run on.
    if gone && number(20)? < 2 {
        return None;
    }
    let parent = fields.get(1)?.parse().ok()?;
    Some(Proc { pid, parent, start: number(22)?, cpu_ticks: number(14)?.wrapping_add(number(15)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::command;

    fn stat(name: &str, state: char, threads: u32) -> String {
        format!("42 ({name}) {state} 7 42 42 0 -1 0 0 0 0 0 30 12 0 0 20 0 {threads} 0 999 0 0")
    }

    #[test]
    fn a_hostile_name_does_not_shift_the_fields() {
        let expected = Proc { pid: 42, parent: 7, start: 999, cpu_ticks: 42 };
        assert_eq!(parse_stat(&stat("sh", 'S', 1)), Some(expected));
        assert_eq!(parse_stat(&stat("a) Z 1 (b", 'R', 1)), Some(expected));
        assert_eq!(parse_stat(&stat("sh", 'Z', 0)), None);
        assert_eq!(parse_stat(&stat("sh", 'Z', 2)), Some(expected), "its other threads live");
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn a_child_is_found_by_descent_and_by_its_variable_and_signalled_once() {
        let entry = format!("STORKIT_TEST_MARK={}", std::process::id());
        let mut child = command("sleep")
            .arg("60")
            .env("STORKIT_TEST_MARK", std::process::id().to_string())
            .spawn()
            .expect("sleep is there");
        let pid = i32::try_from(child.id()).expect("a pid");
        let process = find(pid).expect("it lives");
        let me = i32::try_from(std::process::id()).expect("a pid");
        assert!(descendants(me).iter().any(|p| p.pid == pid));
        // Until its exec the child shows its parent's environment.
        let begun = std::time::Instant::now();
        while !carrying(&entry).iter().any(|p| p.pid == pid) && begun.elapsed().as_secs() < 5 {}
        assert!(carrying(&entry).iter().any(|p| p.pid == pid));
        assert!(carrying(&format!("{entry}0")).is_empty(), "the whole value counts");
        assert!(!signal(Proc { start: process.start + 1, ..process }, Signal::KILL), "another process");
        assert!(signal(process, Signal::KILL));
        child.wait().expect("it is ours");
        assert_eq!(find(pid), None);
        assert!(!signal(process, Signal::KILL));
    }
}
