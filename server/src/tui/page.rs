//! A story's own page: its tabs, and what each shows and where it stands.

use std::collections::BTreeSet;

use super::diff::{Diff, Kind};

/// The tabs of a story's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    /// Its text.
    Story,
    /// Its runs.
    Runs,
    /// Its agent's terminal.
    Live,
    /// Its work.
    Diff,
    /// What happened to it.
    History,
}

impl Tab {
    /// All, in order.
    pub(super) const ALL: [Self; 5] = [Self::Story, Self::Runs, Self::Live, Self::Diff, Self::History];

    /// Its word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Story => "Story",
            Self::Runs => "Runs",
            Self::Live => "Live",
            Self::Diff => "Diff",
            Self::History => "History",
        }
    }
}

/// Something that is read when it is first looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Loaded<T> {
    /// Not asked for.
    Not,
    /// Asked for.
    Coming,
    /// Here.
    Here(T),
    /// It could not be read.
    Failed(String),
}

/// A diff that is looked through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Review {
    /// What was changed.
    pub(super) diff: Diff,
    /// The row of the cursor.
    pub(super) row: usize,
    /// Files that were looked at.
    pub(super) viewed: BTreeSet<usize>,
    /// Comments: the row, and the words.
    pub(super) comments: Vec<(usize, String)>,
    /// They are on their way, and go when they have come.
    pub(super) sending: bool,
}

impl Review {
    /// The comments as one text for whoever mends it.
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        for (row, words) in &self.comments {
            let Some(row) = self.diff.rows.get(*row) else { continue };
            let path = self.diff.files.get(row.file).map_or("", |file| file.path.as_str());
            let place = match row.kind {
                Kind::Removed => format!("{path}:{} (removed)", row.number),
                Kind::Same | Kind::Added => format!("{path}:{}", row.number),
                _ => path.to_owned(),
            };
            lines.push(format!("- {place}: {words}"));
        }
        lines.join("\n")
    }

    /// Marks the cursor's file as viewed and goes on to the next one that is not; again: takes the mark off.
    pub(super) fn toggle_viewed(&mut self) {
        let Some(file) = self.diff.rows.get(self.row).map(|row| row.file) else { return };
        if self.viewed.remove(&file) {
            return;
        }
        self.viewed.insert(file);
        let next = (file + 1..self.diff.files.len()).find(|next| !self.viewed.contains(next));
        if let Some(next) = next {
            self.row = self.diff.files[next].row;
        }
    }
}

/// What is searched for on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Find {
    /// The text, in small letters.
    pub(super) text: String,
    /// The line that was walked to, or a diff's row.
    pub(super) line: usize,
}

/// Longest line that is kept, in characters, and most lines; of a longer text the end is.
const LINE_CHARS_MAX: usize = 2_000;
const LINES_MAX: usize = 100_000;

/// A text as lines that can be drawn one by one: tabs as blanks, and nothing too long.
pub(super) fn bounded(text: &str) -> Vec<String> {
    let total = text.lines().count();
    let dropped = total.saturating_sub(LINES_MAX);
    let mut lines = Vec::with_capacity(total - dropped + 1);
    if dropped > 0 {
        lines.push(format!("… {} before this", crate::sys::text::count(dropped, "line")));
    }
    for line in text.lines().skip(dropped) {
        let end = line.char_indices().nth(LINE_CHARS_MAX).map_or(line.len(), |(at, _)| at);
        let mut kept = line[..end].replace('\t', "    ");
        if end < line.len() {
            kept.push_str(&format!(" … {} more", crate::sys::text::count(line.len() - end, "byte")));
        }
        lines.push(kept);
    }
    lines
}

/// The page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// The story.
    pub(super) id: String,
    /// The open tab.
    pub(super) tab: Tab,
    /// The first line that is shown, of tabs that are text.
    pub(super) top: usize,
    /// Its work.
    pub(super) review: Loaded<Review>,
    /// What happened to it.
    pub(super) history: Loaded<Vec<String>>,
    /// What its last run printed.
    pub(super) transcript: Loaded<Vec<String>>,
    /// The live tab shows the transcript and not the terminal.
    pub(super) reads: bool,
    /// What is searched for.
    pub(super) find: Option<Find>,
}

impl Page {
    /// A story's page at a tab.
    pub(super) fn new(id: &str, tab: Tab) -> Self {
        Self {
            id: id.to_owned(),
            tab,
            top: 0,
            review: Loaded::Not,
            history: Loaded::Not,
            transcript: Loaded::Not,
            reads: false,
            find: None,
        }
    }
}
