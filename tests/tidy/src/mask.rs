//! Takes a Rust source apart into code and comments, each laid out as the source is.

/// A source's two halves: all other characters than line ends are blanked in each.
#[derive(Debug, PartialEq, Eq)]
pub struct Masked {
    /// The code, with the insides of strings and characters blanked.
    pub code: String,
    /// The comments, with their slashes.
    pub comments: String,
}

/// Masks `text`. What it does not understand stays code.
pub fn mask(text: &str) -> Masked {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = Masker { chars: &chars, code: String::new(), comments: String::new(), at: 0 };
    while masked.at < chars.len() {
        masked.next();
    }
    Masked { code: masked.code, comments: masked.comments }
}

struct Masker<'t> {
    chars: &'t [char],
    code: String,
    comments: String,
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Code,
    Comments,
    Neither,
}

impl Masker<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Takes `count` characters over.
    fn take(&mut self, count: usize, to: To) {
        for _ in 0..count.min(self.chars.len() - self.at) {
            let c = self.chars[self.at];
            let blank = if c == '\n' { '\n' } else { ' ' };
            self.code.push(if to == To::Code { c } else { blank });
            self.comments.push(if to == To::Comments { c } else { blank });
            self.at += 1;
        }
    }

    fn next(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                let length = self.chars[self.at..].iter().take_while(|c| **c != '\n').count();
                self.take(length, To::Comments);
            }
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(0, true),
            ('r' | 'b' | 'c', _) if !self.inside_word() => self.prefixed(),
            ('\'', _) => self.quote(),
            _ => self.take(1, To::Code),
        }
    }

    fn inside_word(&self) -> bool {
        self.at > 0 && is_word(self.chars[self.at - 1])
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.take(1, To::Comments);
                    if self.at >= self.chars.len() {
                        return;
                    }
                    continue;
                }
            }
            self.take(2, To::Comments);
            if depth == 0 {
                return;
            }
        }
    }

    /// `r"`, `r#"`, `b"`, `br#"`, `c"`, `b'` … or a word that only begins with such a letter.
    fn prefixed(&mut self) {
        let letters = (0..2).take_while(|ahead| matches!(self.peek(*ahead), 'r' | 'b' | 'c')).count();
        let raw = (0..letters).any(|ahead| self.peek(ahead) == 'r');
        let rest = self.chars.get(self.at + letters..).unwrap_or_default();
        let hashes = rest.iter().take_while(|c| **c == '#').count();
        match self.peek(letters + hashes) {
            '"' if raw || hashes == 0 => {
                self.take(letters + hashes, To::Code);
                self.string(hashes, !raw);
            }
            '\'' if letters == 1 && hashes == 0 && self.peek(0) == 'b' => {
                self.take(1, To::Code);
                self.quote();
            }
            _ => self.take(1, To::Code),
        }
    }

    /// From the opening quote to behind the closing one.
    fn string(&mut self, hashes: usize, escapes: bool) {
        self.take(1, To::Code);
        while self.at < self.chars.len() {
            match self.peek(0) {
                '\\' if escapes => self.take(2, To::Neither),
                '"' if (1..=hashes).all(|ahead| self.peek(ahead) == '#') => {
                    self.take(1 + hashes, To::Code);
                    return;
                }
                _ => self.take(1, To::Neither),
            }
        }
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        if self.peek(1) == '\\' {
            self.take(1, To::Code);
            self.take(2, To::Neither);
            while self.at < self.chars.len() && self.peek(0) != '\'' {
                self.take(1, To::Neither);
            }
            self.take(1, To::Code);
        } else if self.peek(2) == '\'' {
            self.take(1, To::Code);
            self.take(1, To::Neither);
            self.take(1, To::Code);
        } else {
            self.take(1, To::Code);
        }
    }
}

/// Whether `c` can stand in a Rust word.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        mask(text).code
    }

    #[test]
    fn strings_and_characters_lose_their_insides() {
        assert_eq!(
            code(r#"f("a\"b{", '{', '\'', '\u{7b}', b'{', b"{")"#),
            r#"f("     ", ' ', '  ', '      ', b' ', b" ")"#
        );
        assert_eq!(code("r#\"a\"{\"# + br\"\\\" + c\"x\""), "r#\"   \"# + br\" \" + c\" \"");
        assert_eq!(code("fn f<'a>(x: &'a str) { 'x: loop {} }"), "fn f<'a>(x: &'a str) { 'x: loop {} }");
        assert_eq!(code("var(\"{\"); bar(\"}\")"), "var(\" \"); bar(\" \")");
    }

    #[test]
    fn comments_go_to_the_other_half_and_lines_stay() {
        let masked = mask("a // b \"\n/* c /* d */ { */ e \"//\"\n");
        assert_eq!(masked.code, "a       \n                  e \"  \"\n");
        assert_eq!(masked.comments, "  // b \"\n/* c /* d */ { */       \n");
    }

    #[test]
    fn broken_text_ends() {
        for text in ["\"", "r#\"", "/*", "'", "b'", "'\\", "//", "/*/"] {
            assert_eq!(mask(text).code.chars().count(), text.chars().count(), "{text}");
        }
    }
}
