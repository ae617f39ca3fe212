//! That every file says what it is for, and that every file is part of its crate.

use std::collections::BTreeSet;

use crate::Finding;
use crate::source::{Source, is_crate_root, module_folder, module_path};

/// Files that do not begin by saying what they are for.
pub fn without_purpose(sources: &[Source]) -> Vec<Finding> {
    let lacking = |source: &&Source| !source.text.starts_with("//! ");
    let message = "the first line must be `//! ` and what the file is for";
    sources.iter().filter(lacking).map(|source| Finding::new(&source.path, 1, message)).collect()
}

/// Files that no `mod` names: the compiler does not see them, and their tests do not run.
pub fn forgotten(sources: &[Source]) -> Vec<Finding> {
    let declared: BTreeSet<String> = sources.iter().flat_map(declarations).collect();
    sources
        .iter()
        .filter(|source| !is_crate_root(&source.path) && !declared.contains(&module_path(&source.path)))
        .map(|source| Finding::new(&source.path, 0, "no `mod` declares it: it is not compiled"))
        .collect()
}

/// What the `mod x;` of a file name, as [`module_path`] spells it.
fn declarations(source: &Source) -> Vec<String> {
    let folder = module_folder(&source.path);
    let words: Vec<&str> = source.masked.code.split_whitespace().collect();
    words
        .windows(2)
        .filter(|pair| pair[0] == "mod")
        .filter_map(|pair| pair[1].strip_suffix(';'))
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Vec<Source> {
        files.iter().map(|(path, text)| Source::new(path, text)).collect()
    }

    #[test]
    fn a_file_without_purpose_is_found() {
        let files = sources(&[("a.rs", "//! Good.\n"), ("b.rs", "use x;\n//! Late.\n"), ("c.rs", "")]);
        let paths: Vec<String> = without_purpose(&files).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["b.rs", "c.rs"]);
    }

    #[test]
    fn a_forgotten_file_is_found() {
        let files = sources(&[
            ("x/src/lib.rs", "pub mod a;\n#[cfg(test)]\nmod tests;\npub(crate) mod b;\n// mod d;\n"),
            ("x/src/tests.rs", ""),
            ("x/src/a.rs", "mod inner;"),
            ("x/src/a/inner.rs", ""),
            ("x/src/b/mod.rs", "mod c;"),
            ("x/src/b/c.rs", ""),
            ("x/src/d.rs", ""),
            ("x/src/b/e.rs", ""),
            ("x/tests/target.rs", ""),
            ("x/build.rs", ""),
        ]);
        let paths: Vec<String> = forgotten(&files).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["x/src/d.rs", "x/src/b/e.rs"]);
    }
}
