//! The Markdown of a story: its headings, sections and checkboxes, without those in code blocks.
//!
//! A reader of lines, not a renderer: it knows the shapes that storkit and its users write.

use std::ops::Range;

use crate::front_matter::fence;
use crate::front_matter::lines::Lines;

/// The heading of what reviewers said.
pub const REVIEW_NOTES: &str = "Review notes";
/// The heading of the acceptance criteria.
pub const CRITERIA: &str = "Acceptance criteria";

/// A story's text behind its front matter.
#[derive(Debug, Clone, Copy)]
pub struct Doc<'a> {
    body: &'a str,
}

/// A question of an agent's, and what a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The question.
    pub text: &'a str,
    /// The answer; none while it is blank.
    pub answer: Option<&'a str>,
}

/// One acceptance criterion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criterion {
    /// Its text, on one line.
    pub text: String,
    /// Whether its box is ticked.
    pub done: bool,
}

impl<'a> Doc<'a> {
    /// The document of a whole file's text. Front matter that cannot be told from the body counts as body.
    pub fn new(text: &'a str) -> Self {
        let start = fence::split(text).map_or(0, |parts| parts.body);
        Self { body: &text[start..] }
    }

    /// All of the text behind the front matter.
    pub fn body(&self) -> &'a str {
        self.body
    }

    /// What is to be done: all before the first question or review.
    pub fn task(&self) -> &'a str {
        let is_talk = |heading: &Heading<'_>| {
            let title = heading.title;
            heading.level == 2
                && (title.eq_ignore_ascii_case(REVIEW_NOTES) || numbered(title, "Question").is_some())
        };
        let end = headings(self.body).find(is_talk).map_or(self.body.len(), |heading| heading.start);
        &self.body[..end]
    }

    /// The first heading of level 1.
    pub fn title(&self) -> Option<&'a str> {
        headings(self.body).find(|heading| heading.level == 1 && !heading.title.is_empty()).map(|h| h.title)
    }

    /// The text below the first heading with that title (case aside), up to the next one of its level or above.
    pub fn section(&self, title: &str) -> Option<&'a str> {
        let heading = headings(self.body).find(|heading| heading.title.eq_ignore_ascii_case(title))?;
        let range = content(self.body, &heading, heading.level);
        Some(self.body[range].trim())
    }

    /// What stands below `## Review notes`, where it is not blank.
    pub fn review_notes(&self) -> Option<&'a str> {
        self.section(REVIEW_NOTES).filter(|notes| !notes.is_empty())
    }

    /// How many `### Rejection n` stand below `## Review notes`: the highest n.
    pub fn rejections(&self) -> u32 {
        let notes = self.review_notes().unwrap_or_default();
        headings(notes).filter_map(|heading| numbered(heading.title, "Rejection")).max().unwrap_or(0)
    }

    /// The highest n of all `## Question n`; 0 where there is none.
    pub fn questions(&self) -> u32 {
        headings(self.body).filter_map(|heading| numbered(heading.title, "Question")).max().unwrap_or(0)
    }

    /// The last `## Question n` with its answer: all below `### Answer` up to the next heading of level 1 or 2.
    pub fn question(&self, number: u32) -> Option<Question<'a>> {
        let section = &self.body[question_section(self.body, number)?];
        let answer = headings(section).find(is_answer);
        let Some(answer) = answer else {
            return Some(Question { text: section.trim(), answer: None });
        };
        let said = section[answer.end..].trim();
        Some(Question { text: section[..answer.start].trim(), answer: (!said.is_empty()).then_some(said) })
    }

    /// The checkboxes below `## Acceptance criteria`.
    pub fn criteria(&self) -> Vec<Criterion> {
        let mut criteria: Vec<Criterion> = Vec::new();
        let mut fences = Fences::default();
        let mut continues = false;
        for line in Lines::new(self.section(CRITERIA).unwrap_or_default()) {
            if fences.is_code(line.text) {
                continues = false;
            } else if let Some((done, text)) = checkbox(line.text) {
                criteria.push(Criterion { text: text.to_owned(), done });
                continues = true;
            } else if continues && line.text.starts_with([' ', '\t']) && !is_list_item(line.text) {
                if let (Some(last), false) = (criteria.last_mut(), line.text.trim().is_empty()) {
                    last.text.push(' ');
                    last.text.push_str(line.text.trim());
                }
            } else {
                continues = false;
            }
        }
        criteria
    }
}

/// The text of a file with the box of its criterion `number`, from 1, ticked or not; none where there are fewer.
pub(crate) fn tick(text: &str, number: u32, done: bool) -> Option<String> {
    let body = text.len() - Doc::new(text).body.len();
    let heading = headings(&text[body..]).find(|heading| heading.title.eq_ignore_ascii_case(CRITERIA))?;
    let range = content(&text[body..], &heading, heading.level);
    let mut fences = Fences::default();
    let boxes = Lines::new(&text[body..][range.clone()])
        .filter(|line| !fences.is_code(line.text) && checkbox(line.text).is_some());
    let line = boxes.take(usize::try_from(number).ok()?).enumerate().last();
    let (_, line) = line.filter(|(at, _)| number > 0 && at + 1 == number as usize)?;
    let open = body + range.start + line.start + line.text.find('[')? + 1;
    let close = open + text[open..].find(']')?;
    let is_done = checkbox(line.text)?.0;
    let mark = if done { "x" } else { " " };
    if is_done == done {
        return Some(text.to_owned());
    }
    Some(format!("{}{mark}{}", &text[..open], &text[close..]))
}

/// A heading outside of code blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading<'a> {
    /// How many `#` it has, 1 to 6.
    pub level: usize,
    /// Its words.
    pub title: &'a str,
    /// Where its line begins, in bytes.
    pub start: usize,
    /// Where the next line begins, in bytes.
    pub end: usize,
}

/// All headings of a text, in order.
pub fn headings(text: &str) -> impl Iterator<Item = Heading<'_>> {
    let mut fences = Fences::default();
    Lines::new(text).filter_map(move |line| {
        if fences.is_code(line.text) {
            return None;
        }
        let (level, title) = heading(line.text)?;
        Some(Heading { level, title, start: line.start, end: line.end() })
    })
}

/// The bytes below the first heading of `level` whose title fits, up to the next of that level or above.
pub fn section(text: &str, level: usize, fits: impl Fn(&str) -> bool) -> Option<Range<usize>> {
    let heading = headings(text).find(|heading| heading.level == level && fits(heading.title))?;
    Some(content(text, &heading, level))
}

/// The bytes below the last `## Question n`, up to the next heading of level 1 or 2.
pub(crate) fn question_section(body: &str, number: u32) -> Option<Range<usize>> {
    let asked =
        |heading: &Heading<'_>| heading.level == 2 && numbered(heading.title, "Question") == Some(number);
    let heading = headings(body).filter(asked).last()?;
    Some(content(body, &heading, 2))
}

/// Whether an answer stands below this heading of a question's section.
pub(crate) fn is_answer(heading: &Heading<'_>) -> bool {
    heading.title.eq_ignore_ascii_case("Answer")
}

fn content(text: &str, heading: &Heading<'_>, level: usize) -> Range<usize> {
    let rest = &text[heading.end..];
    let end = headings(rest).find(|next| next.level <= level).map_or(rest.len(), |next| next.start);
    heading.end..heading.end + end
}

/// Level and title of a line that is a heading.
pub fn heading(line: &str) -> Option<(usize, &str)> {
    let text = unindented(line)?;
    let level = text.bytes().take_while(|b| *b == b'#').count();
    let rest = &text[level..];
    if !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let title = rest.trim();
    let bare = title.trim_end_matches('#');
    let title = if bare.is_empty() || bare.ends_with([' ', '\t']) { bare.trim_end() } else { title };
    Some((level, title))
}

/// `Question 3` has 3.
fn numbered(title: &str, word: &str) -> Option<u32> {
    let (head, rest) = title.split_at_checked(word.len())?;
    if !head.eq_ignore_ascii_case(word) || !rest.starts_with([' ', '\t']) {
        return None;
    }
    rest.trim().parse().ok()
}

/// A line without an indent of up to three spaces; none where it is code.
fn unindented(line: &str) -> Option<&str> {
    let text = line.trim_start_matches(' ');
    (line.len() - text.len() <= 3).then_some(text)
}

fn is_list_item(line: &str) -> bool {
    list_item(line).is_some()
}

/// What follows a list marker: `-`, `*`, `+`, `1.` or `1)`.
fn list_item(line: &str) -> Option<&str> {
    let text = line.trim_start();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = match digits {
        0 => text.strip_prefix(['-', '*', '+'])?,
        1..=9 => text[digits..].strip_prefix(['.', ')'])?,
        _ => return None,
    };
    rest.starts_with([' ', '\t']).then(|| rest.trim())
}

fn checkbox(line: &str) -> Option<(bool, &str)> {
    let rest = list_item(line)?.strip_prefix('[')?;
    let (mark, text) = rest.split_once(']')?;
    let done = match mark {
        "x" | "X" => true,
        " " | "" => false,
        _ => return None,
    };
    (text.is_empty() || text.starts_with([' ', '\t'])).then(|| (done, text.trim()))
}

/// Follows the fenced code blocks of a text, line by line.
#[derive(Debug, Clone, Default)]
pub struct Fences {
    /// Character and length of the fence that is open.
    open: Option<(char, usize)>,
}

impl Fences {
    /// Takes the next line: whether it belongs to a code block, its fences among it.
    pub fn is_code(&mut self, line: &str) -> bool {
        let Some(text) = unindented(line) else { return self.open.is_some() };
        let Some(mark) = text.chars().next().filter(|c| matches!(c, '`' | '~')) else {
            return self.open.is_some();
        };
        let len = text.chars().take_while(|c| *c == mark).count();
        let rest = &text[len..];
        if let Some((open, open_len)) = self.open {
            if mark == open && len >= open_len && rest.trim().is_empty() {
                self.open = None;
            }
            return true;
        }
        let opens = len >= 3 && (mark == '~' || !rest.contains('`'));
        if opens {
            self.open = Some((mark, len));
        }
        opens
    }

    /// The fence that would close the block that is open.
    pub fn open_fence(&self) -> Option<String> {
        self.open.map(|(mark, len)| mark.to_string().repeat(len))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_criterion_is_ticked_by_its_number_and_nothing_else_changes() {
        let text = "---\nname: x\n---\n- [ ] not one\r\n\n## Acceptance criteria\n\n- [ ] a\n```\n- [ ] code\n```\n1. [X] b\n* [] c\n\n## Notes\n- [ ] d\n";
        let ticked = |number, done| tick(text, number, done);
        assert_eq!(ticked(1, true), Some(text.replacen("- [ ] a", "- [x] a", 1)));
        assert_eq!(ticked(2, true).as_deref(), Some(text), "it is ticked already, in its own way");
        assert_eq!(ticked(2, false), Some(text.replacen("[X] b", "[ ] b", 1)));
        assert_eq!(ticked(3, true), Some(text.replacen("[] c", "[x] c", 1)));
        assert_eq!((ticked(0, true), ticked(4, true), tick("- [ ] a", 1, true)), (None, None, None));
    }

    use super::*;
    use crate::story::Size;

    const STORY: &str = "---\nname: x\n---\nAs a user\n\n```sh\n# not a title\n```\n# The title #\n\n## acceptance criteria\n\
        - [ ] one\n  goes on\n- [x] two\n* [X] three\n1. [ ] four\n- plain\n- [y] no box\n~~~\n- [ ] in code\n~~~\n\
        ### Deeper\n  - [ ] five\n## Question 1\n\nWhich?\n\n### Answer\n\n\n## Question 2\nAnd?\n### Answer\n\nThis.\n\n\
        ### with a heading\n```\n## Question 2\n```\n## Review notes\nFirst.\n\n### Rejection 1\nbad\n### Rejection 2\nworse\n# End\n";

    #[test]
    fn parts_of_a_story_are_found() {
        let doc = Doc::new(STORY);
        assert_eq!(doc.title(), Some("The title"));
        let criteria = doc.criteria();
        let seen: Vec<_> = criteria.iter().map(|c| (c.text.as_str(), c.done)).collect();
        assert_eq!(
            seen,
            [("one goes on", false), ("two", true), ("three", true), ("four", false), ("five", false)]
        );
        assert_eq!(doc.question(1), Some(Question { text: "Which?", answer: None }));
        let second = doc.question(2).expect("a second question");
        assert_eq!(second.text, "And?");
        assert_eq!(second.answer, Some("This.\n\n### with a heading\n```\n## Question 2\n```"));
        assert_eq!(doc.question(3), None);
        assert_eq!(doc.questions(), 2);
        assert_eq!(doc.rejections(), 2);
        assert_eq!(doc.review_notes(), Some("First.\n\n### Rejection 1\nbad\n### Rejection 2\nworse"));
        assert_eq!(doc.section("nothing"), None);
    }

    #[test]
    fn the_task_ends_where_the_talk_begins_and_the_size_is_of_the_task() {
        let doc = Doc::new(STORY);
        assert!(doc.task().ends_with("- [ ] five\n") && doc.task().starts_with("As a user"));
        for (criteria, words, size) in [
            (0, 0, Size::S),
            (3, 150, Size::S),
            (4, 0, Size::M),
            (0, 400, Size::M),
            (8, 401, Size::L),
            (16, 0, Size::XL),
            (0, 1_001, Size::XL),
        ] {
            assert_eq!(Size::of(criteria, words), size, "{criteria} {words}");
        }
    }

    #[test]
    fn crlf_and_old_macs_read_the_same() {
        for eol in ["\r\n", "\r"] {
            let text = STORY.replace('\n', eol);
            let doc = Doc::new(&text);
            assert_eq!(doc.criteria(), Doc::new(STORY).criteria());
            assert_eq!(doc.title(), Some("The title"));
            assert_eq!(doc.rejections(), 2);
        }
    }

    #[test]
    fn headings_are_what_commonmark_takes_for_one() {
        for (line, expected) in [
            ("# a", Some((1, "a"))),
            ("   ### a b ##", Some((3, "a b"))),
            ("#", Some((1, ""))),
            ("## ##", Some((2, ""))),
            ("# a#", Some((1, "a#"))),
            ("#\ta", Some((1, "a"))),
            ("    # a", None),
            ("#a", None),
            ("####### a", None),
            ("\\# a", None),
            ("> # a", None),
        ] {
            assert_eq!(heading(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_code_block_ends_at_a_fence_of_its_own_kind() {
        let mut fences = Fences::default();
        let lines = ["```` a", "```", "~~~~", "# x", "`````", "# y", "``` a`b", "~~~ `", "```", "~~~"];
        let code: Vec<_> = lines.iter().map(|line| fences.is_code(line)).collect();
        assert_eq!(code, [true, true, true, true, true, false, false, true, true, true]);
        assert_eq!(fences.open_fence(), None);
    }
}
