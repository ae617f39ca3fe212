//! Traces: spans of what the daemon does. They go nowhere but to OpenTelemetry, in a program that was built with the
//! feature `otel` and is told where to (`export`); the log never shows them.

#[cfg(feature = "otel")]
mod export;

use tracing::Span;
use tracing::field::Empty;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

/// The target of every span here, by which a log leaves them out.
pub const TARGET: &str = "storkit::trace";
/// Longest path of a request that a span names, in bytes.
const PATH_LEN_MAX: usize = 256;

/// A request to the API; [`answered`] says how it went.
pub fn request(method: &str, path: &str) -> Span {
    let path = &path[..path.floor_char_boundary(PATH_LEN_MAX)];
    tracing::info_span!(target: TARGET, "request", otel.kind = "server", otel.status_code = Empty,
        http.request.method = method, url.path = path, http.response.status_code = Empty)
}

/// Notes how a request was answered.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// A run of an agent.
pub fn run(story: &str, run: &str, agent: &str, attempt: u32) -> Span {
    tracing::info_span!(target: TARGET, "run", story, run, agent, attempt)
}

/// A gate; [`judged`] says how it went.
pub fn gate(run: &str, name: &str) -> Span {
    tracing::info_span!(target: TARGET, "gate", otel.status_code = Empty, run, gate = name, passed = Empty)
}

/// Notes whether a gate passed.
pub fn judged(span: &Span, passed: bool) {
    span.record("passed", passed);
    if !passed {
        span.record("otel.status_code", "ERROR");
    }
}

/// A part of a landing: `squash`, in memory, or `advance`, base itself.
pub fn landing(story: &str, part: &'static str) -> Span {
    tracing::info_span!(target: TARGET, "landing", story, part)
}

/// Spans on their way out: what is left of them goes when this is dropped, within two seconds.
#[must_use = "dropped, it sends nothing more"]
#[derive(Default)]
pub struct Export {
    /// Why no spans are sent, though there is somewhere to send them.
    pub failure: Option<String>,
    #[cfg(feature = "otel")]
    _provider: Option<export::Provider>,
}

/// What takes spans and sends them to where `OTEL_EXPORTER_OTLP_ENDPOINT` says; nothing where it is not set, or
/// where the program was built without that.
pub fn export<S>() -> (Option<Box<dyn Layer<S> + Send + Sync>>, Export)
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    #[cfg(feature = "otel")]
    match export::endpoint().map(|endpoint| export::start(&endpoint)) {
        Some(Ok((layer, provider))) => {
            return (Some(layer), Export { failure: None, _provider: Some(provider) });
        }
        Some(Err(error)) => return (None, Export { failure: Some(error.to_string()), _provider: None }),
        None => {}
    }
    (None, Export::default())
}
