//! Markdown of stories as HTML: two walls between an author's text and the page.
//!
//! comrak leaves raw HTML and dangerous links out; ammonia then lets through what is listed here and nothing else.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::Builder;
use comrak::nodes::NodeValue;
use comrak::{Arena, Options, markdown_to_html, parse_document};
use storkit_core::story_file::Criterion;

/// Longest text that is rendered, in bytes; the rest is said to be missing.
const LEN_MAX: usize = 512 * 1024;

static WALL: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut wall = Builder::empty();
    wall.tags(HashSet::from([
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "input",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]))
    .tag_attributes(HashMap::from([
        ("a", HashSet::from(["href"])),
        ("input", HashSet::from(["type", "checked", "disabled"])),
        ("ol", HashSet::from(["start"])),
    ]))
    .url_schemes(HashSet::from(["http", "https", "mailto"]))
    .url_relative(ammonia::UrlRelative::Deny)
    .link_rel(Some("noopener noreferrer nofollow"))
    .set_tag_attribute_value("a", "target", "_blank");
    wall
});

/// The text as HTML that a page may show as it is.
pub(super) fn render(text: &str) -> String {
    let (shown, cut) = match text.get(..floor(text, LEN_MAX)) {
        Some(shown) if shown.len() < text.len() => (shown, true),
        _ => (text, false),
    };
    let html = lower_headings(&markdown_to_html(shown, &options()));
    let mut html = WALL.clean(&html).to_string();
    html = html.replace(BOX, &format!("{BOX} aria-label=\"box\""));
    if cut {
        html.push_str("<p>The rest is left out: the text is over 512 KiB.</p>");
    }
    html
}

/// How a box begins once it is through the walls.
const BOX: &str = "<input type=\"checkbox\"";

/// A story's text with its criteria to be ticked: the boxes of `section`, a part of it, are the criteria in order. Where
/// Markdown sees other boxes there than the board does, all are shown alone.
pub(super) fn with_criteria(text: &str, section: Option<&str>, criteria: &[Criterion]) -> String {
    let html = render(text);
    let inside = section.and_then(|section| {
        let from = section.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        let line = |at: usize| text.get(..at).map(|before| before.matches('\n').count() + 1);
        Some(line(from)?..=line(from + section.len())?)
    });
    let Some(inside) = inside else { return html };
    let boxes = boxes(text);
    let of_section: Vec<bool> =
        boxes.iter().filter(|(line, _)| inside.contains(line)).map(|(_, done)| *done).collect();
    let same = of_section.iter().eq(criteria.iter().map(|criterion| &criterion.done));
    if !same || html.matches(BOX).count() != boxes.len() {
        return html;
    }
    let mut parts = html.split(BOX);
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut number = 0;
    for (part, (line, _)) in parts.zip(boxes) {
        out.push_str(BOX);
        if inside.contains(&line) {
            number += 1;
            out += &format!(" data-criterion=\"{number}\"");
            let (tag, rest) = part.split_once('>').unwrap_or((part, ""));
            let tag = tag.replace("aria-label=\"box\"", &format!("aria-label=\"Criterion {number}\""));
            out += &format!("{}>{rest}", tag.replace(" disabled=\"\"", ""));
        } else {
            out.push_str(part);
        }
    }
    out
}

/// The boxes of a text in their order: the line of each, from 1, and whether it is ticked.
fn boxes(text: &str) -> Vec<(usize, bool)> {
    let (arena, options) = (Arena::new(), options());
    let root = parse_document(&arena, text, &options);
    let boxes = root.descendants().filter_map(|node| {
        let node = node.data.borrow();
        let NodeValue::TaskItem(ticked) = &node.value else { return None };
        Some((node.sourcepos.start.line, ticked.symbol.is_some()))
    });
    boxes.collect()
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.render.r#unsafe = false;
    options
}

/// The page has the heading 1 for itself, and no level is left out on the way down.
fn lower_headings(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let (mut rest, mut level) = (html, 1);
    while let Some(at) = rest.find("<h") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let digit = tag.as_bytes().get(2).filter(|_| tag.as_bytes().get(3) == Some(&b'>'));
        let Some(written @ b'1'..=b'6') = digit.copied() else {
            out.push_str("<h");
            rest = &tag[2..];
            continue;
        };
        level = (written - b'0' + 1).min(level + 1).min(6);
        let end = format!("</h{}>", char::from(written));
        let (inside, after) = tag[4..].split_once(&end).unwrap_or((&tag[4..], ""));
        out += &format!("<h{level}>{inside}</h{level}>");
        rest = after;
    }
    out + rest
}

fn floor(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use storkit_core::story_file::Doc;

    use super::{render, with_criteria};

    #[test]
    fn what_markdown_can_say_is_shown() {
        let html = render("# One\n\n- [x] done\n- [ ] open\n\n`a < b` **bold** <https://example.com>\n");
        assert!(html.contains("<h2>One</h2>"), "{html}");
        assert!(html.contains("checked"), "{html}");
        assert!(html.contains("<code>a &lt; b</code> <strong>bold</strong>"), "{html}");
        assert!(html.contains("href=\"https://example.com\""), "{html}");
    }

    #[test]
    fn headings_go_down_without_a_gap() {
        let html = render("## A\n\n#### B\n\n# C\n\n`<h1>`\n");
        assert!(
            html.contains("<h2>A</h2>") && html.contains("<h3>B</h3>") && html.contains("<h2>C</h2>"),
            "{html}"
        );
        assert!(html.contains("&lt;h1&gt;"), "{html}");
    }

    #[test]
    fn criteria_can_be_ticked_and_no_other_box() {
        let text = "- [ ] not one\n\n## Acceptance criteria\n- [x] a\n```\n- [ ] code\n```\n- [ ] b\n\n## More\n- [ ] nor this\n";
        let doc = Doc::new(text);
        let html = with_criteria(text, doc.section("Acceptance criteria"), &doc.criteria());
        let boxes: Vec<&str> =
            html.split("<input").skip(1).map(|rest| &rest[..rest.find('>').expect("closed")]).collect();
        let (own, others): (Vec<&str>, Vec<&str>) =
            boxes.iter().partition(|one| one.contains("data-criterion"));
        assert_eq!((own.len(), others.len()), (2, 2), "{html}");
        assert!(
            own.iter().all(|one| !one.contains("disabled"))
                && others.iter().all(|one| one.contains("disabled"))
        );
        assert!(own[0].contains("\"1\"") && own[0].contains("checked") && own[1].contains("\"2\""), "{html}");
        // Of boxes that are told apart otherwise none can be ticked.
        assert!(!with_criteria(text, doc.section("Acceptance criteria"), &[]).contains("data-criterion"));
    }

    #[test]
    fn no_text_becomes_a_script_a_style_or_a_request() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "![x](https://example.com/track.png)",
            "[x](javascript:alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "<a href=\"jAvAsCrIpT:alert(1)\">x</a>",
            "<svg><style><img src=x onerror=alert(1)></style></svg>",
            "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
            "<form action=/api/v1/down><button>x</button></form>",
            "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
            "<p style=\"background:url(//example.com)\" class=card id=main data-do=stop>x</p>",
            "```\"><script>alert(1)</script>\nx\n```",
        ] {
            let html = render(hostile);
            for bad in [
                "<script", "<img", "<svg", "<style", "<iframe", "<form", "<button", "href=\"j", "href=\"d",
                " style=", " class=", " id=", "data-",
            ] {
                assert!(!html.to_lowercase().contains(bad), "{hostile} gave {html}");
            }
        }
    }
}
