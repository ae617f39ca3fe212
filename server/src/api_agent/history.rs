//! What was said so far, in words of no provider's, and how it is kept within the model's context.
//!
//! Only what tools printed is ever cut, the oldest first; what people and the model said stays.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What stands in place of a tool's output that was cut.
const CUT: &str = "[cut to save room: run the tool again if you need this]";

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Call {
    /// The id that the answer must name.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments; none where they were no JSON.
    pub args: Option<Value>,
}

/// What came of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answered {
    /// The call's id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Whether it worked.
    pub ok: bool,
    /// What it printed, or why it did not work.
    pub text: String,
}

/// One piece of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Item {
    /// Said to the model.
    User { text: String },
    /// Said by the model, as its provider wants it handed back.
    Model { raw: Value, calls: Vec<Call> },
    /// The answers to the calls before.
    Results { results: Vec<Answered> },
}

impl Item {
    fn len(&self) -> usize {
        match self {
            Self::User { text } => text.len(),
            Self::Model { raw, .. } => raw.to_string().len(),
            Self::Results { results } => results.iter().map(|one| one.text.len()).sum(),
        }
    }
}

/// The conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct History(Vec<Item>);

impl History {
    /// All of it.
    pub(super) fn items(&self) -> &[Item] {
        &self.0
    }

    /// One more piece. Calls that a killed run left without an answer are answered first.
    pub(super) fn push(&mut self, item: Item) {
        if let (Some(Item::Model { calls, .. }), Item::User { .. }) = (self.0.last(), &item)
            && !calls.is_empty()
        {
            let results = calls.iter().map(|call| call.answered(false, "the run was interrupted")).collect();
            self.0.push(Item::Results { results });
        }
        self.0.push(item);
    }

    /// Cuts the oldest outputs of tools until all fits into so many bytes; the newest ones stay. False where it does
    /// not fit even so.
    pub(super) fn fit(&mut self, max: usize) -> bool {
        let mut length: usize = self.0.iter().map(Item::len).sum();
        let newest = self.0.len().saturating_sub(2);
        let older = self.0[..newest].iter_mut();
        for result in older.filter_map(Item::results_mut).flatten() {
            if length <= max {
                break;
            }
            if result.text.len() > CUT.len() {
                length -= result.text.len() - CUT.len();
                CUT.clone_into(&mut result.text);
            }
        }
        length <= max
    }
}

impl Item {
    fn results_mut(&mut self) -> Option<&mut Vec<Answered>> {
        if let Self::Results { results } = self { Some(results) } else { None }
    }
}

impl Call {
    /// What came of it.
    pub(super) fn answered(&self, ok: bool, text: &str) -> Answered {
        Answered { id: self.id.clone(), name: self.name.clone(), ok, text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(id: &str) -> Call {
        Call { id: id.to_owned(), name: "shell".to_owned(), args: Some(json!({})) }
    }

    fn step(history: &mut History, id: &str, text: &str) {
        history.push(Item::Model { raw: json!("x"), calls: vec![call(id)] });
        history.push(Item::Results { results: vec![call(id).answered(true, text)] });
    }

    #[test]
    fn the_oldest_outputs_are_cut_and_nothing_else() {
        let mut history = History::default();
        history.push(Item::User { text: "u".repeat(100) });
        let (old, new) = ("a".repeat(1000), "b".repeat(1000));
        for text in [&old, &old, &new] {
            step(&mut history, "1", text);
        }
        assert!(history.fit(4000) && history.items()[2] != history.items()[6]);
        assert!(history.fit(2200));
        let texts = |at: usize| match &history.items()[at] {
            Item::Results { results } => results[0].text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!([texts(2), texts(4), texts(6)], [CUT.to_owned(), old, new]);
        assert!(!history.fit(1000), "the newest one and people's words stay");
    }

    #[test]
    fn calls_that_were_never_answered_are_answered_before_the_next_prompt() {
        let mut history = History::default();
        history.push(Item::Model { raw: json!("x"), calls: vec![call("1"), call("2")] });
        history.push(Item::User { text: "go on".into() });
        let Item::Results { results } = &history.items()[1] else { panic!("{history:?}") };
        assert_eq!((results.len(), results[1].id.as_str(), results[1].ok), (2, "2", false));
    }
}
