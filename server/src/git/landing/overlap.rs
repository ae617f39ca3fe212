//! Whether a person's uncommitted bytes, or an operation in progress, are in the way of moving a checkout of base forward.
//!
//! It only looks. git itself looks again when it moves; this is to name the files, and to do so before the gates run.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use storkit_core::facts::Overlap;
use storkit_core::ids::Oid;

use crate::git::error::GitError;
use crate::git::objects::Change;
use crate::git::refs;
use crate::git::repo::{Checkout, Repo};

/// Most files that are named.
const FILES_MAX: usize = 50;

/// What keeps base from moving from `base` to the tree (or commit) `to` in any checkout of it; none where nothing does.
pub fn overlap(repo: &Repo, base_branch: &str, base: &Oid, to: &Oid) -> Result<Option<Overlap>, GitError> {
    let checkouts = checkouts_of(repo, base_branch)?;
    if checkouts.is_empty() {
        return Ok(None);
    }
    let changes = repo.objects().changes(base, to)?;
    for checkout in checkouts {
        if let Some(found) = overlap_in(repo, &checkout, &changes)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The checkouts that are on the base branch, or go back to it when their rebase or bisect ends.
pub(super) fn checkouts_of(repo: &Repo, base_branch: &str) -> Result<Vec<Checkout>, GitError> {
    let name = refs::head(base_branch);
    let is_on = |checkout: &Checkout| {
        let returns = checkout.busy.as_ref().and_then(|busy| busy.branch.as_ref());
        checkout.branch.as_ref() == Some(&name) || returns == Some(&name)
    };
    Ok(repo.checkouts()?.into_iter().filter(is_on).collect())
}

/// What keeps one checkout from taking these changes.
pub(super) fn overlap_in(
    repo: &Repo,
    checkout: &Checkout,
    changes: &[Change],
) -> Result<Option<Overlap>, GitError> {
    let folder = checkout.pins.work_tree.to_string_lossy().into_owned();
    if let Some(busy) = &checkout.busy {
        return Ok(Some(Overlap { folder, files: Vec::new(), why: busy.what.to_owned() }));
    }
    let mut files = BTreeSet::new();
    let dirty = dirty_paths(repo, checkout)?;
    for path in dirty {
        if changes.iter().any(|change| touches(&change.path, &path)) {
            files.insert(path);
        }
    }
    let gone: BTreeSet<&[u8]> =
        changes.iter().filter(|change| change.new.is_none()).map(|change| change.path.as_slice()).collect();
    for change in changes.iter().filter(|change| change.old.is_none()) {
        if let Some(path) = in_the_way(&checkout.pins.work_tree, &change.path, &gone) {
            files.insert(path);
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    let names = files.iter().take(FILES_MAX).map(|path| String::from_utf8_lossy(path).into_owned());
    Ok(Some(Overlap { folder, files: names.collect(), why: "uncommitted edits".to_owned() }))
}

/// Tracked paths whose content differs from HEAD, staged or not.
fn dirty_paths(repo: &Repo, checkout: &Checkout) -> Result<Vec<Vec<u8>>, GitError> {
    let args =
        ["status", "--porcelain", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules=dirty"];
    let output = repo.git_in(&checkout.pins).args(args).run()?;
    Ok(output.records().filter_map(|record| record.get(3..)).map(<[u8]>::to_vec).collect())
}

/// Whether two paths are the same, or one is a folder that holds the other.
fn touches(one: &[u8], two: &[u8]) -> bool {
    let inside = |outer: &[u8], inner: &[u8]| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    inside(one, two) || inside(two, one)
}

/// The untracked thing, ignored or not, that lies where a new file is to go.
///
/// `gone` are the tracked paths that the same change removes.
fn in_the_way(root: &Path, path: &[u8], gone: &BTreeSet<&[u8]>) -> Option<Vec<u8>> {
    for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let parent = &path[..at];
        match std::fs::symlink_metadata(root.join(OsStr::from_bytes(parent))) {
            Ok(found) if found.is_dir() => {}
            Ok(_) if gone.contains(parent) => return None,
            Ok(_) => return Some(parent.to_vec()),
            Err(_) => return None,
        }
    }
    let place = root.join(OsStr::from_bytes(path));
    let found = std::fs::symlink_metadata(&place).ok()?;
    if found.is_dir() { first_file(&place, path, gone) } else { Some(path.to_vec()) }
}

/// The first file in a folder that the change does not remove itself.
fn first_file(folder: &Path, name: &[u8], gone: &BTreeSet<&[u8]>) -> Option<Vec<u8>> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let inner = [name, b"/", entry.file_name().as_bytes()].concat();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let found = if is_folder {
            first_file(&entry.path(), &inner, gone)
        } else {
            (!gone.contains(inner.as_slice())).then_some(inner)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::touches;

    #[test]
    fn a_path_touches_itself_its_folders_and_what_it_holds() {
        assert!(touches(b"a/b", b"a/b"));
        assert!(touches(b"a", b"a/b"));
        assert!(touches(b"a/b", b"a"));
        assert!(!touches(b"a/b", b"a/bc"));
        assert!(!touches(b"ab", b"a"));
    }
}
