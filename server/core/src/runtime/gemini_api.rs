//! A model behind Gemini's generateContent, driven by storkit's own tool loop.
//!
//! Only what tells it from the other API: the loop's argument. The rest is in `api`.

use super::launch::{Launch, LaunchOrder};
use super::{Adapter, api};
use crate::config::Runtime;

pub(super) const ADAPTER: Adapter =
    Adapter { runtime: Runtime::GeminiApi, command: "", launch, parser: api::parser };

fn launch(order: &LaunchOrder<'_>) -> Launch {
    api::launch(order, "gemini")
}
