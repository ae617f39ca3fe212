//! What the scripted model says: turns, and when each is said. Data alone, in Rust or as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Characters of text in one piece of a stream, where a turn does not say.
const CHUNK_DEFAULT: usize = 12;

/// What a word of the request takes the place of; without one it stays.
pub const QUOTED: &str = "{{quoted}}";

/// One conversation's part: the turns that are said in order, once each, whoever asks.
///
/// A request that offers no tools (titles, classifiers, quota probes) is answered with `aux` and uses no turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The script answers requests in whose text one of these words stands, as a whole word: a story's id,
    /// say. Empty: it answers what no other script does. Among several the first of the server's list wins.
    pub markers: Vec<String>,
    /// What is said, in order.
    pub turns: Vec<Turn>,
    /// What is said when all turns are used; none: that the script is over.
    pub otherwise: Option<Turn>,
    /// The answer to requests that offer no tools; none: a few words.
    pub aux: Option<Turn>,
}

impl Script {
    /// A script for every request that no other one answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A script for requests in whose text `marker` stands as a whole word.
    pub fn when(marker: &str) -> Self {
        Self { markers: vec![marker.to_owned()], ..Self::default() }
    }

    /// One more turn.
    #[must_use]
    pub fn turn(mut self, turn: Turn) -> Self {
        self.turns.push(turn);
        self
    }

    /// What is said when all turns are used.
    #[must_use]
    pub fn otherwise(mut self, turn: Turn) -> Self {
        self.otherwise = Some(turn);
        self
    }

    /// The answer to requests that offer no tools.
    #[must_use]
    pub fn aux(mut self, turn: Turn) -> Self {
        self.aux = Some(turn);
        self
    }

    /// Reads a script from JSON; `${NAME}` in its texts stands for the value of that name.
    ///
    /// # Errors
    /// Where it is no JSON, or not a script.
    pub fn from_json(text: &str, values: &[(&str, &str)]) -> Result<Self, serde_json::Error> {
        let mut text = text.to_owned();
        for (name, value) in values {
            let quoted = Value::from(*value).to_string();
            text = text.replace(&format!("${{{name}}}"), &quoted[1..quoted.len() - 1]);
        }
        serde_json::from_str(&text)
    }
}

/// One answer of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// What it says.
    pub text: Option<String>,
    /// Words of the request. The word behind them goes into the text and the commands, in the place of [`QUOTED`].
    pub quotes: Option<String>,
    /// What it thinks before, where the protocol has a place for it.
    pub thinking: Option<String>,
    /// The tools that it calls.
    pub tools: Vec<Tool>,
    /// An HTTP status instead of an answer.
    pub status: Option<u16>,
    /// More headers, of an answer or of an error.
    pub headers: BTreeMap<String, String>,
    /// The body of an error; none: as the vendor writes it, with `message`.
    pub body: Option<Value>,
    /// The message of an error.
    pub message: Option<String>,
    /// How often it is said before the next turn.
    pub repeat: Repeat,
    /// It is no longer said once these words stand in the request: the next turn is.
    pub unless: Option<String>,
    /// A pause before the answer.
    pub hang: Option<Hang>,
    /// A pause in the middle of the stream.
    pub hang_mid: Option<Hang>,
    /// The connection is broken off.
    pub cut: Option<Cut>,
    /// An error as an event, in the middle of the stream.
    pub stream_error: Option<StreamError>,
    /// Milliseconds between the pieces of the text.
    pub delay_ms: u64,
    /// Characters in one piece.
    pub chunk: usize,
    /// What the answer costs.
    pub usage: Usage,
    /// The reason to stop, where it is not the usual one.
    pub stop: Option<String>,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            text: None,
            quotes: None,
            thinking: None,
            tools: Vec::new(),
            status: None,
            headers: BTreeMap::new(),
            body: None,
            message: None,
            repeat: Repeat::Times(1),
            unless: None,
            hang: None,
            hang_mid: None,
            cut: None,
            stream_error: None,
            delay_ms: 0,
            chunk: CHUNK_DEFAULT,
            usage: Usage::default(),
            stop: None,
        }
    }
}

impl Turn {
    /// It says something.
    pub fn says(text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..Self::default() }
    }

    /// It runs a command by the shell that the caller offers.
    pub fn shell(cmd: &str) -> Self {
        Self { tools: vec![Tool::Shell(cmd.to_owned())], ..Self::default() }
    }

    /// It calls a tool of an MCP server, by whatever name the caller offers it.
    pub fn mcp(name: &str, args: Value) -> Self {
        Self { tools: vec![Tool::Mcp { name: name.to_owned(), args }], ..Self::default() }
    }

    /// It writes a file with the means that the caller offers; give an absolute path.
    pub fn write(path: &str, content: &str) -> Self {
        let tool = Tool::Write { path: path.to_owned(), content: content.to_owned() };
        Self { tools: vec![tool], ..Self::default() }
    }

    /// An error, with the body that the vendor would send.
    pub fn status(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// 429 with `retry-after` in seconds.
    pub fn rate_limited(retry_after_s: u64) -> Self {
        Self::status(429).header("retry-after", &retry_after_s.to_string())
    }

    /// 429 as a subscriber gets it: the account's limit is used up until `reset`, in seconds since 1970.
    pub fn limit_used_up(claim: &str, reset: u64) -> Self {
        let reset = reset.to_string();
        Self::status(429)
            .header("anthropic-ratelimit-unified-status", "rejected")
            .header("anthropic-ratelimit-unified-reset", &reset)
            .header("anthropic-ratelimit-unified-representative-claim", claim)
            .header("anthropic-ratelimit-unified-5h-status", "rejected")
            .header("anthropic-ratelimit-unified-5h-reset", &reset)
            .header("anthropic-ratelimit-unified-overage-status", "rejected")
    }

    /// The same turn, with a call of any tool by its own name.
    #[must_use]
    pub fn call(mut self, name: &str, args: Value) -> Self {
        self.tools.push(Tool::Call { name: name.to_owned(), args });
        self
    }

    /// The same turn, with these words before its tools.
    #[must_use]
    pub fn saying(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    /// The same turn, with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same turn, said so often.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// The same turn, with the word that stands behind `words` in the request in the place of [`QUOTED`].
    #[must_use]
    pub fn quoting(mut self, words: &str) -> Self {
        self.quotes = Some(words.to_owned());
        self
    }

    /// The turn with what it quotes from that request.
    pub(super) fn filled(mut self, body: &Value) -> Self {
        let Some(words) = self.quotes.take() else { return self };
        let body = body.to_string();
        let Some((_, rest)) = body.split_once(&words) else { return self };
        let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let fill = |text: &mut String| *text = text.replace(QUOTED, &word);
        self.text.as_mut().map(fill);
        for tool in &mut self.tools {
            if let Tool::Shell(cmd) = tool {
                fill(cmd);
            }
        }
        self
    }

    /// The same turn, until these words stand in the request.
    #[must_use]
    pub fn unless(mut self, words: &str) -> Self {
        self.unless = Some(words.to_owned());
        self
    }

    /// The same turn after a pause.
    #[must_use]
    pub fn hang(mut self, hang: Hang) -> Self {
        self.hang = Some(hang);
        self
    }

    /// The same turn with a pause in the middle of its stream.
    #[must_use]
    pub fn hang_mid(mut self, hang: Hang) -> Self {
        self.hang_mid = Some(hang);
        self
    }

    /// The same turn, broken off.
    #[must_use]
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    /// The same turn, at this cost.
    #[must_use]
    pub fn costs(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// The text in its pieces; at least one.
    pub(super) fn pieces(&self, text: &str) -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        let pieces: Vec<String> =
            letters.chunks(self.chunk.max(1)).map(|piece| piece.iter().collect()).collect();
        if pieces.is_empty() { vec![String::new()] } else { pieces }
    }
}

/// A tool that the model calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tool {
    /// A command, by whatever tool the caller offers for that.
    Shell(String),
    /// A whole new file, likewise.
    Write {
        /// Where; best absolute.
        path: String,
        /// All of it.
        content: String,
    },
    /// A tool of an MCP server, by the server's name for it.
    Mcp {
        /// Its name.
        name: String,
        /// Its arguments.
        args: Value,
    },
    /// Any tool, by the caller's name for it.
    Call {
        /// Its name.
        name: String,
        /// Its arguments.
        args: Value,
    },
}

/// How often a turn is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Repeat {
    /// So many times.
    Times(u32),
    /// For so many milliseconds since it was said first.
    ForMs(u64),
    /// Until the test lets the server go on.
    UntilReleased,
    /// Always.
    Forever,
}

/// How long a pause is. It ends too when the caller goes, or the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Hang {
    /// So many milliseconds.
    Ms(u64),
    /// Until the test lets the server go on.
    UntilReleased,
}

/// Where a connection is broken off, with a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Before the status line.
    Before,
    /// In the middle of the stream; before the status line where there is none.
    Mid,
}

/// An error within a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamError {
    /// The status of the same error where the answer is no stream.
    pub status: u16,
    /// The vendor's word for it.
    pub kind: String,
    /// What it says.
    pub message: String,
}

impl Default for StreamError {
    fn default() -> Self {
        Self { status: 529, kind: "overloaded_error".to_owned(), message: "Overloaded".to_owned() }
    }
}

/// What an answer costs, in tokens. Where a vendor counts what was read from a cache as input, too, its
/// messages say the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Read, but for what came from a cache.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache; the Anthropic protocol alone has a place for it.
    pub cache_write: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { input: 1000, output: 50, cache_read: 0, cache_write: 0 }
    }
}

impl Usage {
    /// So many tokens in and out, and no cache.
    pub fn of(input: u64, output: u64) -> Self {
        Self { input, output, cache_read: 0, cache_write: 0 }
    }
}

/// A value that fits a JSON schema: what a classifier is answered with.
pub(super) fn fitting(schema: &Value) -> Value {
    if let Some(last) = schema["enum"].as_array().and_then(|values| values.last()) {
        return last.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
    match kind.to_ascii_lowercase().as_str() {
        "object" => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            Value::Object(fields.map(|(name, field)| (name.clone(), fitting(field))).collect())
        }
        "array" => json!([]),
        "number" | "integer" => json!(1),
        "boolean" => json!(false),
        _ => json!("scripted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_from_json_with_its_values() {
        let text = r#"{"markers":["1_story_a"],"turns":[
            {"text":"I will.","tools":[{"write":{"path":"${WT}/a","content":"x"}},{"shell":"git log"}]},
            {"status":429,"headers":{"retry-after":"1"},"repeat":{"times":2}},
            {"hang":"until_released","cut":"mid","usage":{"input":7}}]}"#;
        let script = Script::from_json(text, &[("WT", "/a \"b\"")]).expect("a script");
        assert_eq!(script.turns[0].tools[0], Turn::write("/a \"b\"/a", "x").tools[0]);
        let limited = Turn::rate_limited(1).repeat(Repeat::Times(2));
        assert_eq!(script.turns[1], limited);
        assert_eq!((script.turns[2].usage.input, script.turns[2].usage.output), (7, 50));
        assert_eq!(script.turns[2].hang, Some(Hang::UntilReleased));
        assert!(Script::from_json(r#"{"turns":[{"txet":""}]}"#, &[]).is_err(), "a slip is told");
    }

    #[test]
    fn pieces_break_no_letter_and_there_is_always_one() {
        let turn = Turn { chunk: 2, ..Turn::default() };
        assert_eq!(turn.pieces("äöü"), ["äö", "ü"]);
        assert_eq!(turn.pieces(""), [""]);
    }

    #[test]
    fn a_turn_quotes_the_request() {
        let body = json!({"messages": [{"content": "The word is heron-7 (remember it)."}]});
        let turn = Turn::shell("echo {{quoted}}").saying("It is {{quoted}}.").quoting("The word is ");
        let filled = turn.clone().filled(&body);
        assert_eq!(filled.text.as_deref(), Some("It is heron-7."));
        assert_eq!(filled.tools, Turn::shell("echo heron-7").tools);
        assert_eq!(turn.filled(&json!({})).text.as_deref(), Some("It is {{quoted}}."));
    }

    #[test]
    fn a_schema_is_filled() {
        let schema = json!({"type":"OBJECT","properties":{"why":{"type":["string","null"]},
            "model":{"enum":["a","b"]},"n":{"type":"integer"},"all":{"type":"array"},"is":{"type":"boolean"}}});
        let filled = json!({"why":"scripted","model":"b","n":1,"all":[],"is":false});
        assert_eq!(fitting(&schema), filled);
    }
}
