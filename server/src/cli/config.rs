//! The configuration, read by the command line: what is in force, and `storkit config`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use storkit_core::config::{self, Config, FILE_BYTES_MAX, Parsed};
use storkit_core::story::Problem;

use super::Context;
use super::args::ConfigCommand;
use super::exit::{Exit, Failure, Outcome};

/// The configuration in force at `root`, and what is wrong or odd about it: project.toml, else the last good one, else the defaults.
pub(super) fn in_force(root: &Path) -> (Config, Vec<Problem>) {
    match read(root) {
        Ok(Parsed { config, warnings }) => (config, warnings),
        Err(Unread { problems, .. }) => (last_good(root).unwrap_or_else(config::default_config), problems),
    }
}

/// The configuration with which a daemon may start: project.toml, else the last good one.
pub(super) fn required(root: &Path) -> Result<Config, Failure> {
    match read(root) {
        Ok(parsed) => Ok(parsed.config),
        Err(unread) => last_good(root).ok_or_else(|| {
            Failure::new(rendered(&unread)).hint("storkit config schema prints what may be written there")
        }),
    }
}

/// A configuration that cannot be used.
pub(super) struct Unread {
    /// The file's text, for showing the places.
    pub(super) source: String,
    /// What is wrong; at least one thing.
    pub(super) problems: Vec<Problem>,
}

/// Reads and checks project.toml.
pub(super) fn read(root: &Path) -> Result<Parsed, Unread> {
    let path = root.join(config::PATH);
    let source = text(&path).map_err(|error| Unread {
        source: String::new(),
        problems: vec![Problem::of_file(
            config::PATH,
            format!("it cannot be read: {error}"),
            "storkit init writes one",
        )],
    })?;
    config::parse(&source).map_err(|problems| Unread { source, problems })
}

fn last_good(root: &Path) -> Option<Config> {
    let source = text(&root.join(".storkit/run/config.toml")).ok()?;
    config::parse(&source).ok().map(|parsed| parsed.config)
}

fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    if text.len() > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it is over {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// All that is wrong, with the places in the text.
pub(super) fn rendered(unread: &Unread) -> String {
    let shown = unread.problems.iter().map(|problem| config::render(problem, &unread.source));
    shown.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// Runs the command.
pub(super) fn run(context: &Context, what: ConfigCommand) -> Outcome {
    match what {
        ConfigCommand::Schema => context.out.json(&config::schema())?,
        ConfigCommand::Show => {
            let root = &context.project()?.root;
            let parsed = read(root).map_err(|unread| Failure::new(rendered(&unread)))?;
            for warning in &parsed.warnings {
                let line = warning.line.map(|line| format!(":{line}")).unwrap_or_default();
                context.out.say(&format!("{}{line}: {}", warning.path, super::text::clean(&warning.message)));
            }
            let text = config::show(&parsed.config);
            if context.out.json {
                let table: toml::Table = text.parse().map_err(|error| Failure::new(format!("{error}")))?;
                context.out.json(&table)?;
            } else {
                context.out.data(&text)?;
            }
        }
    }
    Ok(Exit::Done)
}
