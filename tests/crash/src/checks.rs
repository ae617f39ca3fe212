//! What must hold when the crashes are over: looked up on the disk and in git, never asked of storkit.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Stdio;

use storkit_core::stage::Stage;
use storkit_testkit::check::{Violation, conservation, history, objects};
use storkit_testkit::{Git, TestProject};

use crate::scene::Scene;

/// Everything that must hold when all stories are done.
pub fn finished(scene: &Scene) -> Vec<Violation> {
    let project = &scene.project;
    [
        conservation(project, &scene.bodies),
        history(project, &scene.from),
        objects(project),
        scene.checkout.violations(project),
        landed_once(scene),
        gated(scene),
        nothing_lost(scene),
        single_owner(scene),
        tidy(project),
    ]
    .concat()
}

/// I8: as many commits on base as stories.
fn landed_once(scene: &Scene) -> Vec<Violation> {
    let range = format!("{}..refs/heads/main", scene.from);
    let count = scene.project.git().lines(&["rev-list", &range]).len();
    if count == scene.count() {
        return Vec::new();
    }
    vec![Violation::new("I8", format!("{count} commits on base for {} stories", scene.count()))]
}

/// I2: the gate passes on every commit of base.
fn gated(scene: &Scene) -> Vec<Violation> {
    let project = &scene.project;
    let git = project.git();
    let range = format!("{}..refs/heads/main", scene.from);
    let mut found = Vec::new();
    for commit in git.lines(&["rev-list", &range]) {
        let tree = project.surroundings().tmp.join(format!("tree-{commit}"));
        std::fs::create_dir_all(&tree).expect("a folder for the tree");
        let index = tree.with_extension("index");
        let mut checkout = git.command(&["read-tree", &commit]);
        assert!(checkout.env("GIT_INDEX_FILE", &index).status().expect("git").success());
        let work_tree = format!("--work-tree={}", tree.display());
        let mut checkout = git.command(&[&work_tree, "checkout-index", "--all", "--force"]);
        assert!(checkout.env("GIT_INDEX_FILE", &index).status().expect("git").success());
        let gate = project.surroundings().command("sh").arg("check.sh").current_dir(&tree).status();
        if !gate.expect("sh").success() {
            found.push(Violation::new("I2", format!("the gate fails on {commit}")));
        }
    }
    found
}

/// I3: everything that an agent wrote into a worktree is in an object that a ref reaches.
fn nothing_lost(scene: &Scene) -> Vec<Violation> {
    let journal = std::fs::read_to_string(scene.journal()).unwrap_or_default();
    let written: BTreeSet<&str> = journal.lines().filter(|line| !line.is_empty()).collect();
    let kept = reachable_bytes(scene.project.git());
    let lost = written.into_iter().filter(|mark| !contains(&kept, mark.as_bytes()));
    lost.map(|mark| Violation::new("I3", format!("no ref reaches {mark}"))).collect()
}

/// The bytes of all objects that refs reach, one after the other.
fn reachable_bytes(git: &Git) -> Vec<u8> {
    let names = git.lines(&["rev-list", "--all", "--objects", "--no-object-names"]).join("\n");
    let mut cat = git.command(&["cat-file", "--batch", "--buffer"]);
    let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git");
    let mut input = child.stdin.take().expect("a piped input");
    std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(names.as_bytes()).expect("git reads all names"));
        child.wait_with_output().expect("git's output").stdout
    })
}

fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

/// I5: no agent met another run of its story.
fn single_owner(scene: &Scene) -> Vec<Violation> {
    let text = std::fs::read_to_string(scene.breaches()).unwrap_or_default();
    text.lines().map(|line| Violation::new("I5", line)).collect()
}

/// I12: nothing is left that only a step of recovery was to use, and nothing that stops the next step.
fn tidy(project: &TestProject) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut left = |what: String| found.push(Violation::new("I12", format!("left behind: {what}")));
    for name in references(project).into_keys() {
        if name.starts_with("refs/storkit/landing") || name.starts_with("refs/heads/feature/") {
            left(name);
        }
    }
    let git_dir = project.root().join(".git");
    for path in files(&git_dir).into_iter().filter(|path| path.strip_suffix(".lock").is_some()) {
        // storkit's own locks are the kernel's, on files that stay. A warm worktree with a lock is thrown away.
        if !path.starts_with("storkit") && !is_of_slot(&git_dir, &path) {
            left(format!(".git/{path}"));
        }
    }
    for path in files(&git_dir.join("storkit-landing")) {
        left(format!("the note of a landing: {path}"));
    }
    let worktrees = project.git().lines(&["worktree", "list", "--porcelain"]);
    for line in worktrees.iter().filter(|line| line.starts_with("worktree ")) {
        if line.contains("/.storkit/worktrees/") && !line.ends_with("/.merge") && !line.contains("/.slot-") {
            left(line.clone());
        }
    }
    let trees = std::fs::read_dir(project.root().join(".storkit/worktrees"));
    for entry in trees.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            left(format!("the worktree {name}"));
        }
    }
    found
}

/// Whether a file of the git directory belongs to the record of a warm worktree.
fn is_of_slot(git_dir: &std::path::Path, path: &str) -> bool {
    let record = path.strip_prefix("worktrees/").and_then(|rest| rest.split('/').next());
    let place =
        record.map(|name| std::fs::read_to_string(git_dir.join("worktrees").join(name).join("gitdir")));
    matches!(place, Some(Ok(place)) if place.contains("/.slot-"))
}

/// Everything that a start of the daemon could change: refs, the board, worktrees.
pub fn state(project: &TestProject) -> BTreeMap<String, String> {
    let mut state = references(project);
    for stage in Stage::ALL {
        for path in files(&project.stage_dir(stage)) {
            let text = std::fs::read_to_string(project.stage_dir(stage).join(&path)).unwrap_or_default();
            state.insert(format!("{stage}/{path}"), text);
        }
    }
    let trees = std::fs::read_dir(project.root().join(".storkit/worktrees"));
    for entry in trees.into_iter().flatten().flatten() {
        state.insert(format!("worktree {}", entry.file_name().to_string_lossy()), String::new());
    }
    // Worktrees are made in advance when nothing else is to be done.
    state.retain(|name, _| !name.starts_with("worktree .slot-"));
    state
}

fn references(project: &TestProject) -> BTreeMap<String, String> {
    let lines = project.git().lines(&["for-each-ref", "--format=%(refname) %(objectname)"]);
    let pair =
        |line: &String| line.split_once(' ').map(|(name, object)| (name.to_owned(), object.to_owned()));
    lines.iter().filter_map(pair).collect()
}

/// The files below a folder, relative to it.
fn files(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            } else if let Ok(path) = entry.path().strip_prefix(folder) {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}
