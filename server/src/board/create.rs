//! Making a new story: the next number, a name made of its title, and a file that replaces none.

use std::fs::File;
use std::io::{Read, Seek, Write};

use storkit_core::front_matter::{EditError, with_name};
use storkit_core::ids::{IdError, StoryId};
use storkit_core::stage::Stage;
use storkit_core::story::Kind;

use super::text::{self, Name, STORY_BYTES_MAX};
use super::{Board, BoardError};
use crate::sys::fs::{Dir, FsError, unique_name, write_new};

/// Longest slug, in bytes.
const SLUG_LEN_MAX: usize = 50;
/// Longest title, in characters.
const TITLE_LEN_MAX: usize = 500;
/// Numbers above this are someone's joke, and do not raise the next one.
const NUMBER_MAX: u64 = 1_000_000_000;
/// The lock under which a number is chosen, in `run/`; it holds the highest number given.
const LOCK_NAME: &str = "create.lock";

/// A story to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStory {
    /// Its title.
    pub title: String,
    /// The sort of work.
    pub kind: Kind,
    /// Where it begins.
    pub stage: Stage,
    /// Its text below the front matter; none for the kind's own. A text that begins with front matter is the whole
    /// file.
    pub body: Option<String>,
}

/// Why a story was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The board cannot be written.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The title has no text.
    #[error("a story needs a title")]
    NoTitle,
    /// The title or the text is too long.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// The text begins with front matter that cannot be read.
    #[error("its front matter cannot be read: {0}")]
    FrontMatter(#[from] EditError),
    /// No id could be made.
    #[error("no id could be made for it: {0}")]
    Id(#[from] IdError),
}

impl Board {
    /// Makes the story's file and answers its id. The number is one more than any on the board, any given here
    /// before, and `highest_seen`, which the history and the ledger know.
    pub fn create(&self, new: &NewStory, highest_seen: u64) -> Result<StoryId, CreateError> {
        let title = new.title.split_whitespace().collect::<Vec<_>>().join(" ");
        if title.is_empty() {
            return Err(CreateError::NoTitle);
        }
        if title.chars().count() > TITLE_LEN_MAX {
            return Err(CreateError::TooLong("the title"));
        }
        let bytes = content(&title, new)?.into_bytes();
        if u64::try_from(bytes.len()).is_ok_and(|length| length > STORY_BYTES_MAX) {
            return Err(CreateError::TooLong("the text"));
        }
        let mut lock = self.number_lock()?;
        let mut number = self.highest_number().max(read_number(&mut lock)).max(highest_seen.min(NUMBER_MAX));
        loop {
            number += 1;
            let id = StoryId::new(&format!("{number}_{}_{}", new.kind, slug(&title)))?;
            if self.write_story(&id, new.stage, &bytes)? {
                write_number(&mut lock, number).map_err(|source| self.lock_failed(source))?;
                return Ok(id);
            }
        }
    }

    /// Makes a story's file with these bytes; false where a file of that name is there.
    pub(super) fn write_story(&self, id: &StoryId, stage: Stage, bytes: &[u8]) -> Result<bool, BoardError> {
        let path = self.layout.story(stage, id);
        let tag = unique_name("new");
        let made = self.stage_dir(stage).and_then(|dir| {
            let tmp = Dir::open(&self.layout.tmp())?;
            write_new(&tmp, &tag, bytes, 0o644)?;
            let placed = tmp.rename_noreplace(&tag, &dir, id.file_name());
            if placed.is_err() {
                tmp.remove(&tag)?;
            }
            placed?;
            dir.sync()
        });
        match made {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(source) => Err(FsError::of("make", &path, source).into()),
        }
    }

    fn number_lock(&self) -> Result<File, BoardError> {
        let path = self.layout.run().join(LOCK_NAME);
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
        opened.and_then(|file| file.lock().map(|()| file)).map_err(|source| self.lock_failed(source))
    }

    fn lock_failed(&self, source: std::io::Error) -> BoardError {
        FsError::of("lock", &self.layout.run().join(LOCK_NAME), source).into()
    }

    /// The highest number on the board now.
    fn highest_number(&self) -> u64 {
        let mut highest = 0;
        for stage in Stage::ALL {
            let Ok(dir) = self.stage_dir(stage) else { continue };
            // A folder that cannot be read now is told of by the next scan.
            let _ = dir.entries(|name, _| {
                if text::classify(stage, name) != Name::Ignored {
                    highest = highest.max(number_of(name));
                }
            });
        }
        highest
    }
}

/// The number at the beginning of a file's name; 0 where there is none that counts.
pub(super) fn number_of(name: &[u8]) -> u64 {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&name[..digits]).ok().and_then(|digits| digits.parse().ok());
    number.filter(|number| *number <= NUMBER_MAX).unwrap_or(0)
}

fn read_number(lock: &mut File) -> u64 {
    let mut text = String::new();
    if lock.take(32).read_to_string(&mut text).is_err() {
        return 0;
    }
    number_of(text.as_bytes())
}

fn write_number(lock: &mut File, number: u64) -> std::io::Result<()> {
    lock.rewind()?;
    lock.set_len(0)?;
    writeln!(lock, "{number}")
}

/// A title as a part of an id: lower-case ASCII letters and digits, other signs as `_`, at most 50 bytes.
pub fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars().flat_map(char::to_lowercase) {
        let plain = plain_letters(c);
        if plain.is_empty() {
            if !slug.is_empty() && !slug.ends_with('_') {
                slug.push('_');
            }
        } else {
            slug.push_str(plain.as_str());
        }
    }
    slug.truncate(SLUG_LEN_MAX);
    let slug = slug.trim_matches('_');
    if slug.is_empty() { "untitled".to_owned() } else { slug.to_owned() }
}

/// A letter without its marks, where it is one that European languages use; none where it is no letter of ASCII.
fn plain_letters(c: char) -> String {
    let plain = match c {
        'a'..='z' | '0'..='9' => return c.to_string(),
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ą' | 'ă' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ø' | 'ō' | 'ő' => "o",
        'ö' | 'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ū' | 'ů' | 'ű' => "u",
        'ü' => "ue",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => "",
    };
    plain.to_owned()
}

fn content(title: &str, new: &NewStory) -> Result<String, EditError> {
    Ok(match &new.body {
        Some(body) if body.trim_start_matches('\u{feff}').starts_with("---\n") => with_name(body, title)?,
        Some(body) => format!("---\nname: {}\n---\n\n{}\n", yaml_text(title), body.trim_end()),
        None => format!("---\nname: {}\n---\n\n{}", yaml_text(title), body_of(new.kind)),
    })
}

/// What a new story of that kind asks its writer.
const fn body_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Story => "As a user …\n\n## Acceptance criteria\n\n- [ ] …\n",
        Kind::Bug => {
            "What happens, what should happen, and how to see it.\n\n## Acceptance criteria\n\n- [ ] A test fails without the fix and passes with it\n"
        }
        Kind::Spike => "The question, and why it matters.\n\n## Findings\n\n",
        Kind::Refactor => {
            "What is hard now, and the shape that it should have.\n\n## Acceptance criteria\n\n- [ ] Behaviour is unchanged\n"
        }
        Kind::Chore => "What is to be done.\n\n## Acceptance criteria\n\n- [ ] …\n",
        Kind::Epic => "What these stories are for; this text goes before the prompt of each.\n",
    }
}

/// A text as a YAML value: as it is where that is surely a text, else in double quotes, by JSON's rules, which
/// YAML shares.
fn yaml_text(text: &str) -> String {
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_alphanumeric() || " _.,()/'-".contains(c))
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_a_slug() {
        assert_eq!(slug("Log in with a passkey!"), "log_in_with_a_passkey");
        assert_eq!(slug("  ../../etc/passwd -- $(x)"), "etc_passwd_x");
        assert_eq!(slug("Größe über Ångström"), "groesse_ueber_angstroem");
        assert_eq!(slug("日本語"), "untitled");
        assert!(slug(&"x".repeat(200)).len() <= SLUG_LEN_MAX);
        assert_eq!(slug(&format!("{} y", "x".repeat(49))), "x".repeat(49));
    }

    #[test]
    fn a_title_is_quoted_where_yaml_would_read_something_else() {
        assert_eq!(yaml_text("Log in (again)"), "Log in (again)");
        assert_eq!(yaml_text("fix: the thing"), "\"fix: the thing\"");
        assert_eq!(yaml_text("No"), "\"No\"");
        assert_eq!(yaml_text("say \"hi\" # now"), "\"say \\\"hi\\\" # now\"");
    }
}
