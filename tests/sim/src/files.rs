//! The fake board: files in stage folders, with what a person wrote and what storkit wrote told apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use storkit_core::board::id_of;
use storkit_core::facts::Edit;
use storkit_core::ids::StoryId;
use storkit_core::sighting::FileKey;
use storkit_core::stage::Stage;
use storkit_core::story::{Hold, Keyed, Kind, Overrides, Place, Problem, Qa, Size, Story, StoryRef};

use crate::rng::mix;

/// What only a person writes; `version` is new with each save.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) version: u32,
    pub(crate) kind: Kind,
    pub(crate) epic: Option<u64>,
    pub(crate) depends_on: Vec<u64>,
    pub(crate) priority: u8,
    pub(crate) qa: Option<Qa>,
    pub(crate) agent: Option<String>,
}

/// One file. `fid` is what an inode number is to a real one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct File {
    pub(crate) fid: u32,
    pub(crate) person: Person,
    pub(crate) broken: bool,
    pub(crate) blocked: Option<String>,
    pub(crate) hold: Option<Hold>,
    pub(crate) review_hold: bool,
    pub(crate) question: Option<u32>,
    /// The questions of the text, and whether each is answered.
    pub(crate) questions: BTreeMap<u32, bool>,
    pub(crate) rejections: u32,
    /// Which stay this is: counts the moves of the file.
    pub(crate) stay: u32,
    /// Whether a person put it where it is.
    pub(crate) by_person: bool,
    /// When a person took it back into the backlog; gone with the next save or move.
    pub(crate) moved_back: Option<u64>,
}

impl File {
    pub(crate) fn new(fid: u32, kind: Kind, version: u32) -> Self {
        let person =
            Person { version, kind, epic: None, depends_on: Vec::new(), priority: 3, qa: None, agent: None };
        Self {
            fid,
            person,
            broken: false,
            blocked: None,
            hold: None,
            review_hold: false,
            question: None,
            questions: BTreeMap::new(),
            rejections: 0,
            stay: 0,
            by_person: true,
            moved_back: None,
        }
    }

    /// This file in this stay.
    pub(crate) fn visit(&self) -> (u32, u32) {
        (self.fid, self.stay)
    }

    /// A hold in a person's own words.
    pub(crate) fn own_hold(&self) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| !hold.is_storkits())
    }

    /// What storkit writes.
    pub(crate) fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Priority(priority) => self.person.priority = *priority,
            Edit::Blocked(why) => self.blocked.clone_from(why),
            Edit::ReviewHold(held) => self.review_hold = *held,
            Edit::Question(number) => self.question = *number,
            Edit::OwnHold(_) if self.own_hold().is_some() => {}
            Edit::Hold(why) | Edit::OwnHold(why) => {
                self.hold = why.clone().map(|why| Hold { why: Some(why) })
            }
            Edit::AppendQuestion { number, .. } => {
                self.questions.insert(*number, false);
            }
            Edit::AppendRejection { .. } => self.rejections += 1,
            // The bodies of this world are not looked at.
            Edit::Criterion { .. } | Edit::Text { .. } => {}
            Edit::Answer { number, .. } => {
                self.questions.insert(*number, true);
            }
        }
    }

    /// A hash of all its bytes.
    pub(crate) fn content(&self) -> u64 {
        let own =
            (&self.blocked, &self.hold, self.review_hold, self.question, &self.questions, self.rejections);
        let text = format!("{:?}{own:?}{}", self.person.version, self.broken);
        text.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)))
    }

    /// What a reader makes of it.
    fn read(&self, key: &FileKey) -> Result<Story, Problem> {
        if self.broken {
            return Err(Problem::of_file(key.path(), "the front matter does not parse", "mend it"));
        }
        let id = id_of(key).expect("the world makes good names only");
        let place = Place { line: 2, column: 1 };
        let person = &self.person;
        let named = |number: &u64| Keyed { value: StoryRef::Number(*number), place };
        let keyed = |text: &String| Keyed { value: text.clone(), place };
        Ok(Story {
            name: id.words(),
            stage: key.stage,
            kind: person.kind,
            epic: person.epic.as_ref().map(named),
            depends_on: person.depends_on.iter().map(named).collect(),
            priority: person.priority,
            agent: person.agent.as_ref().map(keyed),
            qa: person.qa,
            hold: self.hold.as_ref().map(|hold| Keyed { value: hold.clone(), place }),
            overrides: Overrides::default(),
            labels: Vec::new(),
            blocked: self.blocked.as_ref().map(keyed),
            review_hold: self.review_hold.then_some(place),
            question: self.question.map(|value| Keyed { value, place }),
            answered: self.question.is_some_and(|number| self.questions.get(&number) == Some(&true)),
            verdict: None,
            size: Size::S,
            content: self.content(),
            id,
        })
    }
}

/// What a person last saved, by file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Saved {
    pub(crate) person: Person,
    pub(crate) own_hold: Option<Hold>,
}

/// All files of the board.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) map: BTreeMap<FileKey, File>,
    /// What persons saved and did not delete.
    pub(crate) saved: BTreeMap<u32, Saved>,
    /// Files that changed since they were last asked for: what a watcher would tell.
    pub(crate) changed: Vec<FileKey>,
    /// Files that an editor has renamed away for a moment.
    pub(crate) away: std::collections::BTreeSet<u32>,
    made: u32,
    versions: u32,
}

/// The key of a file.
pub(crate) fn key(stage: Stage, name: &Arc<str>) -> FileKey {
    FileKey { stage, name: name.clone() }
}

impl Files {
    pub(crate) fn new_fid(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    pub(crate) fn new_version(&mut self) -> u32 {
        self.versions += 1;
        self.versions
    }

    /// What is in the file now, as a reader sees it.
    pub(crate) fn read(&self, key: &FileKey) -> Option<Arc<Result<Story, Problem>>> {
        self.map.get(key).map(|file| Arc::new(file.read(key)))
    }

    /// Where a story's file is, looked for by its own name.
    pub(crate) fn find(&self, name: &Arc<str>) -> Vec<FileKey> {
        Stage::ALL.iter().map(|stage| key(*stage, name)).filter(|key| self.map.contains_key(key)).collect()
    }

    /// The file of that identity.
    pub(crate) fn of(&self, fid: u32) -> Option<(&FileKey, &File)> {
        self.map.iter().find(|(_, file)| file.fid == fid)
    }

    /// A person saves: these bytes must stay.
    pub(crate) fn save(&mut self, key: &FileKey, file: File) {
        let own_hold = file.own_hold().cloned();
        self.saved.insert(file.fid, Saved { person: file.person.clone(), own_hold });
        self.put(key.clone(), file);
    }

    /// A person deletes a file.
    pub(crate) fn delete(&mut self, key: &FileKey) {
        if let Some(file) = self.take(key) {
            self.saved.remove(&file.fid);
        }
    }

    pub(crate) fn put(&mut self, key: FileKey, file: File) {
        self.changed.push(key.clone());
        self.map.insert(key, file);
    }

    pub(crate) fn take(&mut self, key: &FileKey) -> Option<File> {
        let file = self.map.remove(key)?;
        self.changed.push(key.clone());
        Some(file)
    }

    /// The stories that any file stands for.
    pub(crate) fn ids(&self) -> Vec<StoryId> {
        self.map.keys().filter_map(id_of).collect()
    }
}
