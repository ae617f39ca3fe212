//! An answer on its way: one JSON document, or the events of a stream with a middle where things may happen.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::call::{Api, Call};
use super::script::{StreamError, Turn, fitting};
use super::tools::{Called, called};
use super::{anthropic, chat, gemini, responses};

/// Numbers for messages and calls: no two of a machine's servers give the same.
#[derive(Debug)]
pub(super) struct Ids {
    server: u32,
    last: AtomicU64,
}

impl Ids {
    /// Ids of the server on `port`.
    pub(super) fn new(port: u16) -> Self {
        Self { server: std::process::id() ^ (u32::from(port) << 16), last: AtomicU64::new(0) }
    }

    /// The next one.
    pub(super) fn next(&self, prefix: &str) -> String {
        format!("{prefix}{:08x}{:016x}", self.server, self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// What a protocol puts into its own form.
pub(super) struct Said<'a> {
    pub turn: &'a Turn,
    pub model: &'a str,
    pub text: Option<String>,
    pub calls: Vec<Called>,
    pub ids: &'a Ids,
    /// Whether the caller wants a stream's costs told (Chat Completions).
    pub tell_usage: bool,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    /// Its name, where the protocol names events.
    pub event: Option<String>,
    /// Its data, on one line.
    pub data: String,
}

impl Frame {
    /// An event with a name.
    pub(super) fn named(event: &str, data: &Value) -> Self {
        Self { event: Some(event.to_owned()), data: data.to_string() }
    }

    /// Data alone.
    pub(super) fn bare(data: &Value) -> Self {
        Self { event: None, data: data.to_string() }
    }

    /// As it goes over the wire.
    pub(super) fn wire(&self) -> String {
        let name = self.event.as_ref().map_or(String::new(), |event| format!("event: {event}\n"));
        format!("{name}data: {}\n\n", self.data)
    }
}

/// The events of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Stream {
    pub frames: Vec<Frame>,
    /// The frame before which the middle is.
    pub middle: Option<usize>,
}

impl Stream {
    /// One more event.
    pub(super) fn push(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    /// The pieces of a text or of arguments, each as an event; the middle is half-way through the first of them.
    pub(super) fn push_pieces(&mut self, pieces: &[String], frame: impl Fn(&str) -> Frame) {
        self.middle.get_or_insert(self.frames.len() + pieces.len() / 2);
        self.frames.extend(pieces.iter().map(|piece| frame(piece)));
    }
}

/// What goes out.
#[derive(Debug)]
pub(super) enum Answer {
    /// A document with its status.
    Json { status: u16, headers: BTreeMap<String, String>, body: Value },
    /// A stream; `failure` is sent at its middle, and then nothing more.
    Stream { headers: BTreeMap<String, String>, stream: Stream, failure: Option<Frame> },
}

impl Answer {
    /// A good document.
    pub(super) fn ok(body: Value) -> Self {
        Self::Json { status: 200, headers: BTreeMap::new(), body }
    }

    /// An error as the vendor would send it.
    pub(super) fn error(api: Api, status: u16, message: &str) -> Self {
        Self::Json { status, headers: BTreeMap::new(), body: error_body(api, status, Some(message)) }
    }

    /// What `turn` answers to `call`.
    pub(super) fn of(turn: &Turn, call: &Call, body: &Value, ids: &Ids) -> Self {
        let headers = turn.headers.clone();
        if let Some(status) = turn.status {
            let vendors = || error_body(call.api, status, turn.message.as_deref());
            return Self::Json { status, headers, body: turn.body.clone().unwrap_or_else(vendors) };
        }
        if let Some(error) = turn.stream_error.as_ref().filter(|_| !call.stream) {
            let body = error_body(call.api, error.status, Some(&error.message));
            return Self::Json { status: error.status, headers, body };
        }
        let text = match &call.schema {
            Some(schema) => Some(fitting(schema).to_string()),
            None => turn.text.clone(),
        };
        let said = Said {
            turn,
            model: &call.model,
            text,
            calls: turn.tools.iter().map(|tool| called(tool, &call.offered)).collect(),
            ids,
            tell_usage: body["stream_options"]["include_usage"] == true,
        };
        if !call.stream {
            return Self::Json { status: 200, headers, body: document(call.api, &said) };
        }
        let failure = turn.stream_error.as_ref().map(|error| failure(call.api, &said, error));
        Self::Stream { headers, stream: stream(call.api, &said), failure }
    }
}

fn document(api: Api, said: &Said) -> Value {
    match api {
        Api::Anthropic => anthropic::document(said),
        Api::Responses => responses::document(said),
        Api::Chat => chat::document(said),
        Api::Gemini => gemini::document(said),
    }
}

fn stream(api: Api, said: &Said) -> Stream {
    match api {
        Api::Anthropic => anthropic::stream(said),
        Api::Responses => responses::stream(said),
        Api::Chat => chat::stream(said),
        Api::Gemini => gemini::stream(said),
    }
}

fn failure(api: Api, said: &Said, error: &StreamError) -> Frame {
    match api {
        Api::Anthropic => anthropic::failure(error),
        Api::Responses => responses::failure(said, error),
        Api::Chat => chat::failure(error),
        Api::Gemini => gemini::failure(error),
    }
}

/// The body of an error, with the vendor's usual words where `message` is none.
fn error_body(api: Api, status: u16, message: Option<&str>) -> Value {
    let usual = match status {
        401 => "invalid x-api-key".to_owned(),
        429 => "Number of requests has exceeded your rate limit (scripted)".to_owned(),
        529 => "Overloaded".to_owned(),
        _ => format!("scripted error {status}"),
    };
    let message = message.unwrap_or(&usual);
    match api {
        Api::Anthropic => anthropic::error(status, message),
        Api::Responses | Api::Chat => chat::error(status, message),
        Api::Gemini => gemini::error(status, message),
    }
}
