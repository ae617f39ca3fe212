//! How long files and functions may be, and how many parameters.

use crate::Finding;
use crate::functions::functions;
use crate::source::Source;

/// Lines of a file that are not a test's.
pub const FILE_LINES_MAX: usize = 500;
/// Lines of a file that is nothing but tests.
pub const TEST_FILE_LINES_MAX: usize = 800;
/// Lines of a function's body that hold code.
pub const FUNCTION_LINES_MAX: usize = 70;
/// Parameters of a function, besides `self`.
pub const PARAMETERS_MAX: usize = 5;

/// Files that are too long.
pub fn files(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        let (lines, most) = if source.is_test() {
            (source.text.lines().count(), TEST_FILE_LINES_MAX)
        } else {
            (source.production_lines(), FILE_LINES_MAX)
        };
        if lines > most {
            found.push(Finding::new(&source.path, 0, format!("{lines} lines, the most is {most}: part it")));
        }
    }
    found
}

/// Functions that are too long or take too much.
pub fn functions_of(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        for function in functions(source) {
            let name = &function.name;
            if function.lines > FUNCTION_LINES_MAX {
                let message =
                    format!("{name} has {} lines, the most is {FUNCTION_LINES_MAX}: part it", function.lines);
                found.push(Finding::new(&source.path, function.line, message));
            }
            if function.parameters > PARAMETERS_MAX {
                let parameters = function.parameters;
                let message = format!(
                    "{name} takes {parameters} parameters, the most is {PARAMETERS_MAX}: use a struct"
                );
                found.push(Finding::new(&source.path, function.line, message));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_beside_the_code_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(600));
        let at_limit = "\n".repeat(FILE_LINES_MAX) + &tests;
        assert_eq!(files(&[Source::new("server/src/x.rs", &at_limit)]), []);
        let over = format!("\n{at_limit}");
        assert_eq!(files(&[Source::new("server/src/x.rs", &over)]).len(), 1);
        assert_eq!(files(&[Source::new("tests/it/src/x.rs", &"\n".repeat(801))]).len(), 1);
    }

    #[test]
    fn long_and_greedy_functions_are_found() {
        let body = |lines| format!("fn f() {{\n{}}}\n", "    x();\n\n    // why\n".repeat(lines));
        let of = |text: &str| functions_of(&[Source::new("server/src/x.rs", text)]).len();
        assert_eq!(of(&body(FUNCTION_LINES_MAX)), 0);
        assert_eq!(of(&body(FUNCTION_LINES_MAX + 1)), 1);
        assert_eq!(of("fn f(&self, a: A, b: B, c: C, d: D, e: E) {}"), 0);
        assert_eq!(of("fn f(&self, a: A, b: B, c: C, d: D, e: E, f: F) {}"), 1);
    }
}
