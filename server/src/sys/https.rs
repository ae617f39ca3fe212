//! The HTTP client for what is outside: providers of models, webhooks. No redirect is followed, so that a key goes
//! where the configuration says and nowhere else.

use std::time::Duration;

use reqwest::blocking::{Client, ClientBuilder};
use reqwest::redirect::Policy;

/// How long a client is patient.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the whole answer.
    pub answer: Duration,
}

/// A client for an address, with the proxies of the environment; none where it is neither http nor https.
pub fn client(address: &str, patience: Patience) -> Option<ClientBuilder> {
    let url = reqwest::Url::parse(address).ok()?;
    // Only the first call in a process does something.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(patience.connect)
        .timeout(patience.answer)
        .user_agent(concat!("storkit/", env!("CARGO_PKG_VERSION")));
    match url.scheme() {
        "https" => Some(builder),
        // Nothing is verified here, so a machine without certificates will do.
        "http" => Some(builder.tls_certs_only([])),
        _ => None,
    }
}

/// An error and what is behind it, without the address: its path may hold a secret.
pub fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
