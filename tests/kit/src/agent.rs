//! `[[agent]]` tables for a test's project.toml.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use crate::programs;

/// One agent of runtime `command`.
#[derive(Debug, Clone)]
pub struct AgentSpec {
    table: Table,
    env: BTreeMap<String, String>,
}

impl AgentSpec {
    /// An agent that runs `program` with `args`.
    pub fn command(name: &str, program: &Path, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| Value::from(*arg)).collect::<Vec<_>>();
        let table = Table::from_iter([
            ("name".to_owned(), Value::from(name)),
            ("runtime".to_owned(), Value::from("command")),
            ("command".to_owned(), Value::from(program.to_string_lossy().into_owned())),
            ("args".to_owned(), Value::from(args)),
        ]);
        Self { table, env: BTreeMap::new() }
    }

    /// An agent of a runtime that knows its arguments.
    pub fn runtime(name: &str, runtime: &str, program: &Path) -> Self {
        Self::command(name, program, &[]).with("runtime", runtime)
    }

    /// An agent that runs `text` by `sh -eu -c`, in the worktree.
    pub fn shell(name: &str, text: &str) -> Self {
        Self::command(name, Path::new("/bin/sh"), &["-euc", text])
    }

    /// The fake agent with a script of its own language, which `tests/fake_agent/src/main.rs` describes.
    pub fn fake(name: &str, script: &str) -> Self {
        Self::command(name, programs::fake_agent(), &[]).env("FAKE_AGENT_SCRIPT", script)
    }

    /// An agent that appends its story's id to `<id>.txt` and commits it: work that always lands.
    pub fn diligent(name: &str) -> Self {
        let text = r#"echo "$STORKIT_STORY, attempt $STORKIT_ATTEMPT" >> "$STORKIT_STORY.txt"
git add --all
git commit --quiet --message "Work on $STORKIT_STORY""#;
        Self::shell(name, text)
    }

    /// The same agent with one more key, such as `instances = 2`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.table.insert(key.to_owned(), value.into());
        self
    }

    /// The same agent with one more variable of its own.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same agent without a variable that it had.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// The table as text.
    pub fn to_toml(&self) -> String {
        let mut table = self.table.clone();
        if !self.env.is_empty() {
            let env = self.env.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            table.insert("env".to_owned(), Value::Table(env.collect()));
        }
        let agents = Value::Array(vec![Value::Table(table)]);
        toml::to_string(&Table::from_iter([("agent".to_owned(), agents)]))
            .expect("a table that TOML can hold")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_written_as_project_toml_wants_it() {
        let text =
            AgentSpec::shell("coder-1", "echo \"x\"\nexit 3").with("instances", 2).env("A", "b").to_toml();
        let read: Table = toml::from_str(&text).expect("TOML");
        let agent = &read["agent"][0];
        assert_eq!(agent["args"][1].as_str(), Some("echo \"x\"\nexit 3"));
        assert_eq!((agent["instances"].as_integer(), agent["env"]["A"].as_str()), (Some(2), Some("b")));
        assert!(text.starts_with("[[agent]]"), "{text}");
    }
}
