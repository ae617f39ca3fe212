//! The project.toml that `storkit init` writes: the commented template with what was found filled in.

use std::fmt::Write as _;

use toml::Value;

/// The template: every key, commented, at its default.
const TEMPLATE: &str = include_str!("../../../../templates/project.toml");
/// The line of the template that names the base branch.
const BASE_LINE: &str = "# base_branch = \"main\"";
/// The line of the template below which gates go.
const GATES_LINE: &str =
    "# expect = \"\"                       # a regex that the output must match, e.g. \"[1-9][0-9]* passed\"";

/// An agent that `init` writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitAgent {
    /// Its name.
    pub name: String,
    /// `claude-code`, `codex`, `gemini`, `command`.
    pub runtime: String,
    /// The command; empty for the runtime's usual one.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// A line for the person, put above it as a comment; may be empty.
    pub note: String,
}

/// The text of a new project.toml. Without base branch, gate and agents it is the template, which says the defaults.
pub fn init_text(base_branch: Option<&str>, gate: Option<&str>, agents: &[InitAgent]) -> String {
    let mut text = TEMPLATE.to_owned();
    if let Some(branch) = base_branch {
        text = text.replacen(BASE_LINE, &format!("base_branch = {}", quoted(branch)), 1);
    }
    if let Some(gate) = gate {
        text = text.replacen(GATES_LINE, &format!("{GATES_LINE}\n\n[[gate]]\nrun = {}", quoted(gate)), 1);
    }
    for agent in agents {
        text.push('\n');
        if !agent.note.is_empty() {
            let _ = writeln!(text, "# {}", crate::front_matter::lines::one_line(&agent.note, 200));
        }
        let _ =
            write!(text, "[[agent]]\nname = {}\nruntime = {}\n", quoted(&agent.name), quoted(&agent.runtime));
        if agent.runtime == "command" || !agent.command.is_empty() {
            let _ = writeln!(text, "command = {}", quoted(&agent.command));
        }
        if !agent.args.is_empty() {
            let args = agent.args.iter().map(|arg| Value::String(arg.clone())).collect();
            let _ = writeln!(text, "args = {}", Value::Array(args));
        }
    }
    text
}

fn quoted(text: &str) -> Value {
    Value::String(text.to_owned())
}
