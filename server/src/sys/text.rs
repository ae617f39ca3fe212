//! Text that others wrote, made fit for a terminal: no control sequences, no more columns than there are.

use std::fmt::Write;

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` on one line and with nothing in it that a terminal would obey: control characters (C0, DEL, C1), line and
/// paragraph separators, marks that reorder or hide text are written as `\u{…}`; line ends and tabs become blanks.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '\r' => {}
            c if is_dangerous(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The same for text of several lines, whose line ends and tabs stay.
pub fn clean_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {}
            c if is_dangerous(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether a terminal would obey a character, or text would be read otherwise than it stands.
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether a character changes how wide its neighbours are, or has no shape of its own.
pub const fn is_joining(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200c}' | '\u{200d}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
        | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` cut to `columns` with `…` at its end where something went.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut taken = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if taken + wide + 1 > columns {
            break;
        }
        taken += wide;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// `text` cut or filled with blanks to exactly `columns`.
pub fn fit(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    let short = columns.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', short));
    out
}

/// `text` broken at blanks into lines of at most `columns`; a longer word is broken in itself.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let gap = usize::from(!line.is_empty());
        if width(&line) + gap + width(word) <= columns {
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            if width(&line) + c.width().unwrap_or(0) > columns && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// How long ago an RFC 3339 moment was, in one short word: `12s`, `5m`, `3h`, `2d`; empty where it is none.
pub fn age(since: &str, now: Timestamp) -> String {
    let Ok(since) = since.parse::<Timestamp>() else { return String::new() };
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long something took, from one moment to the other: `12s`, `5m 3s`, `1h 2m`.
pub fn span(from: &str, to: &str) -> Option<String> {
    let (from, to) = (from.parse::<Timestamp>().ok()?, to.parse::<Timestamp>().ok()?);
    let seconds = to.duration_since(from).as_secs().max(0);
    Some(match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
    })
}

/// `n thing` or `n things`.
pub fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(clean("a\u{1b}]0;x\u{7}b\u{9b}31m\r\n\tc"), "a\\u{1b}]0;x\\u{7}b\\u{9b}31m  c");
        assert_eq!(clean("\u{202e}evil\u{2066}\u{feff}"), "\\u{202e}evil\\u{2066}\\u{feff}");
        assert_eq!(clean("Grüße, 世界 👩‍💻"), "Grüße, 世界 👩‍💻");
        assert_eq!(clean_lines("a\n\tb\u{1b}[2J"), "a\n\tb\\u{1b}[2J");
    }

    #[test]
    fn wide_text_is_cut_at_columns() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut("世界世界", 5), "世界…");
        assert_eq!(cut("世界世界", 4), "世…");
        assert_eq!(width(&cut("世界世界", 4)), 3);
        assert_eq!(cut("abc", 0), "");
        for columns in 0..12 {
            assert_eq!(width(&fit("a世b界c", columns)), columns);
        }
    }

    #[test]
    fn text_wraps_at_blanks_and_long_words_in_themselves() {
        assert_eq!(wrap("waits for a free coder", 10), ["waits for", "a free", "coder"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("世界世界", 5), ["世界", "世界"]);
        assert!(wrap("  ", 5).is_empty());
    }

    #[test]
    fn ages_are_one_word() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a moment");
        let ages = [
            ("2026-11-21T11:59:48Z", "12s"),
            ("2026-11-21T11:55:00Z", "5m"),
            ("2026-11-21T09:00:00Z", "3h"),
            ("2026-11-01T12:00:00Z", "20d"),
            ("2026-11-21T13:00:00Z", "0s"),
            ("yesterday", ""),
        ];
        for (since, word) in ages {
            assert_eq!(age(since, now), word);
        }
        assert_eq!(span("2026-11-21T11:55:00Z", "2026-11-21T12:00:03Z").as_deref(), Some("5m 3s"));
    }
}
