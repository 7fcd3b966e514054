//! What recognition services have in common: a key, refusals and a gate that remembers them, tracks with an actor each.

mod door;
mod gate;
mod meter;
mod tracks;

use std::fmt;

pub(crate) use door::Door;
use gate::Gate;
pub(crate) use meter::Meter;
pub(crate) use tracks::{Inbox, Told, Tracks};

use crate::RecogniseError;

/// A key that is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key as the service's console shows it.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(..)")
    }
}

/// The service does not want to be asked like this. It is not the network, and trying again at once does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unauthorised,
    PaymentRequired,
    RateLimited,
    Misconfigured,
}

impl From<Refusal> for RecogniseError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorised => Self::Unauthorised,
            Refusal::PaymentRequired => Self::PaymentRequired,
            Refusal::RateLimited => Self::RateLimited,
            Refusal::Misconfigured => Self::Misconfigured,
        }
    }
}
