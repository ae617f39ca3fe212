//! Where a path of the model's leads: below the worktree, through real folders alone.
//!
//! Each folder is opened from the one above it and no link is followed, so that nothing changes under way. Git's own
//! folder is refused.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::Mode;

use super::{ToolError, Workshop};
use crate::sys::fs::Dir;

/// A file's place: its folder, opened, and its name there.
#[derive(Debug)]
pub(super) struct Place {
    pub folder: Dir,
    pub name: String,
}

/// The parts of a path below the worktree; an absolute one must lead into it.
pub(super) fn parts<'p>(workshop: &Workshop, path: &'p str) -> Result<Vec<&'p str>, ToolError> {
    let refused = |why| ToolError::Path { path: path.to_owned(), why };
    let inside = Path::new(path);
    let inside = if inside.is_absolute() {
        inside.strip_prefix(&workshop.path).map_err(|_| refused("is not in the worktree"))?
    } else {
        inside
    };
    let mut parts = Vec::new();
    for part in inside.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) if name.as_bytes().contains(&0) => return Err(refused("is no path")),
            Component::Normal(name) if name.eq_ignore_ascii_case(".git") => {
                return Err(refused("is git's own: use git by the shell tool"));
            }
            Component::Normal(name) => parts.push(name.to_str().unwrap_or_default()),
            _ => return Err(refused("leads out of the worktree")),
        }
    }
    Ok(parts)
}

/// Opens the folder of a file; where `make` is set, folders that are missing are made.
pub(super) fn find(workshop: &Workshop, path: &str, make: bool) -> Result<Place, ToolError> {
    let mut parts = parts(workshop, path)?;
    let no_file = || ToolError::Path { path: path.to_owned(), why: "is no file" };
    let name = parts.pop().ok_or_else(no_file)?.to_owned();
    let failed = |source: io::Error| failed(path, source);
    let mut folder = workshop.root.sub(".").map_err(failed)?;
    for part in parts {
        folder = match folder.sub(part) {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                make_folder(&folder, part).and_then(|()| folder.sub(part))
            }
            found => found,
        }
        .map_err(failed)?;
    }
    Ok(Place { folder, name })
}

fn make_folder(folder: &Dir, name: &str) -> io::Result<()> {
    match rustix::fs::mkdirat(folder.as_fd(), OsStr::new(name), Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// An error of the system, with the path as the model named it.
pub(super) fn failed(path: &str, source: io::Error) -> ToolError {
    match source.kind() {
        io::ErrorKind::NotADirectory => ToolError::Path {
            path: path.to_owned(),
            why: "goes through a link or a file; links are not followed",
        },
        io::ErrorKind::InvalidInput => ToolError::Path {
            path: path.to_owned(),
            why: "is a link or no regular file; links are not followed",
        },
        _ => ToolError::Io { path: path.to_owned(), source },
    }
}
