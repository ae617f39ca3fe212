//! The environment that agents and gates get: chosen names of storkit's own, and what says where they are.
//!
//! Pure: the source is given, nothing is read here. What is not named does not get through.

use std::collections::BTreeMap;

use storkit_core::config::Agent;
use storkit_core::runtime::Launch;

/// Names that every agent and gate may see.
const COMMON: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TERM",
    "SHELL",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HOME",
    "RUSTUP_HOME",
];
/// Beginnings of names that every agent and gate may see.
const COMMON_PREFIXES: [&str; 2] = ["LC_", "XDG_"];
/// What `TERM` is where storkit itself has none: a terminal is there all the same.
const TERM_DEFAULT: &str = "xterm-256color";

/// What an environment is made of.
#[derive(Debug, Clone, Default)]
pub struct EnvOrder {
    /// Names passed on besides the common ones (`env_pass`, `gate_env_pass`); their values are secret.
    pub pass: Vec<String>,
    /// Variables set by project.toml (`env`).
    pub set: BTreeMap<String, String>,
    /// storkit's own variables (`STORKIT_STORY` …), which nothing overrides.
    pub own: Vec<(&'static str, String)>,
    /// The folder of the worktrees, above which git looks for no repository.
    pub ceiling: String,
}

impl EnvOrder {
    /// What an agent and its runtime set and pass on; what is storkit's own is still to be added.
    pub fn of(agent: &Agent, launch: &Launch) -> Self {
        let mut set: BTreeMap<String, String> =
            launch.env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        set.extend(agent.env.clone());
        Self { pass: agent.env_pass.clone(), set, ..Self::default() }
    }
}

/// An environment, whole, and which values of it must not be seen in a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Env {
    /// All variables.
    pub vars: BTreeMap<String, String>,
    /// Values to be masked: what was passed on by name, and `STORKIT_TOKEN`.
    pub secrets: Vec<String>,
}

/// Builds an environment from a source, usually storkit's own. Variables that are not UTF-8 cannot be in the
/// source; names and values that no process can have are left out.
pub fn build(source: &BTreeMap<String, String>, order: &EnvOrder) -> Env {
    let mut env = Env::default();
    for (name, value) in source {
        let common =
            COMMON.contains(&name.as_str()) || COMMON_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let passed = order.pass.contains(name);
        if common || passed {
            env.vars.insert(name.clone(), value.clone());
        }
        if passed {
            env.secrets.push(value.clone());
        }
    }
    env.vars.entry("TERM".to_owned()).or_insert_with(|| TERM_DEFAULT.to_owned());
    env.vars.extend(order.set.clone());
    env.vars.insert("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned());
    env.vars.insert("GIT_CEILING_DIRECTORIES".to_owned(), order.ceiling.clone());
    for (name, value) in &order.own {
        env.vars.insert((*name).to_owned(), value.clone());
        if *name == "STORKIT_TOKEN" {
            env.secrets.push(value.clone());
        }
    }
    env.vars.retain(|name, value| !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0'));
    env.secrets.retain(|secret| !secret.is_empty());
    env
}

/// The variables of this process that are UTF-8, as a source.
pub fn of_this_process() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn only_what_is_named_gets_through() {
        let source = map(&[
            ("PATH", "/bin"),
            ("HOME", "/home/x"),
            ("LC_ALL", "C"),
            ("XDG_RUNTIME_DIR", "/run/x"),
            ("CARGO_HOME", "/c"),
            ("API_KEY", "canary-1"),
            ("AWS_SECRET_ACCESS_KEY", "canary-2"),
            ("GIT_DIR", "/elsewhere"),
            ("LD_PRELOAD", "/evil.so"),
            ("STORKIT_TOKEN", "the daemon's own"),
            ("STORKIT_RUN", "an outer run"),
            ("XDG", "no prefix"),
            ("http_proxy", "lower"),
        ]);
        let env = build(&source, &EnvOrder { ceiling: "/w".into(), ..EnvOrder::default() });
        let expected = map(&[
            ("PATH", "/bin"),
            ("HOME", "/home/x"),
            ("LC_ALL", "C"),
            ("XDG_RUNTIME_DIR", "/run/x"),
            ("CARGO_HOME", "/c"),
            ("TERM", "xterm-256color"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_CEILING_DIRECTORIES", "/w"),
        ]);
        assert_eq!(env.vars, expected);
        assert_eq!(env.secrets, Vec::<String>::new());
    }

    #[test]
    fn config_sets_over_the_source_and_storkit_over_config() {
        let source = map(&[("TERM", "screen"), ("API_KEY", "k-123456"), ("LANG", "C")]);
        let set = map(&[
            ("LANG", "de_DE.UTF-8"),
            ("GIT_TERMINAL_PROMPT", "1"),
            ("STORKIT_RUN", "forged"),
            ("BAD=NAME", "x"),
            ("NUL", "a\0b"),
        ]);
        let env = build(
            &source,
            &EnvOrder {
                pass: vec!["API_KEY".to_owned(), "ABSENT".to_owned()],
                set,
                own: vec![("STORKIT_RUN", "r1".to_owned()), ("STORKIT_TOKEN", "t-1".to_owned())],
                ceiling: "/w".into(),
            },
        );
        let expected = map(&[
            ("TERM", "screen"),
            ("API_KEY", "k-123456"),
            ("LANG", "de_DE.UTF-8"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_CEILING_DIRECTORIES", "/w"),
            ("STORKIT_RUN", "r1"),
            ("STORKIT_TOKEN", "t-1"),
        ]);
        assert_eq!(env.vars, expected);
        assert_eq!(env.secrets, ["k-123456", "t-1"]);
    }
}
