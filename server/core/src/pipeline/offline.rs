//! The board without a daemon: the same snapshot, where nothing moves and the reason says so.

use super::Pipeline;
use super::track::Track;
use crate::board::Placement;
use crate::event::{Event, Start};
use crate::sighting::Scan;
use crate::time::Now;

/// What keeps every story from moving while no daemon runs.
pub(super) const NO_DAEMON: &str = "the daemon is not running: storkit up";

impl Pipeline {
    /// Shows a board that no daemon serves: nothing is ever started, and stories that would move say why not.
    pub fn look(&mut self, now: Now, start: Start, scan: Scan) {
        self.offline = true;
        let _ = self.handle(now, Event::Started(Box::new(start)));
        let _ = self.handle(now, Event::Scanned(scan));
    }

    /// The turn of a board that no daemon serves: every story is known, none is stepped.
    pub(super) fn look_around(&mut self) {
        for id in std::mem::take(&mut self.touched) {
            if self.tracks.contains_key(&id) {
                continue;
            }
            match self.board.placement(&id) {
                Placement::Absent => {}
                Placement::One(key) => {
                    let stage = key.stage;
                    self.first_seen(&id, stage);
                    self.show(&id);
                }
                Placement::Many(_) => {
                    self.tracks.insert(id, Track { saved: true, ..Track::default() });
                }
            }
        }
    }
}
