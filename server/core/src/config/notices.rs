//! `[[notify]]`: who is told of what happens, and when not.

use super::keys;
use super::raw::{Log, Section};
use crate::notify::{Channel, Occasion, Quiet, Rule};

/// Most rules.
const RULES_MAX: usize = 16;

/// The names of what is told.
const OCCASIONS: [(&str, Occasion); 6] = [
    ("question", Occasion::Question),
    ("review", Occasion::Review),
    ("blocked", Occasion::Blocked),
    ("landed", Occasion::Landed),
    ("budget", Occasion::Budget),
    ("drained", Occasion::Drained),
];

/// The rules, in the file's order.
pub(super) fn read(log: &mut Log<'_>, top: &Section<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for section in top.sections(log, "notify", keys::NOTIFY, |_, _| false) {
        if rules.len() == RULES_MAX {
            log.error(section.at, "There are more than 16 `[[notify]]`.", "one command may tell several");
            break;
        }
        let on = section.choices(log, "on", &OCCASIONS).unwrap_or_else(|| Occasion::ALL.to_vec());
        let quiet = quiet(log, &section);
        if let Some(channel) = channel(log, &section) {
            rules.push(Rule { on, channel, quiet });
        }
    }
    rules
}

fn channel(log: &mut Log<'_>, section: &Section<'_>) -> Option<Channel> {
    let command = section.text(log, "command");
    let webhook = section.text(log, "webhook");
    let desktop = section.flag(log, "desktop").unwrap_or(false);
    let hint = "one of `command = \"…\"`, `webhook = \"https://…\"`, `desktop = true`";
    match (command, webhook, desktop) {
        (Some(command), None, false) if !command.value.trim().is_empty() => {
            Some(Channel::Command(command.value))
        }
        (None, Some(webhook), false) if is_address(&webhook.value) => Some(Channel::Webhook(webhook.value)),
        (None, Some(webhook), false) => {
            let hint = "https, or http on this machine, or `$NAME` of a variable that holds the address";
            log.error(webhook.at, "`webhook` is no address that may be used.", hint);
            None
        }
        (None, None, true) => Some(Channel::Desktop),
        _ => {
            log.error(section.at, "`[[notify]]` must say one way to tell.", hint);
            None
        }
    }
}

/// Whether a message may be sent there: encrypted, to this machine, or to what a variable names.
fn is_address(text: &str) -> bool {
    if let Some(name) = text.strip_prefix('$') {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        return !name.is_empty()
            && name.chars().all(is_name)
            && !name.starts_with(|c: char| c.is_ascii_digit());
    }
    crate::notify::may_be_sent_to(text)
}

fn quiet(log: &mut Log<'_>, section: &Section<'_>) -> Option<Quiet> {
    let said = section.text(log, "quiet")?;
    let quiet = Quiet::parse(&said.value);
    if quiet.is_none() {
        log.error(said.at, "`quiet` is no span of the day.", "e.g. `quiet = \"22:00-07:30\"`");
    }
    quiet
}

#[cfg(test)]
mod tests {
    use crate::config::{parse, show};
    use crate::notify::{Channel, Occasion};

    #[test]
    fn rules_are_read_in_order_and_shown_as_they_are() {
        let text = "[[notify]]\non = [\"question\", \"drained\"]\ncommand = \"say hi\"\nquiet = \"22:00-07:30\"\n\
                    [[notify]]\nwebhook = \"https://example.org/x\"\n[[notify]]\ndesktop = true\n\
                    [[notify]]\nwebhook = \"$HOOK\"\n[[notify]]\nwebhook = \"http://127.0.0.1:9/x\"\n";
        let config = parse(text).expect("good").config;
        assert_eq!(config.notify.len(), 5);
        assert_eq!(config.notify[0].on, [Occasion::Question, Occasion::Drained]);
        assert_eq!(config.notify[0].channel, Channel::Command("say hi".to_owned()));
        assert_eq!(config.notify[1].on, Occasion::ALL);
        let again = parse(&show(&config)).expect("what is shown reads back").config;
        assert_eq!(again.notify, config.notify);
    }

    #[test]
    fn a_rule_says_one_way_to_tell_and_a_safe_one() {
        for bad in [
            "",
            "command = \"\"",
            "command = \"x\"\ndesktop = true",
            "webhook = \"http://example.org\"",
            "webhook = \"ftp://127.0.0.1\"",
            "webhook = \"http://127.0.0.1.example.org/\"",
            "webhook = \"http://127.0.0.1@example.org/\"",
            "webhook = \"$1X\"",
            "command = \"x\"\nquiet = \"late\"",
            "command = \"x\"\nquiet = \"24:00-07:00\"",
            "command = \"x\"\non = [\"everything\"]",
        ] {
            let text = format!("[[notify]]\n{bad}\n");
            assert_eq!(parse(&text).expect_err(bad).len(), 1, "{bad}");
        }
    }
}
