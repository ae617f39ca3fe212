//! Whether a gate's output matches what it must: so that `0 tests run` with exit 0 is not taken for green.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use regex_lite::Regex;

use crate::agents::text::plain;

/// How much of the output is searched, from its end, in bytes.
const SEARCHED_LEN_MAX: u64 = 16 << 20;

/// Why the output does not do, in words; none where it does or nothing is asked. The log may lack the end of a
/// very long output, which the tail has.
pub(super) fn failure(expect: &str, log: &Path, tail: &str) -> Option<String> {
    if expect.is_empty() {
        return None;
    }
    let regex = match Regex::new(expect) {
        Ok(regex) => regex,
        Err(error) => return Some(format!("`expect` is no regular expression: {error}")),
    };
    let found = regex.is_match(tail) || read_end(log).is_ok_and(|text| regex.is_match(&text));
    (!found).then(|| format!("nothing in its output matches `{expect}`"))
}

fn read_end(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let start = file.metadata()?.len().saturating_sub(SEARCHED_LEN_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(SEARCHED_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(plain(&String::from_utf8_lossy(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_searched_as_text_from_its_beginning_to_its_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("log");
        std::fs::write(&log, "\u{1b}[32m12\u{1b}[0m passed\nthe end\n").expect("written");
        let expect = "[1-9][0-9]* passed";
        assert_eq!(failure("", &log, ""), None);
        assert_eq!(failure(expect, &log, "the end"), None);
        assert_eq!(failure("the end", &dir.path().join("none"), "the end"), None);
        std::fs::write(&log, "0 passed\n").expect("written");
        let why = failure(expect, &log, "0 passed").expect("it does not match");
        assert_eq!(why, "nothing in its output matches `[1-9][0-9]* passed`");
        assert!(failure("(", &log, "").expect("bad").starts_with("`expect` is no regular expression"));
    }
}
