//! The tools against hostile calls: paths that lead away, files that are none, commands that do not end.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};
use storkit_core::config::Role;
use tempfile::TempDir;

use super::*;

struct Bench {
    /// It holds the worktree `tree` and, beside it, `outside.txt`.
    folder: TempDir,
    workshop: Workshop,
}

impl Bench {
    fn new(role: Role) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).expect("a worktree");
        fs::write(folder.path().join("outside.txt"), "secret").expect("a file");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let env = vec![(OsString::from("PATH"), path), ("HOME".into(), folder.path().into())];
        let workshop = Workshop::open(&tree, role, env).expect("a workshop");
        let bench = Self { folder, workshop };
        bench.done("shell", json!({"command": "git init -q ."}));
        bench
    }

    fn coder() -> Self {
        Self::new(Role::Coder)
    }

    fn tree(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("tree").join(name)
    }

    fn run(&self, name: &str, args: Value) -> Result<Done, ToolError> {
        self.workshop.run(&Call { id: "1".into(), name: name.into(), args: Some(args) })
    }

    #[track_caller]
    fn done(&self, name: &str, args: Value) -> String {
        let done = self.run(name, args).expect("it works");
        assert!(done.ok, "{}", done.text);
        done.text
    }

    #[track_caller]
    fn refused(&self, name: &str, args: Value) -> String {
        self.run(name, args).expect_err("it is refused").to_string()
    }
}

#[test]
fn files_are_written_read_and_edited() {
    let bench = Bench::coder();
    bench.done("write_file", json!({"path": "a/b/c.txt", "content": "one\ntwo\nthree\n"}));
    assert_eq!(
        bench.done("read_file", json!({"path": "./a//b/c.txt", "offset": 2, "limit": 1.0})),
        "    2\ttwo\n[the file has 3 lines]\n"
    );
    let absolute = bench.tree("a/b/c.txt").canonicalize().expect("a path");
    bench.done("edit_file", json!({"path": absolute, "old": "two\n", "new": ""}));
    assert_eq!(fs::read_to_string(bench.tree("a/b/c.txt")).expect("a file"), "one\nthree\n");
    assert!(
        bench.refused("edit_file", json!({"path": "a/b/c.txt", "old": "e", "new": "x"})).contains("3 times")
    );
    assert!(
        bench
            .refused("edit_file", json!({"path": "a/b/c.txt", "old": "two", "new": "x"}))
            .contains("not there")
    );
    assert!(
        bench.refused("edit_file", json!({"path": "a/b/c.txt", "old": "", "new": "x"})).contains("empty")
    );
    assert!(bench.refused("read_file", json!({"path": "none.txt"})).contains("none.txt"));
    assert!(bench.done("read_file", json!({"path": "a/b/c.txt", "offset": 9})).contains("nothing there"));
}

#[test]
fn no_path_leads_out_of_the_worktree_or_into_git() {
    let bench = Bench::coder();
    symlink(bench.folder.path(), bench.tree("up")).expect("a link");
    symlink(bench.folder.path().join("outside.txt"), bench.tree("link.txt")).expect("a link");
    symlink(bench.tree(".git"), bench.tree("g")).expect("a link");
    let outside = bench.folder.path().join("outside.txt");
    let paths = [
        "../outside.txt",
        "a/../../outside.txt",
        "up/outside.txt",
        "link.txt",
        "/etc/passwd",
        "",
        ".",
        "..",
        "/",
        ".git/config",
        ".GIT/config",
        "./.git",
        "sub/.git/hooks/pre-commit",
        "g/config",
        "a\0b",
        outside.to_str().expect("text"),
    ];
    for path in paths {
        bench.refused("read_file", json!({"path": path}));
        bench.refused("write_file", json!({"path": path, "content": "owned"}));
        bench.refused("edit_file", json!({"path": path, "old": "secret", "new": "owned"}));
    }
    assert_eq!(fs::read_to_string(outside).expect("a file"), "secret");
    bench.refused("list_files", json!({"path": "../"}));
    assert_eq!(bench.done("search", json!({"pattern": "secret"})), "[nothing found]");
    assert_eq!(bench.done("search", json!({"pattern": "core", "path": "g"})), "[nothing found]");
}

#[test]
fn a_file_is_replaced_and_what_it_is_linked_to_stays() {
    let bench = Bench::coder();
    fs::write(bench.tree("run.sh"), "old").expect("a file");
    fs::set_permissions(bench.tree("run.sh"), fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::hard_link(bench.tree("run.sh"), bench.folder.path().join("twin")).expect("a link");
    bench.done("write_file", json!({"path": "run.sh", "content": "new"}));
    assert_eq!(fs::read_to_string(bench.folder.path().join("twin")).expect("a file"), "old");
    let mode = fs::metadata(bench.tree("run.sh")).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o755);
    let names = fs::read_dir(bench.tree("")).expect("a folder").count();
    assert_eq!(names, 2, "nothing but .git and the file is left");
}

#[test]
fn files_that_are_huge_binary_or_no_files_do_no_harm() {
    let bench = Bench::coder();
    fs::write(bench.tree("latin1.txt"), b"caf\xe9\n").expect("a file");
    fs::write(bench.tree("binary"), b"a\0b").expect("a file");
    fs::write(bench.tree("long.txt"), "x".repeat(3 << 20)).expect("a file");
    let huge = fs::File::create(bench.tree("huge")).expect("a file");
    huge.set_len(1 << 40).expect("a length");
    bench.done("shell", json!({"command": "mkfifo pipe"}));
    assert!(bench.done("read_file", json!({"path": "latin1.txt"})).contains("caf\u{fffd}"));
    assert!(
        bench.refused("edit_file", json!({"path": "latin1.txt", "old": "caf", "new": "x"})).contains("UTF-8")
    );
    assert!(bench.refused("read_file", json!({"path": "binary"})).contains("binary"));
    assert!(bench.done("read_file", json!({"path": "long.txt"})).len() < OUTPUT_LEN_MAX + 100);
    for path in ["huge", "pipe", "."] {
        bench.refused("read_file", json!({"path": path}));
    }
    bench.refused("write_file", json!({"path": "pipe", "content": "x"}));
    assert!(bench.done("search", json!({"pattern": "caf"})).contains("[nothing found]"));
}

#[test]
fn lists_and_searches_know_what_git_ignores_and_are_bounded() {
    let bench = Bench::coder();
    fs::write(bench.tree(".gitignore"), "ignored\n").expect("a file");
    fs::write(bench.tree("ignored"), "needle").expect("a file");
    fs::create_dir(bench.tree("src")).expect("a folder");
    fs::write(bench.tree("src/a.rs"), "let needle = 1;\n".repeat(300)).expect("a file");
    fs::write(bench.tree("src b.txt"), "a NEEDLE\n").expect("a file");
    assert_eq!(bench.done("list_files", json!({})), ".gitignore\nsrc b.txt\nsrc/a.rs");
    assert_eq!(bench.done("list_files", json!({"path": "src"})), "src/a.rs");
    assert_eq!(bench.done("list_files", json!({"pattern": "\\.txt$"})), "src b.txt");
    assert_eq!(bench.done("search", json!({"pattern": "(?i)NeeDLE$"})), "src b.txt:1:a NEEDLE");
    let found = bench.done("search", json!({"pattern": "needle", "path": "src/a.rs"}));
    assert_eq!((found.lines().count(), found.ends_with("search for less]")), (201, true));
    bench.refused("search", json!({"pattern": "("}));
    bench.refused("search", json!({"pattern": "(a{1000}){1000}"}));
    bench.refused("search", json!({}));
}

#[test]
fn a_commands_output_is_bounded_and_its_end_is_told() {
    let bench = Bench::coder();
    assert_eq!(bench.done("shell", json!({"command": "echo a; echo b >&2"})), "a\nb");
    assert_eq!(bench.done("shell", json!({"command": "cat"})), "[no output]", "it has no input");
    let failed = bench.run("shell", json!({"command": "echo a; exit 3"})).expect("it ran");
    assert_eq!((failed.ok, failed.text.as_str()), (false, "a\n[exit status: 3]"));
    let long = bench.done("shell", json!({"command": "seq 1 100000"}));
    assert!(long.starts_with("1\n2\n") && long.ends_with("100000") && long.contains(" bytes …]"));
    assert!(long.len() < OUTPUT_LEN_MAX);
}

#[test]
fn a_command_ends_in_time_with_all_that_it_started() {
    let bench = Bench::coder();
    let args = json!({"command": "sleep 1000 & echo $! > pid; echo begun; sleep 1000", "timeout_s": 1});
    let done = bench.run("shell", args).expect("it ran");
    assert_eq!((done.ok, done.text.as_str()), (false, "begun\n[killed: it ran longer than 1 s]"));
    assert_gone(&bench.tree("pid"));
    // In the background it holds the pipe, and is ended all the same.
    let begun = std::time::Instant::now();
    bench.done("shell", json!({"command": "sleep 1000 & echo $! > pid"}));
    assert!(begun.elapsed().as_secs() < 60);
    assert_gone(&bench.tree("pid"));
}

#[track_caller]
fn assert_gone(pid: &Path) {
    let pid = fs::read_to_string(pid).expect("a number");
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().expect("a number")).expect("a process");
    let gone = storkit_testkit::poll_until(storkit_testkit::CEILING, || {
        // A zombie that nobody reaps has ended as well.
        let has_ended = match fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => rustix::process::test_kill_process(pid).is_err(),
        };
        has_ended.then_some(())
    });
    assert!(gone.is_some(), "it runs on");
}

#[test]
fn tools_are_those_of_the_role_and_end_the_run() {
    for (role, own, foreign) in
        [(Role::Qa, "reject", "report_merge_failure"), (Role::Mergemaster, "report_merge_failure", "reject")]
    {
        let bench = Bench::new(role);
        let end = bench.run(own, json!({"reason": " no tests "})).expect("it ends").end;
        assert!(matches!(end, Some(End::Rejected(why) | End::GaveUp(why)) if why == "no tests"));
        assert!(bench.refused(foreign, json!({"reason": "x"})).contains("no tool"));
    }
    let bench = Bench::coder();
    bench.refused("reject", json!({"reason": "x"}));
    bench.refused("finish", json!({"summary": " "}));
    bench.refused("ask_human", json!({"question": 7}));
    bench.refused("rm", json!({}));
    let end = bench.run("finish", json!({"summary": "all"})).expect("it ends").end;
    assert_eq!(end, Some(End::Finished("all".into())));
    let unread = Call { id: "1".into(), name: "shell".into(), args: None };
    assert!(bench.workshop.run(&unread).is_err());
}
