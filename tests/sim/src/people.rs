//! Fake persons: they move, edit, copy, break and delete files at any moment, and ask for things. What they saved must
//! stay. When the faults are over, a helper does what the board asks a person for.

use std::sync::Arc;

use storkit_core::event::{AskId, Event};
use storkit_core::invariants::Checked;
use storkit_core::request::Request;
use storkit_core::sighting::FileKey;
use storkit_core::stage::Stage;
use storkit_core::story::{Hold, Kind, Qa};

use crate::files::{File, key};
use crate::world::{Task, World};

/// A file that is gone for so long is gone, in milliseconds.
const GONE_MS: u64 = 2_000;

/// An editor with a file open: what it read, and where.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) key: FileKey,
    pub(crate) file: File,
}

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Move,
    Ask,
    Open,
    Quick,
    RenameAway,
    New,
    Copy,
    Delete,
    Respell,
    Answer,
}

const DEEDS: [(u64, Deed); 10] = [
    (22, Deed::Move),
    (18, Deed::Ask),
    (12, Deed::Open),
    (14, Deed::Quick),
    (4, Deed::RenameAway),
    (3, Deed::New),
    (3, Deed::Copy),
    (2, Deed::Delete),
    (1, Deed::Respell),
    (10, Deed::Answer),
];

impl World {
    /// A person does something, and comes back later.
    pub(crate) fn people(&mut self) -> Checked {
        if self.calm {
            return Ok(());
        }
        let burst = self.rng.chance(30);
        let after = self.rng.between(1, if burst { 50 } else { self.trouble.people_every });
        self.later_for_all(after, Task::People);
        if !self.rng.chance(self.trouble.people) {
            return Ok(());
        }
        let deed = self.rng.weighed(&DEEDS);
        self.do_deed(deed)
    }

    /// A file for whose story something is being done: there the races are.
    fn busy_file(&mut self) -> Option<FileKey> {
        let stories = self.flights.values().filter_map(|flight| crate::exec::story_of(&flight.effect));
        let keys: Vec<_> = stories.flat_map(|id| self.files.find(&id.file_name().into())).collect();
        (!keys.is_empty()).then(|| self.rng.pick(&keys))
    }

    fn any_file(&mut self) -> Option<FileKey> {
        let keys: Vec<_> = self.files.map.keys().cloned().collect();
        (!keys.is_empty()).then(|| self.rng.pick(&keys))
    }

    fn do_deed(&mut self, deed: Deed) -> Checked {
        if deed == Deed::Ask {
            return self.ask_something();
        }
        if deed == Deed::New {
            self.new_story();
            return Ok(());
        }
        let busy = if self.rng.chance(40) { self.busy_file() } else { None };
        let Some(here) = busy.or_else(|| self.any_file()) else { return Ok(()) };
        self.trace.note(self.now, || format!("☺ {deed:?} {}", here.path()));
        if matches!(deed, Deed::Copy | Deed::Delete | Deed::RenameAway | Deed::Respell) {
            self.may_reject(&here);
        }
        match deed {
            Deed::Move => {
                let stage = self.rng.pick(&Stage::ALL);
                self.person_moves(&here, stage);
            }
            Deed::Open => {
                let file = self.files.map[&here].clone();
                let after = self.rng.between(1, 3_000);
                self.later_for_all(after, Task::Save(Box::new(Draft { key: here, file })));
            }
            Deed::Quick => self.quick_edit(&here),
            Deed::RenameAway => {
                if let Some(mut file) = self.files.take(&here) {
                    self.files.away.insert(file.fid);
                    let most = self.rng.pick(&[20, 500, 4_000]);
                    let after = self.rng.between(1, most);
                    // Away for so long it counts as deleted, and comes back as another.
                    file.stay += u32::from(after >= GONE_MS);
                    self.later_for_all(after, Task::PutBack(Box::new(Draft { key: here, file })));
                }
            }
            Deed::Copy => {
                let mut file = self.files.map[&here].clone();
                let to = FileKey { stage: self.rng.pick(&Stage::ALL), name: here.name };
                if !self.files.map.contains_key(&to) {
                    file.fid = self.files.new_fid();
                    file.by_person = true;
                    self.files.save(&to, file);
                }
            }
            Deed::Delete => self.files.delete(&here),
            Deed::Respell => self.respell(&here),
            Deed::Answer => self.answer_question(&here),
            Deed::Ask | Deed::New => {}
        }
        Ok(())
    }

    /// A rename by hand, which does not replace.
    pub(crate) fn person_moves(&mut self, from: &FileKey, stage: Stage) {
        let to = key(stage, &from.name);
        if self.files.map.contains_key(&to) {
            return;
        }
        let Some(mut file) = self.files.take(from) else { return };
        self.may_reject(from);
        file.stay += 1;
        file.by_person = true;
        file.moved_back = (stage == Stage::Backlog && self.is_known_elsewhere(from)).then_some(self.now);
        self.files.put(to, file);
    }

    /// Whether storkit has seen a story in another stage than the backlog; else one that is there is new.
    fn is_known_elsewhere(&self, from: &FileKey) -> bool {
        let Some(id) = storkit_core::board::id_of(from) else { return false };
        let stage = match &self.pipe {
            Some(pipe) => pipe.track(&id).and_then(|track| track.memory.stage),
            None => self.ledger.memory.get(&id).and_then(|(_, memory)| memory.stage),
        };
        stage.is_some_and(|stage| stage != Stage::Backlog)
    }

    /// A story that leaves qa by a person's hand may be seen as rejected.
    pub(crate) fn may_reject(&mut self, from: &FileKey) {
        if let Some(id) = storkit_core::board::id_of(from) {
            *self.watch.rejected.entry(id).or_default() += 1;
        }
    }

    fn respell(&mut self, here: &FileKey) {
        let name: Arc<str> = if here.name.contains("_x.md") {
            here.name.replace("_x.md", "_X.md").into()
        } else {
            here.name.replace("_X.md", "_x.md").into()
        };
        let to = key(here.stage, &name);
        if !self.files.map.contains_key(&to)
            && let Some(mut file) = self.files.take(here)
        {
            // Another story now, which a person put there.
            file.stay += 1;
            file.by_person = true;
            // What was done to the one of the old name is not about it: it is new, and may be promoted.
            file.moved_back = None;
            self.files.put(to, file);
        }
    }

    fn answer_question(&mut self, here: &FileKey) {
        let mut file = self.files.map[here].clone();
        for answered in file.questions.values_mut() {
            *answered = true;
        }
        file.person.version = self.files.new_version();
        self.files.save(here, file);
    }

    /// Changes one thing in a file, atomically.
    fn quick_edit(&mut self, here: &FileKey) {
        let mut file = self.files.map[here].clone();
        self.scribble(&mut file);
        self.files.save(here, file);
    }

    fn scribble(&mut self, file: &mut File) {
        file.person.version = self.files.new_version();
        match self.rng.below(13) {
            0 => file.blocked = None,
            1 => file.review_hold = false,
            2 => file.question = None,
            3 => file.hold = None,
            4 => file.hold = Some(Hold { why: Some("waiting for legal".to_owned()) }),
            5 => file.broken = true,
            6..=7 => file.broken = false,
            8 => file.person.depends_on = vec![self.rng.between(1, 8)],
            9 => file.person.depends_on.clear(),
            10 => file.person.qa = self.rng.pick(&[None, Some(Qa::Server), Some(Qa::Agent), Some(Qa::Human)]),
            11 => {
                file.person.priority = u8::try_from(self.rng.between(1, 5)).expect("small");
                file.person.kind =
                    self.rng.pick(&[Kind::Story, Kind::Story, Kind::Spike, Kind::Epic, file.person.kind]);
            }
            _ => {
                file.person.agent =
                    self.rng.pick(&[None, None, Some("coder-1".to_owned()), Some("nobody".to_owned())]);
            }
        }
        if file.hold.is_none() {
            file.moved_back = None;
        }
    }

    /// An editor saves what it has, in place or where the file was when it was opened.
    pub(crate) fn save(&mut self, draft: Draft) {
        let mut file = draft.file;
        self.scribble(&mut file);
        let there = self.files.of(file.fid).map(|(key, now)| (key.clone(), now.clone()));
        self.trace.note(self.now, || format!("☺ saves {}", draft.key.path()));
        match there {
            Some((key, now)) if key == draft.key || self.rng.chance(80) => {
                file.stay = now.stay;
                file.by_person = now.by_person;
                file.moved_back = now.moved_back.filter(|_| file.hold.is_some());
                self.files.save(&key, file);
            }
            Some(_) if !self.files.map.contains_key(&draft.key) => {
                // By the old path: now there are two.
                self.may_reject(&draft.key);
                file.fid = self.files.new_fid();
                self.files.save(&draft.key, file);
            }
            _ => {}
        }
    }

    /// An editor that renamed a file away for a moment puts it back, with a save.
    pub(crate) fn put_back(&mut self, draft: Draft) {
        let mut file = draft.file;
        self.files.away.remove(&file.fid);
        if self.files.map.contains_key(&draft.key) {
            self.files.saved.remove(&file.fid);
            return;
        }
        file.person.version = self.files.new_version();
        // Away for longer than a moment, it was deleted and is new.
        file.moved_back = None;
        self.files.save(&draft.key, file);
    }

    /// Asks the daemon for something.
    fn ask_something(&mut self) -> Checked {
        let ids = self.files.ids();
        if ids.is_empty() {
            return Ok(());
        }
        let id = self.rng.pick(&ids);
        let story = if self.rng.chance(20) {
            id.number().map_or_else(String::new, |n| n.to_string())
        } else {
            id.to_string()
        };
        let text = "not yet".to_owned();
        let request = match self.rng.below(20) {
            0 => Request::Move { story, to: self.rng.pick(&Stage::ALL) },
            1..=2 => Request::Start { story, agent: None },
            3 => Request::Start { story, agent: Some("coder-1".to_owned()) },
            4..=5 => Request::Stop { story },
            6 => Request::Retry { story },
            7 => Request::Approve { story },
            8..=9 => Request::Reject { story, text },
            10 => Request::Hold { story, why: Some("wait".to_owned()) },
            11 => Request::Unhold { story },
            12 => Request::Unblock { story },
            13 => Request::Pause { why: None },
            14 => Request::Resume { agent: None },
            15 => Request::Answer { story, text },
            16 => Request::Send { story, from: None, text },
            17..=18 => Request::Continue { story, text },
            _ => Request::Resume { agent: Some("coder-1".to_owned()) },
        };
        if matches!(request, Request::Start { .. } | Request::Continue { .. }) {
            // Whoever starts a story does not want it back any more, also where it goes on by itself at that moment.
            for key in self.files.find(&id.file_name().into()) {
                self.files.map.entry(key).and_modify(|file| file.moved_back = None);
            }
        }
        self.ask(request)
    }

    pub(crate) fn ask(&mut self, request: Request) -> Checked {
        if self.pipe.is_none() {
            return Ok(());
        }
        self.asked += 1;
        let ask = AskId(self.asked);
        self.asks.insert(ask);
        self.deliver(Event::Asked(ask, request))
    }

    /// When all is calm: does what the board asks a person for, and what a person would do who wants all to be done.
    pub(crate) fn help(&mut self) -> Checked {
        if self.helped_enough {
            return Ok(());
        }
        self.later_for_all(20_000, Task::Helper);
        self.ask(Request::Resume { agent: None })?;
        for agent in self.config.agents.clone() {
            self.ask(Request::Resume { agent: Some(agent.name.to_string()) })?;
        }
        for here in self.files.map.keys().cloned().collect::<Vec<_>>() {
            self.help_with(&here);
        }
        Ok(())
    }

    /// The helper goes home.
    pub(crate) fn help_no_more(&mut self) {
        self.helped_enough = true;
    }

    fn help_with(&mut self, here: &FileKey) {
        let twice =
            self.files.map.keys().any(|other| other != here && other.name.eq_ignore_ascii_case(&here.name));
        let Some(mut file) = self.files.map.get(here).cloned() else { return };
        if twice {
            self.files.delete(here);
            return;
        }
        let before = file.clone();
        let says = |what: &str| {
            let story = storkit_core::board::id_of(here).zip(self.pipe.as_ref());
            story
                .is_some_and(|(id, pipe)| pipe.conditions(&id).iter().any(|condition| condition.what == what))
        };
        let (declined, review) = (says("declined"), says("review"));
        let nothing = declined || file.blocked.as_deref().is_some_and(|why| why.starts_with("nothing to"));
        let landed = file.blocked.as_deref().is_some_and(|why| why.starts_with("landed as"));
        file.broken = false;
        file.blocked = None;
        file.hold = None;
        file.question = file.question.filter(|number| file.questions.contains_key(number));
        for answered in file.questions.values_mut() {
            *answered = true;
        }
        file.person.depends_on.clear();
        file.person.epic = None;
        file.person.agent = None;
        if file != before {
            file.person.version = self.files.new_version();
            self.files.save(here, file.clone());
        }
        match here.stage {
            Stage::Qa if review || file.review_hold => self.person_moves(here, Stage::Merge),
            Stage::Qa | Stage::Merge if nothing => self.person_moves(here, Stage::Current),
            _ if landed => self.person_moves(here, Stage::Done),
            _ => {}
        }
    }
}
