//! The daemon's Unix socket `run/socket`: where it is, who may open it, and how a path that is too long is reached.

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The socket's name in `run/`.
pub const SOCKET: &str = "socket";
/// Longest path of a Unix socket that the kernel takes, with its closing zero (Linux: 108; macOS: 104).
const PATH_LEN_MAX: usize = if cfg!(target_os = "linux") { 108 } else { 104 };

/// Why the socket could not be made or reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub struct SocketError {
    action: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

impl SocketError {
    /// Whether nobody listens: there is no socket, or it is left over from a daemon that ended.
    pub fn is_dead(&self) -> bool {
        matches!(self.source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
    }
}

/// Makes the socket in `run_dir`, which becomes 0700, with mode 0600. One that is left over is replaced: the caller
/// holds the repository's lock, so nobody listens on it. What is there and is no socket is an error.
pub(super) fn bind(run_dir: &Path) -> Result<UnixListener, SocketError> {
    let path = run_dir.join(SOCKET);
    let fail = |action| {
        let path = path.clone();
        move |source| SocketError { action, path, source }
    };
    fs::create_dir_all(run_dir).map_err(fail("make the folder of"))?;
    fs::set_permissions(run_dir, Permissions::from_mode(0o700)).map_err(fail("protect the folder of"))?;
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.file_type().is_socket() => fs::remove_file(&path).map_err(fail("replace"))?,
        Ok(_) => {
            let taken = std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "something that is no socket is there",
            );
            return Err(fail("make the socket")(taken));
        }
        Err(_) => {}
    }
    let listener = reach(run_dir, |path| UnixListener::bind(path)).map_err(fail("make the socket"))?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(fail("protect"))?;
    Ok(listener)
}

/// Connects to the socket in `run_dir`.
pub(super) fn connect(run_dir: &Path) -> Result<UnixStream, SocketError> {
    let fail = |source| SocketError { action: "reach", path: run_dir.join(SOCKET), source };
    reach(run_dir, |path| UnixStream::connect(path)).map_err(fail)
}

/// Calls `act` with a path to the socket that is short enough: the plain one, or one through the folder's descriptor.
fn reach<T>(run_dir: &Path, act: impl FnOnce(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
    let path = run_dir.join(SOCKET);
    if path.as_os_str().len() < PATH_LEN_MAX {
        return act(&path);
    }
    let folder = File::open(run_dir)?;
    act(Path::new(&format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd())))
}
