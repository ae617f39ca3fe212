//! Claude Code: `claude -p`, one JSON object a line. Facts as seen in 2.1.197 and 2.1.329.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ending::{self, Ending};
use super::event::{AgentEvent, LimitStatus, NAME_LEN_MAX, Reset, TEXT_LEN_MAX, clip};
use super::launch::{
    Launch, LaunchOrder, MCP_NAME, PROMPT_PLACE, PromptBy, Resume, StatePath, TOKEN_VARIABLE,
};
use super::ndjson::{count, list, money, said, shown, text};
use super::phrases::{self, Heard, Place};
use super::{Adapter, Parser};
use crate::config::{Permissions, Runtime};
use crate::facts::{ProcessEnd, Usage};

const COMMAND: &str = "claude";

pub(super) const ADAPTER: Adapter =
    Adapter { runtime: Runtime::ClaudeCode, command: COMMAND, launch, parser };

const STATE: &[StatePath] = &[
    StatePath { variable: Some("CLAUDE_CONFIG_DIR"), usual: "~/.claude" },
    StatePath { variable: None, usual: "~/.claude.json" },
];
/// Options by which an agent's own arguments say what it may do: then it is not let do everything.
const PERMISSION_OPTIONS: [&str; 6] = [
    "--allow-dangerously-skip-permissions",
    "--allowedTools",
    "--allowed-tools",
    "--dangerously-skip-permissions",
    "--permission-mode",
    "--permission-prompt-tool",
];
/// Most models that a result is broken down by, and most refused tools that it names.
const PARTS_MAX: usize = 20;

fn launch(order: &LaunchOrder<'_>) -> Launch {
    let prompt = order.prompt_by();
    let mut launch = Launch { command: order.command(COMMAND), prompt, state: STATE, ..Launch::default() };
    launch.arg(&["-p"]);
    if prompt == PromptBy::Argument {
        // First of all: some options take every word that follows them.
        launch.arg(&[PROMPT_PLACE]);
    }
    launch.arg(&["--output-format", "stream-json", "--verbose"]);
    match order.agent.permissions {
        _ if order.says(&PERMISSION_OPTIONS) => {}
        Permissions::Allow => launch.arg(&["--dangerously-skip-permissions"]),
        // What is left is refused by itself where nobody sits before it, and the result tells of it.
        Permissions::Ask | Permissions::Deny => launch.arg(&["--permission-mode", "acceptEdits"]),
    }
    if !order.leave.allowed.is_empty() {
        // One word: without `=` it takes those that follow as well.
        launch.arg(&[&format!("--allowedTools={}", order.leave.allowed.join(","))]);
    }
    match order.resume {
        Some(resume) => launch.arg(&["--resume", &resume.session]),
        None => launch.arg(&["--session-id", &order.run.to_string()]),
    }
    let agent = order.agent;
    if !agent.model.is_empty() {
        launch.arg(&["--model", &agent.model]);
    }
    if agent.max_turns > 0 {
        launch.arg(&["--max-turns", &agent.max_turns.to_string()]);
    }
    if agent.max_budget_usd > 0.0 {
        launch.arg(&["--max-budget-usd", &agent.max_budget_usd.to_string()]);
    }
    if let Some(url) = order.mcp_url {
        launch.arg(&["--mcp-config", &mcp_config(url)]);
    }
    launch.args.extend(agent.args.iter().cloned());
    launch.env.insert("DISABLE_AUTOUPDATER", "1".to_owned());
    if order.is_root {
        launch.env.insert("IS_SANDBOX", "1".to_owned());
    }
    launch
}

fn mcp_config(url: &str) -> String {
    // The runtime puts the variable's value in: a token among the arguments could be read by anybody.
    let bearer = format!("Bearer ${{{TOKEN_VARIABLE}}}");
    // Its few tools are there from the beginning, and not only for who searches for them.
    let server = json!({
        "type": "http", "url": url, "headers": { "Authorization": bearer }, "alwaysLoad": true,
    });
    json!({ "mcpServers": { MCP_NAME: server } }).to_string()
}

fn parser(_resume: Option<&Resume>) -> Box<dyn Parser> {
    Box::new(Claude::default())
}

/// What is known of a run so far.
#[derive(Debug, Default)]
struct Claude {
    has_session: bool,
    /// The message that came last; it comes in pieces.
    message: String,
    /// The kind of the error that the last message was made of.
    error: String,
    /// When the limit ends that the account was last said to be at.
    limit: Option<Reset>,
    /// The last result.
    last: Option<Last>,
    /// What the results so far have counted, by model.
    counted: BTreeMap<String, Usage>,
    /// What its standard error said.
    heard: Heard,
}

/// What a result says.
#[derive(Debug, Default)]
struct Last {
    subtype: String,
    is_error: bool,
    status: Option<u16>,
    stop_reason: String,
    terminal_reason: String,
    text: String,
    denied: Option<(String, String)>,
}

impl Parser for Claude {
    fn object(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        match text(object, "type") {
            "system" => self.system(object, out),
            "assistant" => self.assistant(object, out),
            "user" => tool_results(object, out),
            "rate_limit_event" => self.limit(&object["rate_limit_info"], out),
            "control_request" if text(&object["request"], "subtype") == "can_use_tool" => {
                out.push(wanted(&object["request"], "input"));
            }
            "result" => self.result(object, out),
            _ => {}
        }
    }

    fn text(&mut self, line: &str) {
        self.heard.line(Runtime::ClaudeCode, line);
    }

    fn end(&mut self, process: Option<ProcessEnd>, tail: &str, _out: &mut Vec<AgentEvent>) -> Option<Ending> {
        if let Some(last) = self.last.take() {
            return Some(self.ending(last, process));
        }
        let heard = self.heard.ending(process);
        heard.or_else(|| ending::unsaid(process, self.has_session, tail.to_owned()))
    }
}

impl Claude {
    fn system(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        match text(object, "subtype") {
            "init" => {
                let Some(id) = said(object, "session_id") else { return };
                // Each turn of a longer conversation begins with its own.
                if !std::mem::replace(&mut self.has_session, true) {
                    out.push(AgentEvent::Session { id, model: said(object, "model") });
                }
            }
            "api_retry" if text(object, "error") == "rate_limit" => {
                let ms = object.get("retry_delay_ms").and_then(Value::as_f64).unwrap_or(0.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped to a day"
                )]
                let after_s = (ms / 1000.0).ceil().clamp(0.0, 86_400.0) as u64;
                let (status, reset) = (LimitStatus::Retrying, Reset::after(after_s));
                out.push(AgentEvent::RateLimit { status, kind: None, reset });
            }
            "api_retry" => {
                let (attempt, most) = (count(object, "attempt"), count(object, "max_retries"));
                out.push(notice(format!("{}: attempt {attempt} of {most}", text(object, "error"))));
            }
            "model_fallback" => out.push(notice("another model took over".to_owned())),
            _ => {}
        }
    }

    fn assistant(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        text(object, "error").clone_into(&mut self.error);
        self.turn(&object["message"], out);
        // A helper's words are for the agent, not from it.
        let helper = object.get("parent_tool_use_id").is_some_and(Value::is_string);
        for block in list(&object["message"], "content") {
            match text(block, "type") {
                "text" if !helper && self.error.is_empty() => {
                    out.extend(said(block, "text").map(|text| AgentEvent::Text { text }));
                }
                "tool_use" => out.push(AgentEvent::ToolUse {
                    id: text(block, "id").to_owned(),
                    tool: text(block, "name").to_owned(),
                    input: shown(&block["input"]),
                }),
                _ => {}
            }
        }
    }

    /// A message that begins says what was read for it; what is written comes with the result alone.
    fn turn(&mut self, message: &Value, out: &mut Vec<AgentEvent>) {
        let id = text(message, "id");
        if id.is_empty() || id == self.message {
            return;
        }
        self.message = clip(id, NAME_LEN_MAX);
        let used = Usage { model: said(message, "model"), ..of_turn(message) };
        if !used.is_empty() {
            out.push(AgentEvent::Turn { used });
        }
    }

    fn limit(&mut self, info: &Value, out: &mut Vec<AgentEvent>) {
        let status = match text(info, "status") {
            "rejected" => LimitStatus::Rejected,
            "allowed_warning" => LimitStatus::Warning,
            _ => LimitStatus::Allowed,
        };
        let reset = Reset { at_s: info.get("resetsAt").and_then(Value::as_u64), after_s: None };
        self.limit = (status == LimitStatus::Rejected).then_some(reset);
        out.push(AgentEvent::RateLimit { status, kind: said(info, "rateLimitType"), reset });
    }

    fn result(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        self.usage(object, out);
        let errors = list(object, "errors").iter().filter_map(Value::as_str);
        let text_of = said(object, "result").unwrap_or_else(|| errors.collect::<Vec<_>>().join("\n"));
        let denied: Vec<_> = list(object, "permission_denials")
            .iter()
            .take(PARTS_MAX)
            .map(|denied| wanted(denied, "tool_input"))
            .collect();
        let last = Last {
            subtype: text(object, "subtype").to_owned(),
            is_error: object.get("is_error").and_then(Value::as_bool).unwrap_or(true),
            status: object
                .get("api_error_status")
                .and_then(Value::as_u64)
                .and_then(|s| u16::try_from(s).ok()),
            stop_reason: text(object, "stop_reason").to_owned(),
            terminal_reason: text(object, "terminal_reason").to_owned(),
            text: clip(&text_of, TEXT_LEN_MAX),
            denied: denied.first().and_then(|event| match event {
                AgentEvent::PermissionWanted { tool, input } => {
                    Some((tool.clone(), clip(input, TEXT_LEN_MAX)))
                }
                _ => None,
            }),
        };
        out.extend(denied);
        out.push(AgentEvent::Result { ok: last.is_success(), text: text_of });
        self.last = Some(last);
    }

    /// 2.1.329 says itself what came up since the last result, and counts over the whole session besides; 2.1.197
    /// counts over the process. Tokens and cost include those of helpers and of titles.
    fn usage(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        let since = object.get("model_usage_since_last_result").and_then(Value::as_object);
        let models = since.or_else(|| object.get("modelUsage").and_then(Value::as_object));
        let mut used: Vec<Usage> = Vec::new();
        for (model, counted) in models.into_iter().flatten().take(PARTS_MAX) {
            let now = of_model(model, counted);
            if since.is_some() {
                used.push(now);
            } else {
                let earlier = self.counted.get(model).cloned().unwrap_or_default();
                used.push(now.since(&earlier));
                if self.counted.len() < PARTS_MAX || self.counted.contains_key(model) {
                    self.counted.insert(model.clone(), now);
                }
            }
        }
        if models.is_none_or(serde_json::Map::is_empty) {
            used.push(of_turn(object));
        }
        used.retain(|used| !used.is_empty());
        // The main model last: a sum keeps the last one's name.
        used.sort_by_key(|used| used.output_tokens);
        if let Some(main) = used.last_mut() {
            main.turns = object.get("num_turns").and_then(Value::as_u64);
        }
        out.extend(used.into_iter().map(|used| AgentEvent::Usage { used, session_total: None }));
    }

    fn ending(&self, last: Last, process: Option<ProcessEnd>) -> Ending {
        match (last.subtype.as_str(), last.terminal_reason.as_str()) {
            ("error_max_turns", _) => return Ending::OutOfTurns,
            ("error_max_budget_usd", _) => return Ending::OutOfBudget,
            (_, "aborted_streaming" | "aborted_tools") => {
                return Ending::Killed { signal: ending::signal(process) };
            }
            (_, "prompt_too_long") => return Ending::ContextTooLong { text: last.text },
            _ => {}
        }
        if !last.is_success() {
            return self.failure(last);
        }
        match (ending::succeeded(process), last.denied) {
            (Ending::Done, Some((tool, input))) => Ending::PermissionWanted { tool, input },
            (ending, _) => ending,
        }
    }

    fn failure(&self, last: Last) -> Ending {
        let text = last.text;
        if let Some(means) = phrases::meaning(Runtime::ClaudeCode, Place::Error, &text) {
            return means.ending(text);
        }
        if last.stop_reason == "refusal" {
            return Ending::Refused { text };
        }
        let limit = self.limit.filter(|_| matches!(last.status, None | Some(429)));
        match (self.error.as_str(), limit) {
            ("rate_limit", Some(reset)) => Ending::Quota { reset, text },
            ("rate_limit", None) => Ending::RateLimited { reset: Reset::default(), text },
            ("billing_error", _) => Ending::Quota { reset: Reset::default(), text },
            ("overloaded" | "server_error", _) => Ending::Transient { text },
            ("authentication_failed", _) => Ending::Authentication { text },
            ("model_not_found", _) => Ending::Configuration { text },
            _ => match last.status {
                Some(status) => Ending::of_status(status, text),
                None => Ending::Failed { text },
            },
        }
    }
}

impl Last {
    fn is_success(&self) -> bool {
        self.subtype == "success" && !self.is_error
    }
}

fn tool_results(object: &Value, out: &mut Vec<AgentEvent>) {
    for block in
        list(&object["message"], "content").iter().filter(|block| text(block, "type") == "tool_result")
    {
        let content = &block["content"];
        let parts = content.as_array().map(|parts| parts.iter().map(|part| text(part, "text")));
        out.push(AgentEvent::ToolResult {
            id: text(block, "tool_use_id").to_owned(),
            ok: !block.get("is_error").and_then(Value::as_bool).unwrap_or(false),
            text: parts.map_or_else(|| shown(content), |parts| parts.collect::<Vec<_>>().join("\n")),
        });
    }
}

fn wanted(object: &Value, input: &str) -> AgentEvent {
    let input = object.get(input).map(shown).unwrap_or_default();
    AgentEvent::PermissionWanted { tool: text(object, "tool_name").to_owned(), input }
}

fn notice(text: String) -> AgentEvent {
    AgentEvent::Notice { text }
}

fn of_model(model: &str, counted: &Value) -> Usage {
    Usage {
        input_tokens: count(counted, "inputTokens"),
        output_tokens: count(counted, "outputTokens"),
        cache_read_tokens: count(counted, "cacheReadInputTokens"),
        cache_write_tokens: count(counted, "cacheCreationInputTokens"),
        cost_usd: money(counted, "costUSD"),
        model: Some(model.to_owned()),
        turns: None,
    }
}

/// What a result without a breakdown says of its own turn.
fn of_turn(object: &Value) -> Usage {
    let usage = &object["usage"];
    Usage {
        input_tokens: count(usage, "input_tokens"),
        output_tokens: count(usage, "output_tokens"),
        cache_read_tokens: count(usage, "cache_read_input_tokens"),
        cache_write_tokens: count(usage, "cache_creation_input_tokens"),
        ..Usage::default()
    }
}
