//! A whole story (worktree, agent, gates, squash, base, clean-up), eight at a time, against a shell script that does
//! the same git work.

use std::fs;
use std::time::{Duration, Instant};

use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, CEILING, TestProject, command, poll_each};

use crate::Plan;
use crate::clock::{cpu_of_children, cpu_with_children};
use crate::first_byte::project_of;
use crate::report::{Report, Row, Target, median, ms};

const FILES: usize = 1_000;
const PARALLEL: usize = 8;
const PAUSE: Duration = Duration::from_millis(1);

/// What the agent does, on both sides.
const AGENT: &str = "echo work > \"$STORKIT_STORY.txt\" && git add . && git commit -qm work";

/// One story by hand, as a careful person would script it: the gate in the worktree and again on what lands, one
/// landing at a time. Git's list of worktrees does not bear two changes at once; the checkouts need not wait.
const SCRIPT: &str = r#"set -e
STORKIT_STORY=$1; export STORKIT_STORY
tree=$PWD/../by-hand/$1
flock .git/trees.lock git worktree add --quiet --no-checkout -b "feature/$1" "$tree" main
cd "$tree"
git reset --quiet --hard
sh -euc "$AGENT"
sh -c true
cd "$OLDPWD"
(
    flock 9
    git merge --squash --quiet "feature/$1" >/dev/null 2>&1
    sh -c true
    git commit --quiet -m "$1"
) 9>.git/landing.lock
rm -rf "$tree"
flock .git/trees.lock git worktree prune
git branch --quiet -D "feature/$1"
"#;

/// Wall and CPU time of one story, in milliseconds.
#[derive(Debug, Default)]
struct Cost {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Cost {
    fn add(&mut self, stories: usize, wall: Duration, cpu: Duration) {
        let count = f64::from(u32::try_from(stories).unwrap_or(u32::MAX));
        self.wall.push(ms(wall) / count);
        self.cpu.push(ms(cpu) / count);
    }
}

/// Measures batches of stories, in turn with batches of the script.
pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let (stories, rounds) = (plan.of(50, 16), plan.of(3, 1));
    let agent = AgentSpec::shell("coder-1", AGENT).with("instances", i64::try_from(PARALLEL).unwrap_or(8));
    let project = project_of(FILES, |builder| {
        builder
            .table(&format!("[limits]\nagents = {PARALLEL}\ngates = {PARALLEL}"))
            .agent(&agent)
            .gate("true")
    });
    fs::create_dir(project.top().join("by-hand")).expect("a folder");
    let (mut ours, mut by_hand) = (Cost::default(), Cost::default());
    for round in 0..rounds {
        let (wall, cpu) = script(&project, round * stories, stories);
        by_hand.add(stories, wall, cpu);
        let (wall, cpu) = batch(&project, round * stories, stories);
        ours.add(stories, wall, cpu);
    }
    let landed = project.git().run(&["rev-list", "--count", "main"]);
    assert_eq!(landed, (1 + 2 * rounds * stories).to_string(), "each story lands once");
    let against = "a shell script with the same git work";
    for (what, ours, reference, limit) in
        [("wall time", &ours.wall, &by_hand.wall, 0.6), ("CPU time", &ours.cpu, &by_hand.cpu, 0.5)]
    {
        report.add(Row {
            what: format!("a whole story, {what}: {stories} stories, {PARALLEL} at a time, {FILES} files"),
            unit: "ms",
            ours: median(ours),
            reference: Some(median(reference)),
            against,
            target: Target::Ratio(limit),
        });
    }
}

fn script(project: &TestProject, first: usize, stories: usize) -> (Duration, Duration) {
    let before = cpu_of_children();
    let begun = Instant::now();
    let path = project.top().join("by-hand.sh");
    fs::write(&path, SCRIPT).expect("a script");
    let all =
        format!("seq {} {} | xargs -P {PARALLEL} -n 1 sh '{}'", first + 1, first + stories, path.display());
    let mut shell = project.surroundings().command("sh");
    shell.args(["-c", &all]).current_dir(project.root());
    shell.env("AGENT", AGENT).env("GIT_CONFIG_NOSYSTEM", "1");
    command::run_within(CEILING * 5, &mut shell).ok();
    (begun.elapsed(), cpu_of_children().saturating_sub(before))
}

fn batch(project: &TestProject, first: usize, stories: usize) -> (Duration, Duration) {
    let ids: Vec<String> = (first..first + stories).map(|n| format!("{}_story_work", n + 1)).collect();
    for id in &ids {
        project.write_story(Stage::Backlog, id, "Work.\n");
    }
    let daemon = project.up();
    let before = cpu_with_children(daemon.pid());
    let begun = Instant::now();
    for id in &ids {
        project.mv(id, Stage::Backlog, Stage::Current);
    }
    let finished = poll_each(PAUSE, CEILING * 5, || {
        let done = ids.iter().rev().all(|id| project.story_path(Stage::Done, id).is_file());
        (done && cleared(project)).then(|| begun.elapsed())
    });
    let wall = finished
        .unwrap_or_else(|| panic!("not all landed: {:#?}\n{}", project.status().stories, daemon.log()));
    let cpu = cpu_with_children(daemon.pid()).saturating_sub(before);
    daemon.stop();
    for id in &ids {
        fs::remove_file(project.story_path(Stage::Done, id)).expect("a done story");
    }
    (wall, cpu)
}

/// Whether no worktree is left but the one for merges, and the trash is empty.
fn cleared(project: &TestProject) -> bool {
    let folder = project.root().join(".storkit/worktrees");
    let names = |path: &std::path::Path| -> Vec<String> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    names(&folder).iter().all(|name| name.starts_with('.')) && names(&folder.join(".trash")).is_empty()
}
