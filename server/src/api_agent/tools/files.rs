//! Reading, writing and editing one file.
//!
//! A file is replaced, never written into: what it may be linked to elsewhere stays as it is.

use std::io;
use std::os::unix::fs::PermissionsExt;

use super::place::{self, Place, failed};
use super::{Args, ToolError, Workshop, bounded, wrong};
use crate::sys::fs::{Entry, read_capped, unique_name, write_new};

/// Longest file that is read or written, in bytes.
pub(super) const FILE_LEN_MAX: u64 = 8 << 20;
/// Lines that are read where the model does not say.
const LINES_DEFAULT: u64 = 2000;
/// What a new file may be: the process's mask is applied by hand, since the file is replaced.
const MODE_NEW: u32 = 0o644;

/// `read_file`.
pub(super) fn read(workshop: &Workshop, args: &Args<'_>) -> Result<String, ToolError> {
    let path = args.text("path")?;
    let first = args.number("offset", 1)?.max(1);
    let limit = args.number("limit", LINES_DEFAULT)?;
    let (bytes, _) = whole(&place::find(workshop, path, false)?, path)?;
    if bytes.contains(&0) {
        return Err(wrong(&format!("{path}: a binary file of {} bytes", bytes.len())));
    }
    let text = String::from_utf8_lossy(&bytes);
    let skipped = usize::try_from(first - 1).unwrap_or(usize::MAX);
    let taken = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut shown = String::new();
    for (number, line) in text.lines().enumerate().skip(skipped).take(taken) {
        shown.push_str(&format!("{:>5}\t{line}\n", number + 1));
        if shown.len() > super::OUTPUT_LEN_MAX {
            break;
        }
    }
    let lines = text.lines().count();
    if shown.is_empty() {
        return Ok(format!("[nothing there: the file has {lines} lines]"));
    }
    if skipped.saturating_add(taken) < lines {
        shown.push_str(&format!("[the file has {lines} lines]\n"));
    }
    Ok(bounded(shown))
}

/// `write_file`.
pub(super) fn write(workshop: &Workshop, args: &Args<'_>) -> Result<String, ToolError> {
    let (path, content) = (args.text("path")?, args.text("content")?);
    let place = place::find(workshop, path, true)?;
    let mode = match place.folder.look(&place.name) {
        Ok(Entry::File(_)) => whole(&place, path).map_or(MODE_NEW, |(_, mode)| mode),
        Ok(Entry::Other) => return Err(failed(path, io::ErrorKind::InvalidInput.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => MODE_NEW,
        Err(error) => return Err(failed(path, error)),
    };
    replace(&place, path, content, mode)?;
    Ok(format!("wrote {} bytes to {path}", content.len()))
}

/// `edit_file`.
pub(super) fn edit(workshop: &Workshop, args: &Args<'_>) -> Result<String, ToolError> {
    let (path, old, new) = (args.text("path")?, args.text("old")?, args.text("new")?);
    if old.is_empty() {
        return Err(wrong("`old` is empty: use write_file for a new file"));
    }
    let place = place::find(workshop, path, false)?;
    let (bytes, mode) = whole(&place, path)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(&format!("{path}: is not UTF-8")))?;
    let edited = match text.matches(old).count() {
        0 => return Err(wrong(&format!("{path}: `old` is not there; read the file again"))),
        1 => text.replacen(old, new, 1),
        count => {
            return Err(wrong(&format!("{path}: `old` is there {count} times; take more lines around it")));
        }
    };
    replace(&place, path, &edited, mode)?;
    Ok(format!("edited {path}"))
}

/// All bytes of a regular file, and its permission bits.
pub(super) fn whole(place: &Place, path: &str) -> Result<(Vec<u8>, u32), ToolError> {
    let failed = |source: io::Error| failed(path, source);
    let (mut file, _) = place.folder.open_file(&place.name).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    let bytes = read_capped(&mut file, FILE_LEN_MAX).map_err(failed)?;
    let bytes = bytes.ok_or_else(|| wrong(&format!("{path}: more than {FILE_LEN_MAX} bytes")))?;
    Ok((bytes, mode))
}

fn replace(place: &Place, path: &str, content: &str, mode: u32) -> Result<(), ToolError> {
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > FILE_LEN_MAX {
        return Err(wrong(&format!("{path}: more than {FILE_LEN_MAX} bytes")));
    }
    let name = format!(".{}", unique_name("storkit"));
    let written = write_new(&place.folder, &name, content.as_bytes(), mode)
        .and_then(|()| place.folder.rename_over(&name, &place.folder, &place.name));
    written.map_err(|source| {
        // What is left of it is of no use to anyone.
        let _ = place.folder.remove(&name);
        failed(path, source)
    })
}
