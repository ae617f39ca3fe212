//! The model's tools: what is offered, and the one door through which a call comes in.
//!
//! Arguments are hostile: each tool checks its own. Files are reached below the worktree alone (`place`).

mod files;
mod mcp;
mod place;
mod search;
mod shell;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use storkit_core::config::Role;

pub(super) use mcp::Remote;

use super::history::Call;
use crate::sys::fs::Dir;

/// The tool that runs commands.
pub(super) const SHELL: &str = "shell";
/// Most bytes that a tool's answer has.
const OUTPUT_LEN_MAX: usize = 48 << 10;

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToolSpec {
    pub name: Cow<'static, str>,
    pub description: Cow<'static, str>,
    /// A JSON schema.
    pub parameters: Value,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Done {
    pub ok: bool,
    pub text: String,
    /// The run is to end.
    pub end: Option<End>,
}

/// How a tool ends the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The work is finished: a summary.
    Finished(String),
    /// A person is asked.
    Asked(String),
    /// A QA run's no.
    Rejected(String),
    /// A mergemaster's failure.
    GaveUp(String),
    /// A person is asked for leave: the tool, and its input.
    Wanted(String, String),
}

/// Why a call did nothing, in words for the model.
#[derive(Debug, thiserror::Error)]
pub(super) enum ToolError {
    /// A path that is refused.
    #[error("{path}: {why}")]
    Path { path: String, why: &'static str },
    /// What the system said.
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    /// The call is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// Where the tools work.
#[derive(Debug)]
pub(super) struct Workshop {
    root: Dir,
    /// The worktree's own path, without links.
    path: PathBuf,
    env: Vec<(OsString, OsString)>,
    tools: Vec<ToolSpec>,
    remote: Option<Remote>,
}

impl Workshop {
    /// In that worktree, with that environment for commands.
    pub(super) fn open(worktree: &Path, role: Role, env: Vec<(OsString, OsString)>) -> io::Result<Self> {
        let path = worktree.canonicalize()?;
        Ok(Self { root: Dir::open(&path)?, path, env, tools: specs(role), remote: None })
    }

    /// Offers the tools of an MCP server besides. Of two tools of one name the built-in one stays.
    pub(super) fn add(&mut self, remote: Remote) {
        let is_new = |tool: &&ToolSpec| !self.tools.iter().any(|own| own.name == tool.name);
        let new: Vec<ToolSpec> = remote.tools.iter().filter(is_new).cloned().collect();
        self.tools.extend(new);
        self.remote = Some(remote);
    }

    /// What the model is offered.
    pub(super) fn specs(&self) -> &[ToolSpec] {
        &self.tools
    }

    /// Does what the model called for.
    pub(super) fn run(&self, call: &Call) -> Result<Done, ToolError> {
        let args = call.args.as_ref().ok_or_else(|| wrong("the arguments are no JSON object"))?;
        let args = Args(args);
        if !self.tools.iter().any(|tool| tool.name == call.name) {
            return Err(wrong(&format!("there is no tool `{}`", call.name)));
        }
        let ended = |key: &str, end: fn(String) -> End| {
            Ok(Done {
                ok: true,
                text: "noted; the run ends here".to_owned(),
                end: Some(end(args.said(key)?)),
            })
        };
        let text = match call.name.as_str() {
            "read_file" => files::read(self, &args)?,
            "write_file" => files::write(self, &args)?,
            "edit_file" => files::edit(self, &args)?,
            "list_files" => search::list(self, &args)?,
            "search" => search::search(self, &args)?,
            SHELL => return shell::run(self, &args),
            "ask_human" => return ended("question", End::Asked),
            "reject" => return ended("reason", End::Rejected),
            "report_merge_failure" => return ended("reason", End::GaveUp),
            "finish" => return ended("summary", End::Finished),
            name => {
                let remote = self.remote.as_ref().ok_or_else(|| wrong("there is no such tool"))?;
                return remote.call(name, args.0);
            }
        };
        Ok(Done { ok: true, text, end: None })
    }
}

/// A call's arguments.
struct Args<'a>(&'a Value);

impl Args<'_> {
    fn text(&self, key: &str) -> Result<&str, ToolError> {
        self.0[key].as_str().ok_or_else(|| wrong(&format!("`{key}` must be a text")))
    }

    /// A text with something in it.
    fn said(&self, key: &str) -> Result<String, ToolError> {
        let text = self.text(key)?.trim();
        if text.is_empty() { Err(wrong(&format!("`{key}` is empty"))) } else { Ok(text.to_owned()) }
    }

    fn some_text(&self, key: &str) -> Result<Option<&str>, ToolError> {
        if self.0[key].is_null() { Ok(None) } else { self.text(key).map(Some) }
    }

    /// A whole number, also one that was written as 3.0.
    fn number(&self, key: &str, otherwise: u64) -> Result<u64, ToolError> {
        let value = &self.0[key];
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative; it saturates"
        )]
        let whole = || value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64);
        match value {
            Value::Null => Ok(otherwise),
            _ => value
                .as_u64()
                .or_else(whole)
                .ok_or_else(|| wrong(&format!("`{key}` must be a number, not negative"))),
        }
    }
}

fn wrong(why: &str) -> ToolError {
    ToolError::Wrong(why.to_owned())
}

/// The beginning of a text, as much as an answer may have.
fn bounded(mut text: String) -> String {
    if text.len() > OUTPUT_LEN_MAX {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(OUTPUT_LEN_MAX));
        text.push_str(&format!("\n[cut: {whole} bytes in all]"));
    }
    text
}

/// The tools for a role.
pub(super) fn specs(role: Role) -> Vec<ToolSpec> {
    let text = |what: &str| json!({"type": "string", "description": what});
    let number = |what: &str| json!({"type": "integer", "description": what});
    let path = || text("a path relative to the worktree");
    let mut tools = vec![
        tool(
            "read_file",
            "Read a text file. Lines are numbered; use offset and limit for parts of long files.",
            json!({"path": path(), "offset": number("the first line, from 1"), "limit": number("how many lines")}),
            &["path"],
        ),
        tool(
            "write_file",
            "Write a whole file; what was there is replaced, missing folders are made.",
            json!({"path": path(), "content": text("all of the file")}),
            &["path", "content"],
        ),
        tool(
            "edit_file",
            "Replace a text in a file. `old` must be there exactly once, blanks and line ends included.",
            json!({"path": path(), "old": text("what is replaced"), "new": text("what stands there then")}),
            &["path", "old", "new"],
        ),
        tool(
            "list_files",
            "List the files that git tracks or would track.",
            json!({"path": text("only below this folder"), "pattern": text("only paths that this regex matches")}),
            &[],
        ),
        tool(
            "search",
            "Search lines by a regular expression in the files that git tracks or would track.",
            json!({"pattern": text("a regex"), "path": text("only below this folder, or this file")}),
            &["pattern"],
        ),
        tool(
            SHELL,
            "Run a command by `sh -c` in the worktree, without input. Whatever it leaves in the background is ended.",
            json!({"command": text("the command"), "timeout_s": number("seconds, 120 by default, at most 1800")}),
            &["command"],
        ),
        tool(
            "ask_human",
            "Ask a person and end this run; the answer comes with the next one.",
            json!({"question": text("what is to be decided, with the choices")}),
            &["question"],
        ),
    ];
    match role {
        Role::Qa => tools.push(tool(
            "reject",
            "Reject the work that you review, and end this run.",
            json!({"reason": text("what is wrong, so that it can be mended")}),
            &["reason"],
        )),
        Role::Mergemaster => tools.push(tool(
            "report_merge_failure",
            "Give up: the branch cannot be brought together with its base.",
            json!({"reason": text("why")}),
            &["reason"],
        )),
        Role::Coder | Role::Other => {}
    }
    tools.push(tool(
        "finish",
        "The work is done: end this run.",
        json!({"summary": text("what was changed and why, in a few sentences")}),
        &["summary"],
    ));
    tools
}

fn tool(name: &'static str, description: &'static str, properties: Value, required: &[&str]) -> ToolSpec {
    let parameters = json!({"type": "object", "properties": properties, "required": required});
    ToolSpec { name: Cow::Borrowed(name), description: Cow::Borrowed(description), parameters }
}
