//! The one table of keys: what each does, where, and in which words. Dispatch, footer and help all read it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use storkit_core::snapshot::{State, StoryView};

use super::model::{Model, is_live};
use super::page::Tab;

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Left,
    Right,
    Up,
    Down,
    Top,
    Bottom,
    HalfUp,
    HalfDown,
    Stage(usize),
    NextPane,
    Open,
    Back,
    Act,
    Approve,
    Reject,
    Prefix(super::model::Prefix),
    MoveLeft,
    MoveRight,
    StopStart,
    Hold,
    Retry,
    Create,
    Edit,
    Filter,
    Find,
    Command,
    Undo,
    Live,
    Diff,
    Why,
    Browser,
    Mouse,
    Redraw,
    NextNeed,
    LastNeed,
    Help,
    Suspend,
    Hunk(bool),
    File(bool),
    Viewed,
    Comment,
    Follow,
    Transcript,
    Type,
}

/// Where a key is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    /// The columns.
    Board,
    /// A story's page but for the next two.
    Story,
    /// Its live tab.
    Live,
    /// Its diff tab.
    Diff,
}

const ALL: &[Scene] = &[Scene::Board, Scene::Story, Scene::Live, Scene::Diff];
const BOARD: &[Scene] = &[Scene::Board];
const PAGE: &[Scene] = &[Scene::Story, Scene::Live, Scene::Diff];
const LIVE: &[Scene] = &[Scene::Live];
const DIFF: &[Scene] = &[Scene::Diff];

/// One key, or several that do the same.
pub(super) struct Binding {
    /// As it is printed.
    pub(super) shown: &'static str,
    keys: &'static [(KeyCode, bool)],
    /// Where it is in force. The first binding that fits is the one.
    pub(super) scenes: &'static [Scene],
    /// What it does.
    pub(super) action: Action,
    /// The same in words.
    pub(super) does: &'static str,
}

const fn c(c: char) -> (KeyCode, bool) {
    (KeyCode::Char(c), false)
}

const fn ctrl(c: char) -> (KeyCode, bool) {
    (KeyCode::Char(c), true)
}

const fn k(code: KeyCode) -> (KeyCode, bool) {
    (code, false)
}

macro_rules! keys {
    ($($shown:literal $keys:expr, $scenes:expr, $action:expr, $does:literal;)*) => {
        &[$(Binding { shown: $shown, keys: &$keys, scenes: $scenes, action: $action, does: $does }),*]
    };
}

/// All keys, the more special scenes first.
pub(super) const KEYS: &[Binding] = keys![
    "J" [c('J')], DIFF, Action::Hunk(true), "diff: next hunk";
    "K" [c('K')], DIFF, Action::Hunk(false), "diff: previous hunk";
    "]" [c(']')], DIFF, Action::File(true), "diff: next file";
    "[" [c('[')], DIFF, Action::File(false), "diff: previous file";
    "v" [c('v')], DIFF, Action::Viewed, "diff: file viewed, and on to the next";
    "c" [c('c')], DIFF, Action::Comment, "diff: comment on this line";
    "t" [c('t')], LIVE, Action::Transcript, "live: transcript or terminal";
    "f" [c('f')], LIVE, Action::Follow, "live: follow the newest output";
    "i" [c('i')], LIVE, Action::Type, "live: type into the agent's terminal (Ctrl-] gives the keys back)";
    "a" [c('a')], ALL, Action::Act, "the story's next action";
    "⏎" [k(KeyCode::Enter)], BOARD, Action::Open, "open the story";
    "Esc" [k(KeyCode::Esc), c('q')], ALL, Action::Back, "back; on the board: leave";
    "h" [c('h'), k(KeyCode::Left)], ALL, Action::Left, "column or tab to the left";
    "l" [c('l'), k(KeyCode::Right)], ALL, Action::Right, "column or tab to the right";
    "j" [c('j'), k(KeyCode::Down)], ALL, Action::Down, "down";
    "k" [c('k'), k(KeyCode::Up)], ALL, Action::Up, "up";
    "G" [c('G'), k(KeyCode::End)], ALL, Action::Bottom, "to the end";
    "g" [c('g')], ALL, Action::Prefix(super::model::Prefix::Go), "go to: g top, b board, a agents, q queue, u usage, p problems";
    "Home" [k(KeyCode::Home)], ALL, Action::Top, "to the top";
    "Ctrl-d" [ctrl('d'), k(KeyCode::PageDown)], ALL, Action::HalfDown, "half a page down";
    "Ctrl-u" [ctrl('u'), k(KeyCode::PageUp)], ALL, Action::HalfUp, "half a page up";
    "1" [c('1')], ALL, Action::Stage(0), "backlog; on a page: the first tab";
    "2" [c('2')], ALL, Action::Stage(1), "current; on a page: the second tab";
    "3" [c('3')], ALL, Action::Stage(2), "qa; on a page: the third tab";
    "4" [c('4')], ALL, Action::Stage(3), "merge; on a page: the fourth tab";
    "5" [c('5')], ALL, Action::Stage(4), "done; on a page: the fifth tab";
    "6" [c('6')], ALL, Action::Stage(5), "archived";
    "Tab" [k(KeyCode::Tab)], ALL, Action::NextPane, "next column or tab";
    "n" [c('n')], ALL, Action::NextNeed, "next story that needs me; while a page is searched: next hit";
    "N" [c('N')], ALL, Action::LastNeed, "previous story that needs me; while a page is searched: previous hit";
    "A" [c('A')], ALL, Action::Approve, "approve";
    "R" [c('R')], ALL, Action::Reject, "send back, with the comments or a text";
    "m" [c('m')], ALL, Action::Prefix(super::model::Prefix::Move), "move to a stage: 1 to 6";
    "H" [c('H')], ALL, Action::MoveLeft, "move one stage to the left";
    "L" [c('L')], ALL, Action::MoveRight, "move one stage to the right";
    "s" [c('s')], ALL, Action::StopStart, "stop what runs, or start";
    "x" [c('x')], ALL, Action::Hold, "hold or release";
    "r" [c('r')], ALL, Action::Retry, "retry: forget its failures";
    "t" [c('t')], ALL, Action::Live, "live output";
    "d" [c('d')], ALL, Action::Diff, "diff against base";
    "w" [c('w')], ALL, Action::Why, "why does it stand";
    "c" [c('c')], ALL, Action::Create, "new story";
    "e" [c('e')], ALL, Action::Edit, "edit in $EDITOR";
    "p" [c('p')], ALL, Action::Prefix(super::model::Prefix::Priority), "priority: 1, the most urgent, to 5";
    "y" [c('y')], ALL, Action::Prefix(super::model::Prefix::Copy), "copy: i id, b branch, p path, c command";
    "/" [c('/')], BOARD, Action::Filter, "filter: words, states, #labels";
    "/" [c('/')], PAGE, Action::Find, "search the diff, the log, the page; n and N walk the hits";
    ":" [c(':')], ALL, Action::Command, "any storkit command, such as :move 42 qa";
    "z" [c('z')], ALL, Action::Undo, "undo what was done last";
    "o" [c('o')], ALL, Action::Browser, "open in the browser";
    "M" [c('M')], ALL, Action::Mouse, "mouse on or off: off, the terminal selects text";
    "Ctrl-l" [ctrl('l')], ALL, Action::Redraw, "draw everything anew";
    "Ctrl-z" [ctrl('z')], ALL, Action::Suspend, "to the shell; fg comes back";
    "Ctrl-c" [ctrl('c')], ALL, Action::Back, "back; on the board: leave";
    "?" [c('?'), k(KeyCode::F(1))], ALL, Action::Help, "all keys";
];

/// Where the keys are in force now.
pub(super) fn scene(model: &Model) -> Scene {
    match model.page.as_ref().map(|page| page.tab) {
        None => Scene::Board,
        Some(Tab::Live) => Scene::Live,
        Some(Tab::Diff) => Scene::Diff,
        Some(_) => Scene::Story,
    }
}

/// What a key does in a scene.
pub(super) fn action(scene: Scene, key: KeyEvent) -> Option<Action> {
    if key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER) {
        return None;
    }
    let pressed = (key.code, key.modifiers.contains(KeyModifiers::CONTROL));
    KEYS.iter()
        .find(|binding| binding.scenes.contains(&scene) && binding.keys.contains(&pressed))
        .map(|binding| binding.action)
}

/// A key in the footer, which can be clicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    /// The key.
    pub(super) key: &'static str,
    /// What it does, in a word.
    pub(super) word: &'static str,
    /// The same for the program.
    pub(super) action: Action,
}

/// The word of a story's next action.
pub(super) const fn next(state: State) -> &'static str {
    match state {
        State::Idle => "Start",
        State::Waiting => "Why",
        State::Preparing | State::Running | State::Gating => "Watch",
        State::Review => "Review",
        State::Question => "Answer",
        State::Merging => "Queue",
        State::Held => "Release",
        State::Blocked => "Retry",
        State::Done => "Diff",
        State::Problem => "Fix",
    }
}

/// The keys of the footer, most useful first. `? all` is not among them: it stands at the end, at any width.
pub(super) fn hints(model: &Model) -> Vec<Hint> {
    let hint = |key, word, action| Hint { key, word, action };
    let mut hints = Vec::new();
    if model.page.as_ref().is_some_and(|page| page.find.is_some()) {
        return vec![
            hint("n", "next hit", Action::NextNeed),
            hint("N", "previous", Action::LastNeed),
            hint("/", "search", Action::Find),
            hint("Esc", "end search", Action::Back),
        ];
    }
    let story = model.subject();
    let mut for_story = |scene: Scene| {
        let Some(story) = story else { return };
        match scene {
            Scene::Board => {
                hints.extend([hint("a", next(story.state), Action::Act), hint("⏎", "open", Action::Open)])
            }
            Scene::Story | Scene::Live => hints.push(hint("a", next(story.state), Action::Act)),
            Scene::Diff => {}
        }
        hints.extend(for_state(story));
        match scene {
            Scene::Diff => hints.extend([
                hint("c", "comment", Action::Comment),
                hint("J", "hunk", Action::Hunk(true)),
                hint("]", "file", Action::File(true)),
                hint("v", "viewed", Action::Viewed),
                hint("q", "back", Action::Back),
                hint("/", "search", Action::Find),
            ]),
            Scene::Live => hints.extend([
                hint("t", "transcript", Action::Transcript),
                hint("f", "follow", Action::Follow),
                hint("i", "type", Action::Type),
                hint("q", "back", Action::Back),
                hint("/", "search", Action::Find),
            ]),
            Scene::Story => hints.extend([
                hint("q", "back", Action::Back),
                hint("l", "tab", Action::Right),
                hint("w", "why", Action::Why),
                hint("m", "move", Action::Prefix(super::model::Prefix::Move)),
                hint("e", "edit", Action::Edit),
                hint("/", "search", Action::Find),
                hint("p", "priority", Action::Prefix(super::model::Prefix::Priority)),
            ]),
            Scene::Board => hints.extend([
                hint("t", "live", Action::Live),
                hint("d", "diff", Action::Diff),
                hint("w", "why", Action::Why),
                hint("m", "move", Action::Prefix(super::model::Prefix::Move)),
            ]),
        }
    };
    for_story(scene(model));
    if scene(model) == Scene::Board {
        hints.extend([
            hint("c", "new", Action::Create),
            hint("/", "filter", Action::Filter),
            hint("n", "next", Action::NextNeed),
            hint("x", "hold", Action::Hold),
            hint("e", "edit", Action::Edit),
            hint(":", "command", Action::Command),
            hint("p", "priority", Action::Prefix(super::model::Prefix::Priority)),
            hint("z", "undo", Action::Undo),
            hint("q", "leave", Action::Back),
        ]);
    }
    hints
}

fn for_state(story: &StoryView) -> Vec<Hint> {
    let hint = |key, word, action| Hint { key, word, action };
    match story.state {
        State::Review => {
            vec![hint("A", "approve", Action::Approve), hint("R", "send back", Action::Reject)]
        }
        State::Preparing | State::Gating => vec![hint("s", "stop", Action::StopStart)],
        State::Running if is_live(story) => vec![hint("s", "stop", Action::StopStart)],
        State::Held => vec![hint("s", "start", Action::StopStart)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_reached_in_each_of_its_scenes() {
        for binding in KEYS {
            for scene in binding.scenes {
                let reached = binding.keys.iter().any(|(code, ctrl)| {
                    let modifiers = if *ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
                    action(*scene, KeyEvent::new(*code, modifiers)) == Some(binding.action)
                });
                let hidden = KEYS.iter().any(|other| {
                    !std::ptr::eq(other, binding)
                        && other.shown == binding.shown
                        && other.scenes.contains(scene)
                });
                assert!(reached || hidden, "{} in {scene:?}", binding.shown);
            }
        }
    }

    #[test]
    fn a_letter_with_alt_is_no_key() {
        assert_eq!(action(Scene::Board, KeyEvent::new(KeyCode::Char('q'), KeyModifiers::ALT)), None);
        assert_eq!(
            action(Scene::Board, KeyEvent::new(KeyCode::Char('A'), KeyModifiers::SHIFT)),
            Some(Action::Approve)
        );
        assert_eq!(
            action(Scene::Diff, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)),
            Some(Action::Comment)
        );
    }
}
