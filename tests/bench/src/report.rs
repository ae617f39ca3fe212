//! The rows of a run, as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::json;

/// What a row must reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// Storkit's value over the reference's.
    Ratio(f64),
    /// Storkit's value itself, in the row's unit.
    Value(f64),
    /// Shown for comparison alone.
    None,
}

/// One comparison.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What was done, and on what.
    pub(crate) what: String,
    /// `ms`, `MB` and the like.
    pub(crate) unit: &'static str,
    /// Storkit's value.
    pub(crate) ours: f64,
    /// The reference's; none where there is none.
    pub(crate) reference: Option<f64>,
    /// What the reference is, in words.
    pub(crate) against: &'static str,
    /// The target.
    pub(crate) target: Target,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.reference.filter(|reference| *reference > 0.0).map(|reference| self.ours / reference)
    }

    fn met(&self) -> Option<bool> {
        match self.target {
            Target::Ratio(limit) => self.ratio().map(|ratio| ratio <= limit),
            Target::Value(limit) => Some(self.ours <= limit),
            Target::None => None,
        }
    }
}

/// All rows of a run.
#[derive(Debug)]
pub(crate) struct Report {
    quick: bool,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(quick: bool) -> Self {
        Self { quick, rows: Vec::new() }
    }

    /// Takes a row, and shows it at once.
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// The table, in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{}\n\n", machine());
        if self.quick {
            text.push_str("--quick: few rounds, much noise.\n\n");
        }
        text.push_str("| what | storkit | reference | against | ratio | target | met |\n");
        text.push_str("| --- | ---: | ---: | --- | ---: | ---: | --- |\n");
        for row in &self.rows {
            let _ = writeln!(text, "{}", line(row));
        }
        text
    }

    /// The rows, as JSON.
    pub(crate) fn json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let (ratio_target, value_target) = match row.target {
                Target::Ratio(limit) => (Some(limit), None),
                Target::Value(limit) => (None, Some(limit)),
                Target::None => (None, None),
            };
            json!({"what": row.what, "unit": row.unit, "storkit": row.ours, "reference": row.reference,
                "against": row.against, "ratio": row.ratio(), "ratio_target": ratio_target,
                "value_target": value_target, "met": row.met()})
        });
        let rows: Vec<_> = rows.collect();
        format!("{:#}\n", json!({"machine": machine(), "quick": self.quick, "rows": rows}))
    }
}

fn line(row: &Row) -> String {
    let number = |value: f64| if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
    let unit = row.unit;
    let reference = row.reference.map_or("–".to_owned(), |value| format!("{} {unit}", number(value)));
    let ratio = row.ratio().map_or("–".to_owned(), |ratio| format!("{ratio:.2} ×"));
    let target = match row.target {
        Target::Ratio(limit) => format!("{limit} ×"),
        Target::Value(limit) => format!("{} {unit}", number(limit)),
        Target::None => "–".to_owned(),
    };
    let met = row.met().map_or("–", |met| if met { "yes" } else { "**no**" });
    format!(
        "| {} | {} {unit} | {reference} | {} | {ratio} | {target} | {met} |",
        row.what,
        number(row.ours),
        row.against
    )
}

/// The kind of machine, in a line; how busy it was belongs to it.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{cores} cores ({}), Linux {}, load {} at the end",
        model.map_or("unknown", |(_, name)| name),
        kernel.trim(),
        load.split(' ').next().unwrap_or_default()
    )
}

/// The value below which that part of the sorted values lies.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a short list"
    )]
    let at = (part * (sorted.len().saturating_sub(1)) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// The median.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// A span in milliseconds.
pub(crate) fn ms(span: std::time::Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, reference: Option<f64>, target: Target) -> Row {
        Row { what: "x".into(), unit: "ms", ours, reference, against: "y", target }
    }

    #[test]
    fn a_target_is_met_at_its_limit_and_not_above() {
        assert_eq!(row(8.0, Some(10.0), Target::Ratio(0.8)).met(), Some(true));
        assert_eq!(row(8.1, Some(10.0), Target::Ratio(0.8)).met(), Some(false));
        assert_eq!(row(8.1, None, Target::Ratio(0.8)).met(), None);
        assert_eq!(row(8.1, None, Target::Value(8.0)).met(), Some(false));
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert!((median(&values) - 3.0).abs() < f64::EPSILON);
        assert!((quantile(&values, 0.99) - 5.0).abs() < f64::EPSILON);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_missed_target_is_shown() {
        assert!(line(&row(20.0, Some(10.0), Target::Ratio(0.8))).contains("2.00 × | 0.8 × | **no** |"));
    }
}
