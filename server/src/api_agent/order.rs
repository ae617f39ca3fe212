//! What a run is ordered to do: its arguments, and the few variables that it reads.
//!
//! Nothing is done here. Keys are taken out of the environment that the shell tool hands on.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use storkit_core::config::{Permissions, Role};
use storkit_core::leave::{Leave, Verdict};
use storkit_core::runtime::{ALLOW_OPTION, Ending, PERMISSIONS_OPTION, REFUSE_OPTION, SESSIONS_VARIABLE};

use super::ask::Provider;
use super::tools::SHELL;
use super::{configuration, gemini, openai};

/// The variable that holds the run's token for storkit's MCP server.
const TOKEN_VARIABLE: &str = "STORKIT_TOKEN";
/// Most turns of a run whose agent names none.
const TURNS_DEFAULT: u32 = 300;
/// How many bytes of history the model is sent, where the agent's arguments do not say: some 100,000 tokens.
const CONTEXT_LEN_DEFAULT: usize = 400 << 10;
/// The least that can be worked with.
pub(super) const CONTEXT_LEN_MIN: usize = 8 << 10;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProviderName {
    /// An API that speaks OpenAI's Chat Completions.
    #[serde(rename = "openai")]
    OpenAi,
    /// The Gemini API.
    Gemini,
}

impl ProviderName {
    /// The variables that hold its key and its address, and the usual address.
    const fn facts(self) -> [&'static str; 3] {
        match self {
            Self::OpenAi => ["OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1"],
            Self::Gemini => {
                ["GEMINI_API_KEY", "GEMINI_BASE_URL", "https://generativelanguage.googleapis.com"]
            }
        }
    }
}

/// The session that a run works in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resumed {
    /// One that begins, with this id.
    New(String),
    /// One that is gone on with.
    Old(String),
}

/// An order, whole.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub provider: ProviderName,
    pub role: Role,
    pub session: Resumed,
    pub model: String,
    pub max_turns: u32,
    /// Most bytes of history that the model is sent.
    pub context_len: usize,
    /// Whether commands may be run without a person's leave.
    pub permissions: Permissions,
    /// What people said of tools, which stands over that.
    pub leave: Leave,
    pub sessions: PathBuf,
    pub prompt: PathBuf,
    /// Where storkit's MCP server answers.
    pub mcp_url: Option<String>,
    /// What opens it.
    pub mcp_token: String,
    base_url: Option<String>,
    key: Option<String>,
}

impl Order {
    /// Reads the arguments behind the mode's name.
    ///
    /// # Errors
    /// The ending of a run that is wrongly configured.
    pub(super) fn read(
        args: impl Iterator<Item = OsString>,
        variable: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Result<Self, Ending> {
        let mut args = args.map(|arg| arg.into_string().unwrap_or_default());
        let provider = match args.next().as_deref() {
            Some("openai") => ProviderName::OpenAi,
            Some("gemini") => ProviderName::Gemini,
            other => return Err(wrong(&format!("the provider {:?}", other.unwrap_or_default()))),
        };
        let [key, base_url, _] = provider.facts();
        let mut set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str, value: Option<String>| {
            value.map(PathBuf::from).ok_or_else(|| configuration(format!("{name} is not set")))
        };
        let mut order = Self {
            provider,
            role: Role::Coder,
            session: Resumed::New(String::new()),
            model: String::new(),
            max_turns: TURNS_DEFAULT,
            context_len: CONTEXT_LEN_DEFAULT,
            permissions: Permissions::Allow,
            leave: Leave::default(),
            sessions: path(SESSIONS_VARIABLE, set(SESSIONS_VARIABLE))?,
            prompt: path("STORKIT_PROMPT", set("STORKIT_PROMPT"))?,
            mcp_url: None,
            mcp_token: set(TOKEN_VARIABLE).unwrap_or_default(),
            base_url: set(base_url),
            key: set(key),
        };
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| wrong(&format!("`{name}` without a value")))?;
            order.set(&name, value)?;
        }
        if order.model.is_empty() {
            return Err(configuration("the agent has no `model` in .storkit/project.toml".to_owned()));
        }
        Ok(order)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Ending> {
        let bad = || wrong(&format!("`{name} {value}`"));
        match name {
            "--role" => {
                let roles = [Role::Coder, Role::Qa, Role::Mergemaster, Role::Other];
                self.role = roles.into_iter().find(|role| role.name() == value).ok_or_else(bad)?;
            }
            "--session" => self.session = Resumed::New(value),
            "--resume" => self.session = Resumed::Old(value),
            "--model" => self.model = value,
            "--mcp" => self.mcp_url = Some(value),
            "--max-turns" => {
                self.max_turns = value.parse().ok().filter(|turns| *turns > 0).ok_or_else(bad)?;
            }
            PERMISSIONS_OPTION => self.permissions = Permissions::of_name(&value).ok_or_else(bad)?,
            ALLOW_OPTION => self.leave.allowed.push(value),
            REFUSE_OPTION => self.leave.refused.push(value),
            "--context-bytes" => {
                let length = value.parse().ok().filter(|length| *length >= CONTEXT_LEN_MIN);
                self.context_len = length.ok_or_else(bad)?;
            }
            _ => return Err(bad()),
        }
        Ok(())
    }

    /// Whether that tool may be used. File tools always may: they reach the worktree alone.
    pub(super) fn may_use(&self, tool: &str) -> Permissions {
        match self.leave.of(tool) {
            _ if tool != SHELL => Permissions::Allow,
            Some(Verdict::Allow) => Permissions::Allow,
            Some(Verdict::Refuse) => Permissions::Deny,
            None => self.permissions,
        }
    }

    /// Where the provider answers, without a slash at its end.
    pub(super) fn base_url(&self) -> &str {
        let [_, _, usual] = self.provider.facts();
        self.base_url.as_deref().unwrap_or(usual).trim_end_matches('/')
    }

    /// The provider's way of speaking.
    ///
    /// # Errors
    /// Where a key is missing that is needed, or the model's name cannot be one.
    pub(super) fn provider(&self) -> Result<Box<dyn Provider>, Ending> {
        let [variable, ..] = self.provider.facts();
        // A server of one's own may want no key; the vendor's always does.
        if self.key.is_none() && self.base_url.is_none() {
            let text = format!(
                "{variable} is not set for this agent: name it in its `env_pass`, or set it in its `env`, in \
                 .storkit/project.toml"
            );
            return Err(Ending::Authentication { text });
        }
        let (base, model, key) = (self.base_url().to_owned(), self.model.clone(), self.key.clone());
        Ok(match self.provider {
            ProviderName::OpenAi => Box::new(openai::OpenAi { base, model, key }),
            ProviderName::Gemini => {
                let known = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
                if !model.chars().all(known) || model.contains("..") {
                    return Err(configuration(format!("`{model}` cannot be the name of a model")));
                }
                Box::new(gemini::Gemini { base, model, key })
            }
        })
    }

    /// The environment for commands that the model runs: this process's, without the keys.
    pub(super) fn shell_env(&self) -> Vec<(OsString, OsString)> {
        let kept = |name: &OsString| {
            let keys = [ProviderName::OpenAi, ProviderName::Gemini].map(|provider| provider.facts()[0]);
            !keys.iter().any(|key| name == key) && name != SESSIONS_VARIABLE
        };
        std::env::vars_os().filter(|(name, _)| kept(name)).collect()
    }
}

fn wrong(what: &str) -> Ending {
    configuration(format!("storkit's own agent does not know {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str], variables: &[(&str, &str)]) -> Result<Order, Ending> {
        let always = [("STORKIT_SESSIONS", "/s"), ("STORKIT_PROMPT", "/p")];
        let all: Vec<(&str, &str)> = always.iter().chain(variables).copied().collect();
        let mut variable =
            |wanted: &str| all.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        Order::read(args.iter().map(OsString::from), &mut variable)
    }

    fn ending(args: &[&str], variables: &[(&str, &str)]) -> String {
        let ending = read(args, variables).and_then(|order| order.provider().map(drop));
        format!("{:?}", ending.expect_err("an ending"))
    }

    #[test]
    fn an_order_is_read_and_the_last_word_counts() {
        let args =
            ["openai", "--role", "qa", "--resume", "s", "--model", "a", "--max-turns", "3", "--model", "b"];
        let order = read(&args, &[("OPENAI_BASE_URL", "http://127.0.0.1:1/v1/")]).expect("an order");
        assert_eq!((order.role, order.session.clone()), (Role::Qa, Resumed::Old("s".into())));
        assert_eq!((order.model.as_str(), order.max_turns), ("b", 3));
        assert_eq!(order.base_url(), "http://127.0.0.1:1/v1");
        assert!(order.provider().is_ok(), "a server of one's own needs no key");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert!(
            ending(&["openai", "--model", "m"], &[])
                .contains("Authentication { text: \"OPENAI_API_KEY is not")
        );
        let blank = [("GEMINI_API_KEY", " ")];
        assert!(ending(&["gemini", "--model", "m"], &blank).contains("GEMINI_API_KEY is not set"));
        assert!(ending(&["openai"], &[]).contains("no `model`"));
        for args in [
            &["claude"][..],
            &["openai", "--tempo", "9"],
            &["openai", "--model"],
            &["openai", "--max-turns", "0"],
            &["openai", "--context-bytes", "12"],
            &["openai", "--role", "king"],
        ] {
            assert!(ending(args, &[]).contains("Configuration"), "{args:?}");
        }
        let key = [("GEMINI_API_KEY", "k")];
        for model in ["a?key=b", "../x", "a b"] {
            assert!(ending(&["gemini", "--model", model], &key).contains("cannot be the name"), "{model}");
        }
    }
}
