//! Nothing of a run outlives it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use storkit::agents::{self, Container, Marked, RunSpec, run_in};
use storkit::sys::cancel::{Cancel, How};
use storkit::sys::proc_tree::{self};
use storkit_core::facts::ProcessEnd;

use crate::bench::{Bench, HELPER_DIR, containers, exe, living, members, survivors, wait_for};

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
        let mut helper = bench.start_helper();
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
fn daemon_and_supervisor_killed_together_leave_nothing_that_a_sweep_does_not_find() {
    for container in containers() {
        let mut bench = Bench::new(container, &survivors("trap '' TERM; while :; do sleep 1; done"));
        if container == Container::Subreaper {
            bench.spec.args[1] = bench.spec.args[1].replace("env -i PATH=\"$PATH\" ", "");
        }
        let mut helper = bench.start_helper();
        bench.wait_for_file("ready");
        let daemon = i32::try_from(helper.id()).expect("a pid");
        let members = proc_tree::descendants(daemon);
        let supervisor = members.iter().find(|p| p.parent == daemon).copied().expect("it runs");
        // Stopped first, so that it cannot sweep up behind its supervisor.
        let process = proc_tree::find(daemon).expect("it runs");
        assert!(proc_tree::signal(process, rustix::process::Signal::STOP));
        assert!(proc_tree::signal(supervisor, rustix::process::Signal::KILL));
        helper.kill().expect("it runs");
        helper.wait().expect("it is ours");
        if container == Container::Subreaper {
            assert!(agents::sweep(Marked::Repository(&bench.spec.repo)) > 0);
        }
        wait_for("the run's processes to go", || living(&members).is_empty());
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
