//! What may not stand in the sources, and where it may after all.

use crate::Finding;
use crate::source::{Source, begins_module, closing};

/// Where a word is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    /// In all code.
    Code,
    /// In code that is not a test's.
    Production,
    /// In tests.
    Tests,
    /// In comments.
    Comments,
}

struct Ban {
    word: &'static str,
    place: In,
    /// Only in paths that begin so.
    below: &'static str,
    /// But not in paths that begin so.
    except: &'static [&'static str],
    why: &'static str,
}

const fn ban(word: &'static str, place: In, why: &'static str) -> Ban {
    Ban { word, place, below: "", except: &[], why }
}

const PRINTS: &[&str] = &["server/src/cli/", "server/src/main.rs"];

const BANS: &[Ban] = &[
    ban(".unwrap()", In::Production, "say with expect what always holds, or hand the error on"),
    ban("dbg!(", In::Code, "a left-over"),
    ban("todo!(", In::Code, "finish it, or leave it out"),
    ban("unimplemented!(", In::Code, "finish it, or leave it out"),
    ban("#[allow(", In::Code, "use #[expect(…, reason = \"…\")], which ends when its cause does"),
    ban("#![allow(", In::Code, "use #![expect(…, reason = \"…\")], which ends when its cause does"),
    ban(
        "#[ignore",
        In::Code,
        "a test that is not run proves nothing: mend it or remove it (a helper process says \"not a test: …\")",
    ),
    ban("FIXME", In::Comments, "do it, or write a story"),
    ban("TODO", In::Comments, "do it, or write a story"),
    ban("XXX", In::Comments, "do it, or write a story"),
    Ban {
        except: &["tests/kit/src/wait.rs", "tests/fake_agent/"],
        ..ban("sleep(", In::Tests, "wait for a condition: storkit_testkit::wait_for")
    },
    Ban {
        below: "server/",
        except: PRINTS,
        ..ban("println!(", In::Production, "only the command line prints; elsewhere: tracing")
    },
    Ban {
        below: "server/",
        except: PRINTS,
        ..ban("print!(", In::Production, "only the command line prints; elsewhere: tracing")
    },
];

/// Words that are refused where they stand.
pub fn banned(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        for ban in BANS {
            let excepted = ban.except.iter().any(|path| source.path.starts_with(path));
            if excepted || !source.path.starts_with(ban.below) {
                continue;
            }
            let lines = if ban.place == In::Comments { &source.masked.comments } else { &source.masked.code };
            for (text, line) in lines.lines().zip(1..) {
                let applies = match ban.place {
                    In::Code | In::Comments => true,
                    In::Production => !source.is_test_line(line),
                    In::Tests => source.is_test_line(line),
                };
                if applies && text.contains(ban.word) && !is_helper(source, line) {
                    found.push(Finding::new(&source.path, line, format!("`{}`: {}", ban.word, ban.why)));
                }
            }
        }
    }
    found
}

/// Whether the line marks a function that only another test's child process runs.
fn is_helper(source: &Source, line: usize) -> bool {
    source.text.lines().nth(line - 1).is_some_and(|text| text.contains("#[ignore = \"not a test: "))
}

/// `Result<…, String>` outside of tests: an error needs a type.
pub fn text_as_error(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        let code = &source.masked.code;
        for (at, word) in code.match_indices("Result<") {
            let inside = angles(&code[at + word.len()..]);
            let line = source.line_of(at);
            if last_part(inside) == "String" && !source.is_test_line(line) {
                found.push(Finding::new(&source.path, line, "a text as an error: make it a type"));
            }
        }
    }
    found
}

/// The text up to the `>` that closes an angle bracket opened just before.
fn angles(code: &str) -> &str {
    let mut depth = 1_i32;
    let mut before = ' ';
    for (at, c) in code.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &code[..at];
        }
        before = c;
    }
    code
}

fn last_part(list: &str) -> &str {
    let mut depth = 0_i32;
    let mut comma = None;
    for (at, c) in list.char_indices() {
        match c {
            '(' | '[' | '<' => depth += 1,
            ')' | ']' | '>' => depth -= 1,
            ',' if depth == 0 && !list[at + 1..].trim().is_empty() => comma = Some(at),
            _ => {}
        }
    }
    comma.map_or("", |at| list[at + 1..].trim().trim_end_matches(',').trim())
}

/// `cfg(test)` on anything but a module of tests: production code must not know that it is tested.
pub fn test_code_in_production(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let code = &source.masked.code;
        for (at, word) in code.match_indices("cfg") {
            let behind = &code[at + word.len()..];
            let open = behind
                .find('(')
                .filter(|open| behind[..*open].trim_matches(['!', '_', 'a', 't', 'r']).is_empty());
            let Some(open) = open.map(|open| at + word.len() + open) else { continue };
            let close = closing(code, open);
            let names_test =
                code[open..close].split(|c: char| !crate::mask::is_word(c)).any(|word| word == "test");
            let module = begins_module(code[close..].trim_start_matches([')', ']']));
            let line = source.line_of(at);
            if names_test && !module && !source.is_test_line(line) {
                let message =
                    "cfg(test) outside of a module of tests: give production code the value instead";
                found.push(Finding::new(&source.path, line, message));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(rule: fn(&[Source]) -> Vec<Finding>, path: &str, text: &str) -> usize {
        rule(&[Source::new(path, text)]).len()
    }

    #[test]
    fn every_ban_bites_and_text_does_not() {
        for ban in BANS {
            let path = match ban.place {
                In::Tests => "tests/it/src/x.rs",
                _ => "server/src/x.rs",
            };
            let text =
                if ban.place == In::Comments { format!("// {}", ban.word) } else { ban.word.to_owned() };
            assert!(one(banned, path, &text) >= 1, "{}", ban.word);
            assert_eq!(one(banned, path, &format!("\"{}\"", ban.word)), 0, "{}", ban.word);
            for path in ban.except {
                assert_eq!(one(banned, path, &text), 0, "{}", ban.word);
            }
        }
        assert_eq!(one(banned, "tests/it/src/x.rs", "#[ignore = \"flaky\"]"), 1);
        assert_eq!(one(banned, "tests/it/src/x.rs", "#[ignore = \"not a test: a child\"]"), 0);
        let tests = "#[cfg(test)]\nmod tests {\n    fn a() { b.unwrap() }\n}\n";
        assert_eq!(one(banned, "server/src/x.rs", tests), 0);
    }

    #[test]
    fn a_text_as_an_error_is_found() {
        let path = "server/src/x.rs";
        for bad in ["Result<(), String>", "Result<Vec<(u8, u8)>,\n String,\n>", "io::Result<u8, String>"] {
            assert_eq!(one(text_as_error, path, bad), 1, "{bad}");
        }
        for good in
            ["Result<String>", "Result<String, E>", "Result<(u8, String), E>", "Result<(), Box<String>>"]
        {
            assert_eq!(one(text_as_error, path, good), 0, "{good}");
        }
    }

    #[test]
    fn code_for_tests_in_production_is_found() {
        let path = "server/src/x.rs";
        for bad in [
            "#[cfg(test)]\nfn inject() {}",
            "if cfg!(test) {}",
            "#[cfg(not(test))]\nfn a() {}",
            "#[cfg_attr(test, x)]\nstruct S;",
        ] {
            assert_eq!(one(test_code_in_production, path, bad), 1, "{bad}");
        }
        for good in [
            "#[cfg(test)]\nmod tests { fn a() {} }",
            "#[cfg(test)]\nmod tests;",
            "#[cfg(test)]\npub(crate) mod tests;",
            "#[cfg(target_os = \"x\")]\nfn a() {}",
            "latest(cfg)",
        ] {
            assert_eq!(one(test_code_in_production, path, good), 0, "{good}");
        }
    }
}
