//! Reads the YAML of a block into a small tree with places, within tight bounds.
//!
//! Anchors, aliases, tags and duplicate keys are refused. Scalars keep the text that was written: `no`, `2024` and
//! `1.10` are what a person meant by them, which only the reader of a key knows.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Budget, Options, Spanned};

use super::lines::{one_line, place_of};
use crate::story::Place;

/// Most values of a block: keys, scalars, lists and maps together.
pub const NODES_MAX: usize = 4_000;
/// Deepest nesting of lists and maps.
pub const DEPTH_MAX: usize = 16;
/// Longest message that is passed on from the parser, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// A value of the block.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Nothing, `~` or `null`.
    Null,
    /// `true`, `no`, `On` … unquoted, with the text as written.
    Bool(bool, String),
    /// A number, unquoted, as written.
    Number(String),
    /// Any other text, or one in quotes.
    Text(String),
    /// A list.
    List(Vec<Item>),
    /// A map, in the file's order.
    Map(Vec<Entry>),
}

impl Node {
    /// What it is, for a message: `a list`.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(..) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// The text of a scalar as written, without quotes; none for null, lists and maps.
    pub fn scalar(&self) -> Option<&str> {
        match self {
            Self::Bool(_, text) | Self::Number(text) | Self::Text(text) => Some(text),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Whether both hold the same, wherever they stand.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.node.same(&b.node))
            }
            (Self::Map(a), Self::Map(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (a, b) => a == b,
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The value.
    pub node: Node,
    /// Where it begins, in bytes of the block.
    pub at: usize,
    /// Where it ends; for lists and maps, and where the parser does not say, the same as `at`.
    pub end: usize,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Item,
    /// The value.
    pub value: Item,
}

impl Entry {
    /// The key's text; none for a key that is not a scalar.
    pub fn name(&self) -> Option<&str> {
        self.key.node.scalar()
    }

    /// Whether key and value are the same, wherever they stand.
    pub fn same(&self, other: &Self) -> bool {
        self.key.node.same(&other.key.node) && self.value.node.same(&other.value.node)
    }
}

/// Why a block cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReadError {
    /// What is wrong, without a full stop.
    pub message: String,
    /// What would mend it.
    pub hint: String,
    /// The place in the block, from 1.
    pub place: Place,
}

/// Reads a block: its top-level keys in order. An empty block has none.
pub fn read(block: &str) -> Result<Vec<Entry>, ReadError> {
    let root: Spanned<Raw> =
        serde_saphyr::from_str_with_options(block, options()).map_err(|error| refusal(block, &error))?;
    let mut reader = Reader { block, past: 0, tag: None };
    let root = reader.item(root);
    if let Some(at) = reader.tag {
        return Err(ReadError {
            message: "a YAML tag (`!…`) is not understood".to_owned(),
            hint: "remove it, or put the text in quotes".to_owned(),
            place: place_of(block, at),
        });
    }
    match root.node {
        Node::Null => Ok(Vec::new()),
        Node::Map(entries) => Ok(entries),
        node => Err(ReadError {
            message: format!("the front matter is {}, not keys with values", node.what()),
            hint: "write lines such as `name: Log in with a passkey`".to_owned(),
            place: place_of(block, root.at),
        }),
    }
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_nodes = NODES_MAX;
    budget.max_events = 3 * NODES_MAX;
    budget.max_depth = DEPTH_MAX;
    budget.flow_nesting_limit = DEPTH_MAX;
    budget.max_anchors = 0;
    budget.max_aliases = 0;
    budget.max_documents = 1;
    serde_saphyr::options! {
        budget: Some(budget),
        emit_comments: false,
        with_snippet: false,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
    }
}

/// The parser's refusal in the words of this page.
fn refusal(block: &str, error: &serde_saphyr::Error) -> ReadError {
    use serde_saphyr::Error as E;
    let error = error.without_snippet();
    let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    let place = error.location().map_or(Place { line: 1, column: 1 }, |location| Place {
        line: count(location.line()),
        column: count(location.column()),
    });
    let (message, hint) = match error {
        E::DuplicateMappingKey { key, .. } => {
            let key =
                key.as_deref().map_or_else(|| "a key".to_owned(), |key| format!("`{}`", one_line(key, 60)));
            (format!("{key} is there twice"), "keep one of them".to_owned())
        }
        E::Budget { .. } => budget_words(error),
        E::UnknownAnchor { .. } | E::AliasError { .. } => anchors(),
        E::UnsupportedTag { .. } => (
            "a YAML tag (`!…`) is not understood".to_owned(),
            "remove it, or put the text in quotes".to_owned(),
        ),
        other => syntax(block, place, &other.to_string()),
    };
    ReadError { message, hint, place }
}

fn anchors() -> (String, String) {
    (
        "YAML anchors and aliases (`&x`, `*x`) are not understood".to_owned(),
        "write the value out, or quote it".to_owned(),
    )
}

fn budget_words(error: &serde_saphyr::Error) -> (String, String) {
    let said = error.to_string();
    if said.contains("Anchor") || said.contains("Alias") {
        anchors()
    } else if said.contains("Document") {
        (
            "there is a second YAML document in the front matter".to_owned(),
            "keep one block of keys".to_owned(),
        )
    } else if said.contains("Depth") {
        (format!("it is nested deeper than {DEPTH_MAX}"), "front matter is flat: `key: value`".to_owned())
    } else {
        (format!("it holds more than {NODES_MAX} values"), "move long lists into the text below".to_owned())
    }
}

/// A syntax error: the parser's words, and the hint that fits what stands on that line.
fn syntax(block: &str, place: Place, said: &str) -> (String, String) {
    let said = said.split(" at line ").next().unwrap_or(said);
    if said.contains("recursion limit") {
        return (
            format!("it is nested deeper than {DEPTH_MAX}"),
            "front matter is flat: `key: value`".to_owned(),
        );
    }
    let index = usize::try_from(place.line).unwrap_or(usize::MAX) - 1;
    let line = super::lines::Lines::new(block).nth(index).map_or("", |line| line.text);
    let value = line.split_once(": ").map_or("", |(_, value)| value.trim());
    let key = line.split(':').next().unwrap_or_default().trim();
    let hint = if said.contains("tab") || line.trim_start_matches(' ').starts_with('\t') {
        "YAML indents with spaces, not tabs".to_owned()
    } else if said.contains("mapping values are not allowed") && value.contains(": ") {
        format!("put the value in quotes: `{key}: \"{}\"`", one_line(&value.replace('"', "'"), 80))
    } else if said.contains("unexpected character") || value.starts_with(['@', '`', '%']) {
        "a value that begins with such a character needs quotes".to_owned()
    } else if said.contains("quote") {
        "close the quotation mark".to_owned()
    } else {
        "write `key: value`, and put values with `: ` or ` #` in quotes".to_owned()
    };
    (format!("it is not valid YAML: {}", one_line(said, MESSAGE_CHARS_MAX)), hint)
}

/// Turns what serde delivers into the tree: text as written, and a look for tags between values.
struct Reader<'a> {
    block: &'a str,
    /// The end of the last scalar seen, in bytes.
    past: usize,
    /// The first tag found, in bytes.
    tag: Option<usize>,
}

impl Reader<'_> {
    fn item(&mut self, raw: Spanned<Raw>) -> Item {
        let span = raw.referenced.span();
        let bytes = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
        let at = bytes(span.byte_offset()).unwrap_or(self.past).min(self.block.len());
        let end = (at + bytes(span.byte_len()).unwrap_or(0)).min(self.block.len());
        self.look_for_tag(at);
        let written = || self.block.get(at..end).unwrap_or_default().trim().to_owned();
        let node = match raw.value {
            Raw::Null => Node::Null,
            Raw::Bool(value) => Node::Bool(value, written()),
            Raw::Number => Node::Number(written()),
            Raw::Text(text) => Node::Text(text),
            Raw::List(items) => {
                self.past = self.past.max(at);
                let items = items.into_iter().map(|item| self.item(item)).collect();
                return Item { node: Node::List(items), at, end: at };
            }
            Raw::Map(entries) => {
                self.past = self.past.max(at);
                let entries = entries.into_iter();
                let entries = entries
                    .map(|(key, value)| Entry { key: self.item(key), value: self.item(value) })
                    .collect();
                return Item { node: Node::Map(entries), at, end: at };
            }
        };
        self.past = self.past.max(end);
        Item { node, at, end }
    }

    /// Between two values there are only indicators, blanks and comments; a `!` there begins a tag.
    fn look_for_tag(&mut self, at: usize) {
        let Some(gap) = self.block.get(self.past..at.max(self.past)) else { return };
        if self.tag.is_some() || !gap.contains('!') {
            return;
        }
        let mut comment = false;
        for (index, c) in gap.char_indices() {
            match c {
                '#' => comment = true,
                '\n' | '\r' => comment = false,
                '!' if !comment => {
                    self.tag = Some(self.past + index);
                    return;
                }
                _ => {}
            }
        }
    }
}

/// A value as serde delivers it: numbers lose their text here, the span finds it again.
enum Raw {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Raw, E> {
        Ok(Raw::Text(String::from_utf8_lossy(bytes).into_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
