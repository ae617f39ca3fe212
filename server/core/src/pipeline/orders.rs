//! The next run of a story as it is ordered: which agent, with which model, and what it is told.

use super::track::Work;
use super::{Pipeline, Purpose};
use crate::assign::{self, Load, NoAgent};
use crate::board::{Named, Placement};
use crate::config::{Agent, Role, Route};
use crate::effect::RunOrder;
use crate::ids::{AgentName, Oid, OpId, RunId, StoryId};
use crate::runtime::NAME_LEN_MAX;
use crate::sighting::FileKey;
use crate::story::Story;

impl Pipeline {
    /// The agent that would take the story now.
    pub(super) fn agent_for(&self, id: &StoryId, role: Role) -> Result<&Agent, NoAgent> {
        let load = self.load();
        let wanted = (role == Role::Coder).then(|| self.wanted_coder(id, &load)).flatten();
        assign::choose(&self.config, role, wanted, &load)
    }

    /// Who is to code the story: as asked for, as the story says, or as the first rule that fits does.
    pub(super) fn wanted_coder(&self, id: &StoryId, load: &Load) -> Option<&str> {
        let track = self.tracks.get(id);
        let asked = track.and_then(|track| track.only_agent.as_ref()).map(AgentName::as_str);
        let story = self.story(id)?;
        let named = story.agent.as_ref().map(|agent| agent.value.as_str());
        asked.or(named).or_else(|| {
            // One that cannot be used at all keeps nobody waiting.
            let agent = self.routes_of(id, story).find_map(|route| route.agent.as_ref())?;
            (!load.unavailable.contains_key(agent)).then_some(agent.as_str())
        })
    }

    /// The rules that fit the next attempt, in order. The track is the one of that id, not of the story's own spelling.
    fn routes_of(&self, id: &StoryId, story: &Story) -> impl Iterator<Item = &Route> {
        let attempt = self.tracks.get(id).map_or(0, |track| track.memory.failures) + 1;
        let fitting: Vec<_> = self.config.routes.iter().filter(|route| route.fits(story, attempt)).collect();
        fitting.into_iter()
    }

    /// The order for the story's next run with that agent, in that worktree and on that commit. Nothing is changed.
    pub(super) fn order(
        &self,
        id: &StoryId,
        run: RunId,
        agent: &Agent,
        ground: (String, Oid),
    ) -> Option<RunOrder> {
        let story = self.story(id)?;
        let mut memory = self.tracks.get(id).map(|track| track.memory.clone()).unwrap_or_default();
        let agent = overridden(self.routed(id, agent.clone(), story), story);
        let (worktree, base) = ground;
        Some(RunOrder {
            run,
            story: id.clone(),
            name: story.name.clone(),
            stage: story.stage,
            attempt: memory.failures + 1,
            number: memory.runs + 1,
            epic: self.epic_file(story),
            worktree,
            base,
            resume: memory.warm(&agent, agent.role),
            notes: memory.notes,
            answer: memory.answered,
            leave: memory.leave,
            messages: memory.messages.hand_over(run),
            agent,
            config: self.config.clone(),
        })
    }

    /// Whether the classifier is to choose the model: once for a stay, and not where the story names one.
    pub(super) fn is_to_classify(&self, id: &StoryId, role: Role) -> bool {
        let names_none = self.story(id).is_some_and(|story| story.overrides.model.is_none());
        let chosen = self.tracks.get(id).is_some_and(|track| track.memory.classified.is_some());
        role == Role::Coder && self.config.classifier.is_some() && names_none && !chosen
    }

    /// The classifier has chosen a model. What cannot be one is passed over.
    pub(super) fn take_classified(&mut self, op: OpId, model: &str) {
        let Some(Purpose::Work(id)) = self.ops.get(&op) else { return };
        let id = id.clone();
        let is_name = !model.is_empty()
            && model.len() <= NAME_LEN_MAX
            && !model.starts_with('-')
            && !model.chars().any(char::is_control);
        if is_name && matches!(self.track_mut(&id).work, Work::Preparing(..)) {
            self.track_mut(&id).change().classified = Some(model.to_owned());
        }
    }

    /// A coder with the model that the classifier chose, else the one that the first rule which fits names.
    fn routed(&self, id: &StoryId, agent: Agent, story: &Story) -> Agent {
        if agent.role != Role::Coder {
            return agent;
        }
        let classified = self.tracks.get(id).and_then(|track| track.memory.classified.clone());
        match classified.or_else(|| self.routes_of(id, story).find_map(|route| route.model.clone())) {
            Some(model) => Agent { model, ..agent },
            None => agent,
        }
    }

    fn epic_file(&self, story: &Story) -> Option<FileKey> {
        let name = &story.epic.as_ref()?.value;
        let Named::One(id) = self.board.named(name) else { return None };
        match self.board.placement(&id) {
            Placement::One(key) => Some(key.clone()),
            _ => None,
        }
    }
}

/// An agent with the story's own settings over its own.
fn overridden(agent: Agent, story: &Story) -> Agent {
    let own = &story.overrides;
    Agent {
        model: own.model.clone().unwrap_or(agent.model),
        max_turns: own.max_turns.unwrap_or(agent.max_turns),
        max_budget_usd: own.max_budget_usd.unwrap_or(agent.max_budget_usd),
        timeout_ms: own.timeout_ms.unwrap_or(agent.timeout_ms),
        ..agent
    }
}
