//! Everything that the board shows, as data. It changes by messages alone (`update`), and is drawn by `view`.

use jiff::Timestamp;
use storkit_core::request::Request;
use storkit_core::snapshot::{State, StoryView, Why};
use storkit_core::stage::Stage;

use super::cards::{Cards, Cursor};
use super::host::{Answer, Seen, StoryFile};
use super::line::Line;
use super::look::Look;
use super::page::Page;
use super::palette::Ground;
use super::screen::Screen;
use crate::http::{Shown, WatchEnd};

/// What happened.
pub(super) enum Msg {
    /// A key, the mouse, a paste, another size.
    Input(ratatui::crossterm::event::Event),
    /// The board was read; and whether a daemon answered is in it.
    Board(Box<Answer<Seen>>),
    /// Time went on.
    Tick(Timestamp),
    /// Something was done, or was not.
    Acted(Answer<String>),
    /// A part of a story was read.
    Loaded(Part, String, Answer<String>),
    /// The terminal has told how dark its ground is.
    Ground(Ground),
    /// A story's file and runs were read.
    File(String, Answer<StoryFile>),
    /// What keeps a story was read.
    Why(Answer<Why>),
    /// A command has ended.
    Printed(String, Answer<String>),
    /// A watched terminal showed something.
    Shown(String, Shown),
    /// The watching of a run ended.
    Watched(String, Answer<WatchEnd>),
}

/// What of a story is read when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Its diff against base.
    Diff,
    /// What happened to it.
    History,
    /// What its last run printed.
    Transcript,
}

/// What is to be done in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Ask for a change.
    Act(Request),
    /// Read a part of a story.
    Load(Part, String),
    /// Read a story's file and runs.
    File(String),
    /// Read what keeps a story.
    Why(String),
    /// Watch this run's terminal and no other; none: no longer any.
    Watch(Option<String>),
    /// Take the last change of the board back.
    Undo,
    /// Give a story another priority.
    Priority(String, u8),
    /// Write a new story.
    Create(String),
    /// Run a storkit command and show what it prints.
    Command(Vec<String>),
    /// Run a storkit command in the terminal, outside of the board.
    InTerminal(Vec<String>),
    /// Copy to the terminal's clipboard.
    Copy(String),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Draw everything anew.
    Redraw,
    /// Stop, as Ctrl-z does in a shell.
    Suspend,
    /// End.
    Quit,
}

/// What a typed line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Shows only stories that hold the text.
    Filter,
    /// Walks to what holds the text on a page.
    Find,
    /// Any storkit command.
    Command,
    /// A new story's title.
    Create,
    /// The answer to a story's question.
    Answer(String),
    /// Why a story is sent back.
    Reject(String),
    /// Why a story is held.
    Hold(String),
    /// A comment on the diff's row.
    Comment(usize),
}

/// A line that is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    /// What for.
    pub(super) purpose: Purpose,
    /// What stands there.
    pub(super) line: Line,
}

/// A key that waits for a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    /// `g`: go to.
    Go,
    /// `m`: move to.
    Move,
    /// `y`: copy.
    Copy,
    /// `p`: priority.
    Priority,
}

/// A text over the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    /// Its title.
    pub(super) title: String,
    /// Its lines.
    pub(super) lines: Vec<String>,
    /// The first line that is shown.
    pub(super) top: usize,
}

/// The list of keys, searched and run from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Help {
    /// What is searched for.
    pub(super) line: Line,
    /// The selected row of what was found.
    pub(super) row: usize,
}

/// What can be done with a story, at the place of a right click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Menu {
    /// Where it was clicked.
    pub(super) at: (u16, u16),
    /// The selected row.
    pub(super) row: usize,
}

/// How what was done last is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undo {
    /// As a change of the board.
    Board,
    /// By asking for the contrary.
    Ask(Request),
    /// By the priority of before.
    Priority(String, u8),
    /// Not at all, for this reason.
    Never(&'static str),
}

/// What lies over the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Over {
    /// A text.
    Sheet(Sheet),
    /// The keys.
    Help(Help),
    /// What can be done with the story under the mouse.
    Menu(Menu),
}

/// What the message line says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The words.
    pub(super) text: String,
    /// It is bad news.
    pub(super) bad: bool,
    /// It can be taken back.
    pub(super) undo: bool,
}

/// A run's terminal that is watched.
pub(super) struct Live {
    /// The run.
    pub(super) run: String,
    /// What it shows.
    pub(super) screen: Screen,
    /// Nothing more comes.
    pub(super) over: bool,
    /// Why it is not watched.
    pub(super) trouble: Option<String>,
}

/// The file and runs of the story under the cursor.
#[derive(Debug, Clone, Default)]
pub(super) struct Detail {
    /// The story as it was when they were asked for.
    pub(super) of: Option<StoryView>,
    /// The board was read since, and with it the file may be another.
    pub(super) stale: bool,
    /// What was read.
    pub(super) file: Option<StoryFile>,
}

/// A card that is dragged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drag {
    /// The story.
    pub(super) id: String,
    /// Where from.
    pub(super) from: Stage,
    /// Where the mouse is.
    pub(super) to: Option<Stage>,
}

/// The model.
pub(super) struct Model {
    /// Columns and rows of the terminal.
    pub(super) size: (u16, u16),
    /// How things look.
    pub(super) look: Look,
    /// The time that ages are counted to.
    pub(super) now: Timestamp,
    /// The board as it was last read.
    pub(super) seen: Option<Seen>,
    /// Why it could not be read since.
    pub(super) trouble: Option<String>,
    /// When it was last read.
    pub(super) seen_at: Option<Timestamp>,
    /// The stories by columns.
    pub(super) cards: Cards,
    /// The selected column.
    pub(super) stage: Stage,
    /// Where each column stands.
    pub(super) cursors: [Cursor; 6],
    /// A story that the cursor goes along with, and since when.
    pub(super) follow: Option<(String, Timestamp)>,
    /// What stories must hold to be shown.
    pub(super) filter: String,
    /// A story's own page.
    pub(super) page: Option<Page>,
    /// What lies over everything.
    pub(super) over: Option<Over>,
    /// A line that is typed.
    pub(super) prompt: Option<Prompt>,
    /// A key that waits for a second one.
    pub(super) prefix: Option<Prefix>,
    /// What happened last.
    pub(super) message: Message,
    /// How what was asked for, and is not yet done, will be taken back.
    pub(super) asked: Option<Undo>,
    /// How what was done last is taken back.
    pub(super) undo: Option<Undo>,
    /// The selected story's file.
    pub(super) detail: Detail,
    /// The watched run.
    pub(super) live: Option<Live>,
    /// Whether the board has the mouse.
    pub(super) mouse: bool,
    /// A card on its way.
    pub(super) drag: Option<Drag>,
}

impl Model {
    /// An empty board of that size.
    pub(super) fn new(size: (u16, u16), look: Look, now: Timestamp) -> Self {
        Self {
            size,
            look,
            now,
            seen: None,
            trouble: None,
            seen_at: None,
            cards: Cards::default(),
            stage: Stage::Current,
            cursors: Default::default(),
            follow: None,
            filter: String::new(),
            page: None,
            over: None,
            prompt: None,
            prefix: None,
            message: Message::default(),
            asked: None,
            undo: None,
            detail: Detail::default(),
            live: None,
            mouse: true,
            drag: None,
        }
    }

    /// All stories.
    pub(super) fn stories(&self) -> &[StoryView] {
        self.seen.as_ref().map_or(&[], |seen| &seen.status.stories)
    }

    /// The story of that id.
    pub(super) fn story(&self, id: &str) -> Option<&StoryView> {
        self.stories().iter().find(|story| story.id == id)
    }

    /// The story under the board's cursor.
    pub(super) fn selected(&self) -> Option<&StoryView> {
        let id = self.cursors[index(self.stage)].id.as_deref()?;
        self.story(id)
    }

    /// The story that keys act on: the page's, else the one under the cursor.
    pub(super) fn subject(&self) -> Option<&StoryView> {
        match &self.page {
            Some(page) => self.story(&page.id),
            None => self.selected(),
        }
    }

    /// Whether a daemon runs, as far as is known.
    pub(super) fn has_daemon(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.status.daemon.is_some())
    }

    /// Whether the page fills the screen, rather than standing beside the board.
    pub(super) fn is_page_whole(&self) -> bool {
        self.size.0 < super::areas::BESIDE_FROM
    }

    /// The stories that need a person, the one that waits longest first.
    pub(super) fn needs(&self) -> Vec<&StoryView> {
        let mut needs: Vec<&StoryView> = self
            .stories()
            .iter()
            .filter(|story| super::look::needs_person(story.state) && !is_archived(story))
            .collect();
        needs.sort_by(|a, b| (&a.since, &a.id).cmp(&(&b.since, &b.id)));
        needs
    }

    /// Says what happened.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.message = Message { text: text.into(), ..Message::default() };
    }

    /// Says what went wrong.
    pub(super) fn fail(&mut self, text: impl Into<String>) {
        self.message = Message { text: text.into(), bad: true, undo: false };
    }
}

/// A stage's place on the board.
pub(super) const fn index(stage: Stage) -> usize {
    stage as usize
}

/// The stage that a story's view names.
pub(super) fn stage_of(story: &StoryView) -> Stage {
    Stage::parse(&story.stage).unwrap_or(Stage::Backlog)
}

/// Whether a story is put away.
pub(super) fn is_archived(story: &StoryView) -> bool {
    story.stage == Stage::Archived.name()
}

/// A story's number, or what of its id tells it apart.
pub(super) fn short(story: &StoryView) -> String {
    story.number.map_or_else(|| story.id.clone(), |number| number.to_string())
}

/// Whether a run of the story can be watched.
pub(super) fn is_live(story: &StoryView) -> bool {
    story.state == State::Running && story.run.is_some()
}
