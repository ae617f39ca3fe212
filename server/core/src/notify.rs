//! Who is told of what: a decision without a world. Nothing is told twice; what comes in quiet hours is told at
//! their end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::effect::{Notice, Topic};

/// Messages that wait for the end of quiet hours, for each way to tell; the oldest go first.
const WAITING_MAX: usize = 50;
/// Stories of which it is known what they were told to need.
const OPEN_MAX: usize = 5_000;
/// Longest text of a message, in characters.
const TEXT_CHARS_MAX: usize = 1_000;
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// What people may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// An agent asks something.
    Question,
    /// A story waits for a review.
    Review,
    /// A story needs a person.
    Blocked,
    /// A story's work is on base.
    Landed,
    /// A budget is spent.
    Budget,
    /// An agent gets no more work until a person says so.
    Drained,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Question, Self::Review, Self::Blocked, Self::Landed, Self::Budget, Self::Drained];

    /// Its name, in the configuration and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Review => "review",
            Self::Blocked => "blocked",
            Self::Landed => "landed",
            Self::Budget => "budget",
            Self::Drained => "drained",
        }
    }

    const fn of(topic: Topic) -> Option<Self> {
        match topic {
            Topic::Question => Some(Self::Question),
            Topic::Review => Some(Self::Review),
            Topic::Blocked => Some(Self::Blocked),
            Topic::Landed => Some(Self::Landed),
            Topic::Budget => Some(Self::Budget),
            Topic::Drained => Some(Self::Drained),
            _ => None,
        }
    }
}

/// A way to tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// A command of the shell.
    Command(String),
    /// An address that takes JSON, or `$NAME` of the variable that holds it.
    Webhook(String),
    /// The desktop's own notifications.
    Desktop,
}

impl Channel {
    /// The way in words, without what may be a secret.
    pub fn label(&self) -> String {
        match self {
            Self::Command(command) => format!("command `{command}`"),
            Self::Webhook(name) if name.starts_with('$') => format!("webhook {name}"),
            Self::Webhook(url) => {
                let host = url.split('/').nth(2).unwrap_or_default();
                format!("webhook {}", host.rsplit('@').next().unwrap_or_default())
            }
            Self::Desktop => "desktop".to_owned(),
        }
    }
}

/// A span of the day, in minutes of local time; it may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// Its first minute.
    pub from: u16,
    /// The minute after its last.
    pub to: u16,
}

impl Quiet {
    /// Reads `22:00-07:30`.
    pub fn parse(text: &str) -> Option<Self> {
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-')?;
        Some(Self { from: minute(from)?, to: minute(to)? }).filter(|quiet| quiet.from != quiet.to)
    }

    /// Whether it is quiet at that minute of the day.
    pub const fn holds(self, minute: u16) -> bool {
        // Counted from its beginning, so that midnight is nothing special.
        (minute + DAY - self.from) % DAY < (self.to + DAY - self.from) % DAY
    }
}

impl core::fmt::Display for Quiet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// One `[[notify]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What is told.
    pub on: Vec<Occasion>,
    /// How.
    pub channel: Channel,
    /// When not.
    pub quiet: Option<Quiet>,
}

/// Whether a message may be sent to an address: over TLS, or to this machine.
pub fn may_be_sent_to(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty()
        || host.contains('@')
        || url.contains(char::is_whitespace)
        || url.contains(char::is_control)
    {
        return false;
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_local =
        name == "localhost" || name.parse::<core::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    scheme == "https" || (scheme == "http" && is_local)
}

/// What somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The event's number: the same event has the same one.
    pub id: u64,
    /// What happened.
    pub event: Occasion,
    /// The story.
    pub story: Option<String>,
    /// The same in a sentence.
    pub text: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// What has been told, kept over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The number of the last event that was looked at.
    #[serde(default)]
    last: u64,
    /// What each story was told to need last, until it goes on.
    #[serde(default)]
    open: BTreeMap<String, (Occasion, String)>,
    /// What waits for the end of quiet hours, by the way to tell.
    #[serde(default)]
    waiting: BTreeMap<String, Vec<Message>>,
}

impl Told {
    /// Takes an event and gives who is told of it now. `minute` is the minute of the local day.
    pub fn take<'r>(
        &mut self,
        (id, notice): (u64, &Notice),
        rules: &'r [Rule],
        minute: u16,
    ) -> Vec<(&'r Channel, Message)> {
        if id <= self.last {
            return Vec::new();
        }
        self.last = id;
        let story = notice.story.as_ref().map(ToString::to_string);
        let Some(event) = Occasion::of(notice.topic) else {
            if matches!(notice.topic, Topic::Moved | Topic::Preparing | Topic::Running | Topic::Closed)
                && let Some(story) = &story
            {
                self.open.remove(story);
            }
            return Vec::new();
        };
        let text: String = notice.text.chars().take(TEXT_CHARS_MAX).collect();
        if let Some(story) = &story {
            let now = (event, text.clone());
            if self.open.get(story) == Some(&now) {
                return Vec::new();
            }
            self.open.insert(story.clone(), now);
            if self.open.len() > OPEN_MAX {
                self.open.pop_first();
            }
        }
        let message = Message { id, event, story, text, at_ms: notice.at.0 };
        let mut told: Vec<(&'r Channel, Message)> = Vec::new();
        for rule in rules.iter().filter(|rule| rule.on.contains(&event)) {
            if rule.quiet.is_some_and(|quiet| quiet.holds(minute)) {
                let waiting = self.waiting.entry(rule.channel.key()).or_default();
                waiting.push(message.clone());
                if waiting.len() > WAITING_MAX {
                    waiting.remove(0);
                }
            } else if !told.iter().any(|(channel, _)| *channel == &rule.channel) {
                told.push((&rule.channel, message.clone()));
            }
        }
        told
    }

    /// What waited for the end of quiet hours that are over.
    pub fn awake<'r>(&mut self, rules: &'r [Rule], minute: u16) -> Vec<(&'r Channel, Message)> {
        let mut told = Vec::new();
        for rule in rules.iter().filter(|rule| !rule.quiet.is_some_and(|quiet| quiet.holds(minute))) {
            let waiting = self.waiting.remove(&rule.channel.key()).unwrap_or_default();
            told.extend(waiting.into_iter().map(|message| (&rule.channel, message)));
        }
        // Nobody is left to be told what waits for a rule that is gone.
        self.waiting.retain(|key, _| rules.iter().any(|rule| rule.channel.key() == *key));
        told
    }

    /// Whether all but the last event's number is the same: nothing that must be kept has changed.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.open, &self.waiting) == (&other.open, &other.waiting)
    }

    /// The number of the last event that was looked at.
    pub const fn last(&self) -> u64 {
        self.last
    }
}

impl Channel {
    fn key(&self) -> String {
        match self {
            Self::Command(command) => format!("command {command}"),
            Self::Webhook(url) => format!("webhook {url}"),
            Self::Desktop => "desktop".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::StoryId;
    use crate::time::Wall;

    fn notice(topic: Topic, story: Option<&str>, text: &str) -> Notice {
        let story = story.map(|story| StoryId::new(story).expect("an id"));
        Notice { at: Wall(5), topic, story, text: text.to_owned(), gates: Vec::new() }
    }

    fn rule(command: &str, on: &[Occasion], quiet: Option<&str>) -> Rule {
        let quiet = quiet.map(|quiet| Quiet::parse(quiet).expect("a span"));
        Rule { on: on.to_vec(), channel: Channel::Command(command.to_owned()), quiet }
    }

    fn names(told: &[(&Channel, Message)]) -> Vec<String> {
        told.iter().map(|(channel, message)| format!("{}: {}", channel.label(), message.text)).collect()
    }

    #[test]
    fn a_rule_is_told_of_what_it_asks_for() {
        let rules = [rule("a", &[Occasion::Question], None), rule("b", &Occasion::ALL, None)];
        let mut told = Told::default();
        let first = told.take((1, &notice(Topic::Question, Some("1_a"), "why?")), &rules, 0);
        assert_eq!(names(&first), ["command `a`: why?", "command `b`: why?"]);
        assert_eq!(told.take((2, &notice(Topic::Landed, Some("1_a"), "landed")), &rules, 0).len(), 1);
        assert_eq!(told.take((3, &notice(Topic::Green, Some("1_a"), "green")), &rules, 0), []);
        assert_eq!(told.take((4, &notice(Topic::Drained, None, "drained")), &rules, 0).len(), 1);
    }

    #[test]
    fn nothing_is_told_twice_also_after_a_restart() {
        let rules = [rule("a", &Occasion::ALL, None)];
        let mut told = Told::default();
        let blocked = notice(Topic::Blocked, Some("1_a"), "tests failed");
        assert_eq!(told.take((7, &blocked), &rules, 0).len(), 1);
        assert_eq!(told.take((7, &blocked), &rules, 0), [], "the same event");
        let kept = serde_json::to_string(&told).expect("JSON");
        let mut told: Told = serde_json::from_str(&kept).expect("read back");
        assert_eq!(told.take((6, &blocked), &rules, 0), [], "an older one");
        assert_eq!(told.take((8, &blocked), &rules, 0), [], "the same need, told again by a new daemon");
        told.take((9, &notice(Topic::Running, Some("1_a"), "runs")), &rules, 0);
        assert_eq!(told.take((10, &blocked), &rules, 0).len(), 1, "it went on and is blocked again");
        assert_eq!(told.last(), 10);
    }

    #[test]
    fn what_comes_in_quiet_hours_is_told_at_their_end() {
        let rules = [rule("a", &Occasion::ALL, Some("22:00-07:00"))];
        let mut told = Told::default();
        let (night, morning) = (3 * 60, 7 * 60);
        for id in 1..=WAITING_MAX as u64 + 5 {
            let landed = notice(Topic::Landed, Some("1_a"), &format!("landed {id}"));
            assert_eq!(told.take((id, &landed), &rules, night), []);
        }
        assert_eq!(told.awake(&rules, night), []);
        let late = told.awake(&rules, morning);
        assert_eq!((late.len(), late[0].1.text.as_str()), (WAITING_MAX, "landed 6"));
        assert_eq!(told.awake(&rules, morning), []);
    }

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        let holds = |span: &str, at: &str| {
            let at = Quiet::parse(&format!("{at}-23:59")).expect("a time").from;
            Quiet::parse(span).expect("a span").holds(at)
        };
        assert!(
            holds("22:00-07:00", "22:00") && holds("22:00-07:00", "00:00") && holds("22:00-07:00", "06:59")
        );
        assert!(!holds("22:00-07:00", "07:00") && !holds("22:00-07:00", "21:59"));
        assert!(
            holds("09:00-17:00", "12:00") && !holds("09:00-17:00", "17:00") && !holds("09:00-17:00", "00:00")
        );
        for bad in ["", "22:00", "22-7", "22:60-07:00", "24:00-01:00", "08:00-08:00", "-1:00-02:00"] {
            assert_eq!(Quiet::parse(bad), None, "{bad}");
        }
        assert_eq!(
            Quiet::parse(" 9:05 - 17:30 ").map(|quiet| quiet.to_string()).as_deref(),
            Some("09:05-17:30")
        );
    }

    #[test]
    fn a_label_holds_no_secret() {
        assert_eq!(
            Channel::Webhook("https://hooks.example.org/s3cret?k=1".to_owned()).label(),
            "webhook hooks.example.org"
        );
        assert!(may_be_sent_to("https://example.org/x") && may_be_sent_to("http://[::1]:80/x"));
        assert!(!may_be_sent_to("http://10.0.0.1/x") && !may_be_sent_to("https://") && !may_be_sent_to("x"));
    }
}
