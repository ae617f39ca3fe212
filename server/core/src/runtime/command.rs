//! Any program: started as it is configured, and understood by storkit's own lines alone.

use serde_json::Value;

use super::event::AgentEvent;
use super::launch::{Launch, LaunchOrder, PromptBy, Resume};
use super::{Adapter, Ending, Parser};
use crate::config::Runtime;
use crate::facts::ProcessEnd;

pub(super) const ADAPTER: Adapter = Adapter { runtime: Runtime::Command, command: "", launch, parser };

fn launch(order: &LaunchOrder<'_>) -> Launch {
    Launch {
        command: order.agent.command.clone(),
        args: order.agent.args.clone(),
        prompt: PromptBy::Argument,
        ..Launch::default()
    }
}

fn parser(_resume: Option<&Resume>) -> Box<dyn Parser> {
    Box::new(Plain)
}

#[derive(Debug)]
struct Plain;

impl Parser for Plain {
    fn object(&mut self, _object: &Value, _out: &mut Vec<AgentEvent>) {}

    fn end(
        &mut self,
        _process: Option<ProcessEnd>,
        _tail: &str,
        _out: &mut Vec<AgentEvent>,
    ) -> Option<Ending> {
        None
    }
}
