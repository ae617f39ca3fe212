//! Lines of a terminal that are JSON objects: found among noise, read without trust.
//!
//! Only reading: what an object means is each runtime's.

use serde_json::{Map, Value};

/// Longest line that is looked at, in bytes.
pub const LINE_LEN_MAX: usize = 1 << 20;

/// The object that a line is. Blanks and carriage returns around it do not count; a progress display may stand
/// before it, ended by a carriage return.
pub(super) fn exact(line: &str) -> Option<Value> {
    if line.len() > LINE_LEN_MAX {
        return None;
    }
    line.rsplit('\r').find_map(whole).or_else(|| whole(&line.replace('\r', "")))
}

/// The object that a line is or holds: what a program wrote to the same terminal without ending its line may stand
/// before it, and anything after it.
pub(super) fn within(line: &str) -> Option<Value> {
    if line.len() > LINE_LEN_MAX || !line.contains("{\"") {
        return None;
    }
    exact(line).or_else(|| first(&line[line.find("{\"")?..]))
}

fn whole(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with('{') {
        return None;
    }
    serde_json::from_str::<Map<String, Value>>(text).ok().map(Value::Object)
}

fn first(text: &str) -> Option<Value> {
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<Map<String, Value>>();
    objects.next()?.ok().map(Value::Object)
}

/// A text, or nothing.
pub(super) fn text<'v>(object: &'v Value, key: &str) -> &'v str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A text with something in it.
pub(super) fn said(object: &Value, key: &str) -> Option<String> {
    let text = text(object, key);
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// A count; 0 where there is none.
pub(super) fn count(object: &Value, key: &str) -> u64 {
    object.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// An amount of money.
pub(super) fn money(object: &Value, key: &str) -> Option<f64> {
    object.get(key).and_then(Value::as_f64).filter(|usd| usd.is_finite() && *usd >= 0.0)
}

/// The elements of a list; none where it is not one.
pub(super) fn list<'v>(object: &'v Value, key: &str) -> &'v [Value] {
    object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What of a value people read: a text as it is, anything else as JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_among_noise() {
        for line in [
            r#"{"a":1}"#,
            "  {\"a\":1}\r",
            "10%\r20%\r{\"a\":1}\r",
            r#"a warning without an end{"a":1}"#,
            "{\"a\":1}\u{1b}[?25h",
            r#"{"a":1} and more"#,
        ] {
            let found = within(line).expect(line);
            assert_eq!(count(&found, "a"), 1, "{line}");
        }
        for line in ["", "{", "{}x{", r#"["a"]"#, r#""{"#, r#"a {"b":"#, r#"{"a" 1}"#] {
            assert_eq!(within(line), None, "{line}");
        }
        assert_eq!(within(&format!("{{\"a\":{}", "[".repeat(100_000))), None);
        assert_eq!(within(&format!("{{\"a\":\"{}\"}}", "x".repeat(LINE_LEN_MAX))), None);
        assert!(within(&format!("{{\"a\":\"{}\"}}", "x".repeat(LINE_LEN_MAX - 100))).is_some());
    }
}
