//! Takes typed values out of a TOML table, and notes every one that is wrong, with its place.
//!
//! It knows TOML and types; which keys there are and what they mean stands in `keys` and `parse`.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::PATH;
use super::keys::{COUNT_MAX, Era, Key, TABLES};
use crate::front_matter::lines::{one_line, place_of};
use crate::story::{Place, Problem};
use crate::{duration, hints};

/// Most problems that are noted; a person mends these first.
const PROBLEMS_MAX: usize = 50;
/// Longest value that a message quotes, in characters.
const QUOTED_CHARS_MAX: usize = 60;

/// The text that is read, and what was found wrong with it.
pub(super) struct Log<'t> {
    text: &'t str,
    /// What makes the file unusable.
    pub(super) errors: Vec<Problem>,
    /// What is understood, and should be changed.
    pub(super) warnings: Vec<Problem>,
}

impl<'t> Log<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, errors: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn place(&self, offset: usize) -> Place {
        place_of(self.text, offset)
    }

    pub(super) fn error(&mut self, at: usize, message: impl Into<String>, hint: impl Into<String>) {
        if self.errors.len() < PROBLEMS_MAX {
            self.errors.push(Problem::at(PATH, self.place(at), message, hint));
        }
    }

    pub(super) fn warning(&mut self, at: usize, message: impl Into<String>, hint: impl Into<String>) {
        if self.warnings.len() < PROBLEMS_MAX {
            self.warnings.push(Problem::at(PATH, self.place(at), message, hint));
        }
    }
}

/// A value with the byte at which it begins.
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

/// One table of the file, which may be absent.
#[derive(Clone, Copy)]
pub(super) struct Section<'d> {
    table: Option<&'d DeTable<'d>>,
    keys: &'static [Key],
    /// Where the table begins, in bytes.
    pub(super) at: usize,
}

impl<'d> Section<'d> {
    /// A table, whose names are checked at once.
    pub(super) fn new(table: &'d Spanned<DeTable<'d>>, keys: &'static [Key], log: &mut Log<'_>) -> Self {
        Self::checked(table.get_ref(), table.span().start, keys, log)
    }

    fn checked(table: &'d DeTable<'d>, at: usize, keys: &'static [Key], log: &mut Log<'_>) -> Self {
        for (name, value) in table {
            check_name(name, value.get_ref(), keys, log);
        }
        Self { table: Some(table), keys, at }
    }

    const fn absent(keys: &'static [Key]) -> Self {
        Self { table: None, keys, at: 0 }
    }

    fn get(&self, name: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        debug_assert!(self.keys.iter().any(|key| key.name == name), "`{name}` is a key of this table");
        self.table?.get(name)
    }

    /// Where a key's value begins, if it is there.
    pub(super) fn at(&self, name: &str) -> Option<usize> {
        self.get(name).map(|value| value.span().start)
    }

    pub(super) fn text(&self, log: &mut Log<'_>, name: &str) -> Option<Said<String>> {
        let value = self.get(name)?;
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => Some(Said { value: text.to_string(), at }),
            other => wrong(log, at, name, other, ("text in quotes", "some words")),
        }
    }

    pub(super) fn flag(&self, log: &mut Log<'_>, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => wrong(log, value.span().start, name, other, ("`true` or `false`", "true")),
        }
    }

    pub(super) fn count(&self, log: &mut Log<'_>, name: &str, min: u32, max: u32) -> Option<u32> {
        let value = self.get(name)?;
        let at = value.span().start;
        let DeValue::Integer(number) = value.get_ref() else {
            return wrong(log, at, name, value.get_ref(), ("a whole number", "3"));
        };
        let number =
            i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).unwrap_or(i64::MAX);
        match u32::try_from(number) {
            Ok(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                let range =
                    if max == COUNT_MAX { format!("{min} or more") } else { format!("from {min} to {max}") };
                log.error(
                    at,
                    format!("`{name}` must be {range}, and is {number}."),
                    example(name, &min.max(1).to_string()),
                );
                None
            }
        }
    }

    pub(super) fn money(&self, log: &mut Log<'_>, name: &str) -> Option<f64> {
        let value = self.get(name)?;
        let at = value.span().start;
        let usd: Option<f64> = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().replace('_', "").parse().ok(),
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            other => return wrong(log, at, name, other, ("a number of US dollars", "2.50")),
        };
        match usd {
            Some(usd) if usd.is_finite() && usd >= 0.0 => Some(usd),
            _ => {
                log.error(at, format!("`{name}` must be a number of US dollars from 0."), "0 is no limit");
                None
            }
        }
    }

    /// A span in milliseconds.
    pub(super) fn span(&self, log: &mut Log<'_>, name: &str) -> Option<u64> {
        let hint = "write it as text with units, e.g. \"90s\", \"20m\", \"2h30m\"";
        self.unit(log, name, duration::parse_ms, hint)
    }

    /// A span in milliseconds that is not nothing.
    pub(super) fn some_span(&self, log: &mut Log<'_>, name: &str) -> Option<u64> {
        let ms = self.span(log, name)?;
        if ms == 0 {
            let at = self.at(name).unwrap_or_default();
            log.error(at, format!("`{name}` is nothing at all."), example(name, "\"2h\""));
        }
        (ms > 0).then_some(ms)
    }

    /// A size in bytes.
    pub(super) fn size(&self, log: &mut Log<'_>, name: &str) -> Option<u64> {
        let hint = "write it as text with a unit, e.g. \"1GB\" or \"512MiB\"";
        self.unit(log, name, duration::parse_bytes, hint)
    }

    fn unit(
        &self,
        log: &mut Log<'_>,
        name: &str,
        parse: fn(&str) -> Result<u64, duration::UnitError>,
        hint: &str,
    ) -> Option<u64> {
        let value = self.get(name)?;
        let at = value.span().start;
        let DeValue::String(text) = value.get_ref() else {
            log.error(at, format!("`{name}` must be text, and is {}.", what(value.get_ref())), hint);
            return None;
        };
        match parse(text) {
            Ok(number) => Some(number),
            Err(error) => {
                log.error(at, format!("`{name}` (`{}`) {error}.", quoted(text)), hint);
                None
            }
        }
    }

    pub(super) fn choice<T: Copy>(&self, log: &mut Log<'_>, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text(log, name)?;
        choose(log, name, &word, choices)
    }

    pub(super) fn choices<T: Copy>(
        &self,
        log: &mut Log<'_>,
        name: &str,
        choices: &[(&str, T)],
    ) -> Option<Vec<T>> {
        let words = self.said_texts(log, name)?;
        Some(words.iter().filter_map(|word| choose(log, name, word, choices)).collect())
    }

    pub(super) fn texts(&self, log: &mut Log<'_>, name: &str) -> Option<Vec<String>> {
        Some(self.said_texts(log, name)?.into_iter().map(|said| said.value).collect())
    }

    pub(super) fn said_texts(&self, log: &mut Log<'_>, name: &str) -> Option<Vec<Said<String>>> {
        let value = self.get(name)?;
        let DeValue::Array(items) = value.get_ref() else {
            return wrong(
                log,
                value.span().start,
                name,
                value.get_ref(),
                ("a list of texts", "[\"one\", \"two\"]"),
            );
        };
        let mut texts = Vec::new();
        for item in items {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::String(text) => texts.push(Said { value: text.to_string(), at }),
                other => {
                    log.error(
                        at,
                        format!("`{name}` holds {}, and takes texts.", what(other)),
                        "put it in quotes",
                    );
                }
            }
        }
        Some(texts)
    }

    pub(super) fn map(&self, log: &mut Log<'_>, name: &str) -> Option<BTreeMap<String, String>> {
        let value = self.get(name)?;
        let DeValue::Table(table) = value.get_ref() else {
            return wrong(
                log,
                value.span().start,
                name,
                value.get_ref(),
                ("a table of texts", "{ KEY = \"value\" }"),
            );
        };
        let mut map = BTreeMap::new();
        for (key, value) in table {
            if let DeValue::String(text) = value.get_ref() {
                map.insert(key.get_ref().to_string(), text.to_string());
            } else {
                let message = format!(
                    "`{}` in `{name}` is {}, and takes text.",
                    quoted(key.get_ref()),
                    what(value.get_ref())
                );
                log.error(value.span().start, message, "put it in quotes");
            }
        }
        Some(map)
    }

    pub(super) fn section(&self, log: &mut Log<'_>, name: &str, keys: &'static [Key]) -> Section<'d> {
        let Some(value) = self.get(name) else { return Section::absent(keys) };
        let at = value.span().start;
        match value.get_ref() {
            DeValue::Table(table) => Section::checked(table, at, keys, log),
            DeValue::Array(_) => {
                log.error(at, format!("`{name}` is there once, as `[{name}]`."), format!("write `[{name}]`"));
                Section::absent(keys)
            }
            other => {
                log.error(
                    at,
                    format!("`{name}` is a table, not {}.", what(other)),
                    format!("write `[{name}]` and its keys below"),
                );
                Section::absent(keys)
            }
        }
    }

    /// The tables of a list; `lone` says of one that stands outside of a list whether it is taken.
    pub(super) fn sections(
        &self,
        log: &mut Log<'_>,
        name: &str,
        keys: &'static [Key],
        lone: fn(&mut Log<'_>, usize) -> bool,
    ) -> Vec<Section<'d>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let at = value.span().start;
        let hint = format!("write `[[{name}]]` for each one, and its keys below");
        let items = match value.get_ref() {
            DeValue::Array(items) => items,
            DeValue::Table(table) if lone(log, at) => return vec![Section::checked(table, at, keys, log)],
            other => {
                log.error(at, format!("`{name}` is a list of tables, not {}.", what(other)), hint);
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section::checked(table, item.span().start, keys, log)),
                other => {
                    log.error(item.span().start, format!("`{name}` holds {}.", what(other)), hint.clone());
                }
            }
        }
        sections
    }
}

fn choose<T: Copy>(log: &mut Log<'_>, name: &str, word: &Said<String>, choices: &[(&str, T)]) -> Option<T> {
    let found = choices.iter().find(|(choice, _)| *choice == word.value);
    if found.is_none() {
        let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        let message =
            format!("`{name}` is `{}`, which is none of {}.", quoted(&word.value), hints::listed(&names));
        log.error(word.at, message, hints::did_you_mean(&word.value, &names));
    }
    found.map(|(_, value)| *value)
}

fn check_name(name: &Spanned<DeString<'_>>, value: &DeValue<'_>, keys: &'static [Key], log: &mut Log<'_>) {
    let (name, at) = (&**name.get_ref(), name.span().start);
    if let Some(key) = keys.iter().find(|key| key.name == name) {
        if key.era == Era::Later {
            log.warning(
                at,
                format!("`{name}` comes with a later version, and has no effect yet."),
                "leave it out until then",
            );
        }
        return;
    }
    let now = |keys: &'static [Key]| keys.iter().filter(|key| key.era != Era::Earlier).map(|key| key.name);
    let near = hints::nearest(name, now(keys));
    let elsewhere = TABLES.iter().find(|(_, keys)| now(keys).any(|key| key == name));
    let is_table = matches!(value, DeValue::Table(_))
        || matches!(value, DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_table()));
    let hint = match (near, elsewhere) {
        (near, Some((place, _))) if near.is_none() || !is_table => format!("`{name}` belongs {place}"),
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, _) => format!("the keys here are {}", hints::listed(&now(keys).collect::<Vec<_>>())),
    };
    log.error(at, format!("`{}` is no key that storkit knows.", quoted(name)), hint);
}

/// Notes a value of the wrong type; `wanted` is the right one in words, and a sample of it.
fn wrong<T>(log: &mut Log<'_>, at: usize, name: &str, is: &DeValue<'_>, wanted: (&str, &str)) -> Option<T> {
    let (wanted, sample) = wanted;
    let sample = if wanted.starts_with("text") { format!("\"{sample}\"") } else { sample.to_owned() };
    log.error(at, format!("`{name}` must be {wanted}, and is {}.", what(is)), example(name, &sample));
    None
}

fn example(name: &str, sample: &str) -> String {
    format!("e.g. `{name} = {sample}`")
}

fn quoted(text: &str) -> String {
    one_line(text, QUOTED_CHARS_MAX)
}

fn what(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
