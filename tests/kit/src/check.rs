//! Checkers of the promises: they look at a real project afterwards, with nothing but the disk and git.
//!
//! Each gives what it found wrong, so that a test can also show that a checker would have seen it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::time::Duration;

use storkit_core::stage::Stage;

use crate::processes;
use crate::project::TestProject;
use crate::wait::poll_until;

/// How long what a run started may outlive it, or its daemon.
pub const SURVIVES_AT_MOST: Duration = Duration::from_secs(5);

/// A promise that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its number in docs/ARCHITECTURE.md, such as `I1`.
    pub invariant: &'static str,
    /// What was found.
    pub detail: String,
}

impl Violation {
    /// A violation of `invariant`.
    pub fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// Fails the test where anything was found.
///
/// # Panics
/// With one line for each violation.
#[track_caller]
pub fn assert_none(violations: &[Violation]) {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "promises broken:\n{}", lines.join("\n"));
}

/// What must hold for every project at every time: [`conservation`], [`history`] since `from`, [`objects`].
#[track_caller]
pub fn always(project: &TestProject, bodies: &Bodies, from: &str) -> Vec<Violation> {
    [conservation(project, bodies), history(project, from), objects(project)].concat()
}

/// The bodies that a story may have: what persons and storkit wrote, by story id.
pub type Bodies = BTreeMap<String, BTreeSet<String>>;

/// The bodies of the stories that are on the board now.
pub fn bodies(project: &TestProject) -> Bodies {
    let mut found = Bodies::new();
    for (_, id, text) in board(project) {
        found.entry(id).or_default().insert(body(&text).to_owned());
    }
    found
}

/// I1: each story is in exactly one stage, and its body is one that somebody wrote.
pub fn conservation(project: &TestProject, allowed: &Bodies) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut seen: BTreeMap<String, Vec<Stage>> = BTreeMap::new();
    for (stage, id, text) in board(project) {
        match allowed.get(&id) {
            None => found.push(Violation::new("I1", format!("{id} came from nowhere, in {stage}"))),
            Some(bodies) if !bodies.contains(body(&text)) => {
                found.push(Violation::new("I1", format!("{id} has a body nobody wrote: {:?}", body(&text))));
            }
            Some(_) => {}
        }
        seen.entry(id).or_default().push(stage);
    }
    for id in allowed.keys() {
        let stages = seen.get(id).map_or(&[][..], Vec::as_slice);
        if stages.len() != 1 {
            found.push(Violation::new("I1", format!("{id} is in {stages:?}")));
        }
    }
    found
}

/// Everything behind the front matter; the whole text where it has none.
pub fn body(text: &str) -> &str {
    let inner = text.trim_start_matches('\u{feff}');
    let Some(rest) = inner.strip_prefix("---\n").or_else(|| inner.strip_prefix("---\r\n")) else {
        return text;
    };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "---" {
            return &rest[at..];
        }
    }
    text
}

fn board(project: &TestProject) -> Vec<(Stage, String, String)> {
    let mut found = Vec::new();
    for stage in Stage::ALL {
        for entry in fs::read_dir(project.stage_dir(stage)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(id) = name.strip_suffix(".md").filter(|id| !id.starts_with('.')) {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                found.push((stage, id.to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    found
}

/// I2 and I8: since `from`, every commit of storkit's on base has its predecessor as its only parent and all
/// trailers, no story has landed twice, and base was never moved back.
#[track_caller]
pub fn history(project: &TestProject, from: &str) -> Vec<Violation> {
    let git = project.git();
    let mut found = Vec::new();
    if !git.is_ancestor(from, "refs/heads/main") {
        found.push(Violation::new("I2", format!("base no longer holds {from}")));
    }
    let format = "--format=%H%x00%P%x00%(trailers:key=Storkit-Story,valueonly,separator=%x2c)%x00\
                  %(trailers:key=Storkit-Run,valueonly,separator=%x2c)%x00\
                  %(trailers:key=Storkit-Gates,valueonly,separator=%x2c)";
    let range = format!("{from}..refs/heads/main");
    let mut previous = git.commit_of(from).expect("the first commit");
    let mut landed = BTreeSet::new();
    for line in git.lines(&["log", "--first-parent", "--reverse", format, &range]) {
        let fields: Vec<&str> = line.split('\0').collect();
        let [commit, parents, story, run, gates] = fields[..] else {
            panic!("git printed another line than was asked for: {line:?}");
        };
        if !story.is_empty() {
            if parents != previous {
                found.push(Violation::new(
                    "I2",
                    format!("{commit} has the parents {parents}, not {previous}"),
                ));
            }
            if run.is_empty() || gates.is_empty() {
                found.push(Violation::new("I2", format!("{commit} of {story} lacks a trailer")));
            }
            if !landed.insert(story.to_owned()) {
                found.push(Violation::new("I8", format!("{story} landed twice")));
            }
            let board = git.lines(&[
                "diff-tree",
                "-r",
                "--name-only",
                "--no-commit-id",
                commit,
                "--",
                ".storkit/work",
            ]);
            if !board.is_empty() {
                found.push(Violation::new("I2", format!("{commit} of {story} changes the board: {board:?}")));
            }
        }
        commit.clone_into(&mut previous);
    }
    found
}

/// I3: every object that a ref or a worktree needs is there.
#[track_caller]
pub fn objects(project: &TestProject) -> Vec<Violation> {
    let outcome = project.git().try_run(&["fsck", "--full", "--no-dangling", "--no-progress"]);
    if outcome.code() == 0 {
        return Vec::new();
    }
    vec![Violation::new("I3", format!("git fsck: {}{}", outcome.stdout, outcome.stderr))]
}

/// I4: nothing that storkit started is alive [`SURVIVES_AT_MOST`] after this was asked.
pub fn no_survivors(project: &TestProject) -> Vec<Violation> {
    survivors_after(SURVIVES_AT_MOST, project)
}

fn survivors_after(ceiling: Duration, project: &TestProject) -> Vec<Violation> {
    let gone = || processes::of_test(project.top()).is_empty().then_some(());
    if poll_until(ceiling, gone).is_some() {
        return Vec::new();
    }
    let left = processes::of_test(project.top());
    left.iter().map(|process| Violation::new("I4", format!("still alive: {process:?}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Git;

    const TRAILERS: &str = "\n\nStorkit-Story: 1_story_a\nStorkit-Run: r\nStorkit-Gates: none";

    fn details(violations: &[Violation]) -> String {
        violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_story_that_is_lost_doubled_or_altered_is_found() {
        let project = TestProject::builder()
            .story(Stage::Backlog, "1_story_a", "---\nname: A\n---\nbody\n")
            .story(Stage::Backlog, "2_story_b", "b\n")
            .build();
        let allowed = bodies(&project);
        assert_eq!(conservation(&project, &allowed), []);

        project.mv("1_story_a", Stage::Backlog, Stage::Done);
        project.write_story(Stage::Done, "1_story_a", "---\nname: A\nblocked: x\n---\nbody\n");
        assert_eq!(conservation(&project, &allowed), [], "a stage and a key are storkit's to change");

        project.write_story(Stage::Qa, "2_story_b", "b\n");
        assert!(details(&conservation(&project, &allowed)).contains("2_story_b is in [Backlog, Qa]"));
        project.write_story(Stage::Qa, "2_story_b", "");
        assert!(details(&conservation(&project, &allowed)).contains("nobody wrote"));
        for stage in [Stage::Qa, Stage::Backlog] {
            fs::remove_file(project.story_path(stage, "2_story_b")).expect("removed");
        }
        assert!(details(&conservation(&project, &allowed)).contains("2_story_b is in []"));
        project.write_story(Stage::Qa, "3_story_c", "");
        assert!(details(&conservation(&project, &allowed)).contains("came from nowhere"));
    }

    #[test]
    fn the_body_is_what_stands_behind_the_front_matter() {
        assert_eq!(body("---\na: 1\n---\nb\n---\nc"), "b\n---\nc");
        assert_eq!(body("---\r\na: 1\r\n---\r\nb"), "b");
        assert_eq!(body("\u{feff}---\na: 1\n---\nb"), "b");
        assert_eq!(body("---\na: 1\nno end"), "---\na: 1\nno end");
        assert_eq!(body("b"), "b");
    }

    fn commit_tree(git: &Git, parents: &[&str], message: &str) -> String {
        let mut args = vec!["commit-tree", "HEAD^{tree}", "-m", message];
        args.extend(parents.iter().flat_map(|parent| ["-p", *parent]));
        git.run(&args)
    }

    #[test]
    fn a_base_that_did_not_advance_commit_by_commit_is_found() {
        let project = TestProject::builder().file("a", "1").build();
        let git = project.git();
        let from = project.base();
        let people = git.commit_all("By a person");
        let good = commit_tree(git, &[&people], &format!("A{TRAILERS}"));
        let set_base = |commit: &str| {
            git.run(&["update-ref", "refs/heads/main", commit]);
        };
        set_base(&good);
        assert_eq!(history(&project, &from), []);

        set_base(&commit_tree(git, &[&good], &format!("A again{TRAILERS}")));
        assert!(details(&history(&project, &from)).contains("I8: 1_story_a landed twice"));

        set_base(&commit_tree(git, &[&people, &from], &format!("Merged{TRAILERS}")));
        assert!(details(&history(&project, &from)).contains("has the parents"));

        set_base(&commit_tree(git, &[&people], "No run\n\nStorkit-Story: 1_story_a"));
        assert!(details(&history(&project, &from)).contains("lacks a trailer"));

        set_base(&from);
        assert!(details(&history(&project, &good)).contains("no longer holds"));
    }

    #[test]
    fn a_missing_object_is_found() {
        let project = TestProject::builder().file("a", "1").build();
        assert_eq!(objects(&project), []);
        let blob = project.git().run(&["rev-parse", "HEAD:a"]);
        let path = project.root().join(".git/objects").join(&blob[..2]).join(&blob[2..]);
        fs::remove_file(path).expect("removed");
        assert_eq!(objects(&project).len(), 1);
    }

    #[test]
    fn a_survivor_is_found_and_goes_with_its_project() {
        let project = TestProject::builder().build();
        assert_eq!(no_survivors(&project), []);
        let mut sleeper = project.surroundings().command("sleep").arg("1000").spawn().expect("sleep");
        assert_eq!(survivors_after(Duration::ZERO, &project).len(), 1);
        drop(project);
        assert!(!sleeper.wait().expect("ended with its project").success());
    }
}
