//! The processes of a test: found by what they carry, ended by their number.
//!
//! A process belongs to a test when its environment holds the test's `HOME`, or when its working directory lies
//! in the test's folder. The number is pinned by a pidfd before it is looked at, so that a number used again by
//! another process is never signalled. Where there is no `/proc`, nothing is found.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One process that carries a test's mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its command line, with spaces.
    pub command: String,
    /// `STORKIT_RUN` of its environment.
    pub run: Option<String>,
}

/// The living processes of the test whose folder is `dir`, but for this one; zombies are not among them.
pub fn of_test(dir: &Path) -> Vec<Process> {
    let own = i32::try_from(std::process::id()).expect("a process number fits");
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own).filter_map(|pid| look(pid, dir)).collect()
}

/// Ends every process of the test at once, until none is left; gives those that it found first.
pub fn end_all(dir: &Path) -> Vec<Process> {
    let first = of_test(dir);
    // A process may fork while it is looked at: again until a look finds none.
    for _ in 0..100 {
        let found = of_test(dir);
        if found.is_empty() {
            break;
        }
        for process in &found {
            kill(process.pid, dir);
        }
        crate::wait::poll_until(std::time::Duration::from_secs(5), || {
            found.iter().all(|process| look(process.pid, dir).is_none()).then_some(())
        });
    }
    first
}

#[cfg(target_os = "linux")]
fn kill(pid: i32, dir: &Path) {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let Some(Ok(handle)) = Pid::from_raw(pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return;
    };
    if look(pid, dir).is_some() {
        let _ = pidfd_send_signal(&handle, Signal::KILL);
    }
}

/// Nothing is found where there is no `/proc`, so there is nothing to end.
#[cfg(not(target_os = "linux"))]
fn kill(_pid: i32, _dir: &Path) {}

fn look(pid: i32, dir: &Path) -> Option<Process> {
    let proc = Path::new("/proc").join(pid.to_string());
    let environ = fs::read(proc.join("environ")).unwrap_or_default();
    let variables = || environ.split(|byte| *byte == 0);
    let mut home = b"HOME=".to_vec();
    home.extend_from_slice(dir.join("home").as_os_str().as_bytes());
    let carries = variables().any(|variable| variable == home);
    let inside = fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
    if !(carries || inside) || is_dead(&proc) {
        return None;
    }
    let run = variables().find_map(|variable| variable.strip_prefix(b"STORKIT_RUN="));
    let command = fs::read(proc.join("cmdline")).unwrap_or_default();
    Some(Process {
        pid,
        command: String::from_utf8_lossy(&command).replace('\0', " ").trim_end().to_owned(),
        run: run.map(|run| String::from_utf8_lossy(run).into_owned()),
    })
}

/// Whether only the exit status is left of it.
fn is_dead(proc: &Path) -> bool {
    let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
    // The command's name stands in brackets and may hold anything, brackets among it.
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Surroundings, ended};
    use crate::wait::{CEILING, wait_for};

    #[test]
    fn a_process_is_found_by_its_home_and_by_its_folder_and_ended() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let dir = dir.path().canonicalize().expect("its path");
        let surroundings = Surroundings::below(&dir);
        let mut by_home = surroundings.command("sleep").arg("1000").current_dir("/").spawn().expect("sleep");
        let mut by_folder = surroundings
            .command("sleep")
            .arg("1001")
            .env_remove("HOME")
            .env("STORKIT_RUN", "r1")
            .current_dir(&dir)
            .spawn()
            .expect("sleep");
        let found =
            wait_for(CEILING, "both sleepers", || Some(of_test(&dir)).filter(|found| found.len() == 2));
        assert!(found.iter().any(|process| process.run.as_deref() == Some("r1")));
        assert!(found.iter().any(|process| process.command == "sleep 1000"));
        assert_eq!(end_all(&dir).len(), 2);
        assert_eq!(of_test(&dir), []);
        for child in [&mut by_home, &mut by_folder] {
            assert!(ended(CEILING, child).is_some_and(|status| !status.success()));
        }
    }
}
