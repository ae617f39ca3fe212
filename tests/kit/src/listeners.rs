//! Many listeners to a daemon's events over TCP: some read, some take nothing. They only count: what an event says is
//! for other tests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, connect, socket};

use crate::daemon::Daemon;
use crate::wait::CEILING;

/// How much the system keeps for a listener that takes nothing, in bytes: little, so that it falls behind soon.
const STALLED_LEN: usize = 4 * 1024;
/// Longest wait for a single read.
const READ_WAIT: Duration = Duration::from_secs(20);

/// Where a daemon answers over TCP, and the token that opens it.
#[derive(Debug, Clone)]
pub struct Door {
    address: SocketAddr,
    token: String,
}

impl Door {
    /// The door of a daemon.
    ///
    /// # Panics
    /// When it has none.
    pub fn of(daemon: &Daemon<'_>) -> Self {
        let url = daemon.status().daemon.and_then(|daemon| daemon.url).expect("an address");
        let address = url.strip_prefix("http://").and_then(|rest| rest.parse().ok()).expect("an address");
        Self { address, token: daemon.token() }
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let Self { address, token } = self;
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{more}\r\n")
    }
}

/// One connection on which events are made, one after the other.
#[derive(Debug)]
pub struct Maker {
    stream: TcpStream,
    door: Door,
    made: u64,
}

impl Maker {
    /// Connects.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn new(door: &Door) -> Self {
        let stream = TcpStream::connect(door.address).expect("connected");
        stream.set_read_timeout(Some(READ_WAIT)).expect("a limit");
        stream.set_nodelay(true).expect("at once");
        Self { stream, door: door.clone(), made: 0 }
    }

    /// Has the daemon tell of so many things: pauses of an ever new reason of so many characters.
    ///
    /// # Panics
    /// When the daemon does not do it.
    pub fn make(&mut self, count: u64, len: usize) {
        for _ in 0..count {
            self.made += 1;
            let body = format!(r#"{{"why":"{:0>len$}"}}"#, self.made);
            let more = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
            let request = format!("{}{body}", self.door.head("POST", "/api/v1/pause", &more));
            self.stream.write_all(request.as_bytes()).expect("sent");
            let mut answer = Vec::new();
            let mut piece = [0; 4096];
            while !is_whole(&answer) {
                let len = self.stream.read(&mut piece).expect("an answer");
                assert!(len > 0, "the daemon hung up");
                answer.extend_from_slice(&piece[..len]);
            }
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        }
    }
}

/// Whether an answer with a `content-length` is there.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let len = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    len.is_some_and(|len: usize| body.len() >= len)
}

/// One who listens to events.
#[derive(Debug)]
pub struct Listener {
    stream: TcpStream,
    rest: Vec<u8>,
    /// How many events came.
    pub count: u64,
    /// How often it was told to read everything again.
    pub resyncs: u64,
    /// The number of the last event.
    pub last: u64,
    /// Whether the daemon has ended the stream.
    pub over: bool,
}

impl Listener {
    /// Listens from now on, or from after an event.
    ///
    /// # Panics
    /// When the daemon does not take it.
    pub fn new(door: &Door, after: Option<u64>) -> Self {
        let stream = TcpStream::connect(door.address).expect("connected");
        let mut listener = Self::ask(stream, door, after);
        listener.stream.set_read_timeout(Some(READ_WAIT)).expect("a limit");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            listener.stream.read_exact(&mut byte).expect("the head of an answer");
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        listener.stream.set_nonblocking(true).expect("a mode");
        listener
    }

    /// Asks for events and takes nothing of the answer, until [`read_until`] is called for it.
    ///
    /// # Panics
    /// When the daemon is not there.
    pub fn stalled(door: &Door) -> Self {
        let family = if door.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let raw: OwnedFd = socket(family, SocketType::STREAM, None).expect("a socket");
        set_socket_recv_buffer_size(&raw, STALLED_LEN).expect("a limit");
        connect(&raw, &door.address).expect("connected");
        let listener = Self::ask(TcpStream::from(raw), door, None);
        // Where the answer has begun, it listens.
        listener.stream.set_read_timeout(Some(READ_WAIT)).expect("a limit");
        assert!(listener.stream.peek(&mut [0]).is_ok_and(|len| len == 1), "the daemon answers");
        listener.stream.set_nonblocking(true).expect("a mode");
        listener
    }

    fn ask(mut stream: TcpStream, door: &Door, after: Option<u64>) -> Self {
        let after = after.map(|after| format!("last-event-id: {after}\r\n")).unwrap_or_default();
        stream.write_all(door.head("GET", "/api/v1/events", &after).as_bytes()).expect("sent");
        Self { stream, rest: Vec::new(), count: 0, resyncs: 0, last: 0, over: false }
    }

    /// Takes what is there.
    fn take(&mut self, piece: &mut [u8]) {
        match self.stream.read(piece) {
            Ok(0) => self.over = true,
            Ok(len) => self.count(&piece[..len]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.over = true,
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = self.rest.split_off(end + 1);
        for line in std::mem::replace(&mut self.rest, rest).split(|byte| *byte == b'\n') {
            if let Some(id) = line.strip_prefix(b"id: ") {
                self.count += 1;
                self.last = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()).unwrap_or(self.last);
            }
            self.resyncs += u64::from(line == b"event: resync");
        }
    }
}

/// Reads for all of these until `done` holds for each of them; when that was, for each.
///
/// # Panics
/// When that takes too long.
pub fn read_until(listeners: &mut [Listener], done: impl Fn(&Listener) -> bool) -> Vec<Instant> {
    let begun = Instant::now();
    let mut ends: Vec<Option<Instant>> = listeners.iter().map(|one| done(one).then(Instant::now)).collect();
    let mut piece = vec![0; 64 * 1024];
    while ends.iter().any(Option::is_none) {
        let late = ends.iter().filter(|end| end.is_none()).count();
        assert!(begun.elapsed() < CEILING, "{late} of {} listeners wait in vain", listeners.len());
        let open: Vec<usize> = (0..listeners.len()).filter(|at| ends[*at].is_none()).collect();
        let ready: Vec<usize> = {
            let mut fds: Vec<PollFd<'_>> =
                open.iter().map(|at| PollFd::new(&listeners[*at].stream, PollFlags::IN)).collect();
            // An error here is an interruption.
            let _ = poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 }));
            open.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(at, _)| *at).collect()
        };
        for at in ready {
            listeners[at].take(&mut piece);
            if done(&listeners[at]) {
                ends[at] = Some(Instant::now());
            }
        }
    }
    ends.into_iter().flatten().collect()
}
