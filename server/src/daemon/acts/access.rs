//! A run's way back to the daemon: its token for MCP, and what it says by tools. Both end with the run.

use storkit_core::effect::RunOrder;
use storkit_core::facts::RunFacts;
use storkit_core::ids::RunId;

use crate::daemon::world::World;
use crate::http::RunToken;
use crate::mcp::{Grant, Said};

/// Where the MCP server is below the API's address.
const MCP_PATH: &str = "/mcp";

/// One run's way back.
pub(super) struct Access<'a> {
    world: &'a World,
    run: RunId,
    token: RunToken,
}

impl<'a> Access<'a> {
    /// Lets the run in, for its own story.
    pub(super) fn grant(world: &'a World, order: &RunOrder) -> Self {
        let grant = Grant { run: order.run, story: order.story.clone(), role: order.agent.role };
        world.said().insert(order.run, Vec::new());
        Self { world, run: order.run, token: world.tokens.grant(grant) }
    }

    /// Where the MCP server answers; none while TCP is off.
    pub(super) fn mcp_url(&self) -> Option<String> {
        Some(format!("{}{MCP_PATH}", self.world.url.get()?))
    }

    /// The variables by which the run finds it.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let url = self.mcp_url().map(|url| ("STORKIT_MCP_URL", url));
        url.into_iter().chain([("STORKIT_TOKEN", self.token.token.clone())]).collect()
    }

    /// Puts to the facts what was said by tools; what was said by lines of output stays where no tool said the same.
    pub(super) fn add_to(&self, facts: &mut RunFacts) {
        let said = self.world.said().get_mut(&self.run).map(std::mem::take).unwrap_or_default();
        for said in said {
            match said {
                Said::Question(text) => facts.question = Some(text),
                Said::Reject(text) => facts.reject = Some(text),
                Said::MergeFailed(text) => facts.merge_failed = Some(text),
            }
        }
    }
}

impl Drop for Access<'_> {
    fn drop(&mut self) {
        self.world.said().remove(&self.run);
    }
}
