//! Screens at which the runtimes' own programs wait for a person: what they show, and what each of them wants.
//!
//! Where nobody sits at the terminal such a program waits for ever. A screen is known by words that stand on it in
//! their order, blanks and frames left out, for programs place words by moving the cursor.

use super::ending::Ending;

/// Most characters of a screen that are kept.
const SCREEN_LEN_MAX: usize = 4096;
/// A screen is what was shown last: at most so many characters stand behind the words that it is known by.
const BEHIND_MAX: usize = 600;

/// What a screen wants of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// To say that the folder is trusted.
    Trust,
    /// To log in.
    Login,
    /// To say that a key may be used.
    Key,
    /// To accept that it does everything without asking.
    Leave,
    /// To choose whether to update.
    Update,
    /// To choose how it looks, as at its first start.
    Onboarding,
}

/// A screen of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Screen {
    /// Whose.
    pub program: &'static str,
    /// What it wants.
    pub wants: Wants,
    /// What ends it for good, typed or written by a person once.
    pub way_out: &'static str,
    /// Words on it, in their order.
    words: &'static [&'static str],
}

const CLAUDE: &str = "Claude Code";
const CODEX: &str = "Codex";
const GEMINI: &str = "Gemini CLI";

const CLAUDE_TRUST: &str =
    "run claude in the project once and say that the folder is trusted, or start it with -p";
const CLAUDE_LOGIN: &str = "run claude and log in, or let ANTHROPIC_API_KEY through with env_pass";
const CODEX_TRUST: &str =
    "run codex in the project once and say that the folder is trusted, or start it with exec";
const CODEX_LOGIN: &str = "codex login, or let CODEX_API_KEY through with env_pass";
const GEMINI_TRUST: &str = "run gemini in the project once and trust the folder, or add --skip-trust to args";
const GEMINI_LOGIN: &str = "run gemini and log in, or let GEMINI_API_KEY through with env_pass";

const fn screen(
    program: &'static str,
    wants: Wants,
    words: &'static [&'static str],
    way_out: &'static str,
) -> Screen {
    Screen { program, wants, way_out, words }
}

/// Seen on a terminal in Claude Code 2.1.197 and 2.1.329, Codex 0.169.0 and Gemini CLI 0.61.0, but for those that say
/// that their words were found in the program.
const SCREENS: &[Screen] = &[
    screen(
        CLAUDE,
        Wants::Trust,
        &["Is this a project you created or one you trust?", "Enter to confirm"],
        CLAUDE_TRUST,
    ),
    screen(
        CLAUDE,
        Wants::Leave,
        &["running in Bypass Permissions mode", "Yes, I accept"],
        "run claude --dangerously-skip-permissions once and accept, or start it with -p",
    ),
    // The next four by their words in the program.
    screen(
        CLAUDE,
        Wants::Key,
        &["Detected a custom API key", "Do you want to use this API key?"],
        "run claude once and say that the key may be used, or start it with -p",
    ),
    screen(CLAUDE, Wants::Login, &["Select login method"], CLAUDE_LOGIN),
    screen(CLAUDE, Wants::Login, &["Paste code here if prompted"], CLAUDE_LOGIN),
    screen(
        CLAUDE,
        Wants::Onboarding,
        &["Choose the text style"],
        "run claude once and answer its first questions, or start it with -p",
    ),
    screen(CODEX, Wants::Login, &["Sign in with ChatGPT", "Press enter to continue"], CODEX_LOGIN),
    screen(CODEX, Wants::Trust, &["Trust this folder?", "Trust and continue"], CODEX_TRUST),
    // The next two by their words in the program.
    screen(CODEX, Wants::Login, &["Finish signing in via your browser"], CODEX_LOGIN),
    screen(
        CODEX,
        Wants::Update,
        &["Update available", "Skip until next version"],
        "check_for_update_on_startup = false in ~/.codex/config.toml",
    ),
    screen(GEMINI, Wants::Trust, &["Do you trust the files in this folder?", "Trust folder ("], GEMINI_TRUST),
    screen(GEMINI, Wants::Login, &["Waiting for authentication..."], GEMINI_LOGIN),
    // The next three by their words in the program.
    screen(GEMINI, Wants::Login, &["How would you like to authenticate for this project?"], GEMINI_LOGIN),
    screen(GEMINI, Wants::Login, &["Enter the authorization code"], GEMINI_LOGIN),
    screen(GEMINI, Wants::Key, &["Enter Gemini API Key"], GEMINI_LOGIN),
];

impl Screen {
    /// The ending of a run that stands there.
    pub fn ending(&self) -> Ending {
        let asks = match self.wants {
            Wants::Trust => "asks whether the folder is trusted",
            Wants::Login => "wants somebody to log in",
            Wants::Key => "asks for a key",
            Wants::Leave => "asks to accept that it does everything without asking",
            Wants::Update => "asks whether to update",
            Wants::Onboarding => "asks the questions of its first start",
        };
        let text = format!("{} {asks}, and nobody is there to answer: {}", self.program, self.way_out);
        match self.wants {
            Wants::Login | Wants::Key => Ending::Authentication { text },
            Wants::Trust | Wants::Leave | Wants::Update | Wants::Onboarding => Ending::Configuration { text },
        }
    }
}

/// What a terminal shows last, as far as screens are known by it. Takes the output in pieces, cut anywhere.
#[derive(Debug, Default)]
pub struct Shown {
    text: String,
    line_has_begun: bool,
    in_object: bool,
}

impl Shown {
    /// Takes the next piece of plain text. A line that is an object is an agent's event: it is at work, and shows none.
    pub fn feed(&mut self, plain: &str) {
        for c in plain.chars() {
            if c == '\n' {
                self.line_has_begun = false;
                self.in_object = false;
            } else if !is_blank(c) {
                if !std::mem::replace(&mut self.line_has_begun, true) && c == '{' {
                    self.in_object = true;
                    self.text.clear();
                }
                if !self.in_object {
                    self.text.push(c);
                }
            }
        }
        if self.text.len() > 4 * SCREEN_LEN_MAX {
            self.text = last(&self.text, SCREEN_LEN_MAX).to_owned();
        }
    }

    /// The screen that it stands at, where it is a known one.
    pub fn screen(&self) -> Option<&'static Screen> {
        let text = last(&self.text, SCREEN_LEN_MAX);
        // The one that was shown last: programs go from one to the next.
        let found = SCREENS.iter().filter_map(|screen| Some((screen.within(text)?, screen)));
        let ((_, end), screen) = found.max_by_key(|((begin, _), _)| *begin)?;
        (text[end..].chars().count() <= BEHIND_MAX).then_some(screen)
    }
}

impl Screen {
    /// Where its words last begin and end in a text without blanks, where all are there.
    fn within(&self, text: &str) -> Option<(usize, usize)> {
        let bare = |words: &str| words.chars().filter(|c| !is_blank(*c)).collect::<String>();
        let (first, rest) = self.words.split_first()?;
        let begin = text.rfind(&bare(first))?;
        let mut end = begin + bare(first).len();
        for words in rest {
            let words = bare(words);
            end += text[end..].find(&words)? + words.len();
        }
        Some((begin, end))
    }
}

/// Blanks, and what frames are drawn with.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || ('\u{2500}'..='\u{259f}').contains(&c)
}

/// The last bytes of a text, beginning with a whole character.
fn last(text: &str, max: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(max))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&str]) -> Option<(&'static str, Wants)> {
        let mut shown = Shown::default();
        for piece in pieces {
            shown.feed(piece);
        }
        shown.screen().map(|screen| (screen.program, screen.wants))
    }

    #[test]
    fn screens_are_known_however_their_words_are_placed() {
        let claude = "Accessingworkspace:\n/repo\nQuicksafetycheck:Isthisaprojectyoucreatedoroneyoutrust?(Likeyour\
            owncode).\n❯1.Yes,Itrustthisfolder\n2.No,exit\nEntertoconfirm·Esctocancel";
        assert_eq!(shown(&[claude]), Some((CLAUDE, Wants::Trust)));
        assert_eq!(shown(&[&claude[..90], &claude[90..]]), Some((CLAUDE, Wants::Trust)));
        let codex = "Welcome to Codex   Choose. > 1. Sign in with ChatGPT     Usage included   Press enter to continue   ";
        assert_eq!(shown(&[codex]), Some((CODEX, Wants::Login)));
        let gemini = "⚠ Warning\n ╭───╮\n │ Do you trust the files in this folder?   │\n │ ● 1. Trust folder (repo) │\n";
        assert_eq!(shown(&[gemini]), Some((GEMINI, Wants::Trust)));
        let bypass =
            "WARNING:ClaudeCoderunninginBypassPermissionsmode\n❯1.No,exit\n2.Yes,Iaccept\nEntertoconfirm";
        assert_eq!(shown(&[claude, bypass]), Some((CLAUDE, Wants::Leave)), "the last one counts");
    }

    #[test]
    fn words_that_are_no_screen_are_none() {
        let login = "Select login method:";
        assert_eq!(shown(&[login]), Some((CLAUDE, Wants::Login)));
        assert_eq!(shown(&[login, &"It works on. ".repeat(100)]), None, "it went on");
        let event = format!("{{\"type\":\"text\",\"text\":\"{login}\"}}\n");
        assert_eq!(shown(&[&event]), None, "an agent may speak of it");
        assert_eq!(shown(&[login, "\n", "{\"type\":\"init\"}\n"]), None, "it is at work");
        assert_eq!(shown(&["Enter to confirm", "Is this a project you created or one you trust?"]), None);
        assert_eq!(shown(&[]), None);
    }

    #[test]
    fn a_flood_is_kept_within_bounds() {
        let mut shown = Shown::default();
        for _ in 0..100 {
            shown.feed(&"ü".repeat(1000));
        }
        assert!(shown.text.len() <= 5 * SCREEN_LEN_MAX, "{}", shown.text.len());
        shown.feed("Sign in with ChatGPT. Press enter to continue");
        assert!(
            matches!(shown.screen().map(Screen::ending), Some(Ending::Authentication { text }) if text.contains("codex login"))
        );
    }
}
