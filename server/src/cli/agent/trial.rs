//! One run of the agent that is checked: started as the daemon starts one, in the scratch worktree, and listened to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use storkit_core::config::{Agent, Role};
use storkit_core::facts::RunFacts;
use storkit_core::ids::{RunId, StoryId};
use storkit_core::leave::Leave;
use storkit_core::run::{RunEnd, classify};
use storkit_core::runtime::{self, AgentEvent, LaunchOrder, Resume};
use storkit_core::stage::Stage;

use crate::agents::env::{self, EnvOrder};
use crate::agents::{self, LogHead, LogSpec, RUN_VARIABLE, RunEvent, RunSpec};
use crate::sys::cancel::{Cancel, How};
use crate::sys::proc_tree;
use crate::sys::task;
use crate::worktrees::Scratch;

/// What a run's processes have between TERM and KILL, as at `storkit stop`.
const STOP_GRACE_MS: u64 = 3_000;
/// Most bytes of an agent's words that are looked through.
const WORDS_LEN_MAX: usize = 64 << 10;
/// What stands for a story's id.
const STORY: &str = "storkit-check";

/// What all trials of a check share.
pub(super) struct Bench<'a> {
    /// storkit's own program.
    pub exe: &'a Path,
    /// The agent.
    pub agent: &'a Agent,
    /// Where it works.
    pub scratch: &'a Scratch,
    /// storkit's own environment.
    pub source: &'a BTreeMap<String, String>,
    /// The branch that it would land on.
    pub base: &'a str,
    /// Longest run, in milliseconds.
    pub timeout_ms: u64,
    /// The person's Ctrl-C.
    pub cancel: &'a Cancel,
}

/// When a trial is stopped by storkit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Not at all.
    Never,
    /// As soon as it uses a tool, and after so long in any case.
    AtWork(Duration),
}

/// Why there was no trial.
#[derive(Debug, thiserror::Error)]
enum NoTrial {
    #[error("the runtime {0} has no adapter yet")]
    NoAdapter(&'static str),
    #[error("cannot make the check's folder: {0}")]
    NoFolder(std::io::Error),
}

/// What was seen of a trial.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How it ended.
    pub facts: RunFacts,
    /// From its start to the first that it said.
    pub first: Option<Duration>,
    /// From its start to its end.
    pub took: Duration,
    /// From the order to stop to the end of everything; none where it ended before.
    pub stopped: Option<Duration>,
    /// Its words, and what it gave to tools and got from them.
    pub words: String,
    /// Whether it was at work: said something, or used a tool.
    pub worked: bool,
    /// How many of its processes were still there afterwards.
    pub left: usize,
}

impl Seen {
    /// What the run came to.
    pub(super) fn end(&self, commits: u32) -> RunEnd {
        let mut facts = self.facts.clone();
        facts.branch.ahead = commits;
        classify(&facts, Role::Coder, true)
    }

    fn hear(&mut self, event: &AgentEvent) {
        let (AgentEvent::Text { text: said }
        | AgentEvent::Result { text: said, ok: true }
        | AgentEvent::Summary { text: said }
        | AgentEvent::ToolResult { text: said, .. }
        | AgentEvent::ToolUse { input: said, .. }) = event
        else {
            return;
        };
        self.worked = true;
        if self.words.len() + said.len() < WORDS_LEN_MAX {
            self.words.push_str(said);
            self.words.push('\n');
        }
    }
}

impl Bench<'_> {
    /// Runs the agent with a prompt, in a session where one is named.
    pub(super) fn run(&self, prompt: &str, resume: Option<&Resume>, stop: Stop) -> Seen {
        let mut seen = Seen::default();
        let run = RunId(uuid::Uuid::new_v4());
        let spec = match self.spec(run, prompt, resume) {
            Ok(spec) => spec,
            Err(why) => {
                seen.facts.not_startable = Some(why.to_string());
                return seen;
            }
        };
        let cancel = Cancel::new();
        let own = cancel.clone();
        self.cancel.on_raise(move |how| own.raise(how));
        let begun = Instant::now();
        let stopper = Stopper::start(stop, &cancel);
        let mut stop_at = None;
        seen.facts = agents::run(&spec, self.exe, &cancel, &mut |event| {
            if let RunEvent::Agent(event) = event {
                seen.first.get_or_insert_with(|| begun.elapsed());
                seen.hear(&event);
                if matches!((stop, event), (Stop::AtWork(_), AgentEvent::ToolUse { .. })) {
                    stop_at.get_or_insert_with(Instant::now);
                    cancel.raise(How::Gently(STOP_GRACE_MS));
                }
            }
        });
        seen.took = begun.elapsed();
        let stopped = stop_at.or_else(|| stopper.and_then(Stopper::end));
        seen.stopped = stopped.filter(|_| seen.facts.cancelled).map(|at| at.elapsed());
        seen.left = proc_tree::carrying(&format!("{RUN_VARIABLE}={run}")).len();
        if seen.left > 0 {
            agents::sweep(agents::Marked::Run(run));
        }
        seen
    }

    fn spec(&self, run: RunId, prompt: &str, resume: Option<&Resume>) -> Result<RunSpec, NoTrial> {
        let agent = self.agent;
        let name = agent.runtime.name();
        let adapter = runtime::adapter(agent.runtime).ok_or(NoTrial::NoAdapter(name))?;
        let files = self.scratch.files();
        let (run_dir, sessions) = (files.join(run.to_string()), files.join("sessions"));
        let tmp = run_dir.join("tmp");
        let story_file = files.join(format!("{STORY}.md"));
        let written =
            make(&tmp).and_then(|()| make(&sessions)).and_then(|()| std::fs::write(&story_file, prompt));
        written.map_err(NoTrial::NoFolder)?;
        let launch = (adapter.launch)(&LaunchOrder {
            agent,
            run,
            resume,
            leave: &Leave::default(),
            prompt,
            mcp_url: None,
            is_root: rustix::process::geteuid().is_root(),
            tmp: tmp.to_str(),
            exe: self.exe.to_str().unwrap_or_default(),
            sessions: &sessions.to_string_lossy(),
        });
        let mut order = EnvOrder::of(agent, &launch);
        order.ceiling = self.scratch.ceiling().display().to_string();
        order.own = vec![
            ("STORKIT_STORY", STORY.to_owned()),
            ("STORKIT_STORY_FILE", story_file.display().to_string()),
            ("STORKIT_STAGE", Stage::Current.name().to_owned()),
            ("STORKIT_AGENT", agent.name.to_string()),
            ("STORKIT_ATTEMPT", "1".to_owned()),
            ("STORKIT_BASE", self.base.to_owned()),
            ("STORKIT_BASE_COMMIT", self.scratch.tip().to_string()),
        ];
        let env = env::build(self.source, &order);
        let head = LogHead {
            stage: Stage::Current,
            agent: agent.name.to_string(),
            attempt: 1,
            number: 1,
            at: jiff::Timestamp::now().to_string(),
        };
        Ok(RunSpec {
            run,
            story: StoryId::new(STORY).expect("a fixed id that fits"),
            // Not the project's: a daemon that starts meanwhile sweeps those.
            repo: agents::repo_marker(&files),
            worktree: self.scratch.path(),
            needs_git: true,
            run_dir,
            log: LogSpec {
                path: files.join(format!("{run}.ndjson")),
                head: Some(head),
                disk_reserve_bytes: 0,
            },
            runtime: agent.runtime,
            resume: resume.cloned(),
            command: launch.command,
            args: launch.args,
            prompt: Some(prompt.to_owned()),
            prompt_by: launch.prompt,
            env: env.vars,
            secrets: env.secrets,
            timeout_ms: self.timeout_ms,
            inactivity_ms: agent.inactivity_timeout_ms,
            terminal: true,
        })
    }
}

fn make(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Stops a run when its time has come, unless it has ended.
struct Stopper {
    over: Sender<()>,
    thread: std::thread::JoinHandle<Option<Instant>>,
}

impl Stopper {
    fn start(stop: Stop, cancel: &Cancel) -> Option<Self> {
        let Stop::AtWork(span) = stop else { return None };
        let (over, ended) = channel::<()>();
        let cancel = cancel.clone();
        let body = move || {
            if ended.recv_timeout(span) != Err(RecvTimeoutError::Timeout) {
                return None;
            }
            let at = Instant::now();
            cancel.raise(How::Gently(STOP_GRACE_MS));
            Some(at)
        };
        Some(Self { over, thread: task::spawn("check-stop", body).ok()? })
    }

    /// When it stopped the run, where it did.
    fn end(self) -> Option<Instant> {
        drop(self.over);
        self.thread.join().ok().flatten()
    }
}
