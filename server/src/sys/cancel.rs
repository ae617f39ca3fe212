//! Telling work on another thread to end: a flag, and what is to be done the moment it is raised.

use std::sync::{Arc, Mutex, PoisonError};

/// How work is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// TERM, a grace of so many milliseconds, then KILL.
    Gently(u64),
    /// KILL.
    Now,
}

type Hook = Box<dyn FnMut(How) + Send>;

#[derive(Default)]
struct Inner {
    raised: Option<How>,
    hooks: Vec<Hook>,
}

/// A handle that several threads share; cloning it gives the same one.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Mutex<Inner>>);

impl Cancel {
    /// A handle that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether, and how, the work is to end.
    pub fn raised(&self) -> Option<How> {
        self.lock().raised
    }

    /// Raises it and calls the hooks. A second time only from gently to now.
    pub fn raise(&self, how: How) {
        let mut inner = self.lock();
        if matches!((inner.raised, how), (None, _) | (Some(How::Gently(_)), How::Now)) {
            inner.raised = Some(how);
            for hook in &mut inner.hooks {
                hook(how);
            }
        }
    }

    /// Calls `hook` when raised; at once where that has happened already. A hook must not block and must not
    /// call this handle.
    pub fn on_raise(&self, mut hook: impl FnMut(How) + Send + 'static) {
        let mut inner = self.lock();
        if let Some(how) = inner.raised {
            hook(how);
        }
        inner.hooks.push(Box::new(hook));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
