//! The tools of storkit's own MCP server, by plain requests over HTTP: that server keeps no sessions.
//!
//! What comes back is the daemon's, and bounded all the same.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Done, ToolError, ToolSpec, bounded, wrong};
use crate::api_agent::http::{Client, Request};

/// Most tools that are offered.
const TOOLS_MAX: usize = 64;
/// The version of the protocol that is spoken.
const VERSION: &str = "2025-06-18";

/// Why the server's tools are not there.
#[derive(Debug, thiserror::Error)]
pub(in crate::api_agent) enum McpError {
    /// It does not answer.
    #[error("it does not answer: {0}")]
    Silent(String),
    /// It refused, or does not speak the protocol.
    #[error("it answered {0}")]
    Refused(String),
}

/// The server.
#[derive(Debug)]
pub(in crate::api_agent) struct Remote {
    client: Client,
    url: String,
    token: String,
    pub(super) tools: Vec<ToolSpec>,
}

impl Remote {
    /// Asks the server at `url` for its tools; `token` opens it.
    pub(in crate::api_agent) fn open(url: &str, token: String) -> Result<Self, McpError> {
        let client = Client::new(url).map_err(|ending| McpError::Silent(format!("{ending:?}")))?;
        let mut remote = Self { client, url: url.to_owned(), token, tools: Vec::new() };
        let hello = json!({
            "protocolVersion": VERSION, "capabilities": {},
            "clientInfo": { "name": "storkit", "version": env!("CARGO_PKG_VERSION") },
        });
        remote.ask("initialize", &hello)?;
        let listed = remote.ask("tools/list", &json!({}))?;
        let tools = listed["tools"].as_array().into_iter().flatten().take(TOOLS_MAX);
        remote.tools = tools.filter_map(spec).collect();
        Ok(remote)
    }

    /// Calls a tool; what it says of a failure is the answer.
    pub(super) fn call(&self, name: &str, arguments: &Value) -> Result<Done, ToolError> {
        let params = json!({ "name": name, "arguments": arguments });
        let result = self.ask("tools/call", &params).map_err(|error| wrong(&format!("{name}: {error}")))?;
        let parts = result["content"].as_array().into_iter().flatten();
        let text: Vec<&str> = parts.filter_map(|part| part["text"].as_str()).collect();
        Ok(Done { ok: result["isError"] != true, text: bounded(text.join("\n")), end: None })
    }

    fn ask(&self, method: &str, params: &Value) -> Result<Value, McpError> {
        let request = Request {
            url: self.url.clone(),
            secret: Some(("authorization", format!("Bearer {}", self.token))),
            body: json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }),
        };
        let answer = self.client.post(&request).map_err(|ending| McpError::Silent(format!("{ending:?}")))?;
        match answer.body.get("result") {
            Some(result) if answer.status == 200 => Ok(result.clone()),
            _ => {
                let said = [&answer.body["error"]["message"], &answer.body["detail"]];
                let said = said.into_iter().find_map(Value::as_str).unwrap_or("nothing that is MCP");
                Err(McpError::Refused(format!("{}: {said}", answer.status)))
            }
        }
    }
}

fn spec(tool: &Value) -> Option<ToolSpec> {
    let name = tool["name"].as_str().filter(|name| {
        (1..=64).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    })?;
    let description = bounded(tool["description"].as_str().unwrap_or_default().to_owned());
    let parameters = tool["inputSchema"].clone();
    Some(ToolSpec { name: Cow::Owned(name.to_owned()), description: Cow::Owned(description), parameters })
}
