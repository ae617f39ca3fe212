//! The board in memory: which files are where, and which story each one is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::StoryId;
use crate::sighting::FileKey;
use crate::stage::Stage;
use crate::story::{Problem, Story, StoryRef};

/// What a file holds: a story, or what is wrong with it.
pub type Content = Arc<Result<Story, Problem>>;

/// Where a story's file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement<'a> {
    /// Nowhere.
    Absent,
    /// In one place.
    One(&'a FileKey),
    /// In two or more: nothing may run for it.
    Many(&'a [FileKey]),
}

/// Which stories a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// None.
    Nothing,
    /// One.
    One(StoryId),
    /// A number that fits several.
    Several(Vec<StoryId>),
}

/// All files of the board.
#[derive(Debug, Default)]
pub struct Board {
    files: BTreeMap<FileKey, Content>,
    places: BTreeMap<String, Vec<FileKey>>,
    numbers: BTreeMap<u64, Vec<StoryId>>,
}

/// The story that a file's name stands for; none where the stem is no id.
pub fn id_of(key: &FileKey) -> Option<StoryId> {
    StoryId::new(key.name.strip_suffix(".md")?).ok()
}

impl Board {
    /// Puts a file in, or replaces what is known of it. Returns what was known.
    pub fn put(&mut self, key: FileKey, what: Content) -> Option<Content> {
        let before = self.files.insert(key.clone(), what);
        if before.is_none()
            && let Some(id) = id_of(&key)
        {
            let places = self.places.entry(id.folded()).or_default();
            places.push(key);
            places.sort();
            if let Some(number) = id.number() {
                let ids = self.numbers.entry(number).or_default();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        before
    }

    /// Takes a file out. Returns what was known of it.
    pub fn take(&mut self, key: &FileKey) -> Option<Content> {
        let before = self.files.remove(key)?;
        if let Some(id) = id_of(key) {
            let folded = id.folded();
            let places = self.places.get_mut(&folded).map(|places| {
                places.retain(|place| place != key);
                places.iter().any(|place| id_of(place).as_ref() == Some(&id))
            });
            if self.places.get(&folded).is_some_and(Vec::is_empty) {
                self.places.remove(&folded);
            }
            if places == Some(false) {
                self.drop_number(&id);
            }
        }
        Some(before)
    }

    fn drop_number(&mut self, id: &StoryId) {
        let Some(number) = id.number() else { return };
        if let Some(ids) = self.numbers.get_mut(&number) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.numbers.remove(&number);
            }
        }
    }

    /// Where a story's file is.
    pub fn placement(&self, id: &StoryId) -> Placement<'_> {
        match self.places.get(&id.folded()).map(Vec::as_slice) {
            None | Some([]) => Placement::Absent,
            Some([one]) => Placement::One(one),
            Some(many) => Placement::Many(many),
        }
    }

    /// What is known of a file.
    pub fn content(&self, key: &FileKey) -> Option<&Content> {
        self.files.get(key)
    }

    /// The story, where its file is in one place and can be read.
    pub fn story(&self, id: &StoryId) -> Option<&Story> {
        match self.placement(id) {
            Placement::One(key) => self.files.get(key)?.as_ref().as_ref().ok(),
            _ => None,
        }
    }

    /// The stage, where the file is in one place.
    pub fn stage(&self, id: &StoryId) -> Option<Stage> {
        match self.placement(id) {
            Placement::One(key) => Some(key.stage),
            _ => None,
        }
    }

    /// All files, by folder and name.
    pub fn files(&self) -> impl Iterator<Item = (&FileKey, &Content)> {
        self.files.iter()
    }

    /// The files of one stage, by name.
    pub fn files_in(&self, stage: Stage) -> impl Iterator<Item = (&FileKey, &Content)> {
        let first = FileKey { stage, name: "".into() };
        self.files.range(first..).take_while(move |(key, _)| key.stage == stage)
    }

    /// All stories that can be read, each once, whether or not in one place.
    pub fn stories(&self) -> impl Iterator<Item = &Story> {
        self.files.values().filter_map(|what| what.as_ref().as_ref().ok())
    }

    /// The id on the board that is equal to `id` but for case.
    pub fn spelled(&self, id: &StoryId) -> Option<StoryId> {
        self.places.get(&id.folded())?.first().and_then(id_of)
    }

    /// Which stories a reference names.
    pub fn named(&self, name: &StoryRef) -> Named {
        match name {
            StoryRef::Id(text) => {
                StoryId::new(text).ok().and_then(|id| self.spelled(&id)).map_or(Named::Nothing, Named::One)
            }
            StoryRef::Number(number) => match self.numbers.get(number).map(Vec::as_slice) {
                None | Some([]) => Named::Nothing,
                Some([one]) => Named::One(one.clone()),
                Some(many) => Named::Several(many.to_vec()),
            },
        }
    }

    /// Which stories a person means: an id, or a number.
    pub fn meant(&self, text: &str) -> Named {
        let text = text.trim().trim_end_matches(".md");
        if let Named::One(id) = self.named(&StoryRef::Id(text.to_owned())) {
            return Named::One(id);
        }
        match text.trim_start_matches('#').parse() {
            Ok(number) => self.named(&StoryRef::Number(number)),
            Err(_) => Named::Nothing,
        }
    }

    /// All ids on the board, for hints.
    pub fn ids(&self) -> impl Iterator<Item = StoryId> {
        self.files.keys().filter_map(id_of)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn key(stage: Stage, name: &str) -> FileKey {
        FileKey { stage, name: name.into() }
    }

    fn nothing() -> Content {
        Arc::new(Err(Problem::of_file("x", "broken", "mend it")))
    }

    #[test]
    fn a_file_is_found_by_id_and_number_until_it_is_gone() {
        let mut board = Board::default();
        let here = key(Stage::Backlog, "42_story_x.md");
        board.put(here.clone(), nothing());
        let id = StoryId::new("42_story_x").expect("a good id");
        assert_eq!(board.placement(&id), Placement::One(&here));
        assert_eq!(board.meant("42"), Named::One(id.clone()));
        assert_eq!(board.meant("42_STORY_X"), Named::One(id.clone()));
        board.take(&here);
        assert_eq!(board.placement(&id), Placement::Absent);
        assert_eq!(board.meant("42"), Named::Nothing);
    }

    #[test]
    fn two_copies_and_two_spellings_are_one_story_in_two_places() {
        let mut board = Board::default();
        board.put(key(Stage::Backlog, "7_a.md"), nothing());
        board.put(key(Stage::Current, "7_A.md"), nothing());
        let id = StoryId::new("7_a").expect("a good id");
        assert!(matches!(board.placement(&id), Placement::Many(places) if places.len() == 2));
        board.take(&key(Stage::Backlog, "7_a.md"));
        assert_eq!(board.placement(&id), Placement::One(&key(Stage::Current, "7_A.md")));
        assert_eq!(board.meant("7"), Named::One(StoryId::new("7_A").expect("a good id")));
    }

    #[test]
    fn a_number_that_fits_two_stories_names_both() {
        let mut board = Board::default();
        board.put(key(Stage::Backlog, "7_a.md"), nothing());
        board.put(key(Stage::Backlog, "7_b.md"), nothing());
        assert!(matches!(board.meant("7"), Named::Several(ids) if ids.len() == 2));
    }
}
