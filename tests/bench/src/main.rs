//! `script/bench`: how fast storkit is, as ratios to what the machine does by itself in the same run.
//!
//! A row compares storkit with a reference (git, a shell script, a plain read), in turn, and shows medians. Absolute
//! times say something about the machine and are shown beside the ratio alone. It changes nothing but its own folders.

mod board;
mod clock;
mod events;
mod first_byte;
mod load;
mod removal;
mod report;
mod story;
mod tui;

use std::path::PathBuf;
use std::process::ExitCode;

use report::Report;

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Fewer rounds and smaller boards: answers in about a minute, with more noise.
    pub(crate) quick: bool,
    only: Vec<String>,
    json: Option<PathBuf>,
}

impl Plan {
    /// The number for a full run, or the one for a quick run.
    pub(crate) fn of(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

type Measure = fn(&Plan, &mut Report);

const MEASURES: &[(&str, Measure)] = &[
    ("events", events::measure),
    ("first-byte", first_byte::measure),
    ("removal", removal::measure),
    ("story", story::measure),
    ("board", board::measure),
    ("idle", board::measure_idle),
    ("tui", tui::measure),
    ("load", load::measure),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, folder] = args.as_slice()
        && word == clock::STAMP_WORD
    {
        return clock::stamp(folder);
    }
    let Some(plan) = parse(args) else {
        let names: Vec<&str> = MEASURES.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: script/bench [--quick] [--json FILE] [MEASURE…]\nmeasures: {}", names.join(" "));
        return ExitCode::from(2);
    };
    let mut report = Report::new(plan.quick);
    for (name, measure) in MEASURES.iter().filter(|(name, _)| plan.wants(name)) {
        eprintln!("== {name}");
        measure(&plan, &mut report);
    }
    println!("{}", report.table());
    if let Some(path) = &plan.json
        && let Err(error) = std::fs::write(path, report.json())
    {
        eprintln!("cannot write {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn parse(args: Vec<String>) -> Option<Plan> {
    let mut plan = Plan { quick: false, only: Vec::new(), json: None };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => plan.quick = true,
            "--json" => plan.json = Some(args.next()?.into()),
            name if MEASURES.iter().any(|(known, _)| *known == name) => plan.only.push(arg),
            _ => return None,
        }
    }
    Some(plan)
}
