//! The script of a fake agent: one verb a line, read without running anything.

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Write { path: String, text: String },
    Append { path: String, text: String },
    Remove(String),
    Commit(String),
    Git(Vec<String>),
    Print(String),
    Event(String),
    EchoPrompt,
    EchoEnv(String),
    Flood(u64),
    Chatter { each: u64, until: String },
    Sleep(u64),
    Spin(u64),
    WaitFor(String),
    Own { path: String, breach: String },
    Pid(String),
    Exit(i32),
    Signal(i32),
    Hang,
    IgnoreTerm,
    Background(String),
    Daemonize { beat: String, scrub: bool },
    RemoveWorktree,
}

/// What conditions and `{placeholders}` are about: the run's own variables.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) story: String,
    pub(crate) stage: String,
    pub(crate) agent: String,
    pub(crate) run: String,
    pub(crate) attempt: String,
    pub(crate) home: String,
}

/// The steps of a script that apply to this run; an error names the line that makes no sense.
pub(crate) fn read(script: &str, about: &About) -> Result<Vec<Step>, String> {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut steps = Vec::new();
    for line in lines {
        let Some(rest) = condition(line, about)? else { continue };
        let filled = rest
            .replace("{story}", &about.story)
            .replace("{stage}", &about.stage)
            .replace("{agent}", &about.agent)
            .replace("{run}", &about.run)
            .replace("{attempt}", &about.attempt)
            .replace("{home}", &about.home);
        steps.push(step(&filled).ok_or_else(|| format!("not a step: {line}"))?);
    }
    Ok(steps)
}

/// What of the line is left when all its `on-…:` conditions hold; none where one does not.
fn condition<'a>(line: &'a str, about: &About) -> Result<Option<&'a str>, String> {
    let Some(rest) = line.strip_prefix("on-") else { return Ok(Some(line)) };
    let wrong = || format!("not a condition: {line}");
    let (test, then) = rest.split_once(':').ok_or_else(wrong)?;
    let (what, wanted) = test.split_once(' ').ok_or_else(wrong)?;
    let is = match what {
        "attempt" => &about.attempt,
        "stage" => &about.stage,
        "story" => &about.story,
        "agent" => &about.agent,
        _ => return Err(wrong()),
    };
    if wanted.trim().split('|').any(|one| one == is) { condition(then.trim_start(), about) } else { Ok(None) }
}

fn step(line: &str) -> Option<Step> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let text = || unescape(rest);
    let path = || (!rest.is_empty()).then(|| rest.to_owned());
    let path_and_text = || {
        let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
        (!path.is_empty()).then(|| (path.to_owned(), unescape(text)))
    };
    Some(match verb {
        "write" => path_and_text().map(|(path, text)| Step::Write { path, text })?,
        "append" => path_and_text().map(|(path, text)| Step::Append { path, text })?,
        "remove" => Step::Remove(path()?),
        "commit" => Step::Commit(text()),
        "git" => Step::Git(rest.split_whitespace().map(str::to_owned).collect()),
        "print" => Step::Print(text()),
        "event" => Step::Event(rest.to_owned()),
        "echo-prompt" => Step::EchoPrompt,
        "echo-env" => Step::EchoEnv(path()?),
        "flood" => Step::Flood(rest.parse().ok()?),
        "chatter" => {
            let (each, until) = rest.split_once(' ')?;
            Step::Chatter { each: each.parse().ok()?, until: until.to_owned() }
        }
        "sleep" => Step::Sleep(rest.parse().ok()?),
        "spin" => Step::Spin(rest.parse().ok()?),
        "wait-for" => Step::WaitFor(path()?),
        "own" => path_and_text().map(|(path, breach)| Step::Own { path, breach })?,
        "pid" => Step::Pid(path()?),
        "exit" => Step::Exit(rest.parse().ok()?),
        "signal" => Step::Signal(rest.parse().ok()?),
        "hang" => Step::Hang,
        "ignore-term" => Step::IgnoreTerm,
        "background" => Step::Background(path()?),
        "daemonize" => Step::Daemonize { beat: path()?, scrub: false },
        "daemonize-scrubbed" => Step::Daemonize { beat: path()?, scrub: true },
        "rm-worktree" => Step::RemoveWorktree,
        _ => return None,
    })
}

/// `\n`, `\t`, `\e` and `\\`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('e') => out.push('\u{1b}'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About { story: "1_story_x".into(), stage: "current".into(), attempt: "2".into(), ..About::default() }
    }

    #[test]
    fn lines_become_steps() {
        let script = "# a comment\n\n write src/{story}.txt one\\ntwo\ncommit work {attempt}\nexit 3";
        let expected = [
            Step::Write { path: "src/1_story_x.txt".into(), text: "one\ntwo".into() },
            Step::Commit("work 2".into()),
            Step::Exit(3),
        ];
        assert_eq!(read(script, &about()), Ok(expected.to_vec()));
        let event = r#"event {"storkit":"question","text":"a\nb"}"#;
        let json = r#"{"storkit":"question","text":"a\nb"}"#;
        assert_eq!(read(event, &about()), Ok(vec![Step::Event(json.into())]), "JSON stays as it is");
    }

    #[test]
    fn conditions_choose_the_lines_of_this_run() {
        let script = "on-attempt 1: exit 1\non-attempt 2|3: print again\non-stage qa: exit 9\n\
                      on-story 1_story_x: on-attempt 2: hang";
        assert_eq!(read(script, &about()), Ok(vec![Step::Print("again".into()), Step::Hang]));
    }

    #[test]
    fn nonsense_is_named() {
        for line in ["fly", "exit x", "write", "on-attempt 1", "on-moon 1: hang"] {
            assert!(read(line, &about()).is_err_and(|why| why.ends_with(line)), "{line}");
        }
    }
}
