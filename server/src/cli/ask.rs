//! Asking the daemon, and doing the same by files where none runs.

use std::time::{Duration, Instant};

use storkit_core::request::{Reply, Request};
use storkit_core::snapshot::{Status, Why};

use super::exit::{Exit, Failure, Outcome};
use super::text::clean;
use super::{Context, find, offline};
use crate::http::client::{Client, ClientError};

/// How long a file that is there may be new to the daemon.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// How often the daemon is asked again meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The daemon of the project, where one runs.
pub(super) fn daemon(context: &Context) -> Result<Option<Client>, Failure> {
    match Client::connect(&context.project()?.run_dir()) {
        Ok(client) => Ok(Some(client)),
        Err(ClientError::NotRunning) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The board, from the daemon or from the files.
pub(super) fn status(context: &Context, all: bool) -> Result<Status, Failure> {
    match daemon(context)? {
        Some(client) => Ok(client.status(all)?),
        None => Ok(offline::Offline::look(&context.project()?.root)?.status(all)),
    }
}

/// What keeps a story, from the daemon or from the files.
pub(super) fn why(context: &Context, story: &str) -> Result<Why, Failure> {
    match daemon(context)? {
        Some(client) => match ask_of_story(context, &client, &Request::Why { story: story.to_owned() })? {
            Reply::Why(why) => Ok(why),
            _ => Err(Failure::new("the daemon answered another question")),
        },
        None => offline::Offline::look(&context.project()?.root)?.why(story),
    }
}

/// Asks the daemon. Where it does not know the story yet whose file is there, as just after `new`, it is asked again.
fn ask_of_story(context: &Context, client: &Client, request: &Request) -> Result<Reply, Failure> {
    let begun = Instant::now();
    loop {
        match client.ask(request) {
            Err(ClientError::Refused(refusal))
                if refusal.code == Exit::NotFound as u8
                    && begun.elapsed() < SEEN_WITHIN
                    && is_there(context, request) =>
            {
                std::thread::sleep(ASK_EVERY);
            }
            answer => return Ok(answer?),
        }
    }
}

/// Whether the story that a request names has a file.
fn is_there(context: &Context, request: &Request) -> bool {
    let (Some(story), Ok(project)) = (request.story(), context.project()) else { return false };
    find::story(&project.root, story).is_ok()
}

/// Asks the daemon to act; where none runs, `by_files` does it. Either answers with what was done, in a sentence.
pub(super) fn act(
    context: &Context,
    request: &Request,
    by_files: impl FnOnce() -> Result<Done, Failure>,
) -> Outcome {
    let done = match daemon(context)? {
        None => by_files()?,
        Some(client) => match ask_of_story(context, &client, request)? {
            Reply::Done { id, message } => Done { id, message },
            _ => return Err(Failure::new("the daemon answered another question")),
        },
    };
    if context.out.json {
        context.out.json(&done)?;
    } else {
        context.out.say(&clean(&done.message));
    }
    Ok(Exit::Done)
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Done {
    /// The story.
    pub(super) id: Option<String>,
    /// What was done, in a sentence.
    pub(super) message: String,
}
