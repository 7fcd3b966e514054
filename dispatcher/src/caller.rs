//! Who calls the API. Every route of it goes through this extractor: users, roles and their rights will be decided here
//! and nowhere else.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::App;
use crate::http::{Problem, ProblemKind};

/// An authenticated caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Carries the deployment's API key: may do everything in every organisation.
    Operator,
}

impl Caller {
    /// The organisation, if the caller may act in it. Handlers use only the id that comes out of here.
    ///
    /// # Errors
    /// The caller has no rights there.
    pub fn within(self, organisation: Uuid) -> Result<Uuid, Problem> {
        match self {
            Self::Operator => Ok(organisation),
        }
    }
}

/// The token of an `Authorization: Bearer` header.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let header = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let Some(token) = header.and_then(bearer) else {
            return Err(Problem::new(
                ProblemKind::Unauthorised,
                "the header Authorization: Bearer <API key> is missing",
            ));
        };
        // In constant time: the answer's delay must not tell how much of a guess was right.
        if bool::from(token.as_bytes().ct_eq(app.api_key.as_bytes())) {
            Ok(Self::Operator)
        } else {
            Err(Problem::new(
                ProblemKind::Unauthorised,
                "the API key is not known",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_header_carries_a_key() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
