//! Help for a person who mistyped: the nearest name, and the place of a problem shown with a caret.
//!
//! Plain text without colour; a face may colour the whole of it.

use std::fmt::Write as _;

use crate::story::Problem;

/// Longest word that is compared; a longer one has no nearest name.
const WORD_CHARS_MAX: usize = 64;
/// Most characters of a source line that are shown.
const SHOWN_CHARS_MAX: usize = 120;
/// How alike two words must be, from 0 to 1, for one to be taken for the other.
const LIKENESS_MIN: f64 = 0.75;

/// The candidate that `word` was most likely meant to be, case aside; none where nothing is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.chars().count() > WORD_CHARS_MAX {
        return None;
    }
    let word = fold(word);
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let folded = fold(candidate);
        // Typing slips first; then a word written half, or with something in front or behind.
        let part =
            word.len() >= 3 && (folded.contains(&word) || (folded.len() >= 3 && word.contains(&folded)));
        let likeness = strsim::normalized_damerau_levenshtein(&word, &folded)
            .max(strsim::jaro_winkler(&word, &folded) - 0.1)
            .max(if part { LIKENESS_MIN } else { 0.0 });
        if likeness >= LIKENESS_MIN && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `did you mean X?`, or the names there are: `one of a, b, c`.
pub fn did_you_mean(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", listed(candidates)),
    }
}

/// Names for a sentence: `` `a`, `b` ``.
pub fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A problem for a terminal: message, place, the line with a caret below it, and the hint. `source` is the text of the
/// file; where it no longer has that line, the line is left out. The answer ends in a line end.
pub fn render(problem: &Problem, source: &str) -> String {
    let mut out = format!("{}\n", problem.message);
    let place = match (problem.line, problem.column) {
        (Some(line), Some(column)) => format!("{}:{line}:{column}", problem.path),
        (Some(line), None) => format!("{}:{line}", problem.path),
        _ => problem.path.clone(),
    };
    let line = problem.line.and_then(|line| nth_line(source, line));
    let gutter = problem.line.map_or(1, |line| line.to_string().len());
    let _ = writeln!(out, "{:gutter$}--> {place}", "");
    if let (Some(number), Some(text)) = (problem.line, line) {
        let (shown, caret) = window(text, problem.column.unwrap_or(1));
        let _ = writeln!(out, "{:gutter$} |", "");
        let _ = writeln!(out, "{number} | {shown}");
        if problem.column.is_some() {
            let _ = writeln!(out, "{:gutter$} | {:caret$}^", "", "");
        }
    }
    if let Some(hint) = &problem.hint {
        let _ = writeln!(out, "{:gutter$} = hint: {hint}", "");
    }
    out
}

fn fold(word: &str) -> String {
    word.to_lowercase().replace(['-', ' '], "_")
}

fn nth_line(source: &str, line: u32) -> Option<&str> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    crate::front_matter::lines::Lines::new(source).nth(index).map(|line| line.text)
}

/// The part of a line around a column, tabs and control characters as one space each, and the caret's offset in it.
fn window(text: &str, column: u32) -> (String, usize) {
    let column = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let start = if column >= SHOWN_CHARS_MAX { column - SHOWN_CHARS_MAX / 2 } else { 0 };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String =
        text.trim_start_matches('\u{feff}').chars().skip(start).take(SHOWN_CHARS_MAX).map(plain).collect();
    let caret = (column - start).min(shown.chars().count());
    (shown.trim_end().to_owned(), caret)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::story::Place;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let keys = ["max_retries", "max_rejections", "qa", "base_branch", "human", "server", "agent"];
        let near = |word| nearest(word, keys);
        assert_eq!(near("max_retrys"), Some("max_retries"));
        assert_eq!(near("maxretries"), Some("max_retries"));
        assert_eq!(near("max-retries"), Some("max_retries"));
        assert_eq!(near("QA"), Some("qa"));
        assert_eq!(near("branch"), Some("base_branch"));
        assert_eq!(near("humna"), Some("human"));
        assert_eq!(near("sever"), Some("server"));
        assert_eq!(near("elephant"), None);
        assert_eq!(near(""), None);
        assert_eq!(near(&"x".repeat(1_000)), None);
    }

    #[test]
    fn a_problem_is_shown_with_its_line() {
        let problem = Problem::at(
            ".storkit/project.toml",
            Place { line: 2, column: 4 },
            "`qa` is `robot`.",
            "one of `server`",
        );
        assert_snapshot!(render(&problem, "a = 1\nqa\t= \"robot\"\n"), @r#"
        `qa` is `robot`.
         --> .storkit/project.toml:2:4
          |
        2 | qa = "robot"
          |    ^
          = hint: one of `server`
        "#);
    }

    #[test]
    fn a_place_that_is_no_more_and_a_long_line_do_no_harm() {
        let place = |line, column| Problem::at("x.md", Place { line, column }, "Wrong.", "mend it");
        assert_snapshot!(render(&place(9, 1), "a\n"), @r"
        Wrong.
         --> x.md:9:1
          = hint: mend it
        ");
        let long = format!("{}X{}", "é".repeat(5_000), "y".repeat(5_000));
        let shown = render(&place(1, 5_001), &long);
        let caret = shown.lines().find(|line| line.ends_with('^')).expect("a caret");
        let line = shown.lines().find(|line| line.starts_with("1 |")).expect("the line");
        assert_eq!(line.chars().nth(caret.chars().count() - 1), Some('X'));
        assert!(shown.len() < 1_000);
        let _ = render(&place(u32::MAX, u32::MAX), &long);
        let _ = render(&place(1, u32::MAX), "a");
    }
}
