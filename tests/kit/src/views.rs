//! Snapshots for tests of what is shown: a plain story, a plain board.

use storkit_core::snapshot::{State, Status, StoryView};
use storkit_core::stage::Stage;

/// A story of that id without anything particular: number and kind are the id's.
pub fn story(id: &str, stage: Stage, state: State) -> StoryView {
    let mut parts = id.split('_');
    StoryView {
        id: id.to_owned(),
        number: parts.next().and_then(|number| number.parse().ok()),
        name: "A story".to_owned(),
        kind: parts.next().unwrap_or("story").to_owned(),
        epic: None,
        stage: stage.name().to_owned(),
        path: format!(".storkit/work/{}/{id}.md", stage.folder()),
        priority: 3,
        depends_on: Vec::new(),
        labels: Vec::new(),
        qa: "human".to_owned(),
        state,
        reason: None,
        agent: None,
        run: None,
        attempt: 0,
        since: None,
        entered: None,
        branch: None,
        worktree: None,
        cost_usd: None,
    }
}

/// The board of a daemon that does not run, with these stories.
pub fn status(stories: Vec<StoryView>) -> Status {
    Status {
        project: "myproj".to_owned(),
        root: "/myproj".to_owned(),
        base_branch: "main".to_owned(),
        paused: None,
        sandbox: "none".to_owned(),
        daemon: None,
        stories,
        agents: Vec::new(),
        gates: Vec::new(),
        problems: Vec::new(),
    }
}
