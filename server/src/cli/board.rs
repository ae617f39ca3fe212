//! `storkit board`: the live board, over the same requests and files as all other commands.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use storkit_core::facts::{Edit, Part};
use storkit_core::front_matter::edit;
use storkit_core::ids::StoryId;
use storkit_core::request::{Reply, Request};
use storkit_core::snapshot::Why;
use storkit_core::stage::Stage;
use storkit_core::story::Kind;
use storkit_core::story_file::content_hash;

use super::exit::{Exit, Failure, Outcome};
use super::figures::{Around, Sizes};
use super::{Context, config, diff, find, history, logs, offline, stories};
use crate::board::{Layout, NewStory};
use crate::git::{DiffOrder, Repo};
use crate::http::client::{Client, ClientError};
use crate::http::{Keys, Shown, WatchEnd};
use crate::ledger::{Reader, runs_of_logs};
use crate::sys::process;
use crate::tui::{Answer, Host, Look, Seen, StoryFile, Trouble};
use crate::worktrees::{self, Ground};

/// Where nothing happens, the board is read again so often.
const QUIET: Duration = Duration::from_secs(5);
/// Events that come so close together are one change.
const TOGETHER: Duration = Duration::from_millis(40);
/// Longest time that a command of the command line may take, and the most that it may print, in bytes.
const COMMAND_WAIT: Duration = Duration::from_mins(1);
const PRINTED_MAX: usize = 1024 * 1024;
/// Characters of base's commit that are shown.
const COMMIT_LEN: usize = 7;

/// Runs the command.
pub(super) fn run(context: &Context) -> Outcome {
    let root = context.project()?.root.clone();
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return Err(Failure::new("the board needs a terminal").hint("storkit status prints the board"));
    }
    let look = Look::of(|name| std::env::var(name).ok());
    crate::tui::run(Arc::new(Project { root, sizes: Sizes::default() }), look)
        .map_err(|error| Failure::new(format!("the terminal cannot be used: {error}")))?;
    Ok(Exit::Done)
}

/// The project that is shown.
struct Project {
    root: PathBuf,
    sizes: Sizes,
}

impl Project {
    fn run_dir(&self) -> PathBuf {
        self.root.join(".storkit/run")
    }

    fn logs_dir(&self) -> PathBuf {
        self.root.join(".storkit/logs")
    }

    /// The daemon, where one runs.
    fn client(&self) -> Answer<Option<Client>> {
        match Client::connect(&self.run_dir()) {
            Ok(client) => Ok(Some(client)),
            Err(ClientError::NotRunning) => Ok(None),
            Err(error) => Err(trouble(error)),
        }
    }

    fn id(&self, story: &str) -> Answer<StoryId> {
        Ok(find::story(&self.root, story)?.id)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self { said: failure.error, hint: failure.hint }
    }
}

fn trouble(error: impl Into<Failure>) -> Trouble {
    error.into().into()
}

fn said(error: impl std::fmt::Display) -> Trouble {
    Trouble { said: error.to_string(), hint: None }
}

impl Host for Project {
    fn look(&self) -> Answer<Seen> {
        let status = match self.client()? {
            Some(client) => client.status(true).map_err(trouble)?,
            None => offline::Offline::look(&self.root)?.status(true),
        };
        let (config, _) = config::in_force(&self.root);
        let repo = Repo::open(&self.root);
        let base = repo.as_ref().ok().and_then(|repo| repo.branch_tip(&status.base_branch).ok().flatten());
        let around =
            Around { root: &self.root, config: &config, repo: repo.as_ref().ok(), base: base.as_ref() };
        let figures = around.figures(&status, &self.sizes);
        let today = jiff::Zoned::now().date();
        let spent = Reader::open(&self.run_dir()).ok().and_then(|reader| reader.spent_since(today));
        Ok(Seen {
            status,
            base: base.map(|commit| commit.as_str().chars().take(COMMIT_LEN).collect()),
            spent_today: spent,
            budget: config.limits.budget_usd,
            tries: config.max_retries,
            figures,
        })
    }

    fn follow(&self, changed: &mut dyn FnMut() -> bool) -> bool {
        let Ok(Some(client)) = self.client() else { return false };
        let Ok(mut events) = client.events(None) else { return false };
        // What happened between the last look and the beginning of the stream is seen by this one.
        while changed() {
            let mut next = events.next(QUIET);
            while let Ok(Some(_)) = next {
                next = events.next(TOGETHER);
            }
            if next.is_err() {
                break;
            }
        }
        true
    }

    fn act(&self, request: &Request) -> Answer<String> {
        let needs_daemon = matches!(
            request,
            Request::Retry { .. } | Request::Pause { .. } | Request::Resume { .. } | Request::Continue { .. }
        );
        let reply = match self.client()? {
            Some(client) => client.ask(request).map_err(trouble)?,
            None if needs_daemon => return Err(Failure::no_daemon("this").into()),
            None => offline::Offline::look(&self.root)?.ask(request.clone())?,
        };
        match reply {
            Reply::Done { message, .. } => Ok(message),
            _ => Err(said("the daemon answered another question")),
        }
    }

    fn why(&self, story: &str) -> Answer<Why> {
        let Some(client) = self.client()? else { return Ok(offline::Offline::look(&self.root)?.why(story)?) };
        match client.ask(&Request::Why { story: story.to_owned() }).map_err(trouble)? {
            Reply::Why(why) => Ok(why),
            _ => Err(said("the daemon answered another question")),
        }
    }

    fn story(&self, story: &str) -> Answer<StoryFile> {
        let found = find::story(&self.root, story)?;
        let runs = match Reader::open(&self.run_dir()) {
            Ok(reader) => reader.runs(Some(&found.id)),
            Err(_) => runs_of_logs(&self.logs_dir(), Some(&found.id)),
        };
        let bytes = std::fs::read(&found.path).map_err(said)?;
        Ok(StoryFile { text: String::from_utf8_lossy(&bytes).into_owned(), runs })
    }

    fn diff(&self, story: &str) -> Answer<String> {
        let story = self.id(story)?;
        let base_branch = match self.client()? {
            Some(client) => client.status(false).map_err(trouble)?.base_branch,
            None => offline::Offline::look(&self.root)?.status(false).base_branch,
        };
        let (config, _) = config::in_force(&self.root);
        let repo = Repo::open(&self.root).map_err(said)?;
        let ground = Ground::new(&repo, &config.worktrees.dir).map_err(diff::failed)?;
        worktrees::diff(
            &ground,
            &DiffOrder { story, base_branch, stat: false, tree: None, since: None, ignore_space: false },
        )
        .map_err(said)
    }

    fn history(&self, story: &str) -> Answer<String> {
        Ok(history::lines(&self.root, Some(&self.id(story)?))?)
    }

    fn transcript(&self, story: &str) -> Answer<String> {
        Ok(logs::last_run(&self.root, &self.logs_dir(), &self.id(story)?)?)
    }

    fn watch(&self, run: &str, keys: Keys, show: &mut dyn FnMut(Shown)) -> Answer<WatchEnd> {
        let client = self.client()?.ok_or_else(|| Failure::no_daemon("watching"))?;
        client.watch_terminal(run, keys, show).map_err(trouble)
    }

    fn undo(&self) -> Answer<String> {
        Ok(history::undone(&self.root, None)?.message)
    }

    fn set_priority(&self, story: &str, priority: u8) -> Answer<String> {
        let found = find::story(&self.root, story)?;
        let bytes = std::fs::read(&found.path).map_err(said)?;
        let edited = edit(&bytes, &[Edit::Priority(priority)]).map_err(said)?;
        let text = String::from_utf8(edited).map_err(said)?;
        let seen = Some(content_hash(&bytes));
        let id = found.id.to_string();
        self.act(&Request::Write { story: id.clone(), part: Part::Whole, text, seen })?;
        Ok(format!("{id}: priority {priority}"))
    }

    fn create(&self, title: &str) -> Answer<String> {
        let new = NewStory { title: title.to_owned(), kind: Kind::Story, stage: Stage::Backlog, body: None };
        let id = stories::create(&Layout::new(&self.root), &new)?;
        Ok(format!("{id}: new in backlog"))
    }

    fn command(&self, words: &[String]) -> Answer<String> {
        let exe = std::env::current_exe().map_err(said)?;
        let mut command = process::command(exe);
        command.arg("-C").arg(&self.root).args(words).envs(std::env::vars_os());
        command.env("NO_COLOR", "1");
        let (ok, printed) = capture(command).map_err(said)?;
        let text = printed.trim_end().to_owned();
        if ok { Ok(text) } else { Err(said(one_line(text.trim_start_matches("error: ")))) }
    }

    fn in_terminal(&self, words: &[String]) -> Answer<()> {
        let exe = std::env::current_exe().map_err(said)?;
        let status = process::command(exe)
            .arg("-C")
            .arg(&self.root)
            .args(words)
            .envs(std::env::vars_os())
            .stdin(Stdio::inherit())
            .status()
            .map_err(said)?;
        let is_edit = words.first().is_some_and(|word| word == "edit");
        if !is_edit || !status.success() {
            wait_for_enter();
        }
        Ok(())
    }
}

/// What a command printed, on one line.
fn one_line(printed: &str) -> String {
    let lines = printed.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// Lets what a command printed stand until it is read.
fn wait_for_enter() {
    let mut stdout = std::io::stdout();
    // A terminal that has gone is noticed by the board itself.
    let _ = write!(stdout, "\r\nEnter goes back to the board. ").and_then(|()| stdout.flush());
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}

/// Runs a command to its end and gives whether it did well and what it printed, on either stream; ended where it
/// takes too long or prints too much.
fn capture(mut command: std::process::Command) -> std::io::Result<(bool, String)> {
    let (mut output, input) = std::io::pipe()?;
    let mut child = command.stdout(input.try_clone()?).stderr(input).spawn()?;
    // Its ends of the pipe are the child's alone from here on.
    drop(command);
    let begun = Instant::now();
    let mut bytes = Vec::new();
    let mut piece = [0; 8192];
    loop {
        let left = COMMAND_WAIT.saturating_sub(begun.elapsed());
        let timeout = Timespec::try_from(left).unwrap_or_default();
        let ready = poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&timeout));
        let len = if matches!(ready, Ok(1..)) { output.read(&mut piece)? } else { 0 };
        if len == 0 || bytes.len() > PRINTED_MAX {
            break;
        }
        bytes.extend_from_slice(&piece[..len]);
    }
    if begun.elapsed() >= COMMAND_WAIT || bytes.len() > PRINTED_MAX {
        child.kill()?;
        bytes.extend_from_slice("\n… cut here".as_bytes());
    }
    let status = child.wait()?;
    Ok((status.success(), String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_prints_is_caught_on_both_streams() {
        let mut command = process::command("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        assert_eq!(capture(command).expect("ran"), (false, "one\ntwo\n".to_owned()));
        let mut endless = process::command("sh");
        endless.args(["-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"]);
        let (ok, text) = capture(endless).expect("ran");
        assert!(!ok && text.len() < PRINTED_MAX * 2 && text.ends_with("cut here"));
    }
}
