//! What was made by a request with an `Idempotency-Key`, so that the same request, sent again, makes nothing more.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};

use super::problem::Problem;

/// How long a key is remembered.
const KEY_LIFE: Duration = Duration::from_hours(24);
/// Most keys; a newer one takes the oldest one's place.
const KEYS_MAX: usize = 1_000;
/// Longest key, in bytes.
const KEY_LEN_MAX: usize = 255;

/// The keys that were used.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<VecDeque<Used>>);

#[derive(Debug)]
struct Used {
    key: String,
    /// The request, to tell another one under the same key.
    asked: String,
    /// What was made; none while it is being made.
    made: Option<String>,
    at: Instant,
}

/// What a key says about a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet: go on, and say how it ended.
    New,
    /// It was done, and made this.
    Done(String),
}

/// The key of a request, where it has one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut said = headers.get_all("idempotency-key").iter();
    let Some(key) = said.next() else { return Ok(None) };
    let fits = |key: &&str| {
        (1..=KEY_LEN_MAX).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    };
    let key = key.to_str().ok().filter(fits);
    if let (Some(key), None) = (key, said.next()) {
        return Ok(Some(key.to_owned()));
    }
    let detail = format!("Idempotency-Key is one text of 1 to {KEY_LEN_MAX} ASCII characters");
    Err(Problem::new(StatusCode::BAD_REQUEST, detail))
}

impl Keys {
    /// Takes a key for a request. One under which another request came, or that is in use now, is refused.
    pub(super) fn begin(&self, key: &str, asked: &str) -> Result<Known, Problem> {
        let mut all = self.all();
        all.retain(|used| used.at.elapsed() < KEY_LIFE);
        if let Some(used) = all.iter().find(|used| used.key == key) {
            return match &used.made {
                _ if used.asked != asked => Err(Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "another request came under this Idempotency-Key",
                )),
                None => {
                    Err(Problem::new(StatusCode::CONFLICT, "the request under this key is being carried out"))
                }
                Some(made) => Ok(Known::Done(made.clone())),
            };
        }
        if all.len() == KEYS_MAX {
            all.pop_front();
        }
        let (key, asked) = (key.to_owned(), asked.to_owned());
        all.push_back(Used { key, asked, made: None, at: Instant::now() });
        Ok(Known::New)
    }

    /// Notes what a request made; where it made nothing, its key is free again.
    pub(super) fn end(&self, key: &str, made: Option<String>) {
        let mut all = self.all();
        let Some(at) = all.iter().position(|used| used.key == key) else { return };
        if made.is_some() {
            all[at].made = made;
        } else {
            all.remove(at);
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, VecDeque<Used>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn a_key_stands_for_one_request_and_what_it_made() {
        let keys = Keys::default();
        assert_eq!(keys.begin("k", "a").ok(), Some(Known::New));
        assert!(keys.begin("k", "a").is_err(), "it is being carried out");
        keys.end("k", Some("1_a".to_owned()));
        assert_eq!(keys.begin("k", "a").ok(), Some(Known::Done("1_a".to_owned())));
        assert!(keys.begin("k", "b").is_err(), "another request");
        assert_eq!(keys.begin("l", "b").ok(), Some(Known::New));
        keys.end("l", None);
        assert_eq!(keys.begin("l", "c").ok(), Some(Known::New), "nothing was made");
    }

    #[test]
    fn a_key_is_one_text_of_visible_characters() {
        for (said, is_key) in
            [("k 1", true), ("", false), ("a\tb", false), ("ä", false), (&*"x".repeat(256), false)]
        {
            let value = HeaderValue::from_bytes(said.as_bytes()).expect("a header");
            let headers = HeaderMap::from_iter([(HeaderName::from_static("idempotency-key"), value)]);
            assert_eq!(key(&headers).is_ok(), is_key, "{said:?}");
        }
    }

    #[test]
    fn keys_are_forgotten_in_time_and_number() {
        let keys = Keys::default();
        for at in 0..=KEYS_MAX {
            keys.begin(&at.to_string(), "").expect("new");
            keys.end(&at.to_string(), Some("x".to_owned()));
        }
        assert_eq!(keys.begin("0", "").ok(), Some(Known::New), "the oldest went");
        keys.end("0", Some("x".to_owned()));
        let long_ago = Instant::now().checked_sub(KEY_LIFE);
        // A machine that has not run so long has no such moment.
        if let Some(long_ago) = long_ago {
            keys.all().iter_mut().for_each(|used| used.at = long_ago);
            assert_eq!(keys.begin("9", "").ok(), Some(Known::New));
        }
    }
}
