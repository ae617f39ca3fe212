//! What other tools take a file's front matter for: the reading of the `gray_matter` crate, which follows the convention
//! that the format comes from.
//!
//! It recognises blocks and nothing else: the YAML is never read through it (it expands aliases without a limit and
//! drops bytes), and offsets come from `fence`.

use gray_matter::engine::Engine;
use gray_matter::{Matter, ParsedEntity, Pod};

/// An engine that reads no YAML.
struct Unread;

impl Engine for Unread {
    fn parse(_: &str) -> gray_matter::Result<Pod> {
        Ok(Pod::Null)
    }
}

/// The block that the convention sees in `text`, trimmed and with `\n` as line end; none where it sees none, or an
/// empty one.
pub fn block_as_others_read_it(text: &str) -> Option<String> {
    let entity: ParsedEntity<Pod> = Matter::<Unread>::new().parse(text).ok()?;
    (!entity.matter.is_empty()).then_some(entity.matter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_yaml_is_read() {
        let text = "---\na: &a [*a, *a\nb: fix: it\n---\nbody\n";
        assert_eq!(block_as_others_read_it(text).as_deref(), Some("a: &a [*a, *a\nb: fix: it"));
        assert_eq!(block_as_others_read_it("body\n"), None);
    }
}
