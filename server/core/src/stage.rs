//! The stages of the board: the one table of their names and folders.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a story stands: the folder that its file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Written down, nothing is done for it.
    Backlog,
    /// A coder works on it.
    Current,
    /// It is looked at.
    Qa,
    /// It waits to land, or lands.
    Merge,
    /// It is closed.
    Done,
    /// It is put away.
    Archived,
}

impl Stage {
    /// All stages, in the order of the board.
    pub const ALL: [Self; 6] =
        [Self::Backlog, Self::Current, Self::Qa, Self::Merge, Self::Done, Self::Archived];

    /// The folder below `.storkit/work/`.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Backlog => "1_backlog",
            Self::Current => "2_current",
            Self::Qa => "3_qa",
            Self::Merge => "4_merge",
            Self::Done => "5_done",
            Self::Archived => "6_archived",
        }
    }

    /// The name in words and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
            Self::Current => "current",
            Self::Qa => "qa",
            Self::Merge => "merge",
            Self::Done => "done",
            Self::Archived => "archived",
        }
    }

    /// The stage of a name (`current`) or a folder (`2_current`).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| text == stage.name() || text == stage.folder())
    }

    /// Whether a story here is closed: it satisfies a dependency.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Done | Self::Archived)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Stage;

    #[test]
    fn every_stage_is_found_by_name_and_by_folder() {
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.name()), Some(stage));
            assert_eq!(Stage::parse(stage.folder()), Some(stage));
        }
        assert_eq!(Stage::parse("3"), None);
    }
}
