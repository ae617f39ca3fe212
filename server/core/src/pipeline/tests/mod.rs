//! The pipeline driven by hand: a desk that holds files and moves and writes them as told, and a test that plays the
//! agents, the gates and git.

mod accounts;
mod cells;
mod counts;
mod landing;
mod leave;
mod models;
mod money;
mod people;
mod requests;
mod rules;
mod table;
mod talk;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Pipeline;
use crate::config::{
    Agent, BoardRules, Config, Gate, GateStage, Limits, Merge, Permissions, Role, Runtime, Sandbox, Server,
    Worktrees,
};
use crate::effect::{Effect, RunOrder};
use crate::event::{AskId, Event, Outcome, Start};
use crate::facts::{
    AdvanceEnd, BranchFacts, CloseEnd, Edit, EditEnd, GateResult, GatesEnd, MoveEnd, PrepareEnd, ProcessEnd,
    RunFacts, SquashEnd,
};
use crate::ids::{AgentName, Oid, OpId, StoryId};
use crate::invariants;
use crate::memory::Memory;
use crate::request::{Refusal, Reply, Request};
use crate::sighting::{FileKey, Scan, Seen};
use crate::snapshot::State;
use crate::stage::Stage;
use crate::story::{Kind, Overrides, Problem, Qa, Size, Story};
use crate::time::{Now, Wall};

pub(super) fn id(text: &str) -> StoryId {
    StoryId::new(text).expect("a good id")
}

pub(super) fn oid(digit: char) -> Oid {
    Oid::new(&digit.to_string().repeat(40)).expect("forty hex digits")
}

pub(super) fn agent(name: &str) -> Agent {
    Agent {
        name: AgentName::new(name).expect("a good name"),
        role: Role::of_name(name),
        runtime: Runtime::Command,
        instances: 1,
        model: String::new(),
        prompt: None,
        command: "agent".to_owned(),
        args: Vec::new(),
        env: BTreeMap::new(),
        env_pass: Vec::new(),
        max_turns: 0,
        permissions: Permissions::Allow,
        max_budget_usd: 0.0,
        timeout_ms: 1,
        inactivity_timeout_ms: 1,
    }
}

pub(super) fn gate(name: &str) -> Gate {
    let stages = vec![GateStage::Current, GateStage::Merge];
    Gate { name: name.to_owned(), run: name.to_owned(), stages, timeout_ms: 1, expect: String::new() }
}

/// One coder, one gate, and the defaults of the interface.
pub(super) fn config() -> Config {
    Config {
        base_branch: Some("main".to_owned()),
        qa: Qa::Server,
        max_retries: 3,
        max_rejections: 3,
        answer_settle_ms: 10_000,
        gate_env_pass: Vec::new(),
        limits: Limits {
            agents: 4,
            gates: 2,
            budget_usd: 0.0,
            story_budget_usd: 0.0,
            disk_reserve_bytes: 1_000,
        },
        board: BoardRules { archive_after_ms: 4 * 3_600_000, auto_promote: true, wip_current: 0, wip_qa: 0 },
        worktrees: Worktrees::default(),
        components: Vec::new(),
        routes: Vec::new(),
        prices: Vec::new(),
        classifier: None,
        notify: Vec::new(),
        gates: vec![gate("tests")],
        merge: Merge { protect: vec![".storkit/".to_owned()], ..Merge::default() },
        sandbox: Sandbox::default(),
        server: Server::default(),
        agents: vec![agent("coder-1")],
    }
}

pub(super) fn story(name: &str, stage: Stage) -> Story {
    let id = id(name);
    Story {
        stage,
        name: id.words(),
        kind: Kind::Story,
        epic: None,
        depends_on: Vec::new(),
        priority: 3,
        agent: None,
        qa: None,
        hold: None,
        overrides: Overrides::default(),
        labels: Vec::new(),
        blocked: None,
        review_hold: None,
        question: None,
        answered: false,
        verdict: None,
        size: Size::S,
        content: 0,
        id,
    }
}

/// Files, and the pipeline that follows them. Moves and edits are done at once; the rest waits for the test.
pub(super) struct Desk {
    pub(super) pipe: Pipeline,
    pub(super) files: BTreeMap<FileKey, Result<Story, Problem>>,
    pub(super) now: u64,
    /// What the pipeline wants done and nobody has done yet.
    pub(super) open: Vec<Effect>,
    /// What it had written into files, in order.
    pub(super) written: Vec<Edit>,
    pub(super) remembered: BTreeMap<StoryId, Memory>,
    /// What the next move does instead of what it should.
    pub(super) fault: Option<MoveEnd>,
    /// What the next edit does instead of what it should.
    pub(super) edit_fault: Option<EditEnd>,
    asked: u64,
    answers: BTreeMap<AskId, Result<Reply, Refusal>>,
}

impl Desk {
    pub(super) fn new(config: Config, stories: Vec<Story>) -> Self {
        Self::again(config, stories, Start::default())
    }

    /// A daemon that starts with what an earlier one left.
    pub(super) fn again(config: Config, stories: Vec<Story>, start: Start) -> Self {
        let mut desk = Self {
            pipe: Pipeline::new(1, Arc::new(config)),
            files: BTreeMap::new(),
            now: 1_000,
            open: Vec::new(),
            written: Vec::new(),
            remembered: start.memory.clone(),
            fault: None,
            edit_fault: None,
            asked: 0,
            answers: BTreeMap::new(),
        };
        for story in stories {
            let key = FileKey { stage: story.stage, name: story.id.file_name().into() };
            desk.files.insert(key, Ok(story));
        }
        desk.tell(Event::Started(Box::new(start)));
        desk.look();
        desk
    }

    /// Hands an event over, and does what moves and edits come of it.
    pub(super) fn tell(&mut self, event: Event) {
        let now = Now {
            mono_ms: self.now,
            wall: Wall(1_795_000_000_000 + i64::try_from(self.now).expect("small")),
        };
        let effects = self.pipe.handle(now, event);
        invariants::check(&self.pipe).expect("an invariant");
        invariants::check_effects(&self.pipe, &effects).expect("an invariant");
        for effect in effects {
            match effect {
                Effect::Move(op, order) => {
                    let end = self
                        .fault
                        .take()
                        .unwrap_or_else(|| self.move_file(&order.story, order.from, order.to));
                    self.tell(Event::Ended(op, Outcome::Move(end)));
                }
                Effect::Edit(op, order) => {
                    let key = FileKey { stage: order.stage, name: order.story.file_name().into() };
                    let end = self.edit_fault.take().unwrap_or_else(|| self.edit_file(&key, &order.edits));
                    self.tell(Event::Ended(op, Outcome::Edit(end)));
                }
                Effect::Rescan(_) => self.open.push(effect),
                Effect::Remember(id, Some(memory)) => {
                    self.remembered.insert(id, *memory);
                }
                Effect::Remember(id, None) => {
                    self.remembered.remove(&id);
                }
                Effect::Answer(ask, answer) => {
                    self.answers.insert(ask, *answer);
                }
                Effect::Tell(_)
                | Effect::Sent(_)
                | Effect::Asks(_)
                | Effect::RememberPause(_)
                | Effect::RememberLimits(_)
                | Effect::RunBegan(_)
                | Effect::RunOver(_) => {}
                effect => self.open.push(effect),
            }
        }
        if self.open.iter().any(|effect| matches!(effect, Effect::Rescan(_))) {
            self.open.retain(|effect| !matches!(effect, Effect::Rescan(_)));
            self.look();
        }
    }

    fn move_file(&mut self, id: &StoryId, from: Stage, to: Stage) -> MoveEnd {
        let (from, to) = (Self::key(id, from), Self::key(id, to));
        if self.files.contains_key(&to) {
            return MoveEnd::TargetTaken;
        }
        let Some(what) = self.files.remove(&from) else { return MoveEnd::SourceGone };
        self.files.insert(to.clone(), what.map(|story| Story { stage: to.stage, ..story }));
        MoveEnd::Moved
    }

    fn edit_file(&mut self, key: &FileKey, edits: &[Edit]) -> EditEnd {
        match self.files.get_mut(key) {
            None => EditEnd::SourceGone,
            Some(Err(_)) => EditEnd::Broken,
            Some(Ok(story)) => {
                for edit in edits {
                    super::edits::apply(edit, story);
                }
                self.written.extend(edits.iter().cloned());
                EditEnd::Written { content: 0 }
            }
        }
    }

    pub(super) fn key(id: &StoryId, stage: Stage) -> FileKey {
        FileKey { stage, name: id.file_name().into() }
    }

    /// Looks at all files.
    pub(super) fn look(&mut self) {
        let scan = self.scan();
        self.tell(Event::Scanned(scan));
    }

    /// A look that is not told yet.
    pub(super) fn scan(&self) -> Scan {
        let seen = |(key, what): (&FileKey, &Result<Story, Problem>)| Seen {
            key: key.clone(),
            what: Arc::new(what.clone()),
        };
        let present = self.files.iter().map(seen).collect();
        Scan { begin: self.pipe.seq(), complete: true, present, ..Scan::default() }
    }

    /// Time goes by, and the pipeline is woken where it asked for it.
    pub(super) fn wait(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.pipe.next_wake().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.tell(Event::Woken);
        }
        self.now = until;
    }

    /// A person moves a file.
    pub(super) fn person_moves(&mut self, name: &str, to: Stage) {
        let from = self.stage(name);
        assert_eq!(self.move_file(&id(name), from, to), MoveEnd::Moved);
        self.look();
    }

    /// A person changes a file.
    pub(super) fn person_edits(&mut self, name: &str, change: impl FnOnce(&mut Story)) {
        let key = Self::key(&id(name), self.stage(name));
        let Some(Ok(story)) = self.files.get_mut(&key) else { panic!("{name} can be read") };
        change(story);
        story.content += 1;
        self.look();
    }

    pub(super) fn person_deletes(&mut self, name: &str) {
        self.files.remove(&Self::key(&id(name), self.stage(name)));
        self.look();
    }

    /// Where a file is.
    pub(super) fn stage(&self, name: &str) -> Stage {
        let name = id(name).file_name();
        let mut places = self.files.keys().filter(|key| *key.name == *name);
        let place = places.next().expect("it is somewhere");
        assert!(places.next().is_none(), "{name} is in two places");
        place.stage
    }

    pub(super) fn story(&self, name: &str) -> &Story {
        let what = &self.files[&Self::key(&id(name), self.stage(name))];
        what.as_ref().expect("it can be read")
    }

    pub(super) fn blocked(&self, name: &str) -> Option<&str> {
        self.story(name).blocked.as_ref().map(|blocked| blocked.value.as_str())
    }

    pub(super) fn hold(&self, name: &str) -> Option<&str> {
        self.story(name).hold.as_ref().and_then(|hold| hold.value.why.as_deref())
    }

    pub(super) fn state(&self, name: &str) -> State {
        self.pipe.state_of(&id(name)).expect("it is on the board")
    }

    pub(super) fn memory(&self, name: &str) -> &Memory {
        &self.pipe.track(&id(name)).expect("it is known").memory
    }

    /// Takes the one open effect that `want` knows.
    pub(super) fn take<T>(&mut self, want: impl Fn(&Effect) -> Option<T>) -> T {
        let found = self.open.iter().position(|effect| want(effect).is_some());
        let at = found.unwrap_or_else(|| panic!("wanted another effect than {:#?}", self.kinds()));
        want(&self.open.remove(at)).expect("found by it")
    }

    /// What is open, in a word each.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let kind = |effect: &Effect| match effect {
            Effect::Prepare(..) => "prepare",
            Effect::Run(..) => "run",
            Effect::Gates(..) => "gates",
            Effect::Inspect(..) => "inspect",
            Effect::Squash(..) => "squash",
            Effect::Advance(..) => "advance",
            Effect::Close(..) => "close",
            Effect::Cancel { .. } => "cancel",
            Effect::Landed(..) => "landed",
            Effect::Stop => "stop",
            _ => "other",
        };
        self.open.iter().map(kind).collect()
    }

    pub(super) fn end(&mut self, op: OpId, outcome: Outcome) {
        self.tell(Event::Ended(op, outcome));
    }

    /// The worktree is ready, and the agent starts.
    pub(super) fn run_starts(&mut self) -> (OpId, RunOrder) {
        let op = self.take(|effect| if let Effect::Prepare(op, _) = effect { Some(*op) } else { None });
        let ready = PrepareEnd::Ready { worktree: "/w".to_owned(), base: oid('b') };
        self.end(op, Outcome::Prepare(ready));
        self.take(
            |effect| if let Effect::Run(op, order) = effect { Some((*op, (**order).clone())) } else { None },
        )
    }

    /// A run that exits with a status, with so much ahead of base.
    pub(super) fn run_ends(&mut self, op: OpId, status: i32, ahead: u32) {
        let branch = BranchFacts { tip: Some(oid('c')), ahead, ..BranchFacts::default() };
        let facts = RunFacts { process: Some(ProcessEnd::Exited(status)), branch, ..RunFacts::default() };
        self.end(op, Outcome::Run(Box::new(facts)));
    }

    /// The run in flight fails, and the wait before the next one is over.
    pub(super) fn tell_run_failed(&mut self) {
        let op = self.pipe.tracks().find_map(|(_, track)| track.work.op()).expect("a run");
        self.run_ends(op, 3, 0);
        self.wait(1_100);
    }

    pub(super) fn run_ends_with(&mut self, op: OpId, change: impl FnOnce(&mut RunFacts)) {
        let branch = BranchFacts { tip: Some(oid('c')), ahead: 1, ..BranchFacts::default() };
        let mut facts = RunFacts { process: Some(ProcessEnd::Exited(0)), branch, ..RunFacts::default() };
        change(&mut facts);
        self.end(op, Outcome::Run(Box::new(facts)));
    }

    pub(super) fn gates_start(&mut self) -> OpId {
        self.take(|effect| if let Effect::Gates(op, _) = effect { Some(*op) } else { None })
    }

    pub(super) fn gates(&mut self, green: bool) {
        let op = self.gates_start();
        self.end(op, Outcome::Gates(GatesEnd::Ran(vec![result(green)])));
    }

    pub(super) fn inspected(&mut self, ahead: u32) {
        let op = self.take(|effect| if let Effect::Inspect(op, ..) = effect { Some(*op) } else { None });
        let facts = BranchFacts { tip: Some(oid('c')), ahead, ..BranchFacts::default() };
        self.end(op, Outcome::Inspect(facts));
    }

    pub(super) fn squashed(&mut self, end: SquashEnd) {
        let op = self.take(|effect| if let Effect::Squash(op, _) = effect { Some(*op) } else { None });
        self.end(op, Outcome::Squash(end));
    }

    pub(super) fn advance_starts(&mut self) -> OpId {
        self.take(|effect| if let Effect::Advance(op, _) = effect { Some(*op) } else { None })
    }

    pub(super) fn advanced(&mut self, end: AdvanceEnd) {
        let op = self.advance_starts();
        self.end(op, Outcome::Advance(end));
    }

    pub(super) fn closed(&mut self, end: CloseEnd) {
        let op = self.take(|effect| if let Effect::Close(op, ..) = effect { Some(*op) } else { None });
        self.end(op, Outcome::Close(end));
    }

    /// What keeps a story, its first reason in a sentence.
    pub(super) fn reason(&self, name: &str) -> String {
        self.pipe.conditions(&id(name)).first().map(|condition| condition.detail.clone()).unwrap_or_default()
    }

    /// What was ordered to end ends.
    pub(super) fn cancelled(&mut self) {
        let op = self.take(|effect| if let Effect::Cancel { op, .. } = effect { Some(*op) } else { None });
        let facts = RunFacts { cancelled: true, ..RunFacts::default() };
        let work =
            self.pipe.tracks().find(|(_, track)| track.work.op() == Some(op)).map(|(_, track)| &track.work);
        let outcome = match work.expect("it is in flight") {
            super::track::Work::Preparing(..) => Outcome::Prepare(PrepareEnd::Cancelled),
            super::track::Work::Running(..) => Outcome::Run(Box::new(facts)),
            _ => Outcome::Gates(GatesEnd::Cancelled),
        };
        self.end(op, outcome);
    }

    pub(super) fn ask(&mut self, request: Request) -> Option<Result<Reply, Refusal>> {
        self.asked += 1;
        let ask = AskId(self.asked);
        self.tell(Event::Asked(ask, request));
        self.answers.remove(&ask)
    }
}

pub(super) fn result(green: bool) -> GateResult {
    let failure = (!green).then(|| "exit 1".to_owned());
    GateResult { name: "tests".to_owned(), failure, tail: String::new(), log: String::new(), took_ms: 1 }
}

/// The defaults, with a change.
pub(super) fn config_with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = config();
    change(&mut config);
    config
}

/// A landing that could be: its commit and base's tip by a digit each.
pub(super) fn ready(commit: char, base: char) -> SquashEnd {
    SquashEnd::Ready {
        commit: oid(commit),
        tree: oid(commit),
        base: oid(base),
        base_tree: oid(base),
        tip: oid('c'),
    }
}
