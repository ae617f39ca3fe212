//! The known keys of a story's front matter: their types, and what to say when one is wrong.

use super::NAME_CHARS_MAX;
use crate::duration;
use crate::front_matter::REASON_CHARS_MAX;
use crate::front_matter::lines::{Places, one_line};
use crate::front_matter::yaml::{Entry, Item, Node};
use crate::hints;
use crate::story::{Hold, Keyed, Kind, Place, Problem, Qa, StoryRef};

/// What `blocked` says where the file gives no reason.
const BLOCKED_WITHOUT_REASON: &str = "blocked, without a reason in the file";

/// The values of the known keys, and the problems found.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) name: Option<String>,
    pub(super) kind: Option<Kind>,
    pub(super) epic: Option<Keyed<StoryRef>>,
    pub(super) depends_on: Vec<Keyed<StoryRef>>,
    pub(super) priority: Option<u8>,
    pub(super) agent: Option<Keyed<String>>,
    pub(super) qa: Option<Qa>,
    pub(super) hold: Option<Keyed<Hold>>,
    pub(super) model: Option<String>,
    pub(super) max_turns: Option<u32>,
    pub(super) max_budget_usd: Option<f64>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) labels: Vec<String>,
    pub(super) blocked: Option<Keyed<String>>,
    pub(super) review_hold: Option<Place>,
    pub(super) question: Option<Keyed<u32>>,
    pub(super) problems: Vec<Problem>,
}

impl Keys {
    /// Reads the keys of a block that begins at the byte `offset` of the file's text.
    pub(super) fn read(path: &str, text: &str, offset: usize, entries: &[Entry]) -> Self {
        let mut keys = Self::default();
        let mut legacy_blocked = None;
        let places = Places::new(text);
        for entry in entries {
            let Some(key) = entry.name() else { continue };
            let at = |item: &Item| places.of(offset + item.at);
            let value = Key { path, name: key, item: &entry.value, at: &at };
            if let Err(problem) = keys.take(&value, &mut legacy_blocked) {
                keys.problems.push(*problem);
            }
        }
        keys.blocked = keys.blocked.or(legacy_blocked);
        keys
    }

    fn take(
        &mut self,
        value: &Key<'_>,
        legacy_blocked: &mut Option<Keyed<String>>,
    ) -> Result<(), Box<Problem>> {
        if value.item.node == Node::Null {
            return Ok(()); // A key without a value is as good as none.
        }
        match value.name {
            "name" => self.name = Some(value.line(NAME_CHARS_MAX)?),
            "kind" => self.kind = Some(value.choice(&Kind::ALL.map(|kind| (kind.name(), kind)))?),
            "epic" => self.epic = Some(value.story_ref(value.item)?),
            "depends_on" => self.depends_on = value.story_refs()?,
            "priority" => self.priority = Some(value.priority()?),
            "agent" => self.agent = Some(value.keyed(value.line(NAME_CHARS_MAX)?)),
            "qa" => {
                self.qa = Some(value.choice(&[Qa::Server, Qa::Agent, Qa::Human].map(|qa| (qa.name(), qa)))?);
            }
            "hold" => self.hold = value.hold()?,
            "model" => self.model = Some(value.line(NAME_CHARS_MAX)?),
            "max_turns" => self.max_turns = Some(value.count("max_turns: 50")?),
            "max_budget_usd" => self.max_budget_usd = Some(value.money()?),
            "timeout" => self.timeout_ms = Some(value.span()?),
            "labels" => self.labels = value.labels()?,
            "blocked" => self.blocked = value.blocked()?,
            "merge_failure" => *legacy_blocked = value.blocked()?,
            "review_hold" => self.review_hold = value.flag()?.then(|| value.place()),
            "question" => self.question = Some(value.question()?),
            _ => {}
        }
        Ok(())
    }
}

/// One known key with its value, to be read as the type that it should have.
struct Key<'a> {
    path: &'a str,
    name: &'a str,
    item: &'a Item,
    at: &'a dyn Fn(&Item) -> Place,
}

type Read<T> = Result<T, Box<Problem>>;

impl Key<'_> {
    fn place(&self) -> Place {
        (self.at)(self.item)
    }

    fn keyed<T>(&self, value: T) -> Keyed<T> {
        Keyed { value, place: self.place() }
    }

    fn wrong<T>(&self, message: impl Into<String>, hint: impl Into<String>) -> Read<T> {
        self.wrong_at(self.item, message, hint)
    }

    fn wrong_at<T>(&self, item: &Item, message: impl Into<String>, hint: impl Into<String>) -> Read<T> {
        Err(Box::new(Problem::at(self.path, (self.at)(item), message, hint)))
    }

    /// `` `priority` must be a number from 1 to 5, and is `high`. ``
    fn mistyped<T>(&self, wanted: &str, example: &str) -> Read<T> {
        let is = match self.item.node.scalar() {
            Some(text) => format!("`{}`", one_line(text, 40)),
            None => self.item.node.what().to_owned(),
        };
        self.wrong(format!("`{}` must be {wanted}, and is {is}.", self.name), format!("e.g. `{example}`"))
    }

    /// Any scalar as one line of text.
    fn line(&self, chars_max: usize) -> Read<String> {
        match self.item.node.scalar() {
            Some(text) => Ok(one_line(text, chars_max)),
            None => self.mistyped("text", &format!("{}: some words", self.name)),
        }
    }

    fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Read<T> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let Some(word) = self.item.node.scalar() else {
            return self.mistyped("one word", &format!("{}: {}", self.name, names[0]));
        };
        match choices.iter().find(|(name, _)| *name == word.trim()) {
            Some((_, value)) => Ok(*value),
            None => self.wrong(
                format!(
                    "`{}` is `{}`, which is none of {}.",
                    self.name,
                    one_line(word, 40),
                    hints::listed(&names)
                ),
                hints::did_you_mean(word.trim(), &names),
            ),
        }
    }

    fn story_ref(&self, item: &Item) -> Read<Keyed<StoryRef>> {
        let text = item.node.scalar().map(str::trim).filter(|text| !text.is_empty());
        let Some(text) = text else {
            return self.wrong_at(
                item,
                format!(
                    "`{}` has {} where the id or number of a story belongs.",
                    self.name,
                    item.node.what()
                ),
                if self.name == "epic" {
                    "e.g. `epic: 12`"
                } else {
                    "e.g. `depends_on: [41, 42_story_login]`"
                },
            );
        };
        let text = text.strip_suffix(".md").unwrap_or(text);
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let value = match text.parse() {
            Ok(number) if digits => StoryRef::Number(number),
            _ => StoryRef::Id(one_line(text, NAME_CHARS_MAX)),
        };
        Ok(Keyed { value, place: (self.at)(item) })
    }

    /// A list; one alone is taken for a list of one.
    fn story_refs(&self) -> Read<Vec<Keyed<StoryRef>>> {
        match &self.item.node {
            Node::List(items) => items.iter().map(|item| self.story_ref(item)).collect(),
            _ => Ok(vec![self.story_ref(self.item)?]),
        }
    }

    fn labels(&self) -> Read<Vec<String>> {
        let items = match &self.item.node {
            Node::List(items) => items.as_slice(),
            _ => std::slice::from_ref(self.item),
        };
        let label = |item: &Item| match item.node.scalar() {
            Some(text) => Ok(one_line(text, NAME_CHARS_MAX)),
            None => self.wrong_at(
                item,
                format!("`labels` has {} where a word belongs.", item.node.what()),
                "e.g. `labels: [web, login]`",
            ),
        };
        items.iter().map(label).collect()
    }

    fn priority(&self) -> Read<u8> {
        match self.number().and_then(|text| text.parse().ok()) {
            Some(priority @ 1..=5) => Ok(priority),
            _ => self.mistyped("a number from 1 (first) to 5", "priority: 2"),
        }
    }

    fn count(&self, example: &str) -> Read<u32> {
        match self.number().and_then(|text| text.parse().ok()) {
            Some(count) => Ok(count),
            None => self.mistyped("a whole number from 0", example),
        }
    }

    fn question(&self) -> Read<Keyed<u32>> {
        match self.count("question: 1")? {
            0 => self.mistyped("a number from 1", "question: 1"),
            number => Ok(self.keyed(number)),
        }
    }

    fn money(&self) -> Read<f64> {
        match self.number().and_then(|text| text.parse::<f64>().ok()) {
            Some(usd) if usd.is_finite() && usd >= 0.0 => Ok(usd),
            _ => self.mistyped("a number of US dollars from 0", "max_budget_usd: 2.50"),
        }
    }

    /// The text of a number, quoted or not.
    fn number(&self) -> Option<&str> {
        match &self.item.node {
            Node::Number(text) | Node::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    fn span(&self) -> Read<u64> {
        let hint = "write it with a unit: `90s`, `20m`, `2h30m`";
        match self.item.node.scalar().map(duration::parse_ms) {
            None => self.mistyped("a span of time", "timeout: 2h"),
            Some(Ok(0)) => self.wrong(format!("`{}` is nothing at all.", self.name), hint),
            Some(Ok(ms)) => Ok(ms),
            Some(Err(error)) => self.wrong(
                format!(
                    "`{}` (`{}`) {error}.",
                    self.name,
                    one_line(self.item.node.scalar().unwrap_or_default(), 40)
                ),
                hint,
            ),
        }
    }

    fn flag(&self) -> Read<bool> {
        match &self.item.node {
            Node::Bool(value, _) => Ok(*value),
            Node::Text(text) if text == "true" => Ok(true),
            Node::Text(text) if text == "false" => Ok(false),
            _ => self.mistyped("true or false", &format!("{}: true", self.name)),
        }
    }

    /// `true` and text are a yes, with or without a reason; `false` and blank text are a no.
    fn hold(&self) -> Read<Option<Keyed<Hold>>> {
        let why = match &self.item.node {
            Node::Bool(false, _) => return Ok(None),
            Node::Bool(true, _) => None,
            Node::List(_) | Node::Map(_) => {
                return self.mistyped("true or a reason", &format!("{}: waits for the design", self.name));
            }
            node => match one_line(node.scalar().unwrap_or_default(), REASON_CHARS_MAX) {
                blank if blank.is_empty() => return Ok(None),
                why => Some(why),
            },
        };
        Ok(Some(self.keyed(Hold { why })))
    }

    fn blocked(&self) -> Read<Option<Keyed<String>>> {
        let generic = || BLOCKED_WITHOUT_REASON.to_owned();
        Ok(self.hold()?.map(|hold| self.keyed(hold.value.why.unwrap_or_else(generic))))
    }
}
