//! axum's extractors with our errors: a body, path or query that does not fit says which field, and why.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::{Problem, ProblemKind};

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .split(';')
                    .next()
                    .unwrap_or("")
                    .trim()
                    .eq_ignore_ascii_case("application/json")
            });
        if !is_json {
            return Err(Problem::new(
                ProblemKind::UnsupportedMedia,
                "the body must be JSON, with content-type: application/json",
            ));
        }
        let body = Bytes::from_request(request, state).await?;
        parse(&body).map(Self)
    }
}

/// Reads JSON; an error names the path of the field.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        let message = error.inner().to_string();
        let problem = Problem::new(ProblemKind::Invalid, format!("the body does not fit: {message}"));
        // A missing or unknown field is named in the message; its parent is the path.
        match message.split('`').nth(1) {
            Some(name) if message.starts_with("missing field") || message.starts_with("unknown field") => {
                problem.with_field(name, &*message)
            }
            _ if field == "." => problem,
            _ => problem.with_field(&field, &*message),
        }
    })?;
    reader
        .end()
        .map_err(|error| Problem::new(ProblemKind::Invalid, format!("the body does not fit: {error}")))?;
    Ok(value)
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let status = rejection.into_response().status();
        if status == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
            Self::new(ProblemKind::TooLarge, "the body is larger than this route takes")
        } else {
            Self::new(ProblemKind::Invalid, "the body could not be read to its end")
        }
    }
}

/// The parameters in the path.
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub struct Path<T>(pub T);

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(ProblemKind::Invalid, rejection.body_text())
    }
}

/// The parameters after the question mark.
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub struct Query<T>(pub T);

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(ProblemKind::Invalid, rejection.body_text())
    }
}

/// A value within its limits, or a problem that names it.
///
/// # Errors
/// It is outside.
pub fn within(field: &str, value: i64, limits: std::ops::RangeInclusive<i64>) -> Result<i64, Problem> {
    if limits.contains(&value) {
        Ok(value)
    } else {
        Err(Problem::field(
            field,
            format!("{} to {}", limits.start(), limits.end()),
        ))
    }
}

/// A text of a length within its limits, or a problem that names it.
///
/// # Errors
/// It is shorter or longer.
pub fn characters(field: &str, text: &str, limits: std::ops::RangeInclusive<usize>) -> Result<(), Problem> {
    if limits.contains(&text.chars().count()) {
        Ok(())
    } else {
        Err(Problem::field(
            field,
            format!("{} to {} characters", limits.start(), limits.end()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[allow(dead_code)]
        title: String,
        #[allow(dead_code)]
        capacity: Option<i32>,
    }

    fn wrong_field(body: &str) -> String {
        parse::<Body>(body.as_bytes()).unwrap_err().errors[0]
            .field
            .clone()
    }

    #[test]
    fn the_wrong_field_is_named() {
        assert_eq!(wrong_field(r#"{"title": 7}"#), "title");
        assert_eq!(wrong_field(r#"{"title": "a", "capacity": "many"}"#), "capacity");
        assert_eq!(wrong_field(r#"{"capacity": 2}"#), "title");
        assert_eq!(wrong_field(r#"{"title": "a", "titel": "b"}"#), "titel");
    }

    #[test]
    fn what_follows_the_body_is_refused() {
        assert!(parse::<Body>(br#"{"title": "a"} {"#).is_err());
        assert!(parse::<Body>(br#"{"title": "a"}"#).is_ok());
    }
}
