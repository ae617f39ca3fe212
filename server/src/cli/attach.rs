//! `storkit attach`: an agent's terminal, shared. Any number may watch; one at a time may type.

use std::io::{Read, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use storkit_core::snapshot::{State, StoryView};

use super::args::AttachArgs;
use super::exit::{Exit, Failure, Outcome};
use super::out::Out;
use super::screen::{self, Drawing, RESET, RawMode};
use super::{Context, ask, find};
use crate::http::{Keyboard, Shown, Typed, WatchEnd, keyboard};
use crate::sys::task;

/// The key that detaches: Ctrl-].
const DETACH: u8 = 0x1d;
/// How often it is looked whether the window has another size.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs the command.
pub(super) fn run(context: &Context, args: &AttachArgs) -> Outcome {
    let client = ask::daemon(context)?.ok_or_else(|| Failure::no_daemon("attach"))?;
    let id = find::story(&context.project()?.root, &args.story)?.id;
    let status = client.status(true)?;
    let story = status.stories.iter().find(|story| story.id == id.as_str());
    let run = story.and_then(running).ok_or_else(|| {
        Failure::new(format!("nothing runs for {id}")).hint(format!("storkit replay {id} shows the last run"))
    })?;
    let raw = if args.read_only { None } else { RawMode::begin() };
    let typing = raw.is_some();
    let (keys, coming) = keyboard();
    // A keyboard that is dropped ends the watching.
    let unused = if typing {
        keys.send(Typed::Claim);
        task::spawn("attach-keys", move || read_keys(&keys))
            .map_err(|error| Failure::new(format!("cannot read keys: {error}")))?;
        context.out.say(&format!("attached to {id}; Ctrl-] detaches\r"));
        None
    } else {
        context.out.say(&format!("watching {id}; Ctrl-C ends"));
        Some(keys)
    };
    let mut drawing = Drawing::default();
    let end = client.watch_terminal(run, coming, &mut |shown| draw(context.out, &mut drawing, shown));
    if context.out.is_terminal() {
        write(RESET);
    }
    drop((raw, unused));
    match end? {
        WatchEnd::Over => context.out.say(&format!("the run of {id} is over")),
        WatchEnd::Detached => context.out.say(&format!("detached; {id} goes on")),
        WatchEnd::Gone => return Err(Failure::new("the daemon has gone")),
    }
    Ok(Exit::Done)
}

fn running(story: &StoryView) -> Option<&str> {
    story.run.as_deref().filter(|_| story.state == State::Running)
}

fn draw(out: Out, drawing: &mut Drawing, shown: Shown) {
    match shown {
        Shown::Out(text) => {
            let mut drawn = String::with_capacity(text.len());
            drawing.feed(&text, &mut drawn);
            write(&drawn);
        }
        Shown::Writer(false) => out.say("somebody else types already: you watch\r"),
        Shown::Writer(true) | Shown::Size(..) | Shown::Over => {}
    }
}

fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // Whoever closed the output has seen enough; the watching ends with the run or with a key.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Sends keys and sizes until the detach key, the end of the input, or of the watching.
fn read_keys(keys: &Keyboard) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0; 1024];
    let mut rest = Vec::new();
    let mut size = None;
    loop {
        let now = screen::size();
        if let Some((columns, rows)) = now.filter(|_| now != size)
            && !keys.send(Typed::Size(columns, rows))
        {
            return;
        }
        size = now;
        let timeout = Timespec::try_from(LOOK_EVERY).unwrap_or_default();
        if !matches!(poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)), Ok(1..)) {
            continue;
        }
        let Ok(len @ 1..) = stdin.read(&mut buffer) else { return };
        rest.extend_from_slice(&buffer[..len]);
        let detach = rest.iter().position(|byte| *byte == DETACH);
        rest.truncate(detach.unwrap_or(rest.len()));
        let text = take_text(&mut rest);
        if (!text.is_empty() && !keys.send(Typed::In(text))) || detach.is_some() {
            return;
        }
    }
}

/// The whole characters; the beginning of one waits for its rest. What is no UTF-8 is dropped.
fn take_text(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut kept = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        kept = chunk.invalid().len();
    }
    let waits = (1..4).contains(&kept)
        && std::str::from_utf8(&bytes[bytes.len() - kept..]).is_err_and(|e| e.error_len().is_none());
    let rest = if waits { bytes.split_off(bytes.len() - kept) } else { Vec::new() };
    *bytes = rest;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_may_come_in_two_pieces() {
        let mut bytes = b"a\xc3".to_vec();
        assert_eq!(take_text(&mut bytes), "a");
        bytes.push(0xa9);
        assert_eq!(take_text(&mut bytes), "é");
        assert!(bytes.is_empty());
        bytes.extend(b"\xff\0b");
        assert_eq!(take_text(&mut bytes), "\0b");
    }
}
