//! The client's side of the protocol, version 1: a conversation with one session and one prompt.
//!
//! A hand-written one: the messages that matter here are seven, unknown ones must do no harm, and the answers that
//! agents give are looser than the protocol's types. The agent is hostile: what is kept of it is bounded.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::choice::{self, Setting};
use super::failure;
use super::update::Story;
use crate::config::Permissions;
use crate::leave::{Leave, Verdict};
use crate::runtime::ending::Ending;
use crate::runtime::event::{AgentEvent, NAME_LEN_MAX, TEXT_LEN_MAX, clip};
use crate::runtime::launch::MCP_NAME;
use crate::runtime::ndjson::{list, said, shown, text};

/// The version that is spoken.
const VERSION: u64 = 1;
/// JSON-RPC: the client has no such method.
const NO_METHOD: i64 = -32601;
/// Most ways to log in that an error names.
const LOGINS_MAX: usize = 10;

/// storkit's MCP server, for the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mcp {
    /// Where it answers.
    pub url: String,
    /// What opens it.
    pub token: String,
}

/// What the agent is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Task {
    /// The folder that it works in, absolute.
    pub cwd: String,
    /// The prompt.
    pub prompt: String,
    /// The session to go on with; none is a new one.
    pub session: Option<String>,
    /// The model; none is the agent's own choice.
    pub model: Option<String>,
    /// The mode; none is the freest that it has.
    pub mode: Option<String>,
    /// What it is answered when it asks leave for a tool.
    pub permissions: Permissions,
    /// What people said of tools, which stands over that.
    pub leave: Leave,
    /// storkit's MCP server.
    pub mcp: Option<Mcp>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Send this message to the agent.
    Send(Value),
    /// Tell this.
    Say(AgentEvent),
    /// The conversation is over; nothing comes after it.
    End(Ending),
}

/// Which answer is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Hello,
    Session,
    Setting(Setting),
    Prompt,
    Over,
}

/// The conversation.
#[derive(Debug)]
pub struct Client {
    task: Task,
    phase: Phase,
    /// The id of the last request; the agent's requests have ids of their own.
    last_id: u64,
    logins: Vec<String>,
    session: Option<String>,
    settings: VecDeque<Setting>,
    story: Story,
    /// The first tool that it was refused: its name and its input.
    denied: Option<(String, String)>,
}

impl Client {
    /// Begins with the handshake.
    pub fn begin(task: Task, out: &mut Vec<Step>) -> Self {
        let mut client = Self {
            task,
            phase: Phase::Hello,
            last_id: 0,
            logins: Vec::new(),
            session: None,
            settings: VecDeque::new(),
            story: Story::default(),
            denied: None,
        };
        let capabilities = json!({
            "fs": { "readTextFile": false, "writeTextFile": false },
            "terminal": false,
        });
        let own = json!({ "name": "storkit", "title": "storkit", "version": env!("CARGO_PKG_VERSION") });
        let hello =
            json!({ "protocolVersion": VERSION, "clientCapabilities": capabilities, "clientInfo": own });
        client.ask("initialize", &hello, out);
        client
    }

    /// Whether the prompt has not been sent yet: then the agent has to answer soon.
    pub fn is_starting(&self) -> bool {
        !matches!(self.phase, Phase::Prompt | Phase::Over)
    }

    /// Whether there is a session.
    pub fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// What is waited for, for people.
    pub fn waits_for(&self) -> &'static str {
        match &self.phase {
            Phase::Hello => "initialize",
            Phase::Session if self.task.session.is_some() => "session/load",
            Phase::Session => "session/new",
            Phase::Setting(setting) => setting.method,
            Phase::Prompt => "session/prompt",
            Phase::Over => "nothing",
        }
    }

    /// Takes a message of the agent.
    pub fn message(&mut self, message: &Value, out: &mut Vec<Step>) {
        if self.phase == Phase::Over {
            return;
        }
        let id = message.get("id").filter(|id| !id.is_null());
        match (message.get("method").and_then(Value::as_str), id) {
            (Some(method), Some(id)) => self.asked(method, id, &message["params"], out),
            (Some("session/update"), None) if self.phase == Phase::Prompt => {
                let mut events = Vec::new();
                self.story.update(&message["params"]["update"], &mut events);
                out.extend(events.into_iter().map(Step::Say));
            }
            (None, Some(id)) if *id == self.last_id => match message.get("error") {
                Some(error) if !error.is_null() => self.refused(error, out),
                _ => self.answered(&message["result"], out),
            },
            _ => {}
        }
    }

    /// The run is to end: the agent is told, where it works.
    pub fn cancel(&mut self, out: &mut Vec<Step>) {
        if let (Phase::Prompt, Some(session)) = (&self.phase, &self.session) {
            let params = json!({ "sessionId": session });
            out.push(Step::Send(json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": params })));
        }
    }

    /// Nothing more comes: what was begun to be said is told.
    pub fn close(&mut self, out: &mut Vec<Step>) {
        self.phase = Phase::Over;
        let mut events = Vec::new();
        self.story.speak(&mut events);
        self.story.spent(&Value::Null, &mut events);
        out.extend(events.into_iter().map(Step::Say));
    }

    fn ask(&mut self, method: &str, params: &Value, out: &mut Vec<Step>) {
        self.last_id += 1;
        let message = json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params });
        out.push(Step::Send(message));
    }

    /// The answer that was waited for.
    fn answered(&mut self, result: &Value, out: &mut Vec<Step>) {
        match self.phase {
            Phase::Hello => self.greeted(result, out),
            Phase::Session => self.opened(result, out),
            Phase::Setting(_) => self.proceed(out),
            Phase::Prompt => self.finished(result, out),
            Phase::Over => {}
        }
    }

    fn greeted(&mut self, hello: &Value, out: &mut Vec<Step>) {
        if hello.get("protocolVersion").and_then(Value::as_u64) != Some(VERSION) {
            let spoken = clip(&shown(&hello["protocolVersion"]), NAME_LEN_MAX);
            let text = format!("it speaks version {spoken} of the protocol, and not {VERSION}");
            return self.end(Ending::Configuration { text }, out);
        }
        let logins = list(hello, "authMethods").iter().take(LOGINS_MAX);
        self.logins = logins.map(|login| clip(text(login, "id"), NAME_LEN_MAX)).collect();
        let can = &hello["agentCapabilities"];
        let mut servers = Vec::new();
        if let Some(mcp) = &self.task.mcp
            && can["mcpCapabilities"]["http"] == true
        {
            let header = json!({ "name": "Authorization", "value": format!("Bearer {}", mcp.token) });
            servers.push(json!({ "type": "http", "name": MCP_NAME, "url": mcp.url, "headers": [header] }));
        }
        let mut params = json!({ "cwd": self.task.cwd, "mcpServers": servers });
        let mut method = "session/new";
        if let Some(session) = &self.task.session {
            if can["loadSession"] != true {
                return self.end(Ending::SessionUnknown, out);
            }
            method = "session/load";
            params["sessionId"] = json!(session);
        }
        self.phase = Phase::Session;
        self.ask(method, &params, out);
    }

    fn opened(&mut self, session: &Value, out: &mut Vec<Step>) {
        let Some(id) = self.task.session.clone().or_else(|| said(session, "sessionId")) else {
            let text = "its answer to session/new names no session".to_owned();
            return self.end(Ending::Failed { text }, out);
        };
        let model = choice::model_of(session);
        self.settings = choice::settings(
            session,
            self.task.mode.as_deref(),
            self.task.model.as_deref(),
            self.task.permissions,
        );
        self.story.model = self.task.model.clone().or(model).map(|model| clip(&model, NAME_LEN_MAX));
        let event = AgentEvent::Session { id: id.clone(), model: self.story.model.clone() };
        out.push(Step::Say(event));
        self.session = Some(id);
        self.proceed(out);
    }

    /// The next setting, or the prompt.
    fn proceed(&mut self, out: &mut Vec<Step>) {
        let session = self.session.clone().unwrap_or_default();
        if let Some(setting) = self.settings.pop_front() {
            let (method, mut params) = (setting.method, setting.params.clone());
            params["sessionId"] = json!(session);
            self.phase = Phase::Setting(setting);
            return self.ask(method, &params, out);
        }
        self.phase = Phase::Prompt;
        let prompt = json!([{ "type": "text", "text": self.task.prompt }]);
        self.ask("session/prompt", &json!({ "sessionId": session, "prompt": prompt }), out);
    }

    /// The answer that was waited for is an error.
    fn refused(&mut self, error: &Value, out: &mut Vec<Step>) {
        let ending = failure::of(error, &self.logins);
        match &self.phase {
            // What else it may be: a session that is not to be had is begun anew.
            Phase::Session if self.task.session.is_some() && !failure::is_login(&ending) => {
                self.end(Ending::SessionUnknown, out);
            }
            Phase::Setting(setting) => {
                let text = format!("it does not take the {}: {}", setting.what, failure::words(error));
                if setting.is_wanted {
                    return self.end(Ending::Configuration { text }, out);
                }
                out.push(Step::Say(AgentEvent::Notice { text }));
                self.proceed(out);
            }
            Phase::Prompt => {
                let mut events = Vec::new();
                self.story.speak(&mut events);
                self.story.spent(&Value::Null, &mut events);
                events.push(AgentEvent::Result { ok: false, text: failure::words(error) });
                out.extend(events.into_iter().map(Step::Say));
                self.end(ending, out);
            }
            _ => self.end(ending, out),
        }
    }

    /// The turn is over.
    fn finished(&mut self, result: &Value, out: &mut Vec<Step>) {
        let mut events = Vec::new();
        let answer = self.story.speak(&mut events);
        self.story.spent(result, &mut events);
        let reason = text(result, "stopReason");
        let denied = self.denied.take().map(|(tool, input)| Ending::PermissionWanted { tool, input });
        let ending = match reason {
            "end_turn" => denied.unwrap_or(Ending::Done),
            "cancelled" => denied.unwrap_or(Ending::Killed { signal: None }),
            "max_turn_requests" => Ending::OutOfTurns,
            "max_tokens" => {
                Ending::ContextTooLong { text: "the model may say no more: max_tokens".to_owned() }
            }
            "refusal" => Ending::Refused { text: clip(&answer, TEXT_LEN_MAX) },
            other => Ending::Failed { text: format!("it stopped: {}", clip(other, NAME_LEN_MAX)) },
        };
        let ok = ending.is_finished();
        let text = if ok || !answer.is_empty() { answer } else { format!("it stopped: {reason}") };
        events.push(AgentEvent::Result { ok, text: clip(&text, TEXT_LEN_MAX) });
        out.extend(events.into_iter().map(Step::Say));
        self.end(ending, out);
    }

    /// A request of the agent.
    fn asked(&mut self, method: &str, id: &Value, params: &Value, out: &mut Vec<Step>) {
        if method != "session/request_permission" {
            let error =
                json!({ "code": NO_METHOD, "message": "Method not found: storkit offers none of that" });
            out.push(Step::Send(json!({ "jsonrpc": "2.0", "id": id, "error": error })));
            return;
        }
        let mut events = Vec::new();
        let (tool, input) = self.story.wants(&params["toolCall"], &mut events);
        let permissions = match self.task.leave.of(&tool) {
            Some(Verdict::Allow) => Permissions::Allow,
            Some(Verdict::Refuse) => Permissions::Deny,
            None => self.task.permissions,
        };
        let wanted: &[&str] = match permissions {
            // Once is enough, and is not written into settings in the worktree.
            Permissions::Allow => &["allow_once", "allow_always"],
            Permissions::Deny => &["reject_once", "reject_always"],
            Permissions::Ask => &[],
        };
        let options = list(params, "options");
        let of_kind = |kind: &&str| options.iter().find(|option| text(option, "kind") == *kind);
        let outcome = match wanted.iter().find_map(of_kind) {
            Some(option) => json!({ "outcome": "selected", "optionId": option["optionId"] }),
            None => json!({ "outcome": "cancelled" }),
        };
        out.extend(events.into_iter().map(Step::Say));
        let is_allowed = permissions == Permissions::Allow && outcome["outcome"] == "selected";
        out.push(Step::Send(json!({ "jsonrpc": "2.0", "id": id, "result": { "outcome": outcome } })));
        if is_allowed {
            return;
        }
        out.push(Step::Say(AgentEvent::PermissionWanted { tool: tool.clone(), input: input.clone() }));
        if permissions == Permissions::Ask {
            self.cancel(out);
            self.close(out);
            return out.push(Step::End(Ending::PermissionWanted { tool, input }));
        }
        self.denied.get_or_insert((tool, input));
    }

    fn end(&mut self, ending: Ending, out: &mut Vec<Step>) {
        self.phase = Phase::Over;
        out.push(Step::End(ending));
    }
}
