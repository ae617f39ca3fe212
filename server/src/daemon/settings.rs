//! `project.toml`: read when it changes; a version that does not parse leaves the last good one in force.

use std::path::Path;
use std::sync::Arc;

use storkit_core::config::{self, Config};
use storkit_core::event::Event;
use storkit_core::story::Problem;

use crate::sys::fs::{FsError, write_atomic};
use crate::sys::layout::Layout;

/// A configuration, and what is odd about it.
pub(super) struct Settings {
    /// The configuration in force.
    pub(super) config: Arc<Config>,
    /// Warnings, or what is wrong with the newest version.
    pub(super) problems: Vec<Problem>,
}

/// Why there is no configuration at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Neither the file nor the last good one parses.
    #[error(".storkit/project.toml does not parse, and no earlier version is known:\n{0}")]
    Broken(String),
}

/// What a look at the file gave.
enum Look {
    Good(Box<Config>, Vec<Problem>, String),
    Bad(Vec<Problem>, String),
}

fn look(path: &Path) -> std::io::Result<Look> {
    let text = std::fs::read_to_string(path)?;
    Ok(match config::parse(&text) {
        Ok(parsed) => Look::Good(Box::new(parsed.config), parsed.warnings, text),
        Err(problems) => Look::Bad(problems, text),
    })
}

/// Reads the configuration at the start: the file, else the last good one.
pub(super) fn first(layout: &Layout) -> Result<Settings, SettingsError> {
    let path = layout.config();
    let unreadable = |source| SettingsError::Unreadable { path: path.display().to_string(), source };
    let (problems, text) = match look(&path).map_err(unreadable)? {
        Look::Good(config, problems, text) => {
            remember(layout, &text);
            return Ok(Settings { config: Arc::from(config), problems });
        }
        Look::Bad(problems, text) => (problems, text),
    };
    if let Ok(Look::Good(config, ..)) = look(&layout.last_good_config()) {
        return Ok(Settings { config: Arc::from(config), problems });
    }
    let shown: Vec<_> = problems.iter().map(|problem| config::render(problem, &text)).collect();
    Err(SettingsError::Broken(shown.join("\n")))
}

/// Reads the configuration again after a change; the branch to land on stays what it was at the start where the
/// file names none.
pub(super) fn again(layout: &Layout, base_branch: &str) -> Event {
    match look(&layout.config()) {
        Ok(Look::Good(config, problems, text)) => {
            remember(layout, &text);
            Event::Configured(Arc::new(with_base(*config, base_branch)), problems)
        }
        Ok(Look::Bad(problems, _)) => Event::Misconfigured(problems),
        Err(error) => Event::Misconfigured(vec![Problem::of_file(
            ".storkit/project.toml",
            format!("cannot be read: {error}"),
            "bring it back; the last good version stays in force",
        )]),
    }
}

/// The configuration with the branch to land on filled in.
pub(super) fn with_base(config: Config, base_branch: &str) -> Config {
    let base_branch = Some(config.base_branch.unwrap_or_else(|| base_branch.to_owned()));
    Config { base_branch, ..config }
}

fn remember(layout: &Layout, text: &str) {
    let kept = write_good(layout, text);
    if let Err(error) = kept {
        tracing::warn!("the last good configuration is not kept: {error}");
    }
}

fn write_good(layout: &Layout, text: &str) -> Result<(), FsError> {
    let path = layout.last_good_config();
    if std::fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    write_atomic(&path, text.as_bytes(), &layout.tmp(), 0o600)
}
