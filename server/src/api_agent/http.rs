//! One POST of JSON, within bounds of time and size.
//!
//! Proxies are those of the environment.

use std::io::Read;
use std::time::Duration;

use reqwest::blocking::{Client as Inner, Response};
use serde_json::Value;
use storkit_core::runtime::{Ending, RETRY_AFTER_MAX_S};

use super::configuration;
use crate::sys::https::{Patience, client, words};

/// Longest time for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// Longest time for a whole answer: models on one's own machine are slow.
const ANSWER_WITHIN: Duration = Duration::from_mins(10);
/// Longest answer, in bytes.
const BODY_LEN_MAX: u64 = 32 << 20;

/// What may come back. MCP servers want both named; what asks for no stream gets none.
const ACCEPT: &str = "application/json, text/event-stream";

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub url: String,
    /// The header that holds the key.
    pub secret: Option<(&'static str, String)>,
    pub body: Value,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub status: u16,
    /// How long the provider wants to be left alone, in seconds.
    pub retry_after_s: Option<u64>,
    /// Null where it is no JSON.
    pub body: Value,
}

/// Asks one provider.
#[derive(Debug)]
pub(super) struct Client(Inner);

impl Client {
    /// For a provider at that address.
    ///
    /// # Errors
    /// An address that is none, certificates that cannot be read.
    pub(super) fn new(base_url: &str) -> Result<Self, Ending> {
        let failed =
            |error: reqwest::Error| configuration(format!("cannot reach {base_url}: {}", words(error)));
        let patience = Patience { connect: CONNECT_WITHIN, answer: ANSWER_WITHIN };
        let builder = client(base_url, patience)
            .ok_or_else(|| configuration(format!("`{base_url}` is no http or https address")))?;
        builder.build().map(Self).map_err(failed)
    }

    /// Asks once.
    ///
    /// # Errors
    /// [`Ending::Transient`] where there is no answer.
    pub(super) fn post(&self, request: &Request) -> Result<Answer, Ending> {
        let transient = |text: String| Ending::Transient { text };
        let mut builder = self.0.post(&request.url).header("accept", ACCEPT).json(&request.body);
        if let Some((name, value)) = &request.secret {
            let mut value = reqwest::header::HeaderValue::from_str(value).map_err(|_| {
                Ending::Authentication { text: "the key holds what no header can".to_owned() }
            })?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let response = builder.send().map_err(|error| transient(words(error)))?;
        let status = response.status().as_u16();
        let retry_after_s = retry_after(&response);
        let mut bytes = Vec::new();
        let read = response.take(BODY_LEN_MAX + 1).read_to_end(&mut bytes);
        let length = read.map_err(|error| transient(format!("the answer broke off: {error}")))?;
        if u64::try_from(length).unwrap_or(u64::MAX) > BODY_LEN_MAX {
            return Err(transient(format!("the answer is longer than {BODY_LEN_MAX} bytes")));
        }
        Ok(Answer { status, retry_after_s, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }
}

fn retry_after(response: &Response) -> Option<u64> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    seconds(value, jiff::Timestamp::now())
}

/// Seconds, or a date.
fn seconds(value: &str, now: jiff::Timestamp) -> Option<u64> {
    let value = value.trim();
    let span = value.parse::<f64>().ok().filter(|span| span.is_finite() && *span >= 0.0).map(f64::ceil);
    let until = || {
        let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        Some(at.duration_since(now).as_secs_f64().max(0.0).ceil())
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and capped")]
    span.or_else(until).map(|span| (span as u64).min(RETRY_AFTER_MAX_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_to_wait_is_read_from_seconds_and_from_dates() {
        let now = "2015-10-21T07:27:00Z".parse().expect("a time");
        let cases = [
            ("7", Some(7)),
            (" 1.2 ", Some(2)),
            ("0", Some(0)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("1e300", Some(RETRY_AFTER_MAX_S)),
            ("-1", None),
            ("soon", None),
        ];
        for (value, expected) in cases {
            assert_eq!(seconds(value, now), expected, "{value}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_told_at_once() {
        for address in ["127.0.0.1:80", "file:///etc/passwd", ""] {
            let ending = Client::new(address).expect_err("an ending");
            assert!(matches!(ending, Ending::Configuration { .. }), "{ending:?}");
        }
    }
}
