//! The only place that makes a `Command`, so that every child begins with an environment that was chosen.

use std::ffi::OsStr;
use std::process::Command;

/// A command with an empty environment but for `PATH` and `HOME`, and standard input closed.
#[expect(clippy::disallowed_methods, reason = "the one home of Command::new")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(std::process::Stdio::null());
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}
