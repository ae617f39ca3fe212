//! The web board's pages: pure functions from what the daemon knows to HTML, and the files of the page itself.
//!
//! It asks nobody and reads nothing: the routes hand it snapshots, files' texts and git's words. Every text of a
//! story or an agent goes through the templates' escaping or, where it is Markdown, through two walls (`markdown`).

mod assets;
mod card;
mod diff;
mod form;
mod highlight;
mod lists;
mod markdown;
mod plot;
mod review;
mod screen;
mod story;
mod sync;

pub use assets::{Asset, CONTENT_SECURITY_POLICY, PAGES, asset, is_page, shell};
pub use card::{Figures, Told};
pub use form::{Checked, Draft, check, edit_page, new_page};
pub use lists::{agents_page, archive_page, keys_page, problems_page, queue_page, settings_page, usage_page};
pub use review::{Compared, Left, diff_page};
pub use screen::{Change, Screen};
pub use story::{
    Past, Run, Spans, StoryPage, asked, history_page, live_page, log_piece, question, runs_page, story_page,
};
pub use sync::{Around, Sync, SyncAsk, sync};

#[cfg(test)]
mod tests;
