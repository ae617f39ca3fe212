//! The pipeline: `handle(now, event) -> effects`, and nothing else goes in or out.
//!
//! Each event first changes what is known; then every story that is not at rest is asked what it needs next (`turn`).
//! A start, a restart and a person's move are therefore the same code: compare, then act.

mod asks;
mod close;
mod conditions;
mod current;
mod edits;
mod inside;
mod landing;
mod lifecycle;
mod limits;
mod merge;
mod money;
mod moves;
mod offline;
mod orders;
mod preview;
mod promote;
mod qa;
mod runs;
mod scan;
mod settle;
mod talk;
#[cfg(test)]
mod tests;
pub mod track;
pub mod view;
mod wake;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::board::Board;
use crate::config::{Agent, Config};
use crate::effect::{Effect, Notice, Topic};
use crate::event::{Event, Outcome};
use crate::facts::GateResult;
use crate::graph::Cycles;
use crate::ids::{AgentName, OpId, RunId, StoryId};
use crate::memory::Memory;
use crate::story::{Problem, Story};
use crate::time::Now;

use landing::Landing;
use track::{Track, Work};

/// How long a file must be gone, or in two places, before that counts: editors and `mv` do both for a moment.
pub const SETTLE_MS: u64 = 2_000;
/// The grace that agents get between TERM and KILL when a run is ended.
pub const GRACE_STOP_MS: u64 = 3_000;
/// The same when the daemon ends.
pub const GRACE_DOWN_MS: u64 = 5_000;

/// Why nothing starts, board-wide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// In words.
    pub why: String,
    /// Whether git changed the board, so that moves are shown but not followed.
    pub by_git: bool,
}

/// An agent that may not be used.
#[derive(Debug, Clone)]
struct Drain {
    why: String,
    agent: Agent,
}

/// What an effect in flight is for.
#[derive(Debug)]
enum Purpose {
    /// A story's own work.
    Work(StoryId),
    /// A step of a request.
    Ask(Box<asks::Script>),
}

/// The whole state of a board, and the rules that move it.
#[derive(Debug)]
pub struct Pipeline {
    seed: u64,
    now: Now,
    seq: u64,
    ops_made: u64,
    config: Arc<Config>,
    config_problems: Vec<Problem>,
    board: Board,
    board_problems: Vec<Problem>,
    cycles: Cycles,
    cycles_stale: bool,
    epics_stale: bool,
    tracks: BTreeMap<StoryId, Track>,
    remembered: BTreeMap<StoryId, Memory>,
    branches: BTreeSet<StoryId>,
    ops: BTreeMap<OpId, Purpose>,
    /// Requests that wait until another write of their story's file is done.
    parked: BTreeMap<StoryId, VecDeque<asks::Script>>,
    touched: BTreeSet<StoryId>,
    /// Stories that look other than they did when that was last asked.
    changed: BTreeSet<StoryId>,
    restless: BTreeSet<StoryId>,
    started: bool,
    scanned: bool,
    awake: bool,
    offline: bool,
    pause: Option<Pause>,
    drained: BTreeMap<AgentName, Drain>,
    limits: limits::Limits,
    landing: Landing,
    stopping: Option<u64>,
    stopped: bool,
    disk_free: Option<u64>,
    spent: (String, f64),
    swept_ms: u64,
    out: Vec<Effect>,
}

impl Pipeline {
    /// A pipeline that knows nothing yet. `seed` makes its run ids differ from those of other daemons.
    pub fn new(seed: u64, config: Arc<Config>) -> Self {
        Self {
            seed,
            now: Now::default(),
            seq: 0,
            ops_made: 0,
            config,
            config_problems: Vec::new(),
            board: Board::default(),
            board_problems: Vec::new(),
            cycles: Cycles::new(),
            cycles_stale: false,
            epics_stale: false,
            tracks: BTreeMap::new(),
            remembered: BTreeMap::new(),
            branches: BTreeSet::new(),
            ops: BTreeMap::new(),
            parked: BTreeMap::new(),
            touched: BTreeSet::new(),
            changed: BTreeSet::new(),
            restless: BTreeSet::new(),
            started: false,
            scanned: false,
            awake: false,
            offline: false,
            pause: None,
            drained: BTreeMap::new(),
            limits: limits::Limits::default(),
            landing: Landing::default(),
            stopping: None,
            stopped: false,
            disk_free: None,
            spent: (String::new(), 0.0),
            swept_ms: 0,
            out: Vec::new(),
        }
    }

    /// Takes one event and says what is to be done.
    #[must_use = "effects that nobody carries out are never answered"]
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Effect> {
        self.now = Now { mono_ms: now.mono_ms.max(self.now.mono_ms), wall: now.wall };
        self.seq += 1;
        self.expire_limits();
        self.take(event);
        if self.is_ready() {
            self.turn();
        } else {
            self.stop_when_idle();
        }
        std::mem::take(&mut self.out)
    }

    /// Whether it has heard what there is and seen the whole board once. Before that no request is answered rightly.
    pub fn is_ready(&self) -> bool {
        self.started && self.scanned
    }

    /// Stories whose file or state is another than when this was asked last; none of them is of the first look.
    pub fn take_changed(&mut self) -> BTreeSet<StoryId> {
        let changed = std::mem::take(&mut self.changed);
        if self.scanned { changed } else { BTreeSet::new() }
    }

    /// The number of events handled: what a scan that begins now is to carry as its `begin`.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The monotonic time of the last event, in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now.mono_ms
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The board as last seen.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// What is known of a story beyond its file.
    pub fn track(&self, id: &StoryId) -> Option<&Track> {
        self.tracks.get(id)
    }

    /// All tracks.
    pub fn tracks(&self) -> impl Iterator<Item = (&StoryId, &Track)> {
        self.tracks.iter()
    }

    /// Effects in flight.
    pub fn in_flight(&self) -> usize {
        self.ops.len()
    }

    /// Whether an effect is still awaited.
    pub fn awaits(&self, op: OpId) -> bool {
        self.ops.contains_key(&op)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Started(start) => self.take_start(*start),
            Event::Scanned(scan) => self.take_scan(scan),
            Event::Configured(config, warnings) => self.take_config(config, warnings),
            Event::Misconfigured(problems) => self.config_problems = problems,
            Event::Woken => {}
            Event::Ended(op, outcome) => self.take_outcome(op, outcome),
            Event::RunStarted(op) => self.take_run_started(op),
            Event::Classified(op, model) => self.take_classified(op, &model),
            Event::RunSpent(op, usd) => self.take_run_spent(op, usd),
            Event::Asked(ask, request) => self.take_ask(ask, request),
            Event::DiskFree(bytes) => self.disk_free = Some(bytes),
            Event::ShutDown { now } => self.take_shut_down(now),
        }
    }

    fn take_outcome(&mut self, op: OpId, outcome: Outcome) {
        match self.ops.remove(&op) {
            None => {}
            Some(Purpose::Ask(script)) => self.take_ask_outcome(*script, outcome),
            Some(Purpose::Work(id)) => {
                let Some(track) = self.tracks.get_mut(&id) else { return };
                let work = std::mem::take(&mut track.work);
                let cancelled = std::mem::take(&mut track.abandoned);
                // Nor does a result count that belongs to a stage which the story has left.
                let left = self.board.stage(&id).is_some_and(|stage| track.memory.stage != Some(stage));
                let abandoned = cancelled || left;
                self.touched.insert(id.clone());
                self.take_work(&id, work, abandoned, outcome);
                self.unpark(&id);
            }
        }
    }

    fn take_work(&mut self, id: &StoryId, work: Work, abandoned: bool, outcome: Outcome) {
        if let Outcome::Crashed(why) = outcome {
            self.work_crashed(id, work, &why);
            return;
        }
        match (work, outcome) {
            (Work::Moving(_, to), Outcome::Move(end)) => self.moved(id, to, end),
            (Work::Editing(_, edits), Outcome::Edit(end)) => self.edited(id, edits, end),
            (Work::Inspecting(_), Outcome::Inspect(facts)) if !abandoned => self.inspected(id, facts),
            (Work::Preparing(_, run), Outcome::Prepare(end)) => self.prepared(id, run, end, abandoned),
            (Work::Running(_, run), Outcome::Run(facts)) => self.run_over(id, &run, *facts, abandoned),
            (Work::Gating(_), Outcome::Gates(end)) if !abandoned => self.gated(id, end),
            (Work::Squashing(_), Outcome::Squash(end)) if !abandoned => self.squashed(id, end),
            (Work::BaseGating(_, candidate, red), Outcome::Gates(end)) if !abandoned => {
                self.base_gated(id, candidate, red, end);
            }
            (Work::LandingGating(_, candidate), Outcome::Gates(end)) if !abandoned => {
                self.landing_gated(id, candidate, end);
            }
            (Work::Advancing(_, candidate), Outcome::Advance(end)) => self.advanced(id, &candidate, end),
            (Work::Closing(_), Outcome::Close(end)) => self.closed(id, end),
            // Abandoned work whose result does not count.
            _ => {}
        }
    }

    fn new_op(&mut self, purpose: Purpose) -> OpId {
        self.ops_made += 1;
        let op = OpId(self.ops_made);
        self.ops.insert(op, purpose);
        op
    }

    /// Notes that `id` has the work that `make` builds around a new op, and returns the op.
    fn begin(&mut self, id: &StoryId, make: impl FnOnce(OpId) -> Work) -> OpId {
        let op = self.new_op(Purpose::Work(id.clone()));
        let track = self.tracks.entry(id.clone()).or_default();
        debug_assert!(track.is_free(), "one piece of work per story: {id} has {:?}", track.work);
        track.work = make(op);
        track.abandoned = false;
        op
    }

    /// A run id of version 7 from the time, the seed and a count: unique without a random number in the core.
    fn new_run(&mut self) -> RunId {
        self.ops_made += 1;
        let mut random = [0_u8; 10];
        let high = mix(self.seed ^ self.ops_made);
        let low = mix(high ^ self.seed.rotate_left(32));
        random[..8].copy_from_slice(&high.to_be_bytes());
        random[8..].copy_from_slice(&low.to_be_bytes()[..2]);
        let millis = u64::try_from(self.now.wall.0).unwrap_or_default();
        RunId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    fn story(&self, id: &StoryId) -> Option<&Story> {
        self.board.story(id)
    }

    fn track_mut(&mut self, id: &StoryId) -> &mut Track {
        self.tracks.entry(id.clone()).or_default()
    }

    fn tell(&mut self, topic: Topic, story: Option<&StoryId>, text: impl Into<String>) {
        self.tell_gates(topic, story, text, Vec::new());
    }

    fn tell_gates(
        &mut self,
        topic: Topic,
        story: Option<&StoryId>,
        text: impl Into<String>,
        gates: Vec<GateResult>,
    ) {
        let notice = Notice { at: self.now.wall, topic, story: story.cloned(), text: text.into(), gates };
        self.out.push(Effect::Tell(notice));
    }

    fn cancel(&mut self, id: &StoryId, grace_ms: u64) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        if track.abandoned || !track.work.can_be_cancelled() {
            return;
        }
        if let Some(op) = track.work.op() {
            track.abandoned = true;
            self.out.push(Effect::Cancel { op, grace_ms });
        }
    }
}

/// `SplitMix64`'s finaliser (Steele, Lea and Flood, 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
