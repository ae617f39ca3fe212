//! Stories as people write them, well and badly.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::story::{Hold, Keyed, Qa, StoryRef};

fn read(text: &str) -> Result<Story, Problem> {
    parse(Stage::Current, "42_story_log_in.md", text.as_bytes())
}

fn story(front_matter: &str) -> Story {
    read(&format!("---\n{front_matter}---\nbody\n")).expect("a story")
}

fn said(front_matter: &str) -> String {
    let text = format!("---\n{front_matter}---\nbody\n");
    let problems = check(Stage::Current, "42_story_log_in.md", text.as_bytes()).expect_err("a problem");
    problems.iter().map(|problem| crate::hints::render(problem, &text)).collect()
}

#[test]
fn a_full_story_is_read() {
    let text = "---\nname: Log in with a passkey\nkind: bug\nepic: 7\ndepends_on: [41, 40_story_x, \"39\"]\npriority: 1\n\
        agent: coder-1\nqa: human\nhold: until Monday\nmodel: opus\nmax_turns: 50\nmax_budget_usd: 2.5\ntimeout: 1h30m\n\
        labels: [web, 2024]\nblocked: no tests\nreview_hold: true\nquestion: 2\nmine: {a: [1]}\n---\n# Heading\n";
    let story = read(text).expect("a story");
    assert_eq!(
        (story.id.as_str(), story.number(), story.stage),
        ("42_story_log_in", Some(42), Stage::Current)
    );
    assert_eq!((&*story.name, story.kind, story.priority), ("Log in with a passkey", Kind::Bug, 1));
    assert_snapshot!(
        format!("{:?}\n{:?}\n{:?}", story.epic, story.depends_on, story.agent),
        @r#"
    Some(Keyed { value: Number(7), place: Place { line: 4, column: 7 } })
    [Keyed { value: Number(41), place: Place { line: 5, column: 14 } }, Keyed { value: Id("40_story_x"), place: Place { line: 5, column: 18 } }, Keyed { value: Number(39), place: Place { line: 5, column: 30 } }]
    Some(Keyed { value: "coder-1", place: Place { line: 7, column: 8 } })
    "#
    );
    assert_snapshot!(
        format!("{:?}\n{:?}\n{:?}\n{:?}", story.qa, story.hold, story.overrides, story.labels),
        @r#"
    Some(Human)
    Some(Keyed { value: Hold { why: Some("until Monday") }, place: Place { line: 9, column: 7 } })
    Overrides { model: Some("opus"), max_turns: Some(50), max_budget_usd: Some(2.5), timeout_ms: Some(5400000) }
    ["web", "2024"]
    "#
    );
    assert_snapshot!(
        format!("{:?}\n{:?}\n{:?}\n{:?}", story.blocked, story.review_hold, story.question, story.answered),
        @r#"
    Some(Keyed { value: "no tests", place: Place { line: 15, column: 10 } })
    Some(Place { line: 16, column: 14 })
    Some(Keyed { value: 2, place: Place { line: 17, column: 11 } })
    false
    "#
    );
    assert_eq!(story.content, content_hash(text.as_bytes()));
}

#[test]
fn a_story_needs_nothing() {
    for text in
        ["", "\n", "---\n---\n", "\u{feff}", "just text", "---\n# comment\n---\n", "---\nname:\n---\n"]
    {
        let story = read(text).expect(text);
        assert_eq!(story.name, "log in", "{text:?}");
        assert_eq!((story.priority, story.kind, story.qa), (3, Kind::Story, None));
        assert!(!story.answered && story.blocked.is_none() && story.hold.is_none());
    }
}

#[test]
fn the_title_is_the_name_else_the_heading_else_the_slug() {
    assert_eq!(story("name: no\n").name, "no");
    assert_eq!(story("name: 2024\n").name, "2024");
    assert_eq!(story("name: 1.10\n").name, "1.10");
    assert_eq!(story("name: 007\n").name, "007");
    assert_eq!(story("name: \"fix: the thing\"\n").name, "fix: the thing");
    assert_eq!(story("name: |\n  two\n  lines\n").name, "two lines");
    assert_eq!(story("name: \"  \"\n").name, "log in");
    let heading = read("---\nkind: bug\n---\n```\n# code\n```\n## Two\n# The title\n").expect("a story");
    assert_eq!(heading.name, "The title");
    assert_eq!(story(&format!("name: {}\n", "x".repeat(500))).name.chars().count(), NAME_CHARS_MAX);
}

#[test]
fn other_stories_are_named_by_id_or_number() {
    let refs = |text: &str| -> Vec<StoryRef> {
        story(text).depends_on.into_iter().map(|keyed: Keyed<_>| keyed.value).collect()
    };
    let id = |text: &str| StoryRef::Id(text.to_owned());
    assert_eq!(
        refs("depends_on: [41, '40', 39_x, 38_y.md]\n"),
        [StoryRef::Number(41), StoryRef::Number(40), id("39_x"), id("38_y"),]
    );
    assert_eq!(refs("depends_on:\n  - 41\n  - no\n"), [StoryRef::Number(41), id("no")]);
    assert_eq!(refs("depends_on: 41\n"), [StoryRef::Number(41)]);
    assert_eq!(refs("depends_on: []\n"), []);
    assert_eq!(refs("depends_on:\n"), []);
    assert_eq!(
        refs("depends_on: [1e3, -1, 99999999999999999999999]\n"),
        [id("1e3"), id("-1"), id("99999999999999999999999"),]
    );
    let places: Vec<_> = story("depends_on: [41,\n  42]\n").depends_on.iter().map(|d| d.place).collect();
    assert_eq!(places, [Place { line: 2, column: 14 }, Place { line: 3, column: 3 }]);
}

#[test]
fn holds_and_blocks_are_true_or_words() {
    let hold = |text: &str| story(text).hold.map(|hold| hold.value);
    assert_eq!(hold("hold: true\n"), Some(Hold { why: None }));
    assert_eq!(hold("hold: yes\n"), Some(Hold { why: None }));
    assert_eq!(hold("hold: stopped by hand\n"), Some(Hold { why: Some("stopped by hand".to_owned()) }));
    assert_eq!(hold("hold: \"true\"\n"), Some(Hold { why: Some("true".to_owned()) }));
    assert_eq!(hold("hold: false\n"), None);
    assert_eq!(hold("hold: no\n"), None);
    assert_eq!(hold("hold: ''\n"), None);
    let blocked = |text: &str| story(text).blocked.map(|blocked| blocked.value);
    assert_eq!(blocked("blocked: gate tests failed\n").as_deref(), Some("gate tests failed"));
    assert_eq!(blocked("blocked: true\n").as_deref(), Some("blocked, without a reason in the file"));
    assert_eq!(blocked("blocked: false\n"), None);
    assert_eq!(blocked("blocked: null\n"), None);
    assert_eq!(
        blocked("merge_failure: conflict in a.txt\nretry_count: 3\n").as_deref(),
        Some("conflict in a.txt")
    );
    assert_eq!(blocked("merge_failure: old\nblocked: new\n").as_deref(), Some("new"));
    assert_eq!(story("review_hold: true\n").review_hold, Some(Place { line: 2, column: 14 }));
    assert_eq!(story("review_hold: false\n").review_hold, None);
}

#[test]
fn an_answer_is_text_below_its_own_question() {
    let answered = |body: &str| read(&format!("---\nquestion: 2\n---\n{body}")).expect("a story").answered;
    assert!(!answered("text\n"));
    assert!(!answered("## Question 2\nWhich?\n\n### Answer\n\n"));
    assert!(!answered("## Question 2\n### Answer\n \t\n## Notes\nx\n"));
    assert!(!answered("## Question 1\n### Answer\nyes\n## Question 2\n### Answer\n"));
    assert!(!answered("```\n## Question 2\n### Answer\nyes\n```\n"));
    assert!(answered("## Question 2\nWhich?\n\n### Answer\n\nThis.\n"));
    assert!(answered("## Question 2\r\n### Answer\r\nThis."));
    assert!(answered("## question 2 ##\n### ANSWER\n```\ncode\n```\n"));
    assert!(!read("## Question 2\n### Answer\nyes\n").expect("a story").answered, "no question is open");
}

#[test]
fn words_out_of_a_list_are_shown_with_place_and_way_out() {
    assert_snapshot!(said("priority: high\nqa: humna\nkind: bugg\n"), @"
    `priority` must be a number from 1 (first) to 5, and is `high`.
     --> .storkit/work/2_current/42_story_log_in.md:2:11
      |
    2 | priority: high
      |           ^
      = hint: e.g. `priority: 2`
    `qa` is `humna`, which is none of `server`, `agent`, `human`.
     --> .storkit/work/2_current/42_story_log_in.md:3:5
      |
    3 | qa: humna
      |     ^
      = hint: did you mean `human`?
    `kind` is `bugg`, which is none of `story`, `bug`, `spike`, `refactor`, `chore`, `epic`.
     --> .storkit/work/2_current/42_story_log_in.md:4:7
      |
    4 | kind: bugg
      |       ^
      = hint: did you mean `bug`?
    ");
    assert_snapshot!(said("name: [a]\ndepends_on: [[1], {a: 1}]\ntimeout: 90\n"), @"
    `name` must be text, and is a list.
     --> .storkit/work/2_current/42_story_log_in.md:2:7
      |
    2 | name: [a]
      |       ^
      = hint: e.g. `name: some words`
    `depends_on` has a list where the id or number of a story belongs.
     --> .storkit/work/2_current/42_story_log_in.md:3:14
      |
    3 | depends_on: [[1], {a: 1}]
      |              ^
      = hint: e.g. `depends_on: [41, 42_story_login]`
    `timeout` (`90`) has a number without a unit.
     --> .storkit/work/2_current/42_story_log_in.md:4:10
      |
    4 | timeout: 90
      |          ^
      = hint: write it with a unit: `90s`, `20m`, `2h30m`
    ");
}

#[test]
fn wrong_values_are_shown_with_place_and_way_out() {
    assert_snapshot!(said("priority: 6\nmax_turns: -1\nmax_budget_usd: .inf\ntimeout: soon\nquestion: 0\n"), @"
    `priority` must be a number from 1 (first) to 5, and is `6`.
     --> .storkit/work/2_current/42_story_log_in.md:2:11
      |
    2 | priority: 6
      |           ^
      = hint: e.g. `priority: 2`
    `max_turns` must be a whole number from 0, and is `-1`.
     --> .storkit/work/2_current/42_story_log_in.md:3:12
      |
    3 | max_turns: -1
      |            ^
      = hint: e.g. `max_turns: 50`
    `max_budget_usd` must be a number of US dollars from 0, and is `.inf`.
     --> .storkit/work/2_current/42_story_log_in.md:4:17
      |
    4 | max_budget_usd: .inf
      |                 ^
      = hint: e.g. `max_budget_usd: 2.50`
    `timeout` (`soon`) is not understood.
     --> .storkit/work/2_current/42_story_log_in.md:5:10
      |
    5 | timeout: soon
      |          ^
      = hint: write it with a unit: `90s`, `20m`, `2h30m`
    `question` must be a number from 1, and is `0`.
     --> .storkit/work/2_current/42_story_log_in.md:6:11
      |
    6 | question: 0
      |           ^
      = hint: e.g. `question: 1`
    ");
    assert_snapshot!(said("review_hold: maybe\nblocked: [x]\nlabels: [{a: 1}]\nepic: ''\nqa: [server]\n"), @"
    `review_hold` must be true or false, and is `maybe`.
     --> .storkit/work/2_current/42_story_log_in.md:2:14
      |
    2 | review_hold: maybe
      |              ^
      = hint: e.g. `review_hold: true`
    `blocked` must be true or a reason, and is a list.
     --> .storkit/work/2_current/42_story_log_in.md:3:10
      |
    3 | blocked: [x]
      |          ^
      = hint: e.g. `blocked: waits for the design`
    `labels` has a map where a word belongs.
     --> .storkit/work/2_current/42_story_log_in.md:4:10
      |
    4 | labels: [{a: 1}]
      |          ^
      = hint: e.g. `labels: [web, login]`
    `epic` has text where the id or number of a story belongs.
     --> .storkit/work/2_current/42_story_log_in.md:5:7
      |
    5 | epic: ''
      |       ^
      = hint: e.g. `epic: 12`
    `qa` must be one word, and is a list.
     --> .storkit/work/2_current/42_story_log_in.md:6:5
      |
    6 | qa: [server]
      |     ^
      = hint: e.g. `qa: server`
    ");
}

#[test]
fn yaml_that_does_not_parse_is_shown_with_place_and_way_out() {
    assert_snapshot!(said("kind: bug\nname: fix: the thing\n"), @r#"
    The front matter cannot be read: it is not valid YAML: mapping values are not allowed in this context.
     --> .storkit/work/2_current/42_story_log_in.md:3:10
      |
    3 | name: fix: the thing
      |          ^
      = hint: put the value in quotes: `name: "fix: the thing"`
    "#);
    assert_snapshot!(said("name: a\nkind: bug\nname: b\n"), @"
    The front matter cannot be read: `name` is there twice.
     --> .storkit/work/2_current/42_story_log_in.md:4:1
      |
    4 | name: b
      | ^
      = hint: keep one of them
    ");
    assert_snapshot!(said("name: @home\n"), @"
    The front matter cannot be read: it is not valid YAML: unexpected character: `@'.
     --> .storkit/work/2_current/42_story_log_in.md:2:7
      |
    2 | name: @home
      |       ^
      = hint: a value that begins with such a character needs quotes
    ");
    assert_snapshot!(said("name: \"open\nkind: bug\n"), @"
    The front matter cannot be read: it is not valid YAML: invalid indentation in multiline quoted scalar.
     --> .storkit/work/2_current/42_story_log_in.md:3:1
      |
    3 | kind: bug
      | ^
      = hint: close the quotation mark
    ");
    assert_snapshot!(said("name: x\n\tkind: bug\n"), @"
    The front matter cannot be read: it is not valid YAML: while scanning a plain scalar, found a tab.
     --> .storkit/work/2_current/42_story_log_in.md:2:7
      |
    2 | name: x
      |       ^
      = hint: YAML indents with spaces, not tabs
    ");
    assert_snapshot!(said("- a\n- b\n"), @"
    The front matter cannot be read: the front matter is a list, not keys with values.
     --> .storkit/work/2_current/42_story_log_in.md:2:1
      |
    2 | - a
      | ^
      = hint: write lines such as `name: Log in with a passkey`
    ");
    assert_snapshot!(said("just text\n"), @"
    The front matter cannot be read: the front matter is text, not keys with values.
     --> .storkit/work/2_current/42_story_log_in.md:2:1
      |
    2 | just text
      | ^
      = hint: write lines such as `name: Log in with a passkey`
    ");
    assert_snapshot!(said("a: &x [1]\nb: *x\n"), @"
    The front matter cannot be read: YAML anchors and aliases (`&x`, `*x`) are not understood.
     --> .storkit/work/2_current/42_story_log_in.md:2:7
      |
    2 | a: &x [1]
      |       ^
      = hint: write the value out, or quote it
    ");
    assert_snapshot!(said("name: !!str 1\n"), @"
    The front matter cannot be read: a YAML tag (`!…`) is not understood.
     --> .storkit/work/2_current/42_story_log_in.md:2:7
      |
    2 | name: !!str 1
      |       ^
      = hint: remove it, or put the text in quotes
    ");
    assert_snapshot!(said("name: !ruby/object x\n"), @"
    The front matter cannot be read: a YAML tag (`!…`) is not understood.
     --> .storkit/work/2_current/42_story_log_in.md:2:20
      |
    2 | name: !ruby/object x
      |                    ^
      = hint: remove it, or put the text in quotes
    ");
}

#[test]
fn files_that_are_no_text_or_too_large_are_problems() {
    let problem = |bytes: &[u8]| parse(Stage::Backlog, "1_x.md", bytes).expect_err("a problem");
    assert_eq!(problem(b"a\nb\xff").line, Some(2));
    assert_eq!(problem(b"a\nb\xff").column, Some(2));
    assert_snapshot!(problem(b"\xff").message, @"The file is not UTF-8.");
    assert_snapshot!(problem(&vec![b'a'; FILE_BYTES_MAX + 1]).message, @"The file is larger than 1 MiB.");
    assert!(parse(Stage::Backlog, "1_x.md", &vec![b'a'; FILE_BYTES_MAX]).is_ok());
    assert_snapshot!(problem(b"---\nname: x\n").message, @"The front matter is opened with `---` and never closed.");
    let large = format!("---\n#{}\n---\n", "x".repeat(fence::BLOCK_BYTES_MAX));
    assert_snapshot!(problem(large.as_bytes()).message, @"The front matter is larger than 64 KiB.");
    assert_eq!(problem(b"\xff").path, ".storkit/work/1_backlog/1_x.md");
}

#[test]
fn places_are_those_of_the_file() {
    let text = "\u{feff}---\r\n# ü\r\nname: x\r\nagent:  'no one'\r\n---\r\n";
    let story = read(text).expect("a story");
    assert_eq!(story.agent.map(|agent| agent.place), Some(Place { line: 4, column: 9 }));
    let problem = read("---\r\nname: \"ü\"\r\n\r\nqa: x\r\n---\r\n").expect_err("a problem");
    assert_eq!((problem.line, problem.column), (Some(4), Some(5)));
    let flow = read("---\n{name: ü, qa: x}\n---\n").expect_err("a problem");
    assert_eq!((flow.line, flow.column), (Some(2), Some(15)));
}

/// Every shape that is known to hang, explode or crash a YAML reader, at the largest size that is let in.
fn hostile() -> Vec<(&'static str, String)> {
    let fill = |unit: &str| unit.repeat(fence::BLOCK_BYTES_MAX / unit.len());
    let laughs: Vec<_> = ('b'..='j')
        .map(|c| {
            let before = char::from(c as u8 - 1);
            format!("{c}: &{c} [{}]", vec![format!("*{before}"); 9].join(","))
        })
        .collect();
    let lines =
        |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<Vec<_>>().join("\n");
    let mut all = vec![
        ("alias bomb", format!("a: &a [x,x,x,x,x,x,x,x,x]\n{}", laughs.join("\n"))),
        ("cyclic alias", "a: &a [*a]\n".to_owned()),
        ("100k [", "[".repeat(100_000)),
        ("numbers", format!("x: [{}0]", "1,".repeat(32_000))),
        ("keys", lines(9_000, &|i| format!("k{i}:"))),
        ("nested", lines(350, &|i| format!("{}a:", " ".repeat(i)))),
        ("anchors", lines(6_000, &|i| format!("k{i}: &a"))),
        ("dependencies", format!("depends_on: [{}0]", "123456789012345,".repeat(3_900))),
        ("labels", format!("labels:\n{}", "- ünïcödé\n".repeat(3_900))),
        ("long key", format!("{}: 1\n", "k".repeat(60_000))),
        ("long text", format!("name: {}\n", "y".repeat(60_000))),
        ("merge keys", (0..5_000).map(|_| "<<: {a: 1}\n").collect()),
        ("one quote", format!("x: \"{}", "\\".repeat(60_000))),
        ("blank scalar", format!("x: |\n{}", "\n".repeat(60_000))),
    ];
    for unit in [
        "[",
        "{",
        "- ",
        "? ",
        ": ",
        "!",
        "&a ",
        "*a ",
        "|\n",
        "\t",
        "\n",
        "#",
        "# \n",
        "'",
        "\"",
        "---x\n",
        "%\n",
        "a:\n",
        "a: b: ",
        "[]",
        "{}",
        ",",
        "é",
        "\u{85}",
        "\u{feff}",
        ">-\n",
        "&a [",
        "{a: ",
        "\r",
        "-\n",
        "? a\n: b\n",
        "'a\n",
    ] {
        all.push((unit, fill(unit)));
    }
    all
}

#[test]
#[expect(clippy::disallowed_types, reason = "a test measures time; what it measures does not")]
fn hostile_front_matter_is_read_or_refused_at_once() {
    // The promise is for the optimised build; this one is many times slower.
    let limit = std::time::Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 10 });
    for (what, block) in hostile() {
        for text in [format!("---\n{block}\n---\nbody\n"), format!("---\nname: x\n{block}\n---\n")] {
            let quickest = (0..3)
                .map(|_| {
                    let start = std::time::Instant::now();
                    let _ = check(Stage::Current, "1_x.md", text.as_bytes());
                    start.elapsed()
                })
                .min()
                .unwrap_or_default();
            assert!(quickest < limit, "{what:?} took {quickest:?}");
        }
    }
}

#[test]
#[expect(clippy::disallowed_types, reason = "a test measures time; what it measures does not")]
fn hostile_front_matter_is_edited_or_refused_at_once() {
    let limit = std::time::Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });
    for (what, block) in hostile() {
        let text = format!("---\nname: x\n{block}\n---\n");
        let start = std::time::Instant::now();
        let _ = crate::front_matter::edit(text.as_bytes(), &[crate::facts::Edit::ReviewHold(true)]);
        assert!(start.elapsed() < limit, "{what:?} took {:?}", start.elapsed());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>, front in "(\u{feff})?---\n([a-z_]{1,9}: ?[^\u{0}]{0,20}\n){0,4}---\n") {
        let _ = check(Stage::Current, "1_x.md", &bytes);
        let _ = check(Stage::Current, "1_x.md", front.as_bytes());
        let whole = [front.as_bytes(), &bytes].concat();
        let _ = check(Stage::Current, "1_x.md", &whole);
    }

    #[test]
    fn equal_hashes_mean_equal_bytes(a: Vec<u8>, b: Vec<u8>) {
        prop_assert_eq!(a == b, content_hash(&a) == content_hash(&b));
    }

    #[test]
    fn known_values_come_back(name in "[a-zA-Zé][a-zA-Zé ]{0,30}[a-zé]", priority in 1_u8..=5, number in 0_u64..100_000) {
        let story = story(&format!("name: {name}\npriority: {priority}\ndepends_on: [{number}]\nqa: agent\n"));
        prop_assert_eq!(story.name, one_line(&name, NAME_CHARS_MAX));
        prop_assert_eq!(story.priority, priority);
        prop_assert_eq!(story.qa, Some(Qa::Agent));
        prop_assert_eq!(&story.depends_on[0].value, &StoryRef::Number(number));
    }
}
