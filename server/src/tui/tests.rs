//! The board as a person sees it: keys go in, the screen is compared, effects are what would be done.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Rect;
use storkit_core::request::Request;
use storkit_core::snapshot::{AgentView, Condition, DaemonView, ProblemView, State, Status, StoryView, Why};
use storkit_core::stage::Stage;
use storkit_testkit::views;

use super::host::{Figures, Seen, StoryFile, Trouble};
use super::look::{Colors, Look};
use super::model::{Effect, Model, Msg, Part};
use super::palette::Ground;
use super::update::update;
use super::view;
use crate::http::Shown;
use crate::ledger::RunRow;
use crate::sys::text::is_dangerous;

mod actions;
mod colours;
mod finding;
mod hostile;
mod pages;
mod screens;

const NOW: &str = "2026-11-21T12:00:00Z";
const PLAIN: Look = Look { colors: Colors::None, ascii: false };

/// A story of the board; `minutes` ago it came into its state.
fn story(id: &str, name: &str, (stage, state): (Stage, State), minutes: i64) -> StoryView {
    let now: jiff::Timestamp = NOW.parse().expect("a moment");
    let since = now - jiff::SignedDuration::from_mins(minutes);
    StoryView { name: name.to_owned(), since: Some(since.to_string()), ..views::story(id, stage, state) }
}

/// The board of the design: a story in each state.
fn stories() -> Vec<StoryView> {
    use State::{Blocked, Done, Gating, Held, Idle, Merging, Problem, Question, Review, Running, Waiting};
    let because = |reason: &str, story: StoryView| StoryView { reason: Some(reason.to_owned()), ..story };
    let by = |agent: &str, story: StoryView| StoryView {
        agent: Some(agent.to_owned()),
        attempt: 2,
        cost_usd: Some(1.01),
        branch: Some(format!("feature/story-{}", story.id)),
        ..story
    };
    let sessions =
        by("coder-1", story("41_story_sessions", "Store sessions in SQLite", (Stage::Current, Running), 8));
    let passkey =
        by("coder-2", story("42_story_passkey", "Log in with a passkey", (Stage::Current, Question), 12));
    let invoices =
        by("coder-1", story("57_story_invoices", "Export invoices as CSV", (Stage::Qa, Review), 20));
    let mut all = vec![
        story("45_chore_import", "Import the old users table", (Stage::Backlog, Idle), 120),
        because(
            "for 41 (running)",
            story("46_story_avatars", "Move avatars to object storage", (Stage::Backlog, Waiting), 120),
        ),
        because("stopped by hand", story("47_story_crate", "Rename the crate", (Stage::Backlog, Held), 1440)),
        because(
            "line 4, column 3: `priority` must be 1 to 5",
            story("48_bug_login", "fix login redirect", (Stage::Backlog, Problem), 1440),
        ),
        story("50_story_last", "The last one", (Stage::Backlog, Idle), 1440),
        by("coder-1", story("40_story_rate", "Rate limit the login route", (Stage::Current, Gating), 4)),
        StoryView { run: Some("run-41".to_owned()), ..sessions },
        because("question 1 waits for an answer", passkey),
        because(
            "tests failed 3 of 3",
            by("coder-1", story("61_bug_charge", "Fix: double charge", (Stage::Current, Blocked), 31)),
        ),
        because("waits for a person's review", invoices),
        because(
            "gates on the squash",
            story("39_story_keyboard", "Keyboard moves announce", (Stage::Merge, Merging), 1),
        ),
    ];
    for n in 0..4 {
        all.push(story(&format!("3{n}_story_done"), &format!("Done thing {n}"), (Stage::Done, Done), 60 + n));
    }
    all
}

fn seen(stories: Vec<StoryView>) -> Seen {
    let agent = |name: &str, stories: &[&str]| AgentView {
        name: name.to_owned(),
        stage: "coder".to_owned(),
        runtime: "claude-code".to_owned(),
        state: if stories.is_empty() { "idle" } else { "busy" }.to_owned(),
        reason: None,
        stories: stories.iter().map(|story| (*story).to_owned()).collect(),
        until: None,
    };
    Seen {
        status: Status {
            daemon: Some(DaemonView { pid: 1, url: None, socket: "s".to_owned(), version: "1".to_owned() }),
            agents: vec![agent("coder-1", &["41_story_sessions"]), agent("coder-2", &[])],
            problems: vec![ProblemView {
                path: ".storkit/work/1_backlog/48_bug_login.md".to_owned(),
                line: Some(4),
                column: Some(3),
                message: "`priority` must be 1 to 5".to_owned(),
                hint: Some("e.g. `priority: 2`".to_owned()),
            }],
            ..views::status(stories)
        },
        base: Some("9f31c2e".to_owned()),
        spent_today: Some(12.4),
        budget: 50.0,
        tries: 3,
        figures: BTreeMap::from([
            ("40_story_rate".to_owned(), Figures { gates: Some((2, 3)), diff: None }),
            ("57_story_invoices".to_owned(), Figures { gates: None, diff: Some((212, 38, 9)) }),
        ]),
    }
}

/// A board, what it would do, and its screen.
struct Desk {
    model: Model,
    effects: Vec<Effect>,
}

impl Desk {
    fn of(size: (u16, u16), look: Look, stories: Vec<StoryView>) -> Self {
        let model = Model::new(size, look, NOW.parse().expect("a moment"));
        let mut desk = Self { model, effects: Vec::new() };
        desk.board(stories);
        desk.effects.clear();
        desk
    }

    fn new(size: (u16, u16)) -> Self {
        Self::of(size, PLAIN, stories())
    }

    fn take(&mut self, msg: Msg) {
        self.effects.extend(update(&mut self.model, msg));
    }

    fn board(&mut self, stories: Vec<StoryView>) {
        self.take(Msg::Board(Box::new(Ok(seen(stories)))));
    }

    /// Presses keys: letters as they are, others by name in `<…>`.
    fn press(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            let (code, modifiers) =
                if let Some((name, after)) = rest.strip_prefix('<').and_then(|named| named.split_once('>')) {
                    rest = after;
                    named(name)
                } else {
                    rest = &rest[c.len_utf8()..];
                    (KeyCode::Char(c), KeyModifiers::NONE)
                };
            self.take(Msg::Input(Event::Key(KeyEvent::new(code, modifiers))));
        }
        self
    }

    fn mouse(&mut self, kind: MouseEventKind, (column, row): (u16, u16)) {
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        self.take(Msg::Input(Event::Mouse(event)));
    }

    fn click(&mut self, at: (u16, u16)) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), at);
        self.mouse(MouseEventKind::Up(MouseButton::Left), at);
    }

    /// The effects since the last time, but for reading files.
    fn done(&mut self) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.effects);
        effects.retain(|effect| !matches!(effect, Effect::File(_)));
        effects
    }

    fn buffer(&self) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.model.size.0, self.model.size.1));
        view::draw(&self.model, &mut buffer);
        buffer
    }

    fn rows(&self) -> Vec<String> {
        let buffer = self.buffer();
        let mut rows = Vec::new();
        for y in 0..buffer.area.height {
            let mut row = String::new();
            let mut skip = 0;
            for x in 0..buffer.area.width {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                let symbol = buffer[(x, y)].symbol();
                skip = crate::sys::text::width(symbol).saturating_sub(1);
                row.push_str(symbol);
            }
            rows.push(row.trim_end().to_owned());
        }
        rows
    }

    fn screen(&self) -> String {
        self.rows().join("\n")
    }

    fn selected(&self) -> &str {
        self.model.selected().map_or("", |story| &story.id)
    }
}

fn named(name: &str) -> (KeyCode, KeyModifiers) {
    let plain = |code| (code, KeyModifiers::NONE);
    match name {
        "enter" => plain(KeyCode::Enter),
        "esc" => plain(KeyCode::Esc),
        "tab" => plain(KeyCode::Tab),
        "up" => plain(KeyCode::Up),
        "down" => plain(KeyCode::Down),
        other => match other.strip_prefix("c-").and_then(|rest| rest.chars().next()) {
            Some(c) => (KeyCode::Char(c), KeyModifiers::CONTROL),
            None => panic!("no key is called {name}"),
        },
    }
}
