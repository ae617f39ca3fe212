//! What a story's file says: the board's one door to the core's reading and editing of text.
//!
//! It judges bytes only and touches no file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use storkit_core::facts::Edit;
use storkit_core::ids::StoryId;
use storkit_core::stage::Stage;
use storkit_core::story::{Problem, Story};

/// Most bytes of a story's file.
pub(crate) const STORY_BYTES_MAX: u64 = 1024 * 1024;

/// What a file's name makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// Not a story, and left alone.
    Ignored,
    /// A story's file, by its name.
    Story(StoryId),
    /// Meant as a story, but its name is no id: why, in words.
    Bad(String),
}

// PROVISIONAL
pub(crate) fn classify(name: &[u8]) -> Name {
    let Some(stem) = name.strip_suffix(b".md") else { return Name::Ignored };
    if name.starts_with(b".") || name.eq_ignore_ascii_case(b"README.md") { return Name::Ignored; }
    match std::str::from_utf8(stem).map(StoryId::new) {
        Ok(Ok(id)) => Name::Story(id),
        Ok(Err(e)) => Name::Bad(e.to_string()),
        Err(_) => Name::Bad("its name is not UTF-8".into()),
    }
}
pub(crate) fn parse(stage: Stage, name: &str, bytes: &[u8]) -> Result<Story, Problem> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let path = format!(".storkit/work/{}/{name}", stage.folder());
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::of_file(&path, "not UTF-8", "save as UTF-8"))?;
    if text.starts_with("---\n") && !text[4..].lines().any(|l| l == "---") {
        return Err(Problem::of_file(&path, "open fence", "close it"));
    }
    let id = StoryId::new(name.strip_suffix(".md").unwrap_or(name)).map_err(|e| Problem::of_file(&path, e.to_string(), "rename"))?;
    let mut h = DefaultHasher::new();
    bytes.hash(&mut h);
    Ok(Story { name: id.words(), kind: storkit_core::story::Kind::of_id(&id), id, stage, epic: None, depends_on: vec![], priority: 3, agent: None, qa: None, hold: None,
        overrides: Default::default(), labels: vec![], blocked: text.lines().find_map(|l| l.strip_prefix("blocked: ")).map(|v| storkit_core::story::Keyed { value: v.trim_matches(['"','\'']).to_owned(), place: Default::default() }),
        review_hold: None, question: None, answered: false, content: h.finish() })
}
pub(crate) fn edit(bytes: &[u8], edits: &[Edit]) -> Option<Vec<u8>> {
    let mut text = String::from_utf8(bytes.to_vec()).ok()?;
    for e in edits {
        if !text.starts_with("---\n") { text = format!("---\n---\n{text}"); }
        let close = 4 + text[4..].split_inclusive('\n').scan(0, |at, l| { let s = *at; *at += l.len(); Some((s, l)) }).find(|(_, l)| l.trim_end() == "---")?.0;
        let mut front: Vec<String> = text[4..close].lines().map(str::to_owned).collect();
        let mut set = |k: &str, v: Option<String>| { front.retain(|l| !l.starts_with(&format!("{k}: "))); if let Some(v) = v { front.push(format!("{k}: {v}")) } };
        let mut tail = String::new();
        match e {
            Edit::Blocked(v) => set("blocked", v.clone()),
            Edit::ReviewHold(v) => set("review_hold", v.then(|| "true".into())),
            Edit::Question(v) => set("question", v.map(|v| v.to_string())),
            Edit::Hold(v) => set("hold", v.clone()),
            Edit::AppendQuestion { number, text } => tail = format!("\n## Question {number}\n\n{text}\n\n### Answer\n"),
            Edit::AppendRejection { number, text } => tail = format!("\n### Rejection {number}\n\n{text}\n"),
        }
        let front: String = front.into_iter().map(|l| l + "\n").collect();
        text = format!("---\n{front}{}{tail}", &text[close..]);
    }
    Some(text.into_bytes())
}
// END PROVISIONAL

/// The same on a text that may hold some of it already: a question that is in it is not appended again.
pub(crate) fn edit_again(bytes: &[u8], edits: &[Edit]) -> Option<Vec<u8>> {
    let has = |heading: String| {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        lines.any(|line| line.trim_ascii_end() == heading.as_bytes())
    };
    let missing = |edit: &&Edit| match edit {
        Edit::AppendQuestion { number, .. } => !has(format!("## Question {number}")),
        Edit::AppendRejection { number, .. } => !has(format!("### Rejection {number}")),
        _ => true,
    };
    let edits: Vec<Edit> = edits.iter().filter(missing).cloned().collect();
    edit(bytes, &edits)
}

/// Whether a file looks like a save that is not over: empty, or a front matter that is opened and not closed.
pub(crate) fn is_half_written(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    text.is_empty() || (lines.next() == Some(b"---") && !lines.any(|line| line == b"---"))
}

/// A name on disk as text, so that two names are never the same text: `\xNN` for a byte that is not UTF-8, `\\`
/// for a backslash.
pub(crate) fn key_of(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The name on disk behind [`key_of`]'s text; none where the text is not one of its.
pub(crate) fn name_of(key: &str) -> Option<OsString> {
    let mut name = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            name.push(byte);
        } else if let Some(tail) = tail.strip_prefix(b"\\") {
            name.push(b'\\');
            rest = tail;
        } else {
            let digits = tail.strip_prefix(b"x").and_then(|hex| hex.get(..2))?;
            name.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &tail[3..];
        }
    }
    let name = OsString::from_vec(name);
    crate::sys::fs::is_plain_name(&name).then_some(name)
}

/// The bytes of a name.
pub(crate) fn bytes_of(name: &OsStr) -> &[u8] {
    name.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_text_that_leads_back_to_it() {
        for name in [&b"42_story_x.md"[..], b"a\\b.md", b"\xff\xfe.md", b"a\\x41.md", "\u{3000}ü.md".as_bytes()] {
            let key = key_of(name);
            assert_eq!(name_of(&key).as_deref().map(bytes_of), Some(name), "{key}");
        }
        for key in ["", "..", "a/b", "a\\q", "\\x0", "\\x00"] {
            assert_eq!(name_of(key), None, "{key}");
        }
    }

    #[test]
    fn a_save_that_is_not_over_is_empty_or_has_an_open_fence() {
        for half in ["", "---", "---\nname: x\n", "\u{feff}---\r\nname: x\r\n"] {
            assert!(is_half_written(half.as_bytes()), "{half:?}");
        }
        for whole in ["# x", "---\n---\n", "---\r\nname: x\r\n---\r\nx", "text\n---\n"] {
            assert!(!is_half_written(whole.as_bytes()), "{whole:?}");
        }
    }
}
