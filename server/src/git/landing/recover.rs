//! After a crash: what landings were on their way, which of them reached base, and the checkouts that they were written into.
//!
//! A path of a checkout is put right only where both its index entry and its bytes are one of the two known states; anything
//! else is a person's, stays, and is named.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use storkit_core::facts::Intent;
use storkit_core::ids::{Oid, StoryId};

use super::advance::{finish_landing, set_landed};
use super::record::{Record, lock_of, lock_path};
use crate::git::command::Pinned;
use crate::git::error::GitError;
use crate::git::objects::Change;
use crate::git::refs;
use crate::git::repo::Repo;
use crate::sys::failpoint::reach;

/// Most paths in one command line.
const CHUNK: usize = 200;

/// What was found at the start.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// The landings that were on their way; the story's stage is for the caller to fill in.
    pub intents: Vec<Intent>,
    /// What a person should look at, in words: files that are neither as before nor as after.
    pub notes: Vec<String>,
}

/// Finishes the landings that reached base, and drops the others. Of those that landed the intent stays until `finish_landing`.
pub fn recover(repo: &Repo, base_branch: &str) -> Result<Recovery, GitError> {
    let _one_at_a_time = repo.lock("landing")?;
    let mut recovery = Recovery::default();
    let prefix = "refs/storkit/landing/";
    for (name, commit) in repo.objects().references(prefix)? {
        let Some(Ok(story)) = name.strip_prefix(prefix).map(StoryId::new) else { continue };
        let Some(base) = repo.branch_tip(base_branch)? else {
            recovery
                .notes
                .push(format!("the landing of {story} waits: base branch {base_branch} does not exist"));
            continue;
        };
        reach("recover.begun");
        let landed = repo.objects().is_ancestor(&commit, &base)?;
        let record = Record::read(repo, &story);
        if let Some(record) = &record {
            let other = if landed { &record.old } else { &commit };
            let expected = if landed { &commit } else { &record.old };
            let left = if base == *expected { settle(repo, record, &base, other)? } else { Vec::new() };
            if !left.is_empty() {
                let folder = record.pins.work_tree.display();
                let files = left.join(", ");
                recovery
                    .notes
                    .push(format!("the landing of {story} was cut short in {folder}; look at {files}"));
            }
        }
        reach("recover.checkout_settled");
        if landed {
            let tip = repo.objects().reference(&refs::landing_tip(&story))?;
            set_landed(repo, &story, tip.as_ref().unwrap_or(&commit), &commit)?;
            reach("recover.landed_set");
        } else {
            finish_landing(repo, &story)?;
            reach("recover.dropped");
        }
        recovery.intents.push(Intent { story, commit, landed, stage: None });
    }
    Ok(recovery)
}

/// Puts a checkout back to base's old tip after a fast-forward to `commit` was cut short; what could not be put back.
pub(super) fn put_back(repo: &Repo, record: &Record, commit: &Oid) -> Result<Vec<String>, GitError> {
    if repo.head_commit(&record.pins)?.as_ref() != Some(&record.old) {
        return Ok(Vec::new());
    }
    settle(repo, record, &record.old, commit)
}

/// Makes each path that differs between `want` (where HEAD is) and `other` as in `want`; the paths that are neither.
fn settle(repo: &Repo, record: &Record, want: &Oid, other: &Oid) -> Result<Vec<String>, GitError> {
    let pins = &record.pins;
    if !pins.work_tree.is_dir() {
        return Ok(Vec::new());
    }
    if lock_of(pins).is_some() {
        if !record.owns_stale_lock() {
            return Ok(vec![lock_path(pins).display().to_string()]);
        }
        let path = lock_path(pins);
        std::fs::remove_file(&path).map_err(GitError::io("remove", &path))?;
    }
    let changes = repo.objects().changes(want, other)?;
    let index = index_of(repo, pins)?;
    let disk = disk_of(repo, pins, &changes)?;
    let (mut restore, mut unlink, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for (change, disk) in changes.iter().zip(disk) {
        let staged = index.get(&change.path);
        let is = |side: &Option<(u32, Oid)>, found: Option<&(u32, Oid)>| same(side.as_ref(), found);
        let (index_want, index_other) = (is(&change.old, staged), is(&change.new, staged));
        let disk = match disk {
            Disk::Is(found) => found,
            Disk::Unknown => {
                left.push(String::from_utf8_lossy(&change.path).into_owned());
                continue;
            }
        };
        let (disk_want, disk_other) = (is(&change.old, disk.as_ref()), is(&change.new, disk.as_ref()));
        if index_want && disk_want {
            continue;
        }
        let disk_known = disk_want || disk_other || is_torn(repo, pins, change, disk.is_some())?;
        if (index_want || index_other) && disk_known {
            if change.old.is_none() && staged.is_none() {
                unlink.push(&change.path);
            } else {
                restore.extend_from_slice(&change.path);
                restore.push(0);
            }
        } else {
            left.push(String::from_utf8_lossy(&change.path).into_owned());
        }
    }
    for path in unlink {
        let path = pins.work_tree.join(OsStr::from_bytes(path));
        std::fs::remove_file(&path).map_err(GitError::io("remove", &path))?;
        // The folders that the fast-forward made; one that holds something refuses.
        let mut folder = path.parent();
        while let Some(parent) = folder.filter(|folder| *folder != pins.work_tree) {
            if std::fs::remove_dir(parent).is_err() {
                break;
            }
            folder = parent.parent();
        }
    }
    if !restore.is_empty() {
        let args = ["restore", "--staged", "--worktree", "--pathspec-from-file=-", "--pathspec-file-nul"];
        let git = repo.git_in(pins).args(args).arg(format!("--source={want}"));
        git.var("GIT_LITERAL_PATHSPECS", "1").stdin(restore).run()?;
    }
    Ok(left)
}

/// What lies on disk at a path.
#[derive(Clone)]
enum Disk {
    /// A file or link of that kind and content, or nothing.
    Is(Option<(u32, Oid)>),
    /// A folder, a socket, something that cannot be read.
    Unknown,
}

/// Whether git was in the middle of writing a file: it is gone, or holds no more than the beginning of what git knows.
fn is_torn(repo: &Repo, pins: &Pinned, change: &Change, exists: bool) -> Result<bool, GitError> {
    if !exists {
        return Ok(true);
    }
    let file = pins.work_tree.join(OsStr::from_bytes(&change.path));
    let is_file = std::fs::symlink_metadata(&file).is_ok_and(|found| found.is_file());
    if !is_file {
        return Ok(false);
    }
    let found = std::fs::read(&file).map_err(GitError::io("read", &file))?;
    for (_, blob) in [&change.old, &change.new].into_iter().flatten() {
        let path = [b"--path=", change.path.as_slice()].concat();
        let git = repo.git_in(pins).args(["cat-file", "--filters"]).arg(OsStr::from_bytes(&path));
        if git.arg(blob.as_str()).run()?.stdout.starts_with(&found) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether two states are the same but for the executable bit.
fn same(one: Option<&(u32, Oid)>, two: Option<&(u32, Oid)>) -> bool {
    let kind = |mode: u32| mode & 0o170_000;
    match (one, two) {
        (None, None) => true,
        (Some((mode, id)), Some((other_mode, other))) => kind(*mode) == kind(*other_mode) && id == other,
        _ => false,
    }
}

/// The index of a checkout, without unmerged entries.
fn index_of(repo: &Repo, pins: &Pinned) -> Result<BTreeMap<Vec<u8>, (u32, Oid)>, GitError> {
    let output = repo.git_in(pins).args(["ls-files", "--stage", "-z"]).run()?;
    let entry = |record: &[u8]| {
        let at = record.iter().position(|byte| *byte == b'\t')?;
        let mut words = std::str::from_utf8(&record[..at]).ok()?.split(' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let id = Oid::new(words.next()?)?;
        (words.next()? == "0").then(|| (record[at + 1..].to_vec(), (mode, id)))
    };
    Ok(output.records().filter_map(entry).collect())
}

/// What lies on disk at each changed path, as git would store it.
fn disk_of(repo: &Repo, pins: &Pinned, changes: &[Change]) -> Result<Vec<Disk>, GitError> {
    let mut found = vec![Disk::Unknown; changes.len()];
    let mut files = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let path = pins.work_tree.join(OsStr::from_bytes(&change.path));
        match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() => files.push(index),
            Ok(meta) if meta.is_symlink() => {
                let target = std::fs::read_link(&path).map_err(GitError::io("read", &path))?;
                let git = repo.git_in(pins).args(["hash-object", "--no-filters", "--stdin"]);
                let id = git.stdin(target.as_os_str().as_bytes()).run()?.oid()?;
                found[index] = Disk::Is(Some((0o120_000, id)));
            }
            Ok(_) => {}
            Err(error) if absent(&error) => found[index] = Disk::Is(None),
            Err(error) => return Err(GitError::Io { action: "look at", path, source: error }),
        }
    }
    for chunk in files.chunks(CHUNK) {
        let paths = chunk.iter().map(|index| OsStr::from_bytes(&changes[*index].path));
        let output = repo.git_in(pins).args(["hash-object", "--"]).args(paths).run()?;
        let text = output.line();
        let ids: Option<Vec<Oid>> = text.lines().map(Oid::new).collect();
        let ids =
            ids.filter(|ids| ids.len() == chunk.len()).ok_or_else(|| output.odd("not one id a file"))?;
        for (index, id) in chunk.iter().zip(ids) {
            found[*index] = Disk::Is(Some((0o100_644, id)));
        }
    }
    Ok(found)
}

fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}
