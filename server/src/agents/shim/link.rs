//! A supervisor's line to the daemon: orders come in on standard input, messages go out on standard output.
//!
//! Neither ever blocks the supervisor; end of file on the way in means that the daemon is gone.

use std::io::{Stdin, Stdout, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::super::spec::Message;
use super::timespec;

/// Longest order, in bytes.
const ORDER_LEN_MAX: usize = 64 << 10;
/// Messages that wait for a slow daemon, in bytes; events beyond it are only in the log and in the sum at the end.
const WAITING_LEN_MAX: usize = 4 << 20;

/// What the daemon wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// TERM, so many milliseconds, KILL.
    Stop(u64),
    /// KILL.
    Kill,
    /// Type these bytes into the terminal.
    Input(Vec<u8>),
    /// Columns and rows of the terminal.
    Resize(u16, u16),
}

/// Both directions.
#[derive(Debug)]
pub(super) struct Link {
    stdin: Stdin,
    stdout: Stdout,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// Nobody gives orders any more.
    pub(super) orphaned: bool,
    /// Nobody reads any more.
    deaf: bool,
}

impl Link {
    /// Makes both ends non-blocking.
    pub(super) fn open() -> std::io::Result<Self> {
        let (stdin, stdout) = (stdin(), stdout());
        rustix::io::ioctl_fionbio(&stdin, true)?;
        rustix::io::ioctl_fionbio(&stdout, true)?;
        let (incoming, outgoing) = (Vec::new(), Vec::new());
        Ok(Self { stdin, stdout, incoming, outgoing, orphaned: false, deaf: false })
    }

    /// Where orders come in.
    pub(super) fn input(&self) -> BorrowedFd<'_> {
        self.stdin.as_fd()
    }

    /// Where messages go out, while some wait.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        (!self.outgoing.is_empty() && !self.deaf).then(|| self.stdout.as_fd())
    }

    /// The orders that have come.
    pub(super) fn orders(&mut self) -> Vec<Order> {
        let mut buffer = [0; 4096];
        while !self.orphaned {
            match rustix::io::read(&self.stdin, &mut buffer) {
                Ok(0) => self.orphaned = true,
                Ok(len) => self.incoming.extend_from_slice(&buffer[..len]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.orphaned = true,
            }
            if self.incoming.len() > 4 * ORDER_LEN_MAX {
                break;
            }
        }
        let Some(end) = self.incoming.iter().rposition(|byte| *byte == b'\n') else {
            if self.incoming.len() > ORDER_LEN_MAX {
                self.incoming.clear();
            }
            return Vec::new();
        };
        let rest = self.incoming.split_off(end + 1);
        let lines = std::mem::replace(&mut self.incoming, rest);
        lines.split(|byte| *byte == b'\n').filter_map(|line| parse(std::str::from_utf8(line).ok()?)).collect()
    }

    /// Sends a message as soon as the daemon takes it. Events are dropped where too many wait.
    pub(super) fn send(&mut self, message: &Message) {
        let Ok(line) = serde_json::to_vec(message) else { return };
        if self.outgoing.len() + line.len() > WAITING_LEN_MAX && matches!(message, Message::Event { .. }) {
            return;
        }
        self.outgoing.extend_from_slice(&line);
        self.outgoing.push(b'\n');
        self.flush();
    }

    /// Writes what the daemon takes now.
    pub(super) fn flush(&mut self) {
        while !self.outgoing.is_empty() && !self.deaf {
            match rustix::io::write(&self.stdout, &self.outgoing) {
                Ok(len) => drop(self.outgoing.drain(..len)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.deaf = true,
            }
        }
    }

    /// Writes everything, however long the daemon takes, but not beyond its end.
    pub(super) fn finish(&mut self) {
        self.flush();
        while let Some(output) = self.output().filter(|_| !self.orphaned) {
            let mut fds = [PollFd::from_borrowed_fd(output, PollFlags::OUT)];
            let _ = poll(&mut fds, Some(&timespec(Duration::from_secs(1))));
            self.orders();
            self.flush();
        }
    }
}

fn parse(line: &str) -> Option<Order> {
    let mut words = line.split_ascii_whitespace();
    match words.next()? {
        "stop" => Some(Order::Stop(words.next()?.parse().ok()?)),
        "kill" => Some(Order::Kill),
        "input" => Some(Order::Input(unhex(words.next()?)?)),
        "resize" => Some(Order::Resize(words.next()?.parse().ok()?, words.next()?.parse().ok()?)),
        _ => None,
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_anything_else_is_nothing() {
        assert_eq!(parse("stop 3000"), Some(Order::Stop(3000)));
        assert_eq!(parse("kill\r"), Some(Order::Kill));
        assert_eq!(parse("input 0a41ff"), Some(Order::Input(vec![0x0a, 0x41, 0xff])));
        assert_eq!(parse("resize 80 24"), Some(Order::Resize(80, 24)));
        for line in ["", "stop", "stop -1", "input 0", "input zz", "input é1", "resize 80", "die"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
