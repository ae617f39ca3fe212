//! `storkit why`: what keeps a story, in plain sentences.

use std::fmt::Write;

use storkit_core::snapshot::{Condition, State, Why};

use super::exit::{Exit, Outcome};
use super::style::{self, paint};
use super::text::{clean, wrap};
use super::{Context, ask};

/// Runs the command.
pub(super) fn run(context: &Context, story: &str) -> Outcome {
    let why = ask::why(context, story)?;
    if context.out.json {
        context.out.json(&why)?;
    } else {
        context.out.data(&render(&why, context.out.columns()))?;
    }
    Ok(Exit::Done)
}

fn render(why: &Why, columns: usize) -> String {
    let id = clean(&why.id);
    let mut out = format!("{} {}\n", paint(style::TITLE, &id), doing(why.state));
    if why.conditions.is_empty() {
        out.push_str("Nothing keeps it.\n");
    }
    for condition in &why.conditions {
        let lines = wrap(&clean(&condition.detail), columns.saturating_sub(2));
        for (n, line) in lines.iter().enumerate() {
            let mark = if n == 0 { "-" } else { " " };
            let _ = writeln!(out, "{mark} {line}");
        }
        for below in [place(condition), condition.hint.as_deref().map(|hint| format!("→ {}", clean(hint)))]
        {
            for line in below.iter().flat_map(|text| wrap(text, columns.saturating_sub(2))) {
                let _ = writeln!(out, "  {}", paint(style::FAINT, &line));
            }
        }
    }
    out
}

/// What the state means, after the story's id.
const fn doing(state: State) -> &'static str {
    match state {
        State::Idle => "is not to be done yet.",
        State::Waiting => "is waiting.",
        State::Preparing => "is getting its worktree.",
        State::Running => "is being worked on.",
        State::Gating => "is being judged by its gates.",
        State::Review => "waits for a person's review.",
        State::Question => "waits for a person's answer.",
        State::Merging => "is landing.",
        State::Held => "is held by a person.",
        State::Blocked => "is blocked: it needs a person.",
        State::Done => "is done.",
        State::Problem => "has a problem: nothing is started for it until that is mended.",
    }
}

/// `.storkit/work/…md:3, blocked: …`
fn place(condition: &Condition) -> Option<String> {
    let mut place = clean(condition.path.as_deref()?);
    if let Some(line) = condition.line {
        let _ = write!(place, ":{line}");
    }
    if let Some(key) = &condition.key {
        let _ = write!(place, ", {}", clean(key));
        if let Some(value) = &condition.value {
            let _ = write!(place, " = {}", clean(value));
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_sentences_with_their_place_and_their_way_out() {
        let why = Why {
            id: "42_story_login".to_owned(),
            state: State::Waiting,
            conditions: vec![
                Condition {
                    what: "dependency".to_owned(),
                    detail: "It depends on 41_story_keys, which is in current.".to_owned(),
                    path: Some(".storkit/work/2_current/42_story_login.md".to_owned()),
                    line: Some(3),
                    key: Some("depends_on".to_owned()),
                    value: Some("41".to_owned()),
                    hint: Some("it starts when 41_story_keys is done".to_owned()),
                },
                Condition {
                    what: "agent".to_owned(),
                    detail: "No coder is free: coder-1 works on 40_bug_\u{1b}[2Jx, and there is no other one in project.toml.".to_owned(),
                    ..Condition::default()
                },
            ],
        };
        let shown = anstream::adapter::strip_str(&render(&why, 60)).to_string();
        insta::assert_snapshot!(shown, @r"
        42_story_login is waiting.
        - It depends on 41_story_keys, which is in current.
          .storkit/work/2_current/42_story_login.md:3, depends_on =
          41
          → it starts when 41_story_keys is done
        - No coder is free: coder-1 works on 40_bug_\u{1b}[2Jx, and
          there is no other one in project.toml.
        ");
        let free = Why { state: State::Running, conditions: Vec::new(), ..why };
        let shown = anstream::adapter::strip_str(&render(&free, 60)).to_string();
        assert_eq!(shown, "42_story_login is being worked on.\nNothing keeps it.\n");
        let twice = Condition {
            what: "twice".to_owned(),
            detail: "its id is in two places: a.md and b.md".to_owned(),
            hint: Some("remove or rename one of them".to_owned()),
            ..Condition::default()
        };
        let twice = Why { state: State::Problem, conditions: vec![twice], ..free };
        let shown = anstream::adapter::strip_str(&render(&twice, 100)).to_string();
        insta::assert_snapshot!(shown, @r"
        42_story_login has a problem: nothing is started for it until that is mended.
        - its id is in two places: a.md and b.md
          → remove or rename one of them
        ");
    }
}
