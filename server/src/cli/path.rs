//! Looking for a program as a shell would. Looks only.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The file that `program` would be: on `PATH`, or, where it holds a `/`, relative to `folder`.
pub(super) fn program(program: &str, folder: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    program_on(program, folder, &path)
}

/// The same on another `PATH`.
pub(super) fn program_on(program: &str, folder: &Path, path: &OsStr) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(folder.join(program)).filter(|path| is_executable(path));
    }
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
