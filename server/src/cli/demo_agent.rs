//! The demo's agent: a program that works on the demo's three stories as a coding agent would, without a model.
//!
//! It knows only what every agent is given: its worktree, its prompt and the `STORKIT_` variables.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::exit::{Exit, Failure, Outcome, io};
use crate::sys::process;

/// The hidden command that is this agent.
pub(super) const NAME: &str = "__demo-agent";

/// The three stories, and what each is to show.
pub(super) const GOODBYE: &str = "1_story_say_goodbye";
pub(super) const SHOUT: &str = "2_bug_shout_louder";
pub(super) const COUNT: &str = "3_story_count_visitors";

/// How long a step takes, so that a person can follow.
const STEP: Duration = Duration::from_millis(400);
/// Longest wait for another story to land.
const LANDING_WAIT: Duration = Duration::from_secs(20);

struct Work {
    prompt: String,
    base: String,
}

/// Works on the story of this run.
pub(super) fn run() -> Outcome {
    let variable = |name: &str| {
        std::env::var(name).map_err(|_| Failure::new(format!("{name} is not set: this is the demo's agent")))
    };
    let prompt_path = PathBuf::from(variable("STORKIT_PROMPT")?);
    let prompt = fs::read_to_string(&prompt_path).map_err(io("read", &prompt_path))?;
    let work = Work { prompt, base: variable("STORKIT_BASE")? };
    match variable("STORKIT_STORY")?.as_str() {
        GOODBYE => goodbye()?,
        SHOUT => shout(&work)?,
        COUNT => count(&work)?,
        other => return Err(Failure::new(format!("the demo has no story {other}"))),
    }
    Ok(Exit::Done)
}

/// Straight through.
fn goodbye() -> Result<(), Failure> {
    say("I add bye.sh and a test for it.");
    write("bye.sh", "#!/bin/sh\necho \"Goodbye, ${1:-world}!\"\n")?;
    write(
        "tests/bye.sh",
        "[ \"$(sh bye.sh Ada)\" = 'Goodbye, Ada!' ] || { echo 'bye.sh does not say goodbye'; exit 1; }\n",
    )?;
    note("- bye.sh says goodbye")?;
    commit("Say goodbye")?;
    summary("bye.sh says goodbye, with a test.");
    Ok(())
}

/// Red first: the mistake is mended only when the gate's words are in the prompt.
fn shout(work: &Work) -> Result<(), Failure> {
    if work.prompt.contains("shout.sh does not shout") {
        say("My prompt says why the gate failed: shout.sh does not shout. I mend it.");
        write("shout.sh", "#!/bin/sh\nprintf '%s!\\n' \"${1:-hello}\" | tr '[:lower:]' '[:upper:]'\n")?;
        commit("Shout in capitals")?;
        summary("shout.sh shouts in capitals; its first version only added a mark.");
    } else {
        say("I add shout.sh and a test for it.");
        write("shout.sh", "#!/bin/sh\necho \"${1:-hello}!\"\n")?;
        write(
            "tests/shout.sh",
            "[ \"$(sh shout.sh hey)\" = 'HEY!' ] || { echo 'shout.sh does not shout'; exit 1; }\n",
        )?;
        commit("Shout")?;
        summary("shout.sh shouts.");
    }
    Ok(())
}

/// In the way of another story: both write the same line of CHANGES.md, and the other one lands first.
fn count(work: &Work) -> Result<(), Failure> {
    if Path::new("count.sh").exists() {
        say("My work did not go together with base. I merge base and keep both lines.");
        let merged = git(&["merge", "--no-edit", &work.base])?;
        if !merged {
            let path = Path::new("CHANGES.md");
            let text = fs::read_to_string(path).map_err(io("read", path))?;
            let marks = ["<<<<<<<", "=======", ">>>>>>>"];
            let kept: Vec<&str> =
                text.lines().filter(|line| !marks.iter().any(|mark| line.starts_with(mark))).collect();
            write("CHANGES.md", &(kept.join("\n") + "\n"))?;
            commit("Merge base, keep both changes")?;
        }
        summary("count.sh counts visitors; its line of CHANGES.md stands beside the other one.");
        return Ok(());
    }
    say("I add count.sh and a test for it.");
    write("count.sh", "#!/bin/sh\nwc -l < \"$1\" | tr -d ' '\n")?;
    write(
        "tests/count.sh",
        "[ \"$(sh count.sh CHANGES.md)\" -ge 1 ] || { echo 'count.sh does not count'; exit 1; }\n",
    )?;
    note("- count.sh counts visitors")?;
    say("I take my time, and somebody else lands first.");
    let deadline = Instant::now() + LANDING_WAIT;
    while !git(&["cat-file", "-e", &format!("{}:bye.sh", work.base)])? {
        if Instant::now() > deadline {
            return Err(Failure::new(format!("{GOODBYE} has not landed")));
        }
        std::thread::sleep(STEP / 4);
    }
    commit("Count visitors")?;
    summary("count.sh counts visitors, with a test.");
    Ok(())
}

/// Says what is done, as an agent does, and lets a moment pass.
fn say(text: &str) {
    println!("{text}");
    std::thread::sleep(STEP);
}

fn summary(text: &str) {
    println!("{}", serde_json::json!({ "storkit": "summary", "text": text }));
    println!("{}", serde_json::json!({ "storkit": "usage", "input_tokens": 1200, "output_tokens": 300 }));
}

fn write(path: &str, text: &str) -> Result<(), Failure> {
    let path = Path::new(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io("make", folder))?;
    }
    fs::write(path, text).map_err(io("write", path))
}

/// Adds a line at the same place as every other story does.
fn note(line: &str) -> Result<(), Failure> {
    let path = Path::new("CHANGES.md");
    let text = fs::read_to_string(path).map_err(io("read", path))?;
    write("CHANGES.md", &format!("{}\n{line}\n", text.trim_end()))
}

fn commit(message: &str) -> Result<(), Failure> {
    let done = git(&["add", "--all"])? && git(&["commit", "--quiet", "--message", message])?;
    if done { Ok(()) } else { Err(Failure::new("git could not commit")) }
}

/// Runs git in the worktree; whether it succeeded.
fn git(args: &[&str]) -> Result<bool, Failure> {
    let status = process::command("git").envs(std::env::vars_os()).args(args).status();
    status.map(|status| status.success()).map_err(|error| Failure::new(format!("cannot start git: {error}")))
}
