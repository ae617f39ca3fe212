//! `4_merge`: one story at a time onto base's tip in memory, the merge gates on exactly that commit, then base moves.

use super::Pipeline;
use super::current::{LOOK_AGAIN_MS, failed};
use super::landing::RedBase;
use super::runs::MENDS_MAX;
use super::track::{Candidate, Wait, Work};
use crate::config::{Gate, GateStage, Role};
use crate::effect::{AdvanceOrder, Effect, GatesOrder, GatesPlace, SquashOrder, Topic};
use crate::facts::{AdvanceEnd, GateResult, GatesEnd, Overlap, SquashEnd};
use crate::ids::{Oid, StoryId};
use crate::memory::{Note, Step};
use crate::stage::Stage;
use crate::story::Kind;

/// Why a story without work stands in merge.
pub(super) const NOTHING_TO_MERGE: &str = "nothing to merge";
/// How often a story whose files a person edits is looked at again.
const OVERLAP_MS: u64 = 2_000;
/// So often may git refuse to move a base that stands where it was.
const REFUSED_MAX: u32 = 3;
/// So often may base move meanwhile before people are told.
pub(super) const BASE_MOVED_QUIET: u32 = 3;

impl Pipeline {
    pub(super) fn step_merge(&mut self, id: &StoryId) {
        if self.tracks.get(id).is_some_and(|track| track.memory.landed.is_some()) {
            if !self.waits_still(id) {
                self.move_to(id, Stage::Done);
            }
            return;
        }
        if !self.obstacles(id).is_empty() {
            return;
        }
        if self.tracks.get(id).is_some_and(|track| track.memory.step == Step::Mend) {
            self.start_run(id, Role::Mergemaster);
        } else if self.tracks.get(id).is_some_and(|track| track.memory.gather) {
            self.inspect(id);
        } else if !self.is_landing() {
            self.squash(id);
        }
    }

    /// Whether the landing's one place is taken.
    pub(super) fn is_landing(&self) -> bool {
        self.tracks.values().any(|track| track.work.is_landing())
    }

    fn merge_gates(&self) -> Vec<Gate> {
        self.config.gates_at(GateStage::Merge).cloned().collect()
    }

    fn squash(&mut self, id: &StoryId) {
        let Some(subject) = self.story(id).map(|story| story.name.clone()) else { return };
        let (body, run) = self
            .tracks
            .get(id)
            .map(|track| (track.memory.summary.clone(), track.memory.run))
            .unwrap_or_default();
        let gates = self.merge_gates().into_iter().map(|gate| gate.name).collect();
        let strategy = self.config.merge.strategy;
        let op = self.begin(id, Work::Squashing);
        self.out
            .push(Effect::Squash(op, SquashOrder { story: id.clone(), subject, body, run, gates, strategy }));
    }

    pub(super) fn squashed(&mut self, id: &StoryId, end: SquashEnd) {
        match end {
            SquashEnd::Ready { commit, tree, base, base_tree, tip } => {
                self.track_mut(id).wait = None;
                let gates = self.merge_gates();
                self.consider(id, Candidate { commit, tree, base, base_tree, tip, gates });
            }
            SquashEnd::Nothing if self.story(id).is_some_and(|story| story.kind == Kind::Spike) => {
                self.move_to(id, Stage::Done);
            }
            SquashEnd::Nothing => self.block(id, NOTHING_TO_MERGE),
            SquashEnd::Conflict(files) => {
                let what = format!("conflict with {} in {}", self.base_name(), files.join(", "));
                self.landing_failed(id, &what, String::new(), files);
            }
            SquashEnd::Overlap(overlap) => self.overlap(id, overlap),
            SquashEnd::Foreign(other) => {
                self.wait_outside(
                    id,
                    "foreign",
                    format!("its branch holds commits of {other}, which has not landed"),
                );
            }
            SquashEnd::Blocked(why) => self.block(id, why),
            SquashEnd::Waits(why) => self.wait_outside(id, "base", why),
        }
    }

    /// Decides what a commit that could land needs before it does.
    fn consider(&mut self, id: &StoryId, candidate: Candidate) {
        if !self.obstacles(id).is_empty() {
            return;
        }
        let gates = &candidate.gates;
        if gates.is_empty() || self.landing.is_green(&candidate.tree, gates) {
            self.advance(id, candidate);
            return;
        }
        let base_green = self.landing.is_green(&candidate.base_tree, gates);
        if base_green {
            self.landing.red = None;
        }
        if let Some(red) = self.landing.red.clone() {
            if red.tip == candidate.base && red.gates == *gates {
                self.wait_for_base(id, &red);
                return;
            }
            self.landing.red = None;
        }
        if !base_green && self.landing.moved_by_others(&candidate) {
            self.gate_base(id, candidate, None);
        } else {
            self.gate_candidate(id, candidate);
        }
    }

    /// Whether one more round of merge gates fits; else the story waits for it.
    fn may_gate(&mut self, id: &StoryId) -> bool {
        let free = self.gates_free();
        if !free {
            let again = self.now.mono_ms + LOOK_AGAIN_MS;
            self.track_mut(id).wait = Some(Self::gone_wait("all gate rounds are taken".to_owned(), again));
        }
        free
    }

    fn gate_candidate(&mut self, id: &StoryId, candidate: Candidate) {
        if !self.may_gate(id) {
            return;
        }
        let place = GatesPlace::Commit(candidate.commit.clone());
        let gates = candidate.gates.clone();
        let names = gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>().join(", ");
        let (run, config) = (self.last_run(id), self.config.clone());
        let op = self.begin(id, |op| Work::LandingGating(op, candidate));
        self.out.push(Effect::Gates(op, GatesOrder { story: id.clone(), run, place, gates, config }));
        self.tell(Topic::Merging, Some(id), format!("merge gates: {names}"));
    }

    fn gate_base(&mut self, id: &StoryId, candidate: Candidate, red: Option<GateResult>) {
        if !self.may_gate(id) {
            return;
        }
        let (gates, config, run) = (candidate.gates.clone(), self.config.clone(), self.last_run(id));
        let place = GatesPlace::Commit(candidate.base.clone());
        let op = self.begin(id, |op| Work::BaseGating(op, candidate, red));
        self.out.push(Effect::Gates(op, GatesOrder { story: id.clone(), run, place, gates, config }));
        self.tell(Topic::Merging, Some(id), format!("merge gates on {} itself", self.base_name()));
    }

    /// Whether a landing may go on after a round: nothing came up for its story, and the gates are still the same.
    /// Else it begins again when it may; what was green is on record.
    fn goes_on(&self, id: &StoryId, candidate: &Candidate) -> bool {
        self.obstacles(id).is_empty() && candidate.gates == self.merge_gates()
    }

    pub(super) fn landing_gated(&mut self, id: &StoryId, candidate: Candidate, end: GatesEnd) {
        let results = match end {
            GatesEnd::Cancelled => return,
            GatesEnd::Waits(why) => return self.wait_outside(id, "gates", why),
            GatesEnd::Ran(results) => results,
        };
        let red = failed(&results).cloned();
        match &red {
            None => {
                self.tell_gates(Topic::Green, Some(id), "merge gates passed", results);
                self.landing.note_green(candidate.tree.clone(), candidate.gates.clone());
            }
            Some(red) => {
                self.tell_gates(Topic::Red, Some(id), format!("merge gate {} failed", red.name), results);
            }
        }
        if !self.goes_on(id, &candidate) {
            return;
        }
        match red {
            None => self.advance(id, candidate),
            Some(red) if self.landing.is_green(&candidate.base_tree, &candidate.gates) => self.blame(id, red),
            red => self.gate_base(id, candidate, red),
        }
    }

    pub(super) fn base_gated(
        &mut self,
        id: &StoryId,
        candidate: Candidate,
        story_red: Option<GateResult>,
        end: GatesEnd,
    ) {
        let results = match end {
            GatesEnd::Cancelled => return,
            GatesEnd::Waits(why) => return self.wait_outside(id, "gates", why),
            GatesEnd::Ran(results) => results,
        };
        if let Some(red) = failed(&results) {
            let why = red.failure.clone().unwrap_or_default();
            let (tip, gate) = (candidate.base, red.name.clone());
            let red = RedBase { tip, gate, why, gates: candidate.gates };
            self.tell(Topic::Waiting, Some(id), format!("base is red: {} ({})", red.gate, red.why));
            self.wait_for_base(id, &red);
            self.landing.red = Some(red);
            return;
        }
        self.landing.note_green(candidate.base_tree.clone(), candidate.gates.clone());
        self.landing.known_base = Some(candidate.base.clone());
        if !self.goes_on(id, &candidate) {
            return;
        }
        match story_red {
            Some(red) => self.blame(id, red),
            None => self.gate_candidate(id, candidate),
        }
    }

    fn wait_for_base(&mut self, id: &StoryId, red: &RedBase) {
        let again_ms = Some(self.now.mono_ms + LOOK_AGAIN_MS);
        let detail = format!("base is red: {} ({})", red.gate, red.why);
        let hint = Some(format!("mend {} itself: no story is to blame", self.base_name()));
        self.track_mut(id).wait = Some(Wait { what: "base_red", detail, hint, again_ms });
    }

    fn blame(&mut self, id: &StoryId, red: GateResult) {
        let why = red.failure.unwrap_or_default();
        self.landing_failed(id, &format!("merge gate {} failed: {why}", red.name), red.tail, Vec::new());
    }

    /// A landing that failed by the story's own fault: once back to the coder, then to the mergemaster, then a person.
    fn landing_failed(&mut self, id: &StoryId, what: &str, tail: String, files: Vec<String>) {
        let wall = self.now.wall;
        let has_mergemaster = self.config.agents_of(Role::Mergemaster).next().is_some();
        let memory = self.track_mut(id).change();
        memory.landings_failed += 1;
        let (count, mends) = (memory.landings_failed, memory.mends);
        memory.note(Note {
            attempt: count,
            at: wall,
            what: format!("did not land: {what}"),
            tail,
            landing: Some(files),
        });
        self.tell(Topic::Red, Some(id), format!("did not land: {what}"));
        if count == 1 {
            self.move_to(id, Stage::Current);
        } else if has_mergemaster && mends < MENDS_MAX {
            self.track_mut(id).change().step = Step::Mend;
        } else {
            self.block(id, format!("does not land: {what}"));
        }
    }

    pub(super) fn mend_failed(&mut self, id: &StoryId, why: &str, tail: String) {
        let now = self.now;
        let track = self.track_mut(id);
        track.not_before_ms = Some(now.mono_ms + 1_000);
        let memory = track.change();
        let mends = memory.mends;
        memory.note(Note { attempt: mends, at: now.wall, what: why.to_owned(), tail, landing: None });
        if mends >= MENDS_MAX {
            self.block(
                id,
                format!("does not land, and {mends} runs of the mergemaster did not mend it: {why}"),
            );
        }
    }

    /// A mergemaster says that it is mended: it is tried again, by a person first where it touches what is protected.
    pub(super) fn mended(&mut self, id: &StoryId) {
        let track = self.track_mut(id);
        let guarded = !track.memory.protected.is_empty() && !track.memory.by_person;
        track.change().step = Step::Begin;
        if guarded {
            self.move_to(id, Stage::Qa);
        }
    }

    fn overlap(&mut self, id: &StoryId, overlap: Overlap) {
        let files =
            if overlap.files.is_empty() { String::new() } else { format!(": {}", overlap.files.join(", ")) };
        let detail = format!("{} in {}{files}", overlap.why, overlap.folder);
        let again_ms = Some(self.now.mono_ms + OVERLAP_MS);
        if self
            .tracks
            .get(id)
            .is_none_or(|track| track.wait.as_ref().is_none_or(|wait| wait.detail != detail))
        {
            self.tell(Topic::Waiting, Some(id), detail.clone());
        }
        let hint = if overlap.files.is_empty() {
            "it lands by itself when that is over"
        } else {
            "commit, stash or revert them; it lands by itself then"
        };
        let hint = Some(hint.to_owned());
        self.track_mut(id).wait = Some(Wait { what: "checkout", detail, hint, again_ms });
    }

    fn advance(&mut self, id: &StoryId, candidate: Candidate) {
        let order = AdvanceOrder {
            story: id.clone(),
            old: candidate.base.clone(),
            new: candidate.commit.clone(),
            tip: candidate.tip.clone(),
        };
        let op = self.begin(id, |op| Work::Advancing(op, candidate));
        self.out.push(Effect::Advance(op, order));
    }

    pub(super) fn advanced(&mut self, id: &StoryId, candidate: &Candidate, end: AdvanceEnd) {
        match end {
            AdvanceEnd::Advanced => self.landed(id, &candidate.commit),
            AdvanceEnd::BaseMoved => {
                let base = self.base_name();
                let track = self.track_mut(id);
                track.base_moved += 1;
                let times = track.base_moved;
                if times > BASE_MOVED_QUIET {
                    self.tell(
                        Topic::Waiting,
                        Some(id),
                        format!("{base} moved {times} times meanwhile; tried again"),
                    );
                }
            }
            AdvanceEnd::Overlap(overlap) => self.overlap(id, overlap),
            AdvanceEnd::BaseMissing(why) => self.wait_outside(id, "base", why),
            AdvanceEnd::Failed(why) => {
                let track = self.track_mut(id);
                track.refused += 1;
                if track.refused >= REFUSED_MAX {
                    self.block(id, format!("git does not move {}: {why}", self.base_name()));
                } else {
                    self.wait_outside(id, "git", why);
                }
            }
        }
    }

    fn landed(&mut self, id: &StoryId, commit: &Oid) {
        self.landing.known_base = Some(commit.clone());
        self.landing.red = None;
        let text = format!("landed on {} as {}", self.base_name(), commit.short());
        self.tell(Topic::Landed, Some(id), text);
        // From merge it goes to done; a person who has taken it elsewhere meanwhile is followed there.
        self.track_mut(id).change().landed = Some(commit.clone());
    }

    /// The remote that base is pushed to after a landing.
    pub(super) fn push_remote(&self) -> Option<String> {
        Some(self.config.merge.push.clone()).filter(|remote| !remote.is_empty())
    }

    pub(super) fn base_name(&self) -> String {
        self.config.base_branch.clone().unwrap_or_else(|| "base".to_owned())
    }
}
