//! Where the built programs are, and whether they are built from the sources that are there.
//!
//! Cargo tells a package's path to its own tests alone, so the programs are looked for beside the running test,
//! in the same target folder and profile. A program older than one of its sources would make a test of
//! yesterday's code: that is a failure with the command that mends it, and never a build from inside a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The built `storkit`; `STORKIT_BIN` names another one, which is not looked at further.
///
/// # Panics
/// When it is not built, or not from the present sources.
pub fn storkit() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match std::env::var_os("STORKIT_BIN") {
        Some(path) => PathBuf::from(path),
        None => built("storkit"),
    })
}

/// The built fake agent.
///
/// # Panics
/// As [`storkit`].
pub fn fake_agent() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| built("storkit-fake-agent"))
}

fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this program's path");
    // target/<profile>/deps/<test>-<hash>, or a program of the tests in target/<profile>
    let folder = test.parent().expect("a program lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let program = profile.join(name);
    if let Err(why) = fresh(&program) {
        panic!("{why}; build it first: cargo build --workspace --bins");
    }
    program
}

/// Why a built program cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Stale {
    /// It is not there.
    Missing(PathBuf),
    /// This source is newer, or gone.
    Source(PathBuf, PathBuf),
}

impl std::fmt::Display for Stale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(program) => write!(f, "{} is not built", program.display()),
            Self::Source(program, source) => {
                write!(f, "{} is older than {}", program.display(), source.display())
            }
        }
    }
}

/// Compares a program with the sources that cargo noted beside it, in `<program>.d`.
fn fresh(program: &Path) -> Result<(), Stale> {
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let missing = || Stale::Missing(program.to_owned());
    let built: SystemTime = changed(program).ok_or_else(missing)?;
    let notes = fs::read_to_string(program.with_extension("d")).map_err(|_| missing())?;
    match sources(&notes).into_iter().find(|source| changed(source).is_none_or(|at| at > built)) {
        Some(source) => Err(Stale::Source(program.to_owned(), source)),
        None => Ok(()),
    }
}

/// The paths behind the colon of a make-style dependency line; a space in a path is written `\ `.
fn sources(notes: &str) -> Vec<PathBuf> {
    let Some((_, list)) = notes.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let list = list.replace("\\ ", "\0");
    list.split_whitespace().map(|path| PathBuf::from(path.replace('\0', " "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn aged(path: &Path, seconds_ago: u64) {
        fs::write(path, "x").expect("a file");
        let at = SystemTime::now() - Duration::from_secs(seconds_ago);
        fs::File::options().write(true).open(path).and_then(|file| file.set_modified(at)).expect("a time");
    }

    #[test]
    fn a_program_older_than_a_source_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| dir.path().join(name);
        assert_eq!(fresh(&path("p")), Err(Stale::Missing(path("p"))));
        aged(&path("p"), 100);
        aged(&path("a b.rs"), 200);
        let notes = format!("{}: {}/a\\ b.rs\n", path("p").display(), dir.path().display());
        fs::write(path("p.d"), notes).expect("notes");
        assert_eq!(fresh(&path("p")), Ok(()));
        aged(&path("a b.rs"), 50);
        assert_eq!(fresh(&path("p")), Err(Stale::Source(path("p"), path("a b.rs"))));
        fs::remove_file(path("a b.rs")).expect("removed");
        assert_eq!(fresh(&path("p")), Err(Stale::Source(path("p"), path("a b.rs"))));
    }
}
