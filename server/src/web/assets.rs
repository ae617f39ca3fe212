//! The files of the page, as they are compiled in: a shell that holds no data, its styles and its scripts.

use std::hash::{DefaultHasher, Hash, Hasher};

/// What a page may load and run: its own files, no inline script or style, and HTML only by way of one policy.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types storkit";

/// One file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Its name below `/assets/`.
    pub name: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// Its bytes.
    pub text: &'static str,
}

/// The addresses of pages; each answers with the shell.
pub const PAGES: &[&str] = &[
    "/",
    "/new",
    "/agents",
    "/queue",
    "/usage",
    "/problems",
    "/archive",
    "/keys",
    "/settings",
    "/s/{id}",
    "/s/{id}/{tab}",
];

/// Whether an address is a page's: its answer is the shell, whatever else stands in it.
pub fn is_page(path: &str) -> bool {
    let mut story = path.strip_prefix("/s/").unwrap_or_default().split('/');
    let is_story = story.next().is_some_and(|id| !id.is_empty()) && story.nth(1).is_none();
    PAGES.contains(&path) && !path.contains('{') || is_story
}

impl Asset {
    /// What tells this version of it from another, as an entity tag.
    pub fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        format!("\"{:x}\"", hasher.finish())
    }
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! embedded {
    ($($name:literal $kind:ident),+ $(,)?) => {
        &[$(Asset { name: $name, kind: $kind, text: include_str!(concat!("assets/", $name)) }),+]
    };
}

/// All of them.
pub(super) const ASSETS: &[Asset] = embedded!(
    "board.css" CSS,
    "terminal.css" CSS,
    "acts.js" SCRIPT,
    "app.js" SCRIPT,
    "board.js" SCRIPT,
    "core.js" SCRIPT,
    "diff.js" SCRIPT,
    "drag.js" SCRIPT,
    "forms.js" SCRIPT,
    "live.js" SCRIPT,
    "runs.js" SCRIPT,
    "icon.svg" SVG,
    "icon-dot.svg" SVG,
);

/// The page that every address of the board answers with: it holds no data.
pub fn shell() -> &'static str {
    include_str!("assets/shell.html")
}

/// A file of the page by its name.
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}
