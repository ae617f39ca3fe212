//! One run in a folder of its own, and ways to look at its processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use storkit::agents::{
    self, Container, Control, LogHead, LogSpec, RunEvent, RunSpec, env, repo_marker, run_in,
};
use storkit::sys::cancel::Cancel;
use storkit::sys::proc_tree::{self, Proc};
use storkit_core::config::Runtime;
use storkit_core::facts::RunFacts;
use storkit_core::ids::{RunId, StoryId};
use storkit_core::runtime::PromptBy;
use storkit_core::stage::Stage;
use tempfile::TempDir;

/// Longest wait for a condition, on a busy machine.
const CEILING: Duration = Duration::from_secs(30);
pub(crate) const HELPER_DIR: &str = "STORKIT_TEST_HELPER_DIR";

pub(crate) fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_storkit"))
}

pub(crate) fn containers() -> Vec<Container> {
    match agents::probe(exe()) {
        Container::PidNamespace => vec![Container::PidNamespace, Container::Subreaper],
        Container::Subreaper => vec![Container::Subreaper],
    }
}

pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < CEILING, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) spec: RunSpec,
    pub(crate) container: Container,
}

impl Bench {
    pub(crate) fn new(container: Container, script: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let spec = spec_in(dir.path(), script);
        Self { dir, spec, container }
    }

    pub(crate) fn run(&self) -> RunFacts {
        run_in(&self.spec, exe(), self.container, &Cancel::new(), &mut |_| {})
    }

    pub(crate) fn start(&self) -> Running {
        let (spec, container) = (self.spec.clone(), self.container);
        let cancel = Cancel::new();
        let (started, starts) = mpsc::channel();
        let handle = cancel.clone();
        let thread = std::thread::Builder::new().name("run".to_owned()).spawn(move || {
            run_in(&spec, exe(), container, &handle, &mut |event| {
                if let RunEvent::Started { pid, container, control } = event {
                    started.send((pid, container, control)).expect("the test waits");
                }
            })
        });
        let thread = thread.expect("a thread");
        let (pid, container, control) = starts.recv_timeout(CEILING).expect("it starts");
        assert_eq!(container, self.container);
        Running { thread, cancel, pid, control }
    }

    /// Starts the run from a process of its own, which can be killed.
    pub(crate) fn start_helper(&self) -> std::process::Child {
        let order = serde_json::json!([self.spec, self.container]).to_string();
        std::fs::write(self.dir.path().join("helper.json"), order).expect("written");
        storkit::sys::process::command(std::env::current_exe().expect("this program"))
            .args(["--exact", "containment::helper_that_runs_and_is_killed", "--ignored"])
            .env(HELPER_DIR, self.dir.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.spec.worktree.join(name)
    }

    pub(crate) fn wait_for_file(&self, name: &str) {
        wait_for(name, || self.file(name).exists());
    }

    pub(crate) fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.spec.log.path).expect("a log");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

pub(crate) struct Running {
    thread: JoinHandle<RunFacts>,
    pub(crate) cancel: Cancel,
    pub(crate) pid: i32,
    pub(crate) control: Control,
}

impl Running {
    pub(crate) fn supervisor(&self) -> Proc {
        let parent = proc_tree::find(self.pid).expect("it runs").parent;
        proc_tree::find(parent).expect("its supervisor runs")
    }

    pub(crate) fn finish(self) -> RunFacts {
        self.thread.join().expect("it does not panic")
    }
}

fn spec_in(dir: &Path, script: &str) -> RunSpec {
    let worktree = dir.join("wt");
    std::fs::create_dir_all(&worktree).expect("made");
    std::fs::write(worktree.join(".git"), "gitdir: /elsewhere\n").expect("written");
    let run = RunId(uuid::Uuid::new_v4());
    let source: BTreeMap<String, String> = env::of_this_process();
    let order = env::EnvOrder { ceiling: dir.to_string_lossy().into_owned(), ..env::EnvOrder::default() };
    let mut vars = env::build(&source, &order).vars;
    vars.insert("HOME".to_owned(), dir.to_string_lossy().into_owned());
    RunSpec {
        run,
        story: StoryId::new("1_story_x").expect("an id"),
        repo: repo_marker(&dir.join("run")),
        worktree,
        needs_git: true,
        run_dir: dir.join("run/runs").join(run.to_string()),
        log: LogSpec {
            path: dir.join("logs").join(format!("{run}.ndjson")),
            head: Some(LogHead {
                stage: Stage::Current,
                agent: "coder-1".to_owned(),
                attempt: 1,
                number: 1,
                at: "2026-11-21T00:00:00Z".to_owned(),
            }),
            disk_reserve_bytes: 0,
        },
        runtime: Runtime::Command,
        resume: None,
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        prompt: Some("Do it.".to_owned()),
        prompt_by: PromptBy::default(),
        env: vars,
        secrets: vec![],
        timeout_ms: 0,
        inactivity_ms: 0,
        terminal: true,
    }
}

/// A shell script that leaves five processes behind by every known way and then says so in `ready`: in the
/// background, ignoring signals, in a session of its own, daemonised, daemonised without its environment.
pub(crate) fn survivors(then: &str) -> String {
    let beat = |name: &str, prefix: &str| {
        format!("trap '' TERM HUP INT; {prefix} : >up.{name}; while :; do sleep 0.05; done")
    };
    format!(
        "(: >up.a; exec sleep 1000) & (: ; {b}) & setsid sh -c \"{c}\" & (setsid sh -c \"{d}\" & ) ; \
         (env -i PATH=\"$PATH\" setsid sh -c \"{e}\" & ) ; \
         while [ $(ls up.* 2>/dev/null | wc -l) -lt 5 ]; do sleep 0.01; done; : >ready; {then}",
        b = beat("b", ""),
        c = beat("c", ""),
        d = beat("d", ""),
        e = beat("e", ""),
    )
}

/// All processes of a run, from its supervisor down.
pub(crate) fn members(running: &Running) -> Vec<Proc> {
    let members = proc_tree::descendants(running.supervisor().pid);
    assert!(members.len() >= 6, "{members:?}");
    members
}

pub(crate) fn living(members: &[Proc]) -> Vec<Proc> {
    members
        .iter()
        .copied()
        .filter(|p| proc_tree::find(p.pid).is_some_and(|now| now.start == p.start))
        .collect()
}
