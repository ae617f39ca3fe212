//! The only way in which tests start a real agent by themselves, and what must hold before any is started.

use std::path::Path;
use std::process::Command;

use crate::model::ModelServer;
use crate::project::TestProject;

use super::RealAgent;

/// The variable by which `script/e2e` says that this machine cannot make a network of loopback alone.
const NETWORK_VARIABLE: &str = "STORKIT_E2E_NETWORK";
/// What the kernel tells of the network's interfaces: two lines of headings, then one for each.
const INTERFACES: &str = "/proc/net/dev";

/// A conversation with an agent.
#[derive(Debug, Clone, Copy)]
pub enum Session<'a> {
    /// A new one.
    New,
    /// The one with that id.
    Resume(&'a str),
}

/// Makes sure that an agent started now reaches nothing but the scripted model.
///
/// # Panics
/// When the model is not on loopback, or the network is more than loopback.
#[track_caller]
pub fn assert_fenced(model: &ModelServer) {
    let url = model.url();
    assert!(url.starts_with("http://127.0.0.1:"), "the model is at {url}");
    if std::env::var_os(NETWORK_VARIABLE).is_some_and(|value| value == "open") {
        return;
    }
    let text = std::fs::read_to_string(INTERFACES).expect("the kernel tells the interfaces");
    let others = interfaces(&text).filter(|name| *name != "lo").count();
    assert_eq!(others, 0, "there is a network besides loopback: start this by script/e2e");
}

fn interfaces(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim)
}

impl RealAgent {
    /// The agent in `dir`, with its environment and settings and without arguments.
    ///
    /// # Panics
    /// Where [`assert_fenced`] does.
    #[track_caller]
    pub fn command(self, project: &TestProject, model: &ModelServer, dir: &Path) -> Command {
        assert_fenced(model);
        self.prepare(project, model);
        let mut command = project.surroundings().command(self.program());
        command.current_dir(dir).envs(self.env(model));
        // What storkit sets by itself.
        command.env("IS_SANDBOX", "1").env("DISABLE_AUTOUPDATER", "1").env("GEMINI_CLI_NO_RELAUNCH", "true");
        command
    }

    /// The agent with a prompt, without a person and free to do everything.
    #[track_caller]
    pub fn prompted(
        self,
        project: &TestProject,
        model: &ModelServer,
        session: Session<'_>,
        prompt: &str,
    ) -> Command {
        let mut command = self.command(project, model, project.root());
        match self {
            Self::Claude197 | Self::Claude329 => {
                command.args(["-p", prompt, "--output-format", "stream-json", "--verbose"]);
                command.args(["--dangerously-skip-permissions", "--model", self.model()]);
                if let Session::Resume(id) = session {
                    command.args(["--resume", id]);
                }
            }
            Self::Codex => {
                command.args(["exec", "--json", "--dangerously-bypass-approvals-and-sandbox"]);
                if let Session::Resume(id) = session {
                    command.args(["resume", id]);
                }
                command.arg(prompt);
            }
            Self::Gemini => {
                command.args(["-p", prompt, "--yolo", "--skip-trust", "-m", self.model()]);
                command.args(["--output-format", "stream-json"]);
                if let Session::Resume(id) = session {
                    command.args(["--resume", id]);
                }
            }
            Self::GeminiAcp => _ = command.args(["--acp", "--skip-trust", "-m", self.model()]),
            Self::ClaudeAcp | Self::CodexAcp => {}
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_told_from_headings() {
        let text = "Inter-| Receive\n face |bytes\n    lo: 1 2\n  eth0:3 4\n";
        assert_eq!(interfaces(text).collect::<Vec<_>>(), ["lo", "eth0"]);
        let own = std::fs::read_to_string(INTERFACES).unwrap_or_default();
        assert!(own.is_empty() || interfaces(&own).any(|name| name == "lo"), "{own}");
    }
}
