//! The board's news: read at the start, then whenever something may have changed.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::super::host::Host;
use super::super::model::Msg;
use crate::sys::task;

/// Least time between two readings.
const BETWEEN: Duration = Duration::from_millis(150);
/// Where no daemon tells of changes, the folders are read so often.
const WITHOUT_DAEMON: Duration = Duration::from_secs(1);

/// Begins to read.
pub(super) fn start(host: Arc<dyn Host>, sender: SyncSender<Msg>) -> io::Result<()> {
    task::spawn("board-feed", move || {
        let look = || sender.send(Msg::Board(Box::new(host.look()))).is_ok();
        while look() {
            let told = host.follow(&mut || {
                let goes_on = look();
                std::thread::sleep(BETWEEN);
                goes_on
            });
            if !told {
                std::thread::sleep(WITHOUT_DAEMON);
            }
        }
    })
    .map(drop)
}
