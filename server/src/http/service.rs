//! What the API needs of the daemon behind it.

use std::future::Future;

use storkit_core::request::{Refusal, Reply, Request};

use super::{Subscription, Terminal};
use crate::ledger::RunRow;

/// The daemon, as the API sees it. Implemented by the daemon, and by a fake in tests.
pub trait Service: Send + Sync + 'static {
    /// Carries a request out, or says why not.
    fn ask(&self, request: Request) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// What happens from now on, and before it what happened after the event numbered `after`.
    fn subscribe(&self, after: Option<u64>) -> Subscription;

    /// One run, where it is known.
    fn run(&self, run: String) -> impl Future<Output = Option<RunRow>> + Send;

    /// The terminal of a run that is known, also of one that is over.
    fn terminal(&self, run: String) -> impl Future<Output = Option<Terminal>> + Send;

    /// Begins to end the daemon: gently, or at once. Returns without waiting for the end.
    fn shut_down(&self, now: bool);
}
