//! The steps of a check: what each is called, how it went, and how that is shown.

use serde::Serialize;

use crate::cli::exit::Failure;
use crate::cli::out::Out;
use crate::cli::style::{self, paint};
use crate::cli::text::{clean, cut};

/// Columns of a step's name.
const NAME_COLUMNS: usize = 18;
/// Most columns of what was seen.
const DETAIL_COLUMNS: usize = 400;

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    Found,
    Starts,
    Trusted,
    Prompted,
    Answers,
    Commits,
    Resumes,
    Stops,
    LeavesNothing,
}

impl Step {
    /// All of them.
    pub(super) const ALL: [Self; 9] = [
        Self::Found,
        Self::Starts,
        Self::Trusted,
        Self::Prompted,
        Self::Answers,
        Self::Commits,
        Self::Resumes,
        Self::Stops,
        Self::LeavesNothing,
    ];

    const fn words(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Starts => "starts",
            Self::Trusted => "folder trusted",
            Self::Prompted => "gets the prompt",
            Self::Answers => "answers",
            Self::Commits => "commits",
            Self::Resumes => "resumes",
            Self::Stops => "can be stopped",
            Self::LeavesNothing => "leaves no process",
        }
    }
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should.
    Good,
    /// It works, and something is odd.
    Odd,
    /// It failed.
    Bad,
    /// The runtime has no such thing.
    NotApplicable,
    /// An earlier step failed.
    NotReached,
}

/// What was seen of a step.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Result {
    step: Step,
    state: State,
    /// What was seen, in words.
    detail: String,
    /// What mends it: a command, or a line of the configuration.
    fix: Option<String>,
}

/// The report of a check, shown while it grows.
pub(super) struct Report {
    out: Out,
    results: Vec<Result>,
}

/// A report as JSON.
#[derive(Serialize)]
struct Whole<'a> {
    agent: &'a str,
    runtime: &'a str,
    ok: bool,
    steps: &'a [Result],
}

impl Report {
    pub(super) fn new(out: Out) -> Self {
        Self { out, results: Vec::new() }
    }

    /// The step went well.
    pub(super) fn good(&mut self, step: Step, detail: impl Into<String>) -> std::result::Result<(), Failure> {
        self.add(step, State::Good, detail.into(), None)
    }

    /// The step went well, but for something.
    pub(super) fn odd(
        &mut self,
        step: Step,
        said: (String, Option<String>),
    ) -> std::result::Result<(), Failure> {
        self.add(step, State::Odd, said.0, said.1)
    }

    /// The step failed.
    pub(super) fn bad(
        &mut self,
        step: Step,
        said: (String, Option<String>),
    ) -> std::result::Result<(), Failure> {
        self.add(step, State::Bad, said.0, said.1)
    }

    /// The runtime cannot do it.
    pub(super) fn not_applicable(&mut self, step: Step, why: &str) -> std::result::Result<(), Failure> {
        self.add(step, State::NotApplicable, why.to_owned(), None)
    }

    /// Whether a step failed.
    pub(super) fn has_failed(&self) -> bool {
        self.results.iter().any(|result| result.state == State::Bad)
    }

    /// Says of what is left that it was not reached, and of all of it as JSON where that is wanted.
    pub(super) fn finish(&mut self, agent: &str, runtime: &str) -> std::result::Result<(), Failure> {
        for step in Step::ALL {
            if self.results.iter().all(|result| result.step != step) {
                self.add(step, State::NotReached, "not reached".to_owned(), None)?;
            }
        }
        if self.out.json {
            self.results.sort_by_key(|result| result.step as u8);
            let whole = Whole { agent, runtime, ok: !self.has_failed(), steps: &self.results };
            self.out.json(&whole)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        step: Step,
        state: State,
        detail: String,
        fix: Option<String>,
    ) -> std::result::Result<(), Failure> {
        let result = Result { step, state, detail: cut(&clean(&detail), DETAIL_COLUMNS), fix };
        if !self.out.json {
            self.out.data(&line(&result))?;
        }
        self.results.push(result);
        Ok(())
    }
}

fn line(result: &Result) -> String {
    let (look, mark) = match result.state {
        State::Good => (style::GOOD, "✓"),
        State::Odd => (style::WARN, "!"),
        State::Bad => (style::ERROR, "✗"),
        State::NotApplicable | State::NotReached => (style::FAINT, "–"),
    };
    let detail = match result.state {
        State::NotApplicable => format!("not applicable: {}", result.detail),
        _ => result.detail.clone(),
    };
    let name = format!("{:<NAME_COLUMNS$}", result.step.words());
    let mut text = format!("{} {name} {detail}", paint(look, mark)).trim_end().to_owned();
    text.push('\n');
    if let Some(fix) = &result.fix {
        let indent = " ".repeat(NAME_COLUMNS + 3);
        text = format!("{text}{indent}{}\n", paint(style::HINT, &format!("→ {}", clean(fix))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stand_below_one_another_with_what_mends_them() {
        let result = |step, state, fix: Option<&str>| Result {
            step,
            state,
            detail: "said so".to_owned(),
            fix: fix.map(str::to_owned),
        };
        let plain = |result: &Result| anstream::adapter::strip_str(&line(result)).to_string();
        assert_eq!(plain(&result(Step::Found, State::Good, None)), "✓ found              said so\n");
        assert_eq!(
            plain(&result(Step::LeavesNothing, State::Bad, Some("do that"))),
            "✗ leaves no process  said so\n                     → do that\n"
        );
        assert_eq!(
            plain(&result(Step::Resumes, State::NotApplicable, None)),
            "– resumes            not applicable: said so\n"
        );
    }
}
