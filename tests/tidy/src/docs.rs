//! That the documents are true where a machine can tell: links and paths lead somewhere, scripts are named,
//! every invariant has its row.

use std::fs;
use std::path::Path;

use crate::Finding;
use crate::source::walk;

/// One document.
#[derive(Debug)]
pub struct Document {
    /// Its path, relative to the project's root.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// README.md, CHANGELOG.md and everything below docs/.
///
/// # Panics
/// When one cannot be read.
pub fn all(root: &Path) -> Vec<Document> {
    let mut paths = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    walk(&root.join("docs"), "md", &mut paths);
    paths
        .into_iter()
        .map(|path| Document {
            text: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            path: path.strip_prefix(root).expect("a path below the root").to_string_lossy().into_owned(),
        })
        .collect()
}

/// Links to files that are not there.
pub fn dead_links(root: &Path, documents: &[Document]) -> Vec<Finding> {
    let mut found = Vec::new();
    for document in documents {
        let folder = Path::new(&document.path).parent().unwrap_or(Path::new(""));
        for (text, line) in document.text.lines().zip(1..) {
            for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let file = target.split('#').next().unwrap_or_default();
                let outside = target.contains("://") || target.starts_with("mailto:") || file.is_empty();
                if !outside && !root.join(folder).join(file).exists() {
                    found.push(Finding::new(
                        &document.path,
                        line,
                        format!("the link leads nowhere: {target}"),
                    ));
                }
            }
        }
    }
    found
}

/// Paths of the project, in backticks, that are not there.
pub fn dead_paths(root: &Path, documents: &[Document]) -> Vec<Finding> {
    let mut found = Vec::new();
    for document in documents.iter().filter(|document| document.path != "CHANGELOG.md") {
        for (text, line) in document.text.lines().zip(1..) {
            for quoted in text.split('`').skip(1).step_by(2) {
                let path = quoted.split([' ', ':', '#']).next().unwrap_or_default();
                let own = ["server/", "tests/", "script/", "docs/"].iter().any(|top| path.starts_with(top));
                let pattern = path.contains(['*', '<', '{', '…']);
                if own && !pattern && !root.join(path).exists() {
                    found.push(Finding::new(&document.path, line, format!("there is no {path}")));
                }
            }
        }
    }
    found
}

/// Scripts that no document names.
pub fn unnamed_scripts(root: &Path, documents: &[Document]) -> Vec<Finding> {
    let entries = fs::read_dir(root.join("script")).into_iter().flatten().flatten();
    let names = entries.map(|entry| format!("script/{}", entry.file_name().to_string_lossy()));
    names
        .filter(|name| !documents.iter().any(|document| document.text.contains(name.as_str())))
        .map(|name| Finding::new(name, 0, "no document names it"))
        .collect()
}

/// What CHANGELOG.md lacks.
pub fn changelog(documents: &[Document]) -> Vec<Finding> {
    let text = documents.iter().find(|document| document.path == "CHANGELOG.md");
    let unreleased = text.is_some_and(|document| document.text.contains("\n## [Unreleased]\n"));
    if unreleased { Vec::new() } else { vec![Finding::new("CHANGELOG.md", 0, "it has no `## [Unreleased]`")] }
}

/// The promises, I1 to I25.
pub const INVARIANTS: usize = 25;

/// Promises that docs/ARCHITECTURE.md has no row for, and rows that say neither what keeps and tests them nor
/// that they come later.
pub fn invariants(documents: &[Document]) -> Vec<Finding> {
    let path = "docs/ARCHITECTURE.md";
    let text = documents.iter().find(|document| document.path == path).map_or("", |document| &document.text);
    let mut found = Vec::new();
    for number in 1..=INVARIANTS {
        let start = format!("| I{number} |");
        let rows: Vec<(&str, usize)> =
            text.lines().zip(1..).filter(|(row, _)| row.starts_with(&start)).collect();
        match rows[..] {
            [(row, line)] => {
                let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
                if cells.len() != 4 || cells.iter().any(|cell| cell.is_empty()) {
                    found.push(Finding::new(
                        path,
                        line,
                        "a row has four cells: number, promise, kept by, tested by",
                    ));
                }
            }
            _ => found.push(Finding::new(path, 0, format!("I{number} has {} rows", rows.len()))),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::root;

    fn document(path: &str, text: &str) -> [Document; 1] {
        [Document { path: path.to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn dead_links_and_paths_are_found() {
        let links = "[a](Cargo.toml) [b](nowhere.md) [c](https://example.org) [d](#here) [e](docs/gone.md#x)";
        assert_eq!(dead_links(&root(), &document("README.md", links)).len(), 2);
        assert_eq!(dead_links(&root(), &document("docs/x.md", "[a](../Cargo.toml)")), []);
        let paths =
            "`server/src/lib.rs` `server/gone.rs` `tests/<x>` `script/test --quick` `server/src/lib.rs:3`";
        assert_eq!(dead_paths(&root(), &document("README.md", paths)).len(), 1);
    }

    #[test]
    fn silent_documents_are_found() {
        assert!(unnamed_scripts(&root(), &document("README.md", "script/lib.sh")).len() < 100);
        assert!(!unnamed_scripts(&root(), &document("README.md", "")).is_empty());
        assert_eq!(changelog(&document("CHANGELOG.md", "# x\n\n## [1.0.0]\n")).len(), 1);
        assert_eq!(changelog(&document("CHANGELOG.md", "# x\n\n## [Unreleased]\n")), []);
    }

    #[test]
    fn a_missing_or_empty_row_is_found() {
        let row = |number| format!("| I{number} | a | b | c |\n");
        let all: String = (1..=INVARIANTS).map(row).collect();
        let of = |text: &str| invariants(&document("docs/ARCHITECTURE.md", text)).len();
        assert_eq!(of(&all), 0);
        assert_eq!(of(&all.replace(&row(7), "")), 1);
        assert_eq!(of(&all.replace(&row(7), "| I7 | a | b | |\n")), 1);
        assert_eq!(of(&(row(1) + &all)), 1);
    }
}
