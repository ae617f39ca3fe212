//! `3_qa`: passed on, looked at by an agent, or held for a person.

use super::Pipeline;
use super::track::Work;
use crate::config::Role;
use crate::effect::{Effect, InspectOrder, Topic};
use crate::facts::{BranchFacts, Edit};
use crate::ids::StoryId;
use crate::stage::Stage;
use crate::story::{Kind, Qa, Story};

/// Why a story without work stands in qa.
pub(super) const NOTHING_TO_REVIEW: &str = "nothing to review";

impl Pipeline {
    pub(super) fn step_qa(&mut self, id: &StoryId) {
        if self.tracks.get(id).is_some_and(|track| track.memory.rejecting) {
            if !self.waits_still(id) {
                self.take_back(id);
            }
            return;
        }
        if !self.obstacles(id).is_empty() {
            return;
        }
        let (Some(story), Some(track)) = (self.story(id), self.tracks.get(id)) else { return };
        let Some(ahead) = track.ahead else {
            self.inspect(id);
            return;
        };
        if ahead == 0 && story.kind != Kind::Spike {
            self.block(id, NOTHING_TO_REVIEW);
            return;
        }
        match self.reviewer(story, &track.memory.protected) {
            Qa::Human => self.ask_for_review(id),
            Qa::Server => self.move_to(id, Stage::Merge),
            Qa::Agent => self.start_run(id, Role::Qa),
        }
    }

    /// Who looks at a story that is in qa.
    pub(super) fn reviewer(&self, story: &Story, protected: &[String]) -> Qa {
        let person = story.kind == Kind::Spike || !protected.is_empty() || story.review_hold.is_some();
        if person { Qa::Human } else { self.qa_of(story) }
    }

    /// Whether a story in qa waits for a person.
    pub(super) fn waits_for_review(&self, story: &Story, track: &super::track::Track) -> bool {
        track.memory.review_asked
            || story.review_hold.is_some()
            || (track.ahead.is_some() && self.reviewer(story, &track.memory.protected) == Qa::Human)
    }

    /// Looks at a story's branch, with what its last run left uncommitted where a person moved it on before its end.
    pub(super) fn inspect(&mut self, id: &StoryId) {
        let config = self.config.clone();
        let gather = self.tracks.get(id).is_some_and(|track| track.memory.gather);
        let gather = gather.then(|| self.last_run(id));
        let op = self.begin(id, Work::Inspecting);
        self.out.push(Effect::Inspect(op, id.clone(), InspectOrder { gather, config }));
    }

    pub(super) fn inspected(&mut self, id: &StoryId, facts: BranchFacts) {
        let track = self.track_mut(id);
        track.change().gather = false;
        track.branch = facts.tip.is_some();
        track.ahead = Some(facts.ahead);
        track.change().protected = facts.protected;
    }

    fn ask_for_review(&mut self, id: &StoryId) {
        let held = self.story(id).is_some_and(|story| story.review_hold.is_some());
        let track = self.track_mut(id);
        if std::mem::replace(&mut track.memory.review_asked, true) {
            return;
        }
        track.saved = false;
        if !held {
            self.want(id, Edit::ReviewHold(true));
        }
        self.tell(Topic::Review, Some(id), "waits for a review: `storkit approve` or `storkit reject`");
    }

    /// A QA agent's no: its notes go into the file, and the file back to current.
    pub(super) fn rejected_by_agent(&mut self, id: &StoryId, text: String) {
        let memory = self.track_mut(id).change();
        memory.rejections += 1;
        memory.rejecting = true;
        let number = memory.rejections;
        self.tell(Topic::RunEnded, Some(id), format!("rejected: {text}"));
        self.want(id, Edit::AppendRejection { number, text });
    }

    /// Takes a rejected story back once its notes are written.
    fn take_back(&mut self, id: &StoryId) {
        let rejections = self.tracks.get(id).map(|track| track.memory.rejections).unwrap_or_default();
        if rejections >= self.config.max_rejections {
            self.track_mut(id).change().rejecting = false;
            self.block(id, format!("rejected {rejections} times: see `## Review notes`"));
            return;
        }
        self.move_to(id, Stage::Current);
    }
}
