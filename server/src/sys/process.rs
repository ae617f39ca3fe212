//! The only place that makes a `Command`, so that every child begins with an environment that was chosen.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command with an empty environment but for `PATH` and `HOME`, and standard input closed.
///
/// A bare name is looked up in the absolute folders of `PATH` here: with a chosen `PATH` std would look it up in a
/// copy of the whole process (`fork`), and a folder that is relative would mean one below the child's own.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    command_on(program, std::env::var_os("PATH").as_deref())
}

/// As [`command`], with this `PATH`.
#[expect(clippy::disallowed_methods, reason = "the one home of Command::new")]
pub fn command_on(program: impl AsRef<OsStr>, path: Option<&OsStr>) -> Command {
    let program = program.as_ref();
    let mut command = match path.and_then(|path| look_up(program, path)) {
        Some(found) => {
            let mut command = Command::new(found);
            command.arg0(program);
            command
        }
        None => Command::new(program),
    };
    command.env_clear().stdin(std::process::Stdio::null());
    let home = std::env::var_os("HOME");
    for (name, value) in [("PATH", path), ("HOME", home.as_deref())] {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
}

/// Where a bare name is found as a shell would find it; none for what is a path already, or is not there.
fn look_up(program: &OsStr, path: &OsStr) -> Option<PathBuf> {
    if program.is_empty()
        || Path::new(program).components().count() != 1
        || program.as_encoded_bytes().contains(&b'/')
    {
        return None;
    }
    let candidates =
        std::env::split_paths(path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(program));
    candidates.into_iter().find(|candidate| {
        candidate.is_file() && rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_found_in_absolute_folders_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("plain"), "x").expect("written");
        let path = format!(".:{}:/bin:/usr/bin", dir.path().display());
        let found = |program: &str, path: &str| look_up(OsStr::new(program), OsStr::new(path));
        assert!(found("sh", &path).is_some_and(|found| found.is_absolute()));
        assert_eq!(found("sh", ".:bin"), None);
        assert_eq!(found("plain", &path), None, "it is not executable");
        assert_eq!(found("/bin/sh", &path), None);
        assert_eq!(found("", &path), None);
        assert_eq!(found("..", &path), None);
        let output = command("sh").args(["-c", "echo $0"]).output().expect("sh runs");
        assert_eq!(output.stdout, b"sh\n", "it sees the name that it was called by");
    }
}
