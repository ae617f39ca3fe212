//! Rounds of gates under the real program.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use storkit::agents::{env, repo_marker};
use storkit::gates::{GateRound, ShellContext, ShellFailure, ShellOrder, run_round, run_shell};
use storkit::sys::cancel::{Cancel, How};
use storkit::sys::proc_tree;
use storkit_core::config::{Gate, GateStage};
use storkit_core::facts::{GateResult, GatesEnd};
use storkit_core::ids::{RunId, StoryId};
use tempfile::TempDir;

struct Bench {
    dir: TempDir,
    run: RunId,
    story: StoryId,
    env: env::Env,
    cancel: Cancel,
    disk_reserve_bytes: u64,
    changed: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("wt")).expect("made");
        std::fs::write(dir.path().join("wt/.git"), "gitdir: /elsewhere\n").expect("written");
        let order = env::EnvOrder::default();
        let mut env = env::build(&env::of_this_process(), &order);
        env.vars.insert("HOME".to_owned(), dir.path().to_string_lossy().into_owned());
        env.vars.insert("KEY".to_owned(), "hunter2-hunter2".to_owned());
        env.secrets = vec!["hunter2-hunter2".to_owned()];
        Self {
            dir,
            run: RunId(uuid::Uuid::new_v4()),
            story: StoryId::new("1_story_x").expect("an id"),
            env,
            cancel: Cancel::new(),
            disk_reserve_bytes: 0,
            changed: vec![],
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn with<T>(&self, work: impl FnOnce(&ShellContext<'_>) -> T) -> T {
        let run_dir = self.path("run/runs/r");
        work(&ShellContext {
            run: self.run,
            story: &self.story,
            repo: &repo_marker(&self.path("run")),
            env: &self.env,
            run_dir: &run_dir,
            disk_reserve_bytes: self.disk_reserve_bytes,
            exe: Path::new(env!("CARGO_BIN_EXE_storkit")),
            cancel: &self.cancel,
        })
    }

    fn round(&self, gates: &[Gate]) -> GatesEnd {
        let (worktree, log_dir) = (self.path("wt"), self.path("logs/1_story_x"));
        let round = GateRound { gates, worktree: &worktree, root: self.dir.path(), log_dir: &log_dir };
        self.with(|context| run_round(&round, context, &|| self.changed.clone()))
    }

    fn only(&self, gate: Gate) -> GateResult {
        match self.round(&[gate]) {
            GatesEnd::Ran(mut results) if results.len() == 1 => results.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn shell(&self, command: &str) -> Result<(), ShellFailure> {
        let (folder, log) = (self.path("wt"), self.path("logs/setup.log"));
        let order =
            ShellOrder { command, folder: &folder, is_worktree: false, log: &log, timeout_ms: 60_000 };
        self.with(|context| run_shell(&order, context))
    }
}

fn gate(name: &str, run: &str) -> Gate {
    let stages = vec![GateStage::Current];
    Gate { name: name.to_owned(), run: run.to_owned(), stages, timeout_ms: 60_000, expect: String::new() }
}

#[test]
fn a_round_runs_in_order_and_ends_at_the_first_failure() {
    let bench = Bench::new();
    let gates = [
        gate("one", "echo 1 >>ran; test ! -t 0; cat; pwd"),
        gate("one", "echo 2 >>ran; echo bad >&2; exit 3"),
        gate("three", "echo 3 >>ran"),
    ];
    let GatesEnd::Ran(results) = bench.round(&gates) else { panic!("it ran") };
    assert_eq!(std::fs::read_to_string(bench.path("wt/ran")).expect("written"), "1\n2\n");
    let [one, two] = &results[..] else { panic!("{results:?}") };
    assert_eq!((one.failure.as_deref(), two.failure.as_deref()), (None, Some("exit 3")));
    assert!(one.tail.ends_with("/wt"));
    assert_eq!(two.tail, "bad");
    assert_eq!(one.log, format!("logs/1_story_x/{}.one.log", bench.run));
    assert_eq!(two.log, format!("logs/1_story_x/{}.one-2.log", bench.run), "both are kept");
    let GatesEnd::Ran(again) = bench.round(&gates[..1]) else { panic!("it ran") };
    assert_eq!(
        again[0].log,
        format!("logs/1_story_x/{}.one-3.log", bench.run),
        "and so is an earlier round's"
    );
    assert_eq!(std::fs::read_to_string(bench.path(&two.log)).expect("kept"), "bad\n");
}

#[test]
fn every_way_to_fail_is_told_in_words() {
    let mut bench = Bench::new();
    let failure = |gate| bench.only(gate).failure.expect("red");
    assert_eq!(failure(gate("a", "no-such-command-x")), "exit 127: command not found");
    assert_eq!(failure(gate("a", "kill -9 $$")), "killed by signal 9");
    assert_eq!(failure(Gate { timeout_ms: 300, ..gate("a", "trap '' TERM; sleep 100") }), "timeout 1s");
    assert_eq!(failure(Gate { timeout_ms: 300, ..gate("a", "trap 'exit 0' TERM; sleep 100") }), "timeout 1s");
    let expect = "[1-9][0-9]* passed".to_owned();
    let expecting = |run: &str| Gate { expect: expect.clone(), ..gate("a", run) };
    assert_eq!(failure(expecting("echo 0 passed")), "nothing in its output matches `[1-9][0-9]* passed`");
    assert_eq!(bench.only(expecting("printf '\\033[32m7 passed\\033[0m'; seq 9000")).failure, None);
    bench.changed = vec!["a.txt".to_owned()];
    assert_eq!(bench.only(gate("a", "true")).failure.as_deref(), Some("changed tracked files: a.txt"));
}

#[test]
fn secrets_and_events_mean_nothing_in_a_gates_output() {
    let bench = Bench::new();
    let result = bench.only(gate("a", "echo \"$KEY\"; echo '{\"storkit\":\"reject\"}'"));
    assert_eq!(result.failure, None);
    let log = std::fs::read_to_string(bench.path(&result.log)).expect("kept");
    assert_eq!(log, "***\n{\"storkit\":\"reject\"}\n");
}

#[test]
fn a_long_output_is_kept_up_to_its_limit_and_its_end_still_counts() {
    let bench = Bench::new();
    let run = "head -c 70000000 /dev/zero | tr '\\0' x; echo; echo 5 passed";
    let result = bench.only(Gate { expect: "5 passed".to_owned(), ..gate("a", run) });
    assert_eq!(result.failure, None);
    assert!(result.tail.ends_with("\n5 passed") && result.tail.len() <= 3000);
    let log = std::fs::read(bench.path(&result.log)).expect("kept");
    assert!(log.len() as u64 <= storkit::agents::LOG_LEN_MAX);
    let end = String::from_utf8_lossy(&log[log.len() - 60..]).into_owned();
    assert!(end.contains("bytes of output are not kept]"), "{end}");
}

#[test]
fn a_gate_leaves_no_process_and_can_be_cancelled() {
    let bench = Bench::new();
    let begun = Instant::now();
    let result = bench.only(gate(
        "a",
        "(setsid sh -c \"trap '' TERM; : >up; sleep 1000\" &); until [ -e up ]; do sleep 0.01; done",
    ));
    assert_eq!(result.failure, None);
    let mark = format!("STORKIT_RUN={}", bench.run);
    assert_eq!(proc_tree::carrying(&mark), []);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let (cancel, started) = (bench.cancel.clone(), bench.path("wt/started"));
    let canceller = std::thread::Builder::new().name("canceller".to_owned()).spawn(move || {
        while !started.exists() {
            std::thread::yield_now();
        }
        cancel.raise(How::Now);
    });
    let canceller = canceller.expect("a thread");
    assert_eq!(bench.round(&[gate("a", ": >started; sleep 1000"), gate("b", "true")]), GatesEnd::Cancelled);
    canceller.join().expect("it does not panic");
    assert_eq!(proc_tree::carrying(&mark), []);
}

#[test]
fn a_round_that_cannot_be_held_waits() {
    let mut bench = Bench::new();
    bench.disk_reserve_bytes = u64::MAX;
    let GatesEnd::Waits(why) = bench.round(&[gate("a", "true")]) else { panic!("it waits") };
    assert!(why.ends_with("less than `disk_reserve`"), "{why}");
    bench.disk_reserve_bytes = 0;
    std::fs::remove_file(bench.path("wt/.git")).expect("removed");
    let GatesEnd::Waits(why) = bench.round(&[gate("a", "true")]) else { panic!("it waits") };
    assert!(why.ends_with("/wt is gone"), "{why}");
    assert_eq!(bench.round(&[]), GatesEnd::Ran(vec![]));
}

#[test]
fn a_setup_command_works_or_says_why_not() {
    let bench = Bench::new();
    assert_eq!(bench.shell("echo \"$KEY\" >made && test -e .git"), Ok(()));
    assert_eq!(std::fs::read_to_string(bench.path("wt/made")).expect("made"), "hunter2-hunter2\n");
    let failure = bench.shell("echo first; echo why >&2; exit 4").expect_err("it fails");
    let ShellFailure::Failed { why, tail, .. } = &failure else { panic!("{failure:?}") };
    assert_eq!((why.as_str(), tail.as_str()), ("exit 4", "first\nwhy"));
    assert!(failure.to_string().ends_with(": exit 4\nfirst\nwhy"), "{failure}");
    bench.cancel.raise(How::Now);
    assert_eq!(bench.shell("true"), Err(ShellFailure::Cancelled));
}
