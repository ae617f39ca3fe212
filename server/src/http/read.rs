//! How a request is read: its address, its query, its body. What does not fit is a problem document like every other.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Longest body of a request, in bytes.
pub(super) const BODY_LEN_MAX: usize = 1024 * 1024;
/// Longest time in which a body must have come.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// What an address asks for behind its `?`.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let asked = Query::<T>::try_from_uri(&parts.uri);
        asked
            .map(|Query(asked)| Self(asked))
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))
    }
}

/// The story or run that an address names.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        named
            .map(|Path(name)| Self(name))
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))
    }
}

/// A JSON body, as [`read_json`] reads it.
pub(super) struct Given<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        Ok(Self(read_json(&parts.headers, body).await?))
    }
}

/// A JSON body, or what stands for none.
pub(super) struct GivenIfAny<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for GivenIfAny<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if parts.headers.contains_key(header::CONTENT_TYPE) {
            return Ok(Self(read_json(&parts.headers, body).await?));
        }
        if read_body(body).await?.is_empty() {
            return Ok(Self(T::default()));
        }
        Err(not_json())
    }
}

/// Reads a JSON body: within its limit, in time, and only where its sender says that it is JSON.
pub(super) async fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(not_json());
    }
    let bytes = read_body(body).await?;
    // A list would be taken for the values of an object's keys.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not a request: a JSON object is wanted"));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("not a request: {error}")))
}

fn not_json() -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
}

async fn read_body(body: Body) -> Result<Bytes, Problem> {
    let collected = tokio::time::timeout(BODY_WAIT, Limited::new(body, BODY_LEN_MAX).collect()).await;
    match collected {
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is over {BODY_LEN_MAX} bytes")))
        }
        Ok(Err(error)) => Err(Problem::new(StatusCode::BAD_REQUEST, error.to_string())),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}
