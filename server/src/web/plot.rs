//! Bars over days as SVG: sizes are attributes, so that no style is needed.

use std::fmt::Write;

/// Days that a plot shows.
pub(super) const DAYS: usize = 30;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 22.0;
const TOP: f64 = 10.0;

/// One day: its date as it is written, the figure, and how that is said.
pub(super) struct Day {
    pub(super) date: String,
    pub(super) value: f64,
    pub(super) words: String,
}

/// The bars of these days; `goal` is a line across where it is above 0. All texts are storkit's own.
#[expect(clippy::cast_precision_loss, reason = "a count of days")]
pub(super) fn bars(days: &[Day], goal: f64, class: &str, name: &str) -> String {
    let most = days.iter().map(|day| day.value).fold(goal.max(0.0), f64::max);
    let scale = round_up(most);
    let height = HEIGHT - BOTTOM - TOP;
    let y = |value: f64| TOP + height - height * value / scale;
    let mut out = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{name}\"><path class=\"axis\" d=\"M{LEFT} {0:.1}H{WIDTH}M{LEFT} {1:.1}H{WIDTH}\"/>",
        y(0.0),
        y(scale / 2.0)
    );
    for value in [0.0, scale / 2.0, scale] {
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y(value) + 4.0,
            short(value)
        );
    }
    let step = (WIDTH - LEFT) / days.len().max(1) as f64;
    for (at, day) in days.iter().enumerate() {
        let x = LEFT + step * at as f64;
        if day.value > 0.0 {
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"1.5\"><title>{}: {}</title></rect>",
                x + step * 0.15,
                y(day.value),
                step * 0.7,
                (y(0.0) - y(day.value)).max(1.0),
                day.date,
                day.words
            );
        }
        if (days.len() - 1 - at).is_multiple_of(7) {
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                (x + step / 2.0).min(WIDTH - 16.0),
                HEIGHT - 6.0,
                day.date.get(5..).unwrap_or(&day.date)
            );
        }
    }
    if goal > 0.0 {
        let _ = write!(out, "<path class=\"goal\" d=\"M{LEFT} {:.1}H{WIDTH}\"/>", y(goal));
    }
    out + "</svg>"
}

/// The next of 1, 2, 5, 10 … that is not below.
fn round_up(value: f64) -> f64 {
    let value = if value.is_finite() { value.clamp(0.01, 1e12) } else { 1.0 };
    let ten = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * ten).find(|step| *step >= value).unwrap_or(value)
}

fn short(value: f64) -> String {
    if value >= 1000.0 {
        format!("{:.1}k", value / 1000.0)
    } else if value >= 10.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_never_nothing() {
        for (value, wanted) in
            [(0.0, 0.01), (0.7, 1.0), (1.0, 1.0), (12.4, 20.0), (50.1, 100.0), (f64::NAN, 1.0)]
        {
            assert!((round_up(value) - wanted).abs() < 1e-9, "{value} gave {}", round_up(value));
        }
    }

    #[test]
    fn one_day_no_day_and_a_huge_day_are_drawn() {
        let day = |value| Day { date: "2026-11-21".to_owned(), value, words: "x".to_owned() };
        assert!(!bars(&[], 0.0, "b", "n").contains("NaN"));
        assert!(!bars(&[day(0.0)], 0.0, "b", "n").contains("<rect"));
        let svg = bars(&[day(0.01), day(9e9)], 50.0, "b", "n");
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(!svg.contains("style"), "{svg}");
    }
}
