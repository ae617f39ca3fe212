//! What cards say beyond the snapshot: what a running agent did last, and what a question asks.

use storkit_core::snapshot::{State, Status};

use super::Service;
use crate::web;

/// Most cards whose words are looked up for one answer; others say what the snapshot says.
const LOOKS_MAX: usize = 24;
/// Longest text of a card, in characters.
const WORDS_MAX: usize = 200;

/// Gives cards the words that the snapshot does not hold.
pub(super) async fn tell<S: Service>(service: &S, status: &mut Status) {
    let telling = |state| matches!(state, State::Running | State::Question);
    let stories = status.stories.iter_mut().filter(|story| telling(story.state));
    for story in stories.take(LOOKS_MAX) {
        let words = match (story.state, &story.run) {
            (State::Running, Some(run)) if story.reason.is_none() => service.activity(run.clone()).await,
            (State::Question, _) => service.file(story).await.and_then(|file| web::asked(&file.text)),
            _ => None,
        };
        if let Some(words) = words {
            story.reason = Some(words.chars().take(WORDS_MAX).collect());
        }
    }
}
