//! A story's page: its head, what it needs, its text and facts, its runs, and its past.

use askama::Template;
use storkit_core::snapshot::{State, StoryView};
use storkit_core::stage::Stage;
use storkit_core::story_file::Doc;
use storkit_core::time::words;

use super::card::{Action, Chip, action, chip, label, money, needs_you};
use super::markdown;

/// The section whose boxes are criteria.
const CRITERIA: &str = "Acceptance criteria";
/// Most answers to choose from that a question offers.
const CHOICES_MAX: usize = 6;
/// Longest line of a log that is shown, in bytes.
const LINE_LEN_MAX: usize = 4_000;
/// Words by which a line of output is taken for a failure.
const FAILURES: &[&str] = &["error", "failed", "panicked", "fatal", "exception", "traceback", "assert"];

/// What all of a story's pages are made of.
#[derive(Debug, Clone, Copy)]
pub struct StoryPage<'a> {
    /// The story.
    pub story: &'a StoryView,
    /// Its file's text; none where it cannot be read.
    pub text: Option<&'a str>,
    /// How many runs it had.
    pub runs: usize,
}

/// The head of a story's pages.
pub(super) struct Head<'a> {
    pub(super) story: &'a StoryView,
    pub(super) label: String,
    pub(super) chip: Chip,
    pub(super) action: Action,
    pub(super) runs: usize,
    pub(super) tab: &'static str,
    /// Whether something runs that can be stopped.
    pub(super) moving: bool,
    pub(super) needs: Option<Needs>,
}

/// What the story needs of a person.
pub(super) struct Needs {
    pub(super) tone: &'static str,
    pub(super) title: String,
    pub(super) text: String,
    /// Answers to choose from.
    pub(super) choices: Vec<String>,
    pub(super) question: bool,
}

impl<'a> Head<'a> {
    pub(super) fn new(page: StoryPage<'a>, tab: &'static str) -> Self {
        let story = page.story;
        Self {
            story,
            label: label(story),
            chip: chip(story.state, story.stage == Stage::Archived.name()),
            action: action(story.state),
            runs: page.runs,
            tab,
            moving: matches!(story.state, State::Preparing | State::Running | State::Gating | State::Merging),
            needs: needs(story, page.text),
        }
    }
}

fn needs(story: &StoryView, text: Option<&str>) -> Option<Needs> {
    if !needs_you(story.state) {
        return None;
    }
    let reason = story.reason.clone().unwrap_or_default();
    let who = story.agent.as_deref().unwrap_or("An agent");
    let simple = |tone, title: &str| Needs {
        tone,
        title: title.to_owned(),
        text: reason.clone(),
        choices: Vec::new(),
        question: false,
    };
    Some(match story.state {
        State::Question => {
            let doc = text.map(Doc::new);
            let question = doc.and_then(|doc| Some((doc.questions(), doc.question(doc.questions())?.text)));
            let (number, text) = question.unwrap_or((0, reason.as_str()));
            Needs {
                tone: "ask",
                title: format!("Question {number} · {who} asks"),
                text: text.to_owned(),
                choices: choices(text),
                question: true,
            }
        }
        // The title says all that the reason does.
        State::Review => Needs { text: String::new(), ..simple("ask", "It waits for your review") },
        State::Blocked => simple("bad", "Blocked"),
        _ => simple("bad", "Its file needs mending"),
    })
}

/// What the last question of a story's text asks, on one line.
pub fn asked(text: &str) -> Option<String> {
    let doc = Doc::new(text);
    let question = doc.question(doc.questions())?;
    let words = question.text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then_some(words)
}

/// The items of a list in the question: answers that a tap fills in.
fn choices(text: &str) -> Vec<String> {
    let item = |line: &str| {
        let line = line.trim();
        let numbered = line.split_once(['.', ')']).filter(|(number, _)| number.parse::<u8>().is_ok());
        let rest =
            line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")).or(numbered.map(|(_, rest)| rest))?;
        Some(rest.trim().to_owned()).filter(|rest| !rest.is_empty() && rest.len() <= 200)
    };
    text.lines().filter_map(item).take(CHOICES_MAX).collect()
}

#[derive(Template)]
#[template(path = "story.html")]
struct Main<'a> {
    head: Head<'a>,
    body: String,
    empty: bool,
    done: usize,
    criteria: usize,
    cost: Option<String>,
}

/// The page with the story's text.
pub fn story_page(page: StoryPage<'_>) -> String {
    let doc = page.text.map(Doc::new);
    let criteria = doc.map(|doc| doc.criteria()).unwrap_or_default();
    let body = doc.map(|doc| doc.body()).unwrap_or_default();
    let main = Main {
        head: Head::new(page, ""),
        body: markdown::with_criteria(body, doc.and_then(|doc| doc.section(CRITERIA)), &criteria),
        empty: body.trim().is_empty(),
        done: criteria.iter().filter(|one| one.done).count(),
        criteria: criteria.len(),
        cost: page.story.cost_usd.map(money),
    };
    main.render().expect("writing to a string does not fail")
}

#[derive(Template)]
#[template(path = "question.html")]
struct Question<'a> {
    needs: &'a Needs,
    id: &'a str,
}

/// A question with its form, for the drawer on the board; none where the story asks nothing.
pub fn question(page: StoryPage<'_>) -> Option<String> {
    let needs = needs(page.story, page.text).filter(|needs| needs.question)?;
    let question = Question { needs: &needs, id: &page.story.id };
    Some(question.render().expect("writing to a string does not fail"))
}

/// How long the phases of a try took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spans {
    /// Until an agent was free.
    pub wait: u64,
    /// Until its worktree was ready.
    pub prepare: u64,
    /// Until the agent ended.
    pub run: u64,
    /// The gates after that.
    pub gates: u64,
}

/// A part of a try's bar, in per mille of the longest try.
struct Part {
    class: &'static str,
    x: u64,
    width: u64,
}

/// A try's bar in time, and what it says in words.
struct Bar {
    parts: Vec<Part>,
    words: String,
}

/// A try's wait is drawn no longer than this share of the longest try, in per mille: it may have been days.
const WAIT_SHOWN_MAX: u64 = 200;

impl Spans {
    fn all(self) -> [(&'static str, &'static str, u64); 4] {
        [
            ("wait", "waited", self.wait),
            ("prepare", "prepared", self.prepare),
            ("run", "ran", self.run),
            ("gates", "gates", self.gates),
        ]
    }

    /// Beside the longest of all, in milliseconds without its wait.
    fn bar(self, longest: u64) -> Bar {
        let (mut x, mut parts, mut said) = (0, Vec::new(), Vec::new());
        for (class, word, ms) in self.all().into_iter().filter(|(_, _, ms)| *ms > 0) {
            let scaled = ms.saturating_mul(1000 - WAIT_SHOWN_MAX) / longest.max(1);
            let width = scaled.max(4).min(if class == "wait" { WAIT_SHOWN_MAX } else { 1000 });
            parts.push(Part { class, x, width });
            said.push(format!("{word} {}", words(ms)));
            x += width + 2;
        }
        Bar { parts, words: said.join(", ") }
    }

    fn busy_ms(self) -> u64 {
        self.prepare + self.run + self.gates
    }
}

/// One run, as its page shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// Which run of the story it is, from 1.
    pub number: u32,
    /// The agent.
    pub agent: String,
    /// The role.
    pub stage: String,
    /// Failures before it + 1.
    pub attempt: u32,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// How it ended, in words.
    pub how: Option<String>,
    /// What it said that it did.
    pub summary: Option<String>,
    /// How long it took, in words.
    pub took: String,
    /// Its id.
    pub id: String,
    /// How long its phases took.
    pub spans: Spans,
    /// Whether it is shown at length.
    pub open: bool,
    /// What it printed, a line each, where it is open.
    pub transcript: Vec<String>,
    /// Its gates, where it is open: the name, and lines with whether each looks like a failure.
    pub gates: Vec<(String, Vec<(bool, String)>)>,
    /// Whether earlier lines are left out.
    pub cut: bool,
}

impl Run {
    /// Takes what a gate printed, with the lines marked that look like a failure.
    pub fn gate(&mut self, name: String, text: &str) {
        self.gates.push((name, text.lines().map(|line| (fails(line), line.to_owned())).collect()));
    }
}

fn fails(line: &str) -> bool {
    let line = line.to_lowercase();
    FAILURES.iter().any(|word| line.contains(word))
}

#[derive(Template)]
#[template(path = "log.html")]
struct Piece<'a> {
    name: &'a str,
    lines: Vec<(bool, &'a str)>,
    from: u64,
    next: u64,
    size: u64,
}

/// A piece of a log, with its place in bytes; lines that hold `q` are marked, without one those that tell of a failure.
pub fn log_piece(name: &str, text: &str, (from, next, size): (u64, u64, u64), q: &str) -> String {
    let q = q.to_lowercase();
    let hit = |line: &str| if q.is_empty() { fails(line) } else { line.to_lowercase().contains(&q) };
    let lines = text.lines().map(|line| {
        let shown = &line[..line.floor_char_boundary(LINE_LEN_MAX)];
        (hit(line), shown)
    });
    let piece = Piece { name, lines: lines.collect(), from, next, size };
    piece.render().expect("writing to a string does not fail")
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs<'a> {
    head: Head<'a>,
    runs: Vec<(Run, Bar)>,
}

/// The page of a story's runs, the newest first.
pub fn runs_page(page: StoryPage<'_>, runs: Vec<Run>) -> String {
    let longest = runs.iter().map(|run| run.spans.busy_ms()).max().unwrap_or(0);
    let runs = runs
        .into_iter()
        .map(|run| {
            let bar = run.spans.bar(longest);
            (run, bar)
        })
        .collect();
    let runs = Runs { head: Head::new(page, "runs"), runs };
    runs.render().expect("writing to a string does not fail")
}

#[derive(Template)]
#[template(path = "live.html")]
struct Live<'a> {
    head: Head<'a>,
    speaks: bool,
}

/// The page of a story's agent at work: its transcript and its terminal; `speaks` is whether the first comes first.
pub fn live_page(page: StoryPage<'_>, speaks: bool) -> String {
    Live { head: Head::new(page, "live"), speaks }.render().expect("writing to a string does not fail")
}

/// One change of the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// When, RFC 3339.
    pub at: String,
    /// What happened, a line each.
    pub lines: Vec<String>,
}

#[derive(Template)]
#[template(path = "history.html")]
struct History<'a> {
    head: Head<'a>,
    past: Vec<Past>,
}

/// The page of a story's past.
pub fn history_page(page: StoryPage<'_>, past: Vec<Past>) -> String {
    let history = History { head: Head::new(page, "history"), past };
    history.render().expect("writing to a string does not fail")
}
