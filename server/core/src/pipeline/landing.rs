//! What landing knows of base: which trees passed the merge gates, and whether base itself is red.

use std::collections::VecDeque;

use super::Pipeline;
use super::track::Candidate;
use crate::config::Gate;
use crate::facts::Intent;
use crate::ids::Oid;
use crate::stage::Stage;

/// Most gate records kept.
const RECORDS_MAX: usize = 64;

/// What landing knows of base.
#[derive(Debug, Default)]
pub(super) struct Landing {
    /// Landings that were on their way when the last daemon ended.
    pub(super) intents: Vec<Intent>,
    /// Base's tip as storkit last left it or had it gated.
    pub(super) known_base: Option<Oid>,
    /// Base is red at this tip.
    pub(super) red: Option<RedBase>,
    records: VecDeque<Record>,
}

/// A base that does not pass the merge gates.
#[derive(Debug, Clone)]
pub(super) struct RedBase {
    /// Base's tip.
    pub(super) tip: Oid,
    /// The gate that fails on it.
    pub(super) gate: String,
    /// Why.
    pub(super) why: String,
}

/// A tree on which the merge gates passed.
#[derive(Debug)]
struct Record {
    tree: Oid,
    gates: Vec<Gate>,
}

impl Landing {
    /// Whether these gates passed on that tree.
    pub(super) fn is_green(&self, tree: &Oid, gates: &[Gate]) -> bool {
        self.records.iter().any(|record| record.tree == *tree && record.gates == gates)
    }

    /// Notes that these gates passed on that tree.
    pub(super) fn note_green(&mut self, tree: Oid, gates: Vec<Gate>) {
        if !self.is_green(&tree, &gates) {
            self.records.push_back(Record { tree, gates });
        }
        while self.records.len() > RECORDS_MAX {
            self.records.pop_front();
        }
    }

    /// Whether others moved base since storkit last left it or had it gated.
    pub(super) fn moved_by_others(&self, candidate: &Candidate) -> bool {
        self.known_base.as_ref().is_some_and(|known| *known != candidate.base)
    }
}

impl Pipeline {
    /// Finishes landings that were on their way: base has them, so their files go to done, unless a person
    /// moved them meanwhile.
    pub(super) fn settle_intents(&mut self) {
        for intent in std::mem::take(&mut self.landing.intents) {
            let id = &intent.story;
            let Some(stage) = self.board.stage(id).filter(|_| intent.landed) else { continue };
            if !self.tracks.contains_key(id) {
                self.sync(id);
            }
            let acted = self.remembered_stage(id);
            if stage.is_closed() {
                self.out.push(crate::effect::Effect::Landed(id.clone(), self.push_remote()));
            } else if acted.is_none_or(|acted| acted == stage) {
                self.move_to(id, Stage::Done);
            } else {
                self.landed_elsewhere(id, &intent.commit);
            }
        }
    }

    fn remembered_stage(&self, id: &crate::ids::StoryId) -> Option<Stage> {
        self.tracks.get(id).and_then(|track| track.memory.stage)
    }
}
