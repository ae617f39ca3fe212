//! Everything that effects are carried out with: one value, shared by all threads of the daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use storkit_core::config::Config;
use storkit_core::event::Event;
use storkit_core::ids::{OpId, RunId, StoryId};
use storkit_core::time::{Now, Wall};
use tokio::sync::mpsc;

use super::dispatcher::Message;
use crate::board::{Board, History};
use crate::git::{GitError, Repo};
use crate::http::{Hub, Terminal, Tokens};
use crate::ledger::Ledger;
use crate::mcp::Said;
use crate::notify::Notifier;
use crate::sys::cancel::Cancel;
use crate::sys::layout::Layout;
use crate::worktrees::{FactsOrder, Ground};

/// What the daemon's threads share.
pub(super) struct World {
    /// Where things lie.
    pub(super) layout: Layout,
    /// The repository.
    pub(super) repo: Repo,
    /// The branch that stories land on.
    pub(super) base_branch: String,
    /// The board's files.
    pub(super) board: Board,
    /// The board's history.
    pub(super) history: History,
    /// The ledger.
    pub(super) ledger: Ledger,
    /// The configuration in force.
    pub(super) config: Mutex<Arc<Config>>,
    /// Who is told of what happens outside of storkit.
    pub(super) notifier: Notifier,
    /// Who listens to what happens.
    pub(super) hub: Hub,
    /// Who may come in.
    pub(super) tokens: Arc<Tokens>,
    /// Where the API answers on TCP, once that is known.
    pub(super) url: OnceLock<String>,
    /// storkit's own program.
    pub(super) exe: PathBuf,
    /// storkit's own environment, from which agents' are chosen.
    pub(super) env: BTreeMap<String, String>,
    /// What tells effects in flight to end.
    pub(super) cancels: Mutex<BTreeMap<OpId, Cancel>>,
    /// The terminals of living runs.
    pub(super) terminals: Mutex<BTreeMap<RunId, Terminal>>,
    /// What living runs said by tools.
    pub(super) said: Mutex<BTreeMap<RunId, Vec<Said>>>,
    /// Where events go.
    pub(super) inbox: mpsc::UnboundedSender<Message>,
    /// Where orders to look at the board go.
    pub(super) scanner: std::sync::mpsc::Sender<super::scanner::Look>,
    /// Where orders to make worktrees in advance go.
    pub(super) warm: std::sync::mpsc::Sender<super::warmer::Warm>,
    /// The number of the last event handled.
    pub(super) seq: AtomicU64,
    /// The runtime of the API.
    pub(super) runtime: tokio::runtime::Handle,
    /// Becomes true when the daemon ends.
    pub(super) ended: tokio::sync::watch::Sender<bool>,
    /// Whether the socket was opened.
    pub(super) serving: AtomicBool,
    /// When this daemon began.
    pub(super) began: Instant,
}

impl World {
    /// The moment, by both clocks.
    pub(super) fn now(&self) -> Now {
        let mono_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { mono_ms, wall: wall() }
    }

    /// Hands an event to the pipeline. A daemon that has ended hears nothing more.
    pub(super) fn send(&self, event: Event) {
        let _ = self.inbox.send(Message::Event(event));
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a configuration in force for all that is not the pipeline, which hears of it by an event.
    pub(super) fn configure(&self, config: &Arc<Config>) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(config);
        self.keep_warm(config);
    }

    /// Has worktrees made in advance, when nothing else starts.
    pub(super) fn keep_warm(&self, config: &Arc<Config>) {
        // Without its thread, which ends with the daemon, worktrees are made when they are needed.
        let _ = self.warm.send(super::warmer::Warm::Fill(Arc::clone(config)));
    }

    /// The number that a scan which begins now carries.
    pub(super) fn begin(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    /// The worktrees' ground as the configuration places it.
    pub(super) fn ground(&self, config: &Config) -> Result<Ground, GitError> {
        Ground::new(&self.repo, &config.worktrees.dir)
    }

    /// Which branch is looked at, and against what.
    pub(super) fn facts_order(&self, story: &StoryId, config: &Config) -> FactsOrder {
        FactsOrder {
            story: story.clone(),
            base_branch: self.base_branch.clone(),
            protect: config.merge.protect.clone(),
        }
    }

    /// The terminals of living runs.
    pub(super) fn terminals(&self) -> MutexGuard<'_, BTreeMap<RunId, Terminal>> {
        self.terminals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What living runs said by tools.
    pub(super) fn said(&self) -> MutexGuard<'_, BTreeMap<RunId, Vec<Said>>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cancels of effects in flight.
    pub(super) fn cancels(&self) -> MutexGuard<'_, BTreeMap<OpId, Cancel>> {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of day.
pub(super) fn wall() -> Wall {
    Wall(Timestamp::now().as_millisecond())
}

/// A time of day as the ledger takes it.
pub(super) fn timestamp(wall: Wall) -> Timestamp {
    Timestamp::from_millisecond(wall.0).unwrap_or_default()
}

/// The shared world.
pub(super) type Shared = Arc<World>;
