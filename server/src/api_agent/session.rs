//! Sessions on disk: a file each, the newest ones kept.
//!
//! The folder is storkit's own. A file that cannot be read is a session that is not there.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::history::History;
use super::order::ProviderName;
use crate::sys::fs::{Dir, Entry, FsError, read_capped, write_atomic};

/// Most sessions that are kept.
const SESSIONS_MAX: usize = 200;
/// Longest session, in bytes.
const SESSION_LEN_MAX: u64 = 64 << 20;
/// Longest id.
const ID_LEN_MAX: usize = 64;
/// How the files end.
const SUFFIX: &str = ".json";

/// The folder of the sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    path: PathBuf,
    dir: Dir,
}

/// A file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    provider: ProviderName,
    history: History,
}

impl Sessions {
    /// Opens the folder, and makes it where it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, FsError> {
        let failed = |source: io::Error| FsError::of("open", path, source);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), dir: Dir::open(path).map_err(failed)? })
    }

    /// What was said in a session with that provider; none where there is no such session.
    pub(super) fn load(&self, id: &str, provider: ProviderName) -> Option<History> {
        let (mut file, _) = self.dir.open_file(name(id)?).ok()?;
        let bytes = read_capped(&mut file, SESSION_LEN_MAX).ok()??;
        let kept: Kept = serde_json::from_slice(&bytes).ok()?;
        (kept.provider == provider).then_some(kept.history)
    }

    /// Keeps a session as it is now, and lets the oldest ones go where there are too many.
    pub(super) fn save(&self, id: &str, provider: ProviderName, history: &History) -> Result<(), FsError> {
        let path = self.path.join(name(id).unwrap_or_default());
        let failed = |source: io::Error| FsError::of("write", &path, source);
        let kept = Kept { provider, history: history.clone() };
        let bytes = serde_json::to_vec(&kept).map_err(|error| failed(error.into()))?;
        write_atomic(&path, &bytes, &self.path, 0o600)?;
        self.prune().map_err(failed)
    }

    fn prune(&self) -> io::Result<()> {
        let mut names = Vec::new();
        self.dir.entries(|name, _| names.push(String::from_utf8_lossy(name).into_owned()))?;
        let dated = |name: String| match self.dir.look(&name) {
            Ok(Entry::File(stamp)) => Some((stamp.modified_ns, name)),
            _ => None,
        };
        let mut files: Vec<(i128, String)> = names.into_iter().filter_map(dated).collect();
        files.sort_unstable();
        let excess = files.len().saturating_sub(SESSIONS_MAX);
        for (_, name) in files.into_iter().take(excess) {
            match self.dir.remove(&name) {
                // Another run was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                end => end?,
            }
        }
        Ok(())
    }
}

/// The name of a session's file; none for what is no id.
fn name(id: &str) -> Option<String> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_id = !id.is_empty() && id.len() <= ID_LEN_MAX && id.chars().all(known);
    is_id.then(|| format!("{id}{SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use super::super::history::Item;
    use super::*;

    #[test]
    fn a_session_is_found_again_and_only_by_its_own_provider() {
        let folder = tempfile::tempdir().expect("a folder");
        let sessions = Sessions::open(&folder.path().join("new")).expect("sessions");
        let mut history = History::default();
        history.push(Item::User { text: "hello".into() });
        sessions.save("s-1", ProviderName::OpenAi, &history).expect("saved");
        assert_eq!(sessions.load("s-1", ProviderName::OpenAi), Some(history));
        assert_eq!(sessions.load("s-1", ProviderName::Gemini), None);
        for id in ["s-2", "", "../new/s-1", "s-1.json", &"x".repeat(100)] {
            assert_eq!(sessions.load(id, ProviderName::OpenAi), None, "{id}");
        }
        std::fs::write(folder.path().join("new/s-3.json"), "{").expect("written");
        assert_eq!(sessions.load("s-3", ProviderName::OpenAi), None);
    }

    #[test]
    fn the_oldest_sessions_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let sessions = Sessions::open(folder.path()).expect("sessions");
        let mut history = History::default();
        for number in 0..SESSIONS_MAX + 3 {
            std::fs::write(folder.path().join(format!("{number}.json")), "{}").expect("written");
        }
        history.push(Item::User { text: "hello".into() });
        sessions.save("last", ProviderName::OpenAi, &history).expect("saved");
        let left = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!((left, sessions.load("last", ProviderName::OpenAi)), (SESSIONS_MAX, Some(history)));
    }
}
