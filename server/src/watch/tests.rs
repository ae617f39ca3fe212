//! Watching real folders: what editors, shells and git do comes as hints, and what nobody did does not.

use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use tempfile::TempDir;

use super::*;
use crate::sys::process::command;

struct Bench {
    dir: TempDir,
    layout: Layout,
    hints: Receiver<Hint>,
    watcher: Watcher,
}

/// Longest that a hint is waited for.
const CEILING: Duration = Duration::from_secs(10);

fn project() -> (TempDir, Layout) {
    let dir = tempfile::tempdir().expect("a folder");
    let layout = Layout::new(dir.path());
    for stage in Stage::ALL {
        std::fs::create_dir_all(layout.stage(stage)).expect("made");
    }
    std::fs::create_dir_all(dir.path().join(".git")).expect("made");
    (dir, layout)
}

fn watch(dir: TempDir, layout: Layout) -> Bench {
    let (tell, hints) = channel();
    let git_dir = dir.path().join(".git");
    let watcher = Watcher::start(&layout, &git_dir, move |hint| {
        // The test may have ended.
        let _ = tell.send(hint);
    });
    assert_eq!(watcher.health(), Health::default());
    Bench { dir, layout, hints, watcher }
}

fn bench() -> Bench {
    let (dir, layout) = project();
    watch(dir, layout)
}

impl Bench {
    fn path(&self, stage: Stage, name: &str) -> PathBuf {
        self.layout.stage(stage).join(name)
    }

    fn sh(&self, script: &str) {
        let status = command("sh")
            .args(["-ec", script])
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdout(Stdio::null())
            .status()
            .expect("sh runs");
        assert!(status.success(), "{script}");
    }

    /// All hints until this one came.
    fn until(&self, what: &str, wanted: impl Fn(&Hint) -> bool) -> Vec<Hint> {
        let begin = Instant::now();
        let mut hints = Vec::new();
        loop {
            match self.hints.recv_timeout(CEILING.saturating_sub(begin.elapsed())) {
                Ok(hint) => {
                    hints.push(hint);
                    if wanted(&hints[hints.len() - 1]) {
                        return hints;
                    }
                }
                Err(error) => panic!("{what}: {error}; came {hints:?}"),
            }
        }
    }

    fn until_path(&self, stage: Stage, name: &str) -> Vec<Hint> {
        let key = FileKey::new(stage, name);
        self.until(&key.path(), |hint| matches!(hint, Hint::Paths(paths) if paths.contains(&key)))
    }

    fn until_folder(&self, stage: Stage) -> Vec<Hint> {
        self.until(stage.folder(), |hint| *hint == Hint::Folder(stage))
    }

    /// A file that comes into the folder is told of: by itself, or with its folder where that was only now watched
    /// again; and then the next one is, by itself.
    fn assert_watched(&self, stage: Stage) {
        for attempt in 0..10 {
            let key = FileKey::new(stage, format!("{attempt}_w.md"));
            std::fs::write(self.path(stage, &key.name), "x").expect("written");
            let told = |hint: &Hint| matches!(hint, Hint::Paths(paths) if paths.contains(&key));
            let hints = self.until(&key.path(), |hint| told(hint) || *hint == Hint::Folder(stage));
            if hints.last().is_some_and(told) {
                return;
            }
        }
        panic!("the folder of {stage} is told of again and again, its files are not");
    }

    /// Only hints about this file came, in this list.
    fn only(hints: &[Hint], stage: Stage, name: &str) {
        let key = FileKey::new(stage, name);
        let about = |hint: &Hint| *hint == Hint::Paths(BTreeSet::from([key.clone()]));
        assert!(hints.iter().all(about), "{hints:?}");
    }

    /// A file that marks the end of what was told before it.
    fn mark(&self) -> Vec<Hint> {
        std::fs::write(self.path(Stage::Archived, "0_mark.md"), "x").expect("written");
        let mut hints = self.until_path(Stage::Archived, "0_mark.md");
        hints.retain(
            |hint| !matches!(hint, Hint::Paths(paths) if paths.iter().all(|key| &*key.name == "0_mark.md")),
        );
        hints
    }
}

#[test]
fn a_move_is_told_at_both_ends_at_once() {
    let bench = bench();
    std::fs::write(bench.path(Stage::Backlog, "1_a.md"), "x").expect("written");
    bench.until_path(Stage::Backlog, "1_a.md");
    bench.mark();
    let begin = Instant::now();
    std::fs::rename(bench.path(Stage::Backlog, "1_a.md"), bench.path(Stage::Current, "1_a.md"))
        .expect("moved");
    bench.until_path(Stage::Current, "1_a.md");
    assert!(
        begin.elapsed() < Duration::from_millis(45),
        "no delay is added to a move: {:?}",
        begin.elapsed()
    );
    std::fs::remove_file(bench.path(Stage::Current, "1_a.md")).expect("removed");
    bench.until_path(Stage::Current, "1_a.md");
}

#[test]
fn every_editors_way_of_saving_is_told_and_its_own_files_are_not() {
    let bench = bench();
    let ways = [
        // vim: a swap file, a trial name, the old file renamed away, the new one written.
        "cd .storkit/work/2_current; echo a >.1_a.md.swp; echo >4913; rm 4913; mv 1_a.md 1_a.md~; echo new >1_a.md; rm 1_a.md~ .1_a.md.swp",
        // VS Code: truncated and written in place.
        "echo new >.storkit/work/2_current/1_a.md",
        // JetBrains: a file beside it, renamed over.
        "cd .storkit/work/2_current; echo new >1_a.md___jb_tmp___; mv 1_a.md___jb_tmp___ 1_a.md",
        "sed -i s/e/f/ .storkit/work/2_current/1_a.md",
        "echo more >>.storkit/work/2_current/1_a.md",
        "cp README .storkit/work/2_current/1_a.md",
        "chmod 600 .storkit/work/2_current/1_a.md",
        "rm .storkit/work/2_current/1_a.md",
        "ln README .storkit/work/2_current/1_a.md",
    ];
    std::fs::write(bench.dir.path().join("README"), "x").expect("written");
    std::fs::write(bench.path(Stage::Current, "1_a.md"), "old").expect("written");
    bench.until_path(Stage::Current, "1_a.md");
    for way in ways {
        bench.mark();
        bench.sh(way);
        let hints = bench.until_path(Stage::Current, "1_a.md");
        Bench::only(&hints, Stage::Current, "1_a.md");
    }
}

#[test]
fn a_copy_from_another_file_system_is_told_when_it_is_whole() {
    let bench = bench();
    let other = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let from = other.path().join("1_a.md");
    std::fs::write(&from, "x".repeat(500_000)).expect("written");
    bench.sh(&format!("mv {} .storkit/work/2_current/1_a.md", from.display()));
    bench.until_path(Stage::Current, "1_a.md");
    assert_eq!(std::fs::metadata(bench.path(Stage::Current, "1_a.md")).expect("there").len(), 500_000);
}

#[test]
fn a_file_that_stays_open_is_told_when_it_rests() {
    let bench = bench();
    let mut file = std::fs::File::create(bench.path(Stage::Current, "1_a.md")).expect("made");
    let begin = Instant::now();
    std::io::Write::write_all(&mut file, b"half").expect("written");
    bench.until_path(Stage::Current, "1_a.md");
    assert!(begin.elapsed() >= Duration::from_millis(45), "{:?}", begin.elapsed());
    drop(file);
    bench.until_path(Stage::Current, "1_a.md");
}

#[test]
fn looking_at_the_board_tells_nothing() {
    let bench = bench();
    std::fs::write(bench.path(Stage::Current, "1_a.md"), "x").expect("written");
    bench.until_path(Stage::Current, "1_a.md");
    for stage in Stage::ALL {
        for entry in std::fs::read_dir(bench.layout.stage(stage)).expect("listed") {
            std::fs::read(entry.expect("listed").path()).expect("read");
        }
    }
    std::fs::write(bench.layout.dot().join("run.txt"), "x").expect("written");
    std::fs::write(bench.dir.path().join("src.rs"), "x").expect("written");
    assert_eq!(bench.mark(), []);
}

#[test]
fn configuration_prompts_and_head_are_told() {
    let bench = bench();
    for (file, hint) in [
        (".storkit/project.toml", Hint::Config),
        (".storkit/AGENT.md", Hint::Config),
        (".git/HEAD", Hint::Head),
    ] {
        std::fs::write(bench.dir.path().join("tmp"), "x").expect("written");
        std::fs::rename(bench.dir.path().join("tmp"), bench.dir.path().join(file)).expect("moved");
        bench.until(file, |told| *told == hint);
    }
    // A folder that comes later is watched too.
    std::fs::create_dir(bench.layout.prompts()).expect("made");
    let prompt = bench.layout.prompts().join("coder.md");
    let begin = Instant::now();
    loop {
        std::fs::write(&prompt, "x").expect("written");
        match bench.hints.recv_timeout(Duration::from_millis(50)) {
            Ok(Hint::Config) => break,
            Ok(_) | Err(RecvTimeoutError::Timeout) => assert!(begin.elapsed() < CEILING),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_checkout_by_git_is_told_file_by_file_and_as_head() {
    let (dir, layout) = project();
    std::fs::remove_dir(dir.path().join(".git")).expect("removed");
    let git = "git -c user.name=x -c user.email=x@example.org -c init.defaultBranch=main";
    std::fs::write(layout.stage(Stage::Current).join("1_a.md"), "x").expect("written");
    let setup = format!(
        "{git} init -q; {git} add -A; {git} commit -qm a; {git} branch old; \
         {git} mv .storkit/work/2_current/1_a.md .storkit/work/5_done/; {git} commit -qm b; mkdir -p .storkit/work/2_current"
    );
    let prepared = command("sh")
        .args(["-ec", &setup])
        .current_dir(dir.path())
        .env("HOME", dir.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .status();
    assert!(prepared.expect("sh runs").success());
    let bench = watch(dir, layout);
    bench.sh("git checkout -q old");
    let mut hints = bench.until("HEAD", |hint| *hint == Hint::Head);
    hints.extend(bench.mark());
    let key = FileKey::new(Stage::Current, "1_a.md");
    assert!(hints.iter().any(|hint| matches!(hint, Hint::Paths(paths) if paths.contains(&key))), "{hints:?}");
}

#[test]
fn folders_that_go_and_come_are_watched_again() {
    let bench = bench();
    let stage = bench.layout.stage(Stage::Qa);
    for round in 0..10 {
        std::fs::remove_dir_all(&stage).expect("removed");
        if round % 2 == 0 {
            bench.until_folder(Stage::Qa);
        }
        std::fs::create_dir(&stage).expect("made");
        bench.until_folder(Stage::Qa);
        bench.assert_watched(Stage::Qa);
        bench.mark();
    }
    // Replaced by another folder, in one step.
    let other = bench.layout.dot().join("other");
    std::fs::create_dir(&other).expect("made");
    rustix::fs::renameat_with(
        rustix::fs::CWD,
        &other,
        rustix::fs::CWD,
        &stage,
        rustix::fs::RenameFlags::EXCHANGE,
    )
    .expect("exchanged");
    bench.until_folder(Stage::Qa);
    bench.assert_watched(Stage::Qa);
}

#[test]
fn the_whole_board_may_go_and_come() {
    let bench = bench();
    for (away, back) in [
        ("mv .storkit/work .storkit/away", "mv .storkit/away .storkit/work"),
        ("mv .storkit away", "mv away .storkit"),
        (
            "rm -r .storkit",
            "cd .; mkdir -p .storkit/work; cd .storkit/work; mkdir 1_backlog 2_current 3_qa 4_merge 5_done 6_archived",
        ),
    ] {
        bench.sh(away);
        bench.until_folder(Stage::Archived);
        bench.sh(back);
        bench.until_folder(Stage::Archived);
        for stage in Stage::ALL {
            bench.assert_watched(stage);
        }
    }
    assert_eq!(bench.watcher.health(), Health::default());
}

#[test]
fn more_events_than_the_kernel_keeps_come_as_one_hint_to_look_everywhere() {
    let (dir, layout) = project();
    let (tell, hints) = channel();
    let gate = Arc::new(Mutex::new(()));
    let theirs = Arc::clone(&gate);
    let watcher = Watcher::start(&layout, &dir.path().join(".git"), move |hint| {
        drop(theirs.lock());
        let _ = tell.send(hint);
    });
    let closed = gate.lock().expect("not poisoned");
    let path = layout.stage(Stage::Current).join("1_a.md");
    let most: usize = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(16_384);
    // Each round is at least a creation, a close and a removal, which differ from each other.
    for _ in 0..=most / 3 + 1 {
        std::fs::write(&path, "x").expect("written");
        std::fs::remove_file(&path).expect("removed");
    }
    drop(closed);
    let begin = Instant::now();
    loop {
        match hints.recv_timeout(CEILING.saturating_sub(begin.elapsed())) {
            Ok(Hint::All(_)) => break,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
    drop(watcher);
}

/// Run by the test below, in a user namespace with few watches.
#[test]
#[ignore = "not a test: a helper process of the test below"]
fn part_with_few_watches() {
    let (dir, layout) = project();
    let watcher = Watcher::start(&layout, &dir.path().join(".git"), |_| {});
    println!("degraded: {:?}", watcher.health().degraded);
}

#[test]
fn a_system_without_watches_left_is_told_and_not_fatal() {
    let exe = std::env::current_exe().expect("this program");
    let limit = "echo 3 >/proc/sys/user/max_inotify_watches && exec \"$0\" --ignored --exact --nocapture watch::tests::part_with_few_watches";
    let out = command("unshare").args(["-Ur", "sh", "-ec", limit]).arg(exe).output().expect("unshare runs");
    let text = String::from_utf8_lossy(&out.stdout);
    if !text.contains("degraded: ") {
        return; // No user namespaces here.
    }
    assert!(text.contains("max_user_watches"), "{text}");
}
