//! Who may know whom: the layers of the shell, the homes of outside crates, what the core may not touch.
//!
//! The tables here are the rule; docs/ARCHITECTURE.md explains them.

use crate::Finding;
use crate::paths::{Path, paths};
use crate::source::Source;

/// The modules of `server/src` and their layers: a module imports from lower ones alone.
pub const LAYERS: &[(&str, u8)] = &[
    ("cli", 6),
    // A face of its own, which `cli` starts.
    ("tui", 6),
    ("daemon", 5),
    // The daemon's door: it names what it asks of a daemon in a trait, and does not know who answers.
    ("http", 4),
    // The same for tools; the door carries them.
    ("mcp", 3),
    ("agents", 2),
    ("api_agent", 2),
    ("board", 2),
    ("gates", 2),
    ("git", 2),
    ("ledger", 2),
    ("notify", 2),
    ("watch", 2),
    // The board's pages: snapshots in, HTML out.
    ("web", 2),
    ("worktrees", 2),
    ("sys", 1),
];

/// Imports within a layer: who, whom.
pub const WITHIN: &[(&str, &str)] = &[
    // `storkit board` is a command.
    ("cli", "tui"),
    // A worktree is made and removed by git.
    ("worktrees", "git"),
    // The board's history is a ref.
    ("board", "git"),
    // A gate runs under the agents' supervisor.
    ("gates", "agents"),
    // What a command left running is found by the agents' marks.
    ("notify", "agents"),
];

/// Outside crates and the one place that knows each.
pub const HOMES: &[(&str, &[&str])] = &[
    ("anstream", &["server/src/cli/"]),
    ("ammonia", &["server/src/web/markdown.rs"]),
    ("anstyle", &["server/src/cli/"]),
    ("askama", &["server/src/web/"]),
    ("axum", &["server/src/http/"]),
    ("clap", &["server/src/cli/"]),
    ("clap_complete", &["server/src/cli/"]),
    ("clap_mangen", &["server/src/cli/"]),
    ("comfy_table", &["server/src/cli/"]),
    ("comrak", &["server/src/web/markdown.rs"]),
    ("crossterm", &["server/src/tui/"]),
    ("futures_util", &["server/src/http/"]),
    // The board's history is written straight into the object database, without git's working tree.
    ("git2", &["server/src/git/", "server/src/board/"]),
    ("http_body_util", &["server/src/http/"]),
    ("hyper", &["server/src/http/"]),
    ("hyper_util", &["server/src/http/"]),
    ("indicatif", &["server/src/cli/"]),
    ("minijinja", &["server/core/src/prompt"]),
    ("notify", &["server/src/watch/"]),
    ("opentelemetry", &["server/src/sys/trace/"]),
    ("opentelemetry_otlp", &["server/src/sys/trace/"]),
    ("opentelemetry_sdk", &["server/src/sys/trace/"]),
    ("portable_pty", &["server/src/agents/"]),
    ("ratatui", &["server/src/tui/"]),
    ("reqwest", &["server/src/api_agent/http.rs", "server/src/sys/https.rs"]),
    ("rmcp", &["server/src/mcp/"]),
    ("rusqlite", &["server/src/ledger/"]),
    ("rusqlite_migration", &["server/src/ledger/"]),
    ("rustls", &["server/src/sys/https.rs"]),
    (
        "tokio",
        &[
            "server/src/daemon/",
            "server/src/sys/task.rs",
            "server/src/http/",
            "server/src/mcp/",
            "server/src/watch/",
        ],
    ),
    ("tokio_tungstenite", &["server/src/http/"]),
    ("tokio_stream", &["server/src/daemon/", "server/src/http/", "server/src/watch/"]),
    ("tracing_opentelemetry", &["server/src/sys/trace/"]),
    ("tui_term", &["server/src/tui/"]),
    // What a type of the API looks like is derived where the type is; the document is made in one place.
    (
        "utoipa",
        &["server/src/http/", "server/core/src/", "server/src/ledger/read.rs", "server/src/mcp/desk.rs"],
    ),
    ("vt100", &["server/src/sys/emulator.rs", "server/src/tui/screen.rs", "server/src/web/screen.rs"]),
];

/// What the core may not name, as the beginning of a path or as any word of one.
const CORE_BEGINNINGS: &[&[&str]] = &[
    &["std", "env"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "net"],
    &["std", "os"],
    &["std", "process"],
    &["std", "thread"],
    &["tokio"],
    &["tracing"],
];
const CORE_WORDS: &[&str] =
    &["HashMap", "HashSet", "Instant", "RandomState", "SystemTime", "new_v4", "now_v7", "rand"];
/// `Timestamp::now`, `Zoned::now`, `Utc::now`.
const CORE_CLOCK: &str = "now";

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

/// The module of `server/src` that a file belongs to; none for `lib.rs` and `main.rs`.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("server/src/")?;
    let module = inside.split('/').next()?.trim_end_matches(".rs");
    (!matches!(module, "lib" | "main")).then_some(module)
}

/// The module of `server/src` that a path leads to: `crate::x`, or as many `super` as lead up to the crate.
fn imported<'p>(source: &Source, path: &'p Path) -> Option<&'p str> {
    if path.starts_with(&["crate"]) {
        return path.segments.get(1).map(String::as_str);
    }
    let inside = source.path.strip_prefix("server/src/")?;
    let own = inside.strip_suffix("/mod.rs").or_else(|| inside.strip_suffix(".rs"))?;
    let depth = own.split('/').count();
    let ups = path.segments.iter().take_while(|segment| *segment == "super").count();
    (ups == depth).then(|| path.segments.get(ups).map(String::as_str))?
}

/// Imports that point up or sideways; tests may import what they like.
pub fn imports(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        let Some(module) = module_of(&source.path) else { continue };
        let Some(own) = layer(module) else {
            found.push(Finding::new(&source.path, 0, format!("`{module}` is not in the table of layers")));
            continue;
        };
        for path in paths(source) {
            let Some(second) = imported(source, &path).filter(|_| !source.is_test_line(path.line)) else {
                continue;
            };
            let allowed = second == module || WITHIN.contains(&(module, second));
            if !allowed && layer(second).is_none_or(|layer| layer >= own) {
                let message = format!("`{module}` may not import `{second}`: dependencies point down alone");
                found.push(Finding::new(&source.path, path.line, message));
            }
        }
    }
    found
}

/// Outside crates that are named away from home.
pub fn homes(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        for path in paths(source) {
            let first = path.segments[0].as_str();
            let Some((name, homes)) = HOMES.iter().find(|(name, _)| *name == first) else { continue };
            let at_home = homes.iter().any(|home| source.path.starts_with(home));
            if path.segments.len() > 1 && !at_home && !source.is_test_line(path.line) {
                let message = format!("`{name}` is known to {} alone", homes.join(", "));
                found.push(Finding::new(&source.path, path.line, message));
            }
        }
    }
    found
}

/// What the core names of the outside world.
pub fn core(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("server/core/src/")) {
        for path in paths(source) {
            let beginning =
                CORE_BEGINNINGS.iter().any(|words| path.starts_with(words) && path.segments.len() > 1);
            let word = path.segments.iter().any(|segment| CORE_WORDS.contains(&segment.as_str()));
            let clock =
                path.segments.len() > 1 && path.segments.last().is_some_and(|last| last == CORE_CLOCK);
            if (beginning || word || clock) && !source.is_test_line(path.line) {
                let message =
                    format!("the core may not know `{}`: hand it the value", path.segments.join("::"));
                found.push(Finding::new(&source.path, path.line, message));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&[Source]) -> Vec<Finding>, path: &str, text: &str) -> usize {
        rule(&[Source::new(path, text)]).len()
    }

    #[test]
    fn imports_point_down() {
        let at = |path: &str, text: &str| count(imports, path, text);
        assert_eq!(at("server/src/git/mod.rs", "use crate::sys::{process, fs};\nuse crate::git::x;"), 0);
        assert_eq!(at("server/src/git/mod.rs", "use crate::daemon::x;"), 1);
        assert_eq!(at("server/src/git/a.rs", "use crate::{sys, board::x};"), 1);
        assert_eq!(at("server/src/git/a.rs", "fn f() { crate::cli::run() }"), 1);
        assert_eq!(at("server/src/git/a.rs", "use super::super::ledger;"), 1);
        assert_eq!(at("server/src/git/mod.rs", "use super::ledger;"), 1);
        assert_eq!(at("server/src/git/a.rs", "use super::b;"), 0);
        assert_eq!(at("server/src/git/a.rs", "#[cfg(test)]\nmod tests {\n    use super::super::b;\n}"), 0);
        assert_eq!(at("server/src/git/a/b.rs", "use super::super::ledger;"), 0);
        assert_eq!(at("server/src/git/a/mod.rs", "use super::{super::ledger, ledger};"), 1);
        assert_eq!(at("server/src/worktrees/a.rs", "use crate::git::Git;"), 0);
        assert_eq!(at("server/src/daemon/a.rs", "use crate::http::Service;"), 0);
        assert_eq!(at("server/src/http/a.rs", "use crate::daemon::x;"), 1);
        assert_eq!(at("server/src/sys/a.rs", "use crate::git::Git;"), 1);
        assert_eq!(at("server/src/cli/a.rs", "use crate::{daemon, git, sys};"), 0);
        assert_eq!(at("server/src/surprise.rs", ""), 1);
        assert_eq!(at("server/src/lib.rs", "use crate::cli;"), 0);
    }

    #[test]
    fn crates_stay_at_home() {
        let at = |path: &str, text: &str| count(homes, path, text);
        assert_eq!(at("server/src/git/x.rs", "use git2::Repository;"), 0);
        assert_eq!(at("server/src/daemon/x.rs", "fn f(r: &git2::Repository) {}"), 1);
        assert_eq!(at("server/src/daemon/x.rs", "use crate::watch::notify::x; // git2::x"), 0);
        assert_eq!(at("server/src/daemon/x.rs", "#[cfg(test)]\nmod tests {\n    use git2::x;\n}"), 0);
    }

    #[test]
    fn the_core_knows_nothing_of_the_world() {
        let at = |text: &str| count(core, "server/core/src/x.rs", text);
        for bad in [
            "use std::{fmt, fs::File};",
            "std::env::var(x)",
            "HashMap<A, B>",
            "Uuid::new_v4()",
            "Timestamp::now()",
            "std::time::Instant",
        ] {
            assert_eq!(at(bad), 1, "{bad}");
        }
        for good in
            ["use std::fmt;", "let now = now_ms;", "event.now", "std::time::Duration", "BTreeMap<A, B>"]
        {
            assert_eq!(at(good), 0, "{good}");
        }
    }
}
