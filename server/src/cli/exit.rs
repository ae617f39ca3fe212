//! How a command ends: the one table of exit statuses, and the one shape of an error that a person or a script sees.

use std::process::ExitCode;

use serde::Serialize;
use storkit_core::request::Refusal;

use crate::http::client::ClientError;

/// The exit statuses of every command; docs/exit-codes.md says the same to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It is done, or was so already.
    Done = 0,
    /// It failed or was refused.
    Failed = 1,
    /// The command line was not understood.
    Usage = 2,
    /// There is no such story or agent.
    NotFound = 3,
    /// It needs the daemon, and none runs.
    NoDaemon = 4,
}

impl Exit {
    /// The status of a refusal's code.
    pub(super) fn of_code(code: u8) -> Self {
        match code {
            0 => Self::Done,
            2 => Self::Usage,
            3 => Self::NotFound,
            4 => Self::NoDaemon,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{error}")]
pub(super) struct Failure {
    /// What is wrong, in a sentence.
    pub error: String,
    /// The way out.
    pub hint: Option<String>,
    /// The exit status.
    pub code: u8,
}

/// What the commands return: how they ended, where they say so, or why not.
pub(super) type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure with exit status 1.
    pub(super) fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), hint: None, code: Exit::Failed as u8 }
    }

    /// The same with a way out.
    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with another exit status.
    #[must_use]
    pub(super) fn exit(self, exit: Exit) -> Self {
        Self { code: exit as u8, ..self }
    }

    /// The command line is not what the command takes.
    pub(super) fn usage(error: impl Into<String>) -> Self {
        Self::new(error).exit(Exit::Usage)
    }

    /// The daemon is needed and not running.
    pub(super) fn no_daemon(what: &str) -> Self {
        Self::new(format!("{what} needs the daemon, and none is running"))
            .hint("start it with: storkit up")
            .exit(Exit::NoDaemon)
    }

    /// Somebody closed our standard output: not worth a word.
    pub(super) fn closed_output() -> Self {
        Self { error: String::new(), hint: None, code: Exit::Done as u8 }
    }

    /// Whether there is nothing to say.
    pub(super) fn is_silent(&self) -> bool {
        self.error.is_empty()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { error: refusal.error, hint: refusal.hint, code: refusal.code }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => refusal.into(),
            ClientError::NotRunning => Self::no_daemon("this"),
            ClientError::Silent => {
                Self::new(error.to_string()).hint("see .storkit/run/daemon.log; storkit down --now ends it")
            }
            ClientError::Broken(_) => Self::new(error.to_string()),
        }
    }
}

/// A failure of the file system: what was tried, on what.
pub(super) fn io(action: &str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Failure {
    let what = format!("cannot {action} {}", path.display());
    move |error| Failure::new(format!("{what}: {error}"))
}
