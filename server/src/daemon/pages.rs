//! What the board's pages ask of the daemon's files, ledger and git. Reads, but for making and saving stories.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use storkit_core::config::{self, Config};
use storkit_core::ids::StoryId;
use storkit_core::request::Refusal;
use storkit_core::stage::Stage;

use super::service::Door;
use super::world::World;
use crate::agents::text::plain;
use crate::board::{Change, Past, Replaced};
use crate::git::DiffOrder;
use crate::http::{Pages, Printed, Save, Saved, Work};
use crate::ledger::RunRow;
use crate::sys::fs::{Dir, read_capped};
use crate::web::Around;
use crate::worktrees;

/// Largest story that is shown, in bytes.
const STORY_LEN_MAX: u64 = 1024 * 1024;
/// How much of the end of a log is shown, in bytes.
const LOG_TAIL: u64 = 256 * 1024;
/// How much of the end of a log is looked at for what an agent did last, in bytes.
const ACTIVITY_TAIL: u64 = 8 * 1024;
/// How many lines of a log are shown.
const LINES_MAX: usize = 2_000;
/// Longest line of a log that is shown, in characters.
const LINE_LEN_MAX: usize = 2_000;
/// Most gates of a run that are shown.
const GATES_MAX: usize = 20;
/// Longest diff that is shown, in bytes.
const DIFF_LEN_MAX: usize = 8 << 20;
/// Most changes of the board that are shown.
const CHANGES_MAX: usize = 200;

impl Door {
    /// Looks something up on a thread of its own, since that blocks.
    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&World) -> T + Send + 'static) -> Option<T> {
        let world = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || look(&world)).await.ok()
    }
}

fn refused(error: impl ToString) -> Refusal {
    Refusal { error: error.to_string(), hint: None, code: 1 }
}

/// The configuration in force, as the daemon keeps it.
fn in_force(world: &World) -> Option<Config> {
    let text = std::fs::read_to_string(world.layout.last_good_config()).ok()?;
    config::parse(&text).ok().map(|parsed| parsed.config)
}

impl Pages for Door {
    async fn around(&self) -> Around {
        let around = self.look(|world| {
            let spent = world.ledger.spent_today();
            Around {
                spent_usd: Some(spent.usd).filter(|usd| *usd > 0.0 || spent.complete),
                budget_usd: in_force(world).map_or(0.0, |config| config.limits.budget_usd),
            }
        });
        around.await.unwrap_or_default()
    }

    async fn text(&self, id: StoryId, stage: Stage) -> Option<String> {
        self.look(move |world| {
            // A link in place of the file is not followed.
            let dir = Dir::open(&world.layout.stage(stage)).ok()?;
            let (mut file, _) = dir.open_file(id.file_name()).ok()?;
            let bytes = read_capped(&mut file, STORY_LEN_MAX).ok()??;
            String::from_utf8(bytes).ok()
        })
        .await
        .flatten()
    }

    async fn activity(&self, run: String) -> Option<String> {
        self.look(move |world| {
            let row = world.ledger.run(&run)?;
            let (text, _) = tail(&world.layout.root().join(&row.log), ACTIVITY_TAIL)?;
            let output: String = text.lines().map(entry).collect();
            let clean = plain(&output);
            clean.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
        })
        .await
        .flatten()
    }

    async fn printed(&self, run: RunRow) -> Printed {
        self.look(move |world| printed(&world.layout.root().join(&run.log), &run.run))
            .await
            .unwrap_or_default()
    }

    async fn work(&self, id: StoryId) -> Result<Work, Refusal> {
        let work = self.look(move |world| {
            let config = in_force(world).ok_or_else(|| refused("no configuration is in force"))?;
            let ground = world.ground(&config).map_err(refused)?;
            let base_branch = world.base_branch.clone();
            let order = DiffOrder { story: id, base_branch, stat: false, tree: None };
            let mut diff = worktrees::diff(&ground, &order).map_err(refused)?;
            if diff.len() > DIFF_LEN_MAX {
                let end = (0..=DIFF_LEN_MAX).rev().find(|at| diff.is_char_boundary(*at)).unwrap_or(0);
                diff.truncate(end);
            }
            Ok(Work { diff, base: order.base_branch })
        });
        work.await.unwrap_or_else(|| Err(refused("the work could not be read")))
    }

    async fn past(&self, story: Option<StoryId>) -> Vec<Change> {
        let log = self.look(move |world| {
            world.history.flush().ok()?;
            Past::open(&world.layout, None).ok()?.log(story.as_ref(), CHANGES_MAX).ok()
        });
        log.await.flatten().unwrap_or_default()
    }

    async fn save(&self, save: Save) -> Result<Saved, Refusal> {
        let saved = self.look(move |world| {
            world.board.save(&save.id, save.stage, save.was, save.text.as_bytes()).map_err(refused)
        });
        match saved.await.ok_or_else(|| refused("the story was not saved"))?? {
            Replaced::Written | Replaced::Same => Ok(Saved::Written),
            Replaced::Other => Ok(Saved::Changed),
        }
    }
}

/// The end of a file as text, of at most `most` bytes, and whether it is not all of it.
fn tail(path: &Path, most: u64) -> Option<(String, bool)> {
    let mut file = std::fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let cut = length > most;
    if cut {
        file.seek(SeekFrom::Start(length - most)).ok()?;
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // The first line of a tail is the end of one.
    let text =
        if cut { text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned()) } else { text };
    Some((text, cut))
}

fn printed(log: &Path, run: &str) -> Printed {
    let (text, mut cut) = tail(log, LOG_TAIL).unwrap_or_default();
    let mut output = String::new();
    for line in text.lines() {
        output += &entry(line);
    }
    let clean = plain(&output.replace('\r', ""));
    let lines: Vec<&str> = clean.lines().collect();
    let from = lines.len().saturating_sub(LINES_MAX);
    cut |= from > 0;
    let short = |line: &&str| line.chars().take(LINE_LEN_MAX).collect();
    Printed { transcript: lines[from..].iter().map(short).collect(), gates: gates(log, run), cut }
}

/// One entry of a run's log as a person reads it.
fn entry(line: &str) -> String {
    let Ok(entry) = serde_json::from_str::<Value>(line) else { return String::new() };
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    match text("ev") {
        "out" => text("text").split_inclusive('\n').filter(|line| !is_event(line)).collect(),
        "" | "start" => String::new(),
        "end" => format!("— ended: {}\n", entry["how"].as_str().unwrap_or("unknown")),
        "usage" => format!("\n— {} tokens in, {} out\n", entry["input_tokens"], entry["output_tokens"]),
        other => {
            let words =
                [text("text"), text("id")].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
            format!("\n— {other}: {words}\n")
        }
    }
}

/// Whether a line is one by which an agent tells storkit something.
fn is_event(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('{')
        && serde_json::from_str::<Value>(line).is_ok_and(|event| event["storkit"].is_string())
}

/// The gates of a run, by the logs that lie beside its own, in the order in which they ran.
fn gates(log: &Path, run: &str) -> Vec<(String, String)> {
    let entries = log.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let mut found: Vec<_> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let gate = name.strip_prefix(run)?.strip_prefix('.')?.strip_suffix(".log")?.to_owned();
            Some((entry.metadata().ok()?.modified().ok()?, gate, entry.path()))
        })
        .collect();
    found.sort();
    let newest = found.len().saturating_sub(GATES_MAX);
    found
        .into_iter()
        .skip(newest)
        .filter_map(|(_, gate, path)| Some((gate, plain(&tail(&path, LOG_TAIL)?.0.replace('\r', "")))))
        .collect()
}
