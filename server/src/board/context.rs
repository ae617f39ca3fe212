//! The file of the project's shared context: read whole, and changed so that no two commands lose each other's entry.
//!
//! What stands in it is the core's to say.

use std::fs::File;
use std::io::Read;

use storkit_core::context::ContextError;

use super::Layout;
use crate::sys::fs::{FsError, write_atomic};

/// Most bytes of the file that are read. What is longer is not changed.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Whoever changes the file holds this one's lock, in `run/`.
const LOCK_NAME: &str = "context.lock";

/// Why the context was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// It is not what can be written.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The file cannot be changed without losing some of it.
    #[error(".storkit/context.md is larger than 1 MiB, or not UTF-8")]
    NotText,
}

/// The text of the file; empty where there is none.
pub fn read_context(layout: &Layout) -> Result<String, FsError> {
    Ok(String::from_utf8_lossy(&bytes(layout)?).into_owned())
}

/// Writes what `change` makes of the text; none changes nothing. Answers whether it was changed.
pub fn change_context(
    layout: &Layout,
    change: impl FnOnce(&str) -> Result<Option<String>, ContextError>,
) -> Result<bool, ChangeError> {
    layout.make_run()?;
    let path = layout.run().join(LOCK_NAME);
    let failed = |source| FsError::of("lock", &path, source);
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    // Held until the end; others hold it for as long as one write takes.
    lock.lock().map_err(failed)?;
    let old = bytes(layout)?;
    let whole = u64::try_from(old.len()).is_ok_and(|length| length <= FILE_BYTES_MAX);
    let Some(text) = std::str::from_utf8(&old).ok().filter(|_| whole) else {
        return Err(ChangeError::NotText);
    };
    let Some(new) = change(text)? else { return Ok(false) };
    if new != text {
        write_atomic(&layout.context(), new.as_bytes(), &layout.tmp(), 0o644)?;
    }
    Ok(true)
}

fn bytes(layout: &Layout) -> Result<Vec<u8>, FsError> {
    let path = layout.context();
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FsError::of("read", &path, error)),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storkit_core::context::{entries, set};

    #[test]
    fn commands_that_set_at_once_lose_no_entry() {
        let temp = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(temp.path());
        std::fs::create_dir_all(layout.dot()).expect("a folder");
        std::thread::scope(|scope| {
            for key in ["a", "b", "c", "d", "e", "f"] {
                let layout = &layout;
                scope.spawn(move || {
                    let changed = change_context(layout, |text| set(text, key, "x").map(Some));
                    assert!(changed.expect("changed"));
                });
            }
        });
        let text = read_context(&layout).expect("read");
        let mut keys: Vec<&str> = entries(&text).into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["a", "b", "c", "d", "e", "f"]);
    }

    #[test]
    fn a_file_that_cannot_be_kept_whole_is_left_alone() {
        let temp = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(temp.path());
        std::fs::create_dir_all(layout.dot()).expect("a folder");
        for bytes in [b"\xff\xfe".to_vec(), vec![b'x'; 1024 * 1024 + 1]] {
            std::fs::write(layout.context(), &bytes).expect("written");
            let changed = change_context(&layout, |text| set(text, "a", "x").map(Some));
            assert!(matches!(changed, Err(ChangeError::NotText)), "{changed:?}");
            assert_eq!(std::fs::read(layout.context()).expect("read"), bytes);
        }
    }
}
