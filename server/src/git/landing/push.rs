//! Base on its way to a remote, after a landing.

use std::time::Duration;

use crate::git::refs;
use crate::git::{GitError, Repo};

/// Longest push.
const PUSH_TIMEOUT: Duration = Duration::from_mins(5);

/// Pushes base to a remote, never by force. The user's credential helpers work; a prompt does not.
pub fn push(repo: &Repo, remote: &str, base_branch: &str) -> Result<(), GitError> {
    let branch = refs::head(base_branch);
    let args = ["push", "--quiet", "--end-of-options", remote, &format!("{branch}:{branch}")];
    repo.git().args(args).timeout(PUSH_TIMEOUT).run().map(|_| ())
}
