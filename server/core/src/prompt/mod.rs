//! The prompt of a run: a role's template filled in, and what the template does not place put around it.
//!
//! Pure: templates, AGENT.md and the story come in as text. A story's text is a value, never a template.

mod parts;
mod render;
mod sections;

pub use parts::{Answer, Epic, Failure, LandingFailure, MessagePart, PromptParts, StoryPart};
pub use render::{PromptError, VARIABLES, check, render};
pub use sections::{FAILURES_MAX, TAIL_BYTES_MAX, resume};

use crate::config::Role;

/// Most bytes of a template.
pub const TEMPLATE_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of a finished prompt.
pub const PROMPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The template of a role where the project has no file for it, and what `init` writes into that file.
pub const fn builtin(role: Role) -> &'static str {
    match role {
        Role::Coder | Role::Other => include_str!("../../../../templates/prompts/coder.md"),
        Role::Qa => include_str!("../../../../templates/prompts/qa.md"),
        Role::Mergemaster => include_str!("../../../../templates/prompts/mergemaster.md"),
    }
}

/// The AGENT.md that `init` writes: a comment that no agent needs to read, and so renders as nothing.
pub const AGENT_MD: &str = include_str!("../../../../templates/AGENT.md");
/// The `.storkit/.gitignore` that `init` writes.
pub const GITIGNORE: &str = include_str!("../../../../templates/gitignore");

#[cfg(test)]
mod tests;
