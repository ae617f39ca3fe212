//! What an agent is given, how its output is kept, and how its end is told.

use std::path::Path;

use serde_json::Value;
use storkit::agents::{self, Container, RunEvent, run_in};
use storkit::sys::cancel::{Cancel, How};
use storkit::sys::proc_tree::Proc;
use storkit_core::facts::ProcessEnd;

use crate::bench::{Bench, containers, exe};

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
        assert_eq!(facts.usage.first().map(|usage| usage.input_tokens), Some(3));
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
