//! The sources of the project: every Rust file, masked, with its tests told from its production code.

use std::fs;
use std::path::{Path, PathBuf};

use crate::mask::{Masked, mask};

/// One Rust file.
#[derive(Debug)]
pub struct Source {
    /// Its path, relative to the project's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its code and its comments.
    pub masked: Masked,
    all_test: bool,
    /// For each line, whether it is a test's.
    test_lines: Vec<bool>,
}

impl Source {
    /// Reads `text` as the file at `path`.
    pub fn new(path: &str, text: &str) -> Self {
        let masked = mask(text);
        let all_test = is_test_path(path);
        let mut test_lines = vec![all_test; text.lines().count()];
        for (first, last) in test_modules(&masked.code) {
            test_lines[first..=last.min(text.lines().count() - 1)].fill(true);
        }
        Self { path: path.to_owned(), text: text.to_owned(), masked, all_test, test_lines }
    }

    /// Whether the file is nothing but tests: by its path, or since its `mod` is for tests alone.
    pub fn is_test(&self) -> bool {
        self.all_test
    }

    fn make_test(&mut self) {
        self.all_test = true;
        self.test_lines.fill(true);
    }

    /// Whether a line, from 1, is a test's.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.get(line.wrapping_sub(1)).copied().unwrap_or(false)
    }

    /// How many lines are not a test's.
    pub fn production_lines(&self) -> usize {
        self.test_lines.iter().filter(|test| !**test).count()
    }

    /// The lines of the code, from 1, with whether each is a test's.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        self.masked.code.lines().zip(1..).map(|(code, line)| (line, code, self.is_test_line(line)))
    }

    /// The line, from 1, of a byte of the code.
    pub fn line_of(&self, at: usize) -> usize {
        line_of(&self.masked.code, at)
    }
}

/// The line, from 1, of a byte of `code`.
pub fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn is_test_path(path: &str) -> bool {
    let in_crate = path.split_once("/src/");
    path.starts_with("tests/")
        || path.ends_with("/tests.rs")
        || in_crate.is_none() && path.contains("/tests/")
        || in_crate.is_some_and(|(_, rest)| rest.contains("tests/"))
}

/// First and last line, from 0, of every `#[cfg(test)] mod … { … }`.
fn test_modules(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, attribute) in code.match_indices("#[cfg(test)]") {
        let behind = at + attribute.len();
        if !begins_module(&code[behind..]) {
            continue;
        }
        let Some(open) = code[behind..].find(['{', ';']).map(|open| behind + open) else { continue };
        let end = if code[open..].starts_with('{') { closing(code, open) } else { open };
        found.push((line_of(code, at) - 1, line_of(code, end) - 1));
    }
    found
}

/// Whether an item that begins here is a module, whoever may see it.
pub fn begins_module(code: &str) -> bool {
    let code = code.trim_start();
    let item = code.strip_prefix("pub").map_or(code, |behind| match behind.strip_prefix('(') {
        Some(who) => who.split_once(')').map_or("", |(_, item)| item),
        None => behind,
    });
    item.trim_start().starts_with("mod ")
}

/// The byte of the bracket that closes the one at `open`; the last byte where none does.
pub fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return open + at;
        }
    }
    code.len().saturating_sub(1)
}

/// The project's root.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("this crate lies in tests/tidy").to_owned()
}

/// All Rust files of the project, in the order of their paths.
///
/// # Panics
/// When a file cannot be read.
pub fn all() -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    for folder in ["server", "tests"] {
        walk(&root.join(folder), "rs", &mut paths);
    }
    assert!(paths.len() > 20, "the sources were not found in {}", root.display());
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a readable source");
        let path = path.strip_prefix(&root).expect("a path below the root");
        Source::new(&path.to_string_lossy(), &text)
    };
    let mut sources: Vec<Source> = paths.into_iter().map(read).collect();
    mark_test_files(&mut sources);
    sources
}

/// Marks the files that are declared by a `#[cfg(test)] mod x;`.
fn mark_test_files(sources: &mut [Source]) {
    let declared: Vec<String> = sources.iter().flat_map(test_declarations).collect();
    for source in sources.iter_mut().filter(|source| declared.contains(&module_path(&source.path))) {
        source.make_test();
    }
}

fn test_declarations(source: &Source) -> Vec<String> {
    let code = &source.masked.code;
    let folder = module_folder(&source.path);
    let modules = code.match_indices("#[cfg(test)]").filter_map(|(at, attribute)| {
        let behind = &code[at + attribute.len()..];
        let name = behind.split([';', '{']).next()?.rsplit("mod ").next()?;
        let declared = begins_module(behind) && behind.find(';') < behind.find('{').or(Some(usize::MAX));
        declared.then(|| format!("{folder}/{}", name.trim()))
    });
    modules.collect()
}

/// Where a module's file is, without `.rs` or `/mod.rs`: what a declaration names.
pub fn module_path(path: &str) -> String {
    path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path).to_owned()
}

/// The folder of the modules that a file declares.
pub fn module_folder(path: &str) -> String {
    let own = module_path(path);
    match own.rsplit_once('/') {
        Some((folder, _)) if is_crate_root(path) => folder.to_owned(),
        _ => own,
    }
}

/// Whether cargo compiles the file by itself.
pub fn is_crate_root(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let target = ["/tests/", "/examples/", "/benches/", "/src/bin/"].iter().any(|folder| {
        path.rsplit_once(folder).is_some_and(|(_, rest)| !rest.contains('/') || rest.ends_with("/main.rs"))
    });
    path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs") || name == "build.rs" || target
}

/// The files below `folder` that end in `kind`, sorted; hidden folders and `target` are left out.
///
/// # Panics
/// When a folder cannot be read.
pub fn walk(folder: &Path, kind: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            walk(&path, kind, found);
        } else if path.extension().is_some_and(|is| is == kind) {
            found.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_production_code() {
        let text = "fn a() {}\n#[cfg(test)]\npub(crate) mod tests {\n    fn b() { \"}\" }\n}\nfn c() {}\n";
        let source = Source::new("server/src/x.rs", text);
        let tests: Vec<bool> = (1..=6).map(|line| source.is_test_line(line)).collect();
        assert_eq!(tests, [false, true, true, true, true, false]);
        assert_eq!(source.production_lines(), 2);
    }

    #[test]
    fn a_file_declared_for_tests_is_one() {
        let mut sources = [
            Source::new(
                "server/src/git/mod.rs",
                "#[cfg(test)]\npub(crate) mod testing;\nmod other;\n#[cfg(test)]\nmod t { mod in; }",
            ),
            Source::new("server/src/git/testing.rs", "x"),
            Source::new("server/src/git/other.rs", "x"),
        ];
        mark_test_files(&mut sources);
        assert_eq!(sources.each_ref().map(Source::is_test), [false, true, false]);
    }

    #[test]
    fn whole_files_are_tests_by_their_path() {
        for path in [
            "tests/kit/src/lib.rs",
            "server/src/git/tests.rs",
            "server/tests/x.rs",
            "server/src/a/tests/b.rs",
        ] {
            assert!(Source::new(path, "x").is_test(), "{path}");
        }
        assert!(!Source::new("server/src/latest.rs", "x").is_test());
    }
}
