//! What the API needs of the daemon behind it.

use std::future::Future;
use std::sync::Arc;

use super::{EventLine, Pages, Subscription, Tally, Terminal};
use crate::mcp::Desk;

/// The daemon, as the API sees it: all that tools ask of it, and streams. Implemented by the daemon, and by a fake in
/// tests.
pub trait Service: Desk + Pages {
    /// What happens from now on, and before it what happened after the event numbered `after`.
    fn subscribe(&self, after: Option<u64>) -> Subscription;

    /// The number of the last event: what is asked after this holds all that it tells.
    fn last_event(&self) -> u64;

    /// The last event about a story, as far as it is remembered.
    fn last_of(&self, story: &str) -> Option<Arc<EventLine>>;

    /// What happened so far, in numbers.
    fn tally(&self) -> Tally;

    /// The terminal of a run that is known, also of one that is over.
    fn terminal(&self, run: String) -> impl Future<Output = Option<Terminal>> + Send;

    /// Begins to end the daemon: gently, or at once. Returns without waiting for the end.
    fn shut_down(&self, now: bool);
}
