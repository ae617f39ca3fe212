//! What several behaviours' tests share.

use storkit_testkit::{CEILING, TestProject, processes, wait_for};

/// Shell text that waits for a file in the test's home.
pub(crate) fn until(name: &str) -> String {
    format!("until [ -e \"$HOME/{name}\" ]; do sleep 0.02; done\n")
}

/// Shell text that writes the story's own file, as the diligent agent does.
pub(crate) const WORK: &str = "echo \"$STORKIT_STORY\" >> \"$STORKIT_STORY.txt\"\n";

/// Waits until a script has made that file in the test's home.
#[track_caller]
pub(crate) fn wait_signal(project: &TestProject, name: &str) {
    wait_for(CEILING, &format!("a script to make {name}"), || project.signalled(name).then_some(()));
}

/// Waits until nothing runs that a run of the test has started.
#[track_caller]
pub(crate) fn wait_no_run(project: &TestProject) {
    wait_for(CEILING, "everything of the runs to end", || {
        processes::of_test(project.top()).iter().all(|process| process.run.is_none()).then_some(())
    });
}

/// The text of a file on a branch; none where there is none.
pub(crate) fn on_branch(project: &TestProject, branch: &str, path: &str) -> Option<String> {
    let shown = project.git().try_run(&["show", &format!("{branch}:{path}")]);
    (shown.code() == 0).then_some(shown.stdout)
}
