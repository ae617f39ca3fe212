//! Who may come in over TCP: the owner's token, codes that are traded for it once, and a token for each run.
//!
//! Tokens are compared in constant time, kept in memory, and written nowhere but to `run/token`.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use storkit_core::ids::RunId;

use crate::mcp::{Caller, Grant};
use crate::sys::fs::{FsError, read_capped, write_atomic};

/// How long a one-time code can be traded.
const CODE_LIFE: Duration = Duration::from_mins(1);
/// Most codes that wait to be traded; a newer one takes the oldest one's place.
const CODES_MAX: usize = 8;
/// Length of a token or code, in hexadecimal digits.
const TOKEN_LEN: usize = 64;

/// The tokens of one daemon.
#[derive(Debug)]
pub struct Tokens {
    owner: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    codes: VecDeque<(String, Instant)>,
    runs: BTreeMap<RunId, (String, Grant)>,
}

/// A run's token; it opens nothing more when this is dropped.
#[derive(Debug)]
pub struct RunToken {
    tokens: Arc<Tokens>,
    run: RunId,
    /// The token.
    pub token: String,
}

impl Tokens {
    /// Reads the owner's token, or makes one where there is none that can be used. The file is 0600.
    pub fn open(path: &Path, tmp_dir: &Path) -> Result<Self, FsError> {
        let owner = if let Some(token) = kept(path) {
            token
        } else {
            let token = random();
            write_atomic(path, token.as_bytes(), tmp_dir, 0o600)?;
            token
        };
        Ok(Self { owner, inner: Mutex::default() })
    }

    /// Writes the owner's token again where its file is gone.
    pub fn mend(&self, path: &Path, tmp_dir: &Path) -> Result<(), FsError> {
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        write_atomic(path, self.owner.as_bytes(), tmp_dir, 0o600)
    }

    /// A code that can be traded once, soon.
    pub fn code(&self) -> String {
        let code = random();
        let mut inner = self.inner();
        if inner.codes.len() == CODES_MAX {
            inner.codes.pop_front();
        }
        inner.codes.push_back((code.clone(), Instant::now()));
        code
    }

    /// The owner's token for a code, which is used up by it.
    pub(super) fn trade(&self, code: &str) -> Option<String> {
        let mut inner = self.inner();
        inner.codes.retain(|(_, made)| made.elapsed() < CODE_LIFE);
        let at = inner.codes.iter().position(|(known, _)| same(known, code))?;
        inner.codes.remove(at);
        Some(self.owner.clone())
    }

    /// A token for a run, valid until the key is dropped.
    pub fn grant(self: &Arc<Self>, grant: Grant) -> RunToken {
        let (run, token) = (grant.run, random());
        self.inner().runs.insert(run, (token.clone(), grant));
        RunToken { tokens: Arc::clone(self), run, token }
    }

    /// Who has this token.
    pub(super) fn caller(&self, token: &str) -> Option<Caller> {
        if same(&self.owner, token) {
            return Some(Caller::Owner);
        }
        let inner = self.inner();
        let run = inner.runs.values().find(|(known, _)| same(known, token));
        run.map(|(_, grant)| Caller::Run(grant.clone()))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunToken {
    fn drop(&mut self) {
        self.tokens.inner().runs.remove(&self.run);
    }
}

/// The token of an earlier daemon, where nobody else could read or write it.
fn kept(path: &Path) -> Option<String> {
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    let mut file = File::open(path).ok().filter(|_| is_file)?;
    let meta = file.metadata().ok()?;
    if meta.mode() & 0o077 != 0 || meta.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let text = String::from_utf8(read_capped(&mut file, 256).ok()??).ok()?;
    let token = text.trim();
    let good = token.len() == TOKEN_LEN && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| token.to_owned())
}

/// 244 random bits from the system.
fn random() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(known: &str, said: &str) -> bool {
    let differs = known.bytes().zip(said.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
    known.len() == said.len() && std::hint::black_box(differs) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use storkit_core::config::Role;
    use storkit_core::ids::StoryId;

    fn tokens(folder: &Path) -> Arc<Tokens> {
        Arc::new(Tokens::open(&folder.join("token"), folder).expect("tokens"))
    }

    #[test]
    fn the_owners_token_stays_over_a_restart_unless_others_could_read_it() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("token");
        let first = tokens(temp.path()).owner.clone();
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((first.len(), mode(&path)), (TOKEN_LEN, 0o600));
        assert_eq!(tokens(temp.path()).owner, first);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
        let second = tokens(temp.path()).owner.clone();
        assert_ne!(second, first);
        assert_eq!(mode(&path), 0o600);
        std::fs::write(&path, "short").expect("written");
        assert_ne!(tokens(temp.path()).owner, second);
    }

    #[test]
    fn a_token_whose_file_is_gone_is_written_again_and_another_one_stays() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("token");
        let tokens = tokens(temp.path());
        std::fs::remove_file(&path).expect("removed");
        tokens.mend(&path, temp.path()).expect("mended");
        assert_eq!(kept(&path).as_ref(), Some(&tokens.owner));
        std::fs::write(&path, "another").expect("written");
        tokens.mend(&path, temp.path()).expect("looked at");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "another");
    }

    #[test]
    fn a_code_is_traded_once_and_only_so_many_wait() {
        let temp = tempfile::tempdir().expect("a folder");
        let tokens = tokens(temp.path());
        let first = tokens.code();
        assert_eq!(tokens.trade("").as_ref(), None);
        assert_eq!(tokens.trade(&first), Some(tokens.owner.clone()));
        assert_eq!(tokens.trade(&first), None);
        let codes: Vec<String> = (0..=CODES_MAX).map(|_| tokens.code()).collect();
        assert_eq!(tokens.trade(&codes[0]), None);
        assert!(tokens.trade(&codes[1]).is_some());
        assert_eq!(tokens.caller(&codes[2]), None, "a code is no token");
    }

    #[test]
    fn a_code_can_not_be_traded_after_its_time() {
        let temp = tempfile::tempdir().expect("a folder");
        let tokens = tokens(temp.path());
        let code = tokens.code();
        let long_ago = Instant::now().checked_sub(CODE_LIFE).expect("the machine runs for a minute");
        tokens.inner().codes[0].1 = long_ago;
        assert_eq!(tokens.trade(&code), None);
    }

    #[test]
    fn a_runs_token_ends_with_its_run() {
        let temp = tempfile::tempdir().expect("a folder");
        let tokens = tokens(temp.path());
        let story = StoryId::new("1_story_a").expect("an id");
        let grant = Grant { run: RunId(uuid::Uuid::new_v4()), story, role: Role::Coder };
        let key = tokens.grant(grant.clone());
        let token = key.token.clone();
        assert_eq!(tokens.caller(&token), Some(Caller::Run(grant)));
        drop(key);
        assert_eq!(tokens.caller(&token), None);
        assert_eq!(tokens.caller(&tokens.owner), Some(Caller::Owner));
        assert_eq!(tokens.caller(""), None);
    }
}
