//! A small client of the Agent Client Protocol: JSON-RPC, a message a line, over the agent's input and output.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::{Value, json};

use crate::wait::CEILING;

/// An agent that speaks the protocol, ready for a session.
#[derive(Debug)]
pub struct AcpClient {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    last_id: i64,
    /// What the agent said of itself.
    pub about: Value,
}

/// What came of a prompt.
#[derive(Debug, Default)]
pub struct Prompted {
    /// The answer to the prompt; the error where there is one.
    pub answer: Value,
    /// Whether the answer is an error.
    pub failed: bool,
    /// What the agent reported meanwhile.
    pub updates: Vec<Value>,
    /// For which tools it asked leave.
    pub asked: Vec<Value>,
}

impl Prompted {
    /// The text that the agent said.
    pub fn text(&self) -> String {
        let said = |update: &&Value| update["sessionUpdate"] == "agent_message_chunk";
        self.updates.iter().filter(said).filter_map(|update| update["content"]["text"].as_str()).collect()
    }
}

impl AcpClient {
    /// Starts the agent and shakes hands.
    ///
    /// # Panics
    /// When it cannot be started, or does not answer.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the agent starts");
        let input = child.stdin.take().expect("a piped input");
        let output = BufReader::new(child.stdout.take().expect("a piped output"));
        let (sender, messages) = channel();
        std::thread::Builder::new()
            .name("acp".into())
            .spawn(move || {
                let lines = output.lines().map_while(Result::ok);
                for message in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                    if sender.send(message).is_err() {
                        return;
                    }
                }
            })
            .expect("a thread");
        let mut client = Self { child, input, messages, last_id: 0, about: Value::Null };
        let files = json!({"readTextFile": false, "writeTextFile": false});
        let hello = json!({"protocolVersion": 1, "clientCapabilities": {"fs": files, "terminal": false}});
        client.about = client.call("initialize", hello, true).answer;
        client
    }

    /// A new session in `dir`; gives its id.
    #[track_caller]
    pub fn new_session(&mut self, dir: &std::path::Path) -> String {
        let answer = self.call("session/new", json!({"cwd": dir, "mcpServers": []}), true).answer;
        answer["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}")).to_owned()
    }

    /// Sets a session's mode, by the agent's own name for it.
    #[track_caller]
    pub fn set_mode(&mut self, session: &str, mode: &str) {
        let set = self.call("session/set_mode", json!({"sessionId": session, "modeId": mode}), true);
        assert!(!set.failed, "{set:?}");
    }

    /// A prompt in a session, and all that comes of it. Leave for a tool is given once, or refused.
    #[track_caller]
    pub fn prompt(&mut self, session: &str, text: &str, allow: bool) -> Prompted {
        let prompt = json!([{"type": "text", "text": text}]);
        self.call("session/prompt", json!({"sessionId": session, "prompt": prompt}), allow)
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input, "{message}").expect("the agent reads");
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: Value, allow: bool) -> Prompted {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let mut prompted = Prompted::default();
        let end = Instant::now() + CEILING;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message =
                self.messages.recv_timeout(left).unwrap_or_else(|_| panic!("no answer to {method}"));
            // The agent's own requests have ids of their own, which may be the same numbers.
            match message["method"].as_str() {
                None if message["id"] == id => {
                    prompted.failed = !message["error"].is_null();
                    let answer = if prompted.failed { &message["error"] } else { &message["result"] };
                    prompted.answer = answer.clone();
                    return prompted;
                }
                Some("session/update") => prompted.updates.push(message["params"]["update"].clone()),
                Some("session/request_permission") => {
                    let wanted = if allow { "allow_once" } else { "reject_once" };
                    let options = message["params"]["options"].as_array().cloned().unwrap_or_default();
                    let option = options.iter().find(|option| option["kind"] == wanted);
                    let option = option.unwrap_or_else(|| panic!("no {wanted} in {message}"));
                    let outcome = json!({"outcome": "selected", "optionId": option["optionId"]});
                    self.send(
                        &json!({"jsonrpc": "2.0", "id": message["id"], "result": {"outcome": outcome}}),
                    );
                    prompted.asked.push(message["params"]["toolCall"].clone());
                }
                Some(_) if !message["id"].is_null() => {
                    let error = json!({"code": -32601, "message": "this client has none of that"});
                    self.send(&json!({"jsonrpc": "2.0", "id": message["id"], "error": error}));
                }
                _ => {}
            }
        }
    }
}

impl Drop for AcpClient {
    fn drop(&mut self) {
        // What it started goes with the test's project.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
