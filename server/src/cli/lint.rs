//! `storkit lint`: what is wrong with stories, with the place in their text. Reads only.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;
use storkit_core::config::render;
use storkit_core::snapshot::ProblemView;
use storkit_core::stage::Stage;
use storkit_core::story::Problem;
use storkit_core::story_file::{NameKind, check, classify_name};

use super::exit::{Exit, Failure, Outcome, io};
use super::text::{clean_lines, count};
use super::{Context, offline};

/// Most bytes of a story that are read; a longer one is a problem anyway.
const STORY_LEN_MAX: u64 = 1024 * 1024 + 1;

/// One finding and the text that it is in.
struct Finding {
    problem: Problem,
    source: String,
}

#[derive(Serialize)]
struct View<'a> {
    path: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    message: &'a str,
    hint: Option<&'a str>,
}

/// Runs the command.
pub(super) fn run(context: &Context, files: &[PathBuf]) -> Outcome {
    let findings = if files.is_empty() { board(&context.project()?.root)? } else { named(files)? };
    if context.out.json {
        let views = findings.iter().map(|Finding { problem, .. }| View {
            path: &problem.path,
            line: problem.line,
            column: problem.column,
            message: &problem.message,
            hint: problem.hint.as_deref(),
        });
        context.out.json(&views.collect::<Vec<_>>())?;
    } else {
        for Finding { problem, source } in &findings {
            context.out.data(&format!("{}\n\n", clean_lines(render(problem, source).trim_end())))?;
        }
        if findings.is_empty() {
            context.out.say("nothing found");
        } else {
            context.out.say(&count(findings.len(), "problem"));
        }
    }
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The files given, each by itself.
fn named(files: &[PathBuf]) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for path in files {
        let bytes = bytes(path).map_err(io("read", path))?;
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let folder =
            path.canonicalize().ok().and_then(|path| Some(path.parent()?.file_name()?.to_str()?.to_owned()));
        let stage = folder.and_then(|folder| Stage::parse(&folder)).unwrap_or(Stage::Backlog);
        let shown = path.display().to_string();
        match classify_name(stage, name) {
            NameKind::Problem(problem) => {
                findings.push(Finding { problem: Problem { path: shown, ..problem }, source: String::new() });
            }
            NameKind::Ignored => {
                let problem = Problem::of_file(shown, "this is no story by its name", "stories are <id>.md");
                findings.push(Finding { problem, source: String::new() });
            }
            NameKind::Story(_) => {
                findings.extend(of_bytes(stage, &String::from_utf8_lossy(name), &bytes, Some(&shown)));
            }
        }
    }
    Ok(findings)
}

/// Everything wrong with one story's bytes.
fn of_bytes(stage: Stage, name: &str, bytes: &[u8], shown: Option<&str>) -> Vec<Finding> {
    let source = String::from_utf8_lossy(bytes).into_owned();
    let problems = check(stage, name, bytes).err().unwrap_or_default();
    let place = |problem: Problem| match shown {
        Some(path) => Problem { path: path.to_owned(), ..problem },
        None => problem,
    };
    problems.into_iter().map(|problem| Finding { problem: place(problem), source: source.clone() }).collect()
}

/// The whole board: each file's own problems, and those between stories.
fn board(root: &Path) -> Result<Vec<Finding>, Failure> {
    let views = offline::Offline::look(root)?.status(true).problems;
    let mut findings: Vec<Finding> = Vec::new();
    for view in views {
        let path = root.join(&view.path);
        let source =
            bytes(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let stage = path.parent().and_then(|folder| Stage::parse(folder.file_name()?.to_str()?));
        let name = path.file_name().and_then(|name| name.to_str());
        let known = findings.iter().any(|finding| finding.problem.path == view.path);
        if let (Some(stage), Some(name)) = (stage, name) {
            let own = of_bytes(stage, name, source.as_bytes(), None);
            let is_own = own.iter().any(|finding| finding.problem.message == view.message);
            // All of a file's own problems come at once, the first time that it is named.
            if !known {
                findings.extend(own);
            }
            if is_own {
                continue;
            }
        }
        findings.push(Finding { problem: problem(view), source });
    }
    Ok(findings)
}

/// How many problems the board has.
pub(super) fn count_board(root: &Path) -> Result<usize, Failure> {
    board(root).map(|findings| findings.len())
}

fn problem(view: ProblemView) -> Problem {
    Problem { path: view.path, line: view.line, column: view.column, message: view.message, hint: view.hint }
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(STORY_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
