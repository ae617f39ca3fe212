//! `2_current`: a coder works, then the gates judge, then the story goes on.

use super::Pipeline;
use super::track::{Wait, Work};
use crate::config::{GateStage, Role};
use crate::effect::{Effect, GatesOrder, GatesPlace, Topic};
use crate::facts::{GateResult, GatesEnd};
use crate::ids::{RunId, StoryId};
use crate::memory::Step;
use crate::stage::Stage;
use crate::story::{Kind, Qa};

/// How long to wait before something outside is looked at again.
pub(super) const LOOK_AGAIN_MS: u64 = 5_000;

impl Pipeline {
    pub(super) fn step_current(&mut self, id: &StoryId) {
        let Some(memory) = self.tracks.get(id).map(|track| &track.memory) else { return };
        match memory.step {
            Step::Begin | Step::Mend => {
                if self.obstacles(id).is_empty() && self.waits_for(id).is_empty() {
                    self.start_run(id, Role::Coder);
                }
            }
            Step::Gate => {
                if self.obstacles(id).is_empty() {
                    self.start_gates(id);
                }
            }
        }
    }

    fn start_gates(&mut self, id: &StoryId) {
        let gates: Vec<_> = self.config.gates_at(GateStage::Current).cloned().collect();
        if gates.is_empty() {
            self.go_on(id);
            return;
        }
        if !self.gates_free() {
            return;
        }
        let run = self.last_run(id);
        let config = self.config.clone();
        let names = gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>().join(", ");
        let op = self.begin(id, Work::Gating);
        let order = GatesOrder { story: id.clone(), run, place: GatesPlace::Story, gates, config };
        self.out.push(Effect::Gates(op, order));
        self.tell(Topic::Gating, Some(id), format!("gates: {names}"));
    }

    /// The run whose work is judged; a new id where none is known, so that logs have a name.
    pub(super) fn last_run(&mut self, id: &StoryId) -> RunId {
        let known = self.tracks.get(id).and_then(|track| track.memory.run);
        known.unwrap_or_else(|| self.new_run())
    }

    pub(super) fn gates_free(&self) -> bool {
        let limit = usize::try_from(self.config.limits.gates).unwrap_or(usize::MAX);
        self.tracks.values().filter(|track| track.work.is_gating()).count() < limit
    }

    pub(super) fn gated(&mut self, id: &StoryId, end: GatesEnd) {
        match end {
            GatesEnd::Cancelled => {}
            GatesEnd::Waits(why) => self.wait_outside(id, "gates", why),
            GatesEnd::Ran(results) => match failed(&results) {
                None => {
                    self.tell_gates(Topic::Green, Some(id), "gates passed", results);
                    self.go_on(id);
                }
                Some(red) => {
                    let red = red.clone();
                    let why =
                        format!("gate {} failed: {}", red.name, red.failure.as_deref().unwrap_or_default());
                    self.tell_gates(Topic::Red, Some(id), why.clone(), results);
                    self.track_mut(id).change().step = Step::Begin;
                    self.failed(id, &why, red.tail, 0);
                }
            },
        }
    }

    /// A story whose work is green leaves current.
    fn go_on(&mut self, id: &StoryId) {
        let Some(story) = self.story(id) else { return };
        let unseen = self.tracks.get(id).is_some_and(|track| track.protected.is_empty());
        let to = if self.qa_of(story) == Qa::Server && story.kind != Kind::Spike && unseen {
            Stage::Merge
        } else {
            Stage::Qa
        };
        self.move_to(id, to);
    }

    pub(super) fn qa_of(&self, story: &crate::story::Story) -> Qa {
        story.qa.unwrap_or(self.config.qa)
    }

    pub(super) fn wait_outside(&mut self, id: &StoryId, what: &'static str, detail: String) {
        let again_ms = Some(self.now.mono_ms + LOOK_AGAIN_MS);
        self.track_mut(id).wait = Some(Wait { what, detail, hint: None, again_ms });
    }
}

/// The gate that failed; none when all passed.
pub(super) fn failed(results: &[GateResult]) -> Option<&GateResult> {
    results.iter().find(|result| result.failure.is_some())
}
