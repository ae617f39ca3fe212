//! The board without a daemon: the same core over the same files, asked once. Nothing is started and nothing waits.
//!
//! The rules of moves and edits are the pipeline's alone; here its moves and edits are carried out one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use storkit_core::board::Named;
use storkit_core::config::Config;
use storkit_core::effect::Effect;
use storkit_core::event::{AskId, Event, Outcome, Start};
use storkit_core::ids::{RunId, StoryId};
use storkit_core::memory::Memory;
use storkit_core::message::Message;
use storkit_core::pipeline::Pipeline;
use storkit_core::pipeline::view::Surroundings;
use storkit_core::request::{Refusal, Reply, Request};
use storkit_core::snapshot::{Status, Why};
use storkit_core::story::Problem;
use storkit_core::time::{Now, Wall};

use super::exit::{Exit, Failure};
use super::history;
use crate::board::{Board, Layout};
use crate::daemon::{Sources, compose};
use crate::ledger::Reader;

/// Most steps of one request; a request is a move and an edit or two.
const STEPS_MAX: usize = 16;

/// A board that was looked at once.
pub(super) struct Offline {
    board: Board,
    pipeline: Pipeline,
    problems: Vec<Problem>,
}

impl Offline {
    /// Looks at the board of the project at `root`.
    pub(super) fn look(root: &Path) -> Result<Self, Failure> {
        let (config, problems) = super::config::in_force(root);
        let board = open_board(root)?;
        let scan = board.scan_all(0);
        let start = Start { memory: memory(root), branches: branches(root), ..Start::default() };
        let mut pipeline = Pipeline::new(0, Arc::new(config));
        pipeline.look(now(), start, scan);
        Ok(Self { board, pipeline, problems })
    }

    /// The board.
    pub(super) fn status(&self, all: bool) -> Status {
        let root = self.board.layout().root();
        let base_branch = self.base_branch();
        let around = Surroundings {
            project: root.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            root: root.display().to_string(),
            base_branch,
            sandbox: "none".to_owned(),
            daemon: None,
            problems: self.problems.clone(),
        };
        self.pipeline.status(&around, all)
    }

    fn base_branch(&self) -> String {
        let config: &Config = self.pipeline.config();
        let head = || head_branch(self.board.layout().root());
        config.base_branch.clone().or_else(head).unwrap_or_default()
    }

    /// The prompt that a run of the story would get now.
    pub(super) fn prompt(&self, name: &str) -> Result<String, Failure> {
        let id = self.named(name)?;
        let layout = self.board.layout();
        let known = self.pipeline.track(&id).and_then(|track| track.worktree.clone());
        let usual = || layout.worktrees(&self.pipeline.config().worktrees.dir).join(id.as_str());
        let worktree = known.unwrap_or_else(|| usual().display().to_string());
        let order = self.pipeline.next_order(&id, RunId(uuid::Uuid::new_v4()), worktree)?;
        let news = Reader::open(&layout.run()).map(|reader| reader.news(&id)).unwrap_or_default();
        let sources = Sources { layout, base_branch: &self.base_branch(), news };
        compose(&sources, &order, order.resume.as_ref()).map_err(|error| Failure::new(error.to_string()))
    }

    /// The messages that wait for a story's next run.
    pub(super) fn waiting(&self, name: &str) -> Result<Vec<Message>, Failure> {
        let id = self.named(name)?;
        let messages = self.pipeline.track(&id).map(|track| track.memory.messages.waiting());
        Ok(messages.map(|waiting| waiting.cloned().collect()).unwrap_or_default())
    }

    /// What keeps a story.
    pub(super) fn why(&self, name: &str) -> Result<Why, Failure> {
        let id = self.named(name)?;
        self.pipeline.why(&id).ok_or_else(|| missing(name))
    }

    fn named(&self, name: &str) -> Result<StoryId, Failure> {
        match self.pipeline.board().meant(name) {
            Named::One(id) => Ok(id),
            Named::Nothing => Err(missing(name)),
            Named::Several(ids) => {
                let ids: Vec<&str> = ids.iter().map(StoryId::as_str).collect();
                Err(Failure::new(format!("{name} is the number of several stories: {}", ids.join(", ")))
                    .hint("name it by its id"))
            }
        }
    }

    /// Carries a request out: its moves and edits, and nothing else.
    pub(super) fn ask(mut self, request: Request) -> Result<Reply, Failure> {
        history::record(self.board.layout());
        let mut effects = self.pipeline.handle(now(), Event::Asked(AskId(1), request));
        for _ in 0..STEPS_MAX {
            let mut ended = None;
            for effect in effects {
                match effect {
                    Effect::Answer(_, answer) => {
                        history::record(self.board.layout());
                        return Ok((*answer)?);
                    }
                    Effect::Move(op, order) => {
                        let end = self.board.move_story(&order.story, order.from, order.to);
                        ended = Some((op, Outcome::Move(end)));
                    }
                    Effect::Edit(op, order) => {
                        let end = self.board.edit(&order.story, order.stage, &order.edits);
                        ended = Some((op, Outcome::Edit(end)));
                    }
                    // What a daemon would start or tell: there is none.
                    _ => {}
                }
            }
            let Some((op, outcome)) = ended else { break };
            effects = self.pipeline.handle(now(), Event::Ended(op, outcome));
        }
        Err(Refusal { error: "the request came to no end".to_owned(), hint: None, code: 1 }.into())
    }
}

fn missing(name: &str) -> Failure {
    Failure::new(format!("there is no story {name}"))
        .hint("storkit status --all lists all stories")
        .exit(Exit::NotFound)
}

/// Opens the board of the project at `root`.
pub(super) fn open_board(root: &Path) -> Result<Board, Failure> {
    Board::open(Layout::new(root)).map_err(|error| Failure::new(error.to_string()))
}

/// What the last daemon remembered of each story; nothing where there is no ledger.
fn memory(root: &Path) -> BTreeMap<StoryId, Memory> {
    let Ok(reader) = Reader::open(&root.join(".storkit/run")) else { return BTreeMap::new() };
    let remembered = reader.story_memory().into_iter();
    remembered.filter_map(|(id, json)| Some((id, serde_json::from_str(&json).ok()?))).collect()
}

/// Stories that have a worktree where worktrees usually are.
fn branches(root: &Path) -> BTreeSet<StoryId> {
    let folders = std::fs::read_dir(root.join(".storkit/worktrees")).into_iter().flatten().flatten();
    folders.filter_map(|entry| StoryId::new(entry.file_name().to_str()?).ok()).collect()
}

/// The branch that HEAD of the main checkout names.
fn head_branch(root: &Path) -> Option<String> {
    let head = std::fs::read_to_string(root.join(".git/HEAD")).ok()?;
    Some(head.strip_prefix("ref: refs/heads/")?.trim_end().to_owned())
}

fn now() -> Now {
    Now { mono_ms: 0, wall: Wall(jiff::Timestamp::now().as_millisecond()) }
}
