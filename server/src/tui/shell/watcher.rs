//! The run whose terminal is watched: one at a time, on a thread of its own that ends with the watching.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::super::host::Host;
use super::super::model::Msg;
use crate::http::{Keyboard, keyboard};
use crate::sys::task;

/// Watches at most one run.
pub(super) struct Watcher {
    host: Arc<dyn Host>,
    sender: SyncSender<Msg>,
    /// Dropped, the watching ends.
    keyboard: Option<Keyboard>,
}

impl Watcher {
    /// Watches nothing yet.
    pub(super) fn new(host: Arc<dyn Host>, sender: SyncSender<Msg>) -> Self {
        Self { host, sender, keyboard: None }
    }

    /// Watches this run and no other.
    pub(super) fn watch(&mut self, run: Option<String>) -> io::Result<()> {
        self.keyboard = None;
        let Some(run) = run else { return Ok(()) };
        let (keys, coming) = keyboard();
        let (host, sender) = (Arc::clone(&self.host), self.sender.clone());
        task::spawn("board-watch", move || {
            // Who no longer listens has left.
            let mut show = |shown| drop(sender.send(Msg::Shown(run.clone(), shown)));
            let end = host.watch(&run, coming, &mut show);
            let _ = sender.send(Msg::Watched(run, end));
        })?;
        self.keyboard = Some(keys);
        Ok(())
    }
}
