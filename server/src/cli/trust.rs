//! Whether a person has said that this clone's agents, setup and gates may run: a mark beside `storkit.lock`.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use storkit_core::config::Config;

use super::exit::{Failure, io};
use super::out::Out;
use super::text::clean;

/// The mark's name in git's common folder: each line is the root of a project that is trusted.
const MARK: &str = "storkit.trusted";

/// The git folder that all worktrees of the project at `root` share.
pub(super) fn common_dir(root: &Path) -> Result<PathBuf, Failure> {
    let repo = crate::git::Repo::open(root).map_err(|error| Failure::new(error.to_string()))?;
    Ok(repo.common().to_owned())
}

/// Whether the project at `root` is trusted.
pub(super) fn is_trusted(common: &Path, root: &Path) -> bool {
    let marks = fs::read(common.join(MARK)).unwrap_or_default();
    let root = root.as_os_str().as_encoded_bytes();
    marks.split(|byte| *byte == b'\n').any(|line| line == root)
}

/// Notes that the project at `root` is trusted.
pub(super) fn trust(common: &Path, root: &Path) -> Result<(), Failure> {
    if is_trusted(common, root) {
        return Ok(());
    }
    let path = common.join(MARK);
    let mut line = root.as_os_str().as_encoded_bytes().to_vec();
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(io("open", &path))?;
    file.write_all(&line).and_then(|()| file.sync_all()).map_err(io("write", &path))
}

/// Sees to it that the project is trusted: by its mark, by `--trust`, or by asking.
pub(super) fn settle(out: Out, root: &Path, config: &Config, given: bool) -> Result<(), Failure> {
    let common = common_dir(root)?;
    if is_trusted(&common, root) {
        return Ok(());
    }
    if !given {
        let what = would_run(config);
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(Failure::new(format!("this clone is not trusted yet. storkit would run:\n{what}"))
                .hint("storkit up --trust, when these commands may run"));
        }
        let mut stderr = anstream::stderr().lock();
        let _ = write!(
            stderr,
            "This clone is not trusted yet. storkit would run:\n{what}Run these commands here? [y/N] "
        );
        let _ = stderr.flush();
        drop(stderr);
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| Failure::new(format!("no answer: {error}")))?;
        if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Err(Failure::new("not trusted: nothing was started"));
        }
    }
    trust(&common, root)?;
    out.say("this clone is trusted now");
    Ok(())
}

/// Everything of the configuration that is a program, as it would be run.
fn would_run(config: &Config) -> String {
    let mut text = String::new();
    for agent in &config.agents {
        let command = if agent.command.is_empty() { agent.runtime.name() } else { &agent.command };
        let words: Vec<String> =
            std::iter::once(command).chain(agent.args.iter().map(String::as_str)).map(clean).collect();
        let _ = writeln!(text, "  agent {}: {}", agent.name, words.join(" "));
    }
    let trees = &config.worktrees;
    let own = trees
        .setup
        .iter()
        .map(|run| ("setup", run))
        .chain(trees.teardown.iter().map(|run| ("teardown", run)));
    for (what, run) in own {
        let _ = writeln!(text, "  {what}: {}", clean(run));
    }
    for component in &config.components {
        let parts = component
            .setup
            .iter()
            .map(|run| ("setup", run))
            .chain(component.teardown.iter().map(|run| ("teardown", run)));
        for (what, run) in parts {
            let _ = writeln!(text, "  {what} of {}: {}", clean(&component.name), clean(run));
        }
    }
    for gate in &config.gates {
        let _ = writeln!(text, "  gate {}: {}", clean(&gate.name), clean(&gate.run));
    }
    for rule in &config.notify {
        let _ = writeln!(text, "  notify: {}", clean(&rule.channel.label()));
    }
    if text.is_empty() {
        text.push_str("  nothing yet: there are no agents, setup or gates\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_for_one_root_alone() {
        let common = tempfile::tempdir().expect("a folder");
        let (one, other) = (Path::new("/a/project"), Path::new("/a/project2"));
        assert!(!is_trusted(common.path(), one));
        trust(common.path(), one).expect("marked");
        trust(common.path(), one).expect("marked once");
        assert!(is_trusted(common.path(), one));
        assert!(!is_trusted(common.path(), other));
        assert_eq!(fs::read_to_string(common.path().join(MARK)).expect("the mark"), "/a/project\n");
    }
}
