//! Telling by a command: the message as JSON on standard input and in `STORKIT_*`, a limit of time, and nothing of
//! it left running.

use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use storkit_core::ids::RunId;

use super::{NotTold, Place};
use crate::agents::{Marked, REPO_VARIABLE, RUN_VARIABLE, repo_marker, sweep};
use crate::sys::process;
use crate::sys::text::{clean, clean_lines};

/// Longest time of a command.
const WAIT: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much of its output is kept for saying what went wrong, in bytes.
const OUTPUT_MAX: usize = 2_000;

/// Tells by a command of the shell.
pub(super) fn shell(place: &Place, text: &str, body: &Value) -> Result<(), NotTold> {
    let mut command = process::command("sh");
    command.args(["-c", text]);
    run(place, command, body, WAIT)
}

/// Tells by the desktop's notifications.
pub(super) fn desktop(place: &Place, body: &Value) -> Result<(), NotTold> {
    let word = |name: &str| clean_lines(body[name].as_str().unwrap_or_default());
    // A server may read markup in a text; no other sign says the same to those that do and those that do not.
    let text = word("text").replace('<', "‹").replace('>', "›").replace('&', "＆");
    let title = format!("storkit {}: {}", word("project"), word("event"));
    let mut command;
    if cfg!(target_os = "macos") {
        command = process::command("osascript");
        let script =
            "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run";
        command.args(["-e", script, &title, &text]);
    } else {
        command = process::command("notify-send");
        command.args(["--app-name=storkit", "--", &title, &text]);
    }
    run(place, command, body, WAIT)
}

fn run(place: &Place, mut command: Command, body: &Value, wait: Duration) -> Result<(), NotTold> {
    let failed = |error: std::io::Error| NotTold::for_good(format!("it cannot be started: {error}"));
    // A file and no pipe: a command that does not read must not be waited for.
    let mut input = tempfile::tempfile_in(&place.tmp).map_err(failed)?;
    writeln!(input, "{body}").and_then(|()| input.rewind()).map_err(failed)?;
    let (mut output, sink) = std::io::pipe().map_err(failed)?;
    command.current_dir(&place.root).envs(&place.env).process_group(0);
    for (name, key) in [
        ("STORKIT_EVENT", "event"),
        ("STORKIT_PROJECT", "project"),
        ("STORKIT_STORY", "story"),
        ("STORKIT_TEXT", "text"),
        ("STORKIT_AT", "at"),
        ("STORKIT_HINT", "hint"),
    ] {
        command.env(name, clean_lines(body[key].as_str().unwrap_or_default()));
    }
    command.env("STORKIT_EVENT_ID", body["id"].to_string());
    // What leaves its group is known by these, also to the next daemon's start.
    let run = RunId(uuid::Uuid::new_v4());
    command.env(RUN_VARIABLE, run.to_string()).env(REPO_VARIABLE, repo_marker(&place.run));
    command.stdin(Stdio::from(input)).stdout(sink.try_clone().map_err(failed)?).stderr(sink);
    let mut child = command.spawn().map_err(failed)?;
    // Its ends of the pipe are the child's alone from here on.
    drop(command);
    let mut said = Vec::new();
    let end = attend(&mut child, &mut output, &mut said, wait);
    // What it left behind, too.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    sweep(Marked::Run(run));
    let Some(status) = end else {
        let _ = child.wait();
        return Err(NotTold::for_good(format!("it took longer than {} s", wait.as_secs())));
    };
    if status.success() {
        return Ok(());
    }
    let said = clean(String::from_utf8_lossy(&said).trim());
    Err(NotTold::for_good(format!("it ended with {status}: {said}")))
}

/// Waits for the end, and drains what it prints meanwhile; none where that takes too long.
fn attend(
    child: &mut Child,
    output: &mut impl Drained,
    said: &mut Vec<u8>,
    wait: Duration,
) -> Option<ExitStatus> {
    let begun = Instant::now();
    let look = Timespec::try_from(LOOK_EVERY).unwrap_or_default();
    let mut piece = [0; 4096];
    let mut open = true;
    while begun.elapsed() < wait {
        if open && matches!(poll(&mut [PollFd::new(&*output, PollFlags::IN)], Some(&look)), Ok(1..)) {
            let len = output.read(&mut piece).unwrap_or_default();
            open = len > 0;
            said.extend_from_slice(&piece[..len.min(OUTPUT_MAX.saturating_sub(said.len()))]);
            continue;
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if !open {
            std::thread::sleep(LOOK_EVERY);
        }
    }
    None
}

/// What can be read and waited for.
trait Drained: Read + std::os::fd::AsFd {}

impl<T: Read + std::os::fd::AsFd> Drained for T {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(folder: &std::path::Path) -> Place {
        Place {
            project: "p".to_owned(),
            root: folder.to_owned(),
            run: folder.to_owned(),
            tmp: folder.to_owned(),
            env: [("EXTRA".to_owned(), "x".to_owned())].into(),
        }
    }

    #[test]
    fn a_command_has_the_message_on_its_input_and_in_its_environment() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = place(folder.path());
        let body =
            json!({"id": 7, "event": "question", "story": "1_a", "text": "a\u{0}b\u{1b}[2J", "hint": null});
        let script = "cat > in.json; echo \"$STORKIT_EVENT $STORKIT_EVENT_ID $STORKIT_STORY $STORKIT_TEXT $EXTRA\" > env";
        shell(&place, script, &body).expect("told");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("written");
        assert_eq!(serde_json::from_str::<Value>(&read("in.json")).expect("JSON"), body);
        assert_eq!(read("env"), "question 7 1_a a\\u{0}b\\u{1b}[2J x\n");
    }

    #[test]
    fn a_command_that_fails_hangs_or_floods_is_said_and_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = place(folder.path());
        let body = json!({});
        let failed = shell(&place, "echo no route; exit 3", &body).expect_err("failed");
        assert_eq!(failed.to_string(), "it ended with exit status: 3: no route");
        let run = |script: &str, wait| {
            let mut command = process::command("sh");
            command.args(["-c", script]);
            run(&place, command, &body, wait)
        };
        let hung = run("trap '' TERM; sleep 600 & wait", Duration::from_millis(200)).expect_err("hung");
        assert!(hung.to_string().starts_with("it took longer than"), "{hung}");
        run("head -c 1000000 /dev/zero", WAIT).expect("told");
        // What holds its output open does not hold the notifier, and goes, also from a session of its own.
        run("setsid sh -c 'echo $$ > pid; sleep 600' & until [ -s pid ]; do :; done", WAIT).expect("told");
        let pid = std::fs::read_to_string(folder.path().join("pid")).expect("written");
        let left = std::path::Path::new("/proc").join(pid.trim()).join("environ");
        assert_eq!(std::fs::read(left).unwrap_or_default(), [0; 0], "it has ended");
    }
}
