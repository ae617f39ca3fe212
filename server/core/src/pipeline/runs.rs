//! Runs: an agent is chosen, the worktree made ready, the agent started, and its end judged.

use super::Pipeline;
use super::track::{Money, Run, Wait, Work};
use crate::assign::Load;
use crate::config::Role;
use crate::effect::{Asks, Effect, PrepareOrder, RunBegan, RunOver, Topic};
use crate::facts::{Edit, PrepareEnd, ProcessEnd, RunFacts};
use crate::ids::{Oid, StoryId};
use crate::leave;
use crate::memory::{Note, Session, Step};
use crate::run::{RunEnd, classify, with_leave};
use crate::runtime::Ending;
use crate::stage::Stage;
use crate::story::Kind;
use crate::time::{WAIT_MAX_MS, words};

/// Waits before the next attempt after a failed run, in milliseconds; the last one holds for all later ones.
const BACKOFF_MS: [u64; 3] = [1_000, 10_000, 60_000];
/// The first and the longest wait after "try again later" without a time, in milliseconds.
const LATER_MS: (u64, u64) = (30_000, 600_000);
/// "Try again later", or a worktree lost, so often in a row blocks.
const TRANSIENTS_MAX: u32 = 10;
/// Starts without a session so often in a row block.
const COLD_STARTS_MAX: u32 = 5;
/// The wait at a limit that does not say when it is over: of requests, of an allowance, in milliseconds.
const LIMIT_MS: u64 = 60_000;
const QUOTA_MS: u64 = 5 * 3_600_000;
/// Runs of the mergemaster for one landing.
pub(super) const MENDS_MAX: u32 = 3;

impl Pipeline {
    /// How busy the agents are.
    pub(super) fn load(&self) -> Load {
        let mut load = Load::default();
        for run in self.tracks.values().filter_map(|track| track.work.run()) {
            *load.busy.entry(run.agent.clone()).or_default() += 1;
        }
        for (name, drain) in &self.drained {
            load.unavailable.insert(name.clone(), format!("agent {name} is drained: {}", drain.why));
        }
        for agent in &self.config.agents {
            if let Some((why, until)) = self.limit_of(agent) {
                let why = format!("agent {} waits until {}: {why}", agent.name, until.rfc3339());
                load.unavailable.entry(agent.name.clone()).or_insert(why);
            }
        }
        load
    }

    /// Whether one more run fits below `limits.agents`.
    pub(super) fn slot_free(&self) -> bool {
        let limit = usize::try_from(self.config.limits.agents).unwrap_or(usize::MAX);
        self.tracks.values().filter(|track| track.work.run().is_some()).count() < limit
    }

    pub(super) fn start_run(&mut self, id: &StoryId, role: Role) {
        if !self.slot_free() {
            return;
        }
        let Ok(agent) = self.agent_for(id, role) else { return };
        let agent = agent.name.clone();
        let run = Run {
            id: self.new_run(),
            agent: agent.clone(),
            model: String::new(),
            role,
            started: false,
            money: Money::default(),
        };
        let config = self.config.clone();
        let classify = self.is_to_classify(id, role).then(|| agent.clone());
        let order = PrepareOrder { story: id.clone(), run: run.id, classify, config };
        let op = self.begin(id, |op| Work::Preparing(op, run));
        self.out.push(Effect::Prepare(op, order));
        self.tell(Topic::Preparing, Some(id), format!("worktree for {agent}"));
    }

    pub(super) fn prepared(&mut self, id: &StoryId, run: Run, end: PrepareEnd, abandoned: bool) {
        match end {
            PrepareEnd::Ready { worktree, base } => {
                let track = self.track_mut(id);
                track.branch = true;
                track.worktree = Some(worktree.clone());
                track.base = Some(base.clone());
                // What came up meanwhile, such as a hold, keeps the agent from starting; the worktree is ready.
                if !abandoned && self.obstacles(id).is_empty() {
                    self.launch(id, run, worktree, base);
                }
            }
            // It may have come as far as the branch; closing looks.
            PrepareEnd::Cancelled => self.track_mut(id).branch = true,
            _ if abandoned => {}
            PrepareEnd::Blocked(why) => self.block(id, why),
            PrepareEnd::Waits(why) => self.wait_outside(id, "git", why),
            PrepareEnd::SetupFailed(tail) => {
                self.track_mut(id).branch = true;
                self.tell(Topic::RunEnded, Some(id), "worktree setup failed");
                self.failed(id, "worktree setup failed", tail, self.backoff(id));
            }
        }
    }

    fn launch(&mut self, id: &StoryId, run: Run, worktree: String, base: Oid) {
        let Some(agent) = self.config.agent(&run.agent) else { return };
        let Some(order) = self.order(id, run.id, agent, (worktree, base)) else { return };
        let track = self.track_mut(id);
        track.only_agent = None;
        let memory = track.change();
        memory.runs = order.number;
        memory.declined = None;
        memory.run = Some(run.id);
        memory.agent = Some(order.agent.name.clone());
        memory.messages.hand_over(run.id);
        let began = RunBegan {
            run: run.id,
            story: id.clone(),
            stage: order.stage,
            agent: run.agent.clone(),
            attempt: order.attempt,
            number: order.number,
            at: self.now.wall,
        };
        self.tell(Topic::Running, Some(id), format!("{} attempt {}", run.agent, order.attempt));
        let money = Money { budget_usd: order.agent.max_budget_usd, ..Money::default() };
        let run = Run { model: order.agent.model.clone(), money, ..run };
        let op = self.begin(id, |op| Work::Running(op, run));
        self.out.push(Effect::RunBegan(Box::new(began)));
        self.out.push(Effect::Run(op, Box::new(order)));
    }

    pub(super) fn take_run_started(&mut self, op: crate::ids::OpId) {
        let Some(super::Purpose::Work(id)) = self.ops.get(&op) else { return };
        let id = id.clone();
        if let Work::Running(_, run) = &mut self.track_mut(&id).work {
            run.started = true;
        }
        self.touched.insert(id);
    }

    pub(super) fn run_over(&mut self, id: &StoryId, run: &Run, facts: RunFacts, abandoned: bool) {
        let role = run.role;
        let may_do_nothing = self.story(id).is_some_and(|story| story.kind == Kind::Spike);
        let facts = RunFacts { cancelled: facts.cancelled || abandoned, ..facts };
        let end = classify(&facts, role, may_do_nothing);
        let permissions = self.config.agent(&run.agent).map(|agent| agent.permissions).unwrap_or_default();
        // A person's word comes before a budget's.
        let over = run.money.over.clone().filter(|_| facts.cancelled && !abandoned);
        let end = over.map_or(end, RunEnd::OutOfBudget);
        let end = with_leave(end, &facts, permissions, &self.track_mut(id).memory.leave);
        self.record_run(id, run, &facts, &end);
        let track = self.track_mut(id);
        let worked = run.started && (end == RunEnd::Cancelled || !end.is_passing());
        track.change().messages.settle(run.id, worked);
        track.branch = facts.branch.tip.is_some() || track.branch;
        track.ahead = None;
        if facts.branch.tip.is_some() {
            track.change().protected.clone_from(&facts.branch.protected);
        }
        if !end.is_passing() {
            let memory = track.change();
            memory.transients = 0;
            memory.cold_starts = 0;
        }
        if role == Role::Mergemaster && (end == RunEnd::Done || end.failure().is_some()) {
            track.change().mends += 1;
        }
        match end.failure() {
            Some(why) => self.strike(id, &run.agent, why),
            None if !end.is_passing() => self.forget_strikes(&run.agent),
            None => {}
        }
        self.judge(id, role, end, facts);
    }

    fn judge(&mut self, id: &StoryId, role: Role, end: RunEnd, facts: RunFacts) {
        if let Some(why) = end.failure() {
            return if role == Role::Mergemaster {
                self.mend_failed(id, why, facts.tail);
            } else {
                self.failed(id, why, facts.tail, self.backoff(id));
            };
        }
        let wall = self.now.wall;
        match end {
            RunEnd::WorktreeLost => self.worktree_lost(id),
            RunEnd::Question(text) => self.ask_person(id, text),
            RunEnd::PermissionWanted(what) => self.ask_permission(id, &what, facts.ending.as_ref()),
            RunEnd::Rejected(text) => self.rejected_by_agent(id, text),
            RunEnd::TryLater(after_ms) => self.try_later(id, after_ms),
            RunEnd::Transient(_) => self.try_later(id, None),
            RunEnd::RateLimited(reset, why) => {
                self.limited(id, reset.wait_ms(wall).unwrap_or(LIMIT_MS), &why)
            }
            RunEnd::Quota(reset, why) => self.limited(id, reset.wait_ms(wall).unwrap_or(QUOTA_MS), &why),
            RunEnd::CrashedEarly(why) => self.start_cold(id, &why),
            RunEnd::SessionUnknown => self.start_cold(id, "its session is gone"),
            RunEnd::NotStartable(why) | RunEnd::Authentication(why) | RunEnd::Configuration(why) => {
                self.drain(id, why);
            }
            RunEnd::OutOfBudget(why) => self.out_of_budget(id, why),
            RunEnd::Done => self.work_done(id, role),
            RunEnd::Cancelled
            | RunEnd::Failed(_)
            | RunEnd::MergeFailed(_)
            | RunEnd::Refused(_)
            | RunEnd::OutOfTurns(_)
            | RunEnd::ContextTooLong(_) => {}
        }
    }

    fn work_done(&mut self, id: &StoryId, role: Role) {
        let memory = self.track_mut(id).change();
        memory.answered = None;
        match role {
            Role::Coder => memory.step = Step::Gate,
            Role::Qa => self.move_to(id, Stage::Merge),
            Role::Mergemaster => self.mended(id),
            Role::Other => {}
        }
    }

    /// The wait after a failed run, by how many failed before it.
    fn backoff(&self, id: &StoryId) -> u64 {
        let failures = self.tracks.get(id).map(|track| track.memory.failures).unwrap_or_default();
        let at = usize::try_from(failures).unwrap_or(usize::MAX).min(BACKOFF_MS.len() - 1);
        BACKOFF_MS[at]
    }

    /// Counts a failure of this stage: the next attempt, or `blocked`.
    pub(super) fn failed(&mut self, id: &StoryId, why: &str, tail: String, wait_ms: u64) {
        let (now, max) = (self.now, self.config.max_retries);
        let stage = self.board.stage(id);
        let track = self.track_mut(id);
        track.not_before_ms = (wait_ms > 0).then(|| now.mono_ms + wait_ms);
        let memory = track.change();
        memory.failures += 1;
        let failures = memory.failures;
        memory.note(Note { attempt: failures, at: now.wall, what: why.to_owned(), tail, landing: None });
        if failures >= max {
            let stage = stage.map_or("", Stage::name);
            let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times") };
            self.block(id, format!("failed {times} in {stage}, the last time: {why}"));
        }
    }

    /// It costs no attempt, and yet an agent that removes its worktree each time must come to an end.
    fn worktree_lost(&mut self, id: &StoryId) {
        let now = self.now.mono_ms;
        let track = self.track_mut(id);
        let memory = track.change();
        memory.transients += 1;
        let lost = memory.transients;
        let wait_ms = BACKOFF_MS[0].saturating_mul(1 << (lost - 1).min(16)).min(LATER_MS.1);
        track.not_before_ms = Some(now.saturating_add(wait_ms));
        if lost >= TRANSIENTS_MAX {
            self.block(id, format!("its worktree was lost or replaced {lost} times in a row"));
        }
    }

    /// Forgets the session, and starts again without one; it costs no attempt, and yet must come to an end.
    fn start_cold(&mut self, id: &StoryId, why: &str) {
        let now = self.now.mono_ms;
        let track = self.track_mut(id);
        let memory = track.change();
        memory.sessions.clear();
        memory.cold_starts += 1;
        let times = memory.cold_starts;
        let at = usize::try_from(times - 1).unwrap_or(usize::MAX).min(BACKOFF_MS.len() - 1);
        track.not_before_ms = Some(now.saturating_add(BACKOFF_MS[at]));
        if times >= COLD_STARTS_MAX {
            self.block(id, format!("the agent ended before it began, {times} times in a row: {why}"));
        } else {
            self.tell(Topic::Waiting, Some(id), format!("started again without its session: {why}"));
        }
    }

    fn try_later(&mut self, id: &StoryId, after_ms: Option<u64>) {
        let now = self.now.mono_ms;
        let track = self.track_mut(id);
        let memory = track.change();
        memory.transients += 1;
        let transients = memory.transients;
        let doubled = LATER_MS.0.saturating_mul(1 << (transients - 1).min(16)).min(LATER_MS.1);
        let wait_ms = after_ms.unwrap_or(doubled).min(WAIT_MAX_MS);
        track.not_before_ms = Some(now.saturating_add(wait_ms));
        if transients >= TRANSIENTS_MAX {
            self.block(id, format!("asked to be tried again later {transients} times in a row"));
        } else {
            self.tell(Topic::Waiting, Some(id), format!("tried again in {}", words(wait_ms)));
        }
    }

    /// The account of the run's agent has a limit: nothing is started with it until that is over.
    fn limited(&mut self, id: &StoryId, wait_ms: u64, why: &str) {
        let Some(name) = self.tracks.get(id).and_then(|track| track.memory.agent.clone()) else { return };
        self.limit(id, &name, wait_ms, why);
    }

    fn drain(&mut self, id: &StoryId, why: String) {
        let Some(name) = self.tracks.get(id).and_then(|track| track.memory.agent.clone()) else { return };
        self.drain_agent(id, name, why);
    }

    /// Nobody is there to say yes while an agent runs: the file asks, and the session goes on with the answer.
    fn ask_permission(&mut self, id: &StoryId, what: &str, ending: Option<&Ending>) {
        let tool = match ending {
            Some(Ending::PermissionWanted { tool, .. }) if leave::is_name(tool) => tool.as_str(),
            _ => return self.ask_person(id, format!("The agent asks leave: {what}.")),
        };
        let text = format!(
            "The agent asks leave: {what}.\n\nAnswer `allow`, and it may use {tool} for this story. Answer `no`, and it \
             does without. Whatever you write is told to it."
        );
        self.ask_person(id, text);
        let memory = self.track_mut(id).change();
        memory.leave.ask(memory.questions, tool);
    }

    fn ask_person(&mut self, id: &StoryId, text: String) {
        let (stage, at) = (self.board.stage(id), self.now.wall);
        let memory = self.track_mut(id).change();
        memory.questions += 1;
        memory.asked_in = stage;
        let (number, run) = (memory.questions, memory.run);
        self.tell(Topic::Question, Some(id), format!("question {number}: {text}"));
        let asks = Asks { story: id.clone(), number, run, at, text: text.clone() };
        self.out.push(Effect::Asks(Box::new(asks)));
        self.want(id, Edit::AppendQuestion { number, text });
        self.want(id, Edit::Question(Some(number)));
    }

    /// Takes an answer that has been left alone for long enough: the next run gets it.
    pub(super) fn take_answer(&mut self, id: &StoryId) {
        let settle_ms = self.config.answer_settle_ms;
        let (Some(story), Some(track)) = (self.story(id), self.tracks.get(id)) else { return };
        let due = track.answer_due_ms(settle_ms) <= self.now.mono_ms;
        let open = Self::question_is_open(story, track) && story.answered;
        let Some(number) = story.question.as_ref().map(|question| question.value).filter(|_| open && due)
        else {
            return;
        };
        let verdict = story.verdict;
        let memory = self.track_mut(id).change();
        memory.asked_in = None;
        memory.answered = Some(number);
        memory.leave.answer(number, verdict);
        self.want(id, Edit::Question(None));
    }

    pub(super) fn record_lost_run(&mut self, id: &StoryId, run: &Run, why: &str) {
        self.record_run(id, run, &RunFacts::default(), &RunEnd::Failed(why.to_owned()));
    }

    fn record_run(&mut self, id: &StoryId, run: &Run, facts: &RunFacts, end: &RunEnd) {
        let wall = self.now.wall;
        let usage = self.book(id, run, facts.usage.clone());
        let memory = self.track_mut(id).change();
        if let Some(id) = &facts.session {
            let (agent, model, total) = (run.agent.clone(), run.model.clone(), facts.session_total.clone());
            let context = facts.context.clone();
            memory.keep_session(Session {
                agent,
                model,
                id: id.clone(),
                total,
                at: wall,
                rejections: 0,
                context,
            });
        }
        if matches!(end, RunEnd::ContextTooLong(_) | RunEnd::Refused(_)) {
            memory.forget_sessions(&run.agent);
        }
        if facts.summary.is_some() {
            memory.summary.clone_from(&facts.summary);
        }
        let (exit, signal) = match facts.process {
            Some(ProcessEnd::Exited(status)) => (Some(status), None),
            Some(ProcessEnd::Signalled(signal)) => (None, Some(signal)),
            Some(ProcessEnd::Lost) | None => (None, None),
        };
        let over = RunOver {
            run: run.id,
            story: id.clone(),
            agent: run.agent.clone(),
            at: wall,
            how: end.word().to_owned(),
            why: end.why(),
            exit,
            signal,
            usage,
            session: facts.session.clone(),
            summary: facts.summary.clone(),
        };
        let text =
            over.why.clone().map_or_else(|| over.how.replace('_', " "), |why| format!("{}: {why}", over.how));
        self.out.push(Effect::RunOver(Box::new(over)));
        self.tell(Topic::RunEnded, Some(id), format!("{} {text}", run.agent));
    }

    pub(super) fn gone_wait(detail: String, again_ms: u64) -> Wait {
        Wait { what: "landing", detail, hint: None, again_ms: Some(again_ms) }
    }
}
