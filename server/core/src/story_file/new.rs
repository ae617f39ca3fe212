//! New stories: their id from a title, and the text of their file.

use crate::front_matter;
use crate::front_matter::lines::one_line;
use crate::ids::{STORY_ID_LEN_MAX, StoryId};
use crate::story::Kind;

/// Longest slug of a new id, in bytes.
const SLUG_LEN_MAX: usize = 50;

/// The id `<number>_<kind>_<slug>` of a new story.
pub fn new_id(number: u64, kind: Kind, title: &str) -> StoryId {
    let slug = slug(title);
    let text = if slug.is_empty() { format!("{number}_{kind}") } else { format!("{number}_{kind}_{slug}") };
    debug_assert!(text.len() <= STORY_ID_LEN_MAX);
    StoryId::new(&text).expect("a number, a kind and a slug of letters, digits and `_` are an id")
}

/// The text of a new story's file. Without a body it is the kind's own.
pub fn new_text(title: &str, kind: Kind, body: Option<&str>) -> String {
    let name = front_matter::quoted(&one_line(title, super::NAME_CHARS_MAX));
    let body = body.unwrap_or_else(|| new_body(kind));
    let end = if body.is_empty() || body.ends_with('\n') { "" } else { "\n" };
    format!("---\nname: {name}\n---\n{body}{end}")
}

/// What the body of a new story holds.
pub const fn new_body(kind: Kind) -> &'static str {
    match kind {
        Kind::Story => include_str!("../../../../templates/stories/story.md"),
        Kind::Bug => include_str!("../../../../templates/stories/bug.md"),
        Kind::Spike => include_str!("../../../../templates/stories/spike.md"),
        Kind::Refactor => include_str!("../../../../templates/stories/refactor.md"),
        Kind::Chore => include_str!("../../../../templates/stories/chore.md"),
        Kind::Epic => include_str!("../../../../templates/stories/epic.md"),
    }
}

/// Lower-case ASCII words with `_` between them, cut at a word.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for word in title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let gap = usize::from(!slug.is_empty());
        if slug.len() + gap + word.len() > SLUG_LEN_MAX {
            if slug.is_empty() {
                slug.push_str(&word[..SLUG_LEN_MAX]);
            }
            break;
        }
        if gap == 1 {
            slug.push('_');
        }
        slug.push_str(word);
    }
    slug.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stage::Stage;
    use crate::story_file::parse;

    #[test]
    fn ids_say_number_kind_and_title() {
        let id = |title| new_id(42, Kind::Story, title).to_string();
        assert_eq!(id("Log in with a passkey"), "42_story_log_in_with_a_passkey");
        assert_eq!(id("  Don't   panic! "), "42_story_don_t_panic");
        assert_eq!(id("日本"), "42_story");
        assert_eq!(id("x.lock"), "42_story_x_lock");
        assert_eq!(id(&"word ".repeat(99)), format!("42_story_{}", ["word"; 10].join("_")));
    }

    #[test]
    fn every_kind_has_a_body_that_reads_as_itself() {
        for kind in Kind::ALL {
            let id = new_id(7, kind, "Say hello");
            let text = new_text("Say hello", kind, None);
            let story = parse(Stage::Backlog, &id.file_name(), text.as_bytes()).expect("a story");
            assert_eq!((&*story.name, story.kind), ("Say hello", kind));
        }
    }

    proptest! {
        #[test]
        fn any_title_makes_a_story(title: String, body: String, number: u64) {
            let id = new_id(number, Kind::Refactor, &title);
            let text = new_text(&title, Kind::Refactor, Some(&body));
            let story = parse(Stage::Backlog, &id.file_name(), text.as_bytes()).expect("a story");
            let name = one_line(&title, crate::story_file::NAME_CHARS_MAX);
            if !name.is_empty() {
                prop_assert_eq!(story.name, name);
            }
            prop_assert_eq!(story.kind, Kind::Refactor);
        }
    }
}
