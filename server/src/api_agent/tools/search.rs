//! Which files there are, and what stands in them: git's tracked files and those that it would track.

use std::io::Read;
use std::process::Stdio;

use regex_lite::{Regex, RegexBuilder};

use super::files::whole;
use super::{Args, ToolError, Workshop, bounded, place, wrong};
use crate::sys::process::command;

/// Longest list of files that is looked at, in bytes.
const LIST_LEN_MAX: u64 = 32 << 20;
/// Most files that are listed.
const FILES_MAX: usize = 1000;
/// Most lines that are found.
const FOUND_MAX: usize = 200;
/// Most characters of a line that is shown.
const LINE_CHARS_MAX: usize = 300;
/// Longest file that is searched, in bytes.
const SEARCHED_LEN_MAX: u64 = 2 << 20;
/// Largest compiled pattern, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;

/// `list_files`.
pub(super) fn list(workshop: &Workshop, args: &Args<'_>) -> Result<String, ToolError> {
    let pattern = args.some_text("pattern")?.map(regex).transpose()?;
    let mut paths = paths(workshop, args.some_text("path")?)?;
    paths.retain(|path| pattern.as_ref().is_none_or(|pattern| pattern.is_match(path)));
    let count = paths.len();
    paths.truncate(FILES_MAX);
    if count > FILES_MAX {
        paths.push(format!("[{count} files in all: ask for less]"));
    }
    Ok(if paths.is_empty() { "[no files]".to_owned() } else { bounded(paths.join("\n")) })
}

/// `search`.
pub(super) fn search(workshop: &Workshop, args: &Args<'_>) -> Result<String, ToolError> {
    let pattern = regex(args.text("pattern")?)?;
    let mut found = Vec::new();
    for path in paths(workshop, args.some_text("path")?)? {
        // A link, a file that has just gone, a huge one: not searched.
        let Ok(place) = place::find(workshop, &path, false) else { continue };
        let is_small =
            place.folder.open_file(&place.name).is_ok_and(|(_, stamp)| stamp.size <= SEARCHED_LEN_MAX);
        let Some((bytes, _)) = is_small.then(|| whole(&place, &path).ok()).flatten() else { continue };
        let Ok(text) = str::from_utf8(&bytes) else { continue };
        for (number, line) in text.lines().enumerate().filter(|(_, line)| pattern.is_match(line)) {
            if found.len() == FOUND_MAX {
                found.push(format!("[more than {FOUND_MAX} lines: search for less]"));
                return Ok(bounded(found.join("\n")));
            }
            let line: String = line.trim_end().chars().take(LINE_CHARS_MAX).collect();
            found.push(format!("{path}:{}:{line}", number + 1));
        }
    }
    Ok(if found.is_empty() { "[nothing found]".to_owned() } else { bounded(found.join("\n")) })
}

fn regex(pattern: &str) -> Result<Regex, ToolError> {
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_SIZE_MAX).build();
    built.map_err(|error| wrong(&format!("the pattern is no regular expression: {error}")))
}

/// The files that git knows or would take, below `under`, in order.
fn paths(workshop: &Workshop, under: Option<&str>) -> Result<Vec<String>, ToolError> {
    let under = place::parts(workshop, under.unwrap_or("."))?.join("/");
    let failed = |source: std::io::Error| wrong(&format!("git cannot list the files: {source}"));
    let mut git = command("git");
    git.envs(workshop.env.iter().cloned()).current_dir(&workshop.path);
    // Nothing of the repository's settings is run for a list.
    git.args(["-c", "core.fsmonitor=false", "--literal-pathspecs", "ls-files", "-z", "--cached", "--others"]);
    git.arg("--exclude-standard");
    let mut child = git.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(failed)?;
    let mut listed = Vec::new();
    if let Some(out) = child.stdout.take() {
        out.take(LIST_LEN_MAX).read_to_end(&mut listed).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    if !status.success() && listed.is_empty() {
        return Err(wrong(&format!("git cannot list the files: it ended with {status}")));
    }
    let names = listed.split(|byte| *byte == 0).filter_map(|name| str::from_utf8(name).ok());
    let inside = |name: &&str| {
        let rest = name.strip_prefix(under.as_str());
        !name.is_empty()
            && rest.is_some_and(|rest| under.is_empty() || rest.is_empty() || rest.starts_with('/'))
    };
    let mut names: Vec<String> = names.filter(inside).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
