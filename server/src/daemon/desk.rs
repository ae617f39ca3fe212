//! What tools and routes ask of the daemon: requests go to the one loop, looks at files and ledger to threads that may
//! wait for a disk.

use std::time::Duration;

use storkit_core::context;
use storkit_core::ids::{RunId, StoryId};
use storkit_core::memory::Memory;
use storkit_core::message::Message as Letter;
use storkit_core::request::{Refusal, Reply, Request};
use storkit_core::sighting::FileKey;
use storkit_core::snapshot::StoryView;
use storkit_core::stage::Stage;
use storkit_core::story_file::content_hash;
use storkit_core::usage::RunUsed;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::dispatcher::Message;
use super::logs;
use super::scanner::Look;
use super::service::{Door, refused};
use crate::board::{ChangeError, CreateError, NewStory, change_context, read_context};
use crate::ledger::{Reader, RunRow};
use crate::mcp::{Desk, Output, Said, StoryFile, Wanted};

/// How often it is looked whether a run is over, besides at every event.
const OVER_LOOK: Duration = Duration::from_millis(500);
/// Longest wait for a story that was made to be on the board, and how often that is looked at.
const SHOWN_WAIT: Duration = Duration::from_secs(2);
const SHOWN_LOOK: Duration = Duration::from_millis(20);
/// Most things that one run says.
const SAID_MAX: usize = 32;

impl Door {
    /// Waits until the board shows a story that was made, so that who made it finds it. It is made in any case.
    async fn shown(&self, stage: Stage, id: &StoryId) {
        let file = FileKey::new(stage, id.file_name());
        // Where nobody looks any more, the daemon is ending.
        let _ = self.0.scanner.send(Look::Files(vec![file]));
        let deadline = Instant::now() + SHOWN_WAIT;
        while Instant::now() < deadline {
            match self.ask(Request::Status { all: true }).await {
                Ok(Reply::Status(status)) if status.find(id.as_str()).is_err() => {}
                _ => return,
            }
            tokio::time::sleep(SHOWN_LOOK).await;
        }
    }
}

impl Desk for Door {
    async fn ask(&self, request: Request) -> Result<Reply, Refusal> {
        let (reply, answer) = oneshot::channel();
        let sent = self.0.inbox.send(Message::Ask(request, reply));
        match (sent, answer.await) {
            (Ok(()), Ok(answer)) => answer,
            _ => Err(refused("the daemon has ended", "`storkit up` starts it again")),
        }
    }

    async fn file(&self, story: &StoryView) -> Option<StoryFile> {
        let (id, stage) = (StoryId::new(&story.id).ok()?, Stage::parse(&story.stage)?);
        self.off(move |world| {
            let bytes = world.board.read(&id, stage).ok()??;
            let seen = content_hash(&bytes);
            Some(StoryFile { text: String::from_utf8(bytes).ok()?, seen })
        })
        .await?
    }

    async fn create(&self, new: NewStory) -> Result<StoryId, Refusal> {
        let stage = new.stage;
        let made = self.off(move |world| world.board.create(&new, world.history.highest())).await;
        let made = made.ok_or_else(|| refused("the story was not made", ""))?;
        let id = made.map_err(|error| match error {
            CreateError::NoTitle | CreateError::TooLong(_) | CreateError::FrontMatter(_) => {
                Refusal { code: 2, ..refused(error.to_string(), "") }
            }
            CreateError::Board(_) | CreateError::Id(_) => refused(error.to_string(), ""),
        })?;
        self.shown(stage, &id).await;
        Ok(id)
    }

    async fn runs(&self, story: Option<StoryId>) -> Vec<RunRow> {
        self.off(move |world| world.ledger.runs(story.as_ref())).await.unwrap_or_default()
    }

    async fn run(&self, run: String) -> Option<RunRow> {
        self.off(move |world| world.ledger.run(&run)).await.flatten()
    }

    async fn run_over(&self, run: String, wait: Duration) -> Option<RunRow> {
        let deadline = Instant::now() + wait;
        let mut events = self.0.hub.subscribe(None).live;
        loop {
            let row = self.run(run.clone()).await?;
            if row.ended.is_some() || Instant::now() >= deadline {
                return Some(row);
            }
            let look = deadline.min(Instant::now() + OVER_LOOK);
            // What came is read from the ledger; that something came is all that counts.
            let _ = tokio::time::timeout_at(look, events.recv()).await;
        }
    }

    async fn output(&self, wanted: Wanted) -> Option<Output> {
        let row = self.run(wanted.run.clone()).await?;
        self.off(move |world| {
            let log = world.layout.root().join(&row.log);
            logs::piece(&log, &row.run, &wanted).ok()
        })
        .await?
    }

    async fn used(&self) -> (Vec<RunUsed>, bool) {
        let read = self.off(|world| Reader::open(&world.layout.run()).and_then(|reader| reader.used()).ok());
        read.await.flatten().unwrap_or_default()
    }

    async fn messages(&self, story: StoryId) -> Vec<Letter> {
        let memory = self.off(move |world| world.ledger.story_memory().remove(&story)).await.flatten();
        let memory = memory.and_then(|json| serde_json::from_str::<Memory>(&json).ok());
        memory.map(|memory| memory.messages.waiting().cloned().collect()).unwrap_or_default()
    }

    async fn context(&self) -> Result<String, Refusal> {
        let read = self.off(|world| read_context(&world.layout)).await;
        let failed = || refused("the shared context cannot be read", "");
        read.ok_or_else(failed)?.map_err(|error| refused(error.to_string(), ""))
    }

    async fn set_context(&self, key: String, text: Option<String>) -> Result<(), Refusal> {
        let changed = self.off(move |world| {
            change_context(&world.layout, |old| match &text {
                Some(text) => context::set(old, &key, text).map(Some),
                None => Ok(context::unset(old, &key)),
            })
        });
        let failed = || refused("the shared context was not changed", "");
        changed.await.ok_or_else(failed)?.map(drop).map_err(|error| {
            let code = if matches!(error, ChangeError::Context(_)) { 2 } else { 1 };
            Refusal { code, ..refused(error.to_string(), "") }
        })
    }

    fn tell(&self, run: RunId, said: Said) -> Result<(), Refusal> {
        let mut all = self.0.said();
        let heard = all.get_mut(&run).ok_or_else(|| refused("this run is over", ""))?;
        if heard.len() >= SAID_MAX {
            return Err(refused("this run has said enough", "end your turn"));
        }
        heard.push(said);
        Ok(())
    }
}
