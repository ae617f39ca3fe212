//! What `storkit __acp-agent` was called with, as the core's adapter writes it, and what the environment adds.

use std::ffi::OsString;
use std::path::PathBuf;

use storkit_core::config::Permissions;
use storkit_core::runtime::acp::{Mcp, Task};
use storkit_core::runtime::{ALLOW_OPTION, PERMISSIONS_OPTION, REFUSE_OPTION};

use super::super::spec::PROMPT_VARIABLE;

/// The variable that opens storkit's MCP server.
const TOKEN_VARIABLE: &str = "STORKIT_TOKEN";

/// Why the mode cannot begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// An argument that it does not have, or one without its value.
    #[error("the inner mode __acp-agent has no argument {0}")]
    Unknown(String),
    /// No command after `--`.
    #[error("an agent of runtime acp needs `command` in .storkit/project.toml")]
    NoCommand,
    /// An answer to requests for leave that there is not.
    #[error("permissions are allow, ask or deny, and not {0}")]
    Permissions(String),
    /// No prompt.
    #[error("cannot read the prompt ({PROMPT_VARIABLE}): {0}")]
    Prompt(std::io::Error),
    /// The current folder is gone.
    #[error("there is no current folder: {0}")]
    NoFolder(std::io::Error),
}

/// What is to be started, and what it is to do.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) command: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) task: Task,
}

impl Order {
    /// Reads the arguments, the prompt's file and the current folder.
    pub(super) fn read(mut args: impl Iterator<Item = OsString>) -> Result<Self, OrderError> {
        let mut task = Task::default();
        let unknown = |arg: &OsString| OrderError::Unknown(arg.to_string_lossy().into_owned());
        while let Some(arg) = args.next().filter(|arg| arg != "--") {
            let value = args.next().and_then(|value| value.into_string().ok());
            let value = value.ok_or_else(|| unknown(&arg))?;
            match arg.to_str() {
                Some("--session") => task.session = Some(value),
                Some("--model") => task.model = Some(value),
                Some("--mode") => task.mode = Some(value),
                Some(PERMISSIONS_OPTION) => {
                    let permissions = Permissions::of_name(&value);
                    task.permissions = permissions.ok_or(OrderError::Permissions(value))?;
                }
                Some(ALLOW_OPTION) => task.leave.allowed.push(value),
                Some(REFUSE_OPTION) => task.leave.refused.push(value),
                Some("--mcp") => {
                    let token = std::env::var(TOKEN_VARIABLE).unwrap_or_default();
                    task.mcp = Some(Mcp { url: value, token });
                }
                _ => return Err(unknown(&arg)),
            }
        }
        let command = args.next().ok_or(OrderError::NoCommand)?;
        let path = PathBuf::from(std::env::var_os(PROMPT_VARIABLE).unwrap_or_default());
        task.prompt = std::fs::read_to_string(path).map_err(OrderError::Prompt)?;
        let cwd = std::env::current_dir().map_err(OrderError::NoFolder)?;
        task.cwd = cwd.to_string_lossy().into_owned();
        Ok(Self { command, args: args.collect(), task })
    }
}
