//! What stands before every route, upgrade and stream: whose name a request was sent to, which page sent it, and by
//! which token. Outermost, so that no route can be forgotten.
//!
//! A browser that was led here by a name of somebody else's (rebinding) shows it in `Host`; a page of somebody else's
//! shows it in `Origin` or `Sec-Fetch-Site`; a program without right to be here has no token. There is no cookie.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use tracing::Instrument;

use super::problem::Problem;
use super::tokens::Tokens;
use crate::mcp::Caller;
use crate::sys::trace;

/// Longest time until an answer begins; streams may go on after that.
const ANSWER_WAIT: Duration = Duration::from_mins(1);
/// Longest headers of a request, names and values, in bytes.
const HEADERS_LEN_MAX: usize = 64 * 1024;
/// The word before the token in `Sec-WebSocket-Protocol`: a browser can set no other header of an upgrade.
const SUBPROTOCOL_TOKEN: &str = "bearer.";
/// The only addresses that a run's token opens.
const MCP_PATHS: [&str; 2] = ["/mcp", "/mcp/stream"];
/// What a page may do: load its own files, and speak to where it came from.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every answer carries.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The way in that a request came by.
#[derive(Debug, Clone)]
pub(super) enum Door {
    /// The Unix socket, which the file system guards: without a token it is the owner who asks.
    Socket,
    /// TCP, bound to this address.
    Tcp(IpAddr),
}

/// What a guard knows.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) tokens: Arc<Tokens>,
    pub(super) door: Door,
}

/// Lets a request through, with its [`Caller`] put to it, or says why not.
pub(super) async fn watch(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let span = trace::request(request.method().as_str(), request.uri().path());
    let response = guarded(guard, request, next).instrument(span.clone()).await;
    trace::answered(&span, response.status().as_u16());
    response
}

async fn guarded(guard: Guard, mut request: Request, next: Next) -> Response {
    let mut response = match guard.admit(&request) {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            let late =
                || Problem::new(StatusCode::GATEWAY_TIMEOUT, "the daemon took too long").into_response();
            tokio::time::timeout(ANSWER_WAIT, next.run(request)).await.unwrap_or_else(|_| late())
        }
        Err(problem) => problem.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether an address shows nothing of the board, so that no token is needed: the page's static shell, a sign of life,
/// and where a code is traded.
pub(super) fn is_open(method: &Method, path: &str) -> bool {
    let looks = matches!(*method, Method::GET | Method::HEAD);
    let shell = crate::web::is_page(path) || path == "/favicon.ico" || path.starts_with("/assets/");
    (looks && (shell || path == "/healthz")) || (*method == Method::POST && path == "/api/v1/session")
}

impl Guard {
    /// Who asks; nobody where that does not matter.
    fn admit(&self, request: &Request) -> Result<Option<Caller>, Problem> {
        let (headers, path) = (request.headers(), request.uri().path());
        let len: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if len > HEADERS_LEN_MAX {
            let detail = format!("the headers are over {HEADERS_LEN_MAX} bytes");
            return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail));
        }
        if let Door::Tcp(bound) = &self.door {
            let host = host(request).filter(|host| is_ours(host, *bound)).ok_or_else(|| {
                let detail = "this server does not answer to that name";
                Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
                    .hint("use http://127.0.0.1 or localhost")
            })?;
            same_origin(request, &host)?;
        }
        let caller = match (token(headers)?, &self.door) {
            (Some(token), _) => self.tokens.caller(token).ok_or_else(unknown)?,
            (None, Door::Socket) => Caller::Owner,
            (None, Door::Tcp(_)) if is_open(request.method(), path) => return Ok(None),
            (None, Door::Tcp(_)) => return Err(unknown()),
        };
        match caller {
            Caller::Run(_) if !MCP_PATHS.contains(&path) && !is_open(request.method(), path) => {
                let detail = "this token is a run's: it opens storkit's MCP server and nothing else";
                Err(Problem::new(StatusCode::FORBIDDEN, detail).hint("speak MCP to $STORKIT_MCP_URL"))
            }
            caller => Ok(Some(caller)),
        }
    }
}

fn unknown() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "this needs a token")
        .hint("Authorization: Bearer …, the token is in .storkit/run/token; in a browser: storkit open")
}

/// The one name that a request was sent to; none where there are several, or they differ.
fn host(request: &Request) -> Option<String> {
    let mut said = request.headers().get_all(header::HOST).iter();
    let host = said.next()?.to_str().ok()?;
    let absolute = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let one = said.next().is_none() && absolute.is_none_or(|absolute| absolute.eq_ignore_ascii_case(host));
    one.then(|| host.to_ascii_lowercase())
}

/// Whether a `Host` names this machine itself or the address that is bound to; the port does not matter, as one may be
/// forwarded. Where every address is bound to, any address will do: rebinding needs a name.
fn is_ours(host: &str, bound: IpAddr) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').filter(|(_, port)| is_port(port)).map(|(name, _)| name),
        None => match host.split_once(':') {
            Some((name, port)) => port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name),
            None => Some(host),
        },
    };
    let Some(name) = name else { return false };
    let fits = |address: IpAddr| {
        let other = bound.is_unspecified() && !address.is_unspecified();
        address.is_loopback() || (address == bound && !bound.is_unspecified()) || other
    };
    name == "localhost" || name.parse().is_ok_and(fits)
}

/// Whether what follows an address in brackets is a port or nothing.
fn is_port(rest: &str) -> bool {
    rest.is_empty()
        || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether the page that sends this, where one does, is the board's own.
fn same_origin(request: &Request, host: &str) -> Result<(), Problem> {
    let headers = request.headers();
    let foreign = || Problem::new(StatusCode::FORBIDDEN, "a page of another origin may not ask this server");
    let mut origins = headers.get_all(header::ORIGIN).iter();
    if let Some(origin) = origins.next() {
        let own = origin.to_str().is_ok_and(|origin| origin.eq_ignore_ascii_case(&format!("http://{host}")));
        if !own || origins.next().is_some() {
            return Err(foreign());
        }
    }
    let said = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap_or("?"));
    let shell =
        matches!(*request.method(), Method::GET | Method::HEAD) && crate::web::is_page(request.uri().path());
    match said("sec-fetch-site") {
        "" | "none" | "same-origin" => Ok(()),
        // A link to the board is followed.
        _ if shell && said("sec-fetch-mode") == "navigate" && said("sec-fetch-dest") == "document" => Ok(()),
        _ => Err(foreign()),
    }
}

/// The token that a request carries: as a bearer, or for a WebSocket among its subprotocols.
fn token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut said = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(value) = said.next() {
        let (scheme, token) =
            value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(unknown)?;
        if !scheme.eq_ignore_ascii_case("bearer") || said.next().is_some() {
            return Err(unknown());
        }
        return Ok(Some(token.trim()));
    }
    let upgrades =
        headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let protocols = headers.get(header::SEC_WEBSOCKET_PROTOCOL).filter(|_| upgrades);
    let protocols = protocols.and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(protocols.split(',').find_map(|word| word.trim().strip_prefix(SUBPROTOCOL_TOKEN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_ours() {
        let bound = "192.0.2.7".parse().expect("an address");
        for good in [
            "localhost",
            "localhost:1",
            "127.0.0.1",
            "127.0.0.1:4242",
            "127.1.2.3",
            "[::1]",
            "[::1]:80",
            "192.0.2.7:5",
        ] {
            assert!(is_ours(good, bound), "{good}");
        }
        for bad in [
            "",
            "evil.com",
            "localhost.evil.com",
            "127.0.0.1.nip.io",
            "localhost:80@evil.com",
            "localhost.",
            "0.0.0.0",
            "[::1",
            "[::1]x",
            "::1",
            "192.0.2.8",
            "localhost:x",
            "127.1",
            "[::ffff:1.2.3.4]",
        ] {
            assert!(!is_ours(bad, bound), "{bad}");
        }
        let all = "0.0.0.0".parse().expect("an address");
        assert!(is_ours("192.0.2.8:80", all) && !is_ours("evil.com", all) && !is_ours("0.0.0.0", all));
    }

    #[test]
    fn what_is_open_shows_nothing_of_the_board() {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/s/42/diff"),
            ("GET", "/assets/app.js"),
            ("GET", "/healthz"),
            ("POST", "/api/v1/session"),
        ] {
            assert!(is_open(&method.parse().expect("a method"), path), "{path}");
        }
        for (method, path) in [
            ("POST", "/"),
            ("GET", "/api/v1/session"),
            ("GET", "/api/v1/status"),
            ("GET", "/ui/s/42"),
            ("GET", "/metrics"),
        ] {
            assert!(!is_open(&method.parse().expect("a method"), path), "{path}");
        }
    }
}
