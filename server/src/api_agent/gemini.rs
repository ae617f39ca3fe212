//! The Gemini API's generateContent.
//!
//! Pure: values in, values out.

use serde_json::{Value, json};
use storkit_core::facts::Usage;
use storkit_core::runtime::{Ending, Reset};

use super::ask::{Failure, Provider, Reply, Stop};
use super::history::{Answered, Call, Item};
use super::http::Request;
use super::tools::ToolSpec;

/// One model behind that API.
#[derive(Debug, Clone)]
pub(super) struct Gemini {
    pub base: String,
    pub model: String,
    pub key: Option<String>,
}

impl Provider for Gemini {
    fn request(&self, system: &str, history: &[Item], tools: &[ToolSpec]) -> Request {
        let contents: Vec<Value> = history
            .iter()
            .map(|item| match item {
                Item::User { text } => json!({"role": "user", "parts": [{"text": text}]}),
                Item::Model { raw, .. } => raw.clone(),
                Item::Results { results } => {
                    let parts: Vec<Value> = results.iter().map(response).collect();
                    json!({"role": "user", "parts": parts})
                }
            })
            .collect();
        let declare = |tool: &ToolSpec| json!({"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters});
        let declared: Vec<Value> = tools.iter().map(declare).collect();
        let model = self.model.strip_prefix("models/").unwrap_or(&self.model);
        Request {
            url: format!("{}/v1beta/models/{model}:generateContent", self.base),
            secret: self.key.as_ref().map(|key| ("x-goog-api-key", key.clone())),
            body: json!({
                "systemInstruction": {"parts": [{"text": system}]},
                "contents": contents,
                "tools": [{"functionDeclarations": declared}],
            }),
        }
    }

    fn reply(&self, body: &Value) -> Reply {
        let candidate = &body["candidates"][0];
        let content = &candidate["content"];
        let parts = content["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let said = parts.iter().filter(|part| part["thought"] != true);
        let text: String = said.filter_map(|part| part["text"].as_str()).collect();
        let calls = parts.iter().filter_map(|part| part.get("functionCall")).enumerate();
        let stop = match candidate["finishReason"].as_str() {
            Some("MAX_TOKENS") => Stop::Length,
            Some("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII") => Stop::Refused,
            _ if body["promptFeedback"]["blockReason"].is_string() => Stop::Refused,
            _ => Stop::Usual,
        };
        Reply {
            calls: calls.map(|(number, call)| read_call(number, call)).collect(),
            // As it came: signatures of thoughts must come back in their places.
            raw: (!parts.is_empty()).then(|| json!({"role": "model", "parts": parts})),
            text,
            usage: self.usage(body),
            stop,
        }
    }

    fn failure(&self, status: u16, body: &Value) -> Failure {
        // A stream's error is a list of one.
        let error = body.get("error").or_else(|| body[0].get("error")).unwrap_or(&Value::Null);
        let mut failure = Failure::of_status(status, error["message"].as_str().unwrap_or_default());
        for detail in error["details"].as_array().into_iter().flatten() {
            let text = match &failure.ending {
                Ending::Failed { text } | Ending::RateLimited { text, .. } => text.clone(),
                _ => break,
            };
            match detail["@type"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default() {
                "ErrorInfo" if detail["reason"] == "API_KEY_INVALID" => {
                    failure.ending = Ending::Authentication { text };
                }
                "QuotaFailure" if is_of_the_day(detail) => {
                    failure.ending = Ending::Quota { reset: Reset::default(), text };
                    // The delay beside it is that of the minute's limit.
                    failure.retry_after_s = None;
                }
                "RetryInfo" => failure.retry_after_s = delay(&detail["retryDelay"]),
                _ => {}
            }
        }
        failure
    }
}

impl Gemini {
    /// What was read from a cache is counted among the prompt's tokens; thoughts are output beside the candidates.
    fn usage(&self, body: &Value) -> Usage {
        let usage = &body["usageMetadata"];
        let count = |name: &str| usage[name].as_u64().unwrap_or(0);
        let cached = count("cachedContentTokenCount");
        let input = count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount"));
        Usage {
            input_tokens: input.saturating_sub(cached),
            output_tokens: count("candidatesTokenCount").saturating_add(count("thoughtsTokenCount")),
            cache_read_tokens: cached,
            model: Some(self.model.clone()),
            ..Usage::default()
        }
    }
}

fn response(one: &Answered) -> Value {
    let key = if one.ok { "output" } else { "error" };
    let mut response = json!({"name": one.name, "response": {key: one.text}});
    // An id of our own stays ours.
    if !one.id.starts_with(OWN_ID) {
        response["id"] = json!(one.id);
    }
    json!({"functionResponse": response})
}

/// The beginning of ids for calls that came without one.
const OWN_ID: &str = "call-";

fn read_call(number: usize, call: &Value) -> Call {
    let args = call.get("args").cloned().unwrap_or_else(|| json!({}));
    Call {
        id: call["id"].as_str().map_or_else(|| format!("{OWN_ID}{number}"), str::to_owned),
        name: call["name"].as_str().unwrap_or_default().to_owned(),
        args: Some(args).filter(Value::is_object),
    }
}

/// Whether a limit of the day is used up, and not only one of the minute.
fn is_of_the_day(detail: &Value) -> bool {
    let violations = detail["violations"].as_array().into_iter().flatten();
    violations.filter_map(|one| one["quotaId"].as_str()).any(|id| id.contains("PerDay"))
}

/// A duration such as `34s` or `1.5s`, in whole seconds.
fn delay(value: &Value) -> Option<u64> {
    let seconds = value.as_str()?.strip_suffix('s')?;
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let more = u64::from(part.bytes().any(|digit| digit != b'0'));
    whole.parse::<u64>().ok().map(|whole| whole.saturating_add(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Gemini {
        Gemini { base: "http://h".into(), model: "models/g".into(), key: None }
    }

    #[test]
    fn a_reply_is_read_and_its_parts_are_handed_back_as_they_came() {
        let parts = json!([
            {"text": "I think.", "thought": true, "thoughtSignature": "s1"},
            {"text": "I look."},
            {"functionCall": {"name": "shell", "args": {"command": "ls"}}, "thoughtSignature": "s2"},
            {"functionCall": {"id": "f", "name": "list_files"}},
        ]);
        let body = json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 2,
                "cachedContentTokenCount": 7}});
        let reply = model().reply(&body);
        assert_eq!(reply.text, "I look.");
        let ids: Vec<&str> = reply.calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["call-0", "f"]);
        assert_eq!(reply.raw.as_ref().map(|raw| raw["parts"].clone()), Some(parts));
        let usage = reply.usage;
        assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.output_tokens), (3, 7, 6));
        let results = vec![reply.calls[0].answered(true, "a"), reply.calls[1].answered(false, "b")];
        let request = model().request("s", &[Item::Results { results }], &[]);
        assert_eq!(request.url, "http://h/v1beta/models/g:generateContent");
        let expected = json!([
            {"functionResponse": {"name": "shell", "response": {"output": "a"}}},
            {"functionResponse": {"id": "f", "name": "list_files", "response": {"error": "b"}}},
        ]);
        assert_eq!(request.body["contents"][0]["parts"], expected);
    }

    #[test]
    fn whatever_comes_is_a_reply() {
        for body in
            [json!({}), json!({"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}]})]
        {
            assert_eq!((model().reply(&body).raw, model().reply(&body).stop), (None, Stop::Usual));
        }
        let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
        assert_eq!(model().reply(&blocked).stop, Stop::Refused);
    }

    #[test]
    fn errors_are_told_apart_by_status_and_details() {
        let of = |status, details: Value| {
            let failure =
                model().failure(status, &json!({"error": {"message": "words", "details": details}}));
            (serde_json::to_value(failure.ending).expect("JSON")["ending"].clone(), failure.retry_after_s)
        };
        let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "33.5s"});
        let quota = |id: &str| json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]});
        let invalid =
            json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"});
        assert_eq!(of(429, json!([quota("RequestsPerMinute"), retry])), (json!("rate_limited"), Some(34)));
        assert_eq!(of(429, json!([quota("RequestsPerDayPerProject"), retry])), (json!("quota"), None));
        assert_eq!(of(400, json!([invalid])), (json!("authentication"), None));
        assert_eq!(of(400, json!("no list")), (json!("failed"), None));
        assert_eq!(of(503, json!([])), (json!("transient"), None));
    }
}
