//! What must hold in the world after every step, and when all is calm: the promises I1, I2, I5, I6, I8, I11 and I14.

use std::collections::BTreeMap;

use storkit_core::board::{Named, Placement, id_of};
use storkit_core::config::{GateStage, Role};
use storkit_core::effect::{AdvanceOrder, Effect, GatesOrder, GatesPlace};
use storkit_core::event::{Event, Outcome};
use storkit_core::facts::{Edit, GateResult, GatesEnd};
use storkit_core::ids::{Oid, OpId, StoryId};
use storkit_core::invariants::{Checked, Violation};
use storkit_core::pipeline::track::Work;
use storkit_core::pipeline::{Pipeline, SETTLE_MS};
use storkit_core::sighting::FileKey;
use storkit_core::stage::Stage;
use storkit_core::story::Kind;

use crate::files::Files;
use crate::git::Tree;
use crate::world::{Ledger, World};

/// Most wake-ups within a second of simulated time.
const WAKES_MAX: u64 = 100;
/// Most effects within a second of simulated time, for one story.
const EFFECTS_MAX: u64 = 400;

/// What the checker remembers.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Rounds of gates that passed: the tree, and the gates by name.
    rounds: Vec<(Oid, Vec<String>)>,
    /// The branch's tip on which the current gates last passed.
    green_tips: BTreeMap<StoryId, Oid>,
    /// The stay in which each story landed last.
    landed: BTreeMap<StoryId, (u32, u32)>,
    /// How often each story was, or may have been, rejected.
    pub(crate) rejected: BTreeMap<StoryId, u32>,
    /// What the daemon that has just started must make of what the last one left.
    pub(crate) left: Vec<crate::recovery::Left>,
    wakes: (u64, u64),
    effects: (u64, u64),
    /// The most attempts that any configuration so far allowed.
    pub(crate) retries_max: u32,
    pub(crate) landings: u64,
    pub(crate) runs: u64,
}

/// What was so before an event.
pub(crate) struct Before {
    failed_landings: BTreeMap<StoryId, u32>,
    /// The red gate of a merge round that has just ended, and the base it stood on.
    red: Option<(StoryId, String, Oid)>,
    may_cancel: bool,
    asked: bool,
    /// The story whose effect ends too late to count.
    late: Option<StoryId>,
    /// Since when each story's file is gone.
    gone: BTreeMap<StoryId, Option<u64>>,
}

impl Watch {
    pub(crate) fn wakes(&mut self, now: u64) -> Checked {
        count(&mut self.wakes, now, 1, WAKES_MAX, "no storm of wake-ups")
    }

    /// A daemon starts: what it cannot know any more is not asked of it.
    pub(crate) fn restarted(&self, files: &mut Files, ledger: &Ledger) {
        for (key, file) in &mut files.map {
            let id = id_of(key);
            let memory = id.and_then(|id| ledger.memory.get(&id));
            file.moved_back = file.moved_back.filter(|moved| {
                memory.is_some_and(|(at, memory)| match memory.stage {
                    Some(Stage::Backlog) => at > moved,
                    Some(_) => true,
                    None => false,
                })
            });
        }
    }
}

fn count(window: &mut (u64, u64), now: u64, more: u64, most: u64, rule: &'static str) -> Checked {
    let second = now / 1_000;
    if window.0 != second {
        *window = (second, 0);
    }
    window.1 += more;
    if window.1 > most {
        return Err(Violation::new(rule, format!("{} in second {second}", window.1)));
    }
    Ok(())
}

impl World {
    /// Each file is in one place, and holds what a person last saved (I1, I6).
    pub(crate) fn check_files(&mut self) -> Checked {
        let mut seen = std::collections::BTreeSet::new();
        for (key, file) in &self.files.map {
            if !seen.insert(file.fid) {
                return Err(Violation::new("a story is in one place (I1)", key.path()));
            }
            let Some(saved) = self.files.saved.get(&file.fid) else {
                return Err(Violation::new("a file that is there was made (I1)", key.path()));
            };
            if saved.person != file.person {
                let detail = format!("{}: {:?} became {:?}", key.path(), saved.person, file.person);
                return Err(Violation::new("what a person saved is there (I6)", detail));
            }
            if saved.own_hold.as_ref() != file.own_hold() {
                let detail = format!("{}: {:?} became {:?}", key.path(), saved.own_hold, file.hold);
                return Err(Violation::new("a person's hold stays (I6)", detail));
            }
        }
        if seen.len() != self.files.saved.len() - self.files_away(&seen) {
            let lost: Vec<_> = self.files.saved.keys().filter(|fid| !seen.contains(fid)).collect();
            return Err(Violation::new("no story is lost (I1)", format!("{lost:?}")));
        }
        Ok(())
    }

    /// Files that an editor has renamed away for a moment.
    fn files_away(&self, seen: &std::collections::BTreeSet<u32>) -> usize {
        self.files.away.iter().filter(|fid| self.files.saved.contains_key(fid) && !seen.contains(fid)).count()
    }

    /// What is to be compared after an event.
    pub(crate) fn before(&self, pipe: &Pipeline, event: &Event) -> Before {
        let failed_landings =
            pipe.tracks().map(|(id, track)| (id.clone(), track.memory.landings_failed)).collect();
        let red = match event {
            Event::Ended(op, Outcome::Gates(GatesEnd::Ran(results))) => merge_round(pipe, *op, results),
            _ => None,
        };
        let by_git = pipe.pause().is_some_and(|pause| pause.by_git);
        let asked = matches!(event, Event::Asked(..) | Event::ShutDown { .. });
        let gone = pipe.tracks().map(|(id, track)| (id.clone(), track.gone_since_ms)).collect();
        let late = if let Event::Ended(op, _) = event { late(pipe, *op) } else { None };
        Before { failed_landings, red, may_cancel: !by_git || asked, asked, late, gone }
    }

    /// Compares.
    pub(crate) fn after(&mut self, pipe: &Pipeline, before: Before, effects: &[Effect]) -> Checked {
        let stories = self.trouble.stories.max(1);
        let ops = effects.iter().filter(|effect| crate::exec::op_of(effect).is_some()).count() as u64;
        count(&mut self.watch.effects, self.now, ops, EFFECTS_MAX * stories, "no storm of effects")?;
        if !before.may_cancel && effects.iter().any(|effect| matches!(effect, Effect::Cancel { .. })) {
            return Err(Violation::new("git under the board stops nothing", "a cancel"));
        }
        self.check_rejections(pipe)?;
        check_cancels(pipe, before.asked, effects)?;
        for (id, since) in &before.gone {
            if pipe.track(id).is_none() {
                lasted(pipe, id, *since)?;
            }
        }
        self.check_recovered(pipe, effects)?;
        check_late(pipe, before.late.as_ref(), effects)?;
        let Some((story, gate, base)) = before.red else { return Ok(()) };
        let failed = pipe.track(&story).map_or(0, |track| track.memory.landings_failed);
        let blamed = failed > before.failed_landings.get(&story).copied().unwrap_or_default();
        if blamed && !self.git.tree(&base).passes(&gate) {
            return Err(Violation::new(
                "a red base blames nobody",
                format!("{story}: {gate} is red on {base}"),
            ));
        }
        Ok(())
    }

    /// No rejection is counted that was none.
    fn check_rejections(&self, pipe: &Pipeline) -> Checked {
        for (id, track) in pipe.tracks() {
            let most = self.watch.rejected.get(id).copied().unwrap_or_default();
            if track.memory.rejections > most {
                let detail = format!("{id}: {} of {most}", track.memory.rejections);
                return Err(Violation::new("only a rejection counts as one", detail));
            }
        }
        Ok(())
    }

    /// Looks at an effect that is about to be carried out.
    pub(crate) fn watch_effect(&mut self, op: OpId, effect: &Effect, own: bool) -> Checked {
        self.trace.note(0, || format!("   {op} is {}", if own { "own" } else { "asked for" }));
        match effect {
            Effect::Run(_, order) => {
                self.watch.runs += 1;
                let most = self.watch.retries_max.max(self.config.max_retries);
                self.watch.retries_max = most;
                if order.attempt > most && order.agent.role != Role::Mergemaster {
                    let detail = format!("{} attempt {} of {most}", order.story, order.attempt);
                    return Err(Violation::new("attempts are bounded", detail));
                }
            }
            Effect::Advance(_, order) => return self.check_advance(order),
            Effect::Edit(_, order) if own && order.edits.iter().any(blocks_for_nothing) => {
                let stay = self
                    .files
                    .find(&order.story.file_name().into())
                    .first()
                    .map(|key| self.files.map[key].visit());
                if stay.is_some() && self.watch.landed.get(&order.story).copied() == stay {
                    return Err(Violation::new("what landed is done", order.story.to_string()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes how a round of gates ended.
    pub(crate) fn note_round(&mut self, order: &GatesOrder, results: &[GateResult]) {
        if results.iter().any(|result| result.failure.is_some()) {
            return;
        }
        match &order.place {
            GatesPlace::Story => {
                if let Some(branch) = self.git.branches.get(&order.story) {
                    self.watch.green_tips.insert(order.story.clone(), branch.tip.clone());
                }
            }
            GatesPlace::Commit(commit) => {
                let names = order.gates.iter().map(|gate| gate.name.clone()).collect();
                self.watch.rounds.push((self.git.commits[commit].tree.clone(), names));
            }
        }
    }

    fn gate_names(&self, stage: GateStage) -> Vec<String> {
        self.pipe.as_ref().map_or_else(Vec::new, |pipe| {
            pipe.config().gates_at(stage).map(|gate| gate.name.clone()).collect()
        })
    }

    /// What is to land was judged by the gates, and is green in truth (I2).
    fn check_advance(&mut self, order: &AdvanceOrder) -> Checked {
        let tree = self.git.commits[&order.new].tree.clone();
        let wanted = self.gate_names(GateStage::Merge);
        let rounds: Vec<_> = self.watch.rounds.iter().filter(|(on, _)| *on == tree).collect();
        // A round that was under way when the configuration changed counts with the gates that it began with.
        if rounds.is_empty() && !wanted.is_empty() {
            return Err(Violation::new("what lands has a green record (I2)", order.story.to_string()));
        }
        let truth: &Tree = &self.git.trees[&tree];
        for (_, names) in rounds {
            if let Some(red) = names.iter().find(|name| !truth.passes(name)) {
                return Err(Violation::new("what lands is green (I2)", format!("{}: {red}", order.story)));
            }
        }
        Ok(())
    }

    /// Base is about to move (I2, I8).
    pub(crate) fn check_landing(&mut self, order: &AdvanceOrder) -> Checked {
        let detail = || format!("{} as {}", order.story, order.new);
        let commit = &self.git.commits[&order.new];
        if commit.parent.as_ref() != Some(&self.git.base) {
            return Err(Violation::new("the only parent is the old tip (I2)", detail()));
        }
        let (old, new) = (self.git.tree(&self.git.base), self.git.tree(&order.new));
        let fresh: Vec<_> =
            new.changes.values().filter(|change| !old.changes.contains_key(&change.id)).collect();
        if fresh.is_empty() || old.changes.keys().any(|id| !new.changes.contains_key(id)) {
            return Err(Violation::new("a landing adds a story's work, once (I8)", detail()));
        }
        if fresh.iter().any(|change| self.git.dirty.contains(&change.file)) {
            return Err(Violation::new("a person's edits in the checkout stay (I6)", detail()));
        }
        let protected = fresh.iter().any(|change| change.protected);
        let places = self.files.find(&order.story.file_name().into());
        let approved = places.iter().any(|key| self.files.map[key].by_person) || places.is_empty();
        if protected && !approved {
            return Err(Violation::new("what is protected is let through by a person", detail()));
        }
        self.watch.landings += 1;
        if let [place] = places.as_slice() {
            self.watch.landed.insert(order.story.clone(), self.files.map[place].visit());
        }
        Ok(())
    }

    /// storkit's own move is about to happen.
    pub(crate) fn check_own_move(&mut self, id: &StoryId, from: &FileKey, to: &FileKey) -> Checked {
        let file = &self.files.map[from];
        let detail = || format!("{id}: {} → {}", from.stage, to.stage);
        if from.stage == Stage::Backlog && to.stage == Stage::Current && file.moved_back.is_some() {
            return Err(Violation::new("a person's move is not undone", detail()));
        }
        let spike = file.person.kind == Kind::Spike || file.person.kind == Kind::Epic;
        if from.stage == Stage::Merge && to.stage == Stage::Done && !spike && !self.git.ahead(id).is_empty() {
            return Err(Violation::new("done by itself means landed", detail()));
        }
        let forward = from.stage == Stage::Current && matches!(to.stage, Stage::Qa | Stage::Merge);
        if forward && !self.gate_names(GateStage::Current).is_empty() && self.mutant.is_none() {
            let tip = self.git.branches.get(id).map(|branch| &branch.tip);
            if tip.is_some() && self.watch.green_tips.get(id) != tip && !self.configured_lately() {
                return Err(Violation::new("what leaves current passed its gates", detail()));
            }
        }
        Ok(())
    }

    /// Whether the gates may have been others when they ran.
    fn configured_lately(&self) -> bool {
        self.trouble.configs > 0
    }

    /// When all is calm and nothing is left to do: what the pipeline believes is what is there (I11), and what is not
    /// done says why (I14).
    pub(crate) fn check_calm(&self) -> Checked {
        let Some(pipe) = &self.pipe else { return Err(Violation::new("the daemon is up", "it is not")) };
        let believed: Vec<_> = pipe.board().files().map(|(key, _)| key.clone()).collect();
        let there: Vec<_> = self.files.map.keys().cloned().collect();
        if believed != there {
            return Err(Violation::new(
                "the board is what is there (I11)",
                format!("{believed:?} is {there:?}"),
            ));
        }
        for (key, what) in pipe.board().files() {
            // What waits to be written counts already.
            let unwritten = id_of(key)
                .and_then(|id| pipe.track(&id))
                .is_some_and(|track| !track.pending.is_empty() || !track.is_free());
            if unwritten {
                continue;
            }
            let real = self.files.read(key).expect("compared");
            let keys = |story: &storkit_core::story::Story| {
                let hold = story.hold.as_ref().map(|hold| hold.value.clone());
                let blocked = story.blocked.as_ref().map(|blocked| blocked.value.clone());
                let question = story.question.as_ref().map(|question| question.value);
                (hold, blocked, question, story.review_hold.is_some(), story.content)
            };
            let same = match (what.as_ref(), real.as_ref()) {
                (Ok(one), Ok(other)) => keys(one) == keys(other),
                (Err(_), Err(_)) => true,
                _ => false,
            };
            if !same {
                return Err(Violation::new(
                    "a story is what its file says (I11)",
                    format!("{what:?} is {real:?}"),
                ));
            }
        }
        self.check_epics(pipe)?;
        self.check_landed(pipe)?;
        self.check_intents(pipe)?;
        if let Some(ask) = self.asks.first() {
            return Err(Violation::new("every request is answered", format!("{ask:?}")));
        }
        Ok(())
    }

    /// An epic whose stories are all closed is done.
    fn check_epics(&self, pipe: &Pipeline) -> Checked {
        if pipe.pause().is_some() {
            return Ok(());
        }
        let board = pipe.board();
        for epic in board.stories().filter(|story| story.kind == Kind::Epic && !story.stage.is_closed()) {
            let free = pipe.conditions(&epic.id).iter().all(|condition| condition.what == "epic");
            let of = |story: &&storkit_core::story::Story| {
                let named = story.epic.as_ref().map(|name| board.named(&name.value));
                named == Some(Named::One(epic.id.clone()))
            };
            let mut stories = board.stories().filter(of).peekable();
            if free && stories.peek().is_some() && stories.all(|story| story.stage.is_closed()) {
                return Err(Violation::new("an epic is done when its stories are", epic.id.to_string()));
            }
        }
        Ok(())
    }

    /// The record of a landing that is over has served, and is gone.
    fn check_intents(&self, pipe: &Pipeline) -> Checked {
        for (id, commit) in &self.git.landing {
            let under_way = pipe.track(id).is_some_and(|track| track.memory.landed.is_some());
            // What is in two places waits until it is in one.
            let single = matches!(pipe.board().placement(id), Placement::One(_));
            if self.git.on_base(commit) && !under_way && single && pipe.pause().is_none() {
                return Err(Violation::new("a landing is finished (I8)", format!("{id} as {commit}")));
            }
        }
        Ok(())
    }

    /// A story that landed does not stand in merge with nothing to merge.
    fn check_landed(&self, pipe: &Pipeline) -> Checked {
        for story in
            pipe.board().stories().filter(|story| story.stage == Stage::Merge && story.kind != Kind::Epic)
        {
            if pipe.board().stage(&story.id).is_none() {
                continue;
            }
            let stay =
                self.files.find(&story.id.file_name().into()).first().map(|key| self.files.map[key].visit());
            if stay.is_some() && self.watch.landed.get(&story.id).copied() == stay && pipe.pause().is_none() {
                let why = format!("{}: {:?}", story.id, story.blocked);
                return Err(Violation::new("what landed is done", why));
            }
        }
        Ok(())
    }

    /// When a helper did what the board asked for: all stories are done (I14).
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let open = |key: &&FileKey| matches!(key.stage, Stage::Current | Stage::Qa | Stage::Merge);
        let epic = |key: &&FileKey| self.files.map[*key].person.kind == Kind::Epic;
        let keys = self.files.map.keys().filter(open).filter(|key| !epic(key));
        keys.map(|key| {
            let id = id_of(key);
            let why = id.and_then(|id| {
                let pipe = self.pipe.as_ref()?;
                Some(format!("{:?} {:?} {:?}", pipe.state_of(&id), pipe.conditions(&id), pipe.track(&id)))
            });
            format!("{}: {}", key.path(), why.unwrap_or_default())
        })
        .collect()
    }
}

/// The story, the red gate and the base of a merge round that ends red now, or that was red before base's own round.
fn merge_round(pipe: &Pipeline, op: OpId, results: &[GateResult]) -> Option<(StoryId, String, Oid)> {
    let (id, track) = pipe.tracks().find(|(_, track)| track.work.op() == Some(op))?;
    match &track.work {
        Work::LandingGating(_, candidate) => {
            let red = results.iter().find(|result| result.failure.is_some())?;
            Some((id.clone(), red.name.clone(), candidate.base.clone()))
        }
        Work::BaseGating(_, candidate, Some(red)) => {
            Some((id.clone(), red.name.clone(), candidate.base.clone()))
        }
        _ => None,
    }
}

/// The story of an effect whose stage the story has left meanwhile.
fn late(pipe: &Pipeline, op: OpId) -> Option<StoryId> {
    let (id, track) = pipe.tracks().find(|(_, track)| track.work.op() == Some(op))?;
    let left = pipe.board().stage(id).is_some_and(|stage| track.memory.stage != Some(stage));
    (track.work.can_be_cancelled() && left).then(|| id.clone())
}

/// A late result moves nothing: in a new stage something else comes first, but for an epic.
fn check_late(pipe: &Pipeline, late: Option<&StoryId>, effects: &[Effect]) -> Checked {
    let Some(id) = late else { return Ok(()) };
    let epic = pipe.board().story(id).is_some_and(|story| story.kind == Kind::Epic);
    let moving = pipe.track(id).is_some_and(|track| matches!(track.work, Work::Moving(..)));
    let moves = |effect: &Effect| matches!(effect, Effect::Move(_, order) if order.story == *id);
    if moving && !epic && effects.iter().any(moves) {
        return Err(Violation::new("a late result counts for nothing", id.to_string()));
    }
    Ok(())
}

/// Only a move, a request, or a loss or a copy that has lasted ends what runs.
fn check_cancels(pipe: &Pipeline, asked: bool, effects: &[Effect]) -> Checked {
    for effect in effects {
        let Effect::Cancel { op, .. } = effect else { continue };
        let Some((id, track)) = pipe.tracks().find(|(_, track)| track.work.op() == Some(*op)) else {
            continue;
        };
        let stays = pipe.board().stage(id).is_some_and(|stage| track.memory.stage == Some(stage))
            && matches!(pipe.board().placement(id), Placement::One(key) if id_of(key).as_ref() == Some(id));
        if asked || pipe.is_stopping() {
            continue;
        }
        if stays {
            return Err(Violation::new("a run is ended for a reason", id.to_string()));
        }
        let moment = match pipe.board().placement(id) {
            Placement::One(key) if id_of(key).as_ref() == Some(id) => continue,
            Placement::One(_) | Placement::Absent => track.gone_since_ms,
            Placement::Many(_) => track.double_since_ms,
        };
        lasted(pipe, id, moment)?;
    }
    Ok(())
}

/// A file that is gone, or in two places, counts only when it has been so for a while.
fn lasted(pipe: &Pipeline, id: &StoryId, since: Option<u64>) -> Checked {
    if since.is_some_and(|since| pipe.now_ms() >= since + SETTLE_MS) {
        return Ok(());
    }
    let detail = format!("{id}: since {since:?}, now {}", pipe.now_ms());
    Err(Violation::new("a moment without a file is no loss", detail))
}

fn blocks_for_nothing(edit: &Edit) -> bool {
    matches!(edit, Edit::Blocked(Some(why)) if why == "nothing to merge")
}
