//! The service manager (systemd) that started this process, if one did: readiness, a status line, a sign of life.
//!
//! Datagrams to `$NOTIFY_SOCKET` as sd_notify(3) says; without that variable nothing is done.

use std::os::linux::fs::MetadataExt as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Longest status line, in bytes.
const STATUS_LEN_MAX: usize = 200;

/// The manager, and how often it wants a sign of life.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The manager of this process; none where nobody manages it.
    pub fn find() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET")?;
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest).ok()?,
            [b'/', ..] => SocketAddr::from_pathname(&name).ok()?,
            _ => return None,
        };
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_ours && *usec > 0).map(Duration::from_micros);
        Some(Self { socket, address, watchdog })
    }

    /// The longest time between two signs of life; none where none is wanted.
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The process serves.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// It lives, and this is what it does.
    pub fn alive(&self, status: &str) {
        self.send(&format!("WATCHDOG=1\nSTATUS={}", line(status)));
    }

    /// It ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=ending");
    }

    fn send(&self, text: &str) {
        // A manager that has gone, or whose queue is full, is no reason to fail or to wait.
        let _ = self.socket.send_to_addr(text.as_bytes(), &self.address);
    }
}

/// One short line.
fn line(text: &str) -> String {
    let mut line = super::text::clean(text);
    let mut end = line.len().min(STATUS_LEN_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line
}

/// Whether standard error is the journal, which has its own times and no colours.
pub fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Some((device, inode)) = stream.split_once(':') else { return false };
    let Ok(meta) = std::fs::metadata("/proc/self/fd/2") else { return false };
    device.parse() == Ok(meta.st_dev()) && inode.parse() == Ok(meta.st_ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_short_line() {
        assert_eq!(line("a\nREADY=0"), "a READY=0");
        assert!(line(&"é".repeat(500)).len() <= STATUS_LEN_MAX);
    }
}
