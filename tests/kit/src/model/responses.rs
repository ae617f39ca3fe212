//! OpenAI's Responses: the document, the stream. Its errors are those of Chat Completions.

use serde_json::{Value, json};

use super::answer::{Frame, Said, Stream};
use super::script::StreamError;

fn usage(said: &Said) -> Value {
    let usage = said.turn.usage;
    let input = usage.input + usage.cache_read;
    json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input + usage.output,
    })
}

fn items(said: &Said) -> Vec<Value> {
    let mut items = Vec::new();
    if let Some(thinking) = &said.turn.thinking {
        let summary = json!([{"type": "summary_text", "text": thinking}]);
        let id = said.ids.next("rs_");
        items.push(json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": null}));
    }
    if let Some(text) = &said.text {
        let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
        let id = said.ids.next("msg_");
        items.push(json!({
            "type": "message", "id": id, "role": "assistant", "status": "completed", "content": content
        }));
    }
    for call in &said.calls {
        let mut item = json!({"call_id": said.ids.next("call_"), "name": call.name, "status": "completed"});
        if call.is_custom() {
            item["type"] = json!("custom_tool_call");
            item["id"] = json!(said.ids.next("ctc_"));
            item["input"] = call.input.clone();
        } else {
            item["type"] = json!("function_call");
            item["id"] = json!(said.ids.next("fc_"));
            item["arguments"] = json!(call.input.to_string());
        }
        if let Some(namespace) = &call.namespace {
            item["namespace"] = json!(namespace);
        }
        items.push(item);
    }
    items
}

fn response(said: &Said, id: &str, status: &str, output: &[Value]) -> Value {
    let usage = if status == "completed" { usage(said) } else { Value::Null };
    json!({
        "id": id,
        "object": "response",
        "created_at": 1_767_268_800,
        "status": status,
        "model": said.model,
        "output": output,
        "usage": usage,
        "error": null,
        "incomplete_details": null,
        "parallel_tool_calls": false,
    })
}

/// The answer in one document.
pub(super) fn document(said: &Said) -> Value {
    response(said, &said.ids.next("resp_"), "completed", &items(said))
}

fn frame(kind: &str, mut data: Value) -> Frame {
    data["type"] = Value::from(kind);
    Frame::named(kind, &data)
}

/// The answer as events.
pub(super) fn stream(said: &Said) -> Stream {
    let id = said.ids.next("resp_");
    let items = items(said);
    let mut stream = Stream::default();
    stream.push(frame("response.created", json!({"response": response(said, &id, "in_progress", &[])})));
    for (index, item) in items.iter().enumerate() {
        let place = json!({"item_id": item["id"], "output_index": index, "content_index": 0});
        let at = |more: Value| {
            let mut data = place.clone();
            for (name, value) in more.as_object().into_iter().flatten() {
                data[name] = value.clone();
            }
            data
        };
        let added =
            |item: &Value| frame("response.output_item.added", json!({"output_index": index, "item": item}));
        match item["type"].as_str() {
            Some("message") => {
                let mut empty = item.clone();
                empty["status"] = json!("in_progress");
                empty["content"] = json!([]);
                stream.push(added(&empty));
                let part = json!({"type": "output_text", "text": "", "annotations": []});
                stream.push(frame("response.content_part.added", at(json!({ "part": part }))));
                let text = item["content"][0]["text"].as_str().unwrap_or_default();
                stream.push_pieces(&said.turn.pieces(text), |piece| {
                    frame("response.output_text.delta", at(json!({ "delta": piece })))
                });
                stream.push(frame("response.output_text.done", at(json!({ "text": text }))));
                stream.push(frame("response.content_part.done", at(json!({ "part": item["content"][0] }))));
            }
            Some("function_call") => {
                stream.push(added(item));
                let text = item["arguments"].as_str().unwrap_or_default().to_owned();
                stream.push_pieces(std::slice::from_ref(&text), |piece| {
                    frame("response.function_call_arguments.delta", at(json!({ "delta": piece })))
                });
                stream.push(frame("response.function_call_arguments.done", at(json!({ "arguments": text }))));
            }
            _ => stream.push_pieces(&[String::new()], |_| added(item)),
        }
        stream.push(frame("response.output_item.done", json!({"output_index": index, "item": item})));
    }
    stream.push(frame("response.completed", json!({"response": response(said, &id, "completed", &items)})));
    for (number, one) in stream.frames.iter_mut().enumerate() {
        let mut data: Value = serde_json::from_str(&one.data).expect("an event is JSON");
        data["sequence_number"] = json!(number);
        one.data = data.to_string();
    }
    stream
}

/// An error within the stream.
pub(super) fn failure(said: &Said, error: &StreamError) -> Frame {
    let mut response = response(said, &said.ids.next("resp_"), "failed", &[]);
    response["error"] = json!({"code": error.kind, "message": error.message});
    frame("response.failed", json!({ "response": response }))
}
