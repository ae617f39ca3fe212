//! Sets or removes one top-level key of a block of front matter, and proves that nothing else changed.
//!
//! `yaml-edit` proposes the new text; where its proposal fails the proof, a line edit of our own does, and where that
//! fails too the edit is refused.

use std::ops::Range;
use std::str::FromStr as _;

use yaml_edit::YamlFile;

use super::lines::{Eol, Lines};
use super::yaml::{self, Entry, Node};

/// The value of a key that storkit writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// `true`.
    True,
    /// A number.
    Number(u32),
    /// One line of text.
    Text(String),
    /// Nothing: the key stays and says nothing.
    Nothing,
}

impl Value {
    /// Whether a value that is read says the same.
    pub(super) fn is(&self, node: &Node) -> bool {
        match (self, node) {
            (Self::True, Node::Bool(value, _)) => *value,
            (Self::Number(number), Node::Number(text)) => *text == number.to_string(),
            (Self::Text(text), Node::Text(other)) => text == other,
            (Self::Nothing, Node::Null) => true,
            _ => false,
        }
    }

    /// The value as YAML on one line, in quotes where it needs them.
    pub(super) fn yaml(&self) -> String {
        match self {
            Self::True => "true".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Nothing => String::new(),
            Self::Text(text) => {
                let plain = yaml::read(&format!("k: {text}\n"))
                    .is_ok_and(|entries| entries.len() == 1 && self.is(&entries[0].value.node));
                if plain { text.clone() } else { format!("'{}'", text.replace('\'', "''")) }
            }
        }
    }
}

/// A block as it is, with what is read from it.
pub(super) struct Block<'a> {
    /// Its text.
    pub(super) text: &'a str,
    /// Its keys.
    pub(super) entries: &'a [Entry],
    /// The file's line end.
    pub(super) eol: Eol,
}

impl Block<'_> {
    /// The block with `key` set to `value`; none where no proposal leaves everything else as it is.
    pub(super) fn with(&self, key: &str, value: &Value) -> Option<String> {
        let proposals =
            [|b: &Self, k: &str, v: &Value| b.propose(k, Some(v)), Self::set_value, Self::set_line];
        proposals
            .iter()
            .find_map(|propose| propose(self, key, value).filter(|new| self.proves(new, key, Some(value))))
    }

    /// The block without `key`; none where no proposal leaves everything else as it is. Where blank lines behind the key
    /// would become part of the text before it (`|+`), the key stays without a value.
    pub(super) fn without(&self, key: &str) -> Option<String> {
        let proposals = [|b: &Self, k: &str| b.propose(k, None), Self::cut_lines];
        let gone = |propose: &fn(&Self, &str) -> Option<String>| {
            propose(self, key).filter(|new| self.proves(new, key, None))
        };
        proposals.iter().find_map(gone).or_else(|| self.with(key, &Value::Nothing))
    }

    fn entry(&self, key: &str) -> Option<(usize, &Entry)> {
        self.entries.iter().enumerate().find(|(_, entry)| entry.name() == Some(key))
    }

    /// What `yaml-edit` makes of it.
    fn propose(&self, key: &str, value: Option<&Value>) -> Option<String> {
        if self.entries.is_empty() {
            return None; // It loses the place of comments that stand alone.
        }
        let file = YamlFile::from_str(self.text).ok()?;
        let document = file.document()?;
        let done = match value {
            None => document.remove(key).is_some(),
            Some(Value::True) => document.set(key, true),
            Some(Value::Number(number)) => document.set(key, i64::from(*number)),
            Some(Value::Text(text)) => document.set(key, text.as_str()),
            Some(Value::Nothing) => false,
        };
        done.then(|| file.to_string())
    }

    /// The value alone replaced, so that a comment behind it stays.
    fn set_value(&self, key: &str, value: &Value) -> Option<String> {
        let (_, entry) = self.entry(key)?;
        let old = &entry.value;
        let space = if self.text[..old.at].ends_with(':') { " " } else { "" };
        let (mut before, after) = (&self.text[..old.at], self.text.get(old.end..)?);
        if *value == Value::Nothing {
            before = before.trim_end_matches(' ');
        }
        Some(format!("{before}{space}{}{after}", value.yaml()))
    }

    /// The key's lines replaced by one line, or a line more at the end.
    fn set_line(&self, key: &str, value: &Value) -> Option<String> {
        let range = match self.entry(key) {
            Some((index, _)) => self.lines_of(index)?,
            None => self.text.len()..self.text.len(),
        };
        // All keys of a map stand in one column.
        let indent = self.entries.first().map_or("", |first| {
            let line_start = self.line_start(first.key.at);
            &self.text[line_start..first.key.at]
        });
        let (before, after, eol) = (&self.text[..range.start], &self.text[range.end..], self.eol.as_str());
        let blank = indent.bytes().all(|b| b == b' ');
        let line = format!("{indent}{key}: {}", value.yaml());
        blank.then(|| format!("{before}{}{eol}{after}", line.trim_end()))
    }

    fn cut_lines(&self, key: &str) -> Option<String> {
        let (index, _) = self.entry(key)?;
        let range = self.lines_of(index)?;
        Some(format!("{}{}", &self.text[..range.start], &self.text[range.end..]))
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1)
    }

    /// The whole lines of an entry: from its key's line up to the blank lines and comments before the next key.
    /// None where it shares a line with another.
    fn lines_of(&self, index: usize) -> Option<Range<usize>> {
        let entry = &self.entries[index];
        let start = self.line_start(entry.key.at);
        if index > 0 && self.line_start(self.entries[index - 1].key.at) == start {
            return None;
        }
        if !self.text[start..entry.key.at].bytes().all(|b| b == b' ') {
            return None;
        }
        let limit = match self.entries.get(index + 1) {
            None => self.text.len(),
            Some(next) => self.line_start(next.key.at),
        };
        if limit <= start {
            return None;
        }
        let rest = self.text[entry.key.at..limit]
            .split_once(':')
            .map_or("", |(_, rest)| rest.trim_start_matches(' '));
        let block_scalar = rest.starts_with(['|', '>']);
        let mut end = start;
        for line in Lines::new(&self.text[start..limit]) {
            let text = line.text.trim_start_matches([' ', '\t']);
            let foreign = if block_scalar { line.text.starts_with('#') } else { text.starts_with('#') };
            if !text.is_empty() && !foreign {
                end = start + line.end();
            }
        }
        Some(start..end)
    }

    /// Whether `new` is this block with `key` at `value` (none: gone) and nothing else changed, in meaning and in bytes.
    fn proves(&self, new: &str, key: &str, value: Option<&Value>) -> bool {
        let Ok(entries) = yaml::read(new) else { return false };
        let others = |entries: &[Entry]| -> Vec<Entry> {
            entries.iter().filter(|entry| entry.name() != Some(key)).cloned().collect()
        };
        let (before, after) = (others(self.entries), others(&entries));
        let same = before.len() == after.len() && before.iter().zip(&after).all(|(a, b)| a.same(b));
        let now: Vec<_> = entries.iter().filter(|entry| entry.name() == Some(key)).collect();
        let wanted = match (value, now.as_slice()) {
            (None, []) => true,
            (Some(value), [entry]) => value.is(&entry.value.node),
            _ => false,
        };
        same && wanted && self.proves_bytes(new, key, value)
    }

    fn proves_bytes(&self, new: &str, key: &str, value: Option<&Value>) -> bool {
        let old = self.text;
        if new.len() > super::fence::BLOCK_BYTES_MAX || !new.is_empty() && !new.ends_with(self.eol.as_str()) {
            return false;
        }
        let ends = |text: &str| Lines::new(text).all(|line| line.eol == Some(self.eol));
        let Some((index, entry)) = self.entry(key) else {
            return self.is_inserted(new, &ends);
        };
        // In block style an entry has whole lines; else it ends where the next begins.
        let lines = if self.is_flow() { None } else { self.lines_of(index) };
        let limit = self.entries.get(index + 1).map_or(old.trim_end().len() - 1, |next| next.key.at);
        let range = lines.clone().unwrap_or(entry.key.at..limit.max(entry.key.at));
        let (before, after) = (&old[..range.start], &old[range.end..]);
        let Some(middle_len) = new.len().checked_sub(before.len() + after.len()) else {
            // Removing the last key of a flow map takes the comma before it, too.
            return value.is_none() && lines.is_none() && is_cut(old, new);
        };
        if !new.starts_with(before) || !new.ends_with(after) {
            return value.is_none() && lines.is_none() && is_cut(old, new);
        }
        let middle = &new[before.len()..before.len() + middle_len];
        match (value, lines) {
            (None, Some(_)) => middle.is_empty(),
            (None, None) => is_cut(old, new),
            (Some(_), lines) => {
                let one_line = Lines::new(middle).count() == 1 && ends(middle);
                (lines.is_none() || one_line)
                    && self.comment_behind(key).is_none_or(|comment| middle.contains(comment))
            }
        }
    }

    /// Whether `new` is this text with one thing put between two bytes: in block style, a whole line between two lines.
    fn is_inserted(&self, new: &str, ends: &dyn Fn(&str) -> bool) -> bool {
        let old = self.text;
        let Some(len) = new.len().checked_sub(old.len()) else { return false };
        let (prefix, suffix) = shared(old, new);
        let mut splits = (old.len().saturating_sub(suffix)..=prefix).filter(|at| old.is_char_boundary(*at));
        let at_line = |at: &usize| *at == 0 || old[..*at].ends_with(self.eol.as_str());
        let whole_line = |at: &usize| {
            new.get(*at..*at + len).is_some_and(|line| Lines::new(line).count() == 1 && ends(line))
        };
        if self.is_flow() {
            splits.next().is_some()
        } else {
            splits.any(|at| at_line(&at) && whole_line(&at))
        }
    }

    /// Whether the keys stand in braces.
    fn is_flow(&self) -> bool {
        let first = Lines::new(self.text).map(|line| line.text.trim_start());
        first
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .take(1)
            .any(|line| line.starts_with('{'))
    }

    /// The comment on the line of a key with a value on one line; an edit of the value keeps it.
    fn comment_behind(&self, key: &str) -> Option<&str> {
        let (_, entry) = self.entry(key)?;
        let rest = self.text.get(entry.value.end..)?;
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        let comment = line.trim_start();
        (comment.starts_with('#') && comment.len() < line.len()).then_some(comment.trim_end())
    }
}

/// How many bytes two texts share at their beginnings and at their ends.
fn shared(a: &str, b: &str) -> (usize, usize) {
    let same = |(a, b): &(u8, u8)| a == b;
    let prefix = a.bytes().zip(b.bytes()).take_while(same).count();
    let suffix = a.bytes().rev().zip(b.bytes().rev()).take_while(same).count();
    (prefix, suffix)
}

/// Whether `new` is `old` with one piece cut out.
fn is_cut(old: &str, new: &str) -> bool {
    let (prefix, suffix) = shared(old, new);
    new.len() <= old.len() && prefix + suffix >= new.len()
}
