//! Spans of time and sizes as people write them in project.toml and in stories: `90s`, `2h30m`, `1GB`.
//!
//! Pure text to number and back; what a span is for is its reader's business.

/// Longest span that is taken, in milliseconds: ten years of 365 days.
pub const SPAN_MS_MAX: u64 = 10 * 365 * DAY_MS;
const DAY_MS: u64 = 24 * 3_600_000;

/// Units of time, the largest first, in milliseconds.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size, in bytes: the decimal ones as on disks' labels, the binary ones with an `i`.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Why a text is not a span or a size; the text is a hint for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// There is no text.
    #[error("is empty")]
    Empty,
    /// A number stands without a unit.
    #[error("has a number without a unit")]
    NoUnit,
    /// It is not numbers with units.
    #[error("is not understood")]
    Malformed,
    /// It is larger than can be counted, or than ten years.
    #[error("is too large")]
    TooLarge,
}

/// Reads `2h30m`, `90s`, `1 h 5 m`, `250ms`: whole numbers, each with a unit of `d h m s ms`, larger units first.
/// The answer is in milliseconds.
pub fn parse_ms(text: &str) -> Result<u64, UnitError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(UnitError::Empty);
    }
    let mut total: u64 = 0;
    let mut smallest_so_far = u64::MAX;
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let after = after.trim_start_matches(' ');
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = TIME_UNITS.iter().find(|(name, _)| *name == &after[..letters]);
        let Some(&(_, unit_ms)) = unit else {
            return Err(if letters == 0 && after.is_empty() {
                UnitError::NoUnit
            } else {
                UnitError::Malformed
            });
        };
        if unit_ms >= smallest_so_far {
            return Err(UnitError::Malformed);
        }
        smallest_so_far = unit_ms;
        total =
            number.checked_mul(unit_ms).and_then(|ms| ms.checked_add(total)).ok_or(UnitError::TooLarge)?;
        rest = after[letters..].trim_start_matches(' ');
    }
    if total > SPAN_MS_MAX { Err(UnitError::TooLarge) } else { Ok(total) }
}

/// Writes milliseconds as [`parse_ms`] reads them, largest units first: `2h30m`; zero is `0s`.
pub fn format_ms(ms: u64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut rest = ms;
    let mut out = String::new();
    for (name, unit_ms) in TIME_UNITS {
        let count = rest / unit_ms;
        rest %= unit_ms;
        if count > 0 {
            out.push_str(&count.to_string());
            out.push_str(name);
        }
    }
    out
}

/// Reads `1GB`, `512 MiB`, `0B`: one whole number and one unit, decimal or binary, in any case. The answer is in bytes.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(UnitError::Empty);
    }
    let (number, after) = number(text)?;
    let unit = after.trim_start_matches(' ');
    if unit.is_empty() {
        return if number == 0 { Ok(0) } else { Err(UnitError::NoUnit) };
    }
    let found = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let &(_, unit_bytes) = found.ok_or(UnitError::Malformed)?;
    number.checked_mul(unit_bytes).ok_or(UnitError::TooLarge)
}

/// Writes bytes as [`parse_bytes`] reads them, in the largest unit that needs no fraction.
pub fn format_bytes(bytes: u64) -> String {
    let fits = |unit: u64| bytes >= unit && bytes.is_multiple_of(unit);
    let unit = SIZE_UNITS.iter().filter(|(_, unit)| fits(*unit)).max_by_key(|(_, unit)| *unit);
    let &(name, unit) = unit.unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

/// The whole number that `text` begins with, and what follows it.
fn number(text: &str) -> Result<(u64, &str), UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(UnitError::Malformed);
    }
    let number = text[..digits].parse().map_err(|_| UnitError::TooLarge)?;
    Ok((number, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_numbers_with_units() {
        let good = [
            ("90s", 90_000),
            ("2h", 7_200_000),
            ("2h30m", 9_000_000),
            (" 1 h 5 m ", 3_900_000),
            ("250ms", 250),
            ("1d1ms", DAY_MS + 1),
            ("0s", 0),
        ];
        for (text, ms) in good {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
        let bad = [
            ("", UnitError::Empty),
            ("90", UnitError::NoUnit),
            ("1h30", UnitError::NoUnit),
            ("1.5h", UnitError::Malformed),
            ("-1h", UnitError::Malformed),
            ("30m1h", UnitError::Malformed),
            ("1h1h", UnitError::Malformed),
            ("2 hours", UnitError::Malformed),
            ("2H", UnitError::Malformed),
            ("é", UnitError::Malformed),
            ("99999999999999999999h", UnitError::TooLarge),
            ("9999999999999999h", UnitError::TooLarge),
            ("3651d", UnitError::TooLarge),
        ];
        for (text, why) in bad {
            assert_eq!(parse_ms(text), Err(why), "{text}");
        }
    }

    #[test]
    fn sizes_are_a_number_with_a_unit() {
        let good = [("1GB", 1_000_000_000), ("512 MiB", 512 << 20), ("0", 0), ("7b", 7), ("2kb", 2_000)];
        for (text, bytes) in good {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        let bad = [
            ("", UnitError::Empty),
            ("5", UnitError::NoUnit),
            ("1.5GB", UnitError::Malformed),
            ("GB", UnitError::Malformed),
            ("1GB1MB", UnitError::Malformed),
            ("99999999999TB", UnitError::TooLarge),
        ];
        for (text, why) in bad {
            assert_eq!(parse_bytes(text), Err(why), "{text}");
        }
        assert_eq!(format_bytes(1_000_000_000), "1GB");
        assert_eq!(format_bytes(3 << 20), "3MiB");
        assert_eq!(format_bytes(1_001), "1001B");
        assert_eq!(format_bytes(0), "0B");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(ms in 0..=SPAN_MS_MAX, bytes: u64) {
            prop_assert_eq!(parse_ms(&format_ms(ms)), Ok(ms));
            prop_assert_eq!(parse_bytes(&format_bytes(bytes)), Ok(bytes));
        }

        #[test]
        fn any_text_is_answered(text: String) {
            let _ = parse_ms(&text);
            let _ = parse_bytes(&text);
        }
    }
}
