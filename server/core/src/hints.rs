//! Help for a person who mistyped: the nearest name, and the place of a problem shown with a caret.
//!
//! Plain text without colour; a face may colour the whole of it.

/// Longest word that is compared; a longer one has no nearest name.
const WORD_CHARS_MAX: usize = 64;
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

fn fold(word: &str) -> String {
    word.to_lowercase().replace(['-', ' '], "_")
}
