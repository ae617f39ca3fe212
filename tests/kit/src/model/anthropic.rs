//! Anthropic's Messages: the document, the stream, the errors.

use serde_json::{Value, json};

use super::answer::{Frame, Said, Stream};
use super::script::{StreamError, Usage};

fn usage(usage: Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": output,
    })
}

fn stop(said: &Said) -> String {
    let usual = if said.calls.is_empty() { "end_turn" } else { "tool_use" };
    said.turn.stop.clone().unwrap_or_else(|| usual.to_owned())
}

fn blocks(said: &Said) -> Vec<Value> {
    let mut blocks = Vec::new();
    if let Some(thinking) = &said.turn.thinking {
        blocks.push(json!({"type": "thinking", "thinking": thinking, "signature": "c2NyaXB0ZWQ="}));
    }
    if let Some(text) = &said.text {
        blocks.push(json!({"type": "text", "text": text}));
    }
    for call in &said.calls {
        let id = said.ids.next("toolu_");
        blocks.push(json!({"type": "tool_use", "id": id, "name": call.name, "input": call.input}));
    }
    blocks
}

fn message(said: &Said, content: &[Value], stop: Option<&str>, output: u64) -> Value {
    json!({
        "id": said.ids.next("msg_"),
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
        "usage": usage(said.turn.usage, output),
    })
}

/// The answer in one document.
pub(super) fn document(said: &Said) -> Value {
    message(said, &blocks(said), Some(&stop(said)), said.turn.usage.output)
}

/// The answer as events.
pub(super) fn stream(said: &Said) -> Stream {
    let mut stream = Stream::default();
    let frame = |kind: &str, mut data: Value| {
        data["type"] = Value::from(kind);
        Frame::named(kind, &data)
    };
    stream.push(frame("message_start", json!({"message": message(said, &[], None, 1)})));
    for (index, block) in blocks(said).into_iter().enumerate() {
        let delta = |delta: Value| frame("content_block_delta", json!({"index": index, "delta": delta}));
        let start =
            |block: Value| frame("content_block_start", json!({"index": index, "content_block": block}));
        match block["type"].as_str() {
            Some("text") => {
                stream.push(start(json!({"type": "text", "text": ""})));
                let text = block["text"].as_str().unwrap_or_default();
                stream.push_pieces(&said.turn.pieces(text), |piece| {
                    delta(json!({"type": "text_delta", "text": piece}))
                });
            }
            Some("thinking") => {
                stream.push(start(json!({"type": "thinking", "thinking": "", "signature": ""})));
                stream.push(delta(json!({"type": "thinking_delta", "thinking": block["thinking"]})));
                stream.push(delta(json!({"type": "signature_delta", "signature": block["signature"]})));
            }
            _ => {
                let mut empty = block.clone();
                empty["input"] = json!({});
                stream.push(start(empty));
                stream.push_pieces(&said.turn.pieces(&block["input"].to_string()), |piece| {
                    delta(json!({"type": "input_json_delta", "partial_json": piece}))
                });
            }
        }
        stream.push(frame("content_block_stop", json!({"index": index})));
    }
    let last = json!({
        "delta": {"stop_reason": stop(said), "stop_sequence": null},
        "usage": usage(said.turn.usage, said.turn.usage.output),
    });
    stream.push(frame("message_delta", last));
    stream.push(frame("message_stop", json!({})));
    stream
}

/// An error within the stream.
pub(super) fn failure(error: &StreamError) -> Frame {
    let error = json!({"type": error.kind, "message": error.message});
    Frame::named("error", &json!({"type": "error", "error": error}))
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"})
}
