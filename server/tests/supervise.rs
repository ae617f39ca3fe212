//! Runs under the real program: whatever a run starts, and however it or its supervisor ends, nothing stays.
//!
//! Every case is tried in each container that this machine can make.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use storkit::agents::{
    self, Container, Control, LogHead, LogSpec, Marked, RunEvent, RunSpec, env, repo_marker, run_in,
};
use storkit::sys::cancel::{Cancel, How};
use storkit::sys::proc_tree::{self, Proc};
use storkit_core::facts::{ProcessEnd, RunFacts};
use storkit_core::ids::{RunId, StoryId};
use storkit_core::stage::Stage;
use tempfile::TempDir;

/// Longest wait for a condition, on a busy machine.
const CEILING: Duration = Duration::from_secs(30);
const HELPER_DIR: &str = "STORKIT_TEST_HELPER_DIR";

fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_storkit"))
}

fn containers() -> Vec<Container> {
    match agents::probe(exe()) {
        Container::PidNamespace => vec![Container::PidNamespace, Container::Subreaper],
        Container::Subreaper => vec![Container::Subreaper],
    }
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < CEILING, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

struct Bench {
    dir: TempDir,
    spec: RunSpec,
    container: Container,
}

impl Bench {
    fn new(container: Container, script: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let spec = spec_in(dir.path(), script);
        Self { dir, spec, container }
    }

    fn run(&self) -> RunFacts {
        run_in(&self.spec, exe(), self.container, &Cancel::new(), &mut |_| {})
    }

    fn start(&self) -> Running {
        let (spec, container) = (self.spec.clone(), self.container);
        let cancel = Cancel::new();
        let (started, starts) = mpsc::channel();
        let handle = cancel.clone();
        let thread = std::thread::spawn(move || {
            run_in(&spec, exe(), container, &handle, &mut |event| {
                if let RunEvent::Started { pid, container, control } = event {
                    started.send((pid, container, control)).expect("the test waits");
                }
            })
        });
        let (pid, container, control) = starts.recv_timeout(CEILING).expect("it starts");
        assert_eq!(container, self.container);
        Running { thread, cancel, pid, control }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.spec.worktree.join(name)
    }

    fn wait_for_file(&self, name: &str) {
        wait_for(name, || self.file(name).exists());
    }

    fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.spec.log.path).expect("a log");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

struct Running {
    thread: JoinHandle<RunFacts>,
    cancel: Cancel,
    pid: i32,
    control: Control,
}

impl Running {
    fn supervisor(&self) -> Proc {
        let parent = proc_tree::find(self.pid).expect("it runs").parent;
        proc_tree::find(parent).expect("its supervisor runs")
    }

    fn finish(self) -> RunFacts {
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
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        prompt: Some("Do it.".to_owned()),
        env: vars,
        secrets: vec![],
        timeout_ms: 0,
        inactivity_ms: 0,
        terminal: true,
    }
}

/// A shell script that leaves five processes behind by every known way and then says so in `ready`: in the
/// background, ignoring signals, in a session of its own, daemonised, daemonised without its environment.
fn survivors(then: &str) -> String {
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
fn members(running: &Running) -> Vec<Proc> {
    let members = proc_tree::descendants(running.supervisor().pid);
    assert!(members.len() >= 6, "{members:?}");
    members
}

fn living(members: &[Proc]) -> Vec<Proc> {
    members
        .iter()
        .copied()
        .filter(|p| proc_tree::find(p.pid).is_some_and(|now| now.start == p.start))
        .collect()
}

#[test]
fn an_agent_that_exits_takes_everything_it_started_with_it() {
    for container in containers() {
        let bench = Bench::new(container, &survivors("while [ ! -e go ]; do sleep 0.01; done; exit 7"));
        let running = bench.start();
        bench.wait_for_file("ready");
        let members = members(&running);
        let begun = Instant::now();
        std::fs::write(bench.file("go"), "").expect("written");
        let facts = running.finish();
        assert_eq!(facts.process, Some(ProcessEnd::Exited(7)), "{container:?}");
        assert!(!facts.cancelled);
        assert_eq!(living(&members), [], "{container:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{container:?}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_stop_ends_what_ignores_it_after_the_grace_and_now_ends_it_at_once() {
    for container in containers() {
        for (how, at_most) in [(How::Gently(300), 3), (How::Now, 2)] {
            let bench = Bench::new(container, &survivors("trap '' TERM; while :; do sleep 1; done"));
            let running = bench.start();
            bench.wait_for_file("ready");
            let members = members(&running);
            let begun = Instant::now();
            running.cancel.raise(how);
            let facts = running.finish();
            assert!(facts.cancelled, "{container:?}");
            assert_eq!(living(&members), [], "{container:?}");
            assert!(begun.elapsed() < Duration::from_secs(at_most), "{container:?}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_process_that_forks_its_successor_all_the_time_is_caught() {
    for container in containers() {
        let bench =
            Bench::new(container, "setsid sh ./comet & until [ -s seen ]; do sleep 0.01; done; echo done");
        std::fs::write(bench.file("comet"), "trap '' TERM; echo . >>seen; setsid sh ./comet &\n")
            .expect("written");
        let begun = Instant::now();
        let facts = bench.run();
        assert_eq!(facts.process, Some(ProcessEnd::Exited(0)));
        assert!(begun.elapsed() < Duration::from_secs(6), "{container:?}: {:?}", begun.elapsed());
        let mark = format!("STORKIT_RUN={}", bench.spec.run);
        assert_eq!(proc_tree::carrying(&mark), [], "{container:?}");
    }
}

#[test]
fn a_gentle_stop_lets_an_agent_put_its_things_away() {
    for container in containers() {
        let bench = Bench::new(
            container,
            "trap 'echo tidied; : >tidied; exit 0' TERM; : >ready; while :; do sleep 0.05; done",
        );
        let running = bench.start();
        bench.wait_for_file("ready");
        running.cancel.raise(How::Gently(20_000));
        let facts = running.finish();
        assert!(facts.cancelled);
        assert_eq!(facts.process, Some(ProcessEnd::Exited(0)));
        assert!(bench.file("tidied").exists());
        assert!(facts.tail.contains("tidied"));
    }
}

#[test]
fn the_end_of_the_daemon_is_the_end_of_the_run() {
    for container in containers() {
        let bench = Bench::new(container, &survivors("trap '' TERM; while :; do sleep 1; done"));
        let order = serde_json::json!([bench.spec, bench.container]).to_string();
        std::fs::write(bench.dir.path().join("helper.json"), order).expect("written");
        let mut helper = storkit::sys::process::command(std::env::current_exe().expect("this program"))
            .args(["--exact", "helper_that_runs_and_is_killed", "--ignored"])
            .env(HELPER_DIR, bench.dir.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        bench.wait_for_file("ready");
        let members = proc_tree::descendants(i32::try_from(helper.id()).expect("a pid"));
        assert!(members.len() >= 7, "{members:?}");
        helper.kill().expect("it runs");
        helper.wait().expect("it is ours");
        let begun = Instant::now();
        wait_for("the run's processes to go", || living(&members).is_empty());
        assert!(begun.elapsed() < Duration::from_secs(5), "{container:?}: {:?}", begun.elapsed());
        let log = bench.log();
        assert_eq!(log.last().map(|line| &line["how"]), Some(&Value::from("stopped")));
    }
}

#[test]
#[ignore = "not a test: the process that a test kills"]
fn helper_that_runs_and_is_killed() {
    let Some(dir) = std::env::var_os(HELPER_DIR) else { return };
    let order = std::fs::read(Path::new(&dir).join("helper.json")).expect("an order");
    let (spec, container): (RunSpec, Container) = serde_json::from_slice(&order).expect("JSON");
    run_in(&spec, exe(), container, &Cancel::new(), &mut |_| {});
}

#[test]
fn a_killed_supervisor_is_told_as_lost_and_swept_up_behind() {
    for container in containers() {
        let script =
            format!("echo '{{\"storkit\":\"session\",\"id\":\"s-1\"}}'; {}", survivors("sleep 1000"));
        let mut bench = Bench::new(container, &script);
        if container == Container::Subreaper {
            // Without a namespace what has thrown its environment away cannot be found any more.
            bench.spec.args[1] = script.replace("env -i PATH=\"$PATH\" ", "");
        }
        let running = bench.start();
        bench.wait_for_file("ready");
        let members = members(&running);
        let supervisor = running.supervisor();
        assert!(proc_tree::signal(supervisor, rustix::process::Signal::KILL));
        let facts = running.finish();
        assert_eq!(facts.process, Some(ProcessEnd::Lost));
        assert!(!facts.cancelled);
        assert_eq!(facts.session.as_deref(), Some("s-1"), "what was said before is known");
        wait_for("the run's processes to go", || living(&members).is_empty());
    }
}

#[test]
fn a_sweep_ends_only_this_repositorys_processes() {
    let bench = Bench::new(Container::Subreaper, ": >ready; exec sleep 1000");
    let other = Bench::new(Container::Subreaper, ": >ready; exec sleep 1000");
    let (running, spared) = (bench.start(), other.start());
    bench.wait_for_file("ready");
    other.wait_for_file("ready");
    assert!(agents::sweep(Marked::Repository(&bench.spec.repo)) >= 1);
    assert_eq!(running.finish().process, Some(ProcessEnd::Signalled(9)));
    assert!(proc_tree::find(spared.pid).is_some());
    assert_eq!(agents::sweep(Marked::Repository("/no/such/repository")), 0);
    spared.cancel.raise(How::Now);
    assert!(spared.finish().cancelled);
}

#[test]
fn a_grandchild_that_holds_the_terminal_does_not_delay_the_end() {
    for container in containers() {
        let bench = Bench::new(container, "sleep 1000 & echo last words");
        let begun = Instant::now();
        let facts = bench.run();
        assert_eq!(facts.process, Some(ProcessEnd::Exited(0)));
        assert_eq!(facts.tail, "last words");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

#[test]
fn output_is_kept_whole_in_order_and_with_its_end() {
    for container in containers() {
        for terminal in [true, false] {
            let mut bench =
                Bench::new(container, "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done");
            bench.spec.terminal = terminal;
            let facts = bench.run();
            assert_eq!(facts.process, Some(ProcessEnd::Exited(0)));
            assert!(facts.tail.ends_with("line 2999"), "{}", facts.tail);
            let text: String = bench
                .log()
                .iter()
                .filter(|line| line["ev"] == "out")
                .map(|line| line["text"].as_str().expect("text").replace('\r', ""))
                .collect();
            let expected: String =
                (0..3000).flat_map(|i| ["line ".to_owned(), i.to_string(), "\n".to_owned()]).collect();
            assert_eq!(text, expected);
        }
    }
}

#[test]
fn a_flood_fills_neither_disk_nor_memory_and_loses_no_end() {
    let [container, ..] = containers()[..] else { unreachable!("there is always one") };
    let flood = "head -c 90000000 /dev/zero | tr '\\0' x; printf '\\n{\"storkit\":\"summary\",\"text\":\"flooded\"}\\n'; exit 3";
    let mut bench = Bench::new(container, flood);
    bench.spec.terminal = false;
    let running = bench.start();
    let supervisor = running.supervisor();
    let mut peak = 0;
    while let Some(kib) = resident_kib(supervisor) {
        peak = peak.max(kib);
    }
    let facts = running.finish();
    assert_eq!(facts.process, Some(ProcessEnd::Exited(3)));
    assert_eq!(facts.summary.as_deref(), Some("flooded"));
    let len = std::fs::metadata(&bench.spec.log.path).expect("a log").len();
    assert!(len > 40_000_000 && len <= agents::LOG_LEN_MAX, "{len}");
    assert!(peak < 64_000, "{peak} KiB");
    let text = std::fs::read_to_string(&bench.spec.log.path).expect("a log");
    let last: Vec<Value> =
        text.lines().rev().take(3).map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(last[0]["ev"], "end");
    assert_eq!(last[0]["exit"], 3);
    assert_eq!(last[1]["ev"], "missing");
    assert!(last[1]["bytes"].as_u64().is_some_and(|bytes| bytes > 20_000_000), "{}", last[1]);
    assert_eq!(last[2]["ev"], "summary");
}

fn resident_kib(process: Proc) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_run_ends_at_its_time_limit_and_after_silence_but_not_while_it_works() {
    for container in containers() {
        let mut bench = Bench::new(container, "trap '' TERM; while :; do echo on; sleep 0.05; done");
        bench.spec.timeout_ms = 700;
        let facts = bench.run();
        assert_eq!(facts.time_limit.as_deref(), Some("timeout 1s"));
        assert!(!facts.cancelled);
        assert_eq!(bench.log().last().expect("lines")["how"], "timed_out");

        let mut bench = Bench::new(container, "sleep 1000");
        bench.spec.inactivity_ms = 600;
        assert_eq!(bench.run().time_limit.as_deref(), Some("no output for 1s"));

        let mut bench = Bench::new(container, "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo done");
        bench.spec.inactivity_ms = 300;
        let facts = bench.run();
        assert_eq!((facts.time_limit, facts.process), (None, Some(ProcessEnd::Exited(0))), "CPU time counts");
    }
}

#[test]
fn what_cannot_start_says_why() {
    for container in containers() {
        for (command, why) in [
            ("no-such-agent", "command `no-such-agent` is not on PATH"),
            ("", "no command is configured"),
            ("./bad-shebang", "the interpreter that `./bad-shebang` names in its first line is missing"),
            ("./plain", "command `./plain`: is not executable"),
        ] {
            let mut bench = Bench::new(container, "");
            bench.spec.command = command.to_owned();
            std::fs::write(bench.file("plain"), "echo").expect("written");
            std::fs::write(bench.file("bad-shebang"), "#!/no/such/interpreter\n").expect("written");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(bench.file("bad-shebang"), mode).expect("set");
            let facts = bench.run();
            assert_eq!(facts.not_startable.as_deref(), Some(why), "{container:?}");
            assert_eq!(facts.process, None);
        }
    }
}

#[test]
fn a_lost_worktree_ends_the_run() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("removed", |wt| std::fs::rename(wt, wt.with_extension("away")).expect("moved")),
        ("replaced", |wt| {
            std::fs::rename(wt, wt.with_extension("away")).expect("moved");
            std::fs::create_dir(wt).expect("made");
        }),
        ("without .git", |wt| std::fs::remove_file(wt.join(".git")).expect("removed")),
        ("with another .git", |wt| std::fs::write(wt.join(".git"), "gitdir: /evil\n").expect("written")),
    ];
    for (what, change) in changes {
        let [container, ..] = containers()[..] else { unreachable!("there is always one") };
        let bench = Bench::new(container, ": >ready; trap '' TERM; while :; do sleep 1; done");
        let running = bench.start();
        bench.wait_for_file("ready");
        change(&bench.spec.worktree);
        let facts = running.finish();
        assert!(facts.worktree_lost, "{what}: {facts:?}");
        assert!(!facts.cancelled && facts.not_startable.is_none());
    }
    let bench = Bench::new(Container::Subreaper, ":");
    std::fs::remove_file(bench.file(".git")).expect("removed");
    assert!(bench.run().worktree_lost, "it begins without one");
    std::fs::remove_dir_all(&bench.spec.worktree).expect("removed");
    assert!(bench.run().worktree_lost, "it begins without a folder");
}

#[test]
fn an_agent_finds_terminal_folder_prompt_and_marks() {
    for container in containers() {
        let mut bench = Bench::new(
            container,
            "test -t 0 && test -t 1 && stty size; pwd; cat \"$STORKIT_PROMPT\"; echo; echo \"$0 $STORKIT_RUN\"; echo $SECRET; ls /proc/self/exe",
        );
        bench.spec.env.insert("SECRET".to_owned(), "hunter2-hunter2".to_owned());
        bench.spec.secrets = vec!["hunter2-hunter2".to_owned()];
        bench.spec.args.push("({{prompt}})".to_owned());
        let facts = bench.run();
        let worktree = bench.spec.worktree.canonicalize().expect("there");
        let expected = format!(
            "40 120\n{}\nDo it.\n(Do it.) {}\n***\n/proc/self/exe",
            worktree.display(),
            bench.spec.run
        );
        assert_eq!(facts.tail, expected);
        let log = std::fs::read_to_string(&bench.spec.log.path).expect("a log");
        assert!(!log.contains("hunter2"));
        assert!(!bench.spec.run_dir.join("order.json").exists(), "it holds secrets");
        let kept = bench.spec.log.path.with_extension("prompt.md");
        assert_eq!(std::fs::read_to_string(kept).expect("kept"), "Do it.");
    }
}

#[test]
fn a_person_can_type_into_the_terminal() {
    for container in containers() {
        let bench = Bench::new(container, ": >ready; read line; stty size; echo \"got $line\"");
        let running = bench.start();
        bench.wait_for_file("ready");
        running.control.resize(80, 24);
        running.control.input("hé llo\n".as_bytes());
        let facts = running.finish();
        assert!(facts.tail.ends_with("24 80\ngot hé llo"), "{:?}", facts.tail);
    }
}

#[test]
fn events_are_told_at_once_and_in_the_end() {
    for container in containers() {
        let script = "printf 'work \\033[1mhard\\033[0m\\n{\"storkit\":\"usage\",\"input_tokens\":3,\"output_tokens\":1}\\n'; \
             printf '\\033[32m{\"storkit\":\"question\",\"text\":\"A or B?\"}\\033[0m\\n'; exit 75";
        let bench = Bench::new(container, script);
        let mut told = 0;
        let facts = run_in(&bench.spec, exe(), container, &Cancel::new(), &mut |event| {
            told += u32::from(matches!(event, RunEvent::Agent(_)));
        });
        assert_eq!(told, 2);
        assert_eq!(facts.question.as_deref(), Some("A or B?"));
        assert_eq!(facts.usage.map(|usage| usage.input_tokens), Some(3));
        assert_eq!(facts.process, Some(ProcessEnd::Exited(75)));
        let kinds: Vec<String> =
            bench.log().iter().map(|line| line["ev"].as_str().expect("a kind").to_owned()).collect();
        assert_eq!(kinds.first().map(String::as_str), Some("start"));
        assert_eq!(kinds.last().map(String::as_str), Some("end"));
        assert!(kinds.contains(&"usage".to_owned()) && kinds.contains(&"question".to_owned()));
    }
}

#[test]
fn a_signal_is_told_from_an_exit() {
    for container in containers() {
        let facts = Bench::new(container, "kill -SEGV $$").run();
        assert_eq!(facts.process, Some(ProcessEnd::Signalled(11)), "{container:?}");
        let facts = Bench::new(container, "exit 139").run();
        assert_eq!(facts.process, Some(ProcessEnd::Exited(139)), "{container:?}");
    }
}

#[test]
fn a_run_that_is_cancelled_before_it_begins_starts_nothing() {
    let bench = Bench::new(Container::Subreaper, ": >ready");
    let cancel = Cancel::new();
    cancel.raise(How::Now);
    let facts = run_in(&bench.spec, exe(), bench.container, &cancel, &mut |_| {});
    assert!(facts.cancelled);
    assert!(!bench.spec.run_dir.exists() && !bench.file("ready").exists());
}
