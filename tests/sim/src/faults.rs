//! Crashes and starts of the daemon, other people's commits, configuration that changes, and git under the board.

use std::sync::Arc;

use storkit_core::effect::Effect;
use storkit_core::event::{Event, Start};
use storkit_core::invariants::{Checked, Violation};
use storkit_core::pipeline::Pipeline;
use storkit_core::sighting::FileKey;
use storkit_core::stage::Stage;

use crate::exec::Then;
use crate::files::key;
use crate::git::{FILES, GATES};
use crate::mutant::Mutant;
use crate::settings::config;
use crate::world::{Ledger, Task, World};

/// The longest that a polite end may take: slow effects, and the grace of agents.
const DOWN_MS: u64 = 60_000;

impl World {
    /// Whatever trouble the seed has in store.
    pub(crate) fn make_trouble(&mut self) -> Checked {
        if self.calm {
            return Ok(());
        }
        let after = self.rng.between(1, 20_000);
        self.later_for_all(after, Task::Trouble);
        let trouble = self.trouble;
        if self.rng.chance(trouble.clocks) {
            let jump = i64::try_from(self.rng.between(0, 3 * 24 * 3_600_000)).expect("days");
            self.wall_shift = if self.rng.chance(50) { jump } else { -jump };
        }
        if self.pipe.is_none() {
            return Ok(());
        }
        if self.rng.chance(trouble.crashes) {
            return self.crash();
        }
        if self.rng.chance(trouble.downs) {
            self.later(DOWN_MS, Task::StopsBy);
            let now = self.rng.chance(30);
            self.deliver(Event::ShutDown { now })?;
            if self.rng.chance(20) {
                return self.deliver(Event::ShutDown { now: true });
            }
            return Ok(());
        }
        if self.rng.chance(trouble.git_switches) {
            return self.git_switches();
        }
        if self.rng.chance(trouble.configs) {
            self.watch.retries_max = self.watch.retries_max.max(self.config.max_retries);
            self.config = config(&mut self.rng);
            return self.deliver(Event::Configured(self.config.clone(), Vec::new()));
        }
        if self.rng.chance(2) {
            let bytes = self.rng.pick(&[0, 1 << 40]);
            return self.deliver(Event::DiskFree(bytes));
        }
        Ok(())
    }

    /// git switches the board: several files move or go, and no person did it.
    fn git_switches(&mut self) -> Checked {
        if self.rng.chance(30) {
            let stage = self.rng.pick(&[Stage::Backlog, Stage::Current, Stage::Done]);
            if !self.files.map.keys().any(|key| key.stage == stage) {
                if !self.scanner.missing.remove(&stage) {
                    self.scanner.missing.insert(stage);
                }
                self.scan_all();
                return Ok(());
            }
        }
        for here in self.files.map.keys().cloned().collect::<Vec<_>>() {
            if self.rng.chance(40) {
                let stage = self.rng.pick(&Stage::ALL);
                self.by_git(&here, key(stage, &here.name));
            }
        }
        let changed = std::mem::take(&mut self.files.changed);
        self.look_at(changed);
        Ok(())
    }

    fn by_git(&mut self, from: &FileKey, to: FileKey) {
        if self.files.map.contains_key(&to) {
            return;
        }
        self.trace.note(self.now, || format!("git moves {} to {}", from.path(), to.stage));
        self.scanner.by_git.insert(from.clone(), self.now);
        self.scanner.by_git.insert(to.clone(), self.now);
        let Some(mut file) = self.files.take(from) else { return };
        self.may_reject(from);
        file.stay += 1;
        file.by_person = true;
        file.moved_back = None;
        self.files.put(to, file);
    }

    /// The daemon dies at once; what was in flight may have happened, in part, or not.
    pub(crate) fn crash(&mut self) -> Checked {
        self.trace.note(self.now, || "☠ crash".to_owned());
        let flights = std::mem::take(&mut self.flights);
        for (op, mut flight) in flights {
            if let Some(pid) = flight.pid {
                let after = self.rng.between(0, 5_000);
                if !self.is_mutant(Mutant::ForgetKillOnRestart) {
                    self.later_for_all(after, Task::Die(pid));
                } else if self.rng.chance(50) {
                    self.later_for_all(60_000, Task::Die(pid));
                }
                if let Effect::Run(_, order) = &flight.effect
                    && self.rng.chance(30)
                {
                    self.work(&order.story, order.agent.role);
                }
                continue;
            }
            let is_process = matches!(flight.effect, Effect::Run(..) | Effect::Gates(..));
            while !is_process && !flight.answered && self.rng.chance(50) {
                self.trace
                    .note(self.now, || format!("   · happened: {}", crate::trace::brief(&flight.effect)));
                match self.part(op, &mut flight)? {
                    Then::More(_) => flight.part += 1,
                    Then::Ends(_) => break,
                }
            }
        }
        let written = self.rng.index(self.ledger.tail.len() + 1);
        for _ in 0..written {
            if let Some(line) = self.ledger.tail.pop_front() {
                self.ledger.write(line);
            }
        }
        self.ledger.tail.clear();
        self.gone();
        Ok(())
    }

    /// The daemon has ended by itself.
    pub(crate) fn ended(&mut self) -> Checked {
        if !self.flights.is_empty() || !self.processes.is_empty() && self.mutant.is_none() {
            let detail = format!("{:?} {:?}", self.flights, self.processes);
            return Err(Violation::new("a daemon ends when nothing is in flight", detail));
        }
        while let Some(line) = self.ledger.tail.pop_front() {
            self.ledger.write(line);
        }
        self.gone();
        Ok(())
    }

    fn gone(&mut self) {
        self.pipe = None;
        self.life += 1;
        self.asks.clear();
        let after = self.rng.between(1, 30_000);
        self.later_for_all(after, Task::Up);
    }

    /// A daemon starts: what is left of the last one is ended, and it is told what git and the ledger know.
    pub(crate) fn up(&mut self) -> Checked {
        if self.pipe.is_some() {
            return Ok(());
        }
        if !self.is_mutant(Mutant::ForgetKillOnRestart) {
            self.processes.clear();
        }
        if !self.calm && self.rng.chance(self.trouble.lost_ledger) {
            self.trace.note(self.now, || "the ledger is lost".to_owned());
            self.ledger = Ledger::default();
        }
        self.watch.restarted(&mut self.files, &self.ledger);
        let files = &self.files;
        let intents =
            self.git.intents(|story| files.find(&story.file_name().into()).first().map(|key| key.stage));
        let start = Start {
            intents,
            memory: self.ledger.memory.iter().map(|(id, (_, memory))| (id.clone(), memory.clone())).collect(),
            branches: self.git.branches.keys().cloned().collect(),
            spent_today_usd: 0.0,
            paused: self.ledger.pause.clone(),
            limits: self.ledger.limits.clone(),
        };
        self.watch.left = self.left_behind();
        self.pipe = Some(Pipeline::new(u64::from(self.life), Arc::clone(&self.config)));
        self.scanner_up();
        self.deliver(Event::Configured(self.config.clone(), Vec::new()))?;
        self.deliver(Event::Started(Box::new(start)))
    }

    /// Other people: commits on base, edits in its checkout, and base that goes away.
    pub(crate) fn others(&mut self) {
        if self.calm {
            return;
        }
        let after = self.rng.between(1, 15_000);
        self.later_for_all(after, Task::Others);
        if !self.rng.chance(self.trouble.others) {
            return;
        }
        match self.rng.below(10) {
            0..=4 => self.outside_commit(),
            5..=7 => {
                let file = self.rng.index(FILES);
                if !self.git.dirty.remove(&file) {
                    self.git.dirty.insert(file);
                }
            }
            _ => self.git.base_there = !self.git.base_there,
        }
    }

    /// Somebody else commits to base, and may break it or mend it.
    pub(crate) fn outside_commit(&mut self) {
        let mut tree = self.git.tree(&self.git.base).clone();
        let file = self.rng.index(FILES);
        tree.versions[file] += 1;
        if self.rng.chance(self.trouble.base_red) {
            tree.red |= self.rng.pick(&GATES).1;
        } else {
            self.mend(&mut tree);
        }
        self.trace.note(self.now, || format!("others commit: red {}", tree.red));
        self.git.base = self.git.commit(Some(self.git.base.clone()), tree);
    }

    fn mend(&mut self, tree: &mut crate::git::Tree) {
        tree.red = 0;
        for change in tree.changes.values_mut() {
            (change.red, change.clash) = (0, 0);
        }
    }

    /// The faults are over: base is there and green, nobody edits, and all agents can work.
    pub(crate) fn calm_down(&mut self) -> Checked {
        self.calm = true;
        self.git.base_there = true;
        self.git.dirty.clear();
        self.scanner.missing.clear();
        let mut tree = self.git.tree(&self.git.base).clone();
        self.mend(&mut tree);
        self.git.base = self.git.commit(Some(self.git.base.clone()), tree);
        self.trace.note(self.now, || "the faults are over".to_owned());
        self.watch.retries_max = self.watch.retries_max.max(self.config.max_retries);
        self.config = crate::settings::full(&self.config);
        self.deliver(Event::Configured(self.config.clone(), Vec::new()))?;
        self.deliver(Event::DiskFree(1 << 40))
    }
}
