//! Code in colours: a tokenizer small enough to be wrong at times and never slow. One line at a time, no state.

/// A run of text in one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// The class; empty for plain text.
    pub(super) class: &'static str,
    pub(super) text: String,
    /// Whether it is what changed.
    pub(super) marked: bool,
}

/// What a file is written in, as far as colours go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Language {
    /// Comments begin with `//`.
    Slashes,
    /// Comments begin with `#`.
    Hash,
    /// Comments begin with `--`.
    Dashes,
    /// No colours.
    #[default]
    Plain,
}

const WORDS: &[&str] = &[
    "abstract",
    "and",
    "as",
    "async",
    "await",
    "begin",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "crate",
    "def",
    "default",
    "defer",
    "del",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "enum",
    "esac",
    "except",
    "export",
    "extends",
    "extern",
    "false",
    "fi",
    "final",
    "finally",
    "fn",
    "for",
    "from",
    "func",
    "function",
    "go",
    "goto",
    "if",
    "impl",
    "import",
    "in",
    "interface",
    "is",
    "lambda",
    "let",
    "local",
    "loop",
    "match",
    "mod",
    "module",
    "move",
    "mut",
    "new",
    "nil",
    "none",
    "not",
    "null",
    "or",
    "override",
    "package",
    "pass",
    "private",
    "protected",
    "pub",
    "public",
    "raise",
    "ref",
    "return",
    "select",
    "self",
    "static",
    "struct",
    "super",
    "switch",
    "then",
    "this",
    "throw",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "undefined",
    "unsafe",
    "use",
    "var",
    "void",
    "where",
    "while",
    "with",
    "yield",
];

impl Language {
    /// By the file's name.
    pub(super) fn of(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.').map_or(name, |(_, end)| end) {
            "rs" | "c" | "h" | "cc" | "cpp" | "hpp" | "cs" | "go" | "java" | "js" | "jsx" | "kt" | "mjs"
            | "php" | "scala" | "swift" | "ts" | "tsx" | "css" | "scss" | "dart" | "zig" | "json" => {
                Self::Slashes
            }
            "py" | "rb" | "sh" | "bash" | "toml" | "yaml" | "yml" | "pl" | "r" | "nix" | "Makefile"
            | "Dockerfile" | "ex" => Self::Hash,
            "sql" | "lua" | "hs" | "elm" => Self::Dashes,
            _ => Self::Plain,
        }
    }

    const fn comment(self) -> &'static str {
        match self {
            Self::Slashes => "//",
            Self::Hash => "#",
            Self::Dashes => "--",
            Self::Plain => "",
        }
    }
}

/// The line in pieces; together they are the line.
pub(super) fn spans(line: &str, language: Language) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut push = |class: &'static str, text: &str| match spans.last_mut() {
        Some(last) if last.class == class => last.text.push_str(text),
        _ => spans.push(Span { class, text: text.to_owned(), marked: false }),
    };
    if language == Language::Plain {
        push("", line);
        return spans;
    }
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (class, length) = token(rest, first, language);
        push(class, &rest[..length]);
        rest = &rest[length..];
    }
    spans
}

/// The class and the length of what the text begins with.
fn token(rest: &str, first: char, language: Language) -> (&'static str, usize) {
    let while_is = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
    if rest.starts_with(language.comment()) {
        return ("s-com", rest.len());
    }
    match first {
        '"' | '`' => ("s-str", string(rest, first)),
        // A lifetime or an apostrophe is no string.
        '\'' if string(rest, first) < rest.len() || rest.ends_with('\'') && rest.len() > 1 => {
            let length = string(rest, first);
            if language == Language::Slashes && length > 12 && !rest[..length].contains(' ') {
                ("", 1)
            } else {
                ("s-str", length)
            }
        }
        c if c.is_ascii_digit() => ("s-num", while_is(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')),
        c if c.is_alphabetic() || c == '_' => {
            let length = while_is(|c| c.is_alphanumeric() || c == '_');
            let word = &rest[..length];
            let class = if WORDS.binary_search(&word).is_ok() {
                "s-kw"
            } else if rest[length..].starts_with('(') || rest[length..].starts_with("!(") {
                "s-fn"
            } else if c.is_uppercase() {
                "s-ty"
            } else {
                ""
            };
            (class, length)
        }
        c => ("", c.len_utf8()),
    }
}

/// The length of a string that ends at its quote, or at the line's end.
fn string(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_for_the_search() {
        assert!(WORDS.is_sorted());
    }

    #[test]
    fn code_is_split_and_nothing_is_lost() {
        let line = "    let tz: Zone = zone(\"a \\\" b\", 0x1f)?; // why — not";
        let spans = spans(line, Language::Slashes);
        let whole: String = spans.iter().map(|span| span.text.as_str()).collect();
        assert_eq!(whole, line);
        let of = |class: &str| -> Vec<&str> {
            spans.iter().filter(|span| span.class == class).map(|span| span.text.as_str()).collect()
        };
        assert_eq!((of("s-kw"), of("s-ty"), of("s-fn")), (vec!["let"], vec!["Zone"], vec!["zone"]));
        assert_eq!((of("s-str"), of("s-num")), (vec!["\"a \\\" b\""], vec!["0x1f"]));
        assert_eq!(of("s-com"), ["// why — not"]);
    }

    #[test]
    fn any_text_comes_out_as_it_went_in() {
        for line in ["", "'", "\"", "\\", "'a", "é'ü\"", "#", "\u{1f600}'\\", "0.", "<script>"] {
            for language in [Language::Slashes, Language::Hash, Language::Dashes, Language::Plain] {
                let whole: String = spans(line, language).iter().map(|span| span.text.as_str()).collect();
                assert_eq!(whole, line);
            }
        }
    }
}
