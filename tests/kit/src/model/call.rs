//! One request to the model, as the server understands it: which protocol, what is asked, what it says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::http::Incoming;
use super::tools::{Offered, offered};

/// The only key that tests use: the server takes no other one, since that one would be a person's.
pub const DUMMY_KEY: &str = "dummy-key-of-storkits-tests";
/// Headers that carry a key.
const SECRET_HEADERS: [&str; 4] = ["authorization", "x-api-key", "x-goog-api-key", "cookie"];

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's Chat Completions.
    Chat,
    /// Gemini's generateContent and streamGenerateContent.
    Gemini,
}

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// An answer of the model.
    Answer(Api),
    /// How many tokens a text has.
    CountTokens(Api),
    /// The models that there are.
    Models,
    /// Something else.
    Unknown,
}

/// What a request line asks for.
pub(super) fn asked(method: &str, path: &str) -> Asked {
    let base = path.split('?').next().unwrap_or_default();
    let post = |asked| if method == "POST" { asked } else { Asked::Unknown };
    match base.rsplit('/').next().unwrap_or_default() {
        "count_tokens" => post(Asked::CountTokens(Api::Anthropic)),
        "messages" => post(Asked::Answer(Api::Anthropic)),
        "responses" => post(Asked::Answer(Api::Responses)),
        "completions" if base.ends_with("/chat/completions") => post(Asked::Answer(Api::Chat)),
        "models" if method == "GET" => Asked::Models,
        last => match last.split_once(':').map(|(_, verb)| verb) {
            Some("generateContent" | "streamGenerateContent") => post(Asked::Answer(Api::Gemini)),
            Some("countTokens") => post(Asked::CountTokens(Api::Gemini)),
            _ => Asked::Unknown,
        },
    }
}

/// A request for an answer.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The protocol.
    pub api: Api,
    /// The model that is asked.
    pub model: String,
    /// Whether the answer is to be a stream.
    pub stream: bool,
    /// The tools that are offered.
    pub offered: BTreeMap<String, Offered>,
    /// The schema that the answer must fit.
    pub schema: Option<Value>,
}

impl Call {
    /// Reads a request for an answer.
    pub(super) fn read(api: Api, path: &str, body: &Value) -> Self {
        let in_path = path.split("/models/").nth(1).and_then(|rest| rest.split([':', '?']).next());
        let model = body["model"].as_str().or(in_path).unwrap_or("unnamed").to_owned();
        let stream = body["stream"] == true || path.contains(":streamGenerateContent");
        let settings = &body["generationConfig"];
        let schema = ["responseJsonSchema", "responseSchema"].iter().map(|key| &settings[*key]);
        let schema = schema.into_iter().find(|schema| schema.is_object()).cloned();
        Self { api, model, stream, offered: offered(api, body), schema }
    }

    /// Whether it is part of the work, and no title, probe or classifier beside it.
    pub(super) fn is_main(&self) -> bool {
        !self.offered.is_empty() && self.schema.is_none()
    }
}

/// What the server keeps of a request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`, `GET`, `HEAD`.
    pub method: String,
    /// The path with its query; a key in it is blotted out.
    pub path: String,
    /// The headers, in lower case; keys are blotted out.
    pub headers: BTreeMap<String, String>,
    /// The protocol; none where no answer of a model was asked for.
    pub api: Option<Api>,
    /// The model.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The names of the tools that were offered.
    pub tools: Vec<String>,
    /// What it was answered with: `<marker>/turn 2`, `<marker>/aux`, `<marker>/otherwise`, `no script`.
    pub answered: String,
    /// The body; null where it is no JSON.
    pub body: Value,
}

impl Request {
    pub(super) fn read(incoming: &Incoming) -> Self {
        let blotted = |(name, value): (&String, &String)| {
            let secret = SECRET_HEADERS.contains(&name.as_str());
            (name.clone(), if secret { "<redacted>".to_owned() } else { value.clone() })
        };
        Self {
            method: incoming.method.clone(),
            path: without_key(&incoming.path),
            headers: incoming.headers.iter().map(blotted).collect(),
            api: None,
            model: String::new(),
            stream: false,
            tools: Vec::new(),
            answered: String::new(),
            body: serde_json::from_slice(&incoming.body).unwrap_or_default(),
        }
    }

    /// Whether `text` stands somewhere in the texts of the body.
    pub fn says(&self, text: &str) -> bool {
        any_text(&self.body, &mut |said| said.contains(text))
    }

    /// Whether it was part of the work, and no title or probe beside it.
    pub fn is_main(&self) -> bool {
        self.api.is_some() && !self.answered.ends_with("/aux")
    }
}

/// Whether a request carries a key that is not the tests' own.
pub(super) fn carries_foreign_key(incoming: &Incoming) -> bool {
    let in_headers = SECRET_HEADERS.iter().filter_map(|name| incoming.headers.get(*name));
    let in_headers = in_headers.map(|value| value.trim_start_matches("Bearer "));
    let query = incoming.path.split_once('?').map_or("", |(_, query)| query);
    let in_query = query.split('&').filter_map(|pair| pair.strip_prefix("key="));
    in_headers.chain(in_query).any(|key| key != DUMMY_KEY)
}

fn without_key(path: &str) -> String {
    let Some((base, query)) = path.split_once('?') else { return path.to_owned() };
    let pairs = query.split('&').map(|pair| if pair.starts_with("key=") { "key=<redacted>" } else { pair });
    format!("{base}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// Whether `word` stands as a whole word in a text of `value`: no letter, digit, `_` or `-` beside it.
pub(super) fn has_word(value: &Value, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    any_text(value, &mut |text| {
        text.match_indices(word)
            .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
    })
}

/// Whether these words stand in a text of `value`.
pub(super) fn holds(value: &Value, words: &str) -> bool {
    any_text(value, &mut |text| text.contains(words))
}

fn any_text(value: &Value, holds: &mut impl FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => holds(text),
        Value::Array(values) => values.iter().any(|value| any_text(value, holds)),
        Value::Object(fields) => fields.values().any(|value| any_text(value, holds)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_say_what_is_asked() {
        let cases = [
            ("POST", "/v1/messages?beta=true", Asked::Answer(Api::Anthropic)),
            ("POST", "/v1/messages/count_tokens", Asked::CountTokens(Api::Anthropic)),
            ("POST", "/v1/responses", Asked::Answer(Api::Responses)),
            ("POST", "/v1/chat/completions", Asked::Answer(Api::Chat)),
            (
                "POST",
                "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
                Asked::Answer(Api::Gemini),
            ),
            ("POST", "/v1beta/models/g:countTokens", Asked::CountTokens(Api::Gemini)),
            ("GET", "/v1/models?limit=1", Asked::Models),
            ("GET", "/v1/messages", Asked::Unknown),
            ("POST", "/completions", Asked::Unknown),
        ];
        for (method, path, expected) in cases {
            assert_eq!(asked(method, path), expected, "{path}");
        }
    }

    #[test]
    fn a_call_knows_model_stream_and_what_is_beside_the_work() {
        let tool = json!([{"functionDeclarations":[{"name":"f"}]}]);
        let path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
        let call = Call::read(Api::Gemini, path, &json!({ "tools": tool }));
        assert_eq!((call.model.as_str(), call.stream, call.is_main()), ("gemini-2.5-flash", true, true));
        let classifier =
            json!({"tools": tool, "generationConfig": {"responseJsonSchema": {"type": "object"}}});
        assert!(!Call::read(Api::Gemini, path, &classifier).is_main());
        assert!(!Call::read(Api::Anthropic, "/v1/messages", &json!({"model": "m"})).is_main());
    }

    #[test]
    fn a_marker_is_a_whole_word_of_the_texts() {
        let body = json!({"messages":[{"content":[{"text":"line\n11_story_a: go, \"2_story_b\""}]}]});
        assert!(has_word(&body, "11_story_a") && has_word(&body, "2_story_b"));
        assert!(
            !has_word(&body, "1_story_a") && !has_word(&body, "11_story") && !has_word(&body, "messages")
        );
    }

    #[test]
    fn keys_are_blotted_out_and_strange_ones_are_seen() {
        let incoming = |name: &str, value: &str, path: &str| Incoming {
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: [(name.to_owned(), value.to_owned())].into(),
            body: Vec::new(),
        };
        let bearer = format!("Bearer {DUMMY_KEY}");
        let own = incoming("authorization", &bearer, "/v1/x?key=dummy-key-of-storkits-tests&alt=sse");
        assert!(!carries_foreign_key(&own));
        let kept = Request::read(&own);
        assert_eq!(
            (kept.headers["authorization"].as_str(), kept.path.as_str()),
            ("<redacted>", "/v1/x?key=<redacted>&alt=sse")
        );
        assert!(carries_foreign_key(&incoming("x-api-key", "sk-a-persons-own", "/")));
        assert!(carries_foreign_key(&incoming("a", "b", "/?key=a-persons-own")));
    }
}
