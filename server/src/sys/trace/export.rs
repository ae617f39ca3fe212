//! Spans to a collector: OTLP over HTTP, in batches, from a thread of its own. What cannot be sent is dropped, so the
//! daemon never waits for a collector; the queue is bounded by the SDK (2,048 spans).

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::sys::https::{self, Patience};

/// Longest time for a batch.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Longest time for what is left at the end.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Why no spans are sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The address is none.
    #[error("the address is neither http nor https")]
    Address,
    /// There can be no client.
    #[error("cannot make a client: {0}")]
    Client(String),
    /// The address or another variable of OpenTelemetry's makes no sense.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// What sends; it sends the rest when it is dropped.
pub(super) struct Provider(SdkTracerProvider);

impl Drop for Provider {
    fn drop(&mut self) {
        // Where the collector is gone, so is what was left.
        let _ = self.0.shutdown_with_timeout(END_WITHIN);
    }
}

/// Where to, by OpenTelemetry's own variables; none where they say nothing, or that there shall be none.
pub(super) fn endpoint() -> Option<String> {
    let said = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if said("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    let base = || Some(format!("{}/v1/traces", said("OTEL_EXPORTER_OTLP_ENDPOINT")?.trim_end_matches('/')));
    said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(base)
}

/// Begins to send to that address.
pub(super) fn start<S>(endpoint: &str) -> Result<(Box<dyn Layer<S> + Send + Sync>, Provider), ExportError>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let patience = Patience { connect: SEND_WITHIN, answer: SEND_WITHIN };
    let client = https::client(endpoint, patience).ok_or(ExportError::Address)?;
    let client = client.build().map_err(|error| ExportError::Client(https::words(error)))?;
    let exporter =
        SpanExporter::builder().with_http().with_http_client(client).with_endpoint(endpoint).build()?;
    let resource = Resource::builder();
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource = if named { resource } else { resource.with_service_name("storkit") };
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("storkit"));
    let spans = Targets::new().with_target(super::TARGET, LevelFilter::INFO);
    Ok((layer.with_filter(spans).boxed(), Provider(provider)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::sys::{task, trace};

    /// Takes one request, and gives it back whole.
    fn collector() -> (String, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let thread = task::spawn("collector", move || {
            let (mut stream, _) = listener.accept().expect("a request");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
            let mut got = Vec::new();
            let mut piece = [0; 4096];
            loop {
                let text = String::from_utf8_lossy(&got).into_owned();
                let len = text
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                let head = got.windows(4).position(|four| four == b"\r\n\r\n");
                if let (Some(len), Some(head)) = (len, head)
                    && got.len() >= head + 4 + len
                {
                    break;
                }
                let len = stream.read(&mut piece).expect("the request");
                assert!(len > 0, "it is whole");
                got.extend_from_slice(&piece[..len]);
            }
            let answer =
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).expect("answered");
            got
        })
        .expect("a thread");
        (format!("http://{address}/v1/traces"), thread)
    }

    #[test]
    fn spans_reach_a_collector_and_nothing_else_does() {
        let (endpoint, collected) = collector();
        let (layer, provider) = start(&endpoint).expect("it can begin");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            trace::run("1_story_seen", "run-7", "coder-1", 1).in_scope(|| {
                tracing::info!("a line of the log");
                tracing::info_span!("elsewhere").in_scope(|| {});
            });
            trace::judged(&trace::gate("run-7", "tests"), false);
            trace::answered(&trace::request("GET", &"/x".repeat(1_000)), 500);
            trace::landing("1_story_seen", "squash").in_scope(|| {});
        });
        drop(provider);
        let got = collected.join().expect("collected");
        let has = |text: &str| got.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(got.starts_with(b"POST /v1/traces "));
        for text in ["storkit", "1_story_seen", "run-7", "coder-1", "gate", "request", "landing", "squash"] {
            assert!(has(text), "{text}");
        }
        assert!(!has("a line of the log") && !has("elsewhere") && !has(&"/x".repeat(129)));
    }
}
