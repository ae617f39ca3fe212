//! `storkit agent check`: starts a configured agent once, without a daemon, and says step by step whether it can work.
//!
//! It works in a scratch worktree on no branch, which goes at any end. It decides nothing about stories.

mod args;
mod ready;
mod steps;
mod trial;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use storkit_core::config::{Agent, Config, Runtime};
use storkit_core::facts::ProcessEnd;
use storkit_core::hints;
use storkit_core::ids::Oid;
use storkit_core::run::RunEnd;
use storkit_core::runtime::{Ending, Resume, remedy};

use super::exit::{Exit, Failure, Outcome, io};
use super::{Context, config, trust};
use crate::agents::env;
use crate::git::Repo;
use crate::sys::cancel::{Cancel, How};
use crate::sys::task;
use crate::worktrees::Scratch;
use args::AgentCheckArgs;
pub(super) use args::AgentCommand;
use ready::Ready;
pub(super) use ready::{Finding, Look};
use steps::{Report, Step};
use trial::{Bench, Seen, Stop};

/// Where the scratch worktree lies, relative to the project's root.
const FOLDER: &str = ".storkit/run/checks";
/// The file that the agent is asked to commit.
const FILE: &str = "storkit-check.txt";
/// How long an agent that is to be stopped may take until it uses a tool.
const AT_WORK_WITHIN: Duration = Duration::from_secs(20);
/// The same for one that does not say what it does.
const SILENT_FOR: Duration = Duration::from_secs(2);
/// What is promised of a stop.
const STOPS_WITHIN: Duration = Duration::from_secs(5);
/// What a person's Ctrl-C leaves an agent before it is killed, in milliseconds.
const INTERRUPT_GRACE_MS: u64 = 2_000;
/// Columns of an agent's answer that are shown.
const ANSWER_COLUMNS: usize = 60;

/// Runs the command.
pub(super) fn check(context: &Context, args: &AgentCheckArgs) -> Outcome {
    let root = &context.project()?.root;
    let config = config::required(root)?;
    let agent = find(&config, &args.name)?;
    trust::settle(context.out, root, &config, args.trust)?;
    let source = env::of_this_process();
    let look = Look { root, agent, trusted: true, source: &source };
    let mut report = Report::new(context.out);
    let ready = look.ready();
    if found(&mut report, &ready)? {
        let cancel = on_signals()?;
        let (base, scratch) = place(root, &config, &cancel)?;
        let exe = std::env::current_exe().map_err(io("find", Path::new("storkit")))?;
        let bench = Bench {
            exe: &exe,
            agent,
            scratch: &scratch,
            source: &source,
            base: &base,
            timeout_ms: u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX),
            cancel: &cancel,
        };
        Trials { bench, report: &mut report, key: look.key(), left: 0 }.go(&ready)?;
        if cancel.raised().is_some() {
            return Err(Failure::new("the check was ended by hand; nothing of it is left"));
        }
    }
    report.finish(agent.name.as_str(), agent.runtime.name())?;
    Ok(if report.has_failed() { Exit::Failed } else { Exit::Done })
}

fn find<'a>(config: &'a Config, name: &str) -> Result<&'a Agent, Failure> {
    config.agents.iter().find(|agent| agent.name.as_str() == name).ok_or_else(|| {
        let names = config.agents.iter().map(|agent| agent.name.as_str());
        let hint = hints::nearest(name, names).map_or_else(
            || "storkit agents lists those of .storkit/project.toml".to_owned(),
            |near| format!("storkit agent check {near}"),
        );
        Failure::new(format!("there is no agent {}", super::text::clean(name)))
            .hint(hint)
            .exit(Exit::NotFound)
    })
}

fn found(report: &mut Report, ready: &Ready) -> Result<bool, Failure> {
    let missing = ready.findings.iter().find(|finding| finding.bad && !ready.is_found());
    match missing.or_else(|| ready.findings.iter().find(|finding| !finding.bad)) {
        Some(one) if one.bad => report.bad(Step::Found, (one.text.clone(), Some(one.fix.clone())))?,
        Some(one) => {
            let text = format!("{}; {}", ready.words(), one.text);
            report.odd(Step::Found, (text, Some(one.fix.clone())))?;
        }
        None => report.good(Step::Found, ready.words())?,
    }
    Ok(ready.is_found())
}

/// The base branch, and a worktree at its tip.
fn place(root: &Path, config: &Config, cancel: &Cancel) -> Result<(String, Scratch), Failure> {
    let failed = |error: crate::git::GitError| Failure::new(error.to_string()).hint("storkit doctor");
    let repo = Repo::open(root).map_err(failed)?;
    let base = match &config.base_branch {
        Some(base) => base.clone(),
        None => repo.base_default().map_err(failed)?.ok_or_else(|| {
            Failure::new("HEAD is detached, and project.toml names no base_branch")
                .hint("base_branch = \"main\" in .storkit/project.toml")
        })?,
    };
    let tip: Oid = repo.branch_tip(&base).map_err(failed)?.ok_or_else(|| {
        Failure::new(format!("base branch {base} does not exist")).hint("commit something to it first")
    })?;
    let scratch = Scratch::make(&repo, FOLDER, &tip, cancel).map_err(failed)?;
    Ok((base, scratch))
}

/// A handle that Ctrl-C and its like raise: the first gently, the second at once.
fn on_signals() -> Result<Cancel, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot listen to signals: {error}"));
    let (mut heard, told) = UnixStream::pair().map_err(failed)?;
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        let told = told.try_clone().map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, told).map_err(failed)?;
    }
    let cancel = Cancel::new();
    let raised = cancel.clone();
    let listen = move || {
        let mut how = How::Gently(INTERRUPT_GRACE_MS);
        while let Ok(1..) = heard.read(&mut [0]) {
            raised.raise(how);
            how = How::Now;
        }
    };
    task::spawn("check-signals", listen).map_err(failed)?;
    Ok(cancel)
}

/// The trials of a check, and what is said of them.
struct Trials<'a> {
    bench: Bench<'a>,
    report: &'a mut Report,
    /// The variable by which the agent is given a key.
    key: Option<String>,
    /// Processes that outlived their trial.
    left: usize,
}

impl Trials<'_> {
    fn go(&mut self, ready: &Ready) -> Result<(), Failure> {
        let mark = format!("stork-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let task = format!(
            "This is a check by storkit, and a task of one minute. The word is {mark} (remember it). \
             Write the file {FILE} in the current folder with this word as its only line, and commit it with git \
             on the current HEAD; make no branch. Then say that you are done."
        );
        let seen = self.run(&task, None, Stop::Never);
        if self.bench.cancel.raised().is_some() {
            return Ok(());
        }
        if self.started(&seen, ready)? && self.answered(&seen, &mark)? {
            self.committed(&seen, &mark)?;
            self.resumed(&seen, &mark)?;
            self.stopped()?;
        }
        match self.left {
            0 if seen.facts.process.is_some() => self.report.good(Step::LeavesNothing, ""),
            0 => Ok(()),
            left => self.report.bad(
                Step::LeavesNothing,
                (format!("{left} processes outlived a run by more than 5 s, and were killed"), None),
            ),
        }
    }

    fn run(&mut self, prompt: &str, resume: Option<&Resume>, stop: Stop) -> Seen {
        let seen = self.bench.run(prompt, resume, stop);
        self.left += seen.left;
        seen
    }

    fn remedy(&self, seen: &Seen) -> Option<String> {
        let ending = seen.facts.ending.as_ref()?;
        remedy(self.bench.agent, ending, self.key.as_deref())
    }

    fn started(&mut self, seen: &Seen, ready: &Ready) -> Result<bool, Failure> {
        let fix =
            || Some(format!("mend command and args of {} in .storkit/project.toml", self.bench.agent.name));
        if let Some(why) = &seen.facts.not_startable {
            self.report.bad(Step::Starts, (why.clone(), fix()))?;
            return Ok(false);
        }
        if seen.facts.worktree_lost {
            let why = "the scratch worktree was removed or replaced under it".to_owned();
            self.report.bad(Step::Starts, (why, fix()))?;
            return Ok(false);
        }
        let first = seen.first.map_or_else(String::new, |first| format!("speaks after {}", seconds(first)));
        self.report.good(Step::Starts, first)?;
        let untrusted =
            matches!(&seen.facts.ending, Some(Ending::Configuration { text }) if text.contains("trust"));
        if untrusted {
            let why = seen.end(0).why().unwrap_or_default();
            let fix = match ready.findings.iter().find(|finding| finding.text.contains("trust")) {
                Some(finding) => Some(finding.fix.clone()),
                None => self.remedy(seen),
            };
            self.report.bad(Step::Trusted, (why, fix))?;
            return Ok(false);
        }
        match self.bench.agent.runtime {
            Runtime::Command | Runtime::OpenAi | Runtime::GeminiApi => {
                self.report.not_applicable(Step::Trusted, "it does not ask")?;
            }
            _ => self.report.good(Step::Trusted, "")?,
        }
        Ok(true)
    }

    fn answered(&mut self, seen: &Seen, mark: &str) -> Result<bool, Failure> {
        let is_command = self.bench.agent.runtime == Runtime::Command;
        let followed = seen.words.contains(mark)
            || self.bench.scratch.text(FILE).is_some_and(|text| text.contains(mark));
        let end = seen.end(self.commits().unwrap_or(0));
        let failure = failure(&end, seen);
        match (followed, &failure) {
            (true, _) => self.report.good(Step::Prompted, "")?,
            (false, _) if is_command => self.report.not_applicable(
                Step::Prompted,
                "nothing that it wrote shows it; its prompt is the file $STORKIT_PROMPT",
            )?,
            (false, Some(_)) if !seen.worked => {}
            (false, _) => {
                let text = "what it did has nothing of its prompt".to_owned();
                let fix =
                    format!("take options that change the prompt out of args of {}", self.bench.agent.name);
                self.report.bad(Step::Prompted, (text, Some(fix)))?;
            }
        }
        if let Some(why) = failure {
            let fix = if seen.facts.time_limit.is_some() {
                Some(
                    "see that this machine reaches the model; storkit agent check --timeout gives it longer"
                        .to_owned(),
                )
            } else {
                self.remedy(seen)
            };
            self.report.bad(Step::Answers, (why, fix))?;
            return Ok(false);
        }
        let answer = seen.facts.summary.as_deref().unwrap_or_default();
        let answer = super::text::cut(&super::text::clean(answer), ANSWER_COLUMNS);
        let said = if answer.is_empty() { String::new() } else { format!(": {answer}") };
        self.report.good(Step::Answers, format!("in {}{said}", seconds(seen.took)))?;
        Ok(true)
    }

    fn commits(&self) -> Result<u32, crate::git::GitError> {
        self.bench.scratch.commits()
    }

    fn committed(&mut self, seen: &Seen, mark: &str) -> Result<(), Failure> {
        let commits = match self.commits() {
            Ok(commits) => commits,
            Err(error) => return self.report.bad(Step::Commits, (error.to_string(), None)),
        };
        let written = self.bench.scratch.text(FILE).is_some_and(|text| text.contains(mark));
        let identity = "git config user.name \"…\"; git config user.email \"…\"".to_owned();
        if commits > 0 && self.bench.scratch.has_committed(FILE).unwrap_or(false) {
            return self.report.good(Step::Commits, FILE);
        }
        if commits > 0 {
            let other = format!("{}, without {FILE}", super::text::count(commits as usize, "commit"));
            return if self.bench.agent.runtime == Runtime::Command {
                self.report.good(Step::Commits, other)
            } else {
                self.report.odd(Step::Commits, (other, None))
            };
        }
        if written {
            let nameless =
                seen.words.contains("tell me who you are") || seen.words.contains("identity unknown");
            let text = "it left its work uncommitted: storkit commits that for it".to_owned();
            return self.report.odd(Step::Commits, (text, nameless.then_some(identity)));
        }
        if self.bench.agent.runtime == Runtime::Command {
            return self.report.odd(Step::Commits, ("it committed nothing".to_owned(), None));
        }
        let refused = self.remedy(seen);
        let fix = refused.or_else(|| {
            let name = &self.bench.agent.name;
            Some(format!("let it write and commit: see args of {name} in .storkit/project.toml"))
        });
        self.report.bad(Step::Commits, (format!("neither a commit nor {FILE} is there"), fix))
    }

    fn resumed(&mut self, first: &Seen, mark: &str) -> Result<(), Failure> {
        if !self.bench.agent.runtime.resumes() {
            return self.report.not_applicable(Step::Resumes, "this runtime has no sessions");
        }
        let Some(session) = first.facts.session.clone() else {
            return self
                .report
                .odd(Step::Resumes, ("it named no session: each run begins anew".to_owned(), None));
        };
        let resume = Resume { session, total: first.facts.session_total.clone() };
        let question =
            "Which word were you told to remember by this check of storkit? Say it. Change no file.";
        let seen = self.run(question, Some(&resume), Stop::Never);
        if self.bench.cancel.raised().is_some() {
            return Ok(());
        }
        let anew = "each run begins anew, with the whole prompt".to_owned();
        if seen.facts.ending == Some(Ending::SessionUnknown) {
            let text = format!("it does not know its session any more: {anew}");
            return self.report.odd(Step::Resumes, (text, None));
        }
        match failure(&seen.end(1), &seen) {
            Some(why) => {
                let fix = self.remedy(&seen);
                self.report.bad(Step::Resumes, (why, fix))
            }
            None if seen.words.contains(mark) => {
                self.report.good(Step::Resumes, "it knows what was said before")
            }
            None => {
                let text = "it does not know what was said before in its session".to_owned();
                self.report.bad(Step::Resumes, (text, Some(anew)))
            }
        }
    }

    fn stopped(&mut self) -> Result<(), Failure> {
        if self.bench.cancel.raised().is_some() {
            return Ok(());
        }
        let silent = self.bench.agent.runtime == Runtime::Command;
        let task = "This is the second part of a check by storkit: run the command `sleep 300` with your shell tool, \
                    in the foreground, and wait until it ends. storkit will stop you meanwhile.";
        let seen = self.run(task, None, Stop::AtWork(if silent { SILENT_FOR } else { AT_WORK_WITHIN }));
        match seen.stopped {
            Some(span) if span <= STOPS_WITHIN => {
                self.report.good(Step::Stops, format!("in {}", seconds(span)))
            }
            Some(span) => {
                let text = format!("only {} after it was told to", seconds(span));
                self.report.bad(
                    Step::Stops,
                    (text, Some("storkit doctor says what holds processes together here".to_owned())),
                )
            }
            None if silent && seen.facts.process == Some(ProcessEnd::Exited(0)) => {
                self.report.good(Step::Stops, format!("it ended by itself in {}", seconds(seen.took)))
            }
            None => {
                let why = failure(&seen.end(1), &seen).unwrap_or_else(|| "it ended by itself".to_owned());
                self.report.odd(Step::Stops, (format!("not seen: {why}"), None))
            }
        }
    }
}

/// Why a trial is no success, in words.
fn failure(end: &RunEnd, seen: &Seen) -> Option<String> {
    match end {
        RunEnd::Done => None,
        RunEnd::Failed(why) if seen.facts.time_limit.is_some() => {
            let last = seen.facts.tail.lines().rev().map(str::trim).find(|line| !line.is_empty());
            let last =
                last.map_or_else(|| "it said nothing".to_owned(), |line| format!("it said last: {line}"));
            Some(format!("it did not end: {why}; {last}"))
        }
        RunEnd::SessionUnknown => Some("it does not know its session".to_owned()),
        RunEnd::TryLater(_) => Some("it wants to be tried again later".to_owned()),
        RunEnd::Question(text) => Some(format!("it asks: {text}")),
        end => Some(end.why().unwrap_or_else(|| end.word().to_owned())),
    }
}

/// `1.3 s`.
fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
