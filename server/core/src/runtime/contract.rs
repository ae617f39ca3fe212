//! The lines that an agent of any runtime may print: JSON objects with the key `storkit`.
//!
//! The output is hostile: a line that is not exactly such an event is only output.

use serde_json::Value;

use super::event::AgentEvent;
use super::ndjson::{self, count, money, said, text};
use crate::facts::Usage;
use crate::time::WAIT_MAX_MS;

/// Longest wait that an agent may ask for, in seconds.
pub const RETRY_AFTER_MAX_S: u64 = WAIT_MAX_MS / 1_000;
/// What every such line holds.
const KEY: &str = "\"storkit\"";

/// The event that a line of plain text is. Blanks and carriage returns around it do not count; a terminal's
/// progress display may stand before it on the same line, ended by a carriage return.
pub fn parse_line(line: &str) -> Option<AgentEvent> {
    if !line.contains(KEY) {
        return None;
    }
    event(&ndjson::exact(line)?)
}

/// The events among an agent's own words: lines outside of code fences.
pub(super) fn in_text(text: &str) -> Vec<AgentEvent> {
    if !text.contains(KEY) {
        return Vec::new();
    }
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(parse_line(line));
        }
    }
    found
}

/// The events that a tool printed, where it printed nothing else: what it shows of a file is none.
pub(super) fn in_output(text: &str) -> Vec<AgentEvent> {
    if !text.contains(KEY) {
        return Vec::new();
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(parse_line).collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn event(object: &Value) -> Option<AgentEvent> {
    Some(match object.get("storkit")?.as_str()? {
        "session" => AgentEvent::Session { id: said(object, "id")?, model: said(object, "model") },
        "usage" => AgentEvent::Usage {
            used: Usage {
                input_tokens: count(object, "input_tokens"),
                output_tokens: count(object, "output_tokens"),
                cache_read_tokens: count(object, "cache_read_tokens"),
                cache_write_tokens: count(object, "cache_write_tokens"),
                cost_usd: money(object, "cost_usd"),
                model: said(object, "model"),
                turns: object.get("turns").and_then(Value::as_u64),
            },
            session_total: None,
        },
        "question" => AgentEvent::Question { text: said(object, "text")? },
        "summary" => AgentEvent::Summary { text: said(object, "text")? },
        "rate_limited" => AgentEvent::RateLimited { retry_after_s: seconds(object.get("retry_after_s"))? },
        // A no without a reason is still a no.
        "reject" => AgentEvent::Reject { text: text(object, "text").to_owned() },
        "merge_failed" => AgentEvent::MergeFailed { text: text(object, "text").to_owned() },
        _ => return None,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=8 days before")]
#[expect(clippy::cast_precision_loss, reason = "eight days in seconds are exact")]
fn seconds(value: Option<&Value>) -> Option<u64> {
    let span = value?.as_f64()?;
    Some(span.ceil().clamp(0.0, RETRY_AFTER_MAX_S as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::event::Told;

    #[test]
    fn every_event_of_the_contract_is_read() {
        let used = Usage {
            input_tokens: 1,
            output_tokens: 2,
            cost_usd: Some(0.1),
            model: Some("m".to_owned()),
            ..Usage::default()
        };
        let cases = [
            (
                r#"{"storkit":"usage","input_tokens":1,"output_tokens":2,"cost_usd":0.1,"model":"m"}"#,
                AgentEvent::Usage { used, session_total: None },
            ),
            (r#"{"storkit":"session","id":"s1"}"#, AgentEvent::Session { id: "s1".into(), model: None }),
            (r#"{"storkit":"question","text":"A or B?"}"#, AgentEvent::Question { text: "A or B?".into() }),
            (r#"{"storkit":"summary","text":"done\nso"}"#, AgentEvent::Summary { text: "done\nso".into() }),
            (
                r#"{"storkit":"rate_limited","retry_after_s":1.2}"#,
                AgentEvent::RateLimited { retry_after_s: 2 },
            ),
            (r#"{"storkit":"reject"}"#, AgentEvent::Reject { text: String::new() }),
            (r#"{"storkit":"merge_failed","text":"x"}"#, AgentEvent::MergeFailed { text: "x".into() }),
        ];
        for (line, event) in cases {
            assert_eq!(parse_line(line), Some(event.clone()), "{line}");
            assert_eq!(parse_line(&format!("  10%\r 20%\r{line}\r")), Some(event), "{line}");
        }
    }

    #[test]
    fn anything_else_is_only_output() {
        for line in [
            "",
            "storkit",
            r#"say {"storkit":"reject","text":"no"}"#,
            r#"[{"storkit":"reject"}]"#,
            r#"{"storkit":1}"#,
            r#"{"storkit":"unknown"}"#,
            r#"{"storkit":"question","text":" "}"#,
            r#"{"storkit":"question","text":7}"#,
            r#"{"storkit":"session"}"#,
            r#"{"storkit":"rate_limited"}"#,
            r#"{"storkit":"reject","text":"cut"#,
            r#"{"a":{"storkit":"reject"}}"#,
        ] {
            assert_eq!(parse_line(line), None, "{line}");
        }
        let deep = format!("{{\"storkit\":{}", "[".repeat(100_000));
        assert_eq!(parse_line(&deep), None);
    }

    #[test]
    fn hostile_numbers_do_no_harm() {
        let line =
            r#"{"storkit":"usage","input_tokens":-1,"output_tokens":18446744073709551615,"cost_usd":-5}"#;
        let event = parse_line(line).expect("an event");
        let mut told = Told::default();
        told.absorb(&event);
        told.absorb(&event);
        let [usage] = &told.usage[..] else { panic!("summed: {told:?}") };
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost_usd), (0, u64::MAX, None));
        let line = r#"{"storkit":"rate_limited","retry_after_s":1e300}"#;
        assert_eq!(parse_line(line), Some(AgentEvent::RateLimited { retry_after_s: RETRY_AFTER_MAX_S }));
    }

    #[test]
    fn in_prose_a_line_of_its_own_counts_and_a_quotation_does_not() {
        let reject = r#"{"storkit":"reject","text":"no tests"}"#;
        assert_eq!(in_text(&format!("It may not land.\n\n{reject}\n")).len(), 1);
        assert_eq!(in_text(&format!("Print this:\n```json\n{reject}\n```\nto say no.")), []);
        assert_eq!(in_text(&format!("I would print `{reject}`.")), []);
    }

    #[test]
    fn a_tools_output_counts_where_it_is_nothing_else() {
        let reject = r#"{"storkit":"reject","text":"no tests"}"#;
        assert_eq!(in_output(&format!("{reject}\r\n")).len(), 1);
        assert_eq!(in_output(&format!("{reject}\n\n{reject}\n")).len(), 2);
        assert_eq!(in_output(&format!("# How to say no\n{reject}\n")), []);
    }
}
