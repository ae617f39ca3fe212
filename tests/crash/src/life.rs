//! One daemon after the other in the same project: each is killed as its order says, and the next one goes on.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use storkit::sys::failpoint::VARIABLE;
use storkit_testkit::check::SURVIVES_AT_MOST;
use storkit_testkit::processes::{self, Process};
use storkit_testkit::{CEILING, Daemon, poll_until, wait_for};

use crate::scene::Scene;

/// How a daemon ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kill {
    /// It is not killed: it ends when there is nothing left to do.
    Never,
    /// At the n-th time that it reaches a point.
    At(&'static str, u64),
    /// So long after its start, from outside.
    After(Duration),
    /// So long after its start, and with it, at the same moment, all supervisors.
    WithSupervisors(Duration),
}

/// How it did end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was killed.
    Killed,
    /// It ended by itself: nothing is left to do.
    Quiet,
}

/// Processes that were there when a daemon was killed.
struct Left {
    at: Instant,
    order: Kill,
    processes: Vec<Process>,
}

/// A scene on its way through crashes.
pub struct Tour {
    /// The scene.
    pub scene: Scene,
    /// What was done, for messages.
    pub story: Vec<String>,
    /// Kills so far.
    pub kills: usize,
    /// From each start to its first answer, where it came so far.
    pub served: Vec<Duration>,
    left: Vec<Left>,
}

impl Tour {
    /// Begins one.
    pub fn new(scene: Scene) -> Self {
        Self { scene, story: Vec::new(), kills: 0, served: Vec::new(), left: Vec::new() }
    }

    /// Starts a daemon and waits for its end.
    ///
    /// # Panics
    /// When it ends otherwise than it should, or not at all.
    pub fn live(&mut self, kill: &Kill) -> End {
        let variable = match kill {
            Kill::At(point, n) => format!("{point}:{n}"),
            _ => String::new(),
        };
        let variables = [(VARIABLE, variable.as_str())];
        let variables = if variable.is_empty() { &[][..] } else { &variables[..] };
        let begun = Instant::now();
        let mut daemon = Daemon::spawn_with(&self.scene.project, &["--once"], variables);
        let mut served = None;
        let mut stuck = 0;
        let status = poll_until(CEILING, || {
            if let Some(status) = daemon.exited() {
                return Some(status);
            }
            if served.is_none() && daemon.answers() {
                served = Some(begun.elapsed());
            }
            if let Kill::After(after) | Kill::WithSupervisors(after) = kill
                && begun.elapsed() >= *after
            {
                self.kill(&daemon, kill);
            }
            self.scene.person();
            stuck += 1;
            None
        });
        self.served.extend(served);
        let Some(status) = status else { self.fail(&daemon, kill, "does not end") };
        let end = match (status.code(), status.signal()) {
            (Some(0), _) => End::Quiet,
            (_, Some(9)) => End::Killed,
            _ => self.fail(&daemon, kill, &format!("ended with {status}")),
        };
        drop(daemon);
        if end == End::Killed {
            self.kills += 1;
            let processes = processes::of_test(self.scene.project.top());
            self.left.push(Left { at: Instant::now(), order: kill.clone(), processes });
        }
        self.story.push(format!("{kill:?}: {end:?} after {:?}", begun.elapsed()));
        self.survivors();
        end
    }

    fn kill(&self, daemon: &Daemon<'_>, kill: &Kill) {
        if let Kill::WithSupervisors(_) = kill {
            let all = processes::of_test(self.scene.project.top());
            for supervisor in all.iter().filter(|process| process.command.contains(" __supervise ")) {
                if let Some(pid) = Pid::from_raw(supervisor.pid) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
        // It may have ended meanwhile; as a child that nobody awaited it keeps its number.
        let pid = Pid::from_raw(i32::try_from(daemon.pid()).expect("a process number fits"));
        let _ = kill_process(pid.expect("a process number is not 0"), Signal::KILL);
    }

    /// I4: whatever was there when a daemon was killed is gone five seconds later.
    fn survivors(&mut self) {
        let now = Instant::now();
        let (due, left) = std::mem::take(&mut self.left)
            .into_iter()
            .partition::<Vec<_>, _>(|left| now.duration_since(left.at) > SURVIVES_AT_MOST * slack());
        self.left = left;
        if due.is_empty() {
            return;
        }
        let living = processes::of_test(self.scene.project.top());
        for left in due {
            let alive: Vec<_> = left.processes.iter().filter(|process| living.contains(process)).collect();
            assert!(
                alive.is_empty(),
                "I4: alive {:?} after {:?}: {alive:?}\n{}",
                now.duration_since(left.at),
                left.order,
                self.told()
            );
        }
    }

    /// Lives without kills until all stories are done.
    ///
    /// # Panics
    /// When nothing is left to do, and they are not.
    pub fn finish(&mut self) {
        // The person's approval may be the last thing that is missing.
        for _ in 0..4 {
            self.scene.person();
            assert_eq!(self.live(&Kill::Never), End::Quiet);
            if self.scene.all_done() {
                break;
            }
        }
        if !self.scene.all_done() {
            let status = self.scene.project.storkit(&["status", "--json", "--all"]).stdout;
            panic!("nothing is left to do, and not all stories are done\n{status}\n{}", self.told());
        }
        wait_for(SURVIVES_AT_MOST * slack(), "the end of all processes", || {
            processes::of_test(self.scene.project.top()).is_empty().then_some(())
        });
    }

    /// What was done, and the logs of the last daemons.
    pub fn told(&self) -> String {
        let mut text = format!("--- in {}\n{}\n", self.scene.project.root().display(), self.story.join("\n"));
        let folder = self.scene.project.top();
        let mut logs: Vec<_> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
            .collect();
        logs.sort_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
        for log in logs.iter().rev().take(4).rev() {
            let bytes = std::fs::read(log).unwrap_or_default();
            text += &format!("--- {}\n{}", log.display(), String::from_utf8_lossy(&bytes));
        }
        text
    }

    fn fail(&self, daemon: &Daemon<'_>, kill: &Kill, what: &str) -> ! {
        let board = self.scene.project.storkit(&["status", "--json", "--all"]).stdout;
        let living = processes::of_test(self.scene.project.top());
        panic!(
            "the daemon of {kill:?} {what}\n{}\n--- board\n{board}\n--- processes\n{living:#?}\n{}",
            daemon.log(),
            self.told()
        );
    }
}

/// How much longer than promised things may take on a machine that does much else.
pub fn slack() -> u32 {
    let text = std::env::var("STORKIT_CRASH_SLACK").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(1)
}
