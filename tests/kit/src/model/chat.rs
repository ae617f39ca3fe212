//! OpenAI's Chat Completions: the document, the stream, the errors.

use serde_json::{Value, json};

use super::answer::{Frame, Said, Stream};
use super::script::StreamError;

fn usage(said: &Said) -> Value {
    let usage = said.turn.usage;
    let input = usage.input + usage.cache_read;
    json!({
        "prompt_tokens": input,
        "completion_tokens": usage.output,
        "total_tokens": input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
    })
}

fn stop(said: &Said) -> String {
    let usual = if said.calls.is_empty() { "stop" } else { "tool_calls" };
    said.turn.stop.clone().unwrap_or_else(|| usual.to_owned())
}

fn calls(said: &Said) -> Vec<Value> {
    let call = |call: &super::tools::Called| {
        let function = json!({"name": call.name, "arguments": call.input.to_string()});
        json!({"id": said.ids.next("call_"), "type": "function", "function": function})
    };
    said.calls.iter().map(call).collect()
}

/// The answer in one document.
pub(super) fn document(said: &Said) -> Value {
    let mut message = json!({"role": "assistant", "content": said.text});
    if !said.calls.is_empty() {
        message["tool_calls"] = Value::from(calls(said));
    }
    json!({
        "id": said.ids.next("chatcmpl-"),
        "object": "chat.completion",
        "created": 1_767_268_800,
        "model": said.model,
        "choices": [{"index": 0, "message": message, "finish_reason": stop(said)}],
        "usage": usage(said),
    })
}

/// The answer as events. Costs are told where the caller asked for them (`stream_options`), as the vendor does.
pub(super) fn stream(said: &Said) -> Stream {
    let id = said.ids.next("chatcmpl-");
    let chunk = |choices: Value| {
        json!({
            "id": id, "object": "chat.completion.chunk", "created": 1_767_268_800, "model": said.model,
            "choices": choices,
        })
    };
    let delta =
        |delta: Value| Frame::bare(&chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}])));
    let mut stream = Stream::default();
    stream.push(delta(json!({"role": "assistant", "content": ""})));
    if let Some(text) = &said.text {
        stream.push_pieces(&said.turn.pieces(text), |piece| delta(json!({ "content": piece })));
    }
    for (index, call) in calls(said).into_iter().enumerate() {
        let mut begin = call.clone();
        begin["index"] = json!(index);
        begin["function"]["arguments"] = json!("");
        stream.push(delta(json!({ "tool_calls": [begin] })));
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        stream.push_pieces(&said.turn.pieces(arguments), |piece| {
            delta(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
        });
    }
    stream.push(Frame::bare(&chunk(json!([{"index": 0, "delta": {}, "finish_reason": stop(said)}]))));
    if said.tell_usage {
        let mut last = chunk(json!([]));
        last["usage"] = usage(said);
        stream.push(Frame::bare(&last));
    }
    stream.push(Frame { event: None, data: "[DONE]".to_owned() });
    stream
}

/// An error within the stream.
pub(super) fn failure(error: &StreamError) -> Frame {
    Frame::bare(&json!({"error": {"message": error.message, "type": error.kind}}))
}

/// The body of an error, of Responses too.
pub(super) fn error(status: u16, message: &str) -> Value {
    let (kind, code) = match status {
        401 => ("invalid_request_error", json!("invalid_api_key")),
        429 => ("rate_limit_exceeded", json!("rate_limit_exceeded")),
        400..500 => ("invalid_request_error", Value::Null),
        _ => ("server_error", Value::Null),
    };
    json!({"error": {"message": message, "type": kind, "code": code, "param": null}})
}
