//! What the server knows: how far each script is, what it was asked, what it has charged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::call::{Call, Request, has_word, holds};
use super::script::{Repeat, Script, Turn, Usage};

/// The most requests that are kept; later ones are counted and not kept.
pub(super) const REQUESTS_MAX: usize = 5_000;

/// What one model was asked and what it has charged: whole answers alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Answers that are part of the work.
    pub answers: u64,
    /// Answers beside it: titles, probes, classifiers.
    pub aux_answers: u64,
    /// Tokens of all of them: read, but for what came from a cache.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache.
    pub cache_write: u64,
}

impl Served {
    fn charge(&mut self, main: bool, usage: Usage) {
        if main {
            self.answers += 1;
        } else {
            self.aux_answers += 1;
        }
        self.input += usage.input;
        self.output += usage.output;
        self.cache_read += usage.cache_read;
        self.cache_write += usage.cache_write;
    }
}

/// A script and how far it is.
#[derive(Debug)]
struct Playing {
    script: Script,
    turn: usize,
    /// How often the turn was said, and when first, and how often the test had let go by then.
    said: u32,
    first: Option<(Instant, u64)>,
    served: BTreeMap<String, Served>,
}

/// Everything that changes.
#[derive(Debug, Default)]
pub(super) struct State {
    scripts: Vec<Playing>,
    pub requests: Vec<Request>,
    pub requests_dropped: u64,
    pub foreign_keys: u64,
    /// How often the test has let the server go on.
    pub releases: u64,
    /// Requests for answers wait, and use no turn.
    pub held: bool,
    pub stopping: bool,
}

/// The turn that answers a call.
#[derive(Debug)]
pub(super) struct Chosen {
    pub turn: Turn,
    /// For the log.
    pub label: String,
    /// The script's place; none where no script answers.
    pub script: Option<usize>,
}

impl State {
    pub(super) fn new(scripts: Vec<Script>) -> Self {
        let playing = |script| Playing { script, turn: 0, said: 0, first: None, served: BTreeMap::new() };
        Self { scripts: scripts.into_iter().map(playing).collect(), ..Self::default() }
    }

    /// The turn that answers `call`, which is used up by that. None where no script is for it.
    pub(super) fn choose(&mut self, call: &Call, body: &Value, now: Instant) -> Option<Chosen> {
        let marked = |playing: &Playing| playing.script.markers.iter().any(|marker| has_word(body, marker));
        let found = self.scripts.iter().position(marked);
        let found = found.or_else(|| self.scripts.iter().position(|one| one.script.markers.is_empty()));
        let Some(place) = found else {
            let aux = || Chosen { turn: Turn::says("Scripted."), label: "/aux".to_owned(), script: None };
            return (!call.is_main()).then(aux);
        };
        let releases = self.releases;
        let playing = &mut self.scripts[place];
        let name = playing.script.markers.first().cloned().unwrap_or_default();
        let (turn, label) = if call.is_main() {
            playing.next(now, releases, body)
        } else {
            let turn = playing.script.aux.clone();
            (turn.unwrap_or_else(|| Turn::says("Scripted.")), "aux".to_owned())
        };
        Some(Chosen { turn, label: format!("{name}/{label}"), script: Some(place) })
    }

    /// An answer went out whole.
    pub(super) fn charge(&mut self, chosen: &Chosen, call: &Call) {
        let Some(place) = chosen.script else { return };
        let served = self.scripts[place].served.entry(call.model.clone()).or_default();
        served.charge(call.is_main(), chosen.turn.usage);
    }

    /// What was served, by model; of the script with that marker alone, where one is given.
    pub(super) fn served(&self, marker: Option<&str>) -> BTreeMap<String, Served> {
        let mut sums: BTreeMap<String, Served> = BTreeMap::new();
        let asked =
            |one: &&Playing| marker.is_none_or(|marker| one.script.markers.iter().any(|own| own == marker));
        for (model, served) in self.scripts.iter().filter(asked).flat_map(|one| &one.served) {
            let sum = sums.entry(model.clone()).or_default();
            sum.answers += served.answers;
            sum.aux_answers += served.aux_answers;
            sum.input += served.input;
            sum.output += served.output;
            sum.cache_read += served.cache_read;
            sum.cache_write += served.cache_write;
        }
        sums
    }

    /// How many turns were not said, or not as often as they should, by the script's first marker.
    pub(super) fn unused(&self) -> BTreeMap<String, usize> {
        let said = |one: &Playing| match one.turn_now().map(|turn| turn.repeat) {
            Some(Repeat::Times(times)) => one.said >= times,
            Some(_) => one.said > 0,
            None => false,
        };
        let left = |one: &Playing| one.script.turns.len() - one.turn - usize::from(said(one));
        let name = |one: &Playing| one.script.markers.first().cloned().unwrap_or_default();
        self.scripts.iter().map(|one| (name(one), left(one))).filter(|(_, left)| *left > 0).collect()
    }

    /// Keeps a request.
    pub(super) fn keep(&mut self, request: Request) {
        if self.requests.len() < REQUESTS_MAX {
            self.requests.push(request);
        } else {
            self.requests_dropped += 1;
        }
    }
}

impl Playing {
    fn turn_now(&self) -> Option<&Turn> {
        self.script.turns.get(self.turn)
    }

    /// The next turn of the work, and its name.
    fn next(&mut self, now: Instant, releases: u64, body: &Value) -> (Turn, String) {
        loop {
            let Some(turn) = self.turn_now().cloned() else {
                let over = || Turn::says("The script is over.");
                return (self.script.otherwise.clone().unwrap_or_else(over), "otherwise".to_owned());
            };
            let (first, before) = *self.first.get_or_insert((now, releases));
            let proven = turn.unless.as_ref().is_some_and(|words| holds(body, words));
            let over = proven
                || match turn.repeat {
                    Repeat::Times(times) => self.said >= times,
                    Repeat::ForMs(span) => now.duration_since(first) >= Duration::from_millis(span),
                    Repeat::UntilReleased => releases > before,
                    Repeat::Forever => false,
                };
            if !over {
                self.said += 1;
                return (turn, format!("turn {}", self.turn + 1));
            }
            self.turn += 1;
            self.said = 0;
            self.first = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::call::Api;
    use serde_json::json;

    fn body(text: &str) -> Value {
        json!({"model": "m", "messages": [{"content": text}],
            "tools": [{"name": "Bash", "input_schema": {"properties": {"command": {}}}}]})
    }

    fn label(state: &mut State, text: &str, at: Instant) -> String {
        let body = body(text);
        let call = Call::read(Api::Anthropic, "/v1/messages", &body);
        state.choose(&call, &body, at).map_or("none".to_owned(), |chosen| chosen.label)
    }

    #[test]
    fn each_story_has_its_own_script_and_repeats_count() {
        let now = Instant::now();
        let twice = Turn::status(500).repeat(Repeat::Times(2));
        let mut state = State::new(vec![
            Script::when("1_story_a").turn(twice).turn(Turn::says("a")),
            Script::when("11_story_a").turn(Turn::says("b")),
        ]);
        assert_eq!(state.unused(), [("1_story_a".to_owned(), 2), ("11_story_a".to_owned(), 1)].into());
        let labels: Vec<String> = ["1_story_a", "11_story_a", "1_story_a", "1_story_a", "1_story_a", "else"]
            .iter()
            .map(|text| label(&mut state, text, now))
            .collect();
        let expected = [
            "1_story_a/turn 1",
            "11_story_a/turn 1",
            "1_story_a/turn 1",
            "1_story_a/turn 2",
            "1_story_a/otherwise",
            "none",
        ];
        assert_eq!(labels, expected);
    }

    #[test]
    fn a_turn_is_said_until_the_request_proves_it_done() {
        let now = Instant::now();
        let writes = Turn::shell("echo PROOF-$((1 + 1))").repeat(Repeat::Forever).unless("PROOF-2");
        let mut state = State::new(vec![Script::new().turn(writes).turn(Turn::says("done"))]);
        assert_eq!(label(&mut state, "PROOF-$((1 + 1))", now), "/turn 1");
        assert_eq!(label(&mut state, "", now), "/turn 1");
        assert_eq!(label(&mut state, "it says: PROOF-2", now), "/turn 2");
    }

    #[test]
    fn a_turn_lasts_for_a_time_until_the_test_lets_go_or_for_ever() {
        let now = Instant::now();
        let turn = |repeat| Turn::status(429).repeat(repeat);
        let mut state = State::new(vec![
            Script::new()
                .turn(turn(Repeat::ForMs(100)))
                .turn(turn(Repeat::UntilReleased))
                .turn(turn(Repeat::Forever)),
        ]);
        let at = |ms| now + Duration::from_millis(ms);
        assert_eq!(label(&mut state, "", at(0)), "/turn 1");
        assert_eq!(label(&mut state, "", at(99)), "/turn 1");
        assert_eq!(label(&mut state, "", at(100)), "/turn 2");
        assert_eq!(label(&mut state, "", at(9_999)), "/turn 2");
        state.releases += 1;
        assert_eq!(label(&mut state, "", at(10_000)), "/turn 3");
        assert_eq!(label(&mut state, "", at(10_001)), "/turn 3");
        assert_eq!(state.unused(), BTreeMap::new());
    }
}
