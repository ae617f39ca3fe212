//! Opening a file in the person's own editor.

use std::path::Path;

use super::exit::{Exit, Failure, Outcome};
use crate::sys::process;

/// Opens `path` in `$VISUAL`, else `$EDITOR`, else `vi`, in this terminal, and waits.
pub(super) fn open(path: &Path) -> Outcome {
    let chosen = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor =
        chosen.into_iter().find(|editor| !editor.trim().is_empty()).unwrap_or_else(|| "vi".to_owned());
    // By the shell, since the variable may hold arguments; the path is an argument, never text of the script.
    let status = process::command("sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(path)
        .envs(std::env::vars_os())
        .stdin(std::process::Stdio::inherit())
        .status()
        .map_err(|error| Failure::new(format!("cannot start an editor: {error}")))?;
    if status.success() {
        return Ok(Exit::Done);
    }
    Err(Failure::new(format!("the editor `{editor}` ended with {status}")).hint("set $VISUAL or $EDITOR"))
}
