//! Taking secrets out of output before anything else sees it, also where a piece ends within one. No I/O.

/// What stands in a secret's place.
const MASK: &[u8] = b"***";
/// Shortest value that is taken for a secret, in bytes: to mask a `1` would mask the output.
const SECRET_LEN_MIN: usize = 4;
/// Shortest line of a secret of several lines that is masked by itself, in bytes.
const SECRET_LINE_LEN_MIN: usize = 12;

/// Replaces known values by `***`.
#[derive(Debug)]
pub(super) struct Redactor {
    /// Longest first.
    secrets: Vec<Vec<u8>>,
    /// Which bytes begin a secret.
    begins: [bool; 256],
    /// The end of the last piece that may be the beginning of a secret.
    held: Vec<u8>,
}

impl Redactor {
    /// Masks these values, also as a terminal (CR LF) or JSON writes them, and their long lines.
    pub(super) fn new(values: &[String]) -> Self {
        let mut secrets: Vec<Vec<u8>> = Vec::new();
        for value in values {
            let json = serde_json::to_string(value).unwrap_or_default();
            let forms = [value.as_str(), value.trim(), json.trim_matches('"'), &value.replace('\n', "\r\n")];
            let whole = forms.into_iter().filter(|form| form.len() >= SECRET_LEN_MIN);
            let lines = value.lines().map(str::trim).filter(|line| line.len() >= SECRET_LINE_LEN_MIN);
            secrets.extend(whole.chain(lines).map(|form| form.as_bytes().to_vec()));
        }
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        let mut begins = [false; 256];
        for secret in &secrets {
            begins[usize::from(secret[0])] = true;
        }
        Self { secrets, begins, held: Vec::new() }
    }

    /// Appends the next piece, masked; an end that may be the beginning of a secret is kept back.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.secrets.is_empty() {
            out.extend_from_slice(bytes);
            return;
        }
        let mut data = std::mem::take(&mut self.held);
        data.extend_from_slice(bytes);
        let kept = self.mask(&data, out, true);
        self.held = data.split_off(kept);
    }

    /// The output is over: what was kept back is masked as well when it is a good part of a secret.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let data = std::mem::take(&mut self.held);
        if data.len() >= SECRET_LEN_MIN {
            out.extend_from_slice(MASK);
        } else {
            self.mask(&data, out, false);
        }
    }

    /// Returns how much of the data was dealt with.
    fn mask(&self, data: &[u8], out: &mut Vec<u8>, more_may_come: bool) -> usize {
        let (mut at, mut copied) = (0, 0);
        while at < data.len() {
            if !self.begins[usize::from(data[at])] {
                at += 1;
                continue;
            }
            let rest = &data[at..];
            if more_may_come && self.secrets.iter().any(|s| s.len() > rest.len() && s.starts_with(rest)) {
                break;
            }
            if let Some(secret) = self.secrets.iter().find(|s| rest.starts_with(s)) {
                out.extend_from_slice(&data[copied..at]);
                out.extend_from_slice(MASK);
                at += secret.len();
                copied = at;
            } else {
                at += 1;
            }
        }
        out.extend_from_slice(&data[copied..at]);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(secrets: &[&str], pieces: &[&str]) -> String {
        let values: Vec<String> = secrets.iter().map(ToString::to_string).collect();
        let mut redactor = Redactor::new(&values);
        let mut out = Vec::new();
        for piece in pieces {
            redactor.feed(piece.as_bytes(), &mut out);
        }
        redactor.finish(&mut out);
        String::from_utf8(out).expect("text in, text out")
    }

    #[test]
    fn secrets_are_masked_wherever_they_are_cut() {
        assert_eq!(masked(&["s3cret-key"], &["a s3cret-key b"]), "a *** b");
        assert_eq!(masked(&["s3cret-key"], &["a s3c", "ret-", "key b"]), "a *** b");
        assert_eq!(masked(&["s3cret-key"], &["s3s3cret-key"]), "s3***");
        assert_eq!(masked(&["s3cret-key"], &["s3cret-k"]), "***", "killed within it");
        assert_eq!(masked(&["s3cret-key"], &["s3c", "ond"]), "s3cond");
        assert_eq!(masked(&["abcd", "abcdefgh"], &["abcd", "efg!"]), "***efg!");
        assert_eq!(masked(&["abcd", "abcdefgh"], &["abcd", "efgh"]), "***");
        assert_eq!(masked(&["abc", ""], &["abc"]), "abc", "too short to be a secret");
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_as_a_terminal_and_as_json_writes_it() {
        let key = "-----BEGIN-----\nAAAAAAAAAAAAAAAA\nBB\"B\n";
        assert_eq!(masked(&[key], &["x -----BEGIN-----\r\nAAAAAAAAAAAAAAAA\r\nBB\"B\r\n y"]), "x *** y");
        assert_eq!(
            masked(&[key], &[r#"{"k":"-----BEGIN-----\nAAAAAAAAAAAAAAAA\nBB\"B\n"}"#]),
            r#"{"k":"***"}"#
        );
        assert_eq!(masked(&[key], &["only AAAAAAAAAAAAAAAA here"]), "only *** here");
    }

    proptest! {
        #[test]
        fn no_cut_lets_a_secret_through(before in "[ab]{0,8}", after in "[ab]{0,8}", cut in 0_usize..30) {
            let secret = "abbab";
            let text = format!("{before}{secret}{after}");
            let cut = cut.min(text.len());
            let out = masked(&[secret], &[&text[..cut], &text[cut..]]);
            prop_assert!(!out.contains(secret), "{out}");
            let whole = masked(&[secret], &[&text]);
            prop_assert_eq!(out, whole);
        }
    }
}
