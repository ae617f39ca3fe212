//! The fake executor: each effect takes its time, acts in parts, and is answered later; a crash can come between.

use storkit_core::effect::{AdvanceOrder, Effect, GatesOrder, GatesPlace, MoveOrder, SquashOrder};
use storkit_core::event::Outcome;
use storkit_core::facts::{
    AdvanceEnd, CloseEnd, EditEnd, GateResult, GatesEnd, MoveEnd, Overlap, PrepareEnd, SquashEnd,
};
use storkit_core::ids::{OpId, StoryId};
use storkit_core::invariants::{Checked, Violation};
use storkit_core::sighting::FileKey;
use storkit_core::stage::Stage;

use crate::agents::Plan;
use crate::files::File;
use crate::git::Branch;
use crate::mutant::Mutant;
use crate::world::{Process, Task, World};

/// An effect in flight.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) effect: Effect,
    /// Whether it is a story's own work, and not a step of a request.
    pub(crate) own: bool,
    pub(crate) part: u8,
    pub(crate) token: u32,
    pub(crate) cancelled: bool,
    pub(crate) answered: bool,
    pub(crate) plan: Option<Plan>,
    pub(crate) pid: Option<u32>,
    copy: Option<(FileKey, File)>,
}

/// What comes after a part of an effect.
pub(crate) enum Then {
    /// Another part, after so many milliseconds.
    More(u64),
    /// Its end.
    Ends(Outcome),
}

/// The op of an effect that is answered.
pub(crate) fn op_of(effect: &Effect) -> Option<OpId> {
    match effect {
        Effect::Move(op, _)
        | Effect::Edit(op, _)
        | Effect::Prepare(op, _)
        | Effect::Run(op, _)
        | Effect::Gates(op, _)
        | Effect::Inspect(op, ..)
        | Effect::Squash(op, _)
        | Effect::Advance(op, _)
        | Effect::Close(op, ..) => Some(*op),
        _ => None,
    }
}

/// The story of an effect that is answered.
pub(crate) fn story_of(effect: &Effect) -> Option<&StoryId> {
    match effect {
        Effect::Move(_, order) => Some(&order.story),
        Effect::Edit(_, order) => Some(&order.story),
        Effect::Prepare(_, order) => Some(&order.story),
        Effect::Run(_, order) => Some(&order.story),
        Effect::Gates(_, order) => Some(&order.story),
        Effect::Squash(_, order) => Some(&order.story),
        Effect::Advance(_, order) => Some(&order.story),
        Effect::Inspect(_, story, _) | Effect::Close(_, story, _) => Some(story),
        _ => None,
    }
}

/// The name of a story's file.
fn file_name(id: &StoryId) -> std::sync::Arc<str> {
    id.file_name().into()
}

impl World {
    /// Takes an effect on.
    pub(crate) fn fly(&mut self, op: OpId, effect: Effect, own: bool) -> Checked {
        self.watch_effect(op, &effect, own)?;
        let token = 1;
        let early = self.is_mutant(Mutant::AnswerBeforeAct)
            && matches!(effect, Effect::Move(..) | Effect::Advance(..))
            && self.rng.chance(30);
        if early {
            let outcome = if matches!(effect, Effect::Move(..)) {
                Outcome::Move(MoveEnd::Moved)
            } else {
                Outcome::Advance(AdvanceEnd::Advanced)
            };
            self.later(0, Task::Answer(op, outcome));
        }
        let flight = Flight {
            effect,
            own,
            part: 0,
            token,
            cancelled: false,
            answered: early,
            plan: None,
            pid: None,
            copy: None,
        };
        self.flights.insert(op, flight);
        let mut after = self.small();
        if early {
            // Longer than its answer, which removes it: acted on by a copy of the order.
            after += self.rng.between(1, 3_000);
        }
        self.later(after, Task::Act(op, token));
        Ok(())
    }

    /// Orders an effect to end.
    pub(crate) fn cancel(&mut self, op: OpId, grace_ms: u64) {
        if self.is_mutant(Mutant::CancelIgnored) {
            return;
        }
        let after = self.rng.between(0, grace_ms.max(1));
        let Some(flight) = self.flights.get_mut(&op) else { return };
        if flight.answered {
            return;
        }
        flight.cancelled = true;
        flight.token += 1;
        let token = flight.token;
        self.later(after, Task::Act(op, token));
    }

    /// The next part of an effect.
    pub(crate) fn act(&mut self, op: OpId, token: u32) -> Checked {
        let Some(mut flight) = self.flights.remove(&op) else { return Ok(()) };
        if flight.token != token || flight.answered && !self.is_mutant(Mutant::AnswerBeforeAct) {
            self.flights.insert(op, flight);
            return Ok(());
        }
        let panics = !self.calm && flight.part == 0 && self.rng.chance(self.trouble.panics);
        if panics && self.rng.chance(50) && !matches!(flight.effect, Effect::Run(..) | Effect::Gates(..)) {
            return self.ends(op, flight, Outcome::Crashed("a panic before".to_owned()));
        }
        let then = self.part(op, &mut flight)?;
        self.trace.note(self.now, || {
            format!("   · part {} of {}", flight.part, crate::trace::brief(&flight.effect))
        });
        flight.part += 1;
        // A landing is the worst moment for a crash, and a rare one.
        let odds = if matches!(flight.effect, Effect::Advance(..)) { 20 } else { 2 };
        if !self.calm && flight.pid.is_none() && self.rng.below(1_000) < self.trouble.crashes * odds {
            // Between this part and what would come next.
            if matches!(then, Then::More(_)) && !matches!(flight.effect, Effect::Run(..) | Effect::Gates(..))
            {
                self.flights.insert(op, flight);
            }
            return self.crash();
        }
        match then {
            Then::More(after) => {
                self.later(after, Task::Act(op, flight.token));
                self.flights.insert(op, flight);
                Ok(())
            }
            Then::Ends(_) if panics && !matches!(flight.effect, Effect::Run(..) | Effect::Gates(..)) => {
                self.ends(op, flight, Outcome::Crashed("a panic after".to_owned()))
            }
            Then::Ends(outcome) => self.ends(op, flight, outcome),
        }
    }

    fn ends(&mut self, op: OpId, mut flight: Flight, outcome: Outcome) -> Checked {
        if flight.answered {
            return Ok(());
        }
        flight.answered = true;
        self.flights.insert(op, flight);
        let after = self.small();
        self.later(after, Task::Answer(op, outcome));
        Ok(())
    }

    /// Does one part. Also what a crash calls, to have happened what nobody will hear of.
    pub(crate) fn part(&mut self, op: OpId, flight: &mut Flight) -> Result<Then, Violation> {
        match flight.effect.clone() {
            Effect::Move(_, order) => self.move_file(&order, flight),
            Effect::Edit(_, order) => {
                let key = FileKey { stage: order.stage, name: file_name(&order.story) };
                Ok(self.edit_file(&key, &order.edits, flight))
            }
            Effect::Prepare(_, order) => Ok(self.prepare(&order.story, flight)),
            Effect::Run(_, order) => self.run_part(op, &order, flight),
            Effect::Gates(_, order) => self.gates_part(&order, flight),
            Effect::Inspect(_, story, _) => Ok(Then::Ends(Outcome::Inspect(self.git.facts(&story)))),
            Effect::Squash(_, order) => Ok(Then::Ends(Outcome::Squash(self.squash(&order)))),
            Effect::Advance(_, order) => self.advance(&order, flight),
            Effect::Close(_, story, _) => Ok(Then::Ends(Outcome::Close(self.close(&story)))),
            other => Err(Violation::new("the executor knows its effects", format!("{other:?}"))),
        }
    }

    fn waits(&mut self) -> bool {
        !self.calm && self.rng.chance(self.trouble.waits)
    }

    fn move_file(&mut self, order: &MoveOrder, flight: &mut Flight) -> Result<Then, Violation> {
        let name = file_name(&order.story);
        let (mut from, to) = (
            FileKey { stage: order.from, name: name.clone() },
            FileKey { stage: order.to, name: name.clone() },
        );
        if flight.part == 1 {
            // The second half of a copying move.
            self.files.take(&from);
            return Ok(Then::Ends(Outcome::Move(MoveEnd::Moved)));
        }
        if self.is_mutant(Mutant::MoveFromAnywhere)
            && let Some(there) = self.files.find(&name).into_iter().next()
        {
            from = there;
        }
        if self.waits() {
            return Ok(Then::Ends(Outcome::Move(MoveEnd::Failed("no space left".to_owned()))));
        }
        if !self.files.map.contains_key(&from) {
            return Ok(Then::Ends(Outcome::Move(MoveEnd::SourceGone)));
        }
        if self.files.map.contains_key(&to) && !self.is_mutant(Mutant::MoveReplaces) {
            return Ok(Then::Ends(Outcome::Move(MoveEnd::TargetTaken)));
        }
        if flight.own {
            if from.stage != order.from {
                let detail = format!("{}: from {} and not from {}", order.story, from.stage, order.from);
                return Err(Violation::new("a person's move is not undone", detail));
            }
            self.check_own_move(&order.story, &from, &to)?;
        }
        let by_copy = self.is_mutant(Mutant::MoveByCopy);
        if !flight.own {
            self.may_reject(&from);
        }
        let mut file =
            if by_copy { self.files.map[&from].clone() } else { self.files.take(&from).expect("there") };
        file.stay += 1;
        file.by_person = !flight.own;
        file.moved_back = None;
        if !flight.own && to.stage == Stage::Backlog {
            file.moved_back = Some(self.now);
        }
        self.files.put(to, file);
        if by_copy {
            return Ok(Then::More(self.small()));
        }
        Ok(Then::Ends(Outcome::Move(MoveEnd::Moved)))
    }

    fn edit_file(&mut self, key: &FileKey, edits: &[storkit_core::facts::Edit], flight: &mut Flight) -> Then {
        if self.waits() {
            return Then::Ends(Outcome::Edit(EditEnd::Failed("no space left".to_owned())));
        }
        if self.is_mutant(Mutant::EditLosesSave) && flight.part == 0 {
            flight.copy = self.files.map.get(key).map(|file| (key.clone(), file.clone()));
            if flight.copy.is_some() {
                return Then::More(self.rng.between(1, 400));
            }
        }
        let Some(mut file) = self.files.map.get(key).cloned() else {
            return Then::Ends(Outcome::Edit(EditEnd::SourceGone));
        };
        if let Some((_, copy)) = flight.copy.take() {
            file = File { fid: file.fid, stay: file.stay, by_person: file.by_person, ..copy };
        }
        if file.broken {
            return Then::Ends(Outcome::Edit(EditEnd::Broken));
        }
        for edit in edits {
            file.apply(edit);
        }
        if !flight.own && file.hold.is_none() {
            file.moved_back = None;
        }
        // A request speaks for a person.
        if !flight.own
            && let Some(saved) = self.files.saved.get_mut(&file.fid)
        {
            saved.own_hold = file.own_hold().cloned();
        }
        let content = file.content();
        self.files.put(key.clone(), file);
        Then::Ends(Outcome::Edit(EditEnd::Written { content }))
    }

    fn prepare(&mut self, story: &StoryId, flight: &Flight) -> Then {
        if flight.part == 0 && self.rng.chance(50) {
            return Then::More(self.rng.between(1, 4_000));
        }
        let end = if flight.cancelled && self.rng.chance(70) {
            PrepareEnd::Cancelled
        } else if !self.git.base_there {
            PrepareEnd::Waits("base branch main does not exist".to_owned())
        } else if self.waits() {
            match self.rng.below(3) {
                0 => PrepareEnd::Waits("git is busy".to_owned()),
                1 => PrepareEnd::SetupFailed("npm: no".to_owned()),
                _ => PrepareEnd::Blocked("a branch of that name is not storkit's".to_owned()),
            }
        } else {
            let (base, tip) = (self.git.base.clone(), self.git.new_oid());
            let fresh = Branch { fork: base.clone(), changes: std::collections::BTreeMap::new(), tip };
            let branch = self.git.branches.entry(story.clone()).or_insert(fresh);
            PrepareEnd::Ready { worktree: format!("/worktrees/{story}"), base: branch.fork.clone() }
        };
        Then::Ends(Outcome::Prepare(end))
    }

    /// A process begins to work for a story.
    pub(crate) fn process_starts(&mut self, story: &StoryId) -> Result<u32, Violation> {
        if let Some(other) = self.processes.iter().find(|process| process.story == *story) {
            return Err(Violation::new(
                "nothing starts while the predecessor still works (I5)",
                format!("{story}: process {}", other.pid),
            ));
        }
        self.pids += 1;
        self.processes.push(Process { pid: self.pids, story: story.clone() });
        Ok(self.pids)
    }

    pub(crate) fn process_ends(&mut self, flight: &mut Flight) {
        if let Some(pid) = flight.pid.take() {
            if self.is_mutant(Mutant::RunOverBeforeEmpty) && self.rng.chance(30) {
                let after = self.rng.between(100, 20_000);
                self.later_for_all(after, Task::Die(pid));
            } else {
                self.processes.retain(|process| process.pid != pid);
            }
        }
    }

    fn gates_part(&mut self, order: &GatesOrder, flight: &mut Flight) -> Result<Then, Violation> {
        if flight.part == 0 && !flight.cancelled {
            if self.waits() {
                return Ok(Then::Ends(Outcome::Gates(GatesEnd::Waits("the disk is full".to_owned()))));
            }
            flight.pid = Some(self.process_starts(&order.story)?);
            let most = self.rng.pick(&[200, 3_000, 60_000]);
            return Ok(Then::More(self.rng.between(1, most)));
        }
        self.process_ends(flight);
        if flight.cancelled {
            return Ok(Then::Ends(Outcome::Gates(GatesEnd::Cancelled)));
        }
        let tree = match &order.place {
            GatesPlace::Commit(commit) if !self.is_mutant(Mutant::GatesOnBranch) => {
                self.git.tree(commit).clone()
            }
            GatesPlace::Story | GatesPlace::Commit(_) => self.git.branch_tree(&order.story),
        };
        let mut results = Vec::new();
        for gate in &order.gates {
            let failure = (!tree.passes(&gate.name)).then(|| "exit 1".to_owned());
            let red = failure.is_some();
            let log = format!("logs/{}.log", gate.name);
            results.push(GateResult {
                name: gate.name.clone(),
                failure,
                tail: String::new(),
                log,
                took_ms: 1,
            });
            if red {
                break;
            }
        }
        self.note_round(order, &results);
        Ok(Then::Ends(Outcome::Gates(GatesEnd::Ran(results))))
    }

    fn overlap(&self, story: &StoryId) -> Option<Overlap> {
        if self.is_mutant(Mutant::AdvanceOverEdits) {
            return None;
        }
        let files: Vec<_> = self
            .git
            .ahead(story)
            .iter()
            .filter(|change| self.git.dirty.contains(&change.file))
            .map(|change| format!("file-{}", change.file))
            .collect();
        let why = "uncommitted edits".to_owned();
        (!files.is_empty()).then(|| Overlap { folder: "/checkout".to_owned(), files, why })
    }

    fn squash(&mut self, order: &SquashOrder) -> SquashEnd {
        let story = &order.story;
        if !self.git.base_there {
            return SquashEnd::Waits("base branch main does not exist".to_owned());
        }
        if self.waits() {
            return SquashEnd::Waits("git is busy".to_owned());
        }
        let Some(branch) = self.git.branches.get(story).cloned() else { return SquashEnd::Nothing };
        if self.git.ahead(story).is_empty() {
            return SquashEnd::Nothing;
        }
        let conflicts = self.git.conflicts(story);
        if !conflicts.is_empty() {
            return SquashEnd::Conflict(conflicts.iter().map(|file| format!("file-{file}")).collect());
        }
        if let Some(overlap) = self.overlap(story) {
            return SquashEnd::Overlap(overlap);
        }
        let base = self.git.base.clone();
        let commit = self.git.commit(Some(base.clone()), self.git.landed_tree(story));
        SquashEnd::Ready {
            tree: self.git.commits[&commit].tree.clone(),
            base_tree: self.git.commits[&base].tree.clone(),
            commit,
            base,
            tip: branch.tip,
        }
    }

    fn advance(&mut self, order: &AdvanceOrder, flight: &mut Flight) -> Result<Then, Violation> {
        if flight.part == 0 {
            if !self.is_mutant(Mutant::IntentNotWritten) {
                self.git.landing.insert(order.story.clone(), order.new.clone());
            }
            return Ok(Then::More(self.small()));
        }
        let end = if !self.git.base_there {
            AdvanceEnd::BaseMissing("base branch main does not exist".to_owned())
        } else if self.waits() {
            AdvanceEnd::Failed("cannot lock ref".to_owned())
        } else if self.git.base != order.old && !self.is_mutant(Mutant::AdvanceWithoutCompare) {
            AdvanceEnd::BaseMoved
        } else if let Some(overlap) = self.overlap(&order.story) {
            AdvanceEnd::Overlap(overlap)
        } else {
            self.check_landing(order)?;
            self.git.base = order.new.clone();
            AdvanceEnd::Advanced
        };
        Ok(Then::Ends(Outcome::Advance(end)))
    }

    fn close(&mut self, story: &StoryId) -> CloseEnd {
        if !self.git.branches.contains_key(story) {
            return CloseEnd::Nothing;
        }
        if !self.git.ahead(story).is_empty() || self.processes.iter().any(|process| process.story == *story) {
            return CloseEnd::Kept("its work is not on base".to_owned());
        }
        self.git.branches.remove(story);
        CloseEnd::Closed
    }
}
