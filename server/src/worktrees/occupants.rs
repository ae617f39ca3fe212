//! Which processes stand in a folder or hold a file. It looks at /proc; where there is none it knows nothing.

use std::path::{Path, PathBuf};

/// Most processes that are named.
const NAMED_MAX: usize = 5;

/// The processes whose working directory is in `folder`, as `bash (pid 12)`.
pub fn occupants(folder: &Path) -> Vec<String> {
    let inside =
        |process: &Path| std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    processes()
        .into_iter()
        .filter(|process| inside(process))
        .map(|process| name(&process))
        .take(NAMED_MAX)
        .collect()
}

/// Whether a process has that file open; none where the system does not tell.
pub(super) fn is_open(file: &Path) -> Option<bool> {
    if !Path::new("/proc/self/fd").exists() {
        return None;
    }
    let holds = |process: &PathBuf| {
        let Ok(entries) = std::fs::read_dir(process.join("fd")) else { return false };
        entries.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == file))
    };
    Some(processes().iter().any(holds))
}

fn processes() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_pid = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    entries.flatten().filter(|entry| is_pid(&entry.file_name())).map(|entry| entry.path()).collect()
}

fn name(process: &Path) -> String {
    let pid = process.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = std::fs::read(process.join("comm")).unwrap_or_default();
    let name: String = String::from_utf8_lossy(&name).chars().filter(|c| !c.is_control()).collect();
    format!("{name} (pid {pid})")
}
