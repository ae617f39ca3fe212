//! Asking the model once, with retries: what a provider must be able to do, and when to give up.

use std::time::Duration;

use serde_json::Value;
use storkit_core::facts::Usage;
use storkit_core::runtime::{Ending, Reset, TEXT_LEN_MAX, clip};

use super::history::{Call, Item};
use super::http::{Answer, Client, Request};
use super::speak::Speaker;
use super::tools::ToolSpec;

/// Tries after the first one.
const RETRIES_MAX: u32 = 4;
/// Longest wait in a run, in seconds: for more, the run ends, and storkit waits.
const WAIT_MAX_S: u64 = 30;

/// A way of speaking to a model.
pub(super) trait Provider {
    /// The request for the next thing that the model says.
    fn request(&self, system: &str, history: &[Item], tools: &[ToolSpec]) -> Request;

    /// What it said.
    fn reply(&self, body: &Value) -> Reply;

    /// What an answer with an error means. The message is the provider's.
    fn failure(&self, status: u16, body: &Value) -> Failure;
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Reply {
    pub text: String,
    pub calls: Vec<Call>,
    /// What is to be handed back the next time; none where there is nothing.
    pub raw: Option<Value>,
    pub usage: Usage,
    pub stop: Stop,
}

/// Why it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stop {
    /// It had said all, or waits for its tools.
    #[default]
    Usual,
    /// Its answer had no more room.
    Length,
    /// It, or its provider, will not do this.
    Refused,
}

/// An error of a provider.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub ending: Ending,
    /// How long to wait, in seconds, where the body says so.
    pub retry_after_s: Option<u64>,
}

impl Failure {
    /// As an error's HTTP status says.
    pub(super) fn of_status(status: u16, message: &str) -> Self {
        let text = if message.is_empty() {
            format!("the provider answered with HTTP status {status}")
        } else {
            clip(message, TEXT_LEN_MAX)
        };
        Self { ending: Ending::of_status(status, text), retry_after_s: None }
    }
}

/// Asks, and again where that may help.
///
/// # Errors
/// The ending of a run whose provider does not answer.
pub(super) fn ask(
    client: &Client,
    provider: &dyn Provider,
    request: &Request,
    speaker: &Speaker,
) -> Result<Reply, Ending> {
    let mut tried = 0;
    loop {
        let failure = match client.post(request) {
            Ok(Answer { status: 200..=299, body, .. }) if body.is_object() => {
                return Ok(provider.reply(&body));
            }
            Ok(Answer { status: 200..=299, .. }) => Failure::of_status(502, "the answer is no JSON object"),
            Ok(answer) => {
                let failure = provider.failure(answer.status, &answer.body);
                Failure { retry_after_s: answer.retry_after_s.or(failure.retry_after_s), ..failure }
            }
            Err(ending) => Failure { ending, retry_after_s: None },
        };
        let wait_s = failure.retry_after_s.unwrap_or(1 << tried);
        let text = match &failure.ending {
            Ending::RateLimited { text, .. } | Ending::Transient { text } => text.clone(),
            _ => return Err(with_reset(failure)),
        };
        if tried == RETRIES_MAX || wait_s > WAIT_MAX_S {
            return Err(with_reset(failure));
        }
        tried += 1;
        speaker.retrying(&format!("{text}; trying again in {wait_s} s"), wait_s);
        std::thread::sleep(Duration::from_secs(wait_s));
    }
}

/// Puts the time to wait where the ending has a place for it.
fn with_reset(mut failure: Failure) -> Ending {
    if let (Some(seconds), Ending::RateLimited { reset, .. } | Ending::Quota { reset, .. }) =
        (failure.retry_after_s, &mut failure.ending)
    {
        *reset = Reset::after(seconds);
    }
    failure.ending
}
