//! The next run of a story as it would be ordered now, though nobody orders it.

use super::Pipeline;
use super::asks::refused;
use crate::assign::{self, Load};
use crate::config::Role;
use crate::effect::RunOrder;
use crate::ids::{Oid, RunId, StoryId};
use crate::request::Refusal;
use crate::stage::Stage;

impl Pipeline {
    /// The order for a run that began now, by that id and in that worktree. Refused where no agent would take the story.
    pub fn next_order(&self, id: &StoryId, run: RunId, worktree: String) -> Result<RunOrder, Refusal> {
        let Some(story) = self.story(id) else {
            let detail = self.file_problems(id).into_iter().next().unwrap_or_default();
            return Err(refused(detail.detail, detail.hint.unwrap_or_default()));
        };
        let role = match story.stage {
            Stage::Backlog | Stage::Current => Role::Coder,
            Stage::Qa => Role::Qa,
            Stage::Merge => Role::Mergemaster,
            Stage::Done | Stage::Archived => {
                return Err(refused(format!("{id} is in {}: no agent will work on it", story.stage), ""));
            }
        };
        let wanted = (role == Role::Coder).then(|| self.wanted_coder(id, &Load::default())).flatten();
        // Who is busy now will be free then.
        let agent = assign::choose(&self.config, role, wanted, &Load::default())
            .map_err(|none| refused(none.words(), "`storkit agents` lists them"))?;
        let base = self.tracks.get(id).and_then(|track| track.base.clone()).unwrap_or_else(no_commit);
        let gone = || refused(format!("{id} is gone"), "");
        self.order(id, run, agent, (worktree, base)).ok_or_else(gone)
    }
}

/// Where no worktree stands on any commit yet.
fn no_commit() -> Oid {
    Oid::new(&"0".repeat(40)).expect("forty hex digits")
}
