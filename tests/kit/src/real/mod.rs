//! Real agents from npm: where they are, how each is told to talk to the scripted model, and the only way in
//! which tests start them.
//!
//! A real agent is started with an environment that was chosen, a home of the test's own, a key that opens nothing,
//! and the scripted model's address, in a network of loopback alone. `script/e2e` installs them and makes that
//! network; without it nothing here starts anything.

mod acp;
mod launch;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::agent::AgentSpec;
use crate::model::{DUMMY_KEY, ModelServer};
use crate::project::TestProject;

pub use acp::{AcpClient, Prompted};
pub use launch::{Session, assert_fenced};

/// The variable that says where `script/e2e` has installed the agents.
const AGENTS_VARIABLE: &str = "STORKIT_E2E_AGENTS";
/// The variable with the dummy key that Codex is told to take its key from.
const CODEX_KEY_VARIABLE: &str = "SCRIPTED_MODEL_KEY";

/// A real agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RealAgent {
    /// Claude Code 2.1.197.
    Claude197,
    /// Claude Code 2.1.329.
    Claude329,
    /// Codex, its native program.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// Claude Code behind the Agent Client Protocol.
    ClaudeAcp,
    /// Codex behind the Agent Client Protocol.
    CodexAcp,
    /// Gemini CLI speaking the Agent Client Protocol itself.
    GeminiAcp,
}

impl RealAgent {
    /// Its program, below the folder of the installation.
    const fn program_path(self) -> &'static str {
        match self {
            Self::Claude197 => "claude-code-2.1.197/claude",
            Self::Claude329 => "claude-code-2.1.329/claude",
            Self::Codex => "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
            Self::Gemini | Self::GeminiAcp => ".bin/gemini",
            Self::ClaudeAcp => ".bin/claude-agent-acp",
            Self::CodexAcp => "@zed-industries/codex-acp-linux-x64/bin/codex-acp",
        }
    }

    /// Its program.
    ///
    /// # Panics
    /// When `script/e2e` has not installed it.
    pub fn program(self) -> PathBuf {
        let Some(folder) = std::env::var_os(AGENTS_VARIABLE) else {
            panic!("the real agents are not here: script/e2e installs them and runs these tests");
        };
        let program = Path::new(&folder).join("node_modules").join(self.program_path());
        assert!(program.is_file(), "{} is not installed", program.display());
        program
    }

    /// Its `runtime` in project.toml.
    pub const fn runtime(self) -> &'static str {
        match self {
            Self::Claude197 | Self::Claude329 => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::ClaudeAcp | Self::CodexAcp | Self::GeminiAcp => "acp",
        }
    }

    /// The model that it is told to use: one that it knows.
    pub const fn model(self) -> &'static str {
        match self {
            Self::Claude197 | Self::Claude329 | Self::ClaudeAcp => "claude-sonnet-4-5",
            Self::Codex | Self::CodexAcp => "gpt-5.5",
            Self::Gemini | Self::GeminiAcp => "gemini-2.5-flash",
        }
    }

    /// The variables by which it finds the scripted model, and tries again rarely.
    pub fn env(self, model: &ModelServer) -> Vec<(&'static str, String)> {
        let own: &[(&str, &str)] = match self {
            Self::Claude197 | Self::Claude329 | Self::ClaudeAcp => &[
                ("ANTHROPIC_API_KEY", DUMMY_KEY),
                ("CLAUDE_CODE_MAX_RETRIES", "1"),
                ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ],
            Self::Codex | Self::CodexAcp => &[(CODEX_KEY_VARIABLE, DUMMY_KEY)],
            Self::Gemini | Self::GeminiAcp => &[("GEMINI_API_KEY", DUMMY_KEY)],
        };
        let mut env: Vec<(&str, String)> =
            own.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        match self {
            Self::Claude197 | Self::Claude329 | Self::ClaudeAcp => {
                env.push(("ANTHROPIC_BASE_URL", model.url()));
            }
            Self::Gemini | Self::GeminiAcp => env.push(("GOOGLE_GEMINI_BASE_URL", model.url())),
            // Its settings name the place.
            Self::Codex | Self::CodexAcp => {}
        }
        env
    }

    /// Writes what it reads in its home, and an identity into the repository: Gemini hides git's own settings of
    /// the home from the commands that it runs.
    pub fn prepare(self, project: &TestProject, model: &ModelServer) {
        project.git().run(&["config", "user.name", "Tester"]);
        project.git().run(&["config", "user.email", "tester@example.invalid"]);
        let home = &project.surroundings().home;
        let write = |path: &str, text: &str| {
            let path = home.join(path);
            std::fs::create_dir_all(path.parent().expect("a path below the home")).expect("a folder");
            std::fs::write(&path, text).expect("a setting of the agent");
        };
        match self {
            Self::Claude197 | Self::Claude329 | Self::ClaudeAcp => {}
            Self::Codex | Self::CodexAcp => write(".codex/config.toml", &codex_config(self, model)),
            Self::Gemini | Self::GeminiAcp => write(".gemini/settings.json", &gemini_settings().to_string()),
        }
    }

    /// The `[[agent]]` by which storkit starts it; its project still has to be prepared.
    ///
    /// # Panics
    /// Where [`assert_fenced`] does.
    #[track_caller]
    pub fn spec(self, name: &str, model: &ModelServer) -> AgentSpec {
        assert_fenced(model);
        let spec = AgentSpec::runtime(name, self.runtime(), &self.program()).with("model", self.model());
        let spec = if self == Self::GeminiAcp {
            let args = ["--acp", "--skip-trust", "-m", self.model()];
            spec.with("args", args.map(str::to_owned).to_vec())
        } else {
            spec
        };
        self.env(model).into_iter().fold(spec, |spec, (name, value)| spec.env(name, &value))
    }
}

fn codex_config(agent: RealAgent, model: &ModelServer) -> String {
    // Without `analytics` each run ends seconds late where there is no network.
    format!(
        "model = {:?}\nmodel_provider = \"scripted\"\ncheck_for_update_on_startup = false\n\
         [analytics]\nenabled = false\n\
         [model_providers.scripted]\nname = \"scripted\"\nbase_url = \"{}/v1\"\nenv_key = \"{CODEX_KEY_VARIABLE}\"\n\
         wire_api = \"responses\"\nrequest_max_retries = 1\nstream_max_retries = 1\n",
        agent.model(),
        model.url()
    )
}

fn gemini_settings() -> Value {
    json!({
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"disableAutoUpdate": true, "enableAutoUpdate": false, "maxAttempts": 2},
        "privacy": {"usageStatisticsEnabled": false},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Script;

    #[test]
    fn an_agent_is_sent_to_the_scripted_model_with_a_key_that_opens_nothing() {
        let project = TestProject::builder().build();
        let model = ModelServer::start(vec![Script::new()]);
        let all = [
            RealAgent::Claude197,
            RealAgent::Claude329,
            RealAgent::Codex,
            RealAgent::Gemini,
            RealAgent::ClaudeAcp,
            RealAgent::CodexAcp,
            RealAgent::GeminiAcp,
        ];
        for agent in all {
            agent.prepare(&project, &model);
            let env = agent.env(&model);
            let key = env.iter().filter(|(name, _)| name.contains("KEY")).collect::<Vec<_>>();
            assert!(matches!(key[..], [(_, value)] if value == DUMMY_KEY), "{agent:?}: {env:?}");
            let place =
                env.iter().find(|(name, _)| name.ends_with("BASE_URL")).map(|(_, value)| value.clone());
            let config = std::fs::read_to_string(project.surroundings().home.join(".codex/config.toml"));
            let place = place.or_else(|| config.ok()).expect("where its model is");
            assert!(place.contains(&model.url()), "{agent:?}: {place}");
        }
    }
}
