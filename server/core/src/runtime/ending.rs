//! How a run of a runtime ended, as its adapter reads it from what the runtime said and how its process ended.
//!
//! Facts alone: what follows from an ending is `run::classify`'s and the pipeline's to decide.

use serde::{Deserialize, Serialize};

use super::event::Reset;
use crate::facts::ProcessEnd;

/// How a run ended. Its texts are the runtime's words, bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// The runtime says that it did what it was asked to.
    Done,
    /// It asks a person.
    Asked {
        /// What.
        text: String,
    },
    /// It finished, but was refused a tool that it wanted.
    PermissionWanted {
        /// The tool.
        tool: String,
        /// What for: the tool's input.
        input: String,
    },
    /// The model refused the work.
    Refused {
        /// In its words.
        text: String,
    },
    /// Too many requests.
    RateLimited {
        /// For how long.
        #[serde(flatten)]
        reset: Reset,
        /// In the provider's words.
        text: String,
    },
    /// The account's allowance is used up.
    Quota {
        /// For how long.
        #[serde(flatten)]
        reset: Reset,
        /// In the provider's words.
        text: String,
    },
    /// The network, or the provider: 5xx, overload, a cut connection.
    Transient {
        /// In the runtime's words.
        text: String,
    },
    /// No key, or a wrong one.
    Authentication {
        /// In the runtime's words.
        text: String,
    },
    /// It cannot run as it is configured: an unknown model or argument, a folder that is not trusted.
    Configuration {
        /// In the runtime's words.
        text: String,
    },
    /// The limit of turns was reached.
    OutOfTurns,
    /// The limit of money was reached.
    OutOfBudget,
    /// What it was given, or what it gathered, does not fit into the model's context.
    ContextTooLong {
        /// In the runtime's words.
        text: String,
    },
    /// It ended before there was a session, and said no reason that is known.
    CrashedBeforeSession {
        /// The last that it said.
        text: String,
    },
    /// The session that was to be resumed is not there.
    SessionUnknown,
    /// A signal ended it, or it says that it was interrupted.
    Killed {
        /// The signal, where the process says which.
        signal: Option<i32>,
    },
    /// It ended without saying how.
    NoSignal,
    /// It failed in another way.
    Failed {
        /// In the runtime's words.
        text: String,
    },
}

impl Ending {
    /// Whether the agent came to an end of its own, so that what it left behind is its work.
    pub const fn is_finished(&self) -> bool {
        matches!(self, Self::Done | Self::PermissionWanted { .. })
    }

    /// Its text, where it has one that is as long as whoever wrote it liked.
    pub(super) fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Asked { text }
            | Self::Refused { text }
            | Self::RateLimited { text, .. }
            | Self::Quota { text, .. }
            | Self::Transient { text }
            | Self::Authentication { text }
            | Self::Configuration { text }
            | Self::ContextTooLong { text }
            | Self::CrashedBeforeSession { text }
            | Self::Failed { text }
            | Self::PermissionWanted { input: text, .. } => Some(text),
            Self::Done
            | Self::OutOfTurns
            | Self::OutOfBudget
            | Self::SessionUnknown
            | Self::Killed { .. }
            | Self::NoSignal => None,
        }
    }

    /// What an HTTP status of the provider means, where it alone is known.
    pub fn of_status(status: u16, text: String) -> Self {
        match status {
            401 | 403 => Self::Authentication { text },
            402 => Self::Quota { reset: Reset::default(), text },
            404 => Self::Configuration { text },
            413 => Self::ContextTooLong { text },
            429 => Self::RateLimited { reset: Reset::default(), text },
            408 | 409 | 500..=599 => Self::Transient { text },
            _ => Self::Failed { text },
        }
    }
}

/// The signal that ended a process: the kernel's word, or that of a shell or runtime that exits with 128 + signal.
pub(super) fn signal(process: Option<ProcessEnd>) -> Option<i32> {
    /// Hang-up, interrupt, kill, broken pipe, terminate: those that others send.
    const SENT: [i32; 5] = [1, 2, 9, 13, 15];
    match process? {
        ProcessEnd::Signalled(signal) => Some(signal),
        ProcessEnd::Exited(status) => Some(status.checked_sub(128)?).filter(|signal| SENT.contains(signal)),
        ProcessEnd::Lost => None,
    }
}

/// What a runtime said last of how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LastWord {
    /// A success.
    Success,
    /// An error: its kind, where it has one, and its words.
    Error { kind: String, text: String },
}

/// The ending of a process that called its work a success.
pub(super) fn succeeded(process: Option<ProcessEnd>) -> Ending {
    match process {
        Some(ProcessEnd::Exited(0)) => Ending::Done,
        Some(ProcessEnd::Exited(status)) if signal(process).is_none() => {
            Ending::Failed { text: format!("it said that it had succeeded, and exited with {status}") }
        }
        _ => Ending::Killed { signal: signal(process) },
    }
}

/// The ending of a process that said nothing of its end.
pub(super) fn unsaid(process: Option<ProcessEnd>, has_session: bool, text: String) -> Option<Ending> {
    // Without a process there was no run of the runtime at all; a lost supervisor says nothing about it.
    Some(match process? {
        ProcessEnd::Lost => return None,
        ProcessEnd::Exited(0) => Ending::NoSignal,
        _ if !has_session => Ending::CrashedBeforeSession { text },
        _ => match signal(process) {
            Some(signal) => Ending::Killed { signal: Some(signal) },
            None => Ending::NoSignal,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_says_nothing_is_judged_by_its_end() {
        let of = |process, session| unsaid(Some(process), session, String::new());
        let crashed = Some(Ending::CrashedBeforeSession { text: String::new() });
        assert_eq!(of(ProcessEnd::Exited(0), true), Some(Ending::NoSignal));
        assert_eq!(of(ProcessEnd::Exited(1), true), Some(Ending::NoSignal));
        assert_eq!(of(ProcessEnd::Exited(1), false), crashed);
        assert_eq!(of(ProcessEnd::Signalled(6), false), crashed);
        assert_eq!(of(ProcessEnd::Signalled(9), true), Some(Ending::Killed { signal: Some(9) }));
        assert_eq!(of(ProcessEnd::Exited(143), true), Some(Ending::Killed { signal: Some(15) }));
        assert_eq!(of(ProcessEnd::Exited(i32::MIN), true), Some(Ending::NoSignal));
        assert_eq!(of(ProcessEnd::Lost, true), None);
        assert_eq!(unsaid(None, false, String::new()), None);
    }
}
