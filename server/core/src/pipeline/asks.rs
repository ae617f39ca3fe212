//! Requests: each is a short script of moves and edits, answered when its last step has ended.

use std::collections::VecDeque;

use super::edits::same_key;
use super::talk::words;
use super::{GRACE_STOP_MS, Pause, Pipeline, Purpose};
use crate::assign;
use crate::board::Named;
use crate::config::Role;
use crate::effect::{EditOrder, Effect, MoveOrder};
use crate::event::{AskId, Outcome};
use crate::facts::{Edit, EditEnd, MoveEnd};
use crate::front_matter::SAID_BYTES_MAX;
use crate::ids::{AgentName, StoryId};
use crate::message::Message;
use crate::request::{Refusal, Reply, Request};
use crate::stage::Stage;
use crate::story::{HOLD_STOPPED, Story};

/// One step of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Renames the story's file.
    Move(Stage),
    /// Changes the story's file.
    Edit(Vec<Edit>),
    /// Keeps a message for the story's agent.
    Send(Message),
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Script {
    ask: AskId,
    story: StoryId,
    /// Where the story was when it was asked for; elsewhere the rest does not apply.
    from: Stage,
    /// In which of its visits to stages.
    visits: Option<u32>,
    doing: Option<Step>,
    rest: VecDeque<Step>,
    message: String,
}

type Answer = Result<Reply, Refusal>;

pub(super) fn refused(error: impl Into<String>, hint: impl Into<String>) -> Refusal {
    let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
    Refusal { error: error.into(), hint, code: 1 }
}

impl Pipeline {
    pub(super) fn take_ask(&mut self, ask: AskId, request: Request) {
        if self.stopping.is_some() {
            self.answer(ask, Err(refused("storkit is ending", "`storkit up` starts it again")));
            return;
        }
        if let Some(answer) = self.start_ask(ask, request) {
            self.answer(ask, answer);
        }
    }

    fn answer(&mut self, ask: AskId, answer: Answer) {
        self.out.push(Effect::Answer(ask, Box::new(answer)));
    }

    /// Answers at once, or starts a script that will.
    fn start_ask(&mut self, ask: AskId, request: Request) -> Option<Answer> {
        match request {
            // The shell answers these from `status` and `why`, since they need what it alone knows.
            Request::Status { .. } => Some(Err(refused("the board is read elsewhere", ""))),
            Request::Pause { why } => {
                // Until a person has looked at what git did, its moves are not followed.
                if let Some(pause) = self.pause.as_ref().filter(|pause| pause.by_git) {
                    return Some(Ok(done(None, format!("is paused already: {}", pause.why))));
                }
                let why = why.unwrap_or_else(|| "by hand".to_owned());
                self.set_pause(Some(Pause { why: why.clone(), by_git: false }));
                Some(Ok(done(None, format!("paused: {why}"))))
            }
            Request::Resume { agent } => Some(self.resume(agent)),
            Request::Why { ref story }
            | Request::Move { ref story, .. }
            | Request::Start { ref story, .. }
            | Request::Stop { ref story }
            | Request::Retry { ref story }
            | Request::Answer { ref story, .. }
            | Request::Send { ref story, .. }
            | Request::Continue { ref story, .. }
            | Request::Approve { ref story }
            | Request::Reject { ref story, .. }
            | Request::Check { ref story, .. }
            | Request::Write { ref story, .. }
            | Request::Hold { ref story, .. }
            | Request::Unhold { ref story }
            | Request::Unblock { ref story } => match self.resolve(story) {
                Err(refusal) => Some(Err(refusal)),
                Ok(id) => self.ask_of_story(ask, &id, request),
            },
        }
    }

    fn ask_of_story(&mut self, ask: AskId, id: &StoryId, request: Request) -> Option<Answer> {
        if let Request::Why { .. } = request {
            return Some(
                self.why(id)
                    .map(Reply::Why)
                    .ok_or_else(|| refused("its file is gone", "`storkit restore` brings it back")),
            );
        }
        let Some(story) = self.story(id).cloned() else {
            let detail = self.file_problems(id).into_iter().next().unwrap_or_default();
            return match request {
                Request::Move { to, .. } if self.board.stage(id).is_some() => self.move_broken(ask, id, to),
                _ => Some(Err(refused(detail.detail, detail.hint.unwrap_or_default()))),
            };
        };
        let plan = match request {
            Request::Move { to, .. } => plan_move(&story, to),
            Request::Start { agent, .. } => self.plan_start(&story, agent),
            Request::Stop { .. } => Ok(self.plan_stop(&story)),
            Request::Retry { .. } => Ok(self.plan_retry(&story)),
            Request::Answer { text, .. } => self.plan_answer(&story, text),
            Request::Send { from, text, .. } => self.plan_send(&story, from.as_deref(), text),
            Request::Continue { text, .. } => self.plan_continue(&story, text),
            Request::Approve { .. } => plan_approve(&story),
            Request::Reject { text, .. } => self.plan_reject(&story, text),
            Request::Check { criterion, done, .. } => Ok(plan_check(criterion, done)),
            Request::Write { part, text, seen, .. } => {
                let seen = seen.unwrap_or(story.content);
                Ok((vec![Step::Edit(vec![Edit::Text { part, text, seen }])], "written".to_owned()))
            }
            Request::Hold { why, .. } => {
                let words = why.clone().map_or("held".to_owned(), |why| format!("held: {why}"));
                let why = why.unwrap_or_else(|| "by hand".to_owned());
                Ok((vec![Step::Edit(vec![Edit::Hold(Some(why))])], words))
            }
            Request::Unhold { .. } => Ok(plan_unhold(&story)),
            Request::Unblock { .. } => Ok(self.plan_unblock(&story)),
            Request::Status { .. } | Request::Why { .. } | Request::Pause { .. } | Request::Resume { .. } => {
                Ok((Vec::new(), String::new()))
            }
        };
        match plan {
            Err(refusal) => Some(Err(refusal)),
            Ok((steps, message)) => {
                let (story, from) = (id.clone(), story.stage);
                self.run_script(Script {
                    ask,
                    story,
                    from,
                    visits: None,
                    doing: None,
                    rest: steps.into(),
                    message,
                })
            }
        }
    }

    /// Finds the story that a person means.
    pub(super) fn resolve(&self, text: &str) -> Result<StoryId, Refusal> {
        match self.board.meant(text) {
            Named::One(id) => Ok(id),
            Named::Several(ids) => {
                let ids: Vec<_> = ids.iter().map(StoryId::as_str).collect();
                Err(refused(
                    format!("the number {text} fits several stories: {}", ids.join(", ")),
                    "name it by its id",
                ))
            }
            Named::Nothing => {
                let ids: Vec<String> = self.board.ids().map(|id| id.to_string()).collect();
                let near = crate::hints::nearest(text, ids.iter().map(String::as_str));
                let hint = near.map_or("`storkit status --all` lists them".to_owned(), |near| {
                    format!("did you mean `{near}`?")
                });
                Err(Refusal { code: 3, ..refused(format!("there is no story `{text}`"), hint) })
            }
        }
    }

    fn move_broken(&mut self, ask: AskId, id: &StoryId, to: Stage) -> Option<Answer> {
        let from = self.board.stage(id)?;
        let message = format!("{from} → {to}");
        let rest = if from == to { VecDeque::new() } else { VecDeque::from([Step::Move(to)]) };
        self.run_script(Script { ask, story: id.clone(), from, visits: None, doing: None, rest, message })
    }

    pub(super) fn plan_start(&mut self, story: &Story, agent: Option<String>) -> Plan {
        if let Some(hold) = story.hold.as_ref().filter(|hold| !hold.value.is_storkits()) {
            let why = hold.value.why.clone().unwrap_or_else(|| "no reason given".to_owned());
            return Err(refused(format!("{} is held: {why}", story.id), "`storkit unhold` lets it go on"));
        }
        if !matches!(story.stage, Stage::Backlog | Stage::Current) {
            if story.blocked.is_some() {
                self.unblocked(&story.id, None);
            }
            return Ok((clearing(story), format!("is in {} already", story.stage)));
        }
        if self.tracks.get(&story.id).is_some_and(|track| track.work.run().is_some() && !track.abandoned) {
            return Ok((Vec::new(), "is running already".to_owned()));
        }
        if let Some(name) = agent {
            let chosen = assign::choose(&self.config, Role::Coder, Some(&name), &self.load());
            if let Err(none) = chosen {
                return Err(refused(none.words(), "`storkit agents` lists them"));
            }
            self.track_mut(&story.id).only_agent = AgentName::new(&name).ok();
        }
        if story.blocked.is_some() {
            self.unblocked(&story.id, None);
        }
        self.track_mut(&story.id).not_before_ms = None;
        let mut steps = clearing(story);
        if story.stage == Stage::Backlog {
            steps.push(Step::Move(Stage::Current));
            return Ok((steps, "backlog → current".to_owned()));
        }
        Ok((steps, "starts as soon as an agent is free".to_owned()))
    }

    fn plan_stop(&mut self, story: &Story) -> (Vec<Step>, String) {
        let running = self.tracks.get(&story.id).is_some_and(|track| track.work.can_be_cancelled());
        self.cancel(&story.id, GRACE_STOP_MS);
        let message = if running {
            "stopped; its worktree stays, `storkit start` goes on with it"
        } else {
            "nothing ran for it; held"
        };
        // A person's own hold, with its words, is as good, and `start` does not clear it.
        if story.hold.as_ref().is_some_and(|hold| !hold.value.is_storkits()) {
            return (Vec::new(), message.to_owned());
        }
        (vec![Step::Edit(vec![Edit::OwnHold(Some(HOLD_STOPPED.to_owned()))])], message.to_owned())
    }

    fn plan_retry(&mut self, story: &Story) -> (Vec<Step>, String) {
        self.unblocked(&story.id, None);
        let steps =
            if story.blocked.is_some() { vec![Step::Edit(vec![Edit::Blocked(None)])] } else { Vec::new() };
        (steps, "tried afresh".to_owned())
    }

    fn plan_unblock(&mut self, story: &Story) -> (Vec<Step>, String) {
        if story.blocked.is_none() {
            return (Vec::new(), "was not blocked".to_owned());
        }
        self.unblocked(&story.id, None);
        (vec![Step::Edit(vec![Edit::Blocked(None)])], "blocked no more".to_owned())
    }

    fn plan_reject(&mut self, story: &Story, text: String) -> Plan {
        let landing =
            self.tracks.get(&story.id).is_some_and(|track| matches!(track.work, super::Work::Advancing(..)));
        if !matches!(story.stage, Stage::Qa | Stage::Merge) || landing {
            let error = format!(
                "{} is in {}: only a story in qa, or in merge before base moves, can be rejected",
                story.id, story.stage
            );
            return Err(refused(error, "`storkit move` takes it anywhere"));
        }
        let text = words(text, SAID_BYTES_MAX)?;
        let number = self.tracks.get(&story.id).map_or(0, |track| track.memory.rejections) + 1;
        let message = format!("{} → current, rejected", story.stage);
        Ok((
            vec![Step::Edit(vec![Edit::AppendRejection { number, text }]), Step::Move(Stage::Current)],
            message,
        ))
    }

    fn resume(&mut self, agent: Option<String>) -> Answer {
        let Some(name) = agent else {
            let was = self.pause.is_some();
            self.set_pause(None);
            let message = if was { "work goes on" } else { "nothing was paused" };
            return Ok(done(None, message.to_owned()));
        };
        let found = self
            .config
            .agents
            .iter()
            .find(|agent| agent.name.as_str() == name)
            .map(|agent| agent.name.clone());
        let Some(found) = found else {
            let names = self.config.agents.iter().map(|agent| agent.name.as_str());
            let hint = crate::hints::nearest(&name, names)
                .map_or("`storkit agents` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
            return Err(Refusal { code: 3, ..refused(format!("there is no agent `{name}`"), hint) });
        };
        self.forget_strikes(&found);
        let was = [self.drained.remove(&found).is_some(), self.unlimit(&found)].contains(&true);
        let message = if was {
            format!("{name} works again")
        } else {
            format!("{name} was neither drained nor limited")
        };
        Ok(done(None, message))
    }

    /// Starts the next step. Answers when none is left.
    fn run_script(&mut self, mut script: Script) -> Option<Answer> {
        let Some(step) = script.rest.pop_front() else {
            return Some(Ok(done(Some(&script.story), format!("{}: {}", script.story, script.message))));
        };
        let id = script.story.clone();
        let Some(stage) = self.board.stage(&id) else {
            return Some(Err(refused(format!("{id}: its file is gone"), "`storkit restore` brings it back")));
        };
        if stage != script.from {
            return Some(Err(refused(
                format!("{id} has just been moved to {stage} by somebody else"),
                "look where it is now: `storkit status`",
            )));
        }
        if let Step::Send(message) = step {
            self.deliver(&id, message);
            return self.run_script(script);
        }
        // Two writes of one file may be done in either order: the later one waits.
        if matches!(step, Step::Edit(_)) && self.is_writing(&id) {
            script.rest.push_front(step);
            self.parked.entry(id).or_default().push_back(script);
            return None;
        }
        script.doing = Some(step.clone());
        script.visits = self.tracks.get(&id).map(|track| track.visits);
        let op = self.new_op(Purpose::Ask(Box::new(script)));
        match step {
            Step::Move(to) => {
                self.out.push(Effect::Move(op, MoveOrder { story: id, from: stage, to }));
            }
            Step::Edit(edits) => {
                for edit in &edits {
                    self.apply_in_memory(&id, edit);
                }
                let track = self.track_mut(&id);
                // What a person asks for stands over what storkit had yet to write.
                track.pending.retain(|pending| !edits.iter().any(|edit| same_key(pending, edit)));
                track.asked.extend(edits.iter().cloned());
                self.out.push(Effect::Edit(op, EditOrder { story: id, stage, edits }));
            }
            // Carried out above.
            Step::Send(_) => {}
        }
        None
    }

    fn is_writing(&self, id: &StoryId) -> bool {
        let track = self.tracks.get(id);
        track.is_some_and(|track| matches!(track.work, super::Work::Editing(..)) || !track.asked.is_empty())
    }

    /// Lets the requests go on that waited for a write of the story's file.
    pub(super) fn unpark(&mut self, id: &StoryId) {
        while !self.is_writing(id) {
            let Some(script) = self.parked.get_mut(id).and_then(VecDeque::pop_front) else {
                self.parked.remove(id);
                return;
            };
            let ask = script.ask;
            if let Some(answer) = self.run_script(script) {
                self.answer(ask, answer);
            }
        }
    }

    pub(super) fn take_ask_outcome(&mut self, script: Script, outcome: Outcome) {
        let id = script.story.clone();
        let (ask, seq) = (script.ask, self.seq);
        // A story that is gone by now stays unknown.
        if let Some(track) = self.tracks.get_mut(&id) {
            if let Some(Step::Edit(edits)) = &script.doing {
                track.asked.retain(|edit| !edits.contains(edit));
            }
            track.stale_before = seq;
        }
        self.rescan(&id);
        let failure = match (&script.doing, outcome) {
            (Some(Step::Move(to)), Outcome::Move(MoveEnd::Moved)) => {
                // A look may have told of it, and the story may have gone on since.
                let visits = self.tracks.get(&id).map(|track| track.visits);
                if self.board.stage(&id) == Some(script.from) && visits == script.visits {
                    self.relocate(&id, *to);
                }
                self.touched.insert(id.clone());
                None
            }
            (Some(Step::Edit(edits)), Outcome::Edit(EditEnd::Written { .. })) => {
                self.answer_written(&id, edits);
                self.touched.insert(id.clone());
                None
            }
            (_, Outcome::Move(MoveEnd::SourceGone) | Outcome::Edit(EditEnd::SourceGone)) => Some(refused(
                format!("{id} has just been moved by somebody else"),
                "look where it is now: `storkit status`",
            )),
            (Some(Step::Move(to)), Outcome::Move(MoveEnd::TargetTaken)) => Some(refused(
                format!("{to} has a file of that name already; nothing was replaced"),
                "rename one of them",
            )),
            (_, Outcome::Edit(EditEnd::Broken)) => Some(refused(
                format!("the front matter of {id} does not parse"),
                "`storkit lint` shows where",
            )),
            (
                _,
                Outcome::Move(MoveEnd::Failed(why))
                | Outcome::Edit(EditEnd::Failed(why))
                | Outcome::Crashed(why),
            ) => Some(refused(format!("{id}: {why}"), "")),
            _ => Some(refused(format!("{id}: an answer that fits no step"), "")),
        };
        if failure.is_some()
            && let Some(track) = self.tracks.get_mut(&id)
        {
            // What was to be written does not count, and the file is not as it was believed to be.
            track.look_since = Some(seq);
        }
        let answer = match failure {
            Some(refusal) => Some(Err(refusal)),
            None => self.run_script(script),
        };
        if let Some(answer) = answer {
            self.answer(ask, answer);
        }
        self.unpark(&id);
    }
}

pub(super) type Plan = Result<(Vec<Step>, String), Refusal>;

fn done(id: Option<&StoryId>, message: String) -> Reply {
    Reply::Done { id: id.map(ToString::to_string), message }
}

fn plan_move(story: &Story, to: Stage) -> Plan {
    if story.stage == to {
        return Ok((Vec::new(), format!("is in {to} already")));
    }
    Ok((vec![Step::Move(to)], format!("{} → {to}", story.stage)))
}

fn plan_approve(story: &Story) -> Plan {
    match story.stage {
        Stage::Qa => Ok((vec![Step::Move(Stage::Merge)], "qa → merge, approved".to_owned())),
        Stage::Merge | Stage::Done | Stage::Archived => {
            Ok((Vec::new(), format!("is in {} already", story.stage)))
        }
        Stage::Backlog | Stage::Current => Err(refused(
            format!("{} is in {}, not in qa", story.id, story.stage),
            "`storkit move` takes it anywhere",
        )),
    }
}

fn plan_check(number: u32, done: bool) -> (Vec<Step>, String) {
    let words = if done { "ticked" } else { "not ticked" };
    (vec![Step::Edit(vec![Edit::Criterion { number, done }])], format!("criterion {number} is {words}"))
}

fn plan_unhold(story: &Story) -> (Vec<Step>, String) {
    if story.hold.is_none() {
        return (Vec::new(), "was not held".to_owned());
    }
    (vec![Step::Edit(vec![Edit::Hold(None)])], "held no more".to_owned())
}

/// Takes away what a start clears: `blocked`, and a hold that storkit wrote.
fn clearing(story: &Story) -> Vec<Step> {
    let mut edits = Vec::new();
    if story.blocked.is_some() {
        edits.push(Edit::Blocked(None));
    }
    if story.hold.is_some() {
        edits.push(Edit::OwnHold(None));
    }
    if edits.is_empty() { Vec::new() } else { vec![Step::Edit(edits)] }
}
