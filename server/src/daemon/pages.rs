//! What the board's pages ask of the daemon's files, ledger and git. Reads, but for making and saving stories.

use storkit_core::ids::StoryId;
use storkit_core::request::Refusal;

use super::logs;
use super::service::{Door, refused};
use crate::board::{Change, Past, Replaced};
use crate::git::DiffOrder;
use crate::http::{Pages, Printed, Save, Saved, Work};
use crate::ledger::RunRow;
use crate::web::Around;
use crate::worktrees;

/// Longest diff that is shown, in bytes.
const DIFF_LEN_MAX: usize = 8 << 20;
/// Most changes of the board that are shown.
const CHANGES_MAX: usize = 200;

fn failed(error: impl std::fmt::Display) -> Refusal {
    refused(error.to_string(), "")
}

impl Pages for Door {
    async fn around(&self) -> Around {
        let around = self.off(|world| {
            let spent = world.ledger.spent_today();
            Around {
                spent_usd: Some(spent.usd).filter(|usd| *usd > 0.0 || spent.complete),
                budget_usd: world.config().limits.budget_usd,
            }
        });
        around.await.unwrap_or_default()
    }

    async fn activity(&self, run: String) -> Option<String> {
        let activity = self.off(move |world| {
            let row = world.ledger.run(&run)?;
            logs::activity(&world.layout.root().join(&row.log))
        });
        activity.await.flatten()
    }

    async fn printed(&self, run: RunRow) -> Printed {
        let printed = self.off(move |world| logs::printed(&world.layout.root().join(&run.log), &run.run));
        printed.await.unwrap_or_default()
    }

    async fn work(&self, id: StoryId) -> Result<Work, Refusal> {
        let work = self.off(move |world| {
            let ground = world.ground(&world.config()).map_err(failed)?;
            let base_branch = world.base_branch.clone();
            let order = DiffOrder { story: id, base_branch, stat: false, tree: None };
            let mut diff = worktrees::diff(&ground, &order).map_err(failed)?;
            if diff.len() > DIFF_LEN_MAX {
                diff.truncate(diff.floor_char_boundary(DIFF_LEN_MAX));
            }
            Ok(Work { diff, base: order.base_branch })
        });
        work.await.unwrap_or_else(|| Err(refused("the work could not be read", "")))
    }

    async fn past(&self, story: Option<StoryId>) -> Vec<Change> {
        let log = self.off(move |world| {
            world.history.flush().ok()?;
            Past::open(&world.layout, None).ok()?.log(story.as_ref(), CHANGES_MAX).ok()
        });
        log.await.flatten().unwrap_or_default()
    }

    async fn save(&self, save: Save) -> Result<Saved, Refusal> {
        let saved = self.off(move |world| {
            world.board.save(&save.id, save.stage, save.was, save.text.as_bytes()).map_err(failed)
        });
        match saved.await.ok_or_else(|| refused("the story was not saved", ""))?? {
            Replaced::Written | Replaced::Same => Ok(Saved::Written),
            Replaced::Other => Ok(Saved::Changed),
        }
    }
}
