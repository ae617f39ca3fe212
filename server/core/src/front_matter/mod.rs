//! The front matter of a story's file: found to the byte, read within bounds, and edited one key at a time.
//!
//! It knows YAML and bytes; what the keys mean is `story_file`'s. It never touches a file.

pub(crate) mod append;
pub mod convention;
mod edit;
pub mod fence;
mod keys;
pub mod lines;
pub mod yaml;

pub use append::SAID_BYTES_MAX;
pub use edit::{EditError, REASON_CHARS_MAX, edit, with_name};

/// One line of text as a YAML value, in quotes where it needs them.
pub fn quoted(line: &str) -> String {
    keys::Value::Text(line.to_owned()).yaml()
}

/// Most bytes of a story's file; a larger one is a problem, and no edit makes one.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
