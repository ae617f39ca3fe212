//! OpenAI's Chat Completions, as the vendor and servers of one's own speak it.
//!
//! Pure: values in, values out.

use serde_json::{Map, Value, json};
use storkit_core::facts::Usage;
use storkit_core::runtime::{Ending, Reset};

use super::ask::{Failure, Provider, Reply, Stop};
use super::history::{Call, Item};
use super::http::Request;
use super::tools::ToolSpec;

/// One model behind such an API.
#[derive(Debug, Clone)]
pub(super) struct OpenAi {
    pub base: String,
    pub model: String,
    pub key: Option<String>,
}

impl Provider for OpenAi {
    fn request(&self, system: &str, history: &[Item], tools: &[ToolSpec]) -> Request {
        let mut messages = vec![json!({"role": "system", "content": system})];
        for item in history {
            match item {
                Item::User { text } => messages.push(json!({"role": "user", "content": text})),
                Item::Model { raw, .. } => messages.push(raw.clone()),
                Item::Results { results } => messages.extend(
                    results
                        .iter()
                        .map(|one| json!({"role": "tool", "tool_call_id": one.id, "content": one.text})),
                ),
            }
        }
        let tool = |tool: &ToolSpec| {
            let function =
                json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
            json!({"type": "function", "function": function})
        };
        let tools: Vec<Value> = tools.iter().map(tool).collect();
        Request {
            url: format!("{}/chat/completions", self.base),
            secret: self.key.as_ref().map(|key| ("authorization", format!("Bearer {key}"))),
            body: json!({"model": self.model, "messages": messages, "tools": tools}),
        }
    }

    fn reply(&self, body: &Value) -> Reply {
        let choice = &body["choices"][0];
        let message = &choice["message"];
        let text = message["content"].as_str().unwrap_or_default().to_owned();
        let calls: Vec<Value> = message["tool_calls"].as_array().cloned().unwrap_or_default();
        let refusal = message["refusal"].as_str().filter(|text| !text.is_empty());
        let stop = match choice["finish_reason"].as_str() {
            Some("content_filter") => Stop::Refused,
            _ if refusal.is_some() => Stop::Refused,
            Some("length") => Stop::Length,
            _ => Stop::Usual,
        };
        Reply {
            raw: raw(&text, &calls),
            calls: calls.iter().map(call).collect(),
            text: refusal.map_or(text, str::to_owned),
            usage: self.usage(body),
            stop,
        }
    }

    fn failure(&self, status: u16, body: &Value) -> Failure {
        // Some servers send the error as a list of one.
        let error = body.get("error").or_else(|| body[0].get("error")).unwrap_or(&Value::Null);
        let message = error["message"].as_str().or(error.as_str()).unwrap_or_default();
        let failure = Failure::of_status(status, message);
        let text = match failure.ending {
            Ending::RateLimited { ref text, .. } | Ending::Failed { ref text } => text.clone(),
            _ => return failure,
        };
        let code = error["code"].as_str().or(error["type"].as_str()).unwrap_or_default();
        let ending = match code {
            "insufficient_quota" => Ending::Quota { reset: Reset::default(), text },
            "context_length_exceeded" => Ending::ContextTooLong { text },
            "model_not_found" => Ending::Configuration { text },
            _ => return failure,
        };
        Failure { ending, ..failure }
    }
}

impl OpenAi {
    /// What was read from a cache is counted among the prompt's tokens.
    fn usage(&self, body: &Value) -> Usage {
        let count = |value: &Value| value.as_u64().unwrap_or(0);
        let usage = &body["usage"];
        let cached = count(&usage["prompt_tokens_details"]["cached_tokens"]);
        Usage {
            input_tokens: count(&usage["prompt_tokens"]).saturating_sub(cached),
            output_tokens: count(&usage["completion_tokens"]),
            cache_read_tokens: cached,
            model: Some(self.model.clone()),
            ..Usage::default()
        }
    }
}

/// The message to hand back: only what every server takes.
fn raw(text: &str, calls: &[Value]) -> Option<Value> {
    if text.is_empty() && calls.is_empty() {
        return None;
    }
    let mut message = Map::from_iter([
        ("role".to_owned(), json!("assistant")),
        ("content".to_owned(), if text.is_empty() { Value::Null } else { json!(text) }),
    ]);
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), Value::from(calls));
    }
    Some(Value::Object(message))
}

fn call(call: &Value) -> Call {
    let function = &call["function"];
    let arguments = function["arguments"].as_str().unwrap_or_default();
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    Call {
        id: call["id"].as_str().unwrap_or_default().to_owned(),
        name: function["name"].as_str().unwrap_or_default().to_owned(),
        args: serde_json::from_str(arguments).ok().filter(Value::is_object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> OpenAi {
        OpenAi { base: "http://h/v1".into(), model: "m".into(), key: None }
    }

    #[test]
    fn a_reply_is_read_and_handed_back_without_what_only_the_vendor_knows() {
        let body = json!({"choices": [{"finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": null, "annotations": [], "reasoning": "x", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "shell", "arguments": "{\"command\":\"ls\"}"}},
                {"id": "b", "type": "function", "function": {"name": "shell", "arguments": "{cut"}},
                {"id": "c", "type": "function", "function": {"name": "list_files", "arguments": ""}}]}}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 7}}});
        let reply = model().reply(&body);
        let args: Vec<Option<Value>> = reply.calls.iter().map(|call| call.args.clone()).collect();
        assert_eq!(args, [Some(json!({"command": "ls"})), None, Some(json!({}))]);
        let raw = reply.raw.expect("a message");
        assert_eq!((raw["tool_calls"].as_array().map(Vec::len), raw.get("reasoning")), (Some(3), None));
        let usage = reply.usage;
        assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.output_tokens), (3, 7, 4));
    }

    #[test]
    fn whatever_comes_is_a_reply() {
        for body in [json!({}), json!({"choices": []}), json!({"choices": [{"message": {"tool_calls": 7}}]})]
        {
            assert_eq!(model().reply(&body).raw, None);
        }
        let refused = json!({"choices": [{"message": {"content": null, "refusal": "No."}}]});
        let reply = model().reply(&refused);
        assert_eq!((reply.stop, reply.text.as_str()), (Stop::Refused, "No."));
    }

    #[test]
    fn errors_are_told_apart_by_status_and_code() {
        let ending = |status, code: &str| {
            let body = json!({"error": {"message": "words", "code": code}});
            serde_json::to_value(model().failure(status, &body).ending).expect("JSON")["ending"].clone()
        };
        for (status, code, expected) in [
            (401, "invalid_api_key", "authentication"),
            (429, "rate_limit_exceeded", "rate_limited"),
            (429, "insufficient_quota", "quota"),
            (400, "context_length_exceeded", "context_too_long"),
            (400, "", "failed"),
            (404, "model_not_found", "configuration"),
            (503, "", "transient"),
        ] {
            assert_eq!(ending(status, code), expected, "{status} {code}");
        }
        let plain = model().failure(500, &Value::Null).ending;
        assert_eq!(plain, Ending::Transient { text: "the provider answered with HTTP status 500".into() });
    }
}
