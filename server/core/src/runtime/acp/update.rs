//! What an agent reports while it works, as events.
//!
//! Words come in pieces and tools in several reports; what is kept until they are whole is bounded.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::facts::Usage;
use crate::runtime::event::{AgentEvent, NAME_LEN_MAX, TEXT_LEN_MAX, clip};
use crate::runtime::ndjson::{count, list, money, said, shown, text};

/// Longest text that is kept of one message or tool, in bytes: more than an event keeps, since storkit's own lines
/// are looked for in it.
const KEPT_LEN_MAX: usize = 8 * TEXT_LEN_MAX;
/// Most tools that are open at a time.
const TOOLS_MAX: usize = 256;
/// Most models that a turn's usage is broken down by.
const MODELS_MAX: usize = 20;

/// A tool that has no result yet.
#[derive(Debug, Default)]
struct Tool {
    name: String,
    input: String,
    is_told: bool,
    /// What it printed, as far as it was reported.
    output: String,
}

/// What is known of the turn so far.
#[derive(Debug, Default)]
pub(super) struct Story {
    words: String,
    tools: BTreeMap<String, Tool>,
    /// What the process has cost so far, in US dollars.
    cost_usd: Option<f64>,
    /// The model, where the agent does not say whose its usage is.
    pub(super) model: Option<String>,
}

impl Story {
    /// Takes a report.
    pub(super) fn update(&mut self, update: &Value, out: &mut Vec<AgentEvent>) {
        match text(update, "sessionUpdate") {
            "agent_message_chunk" => {
                let piece = text(&update["content"], "text");
                // What does not fit is lost.
                if self.words.len() + piece.len() <= KEPT_LEN_MAX {
                    self.words.push_str(piece);
                }
            }
            "tool_call" | "tool_call_update" => {
                self.speak(out);
                let is_new = text(update, "sessionUpdate") == "tool_call";
                self.tool(update, is_new, out);
            }
            "usage_update" => {
                let cost = &update["cost"];
                if text(cost, "currency") == "USD"
                    && let Some(now) = money(cost, "amount")
                {
                    let more = now - self.cost_usd.replace(now).unwrap_or_default();
                    if more > 0.0 {
                        let model = self.model.clone();
                        let used = Usage { cost_usd: Some(more), model, ..Usage::default() };
                        out.push(AgentEvent::Turn { used });
                    }
                }
            }
            _ => {}
        }
    }

    /// Tells the words that have come so far, and gives them.
    pub(super) fn speak(&mut self, out: &mut Vec<AgentEvent>) -> String {
        let text = std::mem::take(&mut self.words);
        if !text.trim().is_empty() {
            out.push(AgentEvent::Text { text: text.clone() });
        }
        text
    }

    /// Tells what the turn has used, by its answer and what it reported of the cost.
    pub(super) fn spent(&mut self, answer: &Value, out: &mut Vec<AgentEvent>) {
        let cost_usd = self.cost_usd.take();
        let own = answer.get("usage").map(|usage| Usage {
            input_tokens: count(usage, "inputTokens"),
            output_tokens: count(usage, "outputTokens"),
            cache_read_tokens: count(usage, "cachedReadTokens"),
            cache_write_tokens: count(usage, "cachedWriteTokens"),
            model: self.model.clone(),
            ..Usage::default()
        });
        // Gemini CLI 0.61.0.
        let quota = list(&answer["_meta"]["quota"], "model_usage").iter().take(MODELS_MAX);
        let by_model = quota.map(|one| Usage {
            input_tokens: count(&one["token_count"], "input_tokens"),
            output_tokens: count(&one["token_count"], "output_tokens"),
            model: said(one, "model"),
            ..Usage::default()
        });
        let mut used: Vec<Usage> = own.into_iter().chain(by_model).filter(|used| !used.is_empty()).collect();
        if let Some(cost) = cost_usd.filter(|cost| *cost > 0.0) {
            match used.first_mut() {
                Some(first) => first.cost_usd = Some(cost),
                None => {
                    used.push(Usage { cost_usd: Some(cost), model: self.model.clone(), ..Usage::default() });
                }
            }
        }
        // The main model last: a sum keeps the last one's name.
        used.sort_by_key(|used| used.output_tokens);
        out.extend(used.into_iter().map(|used| AgentEvent::Usage { used, session_total: None }));
    }

    /// Leave is asked for a tool, which may not have been told of: its name and its input.
    pub(super) fn wants(&mut self, call: &Value, out: &mut Vec<AgentEvent>) -> (String, String) {
        self.speak(out);
        self.tool(call, true, out);
        let tool = self.tools.get(&clip(text(call, "toolCallId"), NAME_LEN_MAX));
        tool.map(|tool| (tool.name.clone(), tool.input.clone())).unwrap_or_default()
    }

    fn tool(&mut self, update: &Value, is_new: bool, out: &mut Vec<AgentEvent>) {
        let id = clip(text(update, "toolCallId"), NAME_LEN_MAX);
        if !self.tools.contains_key(&id) {
            if !is_new {
                return; // Of one that is over.
            }
            if self.tools.len() >= TOOLS_MAX {
                self.tools.pop_first();
            }
        }
        let tool = self.tools.entry(id.clone()).or_default();
        let name = name_of(update);
        if tool.name.is_empty() && !name.is_empty() {
            tool.name = clip(&name, NAME_LEN_MAX);
        }
        if let Some(input) = input_of(update).filter(|_| !tool.is_told) {
            tool.input = clip(&input, TEXT_LEN_MAX);
        }
        if let Some(output) = output_of(update) {
            tool.output = clip(&output, KEPT_LEN_MAX);
        }
        let status = text(update, "status");
        let is_over = matches!(status, "completed" | "failed");
        // An input that is still to come is waited for: until then it is an empty object.
        let is_whole = update.get("rawInput").is_none_or(|input| !is_empty(input));
        if !tool.is_told && (is_over || is_whole && !tool.input.is_empty()) {
            tool.is_told = true;
            let (tool, input) = (tool.name.clone(), tool.input.clone());
            out.push(AgentEvent::ToolUse { id: id.clone(), tool, input });
        }
        if is_over {
            let text = std::mem::take(&mut tool.output);
            self.tools.remove(&id);
            out.push(AgentEvent::ToolResult { id, ok: status == "completed", text });
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The tool's name, where the agent says it, else the kind of work that it is.
fn name_of(call: &Value) -> String {
    let own = said(&call["_meta"]["claudeCode"], "toolName");
    own.or_else(|| said(call, "kind")).or_else(|| said(call, "title")).unwrap_or_default()
}

/// The tool's input: its command line, else what the agent hands on, else what it calls it.
fn input_of(call: &Value) -> Option<String> {
    let raw = call.get("rawInput").filter(|raw| !is_empty(raw));
    if text(call, "kind") == "execute" {
        match raw.and_then(|raw| raw.get("command")) {
            Some(Value::String(command)) => return Some(command.clone()),
            Some(Value::Array(words)) => return words.last().map(shown),
            _ => {}
        }
    }
    raw.map(shown).or_else(|| said(call, "title"))
}

/// What the tool printed, as it printed it, else as it is shown to people.
fn output_of(call: &Value) -> Option<String> {
    if let Some(raw) = call.get("rawOutput").filter(|raw| !is_empty(raw)) {
        let printed = ["aggregated_output", "stdout", "output"].iter().find_map(|key| said(raw, key));
        return Some(printed.unwrap_or_else(|| shown(raw)));
    }
    let texts: Vec<&str> = list(call, "content").iter().map(|part| text(&part["content"], "text")).collect();
    let texts = texts.join("\n");
    (!texts.trim().is_empty()).then_some(texts)
}
