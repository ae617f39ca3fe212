//! Writing the board, as it is on disk, as a commit on `refs/storkit/board`.
//!
//! The tree has the paths of the project, so that git itself can show and restore it. Files that did not change
//! since the last commit are not read again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use storkit_core::ids::Oid;
use storkit_core::sighting::name_text;
use storkit_core::stage::Stage;

use super::create::number_of;
use super::objects::{GitError, Objects, RunGit, TreeEntry};
use super::text::{self, Name, STORY_BYTES_MAX};
use crate::sys::failpoint::reach;
use crate::sys::fs::{Dir, Entry, Stamp, read_capped};
use crate::sys::layout::Layout;

/// The ref of the board's history.
pub const BOARD_REF: &str = "refs/storkit/board";
/// Most changes that a message names.
const NAMED_MAX: usize = 100;
/// How often a commit is tried when others commit at the same time.
const TRIES: u32 = 5;
/// The line of a message that carries the highest number.
const HIGHEST: &str = "Storkit-Highest: ";

type Files = BTreeMap<Vec<u8>, (Option<Stamp>, Oid)>;

/// The board as it was committed last.
#[derive(Default)]
struct Recorded {
    commit: Option<Oid>,
    highest: u64,
    stages: [Files; 6],
    trees: [Option<Oid>; 6],
}

/// Commits the board.
pub(super) struct Recorder {
    layout: Layout,
    pub(super) objects: Objects,
    last: Recorded,
}

impl Recorder {
    /// Opens the repository and reads the last commit.
    pub(super) fn open(layout: &Layout, run: Option<&RunGit>) -> Result<Self, GitError> {
        let objects = Objects::open(layout, run)?;
        let mut recorder = Self { layout: layout.clone(), objects, last: Recorded::default() };
        recorder.reload()?;
        Ok(recorder)
    }

    /// The highest number that any commit has seen.
    pub(super) fn highest(&self) -> u64 {
        self.last.highest
    }

    /// Commits the board as it is now; none where it is as the last commit says.
    pub(super) fn commit(&mut self) -> Result<Option<Oid>, GitError> {
        for _ in 0..TRIES {
            if self.objects.resolve(BOARD_REF)? != self.last.commit {
                self.reload()?;
            }
            let stages = self.read_board()?;
            let changes = changes(&self.last.stages, &stages);
            if changes.is_empty() {
                self.last.stages = stages;
                return Ok(None);
            }
            let numbers = stages.iter().flat_map(|files| files.keys().map(|name| number_of(name)));
            let highest = numbers.max().unwrap_or(0).max(self.last.highest);
            let mut trees = self.last.trees.clone();
            for (place, files) in stages.iter().enumerate() {
                if !same_files(files, &self.last.stages[place]) {
                    trees[place] = self.write_files(files)?;
                }
            }
            let root = self.write_root(&trees)?;
            reach("history.tree_written");
            let message = message(&changes, highest);
            let commit = self.objects.write_commit(&root, self.last.commit.as_ref(), &message)?;
            reach("history.commit_made");
            if self.objects.advance(BOARD_REF, &commit, self.last.commit.as_ref())? {
                reach("history.ref_moved");
                self.last = Recorded { commit: Some(commit.clone()), highest, stages, trees };
                return Ok(Some(commit));
            }
        }
        let message = format!("{BOARD_REF} moved {TRIES} times while the board was committed");
        Err(GitError::Command { command: "update-ref".to_owned(), message })
    }

    fn reload(&mut self) -> Result<(), GitError> {
        self.last = Recorded::default();
        let Some(tip) = self.objects.resolve(BOARD_REF)? else {
            return Ok(());
        };
        let info = self.objects.commit(&tip)?;
        let highest = info.message.lines().rev().find_map(|line| line.strip_prefix(HIGHEST));
        self.last.highest = highest.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
        for stage in Stage::ALL {
            let path = format!(".storkit/work/{}", stage.folder());
            let Some((tree, true)) = self.objects.at_path(&info.tree, &path)? else { continue };
            let entries = self.objects.list(&tree)?;
            let files = entries.into_iter().filter(|entry| !entry.folder);
            self.last.stages[stage as usize] = files.map(|entry| (entry.name, (None, entry.oid))).collect();
            self.last.trees[stage as usize] = Some(tree);
        }
        self.last.commit = Some(tip);
        Ok(())
    }

    fn read_board(&self) -> Result<[Files; 6], GitError> {
        let mut stages: [Files; 6] = Default::default();
        for stage in Stage::ALL {
            // A folder that is gone has no files: that is what its commit says.
            let Ok(dir) = Dir::open(&self.layout.stage(stage)) else { continue };
            let mut names = Vec::new();
            if dir
                .entries(|name, maybe_file| {
                    if maybe_file && text::classify(stage, name) != Name::Ignored {
                        names.push(name.to_vec());
                    }
                })
                .is_err()
            {
                // Nothing is known of it, so nothing is said.
                stages[stage as usize] = self.last.stages[stage as usize].clone();
                continue;
            }
            for name in names {
                if let Some(file) = self.read_file(stage, &dir, &name)? {
                    stages[stage as usize].insert(name, file);
                }
            }
        }
        Ok(stages)
    }

    fn read_file(
        &self,
        stage: Stage,
        dir: &Dir,
        name: &[u8],
    ) -> Result<Option<(Option<Stamp>, Oid)>, GitError> {
        let os_name = std::os::unix::ffi::OsStrExt::from_bytes(name);
        let os_name: &std::ffi::OsStr = os_name;
        let Ok(Entry::File(stamp)) = dir.look(os_name) else {
            return Ok(None);
        };
        let last = self.last.stages[stage as usize].get(name);
        if let Some(last) = last.filter(|(known, _)| *known == Some(stamp)) {
            return Ok(Some(last.clone()));
        }
        let read = dir
            .open_file(os_name)
            .and_then(|(mut file, stamp)| Ok((stamp, read_capped(&mut file, STORY_BYTES_MAX)?)));
        match read {
            Ok((stamp, Some(bytes))) => {
                // Young times could hide another write, so such a file is read again.
                let young =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(true, |now| {
                        i128::try_from(now.as_nanos()).unwrap_or(0) - stamp.changed_ns < 100_000_000
                    });
                Ok(Some(((!young).then_some(stamp), self.objects.write_blob(&bytes)?)))
            }
            Ok((_, None)) => Ok(None),
            // Leased for an instant, or unreadable: as it was.
            Err(_) => Ok(last.map(|(_, oid)| (None, oid.clone()))),
        }
    }

    fn write_files(&self, files: &Files) -> Result<Option<Oid>, GitError> {
        if files.is_empty() {
            return Ok(None);
        }
        let entry = |(name, (_, oid)): (&Vec<u8>, &(Option<Stamp>, Oid))| TreeEntry {
            name: name.clone(),
            folder: false,
            oid: oid.clone(),
        };
        self.objects.write_tree(&files.iter().map(entry).collect::<Vec<_>>()).map(Some)
    }

    fn write_root(&self, trees: &[Option<Oid>; 6]) -> Result<Oid, GitError> {
        let folder = |name: &str, oid: Oid| TreeEntry { name: name.into(), folder: true, oid };
        let stages = Stage::ALL.into_iter().zip(trees);
        let stages: Vec<_> =
            stages.filter_map(|(stage, tree)| Some(folder(stage.folder(), tree.clone()?))).collect();
        if stages.is_empty() {
            return self.objects.write_tree(&[]);
        }
        let work = self.objects.write_tree(&stages)?;
        let dot = self.objects.write_tree(&[folder("work", work)])?;
        self.objects.write_tree(&[folder(".storkit", dot)])
    }
}

fn same_files(a: &Files, b: &Files) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((a, (_, x)), (b, (_, y)))| a == b && x == y)
}

/// What happened between two states, one line each: `42_story_x: backlog → current`.
fn changes(before: &[Files; 6], after: &[Files; 6]) -> Vec<String> {
    let mut from: BTreeMap<&[u8], Vec<(Stage, &Oid)>> = BTreeMap::new();
    let mut to = from.clone();
    for stage in Stage::ALL {
        let (old, new) = (&before[stage as usize], &after[stage as usize]);
        for (name, (_, oid)) in old {
            if new.get(name).is_none_or(|(_, now)| now != oid) {
                from.entry(name).or_default().push((stage, oid));
            }
        }
        for (name, (_, oid)) in new {
            if old.get(name).is_none_or(|(_, was)| was != oid) {
                to.entry(name).or_default().push((stage, oid));
            }
        }
    }
    let names: BTreeSet<&[u8]> = from.keys().chain(to.keys()).copied().collect();
    names.into_iter().map(|name| change(name, from.get(name), to.get(name))).collect()
}

fn change(name: &[u8], from: Option<&Vec<(Stage, &Oid)>>, to: Option<&Vec<(Stage, &Oid)>>) -> String {
    let key = name_text(name);
    let id: String = key.strip_suffix(".md").unwrap_or(&key).chars().filter(|c| !c.is_control()).collect();
    let list = |stages: &[(Stage, &Oid)]| {
        stages.iter().map(|(stage, _)| stage.name()).collect::<Vec<_>>().join(" and ")
    };
    match (from.map(Vec::as_slice), to.map(Vec::as_slice)) {
        (Some([(old, x)]), Some([(new, y)])) if old != new && x == y => format!("{id}: {old} → {new}"),
        (Some([(old, _)]), Some([(new, _)])) if old != new => format!("{id}: {old} → {new}, edited"),
        (Some(_), Some(new)) => format!("{id}: edited in {}", list(new)),
        (None, Some(new)) => format!("{id}: new in {}", list(new)),
        (Some(old), None) => format!("{id}: gone from {}", list(old)),
        (None, None) => id,
    }
}

fn message(changes: &[String], highest: u64) -> String {
    let mut text = String::new();
    if changes.len() > 1 {
        text = format!("{} changes\n\n", changes.len());
    }
    for change in changes.iter().take(NAMED_MAX) {
        text.push_str(change);
        text.push('\n');
    }
    // Writing to a text cannot fail.
    if changes.len() > NAMED_MAX {
        let _ = writeln!(text, "and {} more", changes.len() - NAMED_MAX);
    }
    let _ = write!(text, "\n{HIGHEST}{highest}\n");
    text
}
