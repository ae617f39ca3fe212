//! The processes of one run, together: who ended, who is left, and how they are told to go.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, wait};
use storkit_core::facts::ProcessEnd;

use super::super::spec::{Container, EXIT_FILE, RUN_VARIABLE, RunSpec};
use crate::sys::proc_tree::{self, Proc};

/// Quick rounds of KILL in one go.
const KILL_ROUNDS_MAX: u32 = 200;

/// All processes of a run.
#[derive(Debug)]
pub(super) struct Tree {
    kind: Container,
    /// The program; in a PID namespace its number 1, which ends last.
    leader: i32,
    leader_fd: Option<OwnedFd>,
    ended: bool,
    exit_file: PathBuf,
    mark: String,
}

impl Tree {
    /// Takes over a run's first process, which this process has just made.
    pub(super) fn new(kind: Container, leader: i32, spec: &RunSpec) -> Self {
        let leader_fd = Pid::from_raw(leader).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let exit_file = spec.run_dir.join(EXIT_FILE);
        Self {
            kind,
            leader,
            leader_fd,
            ended: false,
            exit_file,
            mark: format!("{RUN_VARIABLE}={}", spec.run),
        }
    }

    /// Becomes readable when the first process ends; none where the kernel has no such thing, or it has ended.
    pub(super) fn end_fd(&self) -> Option<BorrowedFd<'_>> {
        self.leader_fd.as_ref().filter(|_| !self.ended).map(AsFd::as_fd)
    }

    /// Whether the program has ended by itself, though the container may still be emptied.
    pub(super) fn program_ended(&self) -> bool {
        self.ended || (self.kind == Container::PidNamespace && self.exit_file.exists())
    }

    /// Buries the dead. Once: how the program ended.
    pub(super) fn reap(&mut self) -> Option<ProcessEnd> {
        let mut end = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() == self.leader && (status.exited() || status.signaled()) {
                self.ended = true;
                end = Some(match (status.exit_status(), status.terminating_signal()) {
                    (Some(status), _) => ProcessEnd::Exited(status),
                    (None, Some(signal)) => ProcessEnd::Signalled(signal),
                    (None, None) => ProcessEnd::Lost,
                });
            }
        }
        if self.kind == Container::PidNamespace && end.is_some() {
            // Number 1 saw the program end, and its own end does not tell signals from exits.
            end = std::fs::read(&self.exit_file)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok())
                .or(end);
        }
        end
    }

    /// TERM to every process.
    pub(super) fn soft(&self) {
        for process in self.members() {
            proc_tree::signal(process, Signal::TERM);
            proc_tree::signal(process, Signal::CONT);
        }
    }

    /// KILL to every process.
    pub(super) fn hard(&self) {
        if self.kind == Container::PidNamespace
            && let Some(init) = self.leader_process()
        {
            proc_tree::signal(init, Signal::KILL);
        }
        if self.kind == Container::Subreaper {
            // In quick rounds, for what forks a successor and exits before a look at all processes is over.
            for _ in 0..KILL_ROUNDS_MAX {
                let left = proc_tree::descendants_quick(own_pid());
                if left.is_empty() {
                    break;
                }
                for process in left {
                    proc_tree::signal(process, Signal::KILL);
                }
            }
        }
        for process in self.members() {
            proc_tree::signal(process, Signal::KILL);
        }
    }

    /// Whether nothing is left that descends from the program.
    pub(super) fn is_empty(&self) -> bool {
        self.ended && self.members().is_empty()
    }

    /// KILL to what carries the run's mark and got away all the same; how many those were. Nothing gets away from a
    /// PID namespace: the kernel ended all of it before its number 1 could be buried.
    pub(super) fn kill_strays(&self) -> usize {
        if self.kind == Container::PidNamespace && self.ended {
            return 0;
        }
        let strays = proc_tree::carrying(&self.mark);
        strays.into_iter().filter(|stray| proc_tree::signal(*stray, Signal::KILL)).count()
    }

    /// CPU time of the whole tree, in clock ticks.
    pub(super) fn cpu_ticks(&self) -> u64 {
        proc_tree::cpu_ticks_below(match self.kind {
            Container::PidNamespace => self.leader,
            Container::Subreaper => own_pid(),
        })
    }

    fn leader_process(&self) -> Option<Proc> {
        // The number cannot have been given away: only this process buries it.
        if self.ended { None } else { proc_tree::find(self.leader) }
    }

    /// All live processes but the number 1 of a namespace.
    fn members(&self) -> Vec<Proc> {
        let mut members = match self.kind {
            Container::PidNamespace if self.ended => Vec::new(),
            Container::PidNamespace => proc_tree::descendants(self.leader),
            Container::Subreaper => proc_tree::descendants(own_pid()),
        };
        members.retain(|process| proc_tree::is_ours(*process));
        members
    }
}

/// The number of this process.
pub(super) fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}
