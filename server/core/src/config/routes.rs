//! `[[route]]`: rules that choose who codes a story, and with which model. The first that fits decides.

use super::keys::{self, COUNT_MAX};
use super::model::{Agent, Classifier, Role, Route};
use super::raw::{Log, Section};
use crate::hints;
use crate::ids::AgentName;
use crate::story::{Kind, Size};

const KIND: [(&str, Kind); 5] = [
    ("story", Kind::Story),
    ("bug", Kind::Bug),
    ("spike", Kind::Spike),
    ("refactor", Kind::Refactor),
    ("chore", Kind::Chore),
];

/// The rules, in the file's order.
pub(super) fn read(log: &mut Log<'_>, top: &Section<'_>, agents: &[Agent]) -> Vec<Route> {
    let mut routes = Vec::new();
    for section in top.sections(log, "route", keys::ROUTE, |_, _| false) {
        let route = Route {
            label: section.text(log, "label").map(|label| label.value),
            kind: section.choice(log, "kind", &KIND),
            priority: section.count(log, "priority", 1, 5).and_then(|priority| u8::try_from(priority).ok()),
            size: section.choice(log, "size", &Size::NAMES.map(|(size, name)| (name, size))),
            attempt: section.count(log, "attempt", 1, COUNT_MAX),
            agent: agent(log, &section, agents),
            model: section.text(log, "model").map(|model| model.value),
        };
        if section.at("agent").is_none() && section.at("model").is_none() {
            log.error(section.at, "`[[route]]` chooses nothing.", "give it an `agent`, a `model`, or both");
        }
        routes.push(route);
    }
    routes
}

/// Longest classifier that names no other, and longest at all, in milliseconds.
const CLASSIFIER_MS: u64 = 30_000;
const CLASSIFIER_MS_MAX: u64 = 10 * 60_000;

/// The command that chooses models; none where there is none.
pub(super) fn classifier(log: &mut Log<'_>, top: &Section<'_>) -> Option<Classifier> {
    let section = top.section(log, "classifier", keys::CLASSIFIER);
    let command = section.text(log, "command").map(|command| command.value);
    let timeout_ms = section.some_span(log, "timeout").unwrap_or(CLASSIFIER_MS).min(CLASSIFIER_MS_MAX);
    command.filter(|command| !command.trim().is_empty()).map(|command| Classifier { command, timeout_ms })
}

fn agent(log: &mut Log<'_>, section: &Section<'_>, agents: &[Agent]) -> Option<AgentName> {
    let said = section.text(log, "agent")?;
    let coders = || agents.iter().filter(|agent| agent.role == Role::Coder);
    if let Some(agent) = coders().find(|agent| agent.name.as_str() == said.value) {
        return Some(agent.name.clone());
    }
    let near = hints::nearest(&said.value, coders().map(|agent| agent.name.as_str()));
    let hint = near.map_or_else(
        || "name an `[[agent]]` of stage coder".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    log.error(said.at, format!("`agent` (`{}`) is no coder of this project.", said.value), hint);
    None
}
