//! Adds storkit's sections to a story's text: a question at the end, its answer, a rejection below the review notes.
//!
//! What an agent or a person says goes in such that it cannot pass for a section of the story.

use super::lines::{Eol, Lines};
use crate::story_file::doc::{self, Doc, Fences};

/// Most bytes of a question, an answer or a rejection that are written.
pub const SAID_BYTES_MAX: usize = 32 * 1024;

/// `## Question n`, its text and an empty `### Answer` at the end of the file. The same question is not asked twice.
pub(super) fn append_question(text: &str, number: u32, question: &str) -> String {
    let eol = Eol::of(text);
    let said = quoted(question, eol);
    let there = Doc::new(text).question(number);
    if there.is_some_and(|there| same(there.text, &said)) {
        return text.to_owned();
    }
    let e = eol.as_str();
    format!("{}## Question {number}{e}{e}{said}{e}### Answer{e}{e}", closed(text, eol))
}

/// `### Rejection n` and its text at the end of `## Review notes`, which is made at the file's end where there is none.
/// `body` is where the story's text begins, in bytes. The same rejection is not written twice.
pub(super) fn append_rejection(text: &str, body: usize, number: u32, rejection: &str) -> String {
    let eol = Eol::of(text);
    let e = eol.as_str();
    let said = quoted(rejection, eol);
    let entry = format!("### Rejection {number}{e}{e}{said}");
    let Some(notes) = doc::section(&text[body..], 2, |title| title.eq_ignore_ascii_case(doc::REVIEW_NOTES))
    else {
        return format!("{}## {}{e}{e}{entry}", closed(text, eol), doc::REVIEW_NOTES);
    };
    let content = &text[body..][notes.clone()];
    let there = doc::section(content, 3, |title| title.eq_ignore_ascii_case(&format!("Rejection {number}")));
    if there.is_some_and(|there| same(&content[there], &said)) {
        return text.to_owned();
    }
    let end = body + notes.end;
    let (before, after) = text.split_at(end);
    let gap = if after.is_empty() { "" } else { e };
    format!("{}{entry}{gap}{after}", closed(before, eol))
}

/// What a person says below the `### Answer` of the last `## Question n`, behind what stands there already. A heading
/// that somebody took away is made again. The same answer is not written twice. `body` is where the story's text
/// begins, in bytes.
pub(super) fn write_answer(text: &str, body: usize, number: u32, answer: &str) -> String {
    let eol = Eol::of(text);
    let e = eol.as_str();
    let said = quoted(answer, eol);
    let Some(section) = doc::question_section(&text[body..], number) else {
        return format!("{}## Question {number}{e}{e}### Answer{e}{e}{said}", closed(text, eol));
    };
    let there = Doc::new(text).question(number).and_then(|question| question.answer);
    if there.is_some_and(|there| lines(there).ends_with(&lines(&said))) {
        return text.to_owned();
    }
    let headed = doc::headings(&text[body..][section.clone()]).any(|heading| doc::is_answer(&heading));
    let heading = if headed { String::new() } else { format!("### Answer{e}{e}") };
    let (before, after) = text.split_at(body + section.end);
    let gap = if after.is_empty() { "" } else { e };
    format!("{}{heading}{said}{gap}{after}", closed(before, eol))
}

/// The text, ended such that a heading can follow: an open code block closed, a line end, a blank line.
fn closed(text: &str, eol: Eol) -> String {
    let e = eol.as_str();
    let mut out = text.to_owned();
    let body = super::fence::split(text).map_or(0, |parts| parts.body);
    let mut fences = Fences::default();
    let mut last_blank = true;
    for line in Lines::from(text, body) {
        fences.is_code(line.text);
        last_blank = line.text.trim().is_empty();
    }
    if !out[body..].is_empty() && !out.ends_with(['\n', '\r']) {
        out.push_str(e);
    }
    if let Some(fence) = fences.open_fence() {
        out.push_str(&fence);
        out.push_str(e);
        last_blank = false;
    }
    if !last_blank {
        out.push_str(e);
    }
    out
}

/// What somebody said, safe between headings: in the file's line ends, without control characters, with headings
/// escaped and code blocks closed. It ends in a line end.
pub(crate) fn quoted(said: &str, eol: Eol) -> String {
    let mut cut = said.len().min(SAID_BYTES_MAX);
    while !said.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut out = String::new();
    let mut fences = Fences::default();
    for line in Lines::new(said[..cut].trim()) {
        let line: String = line.text.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        let line = line.trim_end();
        if !fences.is_code(line) && doc::heading(line).is_some() {
            out.push('\\');
            out.push_str(line.trim_start());
        } else {
            out.push_str(line);
        }
        out.push_str(eol.as_str());
    }
    if cut < said.len() {
        out.push('…');
        out.push_str(eol.as_str());
    }
    if let Some(fence) = fences.open_fence() {
        out.push_str(&fence);
        out.push_str(eol.as_str());
    }
    out
}

fn same(there: &str, said: &str) -> bool {
    lines(there) == lines(said)
}

fn lines(text: &str) -> Vec<&str> {
    Lines::new(text.trim()).map(|line| line.text.trim_end()).collect()
}
