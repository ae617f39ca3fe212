//! `storkit log`, `undo` and `restore`: the board's history on `refs/storkit/board`.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;
use storkit_core::facts::MoveEnd;
use storkit_core::ids::StoryId;

use super::ask::Done;
use super::exit::{Exit, Failure, Outcome};
use super::style::{self, paint};
use super::text::{clean, clean_lines};
use super::{Context, find, offline};
use crate::board::{Layout, Past, Restored};

/// Most changes that are shown.
const CHANGES_MAX: usize = 200;

#[derive(Serialize)]
struct ChangeView {
    at: String,
    commit: String,
    message: String,
}

/// Runs `storkit log`.
pub(super) fn log(context: &Context, story: Option<&str>) -> Outcome {
    let root = &context.project()?.root;
    let id = story.map(|story| named(root, story)).transpose()?;
    let changes = open(root)?.log(id.as_ref(), CHANGES_MAX).map_err(git)?;
    if context.out.json {
        let views = changes.into_iter().map(|change| ChangeView {
            at: change.at.to_string(),
            commit: change.commit.to_string(),
            message: change.message,
        });
        context.out.json(&views.collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let mut out = String::new();
    for change in changes {
        let at = change.at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        for line in clean_lines(&change.message).lines().filter(|line| !line.trim().is_empty()) {
            let _ = writeln!(out, "{}  {line}", paint(style::FAINT, &at));
        }
    }
    context.out.data(&out)?;
    Ok(Exit::Done)
}

/// What happened to a story, or to all, the newest first: a line for each.
pub(super) fn lines(root: &std::path::Path, id: Option<&StoryId>) -> Result<String, Failure> {
    let mut out = String::new();
    for change in open(root)?.log(id, CHANGES_MAX).map_err(git)? {
        let at = change.at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        for line in clean_lines(&change.message).lines().filter(|line| !line.trim().is_empty()) {
            let _ = writeln!(out, "{at}  {line}");
        }
    }
    Ok(out)
}

/// Runs `storkit undo`.
pub(super) fn undo(context: &Context, story: Option<&str>) -> Outcome {
    let root = &context.project()?.root;
    let id = story.map(|story| named(root, story)).transpose()?;
    let done = undone(root, id.as_ref())?;
    if context.out.json {
        context.out.json(&done)?;
    } else {
        context.out.say(&clean(&done.message));
    }
    Ok(Exit::Done)
}

/// Takes the last change of the board back, or of one story.
pub(super) fn undone(root: &std::path::Path, id: Option<&StoryId>) -> Result<Done, Failure> {
    let board = offline::open_board(root)?;
    let mut past = open(root)?;
    let undone = past.undo(&board, id).map_err(|error| Failure::new(error.to_string()))?;
    let undone = undone.ok_or_else(|| Failure::new("there is no move to take back"))?;
    moved(&undone.id, &undone.end)?;
    past.commit().map_err(git)?;
    let message = format!("{}: {} → {} again", undone.id, undone.from, undone.to);
    Ok(Done { id: Some(undone.id.to_string()), message })
}

/// Runs `storkit restore`.
pub(super) fn restore(context: &Context, story: &str, at: Option<&str>) -> Outcome {
    let root = &context.project()?.root;
    let id = named(root, story)?;
    let at: Option<Timestamp> = at
        .map(|at| {
            at.parse().map_err(|_| {
                Failure::usage(format!("{} is no moment such as 2026-11-21T10:00:00Z", clean(at)))
            })
        })
        .transpose()?;
    let board = offline::open_board(root)?;
    let mut past = open(root)?;
    let restored = past.restore(&board, &id, at).map_err(|error| Failure::new(error.to_string()))?;
    past.commit().map_err(git)?;
    let message = match restored {
        Restored::Created(stage) => format!("{id} is in {stage} again"),
        Restored::Moved { from, to, rewritten: false } => format!("{id}: {from} → {to} again"),
        Restored::Moved { from, to, rewritten: true } => {
            format!("{id}: {from} → {to} again, with its old text")
        }
        Restored::Rewritten(stage) => format!("{id} in {stage} has its old text"),
        Restored::Unchanged(stage) => format!("{id} in {stage} is as it was"),
        Restored::Unknown => {
            return Err(Failure::new(format!("the history does not know {id}"))
                .hint("storkit log shows what it knows")
                .exit(Exit::NotFound));
        }
        Restored::Refused(why) => return Err(Failure::new(format!("{id}: {why}"))),
    };
    told(context, &id, message)
}

/// Commits the board as it is. A repository that cannot hold it does not keep a person from moving a file.
pub(super) fn record(layout: &Layout) {
    if let Err(error) = Past::open(layout, None) {
        tracing::debug!(%error, "the board's history cannot be written");
    }
}

/// The highest story number that the history knows.
pub(super) fn highest(layout: &Layout) -> u64 {
    Past::open(layout, None).map_or(0, |past| past.highest())
}

fn told(context: &Context, id: &StoryId, message: String) -> Outcome {
    if context.out.json {
        context.out.json(&Done { id: Some(id.to_string()), message })?;
    } else {
        context.out.say(&clean(&message));
    }
    Ok(Exit::Done)
}

/// The id that a person means, of a story that may be gone.
fn named(root: &std::path::Path, name: &str) -> Result<StoryId, Failure> {
    match find::story(root, name) {
        Ok(found) => Ok(found.id),
        Err(failure) if failure.code == Exit::NotFound as u8 => match name.parse() {
            Ok(number) => gone(root, number, failure),
            Err(_) => StoryId::new(name).map_err(|_| failure),
        },
        Err(failure) => Err(failure),
    }
}

/// The id of a story of that number that is no longer on the board.
fn gone(root: &std::path::Path, number: u64, failure: Failure) -> Result<StoryId, Failure> {
    let mut ids = open(root)?.ids_of(number).map_err(git)?;
    match (ids.pop(), ids.is_empty()) {
        (Some(id), true) => Ok(id),
        (Some(id), false) => {
            let all: Vec<&str> = ids.iter().map(StoryId::as_str).chain([id.as_str()]).collect();
            Err(failure.hint(format!("stories of that number were {}: name it by its id", all.join(", "))))
        }
        (None, _) => Err(failure.hint("storkit log shows what was on the board")),
    }
}

fn moved(id: &StoryId, end: &MoveEnd) -> Result<(), Failure> {
    match end {
        MoveEnd::Moved => Ok(()),
        MoveEnd::SourceGone => Err(Failure::new(format!("{id} has just been moved by somebody else"))),
        MoveEnd::TargetTaken => Err(Failure::new(format!("{id}: a file of that name is there already"))),
        MoveEnd::Failed(why) => Err(Failure::new(format!("{id}: {why}"))),
    }
}

fn open(root: &std::path::Path) -> Result<Past, Failure> {
    Past::open(&Layout::new(root), None).map_err(git)
}

fn git(error: crate::board::GitError) -> Failure {
    Failure::new(format!("the board's history cannot be used: {error}"))
}
