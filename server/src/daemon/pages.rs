//! What the board's pages ask of the daemon's files, ledger and git. Reads, but for making and saving stories.

use storkit_core::config::GateStage;
use storkit_core::ids::StoryId;
use storkit_core::request::Refusal;
use storkit_core::stage::Stage;

use super::logs;
use super::service::{Door, refused};
use crate::board::{Change, Past, Replaced, Restored};
use crate::gates;
use crate::git::{self, DiffOrder};
use crate::http::{Compare, Found, Left, LogAt, Pages, Printed, Save, Saved, Work};
use crate::ledger::RunRow;
use crate::mcp::Output;
use crate::web::Around;
use crate::worktrees;

/// Longest diff that is shown, in bytes.
const DIFF_LEN_MAX: usize = 8 << 20;
/// Most commits of a branch that its work can be compared with.
const TRIES_MAX: u32 = 50;
/// Most changes of the board that are shown.
const CHANGES_MAX: usize = 200;

fn failed(error: impl std::fmt::Display) -> Refusal {
    refused(error.to_string(), "")
}

impl Pages for Door {
    async fn around(&self) -> Around {
        let around = self.off(|world| {
            let spent = world.ledger.spent_today();
            let config = world.config();
            Around {
                spent_usd: Some(spent.usd).filter(|usd| *usd > 0.0 || spent.complete),
                budget_usd: config.limits.budget_usd,
                tries_max: config.max_retries,
                ..Around::default()
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

    async fn gating(&self, run: String, at: GateStage, since: Option<String>) -> Option<(usize, usize)> {
        let gate = self.off(move |world| {
            let row = world.ledger.run(&run)?;
            let logs = world.layout.root().join(row.log);
            let (begun, of) = (
                gates::begun(logs.parent()?, &run, since?.parse().ok()?),
                world.config().gates_at(at).count(),
            );
            (of > 0 && begun > 0).then_some((begun.min(of), of))
        });
        gate.await.flatten()
    }

    async fn printed(&self, run: RunRow) -> Printed {
        let printed = self.off(move |world| logs::printed(&world.layout.root().join(&run.log), &run.run));
        printed.await.unwrap_or_default()
    }

    async fn log(&self, run: String, gate: Option<String>, at: LogAt) -> Option<Output> {
        let piece = self.off(move |world| {
            let row = world.ledger.run(&run)?;
            logs::page(&world.layout.root().join(&row.log), &row.run, gate.as_deref(), at).ok()
        });
        piece.await.flatten()
    }

    async fn find(&self, run: String, gate: Option<String>, text: String) -> Option<Found> {
        let found = self.off(move |world| {
            let row = world.ledger.run(&run)?;
            logs::find(&world.layout.root().join(&row.log), &row.run, gate.as_deref(), &text).ok()
        });
        found.await.flatten()
    }

    async fn phases(&self, story: StoryId) -> Vec<(String, String)> {
        self.off(move |world| world.ledger.phases(&story)).await.unwrap_or_default()
    }

    async fn work(&self, id: StoryId, how: Compare) -> Result<Work, Refusal> {
        let work = self.off(move |world| {
            let ground = world.ground(&world.config()).map_err(failed)?;
            let base_branch = world.base_branch.clone();
            let steps = git::steps(&world.repo, &id, &base_branch, TRIES_MAX).map_err(failed)?;
            // Of the branch's own commits alone: what a page names is no revision of its choice.
            let since = how.since.and_then(|since| steps.iter().find(|step| step.commit.as_str() == since));
            let since = since.map(|step| step.commit.clone());
            let ignore_space = how.ignore_space;
            let order = DiffOrder { story: id, base_branch, stat: false, tree: None, since, ignore_space };
            let mut diff = worktrees::diff(&ground, &order).map_err(failed)?;
            if diff.len() > DIFF_LEN_MAX {
                diff.truncate(diff.floor_char_boundary(DIFF_LEN_MAX));
            }
            let left = |git::Step { commit, at, title }| Left { commit: commit.to_string(), at, title };
            Ok(Work { diff, base: order.base_branch, tries: steps.into_iter().map(left).collect() })
        });
        work.await.unwrap_or_else(|| Err(refused("the work could not be read", "")))
    }

    async fn delete(&self, id: StoryId, stage: Stage) -> Result<(), Refusal> {
        let gone = self.off(move |world| {
            // The history has the file before it goes: nothing is lost.
            world.history.flush().map_err(failed)?;
            let gone = world.board.delete(&id, stage).map_err(failed)?;
            world.history.touch();
            if gone { Ok(()) } else { Err(refused("it has just been moved by somebody else", "look again")) }
        });
        gone.await.unwrap_or_else(|| Err(refused("the story was not deleted", "")))
    }

    async fn restore(&self, id: StoryId) -> Result<(), Refusal> {
        let back = self.off(move |world| {
            world.history.flush().map_err(failed)?;
            let mut past = Past::open(&world.layout, None).map_err(failed)?;
            match past.restore(&world.board, &id, None).map_err(failed)? {
                Restored::Unknown => Err(refused("the history does not know it", "")),
                _ => Ok(()),
            }
        });
        back.await.unwrap_or_else(|| Err(refused("the story was not brought back", "")))
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
