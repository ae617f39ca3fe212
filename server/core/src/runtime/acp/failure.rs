//! How a run ended whose agent answered with an error: by codes and structured data.
//!
//! Facts as seen in claude-agent-acp 0.23.1, codex-acp 0.16.0 and Gemini CLI 0.61.0. Prose only where nothing else
//! holds the status, and at its beginning alone.

use serde_json::Value;

use crate::config::Runtime;
use crate::runtime::ending::Ending;
use crate::runtime::event::{Reset, TEXT_LEN_MAX, clip};
use crate::runtime::ndjson::{said, text};
use crate::runtime::phrases::{self, Place};

/// The protocol's: log in first.
const LOGIN: i64 = -32000;
/// JSON-RPC's: what was sent is not understood, not known, or not fit.
const NOT_FIT: [i64; 3] = [-32600, -32601, -32602];
/// What claude-agent-acp puts before the provider's status and body.
const CLAUDE: &str = "Internal error: API Error: ";
/// What both adapters put before their program's words.
const INTERNAL: &str = "Internal error: ";
/// Statuses of HTTP that are errors.
const ERRORS: std::ops::RangeInclusive<i64> = 400..=599;

/// What an error means. `logins` are the ways to log in that the agent has.
pub(super) fn of(error: &Value, logins: &[String]) -> Ending {
    let mut text = words(error);
    let code = error.get("code").and_then(Value::as_i64).unwrap_or(0);
    if code == LOGIN {
        if !logins.is_empty() {
            text = format!("{text}; it knows these ways to log in: {}", logins.join(", "));
        }
        return Ending::Authentication { text: clip(&text, TEXT_LEN_MAX) };
    }
    let codex = &error["data"]["codex_error_info"];
    let own = Some(code).filter(|code| ERRORS.contains(code));
    let status = own.or_else(|| status_of(codex)).or_else(|| status_of(&error["data"]));
    if let Some(status) =
        status.or_else(|| said_by_claude(error)).and_then(|status| u16::try_from(status).ok())
    {
        return Ending::of_status(status, text);
    }
    said_by_codex(codex, &text).or_else(|| said_in_prose(&text)).unwrap_or_else(|| {
        if NOT_FIT.contains(&code) { Ending::Configuration { text } } else { Ending::Failed { text } }
    })
}

/// Whether it is for want of a login or key.
pub(super) fn is_login(ending: &Ending) -> bool {
    matches!(ending, Ending::Authentication { .. })
}

/// An error in words, bounded.
pub(super) fn words(error: &Value) -> String {
    let data = &error["data"];
    let detail = ["message", "details", "error"].iter().find_map(|key| said(data, key));
    let detail = detail.or_else(|| data.as_str().map(str::to_owned));
    let mut words = text(error, "message").to_owned();
    if let Some(detail) = detail.filter(|detail| !words.contains(detail.as_str())) {
        words = if words.is_empty() { detail } else { format!("{words}: {detail}") };
    }
    if words.is_empty() {
        words = format!("error {}", error.get("code").unwrap_or(&Value::Null));
    }
    clip(&words, TEXT_LEN_MAX)
}

/// The HTTP status that data holds, by itself or one level below.
fn status_of(data: &Value) -> Option<i64> {
    let own = |data: &Value| {
        let keys = ["http_status_code", "statusCode", "status"];
        let found = keys.iter().find_map(|key| data.get(*key)?.as_i64());
        found.filter(|status| ERRORS.contains(status))
    };
    own(data).or_else(|| data.as_object()?.values().take(20).find_map(own))
}

/// `Internal error: API Error: 429 {…}`.
fn said_by_claude(error: &Value) -> Option<i64> {
    let rest = text(error, "message").strip_prefix(CLAUDE)?;
    rest.split(' ').next()?.parse().ok().filter(|status| ERRORS.contains(status))
}

/// Codex's own name of what went wrong, where it has no status.
fn said_by_codex(info: &Value, text: &str) -> Option<Ending> {
    let text = text.to_owned();
    let first = || info.as_object()?.keys().next().map(String::as_str);
    Some(match info.as_str().or_else(first)? {
        "usage_limit_exceeded" => Ending::Quota { reset: Reset::default(), text },
        "context_window_exceeded" => Ending::ContextTooLong { text },
        "unauthorized" => Ending::Authentication { text },
        "server_overloaded"
        | "internal_server_error"
        | "http_connection_failed"
        | "response_stream_connection_failed"
        | "response_stream_disconnected"
        | "response_too_many_failed_attempts" => Ending::Transient { text },
        _ => return None,
    })
}

/// What the program behind the adapter says in its own fixed words, handed on as they came.
fn said_in_prose(words: &str) -> Option<Ending> {
    let own = words.strip_prefix(INTERNAL).unwrap_or(words);
    let meant = [Runtime::ClaudeCode, Runtime::Codex]
        .into_iter()
        .find_map(|runtime| phrases::meaning(runtime, Place::Error, own));
    let by_status = || Some(Ending::of_status(phrases::status(own)?, words.to_owned()));
    meant.map(|means| means.ending(words.to_owned())).or_else(by_status)
}

/// An ending whose texts are within bounds.
pub(super) fn clipped(mut ending: Ending) -> Ending {
    if let Some(text) = ending.text_mut().filter(|text| text.len() > TEXT_LEN_MAX) {
        *text = clip(text, TEXT_LEN_MAX);
    }
    ending
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The name of an ending.
    fn named(error: &Value) -> String {
        let ending = serde_json::to_value(of(error, &[])).expect("an ending");
        ending["ending"].as_str().expect("a name").to_owned()
    }

    #[test]
    fn an_error_is_judged_by_its_codes_and_data() {
        let codex = |info: Value| json!({"code": -32603, "message": "Internal error", "data": {"codex_error_info": info}});
        let status =
            |status: Value| json!({"response_too_many_failed_attempts": {"http_status_code": status}});
        let claude = |text: &str| json!({"code": -32603, "message": text});
        let cases = [
            (json!({"code": -32000, "message": "Authentication required"}), "authentication"),
            (json!({"code": 429, "message": "slow down"}), "rate_limited"),
            (claude("Internal error: API Error: 429 {}"), "rate_limited"),
            (claude("Internal error: API Error: 529 {}"), "transient"),
            (claude("it says API Error: 429"), "failed"),
            (codex(status(json!(429))), "rate_limited"),
            (codex(status(json!(503))), "transient"),
            (codex(status(Value::Null)), "transient"),
            (codex(json!("usage_limit_exceeded")), "quota"),
            (codex(json!("context_window_exceeded")), "context_too_long"),
            (json!({"code": -32603, "data": {"errorName": "APIError", "statusCode": 401}}), "authentication"),
            (claude("Internal error: Invalid API key · Fix external API key"), "authentication"),
            (
                json!({"code": -32603, "message": "Internal error",
                    "data": {"message": "unexpected status 401 Unauthorized: no"}}),
                "authentication",
            ),
            (claude("Internal error: Missing environment variable: `X`."), "authentication"),
            (json!({"code": -32602, "message": "Invalid params"}), "configuration"),
            (json!({"code": "x", "data": [1]}), "failed"),
            (json!("broken"), "failed"),
        ];
        for (error, name) in cases {
            assert_eq!(named(&error), name, "{error}");
        }
    }

    #[test]
    fn an_error_names_the_ways_to_log_in() {
        let error = json!({"code": -32000, "message": "Authentication required"});
        let ending = of(&error, &["chatgpt".to_owned(), "api-key".to_owned()]);
        let text = "Authentication required; it knows these ways to log in: chatgpt, api-key".to_owned();
        assert_eq!(ending, Ending::Authentication { text });
    }
}
