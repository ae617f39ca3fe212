//! Gemini CLI: `gemini --output-format stream-json`, one JSON object a line. Facts as seen in 0.61.0.

use serde_json::Value;

use super::ending::{self, Ending, LastWord};
use super::event::{AgentEvent, TEXT_LEN_MAX, clip};
use super::launch::{Launch, LaunchOrder, PROMPT_PLACE, PromptBy, Resume, StatePath};
use super::ndjson::{count, said, shown, text};
use super::phrases::{self, Heard, Place};
use super::{Adapter, Parser};
use crate::config::{Permissions, Runtime};
use crate::facts::{ProcessEnd, Usage};

const COMMAND: &str = "gemini";

pub(super) const ADAPTER: Adapter = Adapter { runtime: Runtime::Gemini, command: COMMAND, launch, parser };

const STATE: &[StatePath] = &[StatePath { variable: None, usual: "~/.gemini" }];
/// Options by which an agent's own arguments say what it may do: then it is not let do everything.
const PERMISSION_OPTIONS: [&str; 5] = ["--allowed-tools", "--approval-mode", "--yolo", "-y", "--policy"];
/// What it is told where the prompt is its standard input: it wants an argument to run without a person.
const PROMPT_ABOVE: &str = "Do what is written above.";
/// Most models that a result is broken down by.
const MODELS_MAX: usize = 20;

/// Its own exit statuses.
const EXIT_AUTH: i32 = 41;
const EXIT_INPUT: i32 = 42;
const EXIT_SANDBOX: i32 = 44;
const EXIT_CONFIG: i32 = 52;
const EXIT_TURNS: i32 = 53;
const EXIT_UNTRUSTED: i32 = 55;

fn launch(order: &LaunchOrder<'_>) -> Launch {
    let prompt = order.prompt_by();
    let mut launch = Launch { command: order.command(COMMAND), prompt, state: STATE, ..Launch::default() };
    launch.arg(&["-p", if prompt == PromptBy::Argument { PROMPT_PLACE } else { PROMPT_ABOVE }]);
    launch.arg(&["--output-format", "stream-json", "--skip-trust"]);
    match order.agent.permissions {
        _ if order.says(&PERMISSION_OPTIONS) => {}
        Permissions::Allow => launch.arg(&["--yolo"]),
        // It asks nobody: what needs leave is not even offered to the model.
        Permissions::Ask | Permissions::Deny => launch.arg(&["--approval-mode", "auto_edit"]),
    }
    match order.resume {
        Some(resume) => launch.arg(&["--resume", &resume.session]),
        None => launch.arg(&["--session-id", &order.run.to_string()]),
    }
    let agent = order.agent;
    if !agent.model.is_empty() {
        launch.arg(&["-m", &agent.model]);
    }
    launch.args.extend(agent.args.iter().cloned());
    // Its child would hear no signal.
    launch.env.insert("GEMINI_CLI_NO_RELAUNCH", "true".to_owned());
    if let Some(tmp) = order.tmp {
        // On an error it leaves there all that was said.
        launch.env.insert("TMPDIR", tmp.to_owned());
    }
    let unheeded = [
        ("max_turns", agent.max_turns > 0),
        ("max_budget_usd", agent.max_budget_usd > 0.0),
        ("mcp", order.mcp_url.is_some()),
    ];
    launch.unheeded.extend(unheeded.into_iter().filter(|(_, set)| *set).map(|(name, _)| name));
    launch
}

fn parser(resume: Option<&Resume>) -> Box<dyn Parser> {
    Box::new(Gemini { asked: resume.map(|resume| resume.session.clone()), ..Gemini::default() })
}

/// What is known of a run so far.
#[derive(Debug, Default)]
struct Gemini {
    /// The session that was to be resumed.
    asked: Option<String>,
    /// The one that there is.
    session: Option<String>,
    /// The agent's words since its last use of a tool; they come in pieces.
    words: String,
    /// The last result.
    last: Option<LastWord>,
    /// What its standard error said.
    heard: Heard,
}

impl Parser for Gemini {
    fn object(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        match text(object, "type") {
            "init" => {
                if let Some(id) = said(object, "session_id") {
                    self.session = Some(clip(&id, TEXT_LEN_MAX));
                    out.push(AgentEvent::Session { id, model: said(object, "model") });
                }
            }
            "message" if text(object, "role") == "assistant" => self.hear(text(object, "content")),
            "tool_use" => {
                self.speak(out);
                out.push(AgentEvent::ToolUse {
                    id: text(object, "tool_id").to_owned(),
                    tool: text(object, "tool_name").to_owned(),
                    input: object.get("parameters").map(shown).unwrap_or_default(),
                });
            }
            "tool_result" => out.push(AgentEvent::ToolResult {
                id: text(object, "tool_id").to_owned(),
                ok: text(object, "status") == "success",
                text: object.get("output").or_else(|| object.get("error")).map(shown).unwrap_or_default(),
            }),
            "error" => out.extend(said(object, "message").map(|text| AgentEvent::Notice { text })),
            "result" => self.result(object, out),
            _ => {}
        }
    }

    fn text(&mut self, line: &str) {
        self.heard.line(Runtime::Gemini, line);
    }

    fn end(&mut self, process: Option<ProcessEnd>, tail: &str, out: &mut Vec<AgentEvent>) -> Option<Ending> {
        self.speak(out);
        if self.asked.is_some() && self.session.is_some() && self.session != self.asked {
            return Some(Ending::SessionUnknown);
        }
        match self.last.take() {
            Some(LastWord::Error { kind, text }) => return Some(failure(&kind, text, process)),
            Some(LastWord::Success) => return Some(ending::succeeded(process)),
            None => {}
        }
        let unsaid = || ending::unsaid(process, self.session.is_some(), tail.to_owned());
        self.heard.ending(process).or_else(|| own_status(process, tail)).or_else(unsaid)
    }
}

impl Gemini {
    fn hear(&mut self, piece: &str) {
        // What does not fit is only in the log.
        if self.words.len() + piece.len() <= 8 * TEXT_LEN_MAX {
            self.words.push_str(piece);
        }
    }

    /// Hands the words on that have come so far.
    fn speak(&mut self, out: &mut Vec<AgentEvent>) {
        let text = std::mem::take(&mut self.words);
        if !text.trim().is_empty() {
            out.push(AgentEvent::Text { text });
        }
    }

    fn result(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        let words = self.words.clone();
        self.speak(out);
        let models = object["stats"].get("models").and_then(Value::as_object);
        let used =
            models.into_iter().flatten().take(MODELS_MAX).map(|(model, counted)| of_model(model, counted));
        let mut used: Vec<Usage> = used.filter(|used| !used.is_empty()).collect();
        // The main model last: a sum keeps the last one's name.
        used.sort_by_key(|used| used.output_tokens);
        out.extend(used.into_iter().map(|used| AgentEvent::Usage { used, session_total: None }));
        let ok = text(object, "status") == "success";
        let (kind, message) = (text(&object["error"], "type"), text(&object["error"], "message"));
        out.push(AgentEvent::Result { ok, text: if ok { words } else { message.to_owned() } });
        let (kind, text) = (clip(kind, TEXT_LEN_MAX), clip(message, TEXT_LEN_MAX));
        self.last = Some(if ok { LastWord::Success } else { LastWord::Error { kind, text } });
    }
}

/// Tokens of one model; cached ones are among the input.
fn of_model(model: &str, counted: &Value) -> Usage {
    let cached = count(counted, "cached");
    Usage {
        input_tokens: count(counted, "input_tokens").saturating_sub(cached),
        output_tokens: count(counted, "output_tokens"),
        cache_read_tokens: cached,
        model: Some(model.to_owned()),
        ..Usage::default()
    }
}

/// The ending that its own exit status says.
fn own_status(process: Option<ProcessEnd>, text: &str) -> Option<Ending> {
    let Some(ProcessEnd::Exited(status)) = process else { return None };
    let text = text.to_owned();
    match status {
        EXIT_AUTH => Some(Ending::Authentication { text }),
        EXIT_TURNS => Some(Ending::OutOfTurns),
        EXIT_INPUT | EXIT_SANDBOX | EXIT_CONFIG | EXIT_UNTRUSTED => Some(Ending::Configuration { text }),
        _ => None,
    }
}

fn failure(kind: &str, message: String, process: Option<ProcessEnd>) -> Ending {
    if kind == "FatalTurnLimitedError" {
        return Ending::OutOfTurns;
    }
    if let Some(means) = phrases::meaning(Runtime::Gemini, Place::Error, &message) {
        return means.ending(message);
    }
    if let Some(ending) = own_status(process, &message) {
        return ending;
    }
    match body_code(&message).or_else(|| status(process)) {
        Some(status) => Ending::of_status(status, message),
        None => Ending::Failed { text: message },
    }
}

/// The code in an error that is handed on as it came: `[API Error: {"error":{"code":401,…}}]`.
fn body_code(message: &str) -> Option<u16> {
    let body = message.strip_prefix("[API Error: ")?.trim_end().strip_suffix(']')?;
    let body: Value = serde_json::from_str(body).ok()?;
    u16::try_from(body["error"].get("code")?.as_u64()?).ok()
}

/// The HTTP status that an exit status is the low byte of: 173 is 429, 247 is 503.
fn status(process: Option<ProcessEnd>) -> Option<u16> {
    let Some(ProcessEnd::Exited(status)) = process else { return None };
    let low = u16::try_from(status).ok().filter(|low| *low < 256)?;
    Some(256 + low).filter(|status| *status >= 400)
}
