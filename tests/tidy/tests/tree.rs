//! The rules, held against the whole tree: one test for each, so that a failure names its rule.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use storkit_tidy::source::{self, root};
use storkit_tidy::{Finding, assert_none, docs, files, layers, licences, sizes, words};

#[test]
fn files_are_short() {
    assert_none(sizes::files(&source::all()));
}

#[test]
fn functions_are_short_and_take_little() {
    assert_none(sizes::functions_of(&source::all()));
}

#[test]
fn every_file_says_what_it_is_for() {
    assert_none(files::without_purpose(&source::all()));
}

#[test]
fn no_file_is_forgotten() {
    assert_none(files::forgotten(&source::all()));
}

#[test]
fn no_banned_word_stands_anywhere() {
    assert_none(words::banned(&source::all()));
}

#[test]
fn errors_are_types() {
    assert_none(words::text_as_error(&source::all()));
}

#[test]
fn production_code_does_not_know_that_it_is_tested() {
    assert_none(words::test_code_in_production(&source::all()));
}

#[test]
fn dependencies_point_down() {
    assert_none(layers::imports(&source::all()));
}

#[test]
fn outside_crates_have_one_home() {
    assert_none(layers::homes(&source::all()));
}

#[test]
fn the_core_is_pure() {
    assert_none(layers::core(&source::all()));
}

#[test]
fn licences_are_among_those_that_are_allowed() {
    assert_none(licences::others());
}

#[test]
fn the_documents_lead_somewhere() {
    let documents = docs::all(&root());
    assert_none(docs::dead_links(&root(), &documents));
    assert_none(docs::dead_paths(&root(), &documents));
}

#[test]
fn the_documents_name_scripts_changes_and_promises() {
    let documents = docs::all(&root());
    assert_none(docs::unnamed_scripts(&root(), &documents));
    assert_none(docs::changelog(&documents));
    assert_none(docs::invariants(&documents));
}

#[test]
fn scripts_can_be_run() {
    let mut found = Vec::new();
    let entries =
        fs::read_dir(root().join("script")).expect("script/").map(|entry| entry.expect("an entry").path());
    for path in entries.chain([root().join(".ci/run")]) {
        let mode = fs::metadata(&path).expect("a script").permissions().mode();
        let sourced = path.extension().is_some_and(|kind| kind == "sh");
        if sourced == (mode & 0o111 != 0) {
            let message = if sourced { "it is sourced, not run" } else { "it has no run bit" };
            found.push(Finding::new(path.display().to_string(), 0, message));
        }
    }
    assert_none(found);
}
