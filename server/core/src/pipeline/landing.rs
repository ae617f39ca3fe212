//! What landing knows of base: which trees passed the merge gates, and whether base itself is red.

use std::collections::VecDeque;

use super::track::{Candidate, Track, Work};
use super::{Pipeline, SETTLE_MS};
use crate::board::Placement;
use crate::config::Gate;
use crate::effect::Effect;
use crate::facts::Intent;
use crate::ids::{Oid, StoryId};
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
    /// The gates of that round; under others it may be green.
    pub(super) gates: Vec<Gate>,
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
    /// Finishes landings that were on their way: base has them. Until their files are in done they count as in merge,
    /// since storkit itself moves them nowhere else; where a person took one is then followed as any move is.
    pub(super) fn settle_intents(&mut self) {
        for intent in std::mem::take(&mut self.landing.intents) {
            let id = intent.story.clone();
            if !intent.landed {
                continue;
            }
            let Some(stage) = self.board.stage(&id) else {
                if self.is_deleted(&id) {
                    self.finish_deleted(&id);
                } else {
                    // Away for a moment, or in two places.
                    self.landing.intents.push(intent);
                }
                continue;
            };
            let remembered = self.remembered.get(&id).and_then(|memory| memory.stage);
            if stage.is_closed() || remembered.is_some_and(Stage::is_closed) {
                self.out.push(Effect::Landed(id, self.push_remote()));
                continue;
            }
            if self.tracks.get(&id).is_none_or(|track| track.memory.stage.is_none()) {
                self.first_seen(&id, stage);
            }
            let memory = self.track_mut(&id).change();
            memory.stage = Some(Stage::Merge);
            memory.landed = Some(intent.commit);
            self.touched.insert(id);
        }
    }

    /// Whether a story was deleted while no daemon ran: it has no file for as long as that takes to count.
    fn is_deleted(&self, id: &StoryId) -> bool {
        let absent = matches!(self.board.placement(id), Placement::Absent);
        absent && self.now.mono_ms >= SETTLE_MS && self.tracks.get(id).is_none_or(Track::is_free)
    }

    /// Ends the landing of a story whose file is gone: base has its work, so its branch goes.
    pub(super) fn finish_deleted(&mut self, id: &StoryId) {
        self.out.push(Effect::Landed(id.clone(), self.push_remote()));
        let config = self.config.clone();
        let op = self.begin(id, Work::Closing);
        self.out.push(Effect::Close(op, id.clone(), config));
    }

    /// When a landing whose story has no file is to be looked at next.
    pub(super) fn next_intent_ms(&self) -> Option<u64> {
        let any = self.landing.intents.iter().any(|intent| intent.landed);
        Some(SETTLE_MS).filter(|at| any && *at > self.now.mono_ms)
    }
}
