//! Edits change their own key and nothing else, on files as people and their editors write them.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::lines::{Lines, one_line};
use super::*;
use crate::facts::Edit;
use crate::stage::Stage;
use crate::story::Story;
use crate::story_file;

fn edited(text: &str, edits: &[Edit]) -> String {
    let bytes = edit(text.as_bytes(), edits).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    String::from_utf8(bytes).expect("UTF-8")
}

fn blocked(why: &str) -> Edit {
    Edit::Blocked(Some(why.to_owned()))
}

fn story(text: &str) -> Story {
    story_file::parse(Stage::Current, "1_x.md", text.as_bytes()).unwrap_or_else(|p| panic!("{text:?}: {p:?}"))
}

#[test]
fn a_priority_changes_its_key_alone() {
    let set = |text: &str| {
        String::from_utf8(edit(text.as_bytes(), &[Edit::Priority(2)]).expect("set")).expect("UTF-8")
    };
    let text = "---\nname: x # c\npriority: 4\n---\nbody: priority\n";
    assert_eq!(set(text), text.replace("priority: 4", "priority: 2"));
    assert_eq!(set("body\n"), "---\npriority: 2\n---\nbody\n");
    assert!(edit(b"---\nname: [\n---\n", &[Edit::Priority(2)]).is_err());
}

#[test]
fn a_name_is_given_to_a_file_that_has_none() {
    let named = |text: &str| with_name(text, "A: b").ok();
    assert_eq!(named("---\nqa: human\n---\nx\n").as_deref(), Some("---\nqa: human\nname: 'A: b'\n---\nx\n"));
    let own = "---\nname: mine\n---\n";
    assert_eq!(named(own).as_deref(), Some(own));
    assert_eq!(named("---\nqa: [\n---\n"), None);
}

#[test]
fn a_key_is_added_changed_and_removed() {
    let cases = [
        ("---\nname: x\n---\nbody\n", "---\nname: x\nblocked: why\n---\nbody\n"),
        ("---\nname: x # c\n# end\n\n---\n", "---\nname: x # c\n# end\n\nblocked: why\n---\n"),
        ("---\n---\nbody", "---\nblocked: why\n---\nbody"),
        ("---\n# only a comment\n---\n", "---\n# only a comment\nblocked: why\n---\n"),
        ("---\n\n---\n", "---\n\nblocked: why\n---\n"),
        ("body\n", "---\nblocked: why\n---\nbody\n"),
        ("", "---\nblocked: why\n---\n"),
        ("\u{feff}body\r\n", "\u{feff}---\r\nblocked: why\r\n---\r\nbody\r\n"),
        ("---\r\nname: x\r\n---\r\n", "---\r\nname: x\r\nblocked: why\r\n---\r\n"),
        ("---\rname: x\r---\rb", "---\rname: x\rblocked: why\r---\rb"),
        ("---\nname: x\n...\nb", "---\nname: x\nblocked: why\n...\nb"),
        ("---\ntext: |\n  a\n  # b\n---\n", "---\ntext: |\n  a\n  # b\nblocked: why\n---\n"),
        ("---\ntext: |+\n  a\n\n---\n", "---\ntext: |+\n  a\n\nblocked: why\n---\n"),
        ("---\nlist:\n- a\n---\n", "---\nlist:\n- a\nblocked: why\n---\n"),
        ("---\nlist:\n  - a\n---", "---\nlist:\n  - a\nblocked: why\n---"),
        ("---\n  a: 1\n  b: 2\n---\n", "---\n  a: 1\n  b: 2\n  blocked: why\n---\n"),
        ("---\n{a: 1}\n---\n", "---\n{a: 1, blocked: why}\n---\n"),
        ("---\nblocked:\nname: x\n---\n", "---\nblocked: why\nname: x\n---\n"),
        ("---\nblocked: false\n---\n", "---\nblocked: why\n---\n"),
        ("---\nblocked: 'old'   # since may\nb: 1\n---\n", "---\nblocked: why   # since may\nb: 1\n---\n"),
        ("---\nblocked: |\n  old\n  # text\n\n# c\nb: 1\n---\n", "---\nblocked: why\n\n# c\nb: 1\n---\n"),
        ("---\nblocked: a\n  b\nb: 1\n---\n", "---\nblocked: why\nb: 1\n---\n"),
        ("---\n\"blocked\": old\n---\n", "---\n\"blocked\": why\n---\n"),
        ("---\na: {blocked: x}\n---\n", "---\na: {blocked: x}\nblocked: why\n---\n"),
    ];
    for (old, new) in cases {
        assert_eq!(edited(old, &[blocked("why")]), new, "{old:?}");
        assert_eq!(edited(new, &[blocked("why")]), new, "it is there already");
    }
}

#[test]
fn removing_takes_the_key_alone() {
    let cases = [
        ("---\nname: x\nblocked: why\n---\nb", "---\nname: x\n---\nb"),
        ("---\nblocked: why # c\nname: x\n---\n", "---\nname: x\n---\n"),
        (
            "---\n# above\nblocked: |\n  why\n  # text\n\n# below\nname: x\n---\n",
            "---\n# above\n\n# below\nname: x\n---\n",
        ),
        ("---\nblocked:\n  - a\n  - b\nname: x\n---\n", "---\nname: x\n---\n"),
        ("---\r\na: 1\r\nblocked: why\r\nb: 2\r\n---\r\n", "---\r\na: 1\r\nb: 2\r\n---\r\n"),
        ("---\n{a: 1, blocked: why}\n---\n", "---\n{a: 1}\n---\n"),
        ("---\nblocked: why\n---\nbody\n", "body\n"),
        ("\u{feff}---\r\nblocked: why\r\n---\r\nbody", "\u{feff}body"),
        ("---\nblocked: why\n---\n", ""),
        ("---\nblocked: why\n---\n---\na\n---\n", "---\n---\n---\na\n---\n"),
        ("--- \nblocked: why\n---\nbody\n", "--- \n---\nbody\n"),
        ("---\n# mine\nblocked: why\n---\nbody\n", "---\n# mine\n---\nbody\n"),
        ("---\nblocked: why\nmerge_failure: old\nretry_count: 2\n---\n", "---\nretry_count: 2\n---\n"),
        ("---\na: |+\n  b\nblocked: why\n\n---\n", "---\na: |+\n  b\nblocked:\n\n---\n"),
        ("---\nblocked: false\n---\n", "---\nblocked: false\n---\n"),
        ("---\nblocked:\n---\n", "---\nblocked:\n---\n"),
        ("no front matter", "no front matter"),
    ];
    for (old, new) in cases {
        assert_eq!(edited(old, &[Edit::Blocked(None)]), new, "{old:?}");
    }
    let all = [Edit::Hold(None), Edit::Question(None), Edit::ReviewHold(false), Edit::Blocked(None)];
    assert_eq!(edited("---\nhold: x\nquestion: 3\nreview_hold: true\nblocked: x\n---\nb\n", &all), "b\n");
}

#[test]
fn storkits_own_hold_never_touches_a_persons() {
    let moved_back = Edit::OwnHold(Some("moved back by hand".to_owned()));
    for own in ["---\nhold: waiting for legal\n---\nb\n", "---\nhold: true\n---\nb\n"] {
        assert_eq!(edited(own, std::slice::from_ref(&moved_back)), own);
        assert_eq!(edited(own, &[Edit::OwnHold(None)]), own);
    }
    let stopped = "---\nhold: stopped by hand\n---\nb\n";
    assert_eq!(edited(stopped, &[moved_back]), "---\nhold: moved back by hand\n---\nb\n");
    assert_eq!(edited(stopped, &[Edit::OwnHold(None)]), "b\n");
}

#[test]
fn values_are_written_as_they_are_read() {
    let out = |edit| edited("---\na: 1\n---\n", &[edit]);
    let hold = |why: &str| out(Edit::Hold(Some(why.to_owned())));
    assert_eq!(out(Edit::ReviewHold(true)), "---\na: 1\nreview_hold: true\n---\n");
    assert_eq!(out(Edit::Question(Some(7))), "---\na: 1\nquestion: 7\n---\n");
    assert_eq!(hold("stopped by hand"), "---\na: 1\nhold: stopped by hand\n---\n");
    assert_eq!(hold(""), "---\na: 1\nhold: true\n---\n");
    assert_eq!(hold("two\r\nlines\n\n---\nname: evil"), "---\na: 1\nhold: 'two lines --- name: evil'\n---\n");
    for nasty in [
        "true",
        "null",
        "~",
        "12",
        "1e3",
        "no",
        "a: b",
        "a #b",
        "# a",
        "- a",
        "[a",
        "{a",
        "it's",
        "\"q\"",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "a:",
        "? a",
        "---",
        "...",
        "é日本",
        "\\n",
        "2026-11-21",
        "0x1F",
        ".inf",
        "=",
        "<<",
    ] {
        let text = hold(nasty);
        let why = story(&text).hold.and_then(|hold| hold.value.why);
        assert_eq!(why.as_deref(), Some(nasty), "{text}");
    }
    let long = hold(&"é".repeat(9_999));
    assert_eq!(story(&long).hold.and_then(|hold| hold.value.why).map(|why| why.chars().count()), Some(500));
}

#[test]
fn files_that_do_not_parse_are_not_touched() {
    let error = |bytes: &[u8]| edit(bytes, &[blocked("why")]).expect_err("an error").to_string();
    assert_snapshot!(error(b"---\nname: fix: it\n---\n"), @"editing the front matter: line 2, column 10: it is not valid YAML: mapping values are not allowed in this context");
    assert_snapshot!(error(b"---\nname: x\n"), @"editing the front matter: line 1, column 1: the front matter is opened with `---` and never closed");
    assert_snapshot!(error(b"---\na: 1\na: 2\n---\n"), @"editing the front matter: line 3, column 1: `a` is there twice");
    assert_snapshot!(error(b"a\n\xff"), @"editing the front matter: line 2, column 1: it is not UTF-8");
    assert_snapshot!(error(&vec![b'a'; FILE_BYTES_MAX]), @"editing the story: it would be larger than 1 MiB");
    assert_snapshot!(error(&vec![b'a'; FILE_BYTES_MAX + 1]), @"editing the story: it would be larger than 1 MiB");
    let full = format!("---\n#{}\n---\n", "x".repeat(fence::BLOCK_BYTES_MAX - 2));
    assert_snapshot!(error(full.as_bytes()), @"editing the front matter: `blocked` cannot be changed without touching something else");
    let broken = edit(b"---\nname: x\n", &[Edit::AppendQuestion { number: 1, text: "a".to_owned() }]);
    assert!(matches!(broken, Err(EditError::Broken { .. })));
}

#[test]
fn a_question_goes_to_the_end_with_an_empty_answer() {
    let ask = |text: &str, said: &str| {
        edited(text, &[Edit::AppendQuestion { number: 1, text: said.to_owned() }, Edit::Question(Some(1))])
    };
    assert_snapshot!(ask("---\nname: x\n---\nbody", "Which one?\n\n- a\n- b\n"), @"
    ---
    name: x
    question: 1
    ---
    body

    ## Question 1

    Which one?

    - a
    - b

    ### Answer
    ");
    assert_snapshot!(ask("", "Which?"), @"
    ---
    question: 1
    ---
    ## Question 1

    Which?

    ### Answer
    ");
    assert_snapshot!(ask("open\n~~~~ sh\n# code\n", "## Question 2\n### Answer\nyes\n```\n# code\n"), @r"
    ---
    question: 1
    ---
    open
    ~~~~ sh
    # code
    ~~~~

    ## Question 1

    \## Question 2
    \### Answer
    yes
    ```
    # code
    ```

    ### Answer
    ");
    let crlf = ask("a\r\n\r\n", "b\nc\u{1b}[31m\u{7}");
    assert_eq!(
        crlf,
        "---\r\nquestion: 1\r\n---\r\na\r\n\r\n## Question 1\r\n\r\nb\r\nc[31m\r\n\r\n### Answer\r\n\r\n"
    );
    let once = ask("body\n", "Which?");
    assert_eq!(ask(&once, " Which? \r\n"), once, "the same question is not asked twice");
    assert!(ask(&once, "Other?").ends_with("## Question 1\n\nOther?\n\n### Answer\n\n"));
    let read = story(&once);
    assert!(read.question.is_some_and(|question| question.value == 1) && !read.answered);
    assert!(story(&format!("{once}This one.\n")).answered);
    assert!(ask("", &"é".repeat(1 << 20)).len() < 40 * 1024);
}

#[test]
fn an_answer_goes_below_its_question_in_the_files_own_line_ends() {
    let answer = |text: &str, number, said: &str| {
        edited(text, &[Edit::Answer { number, text: said.to_owned() }, Edit::Question(None)])
    };
    let asked = edited(
        "---\na: 1\n---\nbody\n",
        &[Edit::AppendQuestion { number: 2, text: "Which?".to_owned() }, Edit::Question(Some(2))],
    );
    let answered = answer(&asked, 2, "  That one.\n\n## Question 3\n```\n## code ");
    assert_snapshot!(answered, @r"
    ---
    a: 1
    ---
    body

    ## Question 2

    Which?

    ### Answer

    That one.

    \## Question 3
    ```
    ## code
    ```
    ");
    assert_eq!(
        answer(&answered, 2, "That one.\n\n## Question 3\n```\n## code"),
        answered,
        "not written twice"
    );
    let more = answer(&answered, 2, "And more.");
    assert!(more.starts_with(&answered) && more.ends_with("```\n\nAnd more.\n"), "{more}");
    let windows = asked.replace('\n', "\r\n");
    let text = answer(&windows, 2, "one\ntwo\rthree");
    assert!(text.ends_with("### Answer\r\n\r\none\r\ntwo\r\nthree\r\n"), "{text:?}");
    assert!(text.starts_with("---\r\na: 1\r\n---\r\nbody\r\n"), "{text:?}");
    // What a person did to the headings meanwhile is no reason to lose the answer.
    for (text, new) in [
        (
            "## Question 1\nx\n\n### Answer\n## Notes\ny",
            "## Question 1\nx\n\n### Answer\n\nyes\n\n## Notes\ny",
        ),
        ("## Question 1\nx\n# End", "## Question 1\nx\n\n### Answer\n\nyes\n\n# End"),
        ("body", "body\n\n## Question 1\n\n### Answer\n\nyes\n"),
        ("## Question 1\n### answer ##\n```\nopen", "## Question 1\n### answer ##\n```\nopen\n```\n\nyes\n"),
        (
            "## Question 1\nold\n### Answer\nno\n## Question 1\nnew\n### Answer\n\n\n",
            "## Question 1\nold\n### Answer\nno\n## Question 1\nnew\n### Answer\n\n\nyes\n",
        ),
    ] {
        assert_eq!(answer(text, 1, "yes"), new);
        let doc = story_file::Doc::new(new);
        assert!(
            doc.question(1).and_then(|question| question.answer).is_some_and(|said| said.ends_with("yes"))
        );
    }
}

#[test]
fn a_rejection_goes_below_the_review_notes() {
    let reject = |text: &str, number, said: &str| {
        edited(text, &[Edit::AppendRejection { number, text: said.to_owned() }])
    };
    let first = reject("---\na: 1\n---\nbody\n\n## Other\nx", 1, "It does not work.");
    assert_snapshot!(first, @"
    ---
    a: 1
    ---
    body

    ## Other
    x

    ## Review notes

    ### Rejection 1

    It does not work.
    ");
    assert_eq!(reject(&first, 1, "It does not work."), first, "the same rejection is not written twice");
    assert_snapshot!(reject("## Review notes\nMine.\n## Question 1\n\nx\n", 2, "# Bad\n```\n## code\n"), @r"
    ## Review notes
    Mine.

    ### Rejection 2

    \# Bad
    ```
    ## code
    ```

    ## Question 1

    x
    ");
    let crlf = reject("a\r\n", 1, "b\nc");
    assert_eq!(crlf, "a\r\n\r\n## Review notes\r\n\r\n### Rejection 1\r\n\r\nb\r\nc\r\n");
    let doc = story_file::Doc::new(&first);
    assert_eq!((doc.rejections(), doc.review_notes()), (1, Some("### Rejection 1\n\nIt does not work.")));
}

/// Lines of a block as people write them; none is a key that an edit writes.
const LINES: [&str; 16] = [
    "name: Log in # the title",
    "depends_on: [41, 42_x]",
    "labels:\n  - a # one\n  # between\n  - b",
    "note: |\n  # text\n\n  more",
    "folded: >-\n    deep\n    text",
    "keep: |+\n  a\n",
    "map: {a: [1, 2], b: 'x: y'}",
    "nested:\n  blocked: not this one\n  hold: nor this",
    "# blocked: in a comment",
    "",
    "   ",
    "\"quoted key\": 'it''s'",
    "unicode: é日本 \"x\"",
    "plain: goes\n  on",
    "empty:",
    "tail: trailing blanks   ",
];

/// The key that is edited, as it may stand there already.
const OLD: [&str; 9] = [
    "blocked: old",
    "blocked: 'old'  # why",
    "blocked: \"old \\\" x\"",
    "blocked: |\n  old\n  # text",
    "blocked: >-\n  old\n\n  older",
    "blocked: a\n  b",
    "blocked:\n  - a\n  - b",
    "blocked: true",
    "blocked: 12   # n",
];

const BODIES: [&str; 6] =
    ["", "body", "body\n", "\n\n# T\n---\nx: 1\n---\n", "blocked: x\n", "```\n---\n```\n  \n"];

prop_compose! {
    fn file()(
        picks in prop::collection::btree_set(0..LINES.len(), 0..7),
        shuffle: u64,
        body in 0..BODIES.len(),
        eol in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        bom: bool,
        fence in prop::sample::select(vec!["---", "--- ", "..."]),
    ) -> (Vec<String>, String, String) {
        let mut lines: Vec<&str> = picks.into_iter().map(|pick| LINES[pick]).collect();
        let turn = usize::try_from(shuffle % 97).unwrap_or(0);
        if !lines.is_empty() {
            let by = turn % lines.len();
            lines.rotate_left(by);
        }
        let lines = lines.into_iter().map(|line| line.replace('\n', eol)).collect();
        let mark = if bom { "\u{feff}" } else { "" };
        (lines, format!("{mark}---{eol}"), format!("{fence}{eol}{}", BODIES[body].replace('\n', eol)))
    }
}

fn with_lines(lines: &[String], head: &str, tail: &str) -> String {
    let eol = lines::Eol::of(head).as_str();
    let ended = [lines, &[String::new()]].concat().join(eol);
    format!("{head}{}{tail}", if lines.is_empty() { "" } else { &ended })
}

/// Old and new with the whole lines that they share at both ends taken away.
fn difference<'a>(old: &'a str, new: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let whole =
        |text: &'a str| Lines::new(text).map(|line| &text[line.start..line.end()]).collect::<Vec<_>>();
    let (mut old, mut new) = (whole(old), whole(new));
    while old.last().is_some_and(|line| new.last() == Some(line)) {
        old.pop();
        new.pop();
    }
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    (old.split_off(same), new.split_off(same))
}

proptest! {
    #[test]
    fn what_is_added_and_removed_leaves_no_trace((lines, head, tail) in file(), why in "\\PC{0,40}") {
        let old = with_lines(&lines, &head, &tail);
        for (add, remove) in [
            (blocked(&why), Edit::Blocked(None)),
            (Edit::Hold(Some(why.clone())), Edit::Hold(None)),
            (Edit::Question(Some(3)), Edit::Question(None)),
            (Edit::ReviewHold(true), Edit::ReviewHold(false)),
        ] {
            let new = edited(&old, std::slice::from_ref(&add));
            let (gone, come) = difference(&old, &new);
            prop_assert!(gone.is_empty() && come.len() == 1, "{:?} {:?}", gone, come);
            prop_assert_eq!(&edited(&new, &[add]), &new);
            // A block that a person left empty cannot be told from one that storkit made.
            if !lines.is_empty() {
                prop_assert_eq!(edited(&new, &[remove]), old.clone());
            }
        }
    }

    #[test]
    fn a_change_touches_its_own_lines_alone(
        (mut lines, head, tail) in file(),
        at: prop::sample::Index,
        old_key in prop::sample::select(OLD.to_vec()),
        why in "\\PC{1,40}",
    ) {
        let eol = lines::Eol::of(&head).as_str();
        let index = at.index(lines.len() + 1);
        lines.insert(index, old_key.replace('\n', eol));
        let old = with_lines(&lines, &head, &tail);
        let new = edited(&old, &[blocked(&why)]);
        let (gone, come) = difference(&old, &new);
        prop_assert!(come.len() <= 1 && come.iter().all(|line| line.starts_with("blocked:")), "{:?}", come);
        prop_assert!(gone.first().is_none_or(|line| line.starts_with("blocked:")), "{:?}", gone);
        prop_assert!(gone.len() <= old_key.lines().count());
        prop_assert_eq!(old_key.contains("# why"), new.contains("# why"));
        let gone = edited(&old, &[Edit::Blocked(None)]);
        lines.remove(index);
        // Blanks behind the key would become part of a text in block style before it.
        prop_assert!(story(&gone).blocked.is_none());
        let before = lines[..index].iter().rev().find(|line| !line.trim().is_empty());
        let after_text = before.is_some_and(|line| line.contains(['|', '>'])) && gone.contains(&format!("{eol}blocked:"));
        if !lines.is_empty() && !after_text {
            prop_assert_eq!(gone, with_lines(&lines, &head, &tail));
        }
    }

    #[test]
    fn files_without_front_matter_get_their_bytes_back(body in "(\u{feff})?[^-\u{feff}](.|\r|\n){0,60}", why: String) {
        let new = edited(&body, &[blocked(&why), Edit::ReviewHold(true)]);
        let bare = body.trim_start_matches('\u{feff}');
        prop_assert!(new.ends_with(bare));
        let back = edited(&new, &[Edit::ReviewHold(false), Edit::Blocked(None)]);
        prop_assert_eq!(back, body);
    }

    #[test]
    fn any_reason_comes_back_on_one_line((lines, head, tail) in file(), why: String) {
        let new = edited(&with_lines(&lines, &head, &tail), &[blocked(&why)]);
        let story = story(&new);
        let said = one_line(&why, REASON_CHARS_MAX);
        let said = if said.is_empty() { "blocked, without a reason in the file".to_owned() } else { said };
        prop_assert_eq!(story.blocked.map(|blocked| blocked.value), Some(said));
    }

    #[test]
    fn what_is_said_cannot_pass_for_a_section(said in "((#{1,3} (Answer|Question 1|Review notes)|```|~~~~|> |x|---)\n?){0,9}") {
        let text = edited("body\n", &[
            Edit::AppendQuestion { number: 1, text: said.clone() },
            Edit::AppendRejection { number: 1, text: said.clone() },
            Edit::Question(Some(1)),
        ]);
        let doc = story_file::Doc::new(&text);
        prop_assert!(!story(&text).answered);
        prop_assert_eq!((doc.questions(), doc.rejections()), (1, 1));
        prop_assert!(text.len() > said.len());
    }

    #[test]
    fn what_is_answered_cannot_pass_for_a_section(said in "x\n((#{1,3} (Answer|Question [12]|Review notes)|```|~~~~|> |x|---)\n?){0,9}") {
        let text = edited("body\n\n## Notes\n", &[
            Edit::AppendQuestion { number: 1, text: "Which?".to_owned() },
            Edit::Answer { number: 1, text: said.clone() },
        ]);
        let doc = story_file::Doc::new(&text);
        prop_assert_eq!((doc.questions(), doc.rejections(), doc.review_notes()), (1, 0, None));
        prop_assert!(doc.question(1).and_then(|question| question.answer).is_some());
        prop_assert_eq!(edited(&text, &[Edit::Answer { number: 1, text: said }]), text);
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>, front in "---\n([a-z\\[{|>'\"&*!: #\n-]){0,60}\n---\n") {
        for bytes in [bytes.clone(), front.as_bytes().to_vec(), [front.as_bytes(), &bytes].concat()] {
            if let Ok(new) = edit(&bytes, &[blocked("why")]) {
                let text = String::from_utf8(new).expect("UTF-8");
                prop_assert_eq!(story(&text).blocked.map(|blocked| blocked.value), Some("why".to_owned()));
            }
        }
    }
}
