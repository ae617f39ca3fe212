//! `storkit usage`: what runs used, from the ledger, also without a daemon.

use std::collections::BTreeMap;

use storkit_core::time::words;
use storkit_core::usage::{Group, GroupBy, Spread, UsageReport, report};

use super::agents::plain_table;
use super::exit::{Exit, Failure, Outcome};
use super::text::clean;
use super::{Context, ask};
use crate::ledger::Reader;

/// Runs the command.
pub(super) fn run(context: &Context, by: GroupBy) -> Outcome {
    let project = context.project()?;
    let (mut rows, complete) = if project.run_dir().join("ledger.db").exists() {
        let read = Reader::open(&project.run_dir()).and_then(|reader| reader.used());
        let hint = "storkit up brings an old ledger up to date, and begins a new one where it is damaged";
        read.map_err(|error| Failure::new(error.to_string()).hint(hint))?
    } else {
        (Vec::new(), true)
    };
    if by == GroupBy::Label {
        let stories = ask::status(context, true)?.stories;
        let labels: BTreeMap<_, _> = stories.into_iter().map(|story| (story.id, story.labels)).collect();
        for row in &mut rows {
            row.labels = labels.get(&row.story).cloned().unwrap_or_default();
        }
    }
    let report = report(&rows, by, complete);
    if context.out.json {
        context.out.json(&report)?;
    } else if rows.is_empty() {
        context.out.say("nothing has run yet");
    } else {
        context.out.data(&render(&report, context.out.columns()))?;
    }
    Ok(Exit::Done)
}

fn render(report: &UsageReport, columns: usize) -> String {
    let head = [report.by.name(), "runs", "in", "cached", "out", "cost", "turns", "median", "longest"];
    let rows = report.groups.iter().chain([&report.total]).map(line);
    let mut out = plain_table(head, rows, columns);
    out += &figures(&report.total, columns);
    if report.total.unreported > 0 {
        let runs = if report.total.unreported == 1 { "run" } else { "runs" };
        out += &format!("\n{} {runs} reported no tokens\n", report.total.unreported);
    }
    if !report.complete {
        out += "\nthe ledger was begun anew: what earlier runs cost is not known\n";
    }
    out
}

/// Average, median and maximum of a run's time, turns and cost, as far as they are known.
fn figures(total: &Group, columns: usize) -> String {
    let row = |name: &str, spread: Option<&Spread>, show: fn(f64) -> String| {
        spread.map(|spread| {
            let figures = [spread.average, spread.median, spread.maximum].map(show);
            let [average, median, maximum] = figures;
            [name.to_owned(), average, median, maximum]
        })
    };
    let rows = [
        row("time", total.seconds.as_ref(), lasting),
        row("turns", total.turns.as_ref(), |turns| format!("{turns:.1}")),
        row("cost", total.cost.as_ref(), dollars),
    ];
    if rows.iter().all(Option::is_none) {
        return String::new();
    }
    let head = ["of a run", "average", "median", "maximum"];
    "\n".to_owned() + &plain_table(head, rows.into_iter().flatten(), columns)
}

fn dollars(usd: f64) -> String {
    format!("${usd:.2}")
}

fn line(group: &Group) -> [String; 9] {
    let reported = group.unreported < group.runs;
    let tokens = |count: u64| if reported { short(count) } else { "–".to_owned() };
    let seconds = |figure: fn(&Spread) -> f64| {
        group.seconds.as_ref().map_or_else(|| "–".to_owned(), |spread| lasting(figure(spread)))
    };
    [
        clean(&group.key),
        group.runs.to_string(),
        tokens(group.tokens.input_tokens),
        tokens(group.tokens.cache_read_tokens.saturating_add(group.tokens.cache_write_tokens)),
        tokens(group.tokens.output_tokens),
        group.cost_usd.map_or_else(|| "–".to_owned(), dollars),
        group.turns.as_ref().map_or_else(|| "–".to_owned(), |spread| format!("{:.0}", spread.median)),
        seconds(|spread| spread.median),
        seconds(|spread| spread.maximum),
    ]
}

/// A count in at most five characters: `999`, `12.3k`, `1.2M`.
fn short(count: u64) -> String {
    let (whole, unit) = match count {
        0..1_000 => return count.to_string(),
        1_000..1_000_000 => (1_000, 'k'),
        1_000_000..1_000_000_000 => (1_000_000, 'M'),
        _ => (1_000_000_000, 'G'),
    };
    let tenths = count.saturating_mul(10) / whole;
    format!("{}.{}{unit}", tenths / 10, tenths % 10)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a span of a run in milliseconds"
)]
fn lasting(seconds: f64) -> String {
    words((seconds.max(0.0) * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_run_are_shown_as_far_as_they_are_known() {
        let spread = |average, median, maximum| Some(Spread { average, median, maximum });
        let total = Group {
            key: "total".to_owned(),
            runs: 3,
            unreported: 0,
            tokens: storkit_core::usage::Tokens::default(),
            cost_usd: None,
            seconds: spread(61.0, 60.0, 90.0),
            turns: spread(4.333, 4.0, 7.0),
            cost: None,
        };
        let shown = figures(&total, 80);
        let words: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[2], ["time", "1m", "1s", "1m", "1m", "30s"]);
        assert_eq!(words[3], ["turns", "4.3", "4.0", "7.0"]);
        assert_eq!(words.len(), 4, "{shown}");
        assert_eq!(figures(&Group { seconds: None, turns: None, ..total }, 80), "");
    }

    #[test]
    fn counts_are_short() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1.0k"),
            (12_345, "12.3k"),
            (999_999, "999.9k"),
            (1_250_000, "1.2M"),
        ];
        for (count, text) in cases {
            assert_eq!(short(count), text);
        }
        assert_eq!(lasting(83.0), "1m 23s");
    }
}
