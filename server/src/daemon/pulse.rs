//! The daemon's sign of life for the service manager that started it; none where nobody did.

use std::time::Duration;

use storkit_core::snapshot::{State, Status};
use tokio::time::{Instant, sleep_until};

#[cfg(target_os = "linux")]
use crate::sys::manager::Manager;
use crate::sys::text::count;

/// How often a manager that wants no sign of life is told what the daemon does.
const STATUS_EVERY: Duration = Duration::from_secs(30);

/// The manager and the moment at which it hears next.
pub(super) struct Pulse {
    #[cfg(target_os = "linux")]
    manager: Option<Manager>,
    next: Option<Instant>,
}

#[cfg(target_os = "linux")]
impl Pulse {
    /// Looks for a manager.
    pub(super) fn find() -> Self {
        Self { manager: Manager::find(), next: None }
    }

    /// Says that the daemon serves.
    pub(super) fn ready(&mut self, doing: impl FnOnce() -> String) {
        if let Some(manager) = &self.manager {
            manager.ready(&doing());
        }
        self.plan();
    }

    /// Says that it lives.
    pub(super) fn beat(&mut self, doing: impl FnOnce() -> String) {
        if let Some(manager) = &self.manager {
            manager.alive(&doing());
        }
        self.plan();
    }

    /// Says that it ends.
    pub(super) fn stopping(&self) {
        if let Some(manager) = &self.manager {
            manager.stopping();
        }
    }

    fn plan(&mut self) {
        // Three in the time of one, so that a late one is no end.
        let every = |manager: &Manager| manager.watchdog().map_or(STATUS_EVERY, |most| most / 3);
        self.next = self.manager.as_ref().map(|manager| Instant::now() + every(manager));
    }
}

#[cfg(not(target_os = "linux"))]
impl Pulse {
    /// There is no such manager here.
    pub(super) fn find() -> Self {
        Self { next: None }
    }

    pub(super) fn ready(&mut self, _: impl FnOnce() -> String) {}

    pub(super) fn beat(&mut self, _: impl FnOnce() -> String) {}

    pub(super) fn stopping(&self) {}
}

impl Pulse {
    /// Waits for the moment of the next sign of life; for ever where none is wanted.
    pub(super) async fn due(&self) {
        match self.next {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    }
}

/// `12 stories, 2 at work, 1 needs a person`
pub(super) fn line(status: &Status) -> String {
    let of = |states: &[State]| status.stories.iter().filter(|story| states.contains(&story.state)).count();
    let stories = status.stories.len();
    let stories = if stories == 1 { "1 story".to_owned() } else { format!("{stories} stories") };
    let work = of(&[State::Preparing, State::Running, State::Gating, State::Merging]);
    let need = of(&[State::Question, State::Review, State::Blocked, State::Problem]);
    let paused = if status.paused.is_some() { ", paused" } else { "" };
    format!("{stories}, {work} at work, {} for a person{paused}", count(need, "thing"))
}
