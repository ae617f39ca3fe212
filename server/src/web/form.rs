//! Making and editing a story: the forms, and the check and the preview of what is typed.

use askama::Template;
use serde::{Deserialize, Serialize};
use storkit_core::snapshot::{AgentView, ProblemView};
use storkit_core::stage::Stage;
use storkit_core::story::Kind;
use storkit_core::story_file::{Doc, check as problems_of};

use super::markdown;
use super::story::{Head, StoryPage};

/// A story as the form has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// Its title.
    pub title: String,
    /// `story bug …`.
    pub kind: String,
    /// `backlog current …`.
    pub stage: String,
    /// 1 to 5, or empty.
    pub priority: String,
    /// `server agent human`, or empty.
    pub qa: String,
    /// An agent's name, or empty.
    pub agent: String,
    /// Ids or numbers, with commas or spaces between.
    pub depends_on: String,
    /// Labels, with commas between.
    pub labels: String,
    /// The text.
    pub body: String,
}

impl Draft {
    /// The whole file: front matter of what was chosen, and the text.
    pub fn text(&self) -> String {
        // JSON's strings and lists are YAML's too.
        let quoted = |text: &str| serde_json::to_string(text).expect("a text is JSON");
        let list = |items: Vec<&str>| items.into_iter().map(quoted).collect::<Vec<_>>().join(", ");
        let words: Vec<&str> =
            self.depends_on.split([',', ' ', '\n']).map(str::trim).filter(|one| !one.is_empty()).collect();
        let labels: Vec<&str> =
            self.labels.split([',', '\n']).map(str::trim).filter(|one| !one.is_empty()).collect();
        let mut text = format!("---\nname: {}\n", quoted(self.title.trim()));
        for (key, value) in [("qa", &self.qa), ("agent", &self.agent)] {
            if !value.is_empty() {
                text += &format!("{key}: {}\n", quoted(value));
            }
        }
        if let Ok(priority) = self.priority.parse::<u8>() {
            text += &format!("priority: {priority}\n");
        }
        if !words.is_empty() {
            let ids = words.into_iter().map(|word| match word.parse::<u64>() {
                Ok(number) => number.to_string(),
                Err(_) => quoted(word),
            });
            text += &format!("depends_on: [{}]\n", ids.collect::<Vec<_>>().join(", "));
        }
        if !labels.is_empty() {
            text += &format!("labels: [{}]\n", list(labels));
        }
        let body = self.body.trim_end();
        text + "---\n" + body + if body.is_empty() { "" } else { "\n" }
    }
}

/// What is wrong with a text, and how it will look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What is wrong, in the order of the text.
    pub problems: Vec<ProblemView>,
    /// Its body as HTML that a page may show as it is.
    pub html: String,
}

/// Checks a story's text as the board would read it.
pub fn check(stage: Stage, file_name: &str, text: &str) -> Checked {
    let problems = problems_of(stage, file_name, text.as_bytes()).err().unwrap_or_default();
    let view = |problem: storkit_core::story::Problem| ProblemView {
        path: problem.path,
        line: problem.line,
        column: problem.column,
        message: problem.message,
        hint: problem.hint,
    };
    Checked {
        problems: problems.into_iter().map(view).collect(),
        html: markdown::render(Doc::new(text).body()),
    }
}

#[derive(Template)]
#[template(path = "new.html")]
struct New<'a> {
    kinds: [&'static str; 6],
    stages: [Stage; 6],
    agents: &'a [AgentView],
}

/// The form for a new story.
pub fn new_page(agents: &[AgentView]) -> String {
    let kinds =
        [Kind::Story, Kind::Bug, Kind::Spike, Kind::Refactor, Kind::Chore, Kind::Epic].map(Kind::name);
    New { kinds, stages: Stage::ALL, agents }.render().expect("writing to a string does not fail")
}

#[derive(Template)]
#[template(path = "edit.html")]
struct Edit<'a> {
    head: Head<'a>,
    text: &'a str,
    was: String,
}

/// The form for a story's whole file; `was` is the hash of the text that was read.
pub fn edit_page(page: StoryPage<'_>, was: u64) -> String {
    let edit = Edit {
        head: Head::new(page, "edit"),
        text: page.text.unwrap_or_default(),
        // Text, since a script's numbers hold 53 bits.
        was: was.to_string(),
    };
    edit.render().expect("writing to a string does not fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_becomes_a_file_that_parses_whatever_was_typed() {
        let draft = Draft {
            title: "a: \"b\" # c\n---\nx: [".to_owned(),
            qa: "human".to_owned(),
            priority: "2".to_owned(),
            depends_on: "41, 7_story_x".to_owned(),
            labels: "auth, two words, {a: b}".to_owned(),
            body: "Text\n\n---\nmore".to_owned(),
            ..Draft::default()
        };
        let text = draft.text();
        let story = storkit_core::story_file::parse(Stage::Backlog, "1_story_a.md", text.as_bytes());
        let story = story.unwrap_or_else(|problem| panic!("{problem:?} in {text}"));
        assert_eq!(story.labels, ["auth", "two words", "{a: b}"]);
        assert_eq!((story.priority, story.depends_on.len()), (2, 2));
        assert!(text.ends_with("---\nText\n\n---\nmore\n"), "{text}");
    }

    #[test]
    fn a_check_says_where_and_shows_how() {
        let checked = check(Stage::Backlog, "1_story_a.md", "---\nname: a\npriority: high\n---\n# Hi\n");
        assert_eq!(checked.problems.len(), 1);
        assert_eq!(checked.problems[0].line, Some(3));
        assert!(checked.html.contains("<h2>Hi</h2>"), "{}", checked.html);
    }
}
