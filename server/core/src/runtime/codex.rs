//! Codex: `codex exec --json`, one JSON object a line. Facts as seen in 0.169.0.

use serde_json::Value;

use super::ending::{self, Ending, LastWord};
use super::event::{AgentEvent, Reset, TEXT_LEN_MAX, clip};
use super::launch::{
    Launch, LaunchOrder, MCP_NAME, PROMPT_PLACE, PromptBy, Resume, StatePath, TOKEN_VARIABLE,
};
use super::ndjson::{count, list, said, shown, text};
use super::phrases::{self, Heard, Place};
use super::{Adapter, Parser};
use crate::config::{Permissions, Runtime};
use crate::facts::{ProcessEnd, Usage};

const COMMAND: &str = "codex";

pub(super) const ADAPTER: Adapter = Adapter { runtime: Runtime::Codex, command: COMMAND, launch, parser };

const STATE: &[StatePath] = &[StatePath { variable: Some("CODEX_HOME"), usual: "~/.codex" }];
/// Options by which an agent's own arguments say what it may do: then it is not let do everything. Without them its
/// sandbox refuses `git commit` in a linked worktree.
const PERMISSION_OPTIONS: [&str; 7] = [
    "--ask-for-approval",
    "--dangerously-bypass-approvals-and-sandbox",
    "--full-auto",
    "--sandbox",
    "--yolo",
    "-a",
    "-s",
];
/// What an argument parser exits with.
const EXIT_USAGE: i32 = 2;

fn launch(order: &LaunchOrder<'_>) -> Launch {
    let prompt = order.prompt_by();
    let mut launch = Launch { command: order.command(COMMAND), prompt, state: STATE, ..Launch::default() };
    launch.arg(&["exec", "--json"]);
    match order.agent.permissions {
        _ if order.says(&PERMISSION_OPTIONS) => {}
        Permissions::Allow => launch.arg(&["--dangerously-bypass-approvals-and-sandbox"]),
        // It asks nobody; what it leaves uncommitted is committed for it.
        Permissions::Ask | Permissions::Deny => launch.arg(&["--sandbox", "workspace-write"]),
    }
    let agent = order.agent;
    if !agent.model.is_empty() {
        launch.arg(&["-m", &agent.model]);
    }
    if let Some(url) = order.mcp_url {
        let key =
            |name: &str, value: &str| format!("mcp_servers.{MCP_NAME}.{name}={}", toml::Value::from(value));
        launch.arg(&["-c", &key("url", url), "-c", &key("bearer_token_env_var", TOKEN_VARIABLE)]);
    }
    launch.args.extend(agent.args.iter().cloned());
    if let Some(resume) = order.resume {
        launch.arg(&["resume", &resume.session]);
    }
    launch.arg(&[if prompt == PromptBy::Argument { PROMPT_PLACE } else { "-" }]);
    if agent.max_turns > 0 {
        launch.unheeded.push("max_turns");
    }
    if agent.max_budget_usd > 0.0 {
        launch.unheeded.push("max_budget_usd");
    }
    launch
}

fn parser(resume: Option<&Resume>) -> Box<dyn Parser> {
    let counted = resume.and_then(|resume| resume.total.clone()).unwrap_or_default();
    Box::new(Codex { asked: resume.map(|resume| resume.session.clone()), counted, ..Codex::default() })
}

/// What is known of a run so far.
#[derive(Debug, Default)]
struct Codex {
    /// The session that was to be resumed.
    asked: Option<String>,
    /// The one that there is.
    session: Option<String>,
    /// The thread's counter, as last seen.
    counted: Usage,
    /// The agent's last words.
    words: String,
    /// How the last turn ended.
    turn: Option<LastWord>,
    /// What its standard error said.
    heard: Heard,
}

impl Parser for Codex {
    fn object(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        match text(object, "type") {
            "thread.started" => {
                if let Some(id) = said(object, "thread_id") {
                    self.session = Some(clip(&id, TEXT_LEN_MAX));
                    out.push(AgentEvent::Session { id, model: None });
                }
            }
            "turn.started" => self.turn = None,
            "item.started" => started(&object["item"], out),
            "item.completed" => self.completed(&object["item"], out),
            // Not the end: it tries again by itself, and may succeed.
            "error" => out.extend(said(object, "message").map(|text| AgentEvent::Notice { text })),
            "turn.completed" => {
                self.usage(&object["usage"], out);
                self.turn = Some(LastWord::Success);
                out.push(AgentEvent::Result { ok: true, text: std::mem::take(&mut self.words) });
            }
            "turn.failed" => {
                let message = text(&object["error"], "message").to_owned();
                let (kind, text) = (String::new(), clip(&message, TEXT_LEN_MAX));
                self.turn = Some(LastWord::Error { kind, text });
                out.push(AgentEvent::Result { ok: false, text: message });
            }
            _ => {}
        }
    }

    fn text(&mut self, line: &str) {
        self.heard.line(Runtime::Codex, line);
    }

    fn end(&mut self, process: Option<ProcessEnd>, tail: &str, _out: &mut Vec<AgentEvent>) -> Option<Ending> {
        if self.asked.is_some() && self.session.is_some() && self.session != self.asked {
            // It took the id for a name that it does not know, and began anew with half a prompt.
            return Some(Ending::SessionUnknown);
        }
        match self.turn.take() {
            Some(LastWord::Error { text, .. }) => return Some(failure(text)),
            Some(LastWord::Success) => return Some(ending::succeeded(process)),
            None => {}
        }
        let usage = process == Some(ProcessEnd::Exited(EXIT_USAGE)) && self.session.is_none();
        let usage = usage.then(|| Ending::Configuration { text: tail.to_owned() });
        let unsaid = || ending::unsaid(process, self.session.is_some(), tail.to_owned());
        self.heard.ending(process).or(usage).or_else(unsaid)
    }
}

impl Codex {
    fn completed(&mut self, item: &Value, out: &mut Vec<AgentEvent>) {
        let id = text(item, "id").to_owned();
        let ok = text(item, "status") != "failed";
        match text(item, "type") {
            "agent_message" => {
                let Some(text) = said(item, "text") else { return };
                self.words = clip(&text, TEXT_LEN_MAX);
                out.push(AgentEvent::Text { text });
            }
            "command_execution" => {
                out.push(AgentEvent::ToolResult { id, ok, text: text(item, "aggregated_output").to_owned() });
            }
            "file_change" => out.push(AgentEvent::ToolResult { id, ok, text: String::new() }),
            "mcp_tool_call" => {
                let text =
                    item.get("result").filter(|result| !result.is_null()).or_else(|| item.get("error"));
                out.push(AgentEvent::ToolResult { id, ok, text: text.map(shown).unwrap_or_default() });
            }
            "error" => out.extend(said(item, "message").map(|text| AgentEvent::Notice { text })),
            _ => {}
        }
    }

    /// The counter is the thread's, over all of its runs; cached tokens are among the input.
    fn usage(&mut self, usage: &Value, out: &mut Vec<AgentEvent>) {
        if !usage.is_object() {
            return;
        }
        let (read, written) = (count(usage, "cached_input_tokens"), count(usage, "cache_write_input_tokens"));
        let total = Usage {
            input_tokens: count(usage, "input_tokens").saturating_sub(read).saturating_sub(written),
            output_tokens: count(usage, "output_tokens"),
            cache_read_tokens: read,
            cache_write_tokens: written,
            ..Usage::default()
        };
        let used = total.since(&self.counted);
        self.counted = total.clone();
        out.push(AgentEvent::Usage { used, session_total: Some(total) });
    }
}

fn started(item: &Value, out: &mut Vec<AgentEvent>) {
    let (tool, input) = match text(item, "type") {
        "command_execution" => ("shell".to_owned(), text(item, "command").to_owned()),
        "file_change" => ("file_change".to_owned(), changes(item)),
        "mcp_tool_call" => {
            (format!("{}.{}", text(item, "server"), text(item, "tool")), shown(&item["arguments"]))
        }
        "web_search" => ("web_search".to_owned(), text(item, "query").to_owned()),
        _ => return,
    };
    out.push(AgentEvent::ToolUse { id: text(item, "id").to_owned(), tool, input });
}

/// The changed files, one a line.
fn changes(item: &Value) -> String {
    let changes = list(item, "changes").iter();
    changes
        .map(|change| format!("{} {}", text(change, "kind"), text(change, "path")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The ending of a turn that failed: there is nothing but its message.
fn failure(message: String) -> Ending {
    if let Some(means) = phrases::meaning(Runtime::Codex, Place::Error, &message) {
        return means.ending(message);
    }
    if let Some(status) = phrases::status(&message) {
        return Ending::of_status(status, message);
    }
    // Some providers' errors come as they are: an object.
    let kind = serde_json::from_str::<Value>(&message).ok();
    match kind.as_ref().map(|object| text(&object["error"], "type")) {
        Some("rate_limit_exceeded") => Ending::RateLimited { reset: Reset::default(), text: message },
        Some("insufficient_quota") => Ending::Quota { reset: Reset::default(), text: message },
        _ => Ending::Failed { text: message },
    }
}
