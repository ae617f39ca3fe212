//! The project that is crashed: seven stories with all that makes landing hard, and a person who works beside them.

use std::path::PathBuf;

use storkit_core::stage::Stage;
use storkit_testkit::check::{Bodies, bodies};
use storkit_testkit::checkout::Checkout;
use storkit_testkit::{AgentSpec, CEILING, TestProject, wait_for};

/// The story that a person must approve.
const HUMAN: &str = "5_story_human";
/// The stories: ids, and front matter.
const STORIES: &[(&str, &str)] = &[
    ("1_story_plain", "name: Plain work\npriority: 2\n"),
    ("2_story_red", "name: Red at first\n"),
    ("3_story_left", "name: One side of a conflict\n"),
    ("4_story_right", "name: The other side of it\n"),
    (HUMAN, "name: For a person's eyes\nqa: human\n"),
    ("6_story_daemon", "name: An agent that leaves processes behind\n"),
    ("7_story_judged", "name: For a judge\nqa: agent\n"),
];

/// What the coder does. It throws away what an earlier run left, as an agent may; the journal says what was written.
const CODER: &str = "\
own {home}/locks/{story} {home}/breaches
on-story 6_story_daemon: daemonize {home}/beats/{run}
on-story 1_story_plain: background {home}/beats/{run}
git reset --quiet --hard
git clean --quiet -d --force
write work/{story}-loose.txt loose-{run}
append {home}/journal loose-{run}\\n
sleep 20
write work/{story}.txt first-{run}
append {home}/journal first-{run}\\n
on-story 2_story_red: on-attempt 1: write RED now
on-story 2_story_red: on-attempt 2|3: git rm --quiet --force --ignore-unmatch RED
commit work of {run}
on-story 3_story_left|4_story_right: write shared.txt by {story} {run}
on-story 3_story_left|4_story_right: commit shared by {run}
on-story 3_story_left|4_story_right: git merge --quiet --no-edit -X ours main
write work/{story}-more.txt second-{run}
append {home}/journal second-{run}\\n
sleep 20
";

/// What the judge does: it leaves a file, which is to be undone and kept.
const JUDGE: &str = "\
own {home}/locks/{story} {home}/breaches
write verdict.txt verdict-{run}
append {home}/journal verdict-{run}\\n
sleep 20
";

/// The gate. It is slow enough to be met in its middle, and refuses what must never be on base.
const GATE: &str = "sleep 0.05\ntest ! -e RED && ! grep -q '<<<<' shared.txt && test ! -e verdict.txt\n";

/// Where base is while stories land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Checked out where the person works: git itself fast-forwards.
    CheckedOut,
    /// Checked out nowhere: its ref moves.
    Bare,
    /// As the first, and worktrees are kept ready.
    Warm,
}

/// A project that can be crashed.
pub struct Scene {
    /// The project.
    pub project: TestProject,
    /// Base when it began.
    pub from: String,
    /// What the stories may say.
    pub bodies: Bodies,
    /// The person's checkout when it began.
    pub checkout: Checkout,
}

impl Scene {
    /// Makes one.
    pub fn new(base: Base) -> Self {
        let mut builder = TestProject::builder()
            .in_memory()
            .setting("base_branch = \"main\"")
            .table("[limits]\nagents = 3\ngates = 2\ndisk_reserve = \"1MB\"")
            .file("check.sh", GATE)
            .file("shared.txt", "base\n")
            .file("mine.txt", "theirs\n")
            .file(".gitignore", "*.ignored\n")
            .gate("sh check.sh")
            .agent(&AgentSpec::fake("coder", CODER).with("instances", 3))
            .agent(&AgentSpec::fake("qa", JUDGE));
        for (id, front) in STORIES {
            let stage = if base == Base::Warm { Stage::Backlog } else { Stage::Current };
            builder = builder.story(stage, id, format!("---\n{front}---\nThe work of {id}.\n"));
        }
        if base == Base::Warm {
            builder = builder.table("[worktrees]\nwarm = 2");
        }
        let project = builder.build();
        for folder in ["locks", "beats"] {
            std::fs::create_dir_all(project.surroundings().home.join(folder)).expect("a folder");
        }
        if base == Base::Warm {
            warm_up(&project);
        }
        let git = project.git();
        if base == Base::Bare {
            git.run(&["switch", "--quiet", "--create", "person"]);
        }
        git.write("mine.txt", "mine, not committed\n");
        git.write("new.txt", "mine, not added\n");
        git.write("build.ignored", "mine, ignored\n");
        let (from, bodies, checkout) = (project.base(), bodies(&project), Checkout::take(&project));
        Self { project, from, bodies, checkout }
    }

    /// How many stories there are.
    pub fn count(&self) -> usize {
        STORIES.len()
    }

    /// Where agents say what they have written into a worktree.
    pub fn journal(&self) -> PathBuf {
        self.project.surroundings().home.join("journal")
    }

    /// Where agents say that another run of their story lives.
    pub fn breaches(&self) -> PathBuf {
        self.project.surroundings().home.join("breaches")
    }

    /// Does what the person does: approves what waits for it.
    pub fn person(&self) {
        let waiting = self.project.story_path(Stage::Qa, HUMAN);
        let asked = std::fs::read_to_string(&waiting).is_ok_and(|text| text.contains("review_hold: true"));
        if asked {
            // Gone meanwhile is as good.
            let _ = std::fs::rename(waiting, self.project.story_path(Stage::Merge, HUMAN));
        }
    }

    /// Whether all stories are done.
    pub fn all_done(&self) -> bool {
        STORIES.iter().all(|(id, _)| self.project.stages_of(id) == [Stage::Done])
    }
}

/// Has worktrees made ready, and only then moves the stories on.
fn warm_up(project: &TestProject) {
    let daemon = project.up();
    wait_for(CEILING, "warm worktrees", || {
        let records = std::fs::read_dir(project.root().join(".git/worktrees")).ok()?;
        let ready = records.flatten().filter(|record| record.path().join("storkit-warm").exists());
        (ready.count() == 2).then_some(())
    });
    daemon.stop();
    for (id, _) in STORIES {
        project.mv(id, Stage::Backlog, Stage::Current);
    }
}
