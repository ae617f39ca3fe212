//! The fake world around the real pipeline: one clock, one queue of what is still to happen, and the loop between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use storkit_core::config::Config;
use storkit_core::effect::Effect;
use storkit_core::event::{AskId, Event, Outcome};
use storkit_core::ids::{OpId, StoryId};
use storkit_core::invariants::{self, Checked, Violation};
use storkit_core::memory::{LimitMemo, Memory};
use storkit_core::pipeline::Pipeline;
use storkit_core::stage::Stage;
use storkit_core::time::{Now, Wall};

use crate::check::Watch;
use crate::exec::Flight;
use crate::files::Files;
use crate::git::Git;
use crate::mutant::Mutant;
use crate::people::Draft;
use crate::rng::Rng;
use crate::scanner::Scanner;
use crate::settings::{Trouble, config};
use crate::trace::{Trace, brief};

/// The time of day at which every world begins, in milliseconds since 1970.
const BEGIN: i64 = 1_795_000_000_000;

/// Something that is still to happen.
#[derive(Debug)]
pub(crate) enum Task {
    /// An effect goes on with its next part.
    Act(OpId, u32),
    /// An effect is answered.
    Answer(OpId, Outcome),
    RunStarted(OpId),
    Landed(StoryId),
    Wake,
    ScanBegin,
    ScanStep,
    ScanAll,
    /// The ledger's writer catches up.
    Flush,
    People,
    Save(Box<Draft>),
    PutBack(Box<Draft>),
    Helper,
    Others,
    Trouble,
    Up,
    StopsBy,
    Die(u32),
}

/// What the ledger has, and what was handed to it and is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) memory: BTreeMap<StoryId, (u64, Memory)>,
    pub(crate) pause: Option<String>,
    pub(crate) limits: Vec<LimitMemo>,
    pub(crate) tail: VecDeque<Line>,
}

/// One line for the ledger.
#[derive(Debug)]
pub(crate) enum Line {
    Memory(StoryId, u64, Option<Box<Memory>>),
    Pause(Option<String>),
    Limits(Vec<LimitMemo>),
}

/// A process of a run or a gate.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) story: StoryId,
}

/// The world.
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) wall_shift: i64,
    pub(crate) trouble: Trouble,
    pub(crate) mutant: Option<Mutant>,
    /// Whether the faults are over.
    pub(crate) calm: bool,
    pub(crate) helped_enough: bool,
    pub(crate) config: Arc<Config>,
    pub(crate) files: Files,
    pub(crate) git: Git,
    pub(crate) ledger: Ledger,
    pub(crate) processes: Vec<Process>,
    pub(crate) pids: u32,
    pub(crate) pipe: Option<Pipeline>,
    pub(crate) life: u32,
    pub(crate) flights: BTreeMap<OpId, Flight>,
    pub(crate) scanner: Scanner,
    pub(crate) asks: BTreeSet<AskId>,
    pub(crate) asked: u64,
    pub(crate) watch: Watch,
    pub(crate) trace: Trace,
    queue: BTreeMap<(u64, u64), (u32, Task)>,
    queued: u64,
    wake_at: Option<u64>,
}

impl World {
    /// The world of a seed.
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, trace: Trace) -> Self {
        let mut rng = Rng::new(seed);
        let trouble = Trouble::new(&mut rng);
        let config = config(&mut rng);
        let mut world = Self {
            rng,
            now: 0,
            wall_shift: 0,
            trouble,
            mutant,
            calm: false,
            helped_enough: false,
            config,
            files: Files::default(),
            git: Git::new(),
            ledger: Ledger::default(),
            processes: Vec::new(),
            pids: 0,
            pipe: None,
            life: 1,
            flights: BTreeMap::new(),
            scanner: Scanner::default(),
            asks: BTreeSet::new(),
            asked: 0,
            watch: Watch::default(),
            trace,
            queue: BTreeMap::new(),
            queued: 0,
            wake_at: None,
        };
        for _ in 0..world.trouble.stories {
            world.new_story();
        }
        // Base may be red before storkit ever lands on it.
        if world.rng.chance(world.trouble.base_red / 2) {
            world.outside_commit();
        }
        world.later_for_all(0, Task::Up);
        world.later_for_all(500, Task::People);
        world.later_for_all(1_000, Task::Trouble);
        world.later_for_all(2_000, Task::Others);
        world
    }

    pub(crate) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Puts a task of this daemon's life into the queue.
    pub(crate) fn later(&mut self, after_ms: u64, task: Task) {
        self.push(after_ms, self.life, task);
    }

    /// Puts a task into the queue that happens whatever becomes of the daemon.
    pub(crate) fn later_for_all(&mut self, after_ms: u64, task: Task) {
        self.push(after_ms, 0, task);
    }

    fn push(&mut self, after_ms: u64, life: u32, task: Task) {
        self.queued += 1;
        self.queue.insert((self.now + after_ms, self.queued), (life, task));
    }

    /// How long something small takes: mostly a few milliseconds.
    pub(crate) fn small(&mut self) -> u64 {
        let slow = if self.calm { 0 } else { self.trouble.slow };
        if self.rng.chance(slow) { self.rng.between(50, 6_000) } else { self.rng.between(1, 20) }
    }

    pub(crate) fn moment(&self) -> Now {
        let mono = i64::try_from(self.now).expect("a simulated time");
        Now { mono_ms: self.now, wall: Wall(BEGIN + mono + self.wall_shift) }
    }

    /// Lets the next thing happen. False when nothing is left.
    pub(crate) fn step(&mut self) -> Result<bool, Violation> {
        let Some(((at, _), (life, task))) = self.queue.pop_first() else { return Ok(false) };
        self.now = self.now.max(at);
        if life == 0 || life == self.life {
            self.perform(task)?;
            self.note_changes();
            self.check_files()?;
        }
        Ok(true)
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    fn perform(&mut self, task: Task) -> Checked {
        match task {
            Task::Act(op, token) => self.act(op, token),
            Task::Answer(op, outcome) => self.answer(op, outcome),
            Task::RunStarted(op) => self.deliver(Event::RunStarted(op)),
            Task::Landed(id) => {
                self.git.landing.remove(&id);
                Ok(())
            }
            Task::Wake => self.wake(),
            Task::ScanBegin => {
                self.scan_begin();
                Ok(())
            }
            Task::ScanStep => self.scan_step(),
            Task::ScanAll => {
                self.scan_all();
                Ok(())
            }
            Task::Flush => {
                self.flush();
                Ok(())
            }
            Task::People => self.people(),
            Task::Save(draft) => {
                self.save(*draft);
                Ok(())
            }
            Task::PutBack(draft) => {
                self.put_back(*draft);
                Ok(())
            }
            Task::Helper => self.help(),
            Task::Others => {
                self.others();
                Ok(())
            }
            Task::Trouble => self.make_trouble(),
            Task::Up => self.up(),
            Task::StopsBy => {
                Err(Violation::new("a daemon that is told to end ends", format!("{:?}", self.flights)))
            }
            Task::Die(pid) => {
                self.processes.retain(|process| process.pid != pid);
                Ok(())
            }
        }
    }

    fn answer(&mut self, op: OpId, outcome: Outcome) -> Checked {
        // One that was answered too early still acts.
        if self
            .flights
            .get(&op)
            .is_some_and(|flight| flight.part > 0 || !self.is_mutant(Mutant::AnswerBeforeAct))
        {
            self.flights.remove(&op);
        }
        if self.is_mutant(Mutant::AnswerLost) && self.rng.chance(3) {
            return Ok(());
        }
        let again = (!self.calm && self.rng.chance(self.trouble.doubled / 4)).then(|| outcome.clone());
        self.deliver(Event::Ended(op, outcome))?;
        match again {
            Some(outcome) => self.deliver(Event::Ended(op, outcome)),
            None => Ok(()),
        }
    }

    fn wake(&mut self) -> Checked {
        if self.wake_at.is_none_or(|at| at > self.now) {
            return Ok(());
        }
        self.wake_at = None;
        self.watch.wakes(self.now)?;
        self.deliver(Event::Woken)
    }

    /// Hands an event to the pipeline, checks its answer, and begins to carry it out.
    pub(crate) fn deliver(&mut self, event: Event) -> Checked {
        let Some(mut pipe) = self.pipe.take() else { return Ok(()) };
        let moment = self.moment();
        self.trace.note(self.now, || format!("→ {}", crate::trace::brief_event(&event)));
        let before = self.before(&pipe, &event);
        let effects = pipe.handle(moment, event);
        for effect in &effects {
            self.trace.note(self.now, || format!("   ← {}", brief(effect)));
        }
        invariants::check(&pipe)?;
        invariants::check_effects(&pipe, &effects)?;
        self.after(&pipe, before, &effects)?;
        let wake_at = pipe.next_wake();
        let owns: Vec<(OpId, bool)> = effects
            .iter()
            .filter_map(crate::exec::op_of)
            .map(|op| (op, pipe.tracks().any(|(_, track)| track.work.op() == Some(op))))
            .collect();
        self.pipe = Some(pipe);
        for effect in effects {
            self.accept(effect, &owns)?;
        }
        if wake_at != self.wake_at && self.pipe.is_some() {
            self.wake_at = wake_at;
            if let Some(at) = wake_at {
                self.later(at.saturating_sub(self.now), Task::Wake);
            }
        }
        Ok(())
    }

    fn accept(&mut self, effect: Effect, owns: &[(OpId, bool)]) -> Checked {
        match effect {
            Effect::Cancel { op, grace_ms } => self.cancel(op, grace_ms),
            Effect::Rescan(keys) => self.look_at(keys),
            Effect::Landed(id, _) => {
                let after = self.small();
                self.later(after, Task::Landed(id));
            }
            Effect::Remember(id, memory) => {
                self.ledger.tail.push_back(Line::Memory(id, self.now, memory));
                let after = self.small();
                self.later(after, Task::Flush);
            }
            Effect::RememberPause(why) => {
                self.ledger.tail.push_back(Line::Pause(why));
                let after = self.small();
                self.later(after, Task::Flush);
            }
            Effect::RememberLimits(limits) => {
                self.ledger.tail.push_back(Line::Limits(limits));
                let after = self.small();
                self.later(after, Task::Flush);
            }
            Effect::Answer(ask, _) => {
                if !self.asks.remove(&ask) {
                    return Err(Violation::new("a request is answered once", format!("{ask:?}")));
                }
            }
            Effect::Stop => return self.ended(),
            Effect::RunBegan(_)
            | Effect::RunOver(_)
            | Effect::Sent(_)
            | Effect::Asks(_)
            | Effect::Tell(_) => {}
            effect => {
                let op = crate::exec::op_of(&effect).expect("the rest has one");
                let own = owns.iter().any(|(other, own)| *other == op && *own);
                return self.fly(op, effect, own);
            }
        }
        Ok(())
    }

    /// The ledger's writer writes a part of what was handed to it.
    fn flush(&mut self) {
        let lines = self.rng.index(self.ledger.tail.len() + 1).max(1);
        for _ in 0..lines {
            let Some(line) = self.ledger.tail.pop_front() else { return };
            self.ledger.write(line);
        }
    }

    /// A new story, in some stage.
    pub(crate) fn new_story(&mut self) {
        use storkit_core::story::Kind;
        let number = self.files.saved.len() as u64 + 1 + self.rng.below(2) * 4;
        let name: Arc<str> = format!("{number}_story_x.md").into();
        if !self.files.find(&name).is_empty() {
            return;
        }
        let kind = self.rng.weighed(&[(8, Kind::Story), (1, Kind::Bug), (2, Kind::Spike), (1, Kind::Epic)]);
        let stage = self.rng.weighed(&[
            (3, Stage::Backlog),
            (6, Stage::Current),
            (1, Stage::Qa),
            (1, Stage::Merge),
            (1, Stage::Done),
        ]);
        let (fid, version) = (self.files.new_fid(), self.files.new_version());
        let mut file = crate::files::File::new(fid, kind, version);
        if self.rng.chance(30) {
            file.person.depends_on = vec![self.rng.between(1, number.max(2))];
        }
        if self.rng.chance(15) && kind != Kind::Epic {
            file.person.epic = Some(self.rng.between(1, number.max(2)));
        }
        self.files.save(&crate::files::key(stage, &name), file);
    }
}

impl Ledger {
    pub(crate) fn write(&mut self, line: Line) {
        match line {
            Line::Memory(id, at, Some(memory)) => {
                self.memory.insert(id, (at, *memory));
            }
            Line::Memory(id, _, None) => {
                self.memory.remove(&id);
            }
            Line::Pause(why) => self.pause = why,
            Line::Limits(limits) => self.limits = limits,
        }
    }
}
