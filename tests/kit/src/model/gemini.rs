//! Gemini's generateContent and streamGenerateContent: the document, the stream, the errors.

use serde_json::{Value, json};

use super::answer::{Frame, Said, Stream};
use super::script::StreamError;

fn usage(said: &Said) -> Value {
    let usage = said.turn.usage;
    let input = usage.input + usage.cache_read;
    json!({
        "promptTokenCount": input,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": input + usage.output,
        "cachedContentTokenCount": usage.cache_read,
    })
}

fn stop<'a>(said: &Said<'a>) -> &'a str {
    said.turn.stop.as_deref().unwrap_or("STOP")
}

fn calls(said: &Said) -> Vec<Value> {
    let call = |call: &super::tools::Called| json!({"functionCall": {"id": said.ids.next("fc"), "name": call.name, "args": call.input}});
    said.calls.iter().map(call).collect()
}

fn content(said: &Said, id: &str, parts: &[Value], last: bool) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if last {
        candidate["finishReason"] = json!(stop(said));
    }
    let mut content = json!({"candidates": [candidate], "modelVersion": said.model, "responseId": id});
    if last {
        content["usageMetadata"] = usage(said);
    }
    content
}

/// The answer in one document.
pub(super) fn document(said: &Said) -> Value {
    let text = said.text.iter().map(|text| json!({ "text": text }));
    let parts: Vec<Value> = text.chain(calls(said)).collect();
    content(said, &said.ids.next("r"), &parts, true)
}

/// The answer as events.
pub(super) fn stream(said: &Said) -> Stream {
    let id = said.ids.next("r");
    let part = |part: Value| Frame::bare(&content(said, &id, &[part], false));
    let mut stream = Stream::default();
    if let Some(thinking) = &said.turn.thinking {
        stream.push(part(json!({"text": thinking, "thought": true})));
    }
    if let Some(text) = &said.text {
        stream.push_pieces(&said.turn.pieces(text), |piece| part(json!({ "text": piece })));
    }
    // The last event carries the calls, the reason to stop and the costs.
    let last = Frame::bare(&content(said, &id, &calls(said), true));
    stream.push_pieces(&[String::new()], |_| last.clone());
    stream
}

/// An error within the stream.
pub(super) fn failure(error: &StreamError) -> Frame {
    Frame::bare(&self::error(error.status, &error.message))
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let word = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        _ => "UNKNOWN",
    };
    json!({"error": {"code": status, "message": message, "status": word}})
}
