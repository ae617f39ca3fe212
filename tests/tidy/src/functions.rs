//! Finds the functions of a source: their names, lengths and parameters.

use crate::mask::is_word;
use crate::source::{Source, closing};

/// One function.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// The lines of its body that hold code; 0 where it has none.
    pub lines: usize,
    /// Its parameters besides `self`.
    pub parameters: usize,
}

/// All functions with a name, inner ones too.
pub fn functions(source: &Source) -> Vec<Function> {
    let code = source.masked.code.as_str();
    code.match_indices("fn ").filter_map(|(at, _)| function(source, code, at)).collect()
}

fn function(source: &Source, code: &str, at: usize) -> Option<Function> {
    if code[..at].ends_with(is_word) {
        return None;
    }
    let name: String = code[at + 3..].trim_start().chars().take_while(|c| is_word(*c)).collect();
    if name.is_empty() {
        return None;
    }
    let open = parameters_at(code, at)?;
    let close = closing(code, open);
    let body = body_at(code, close + 1);
    let lines = body.map_or(0, |body| {
        let inside = &code[body + 1..closing(code, body)];
        inside.lines().filter(|line| !line.trim().is_empty()).count()
    });
    let list = &code[open + 1..close];
    let receiver = list.split(',').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let has_self = receiver.split(|c: char| !is_word(c)).any(|word| word == "self");
    let parameters = count(list) - usize::from(has_self);
    Some(Function { name, line: source.line_of(at), lines, parameters })
}

/// The `(` of the parameters: the first one outside of the generics' angle brackets.
fn parameters_at(code: &str, at: usize) -> Option<usize> {
    let mut angles = 0_i32;
    let mut before = ' ';
    for (ahead, c) in code[at..].char_indices() {
        match c {
            '<' => angles += 1,
            '>' if before != '-' && before != '=' => angles -= 1,
            '(' if angles == 0 => return Some(at + ahead),
            '{' | ';' if angles == 0 => return None,
            _ => {}
        }
        before = c;
    }
    None
}

/// The `{` of the body; none for a declaration.
fn body_at(code: &str, behind: usize) -> Option<usize> {
    let mut at = behind;
    while let Some(ahead) = code[at..].find(['{', ';', '(', '[']) {
        at += ahead;
        match code.as_bytes()[at] {
            b'{' => return Some(at),
            b';' => return None,
            _ => at = closing(code, at) + 1,
        }
    }
    None
}

/// The parts between top-level commas.
fn count(list: &str) -> usize {
    let mut depth = 0_i32;
    let mut before = ' ';
    let mut parts = 0;
    let mut filled = false;
    for c in list.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if before != '-' && before != '=' => depth -= 1,
            ',' if depth == 0 => {
                parts += usize::from(filled);
                filled = false;
                before = c;
                continue;
            }
            _ => {}
        }
        filled |= !c.is_whitespace();
        before = c;
    }
    parts + usize::from(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, usize, usize)> {
        functions(&Source::new("server/src/x.rs", text))
            .into_iter()
            .map(|function| (function.name, function.lines, function.parameters))
            .collect()
    }

    #[test]
    fn parameters_and_lines_are_counted() {
        assert_eq!(of("fn a() {}"), [("a".to_owned(), 0, 0)]);
        let text = "pub const fn a<F: Fn(u8, u8) -> u8, const N: usize>(\n    &mut self,\n    f: F,\n    b: HashMap<u8, (u8, u8)>,\n) -> [u8; 4]\nwhere\n    F: Copy,\n{\n    // nothing\n\n    let x = \"fn b() {\";\n    f(1, 2)\n}\n";
        assert_eq!(of(text), [("a".to_owned(), 2, 2)]);
    }

    #[test]
    fn declarations_types_and_closures_are_not_bodies() {
        assert_eq!(of("trait T { fn a(&self, b: impl Fn(u8) -> u8); }"), [("a".to_owned(), 0, 1)]);
        assert_eq!(
            of("fn a(mut self: Box<Self>, b: u8) {} fn b(myself: u8) {}").iter().map(|f| f.2).sum::<usize>(),
            2
        );
        assert_eq!(of("type F = fn (u8) -> u8; struct S { f: fn(u8) }"), []);
        assert_eq!(of("fn a() { fn b(x: u8) { x; } }").len(), 2);
    }
}
