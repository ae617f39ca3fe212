//! Signals: the first asks the daemon to end, the second to end at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a daemon.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    quit: Signal,
    /// Whether the end of the terminal is the end of the daemon.
    in_terminal: bool,
    seen: u32,
}

impl Signals {
    /// Takes the signals over from the system's defaults.
    pub(super) fn listen(in_terminal: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            in_terminal,
            seen: 0,
        })
    }

    /// The next signal that ends the daemon; whether it is to end at once.
    pub(super) async fn next(&mut self) -> bool {
        loop {
            let counts = tokio::select! {
                _ = self.terminate.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.quit.recv() => true,
                _ = self.hang_up.recv() => self.in_terminal,
            };
            if counts {
                self.seen += 1;
                return self.seen > 1;
            }
        }
    }
}
