//! Leave to use a tool: what people said of tools that an agent wanted and was refused, for one story.
//!
//! Tools are known by the names that agents give them. A name is hostile, and kept only where it looks like one.

use serde::{Deserialize, Serialize};

/// Most tools of which a story keeps what was said.
const TOOLS_MAX: usize = 50;
/// Longest name of a tool, in bytes.
const NAME_LEN_MAX: usize = 100;

/// What a person says of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may be used for this story.
    Allow,
    /// The agent does without, and is not asked about again.
    Refuse,
}

impl Verdict {
    /// The verdict that an answer begins with; none where it says something else.
    pub fn of_answer(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        match word.as_str() {
            "allow" | "allowed" | "yes" => Some(Self::Allow),
            "no" | "deny" | "denied" | "refuse" | "refused" => Some(Self::Refuse),
            _ => None,
        }
    }
}

/// What people said of tools, for one story.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Leave {
    /// Tools that may be used.
    pub allowed: Vec<String>,
    /// Tools that the agent is to do without.
    pub refused: Vec<String>,
    /// A question about a tool: its number, and the tool.
    pub asked: Option<(u32, String)>,
}

impl Leave {
    /// What was said of a tool.
    pub fn of(&self, tool: &str) -> Option<Verdict> {
        let is = |other: &String| other == tool;
        if self.allowed.iter().any(is) {
            return Some(Verdict::Allow);
        }
        self.refused.iter().any(is).then_some(Verdict::Refuse)
    }

    /// A person is asked about a tool.
    pub fn ask(&mut self, number: u32, tool: &str) {
        self.asked = is_name(tool).then(|| (number, tool.to_owned()));
    }

    /// The answer to a question is there; one that is about no tool, or says something else, changes nothing.
    pub fn answer(&mut self, number: u32, verdict: Option<Verdict>) {
        let Some((_, tool)) = self.asked.take_if(|(asked, _)| *asked == number) else { return };
        let list = match verdict {
            Some(Verdict::Allow) => &mut self.allowed,
            Some(Verdict::Refuse) => &mut self.refused,
            None => return,
        };
        if list.len() < TOOLS_MAX && !list.contains(&tool) {
            list.push(tool);
        }
    }
}

/// Whether it looks like a tool's name, so that it can stand in a list of them.
pub fn is_name(tool: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':');
    let first = tool.chars().next();
    tool.len() <= NAME_LEN_MAX && first.is_some_and(|c| c.is_ascii_alphanumeric()) && tool.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_it_with_its_first_word() {
        let of = Verdict::of_answer;
        for text in ["allow", "Allow.", "\n**Yes**, it may\n", "allowed, once"] {
            assert_eq!(of(text), Some(Verdict::Allow), "{text:?}");
        }
        for text in ["no", "No: use make instead", "`deny`", "refuse"] {
            assert_eq!(of(text), Some(Verdict::Refuse), "{text:?}");
        }
        for text in ["", " \n", "use make instead", "allowing that is wrong", "--", "not now"] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_verdict_is_for_the_tool_that_was_asked_about() {
        let mut leave = Leave::default();
        leave.ask(2, "Bash");
        leave.answer(1, Some(Verdict::Allow));
        assert_eq!(leave.of("Bash"), None, "another question's answer");
        leave.answer(2, Some(Verdict::Allow));
        leave.answer(2, Some(Verdict::Refuse));
        assert_eq!(leave.of("Bash"), Some(Verdict::Allow));
        leave.ask(3, "mcp__web__get");
        leave.answer(3, Some(Verdict::Refuse));
        assert_eq!((leave.of("mcp__web__get"), leave.of("Write")), (Some(Verdict::Refuse), None));
    }

    #[test]
    fn what_is_no_name_is_never_allowed() {
        for tool in ["", "Bash,Write", "Bash Write", "--yolo", "a\nb", "Bash(*)", &"x".repeat(101)] {
            let mut leave = Leave::default();
            leave.ask(1, tool);
            leave.answer(1, Some(Verdict::Allow));
            assert_eq!(leave, Leave::default(), "{tool:?}");
        }
    }
}
