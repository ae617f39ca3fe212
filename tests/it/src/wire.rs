//! The API and the tools as clients without a library see them: bytes on TCP, lines on standard input.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use storkit_testkit::{Daemon, TestProject};

/// Where a daemon answers on TCP: `127.0.0.1:4242`.
pub(crate) fn address(daemon: &Daemon<'_>) -> String {
    let url = daemon.status().daemon.and_then(|daemon| daemon.url).expect("an address");
    url.strip_prefix("http://").expect("http").to_owned()
}

/// One caller of the API.
pub(crate) struct Api {
    address: String,
    token: String,
}

impl Api {
    /// With any token.
    pub(crate) fn new(address: &str, token: &str) -> Self {
        Self { address: address.to_owned(), token: token.to_owned() }
    }

    /// The owner of a daemon's project.
    pub(crate) fn owner(daemon: &Daemon<'_>, project: &TestProject) -> Self {
        let token = std::fs::read_to_string(project.root().join(".storkit/run/token")).expect("a token");
        Self::new(&address(daemon), &token)
    }

    /// The status and the body, null where that is no JSON.
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "")
    }

    /// The same for a request with a body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, &body.to_string())
    }

    fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        let (address, token, len) = (&self.address, &self.token, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (code, serde_json::from_str(body).unwrap_or_default())
    }
}

/// Messages of a client that greets the server and calls these tools, as lines.
pub(crate) fn messages(calls: &[(&str, Value)]) -> String {
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let mut text = format!("{hello}\n{ready}\n");
    for (id, (name, arguments)) in (1..).zip(calls) {
        let params = json!({"name": name, "arguments": arguments});
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        text.push_str(&format!("{call}\n"));
    }
    text
}

/// What a tool answers by `storkit mcp`.
#[track_caller]
pub(crate) fn tool(project: &TestProject, name: &str, arguments: Value) -> Value {
    let mut command = project.storkit_command(&["mcp"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(messages(&[(name, arguments)]).as_bytes()).expect("sent");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let lines = String::from_utf8(output.stdout).expect("text");
    let answers = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let answer = answers.rev().find(|answer| answer["id"] == 1).expect("an answer");
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().expect("text");
    serde_json::from_str(text).expect("JSON")
}
