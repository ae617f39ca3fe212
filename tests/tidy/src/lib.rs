//! Reads the project's own sources and says where they leave its rules: sizes, layers, homes, words, documents.
//!
//! It reads text, not syntax trees: comments and strings are masked, brackets are matched, paths are spelled
//! out. Every rule is a function from sources to findings, shown here on small bad samples to be able to fail,
//! and held against the whole tree by `tests/tree.rs`. It changes nothing and runs nothing.

pub mod docs;
pub mod files;
pub mod functions;
pub mod layers;
pub mod licences;
pub mod mask;
pub mod paths;
pub mod sizes;
pub mod source;
pub mod words;

use std::fmt;

/// One place that leaves a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the project's root.
    pub path: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// The rule, and what would mend it.
    pub message: String,
}

impl Finding {
    /// A finding at a line.
    pub fn new(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Fails the test where anything was found.
///
/// # Panics
/// With one line for each finding.
#[track_caller]
pub fn assert_none(mut findings: Vec<Finding>) {
    findings.sort();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}
