//! What a runtime's program needs to work: how it is installed and logged in, which variables it takes its key from,
//! and what mends a run that ended for want of one of these.
//!
//! Facts and words alone; whether something is there is the shell's to look at.

use super::ending::Ending;
use super::launch::StatePath;
use crate::config::{Agent, Runtime};

/// A version, as programs number theirs.
pub type Version = [u32; 3];

/// What one program needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Needs {
    /// What people call it.
    pub label: &'static str,
    /// The command that installs or updates it; empty where it is storkit itself.
    pub install: &'static str,
    /// The oldest version whose ways are known; none where it does not tell its version.
    pub oldest: Option<Version>,
    /// Variables that open the model to it, each by itself; the first is the usual one.
    pub keys: &'static [&'static str],
    /// A variable that names a server of one's own, which may want no key.
    pub address: Option<&'static str>,
    /// What a person types to log in; empty where there is no such thing.
    pub login: &'static str,
    /// The folder in which it keeps its settings and its login.
    pub state: Option<StatePath>,
    /// Files of that folder of which a login leaves one.
    pub logins: &'static [&'static str],
    /// Whether it hides git's settings of the home folder from the commands that it runs.
    pub hides_git_config: bool,
    /// Whether it refuses to work as root without being told that this is meant.
    pub minds_root: bool,
}

const CLAUDE: Needs = Needs {
    label: "Claude Code",
    install: "npm install -g @anthropic-ai/claude-code",
    oldest: Some([2, 1, 197]),
    keys: &[
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY",
    ],
    address: None,
    login: "claude /login",
    state: Some(StatePath { variable: Some("CLAUDE_CONFIG_DIR"), usual: "~/.claude" }),
    logins: &[".credentials.json"],
    hides_git_config: false,
    minds_root: true,
};

const CODEX: Needs = Needs {
    label: "Codex",
    install: "npm install -g @openai/codex",
    oldest: Some([0, 169, 0]),
    keys: &["CODEX_API_KEY"],
    address: None,
    login: "codex login",
    state: Some(StatePath { variable: Some("CODEX_HOME"), usual: "~/.codex" }),
    logins: &["auth.json"],
    hides_git_config: false,
    minds_root: false,
};

const GEMINI: Needs = Needs {
    label: "Gemini CLI",
    install: "npm install -g @google/gemini-cli",
    oldest: Some([0, 61, 0]),
    keys: &[
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_GENAI_USE_GCA",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ],
    address: None,
    login: "gemini",
    state: Some(StatePath { variable: None, usual: "~/.gemini" }),
    logins: &["oauth_creds.json", ".env"],
    hides_git_config: true,
    minds_root: false,
};

const CLAUDE_ACP: Needs =
    Needs { install: "npm install -g @zed-industries/claude-agent-acp", oldest: None, ..CLAUDE };

const CODEX_ACP: Needs = Needs {
    install: "npm install -g @zed-industries/codex-acp",
    oldest: None,
    keys: &["OPENAI_API_KEY", "CODEX_API_KEY"],
    ..CODEX
};

const GEMINI_ACP: Needs = Needs { oldest: None, ..GEMINI };

const OPEN_AI: Needs = Needs {
    label: "OpenAI's API",
    install: "",
    oldest: None,
    keys: &["OPENAI_API_KEY"],
    address: Some("OPENAI_BASE_URL"),
    login: "",
    state: None,
    logins: &[],
    hides_git_config: false,
    minds_root: false,
};

const GEMINI_API: Needs =
    Needs { label: "Gemini's API", keys: &["GEMINI_API_KEY"], address: Some("GEMINI_BASE_URL"), ..OPEN_AI };

/// What an agent's program needs; none where nothing is known of it.
pub fn needs(agent: &Agent) -> Option<&'static Needs> {
    let name = agent.command.rsplit('/').next().unwrap_or_default();
    match agent.runtime {
        Runtime::ClaudeCode => Some(&CLAUDE),
        Runtime::Codex => Some(&CODEX),
        Runtime::Gemini => Some(&GEMINI),
        Runtime::OpenAi => Some(&OPEN_AI),
        Runtime::GeminiApi => Some(&GEMINI_API),
        Runtime::Acp => match name {
            "claude-agent-acp" | "claude-code-acp" => Some(&CLAUDE_ACP),
            "codex-acp" => Some(&CODEX_ACP),
            "gemini" => Some(&GEMINI_ACP),
            _ => None,
        },
        Runtime::Command => match name {
            "claude" => Some(&CLAUDE),
            "codex" => Some(&CODEX),
            "gemini" => Some(&GEMINI),
            _ => None,
        },
    }
}

impl Needs {
    /// What lets an agent in that has no key: a login where there is one, or a key.
    pub fn way_in(&self, agent: &Agent) -> String {
        let key = self.keys.first().copied().unwrap_or_default();
        let name = &agent.name;
        let pass = format!(
            "env_pass = [\"{key}\"] for {name} in .storkit/project.toml, with {key} set where storkit is started"
        );
        if self.login.is_empty() { pass } else { format!("{} logs in; or {pass}", self.login) }
    }

    /// What installs the program.
    pub fn way_here(&self, agent: &Agent) -> String {
        format!("{}; or command = \"/path/to/it\" for {} in .storkit/project.toml", self.install, agent.name)
    }
}

/// The first version in what a program prints when it is asked for it: `2.1.197 (Claude Code)`, `codex-cli 0.169.0`.
pub fn version_in(text: &str) -> Option<Version> {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    words.filter(|word| word.len() <= 32).find_map(|word| {
        let mut parts = word.split('.').map(str::parse::<u32>);
        let version = [parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?];
        Some(version)
    })
}

/// A version as it is written.
pub fn version_text(version: Version) -> String {
    version.map(|part| part.to_string()).join(".")
}

/// What mends an ending that is not the work's fault; `given` is the key that the agent was given, by its variable.
pub fn remedy(agent: &Agent, ending: &Ending, given: Option<&str>) -> Option<String> {
    let name = &agent.name;
    Some(match (ending, needs(agent)) {
        (Ending::Authentication { .. }, Some(needs)) => match given {
            Some(key) => format!("put a key into {key} that {} takes, where storkit is started", needs.label),
            None => needs.way_in(agent),
        },
        (Ending::Authentication { .. }, None) => {
            format!(
                "log in with the agent's own program, or let its key through: env_pass for {name} in .storkit/project.toml"
            )
        }
        (Ending::Configuration { .. }, _) if !agent.model.is_empty() => {
            format!(
                "see that {name} may use model = {:?}, and what its args say, in .storkit/project.toml",
                agent.model
            )
        }
        (Ending::Configuration { .. }, _) => {
            format!("mend command, args or model of {name} in .storkit/project.toml")
        }
        (Ending::PermissionWanted { .. }, _) => {
            format!(
                "let it do that: take the options about permissions out of args of {name} in .storkit/project.toml"
            )
        }
        (Ending::RateLimited { .. }, _) => "wait, and check again".to_owned(),
        (Ending::Quota { .. }, _) => "wait for the reset, or use another account".to_owned(),
        (Ending::Transient { .. }, _) => {
            "see that this machine reaches the model: network, HTTPS_PROXY, the provider's state".to_owned()
        }
        (Ending::OutOfTurns, _) => format!("raise max_turns of {name} in .storkit/project.toml"),
        (Ending::OutOfBudget, _) => format!("raise max_budget_usd of {name} in .storkit/project.toml"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (text, version) in [
            ("2.1.197 (Claude Code)\n", Some([2, 1, 197])),
            ("codex-cli 0.169.0", Some([0, 169, 0])),
            ("v0.61.0-nightly.2", Some([0, 61, 0])),
            ("1.2", None),
            ("99999999999.1.1", None),
            ("", None),
        ] {
            assert_eq!(version_in(text), version, "{text}");
        }
    }

    #[test]
    fn a_remedy_is_a_command_or_a_line_of_the_configuration() {
        let source = "[[agent]]\nname = \"coder-1\"\nruntime = \"claude-code\"\n\
            [[agent]]\nname = \"coder-2\"\nruntime = \"acp\"\ncommand = \"/opt/codex-acp\"\n\
            [[agent]]\nname = \"coder-3\"\nruntime = \"acp\"\ncommand = \"other\"\n";
        let config = crate::config::parse(source).expect("good").config;
        let refused = Ending::Authentication { text: String::new() };
        let of = |place: usize, given| remedy(&config.agents[place], &refused, given).expect("a remedy");
        assert!(
            of(0, None)
                .starts_with("claude /login logs in; or env_pass = [\"ANTHROPIC_API_KEY\"] for coder-1")
        );
        assert!(of(0, Some("ANTHROPIC_API_KEY")).starts_with("put a key into ANTHROPIC_API_KEY"));
        assert!(of(1, None).contains("OPENAI_API_KEY"));
        assert!(of(2, None).contains("env_pass for coder-3"));
        assert_eq!(remedy(&config.agents[0], &Ending::NoSignal, None), None);
    }
}
