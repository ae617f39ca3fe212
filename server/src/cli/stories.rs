//! Commands that change one story: by the daemon where one runs, else by its file.

use std::io::Read;
use std::path::Path;

use storkit_core::ids::StoryId;
use storkit_core::request::{Reply, Request};

use super::args::NewArgs;
use super::ask::{self, Done};
use super::exit::{Exit, Failure, Outcome, io};
use super::{Context, editor, find, history, offline};
use crate::board::{CreateError, Layout, NewStory};

/// Longest text that `new --body` takes, in bytes.
const BODY_LEN_MAX: u64 = 1024 * 1024;

/// What is said after an act that only a daemon follows up.
const NO_DAEMON: &str = "no daemon runs: storkit up";

/// Asks for a change that is as good without a daemon: a move, a key in the file.
pub(super) fn change(context: &Context, request: Request) -> Outcome {
    ask::act(context, &request, || by_files(context, request.clone(), None))
}

/// Asks for a start. Without a daemon the file is made ready, and that none runs is said.
pub(super) fn start(context: &Context, request: Request) -> Outcome {
    ask::act(context, &request, || by_files(context, request.clone(), Some(NO_DAEMON)))
}

/// Asks for what only a daemon can do.
pub(super) fn needs_daemon(context: &Context, what: &str, request: &Request) -> Outcome {
    ask::act(context, request, || Err(Failure::no_daemon(what)))
}

pub(super) fn by_files(context: &Context, request: Request, note: Option<&str>) -> Result<Done, Failure> {
    match offline::Offline::look(&context.project()?.root)?.ask(request)? {
        Reply::Done { id, message } => {
            let message = note.map_or_else(|| message.clone(), |note| format!("{message}; {note}"));
            Ok(Done { id, message })
        }
        _ => Err(Failure::new("the board answered another question")),
    }
}

/// Runs `storkit new`.
pub(super) fn new(context: &Context, args: &NewArgs) -> Outcome {
    let body = args.body.as_deref().map(body).transpose()?;
    let root = &context.project()?.root;
    let layout = Layout::new(root);
    let new = NewStory { title: args.title.clone(), kind: args.kind, stage: args.stage, body };
    let id = create(&layout, &new)?;
    if context.out.json {
        let message = format!("{id}: new in {}", args.stage);
        context.out.json(&Done { id: Some(id.to_string()), message })?;
    } else {
        context.out.data(&format!("{id}\n"))?;
    }
    if args.edit { editor::open(&layout.story(args.stage, &id)) } else { Ok(Exit::Done) }
}

/// Writes a new story's file; the history has it.
pub(super) fn create(layout: &Layout, new: &NewStory) -> Result<StoryId, Failure> {
    let board = offline::open_board(layout.root())?;
    let id = board.create(new, history::highest(layout)).map_err(|error| match error {
        CreateError::NoTitle | CreateError::TooLong(_) | CreateError::FrontMatter(_) => {
            Failure::usage(error.to_string())
        }
        CreateError::Board(_) | CreateError::Id(_) => Failure::new(error.to_string()),
    })?;
    history::record(layout);
    Ok(id)
}

fn body(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(BODY_LEN_MAX + 1).read_to_string(&mut text).map_err(io("read", path))?;
    } else {
        let file = std::fs::File::open(path).map_err(io("read", path))?;
        file.take(BODY_LEN_MAX + 1).read_to_string(&mut text).map_err(io("read", path))?;
    }
    if text.len() as u64 > BODY_LEN_MAX {
        return Err(Failure::new(format!("{} is over 1 MiB", path.display())));
    }
    Ok(text)
}

/// Runs `storkit edit`.
pub(super) fn edit(context: &Context, story: &str) -> Outcome {
    editor::open(&find::story(&context.project()?.root, story)?.path)
}

/// Runs `storkit rm`: the history has the file first.
pub(super) fn rm(context: &Context, story: &str) -> Outcome {
    let root = &context.project()?.root;
    let found = find::story(root, story)?;
    let board = offline::open_board(root)?;
    history::record(board.layout());
    let gone = board.delete(&found.id, found.stage).map_err(|error| Failure::new(error.to_string()))?;
    if !gone {
        return Err(Failure::new(format!("{} has just been moved by somebody else", found.id)));
    }
    history::record(board.layout());
    let message = format!(
        "{}: deleted; storkit restore {0} brings it back, storkit prune removes its branch",
        found.id
    );
    if context.out.json {
        context.out.json(&Done { id: Some(found.id.to_string()), message })?;
    } else {
        context.out.say(&message);
    }
    Ok(Exit::Done)
}
